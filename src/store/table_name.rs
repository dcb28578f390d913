/// A table's name as routes and the ledger have it: `orders`, `sales.orders`, and in double quotes what has a point in
/// it: `"v1.orders"`, `sales."v1.orders"`. Letters are taken as they are, quoted or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableName {
    /// `public` where the text names none.
    pub(super) schema: String,
    pub(super) table: String,
}

impl TableName {
    pub(super) fn parse(text: &str) -> Self {
        let (first, rest) = part(text);
        match rest.and_then(|rest| rest.strip_prefix('.')) {
            Some(rest) => TableName { schema: first, table: part_or_all(rest) },
            None => TableName { schema: "public".to_owned(), table: part_or_all(text) },
        }
    }

    /// As it stands in a statement.
    pub(super) fn quoted(&self) -> String {
        format!("{}.{}", quote(&self.schema), quote(&self.table))
    }

    /// As a route names it.
    pub(super) fn shown(&self) -> String {
        let shown = |name: &str| if name.contains(['.', '"', ',', '=', ' ']) { quote(name) } else { name.to_owned() };
        match self.schema.as_str() {
            "public" => shown(&self.table),
            schema => format!("{}.{}", shown(schema), shown(&self.table)),
        }
    }
}

/// The first part of a name, and what follows it if anything does.
fn part(text: &str) -> (String, Option<&str>) {
    let Some(quoted) = text.strip_prefix('"') else {
        return match text.find('.') {
            Some(point) => (text[..point].to_owned(), Some(&text[point..])),
            None => (text.to_owned(), None),
        };
    };
    let mut name = String::new();
    let mut rest = quoted;
    while let Some(end) = rest.find('"') {
        name.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                name.push('"');
                rest = after;
            }
            None => return (name, Some(rest).filter(|rest| !rest.is_empty())),
        }
    }
    // A quote without its partner is a letter like any other.
    (text.to_owned(), None)
}

/// A name that is one part, or all of the text if it is more.
fn part_or_all(text: &str) -> String {
    match part(text) {
        (name, None) if text.starts_with('"') => name,
        _ => text.to_owned(),
    }
}

/// A name as it stands in a statement, whatever letters it has.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table's name as it stands in a statement; it may say its schema.
pub(super) fn quote_table(name: &str) -> String {
    TableName::parse(name).quoted()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_apart_at_points_outside_of_quotes() {
        for (text, schema, table) in [
            ("orders", "public", "orders"),
            ("Q4", "public", "Q4"),
            ("sales.orders", "sales", "orders"),
            ("sales.v1.orders", "sales", "v1.orders"),
            ("\"v1.orders\"", "public", "v1.orders"),
            ("\"Big Sales\".\"Orders\"", "Big Sales", "Orders"),
            ("sales.\"v1.orders\"", "sales", "v1.orders"),
            ("\"a\"\"b\"", "public", "a\"b"),
            ("\"open", "public", "\"open"),
        ] {
            let name = TableName::parse(text);
            assert_eq!((name.schema.as_str(), name.table.as_str()), (schema, table), "{text}");
            assert_eq!(TableName::parse(&name.shown()), name, "{text}");
        }
        assert_eq!(quote_table("s.a\"b"), r#""s"."a""b""#);
        assert_eq!(quote_table("t"), r#""public"."t""#);
    }
}
