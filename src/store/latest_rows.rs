//! Rows of a latest state, page by page: by its key, so that a page costs the same wherever it is.

use std::fmt::Write as _;

use super::audit::{number, text};
use super::error::StoreError;
use super::session::{Cell, Kind, Session};
use super::shown::page;
use super::statement::literal;
use super::table_name::{TableName, quote};

/// The view that shows the latest state of a route's table, as the catalog has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatestView {
    /// As a statement has it.
    quoted: String,
    /// As people read it.
    pub name: String,
    /// Its columns.
    pub columns: Vec<ViewColumn>,
    /// Which of them name a row; none if that cannot be told.
    pub key: Vec<usize>,
    /// The history that it shows, as a statement has it.
    history: String,
}

/// A column of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewColumn {
    /// Its name.
    pub name: String,
    /// Its type, as the catalog names it.
    pub data_type: String,
}

/// Which rows are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WantedRows {
    /// Behind the row of this key, if one is named.
    pub after: Option<Vec<String>>,
    /// That have this in a text, or as their key.
    pub search: Option<String>,
    /// So many at most.
    pub most: usize,
}

/// A place in a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The event hub.
    pub hub: String,
    /// The partition.
    pub partition: i32,
    /// The last number there.
    pub last: i64,
}

/// How far back of a partition's end the newest changes are looked for.
const BACK: i64 = 50;

/// Partitions in one statement.
const TAILS: usize = 64;

/// The name of the view for a table, as `deltawave init` and `deltawave table` make it.
fn view_of(table: &str) -> TableName {
    let TableName { schema, table } = TableName::parse(table);
    let name = if table == "user_event_log" { "latest_user_state".to_owned() } else { format!("latest_{table}") };
    TableName { schema, table: name }
}

/// What the view of a table is called.
pub fn latest_view_name(table: &str) -> String {
    view_of(table).shown()
}

impl Session {
    /// The view that shows the latest state of a table; nothing where there is none, or this user does not see it.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn latest_view(&self, table: &str) -> Result<Option<LatestView>, StoreError> {
        let wanted = view_of(table);
        let (schema, name) = (literal(&wanted.schema), literal(&wanted.table));
        let sql = match self.kind() {
            Kind::PostgreSql => format!(
                "SELECT a.attname, format_type(a.atttypid, a.atttypmod), pg_get_viewdef(c.oid) FROM pg_class c \
                 JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid \
                 WHERE n.nspname = {schema} AND c.relname = {name} AND c.relkind IN ('v', 'm') AND a.attnum > 0 \
                 AND NOT a.attisdropped AND has_table_privilege(c.oid, 'SELECT') ORDER BY a.attnum"
            ),
            Kind::RisingWave => format!(
                "SELECT column_name, data_type FROM information_schema.columns \
                 WHERE table_schema = {schema} AND table_name = {name} ORDER BY ordinal_position"
            ),
        };
        let (_, rows) = self.query_text(&page(&sql)).await?;
        let column = |row: &Vec<Cell>| ViewColumn { name: text(row, 0), data_type: text(row, 1) };
        let columns: Vec<_> = rows.iter().map(column).collect();
        if columns.is_empty() {
            return Ok(None);
        }
        let definition = rows.first().and_then(|row| row.get(2).cloned().flatten());
        let ours = wanted == view_of("user_event_log");
        let key = match definition {
            Some(definition) => partitioned_by(&definition, &columns),
            None if ours => columns.iter().position(|column| column.name == "id").into_iter().collect(),
            None => self.key_of_events(&wanted, columns.len()).await?,
        };
        let (quoted, history) = (wanted.quoted(), TableName::parse(table).quoted());
        Ok(Some(LatestView { quoted, name: wanted.shown(), columns, key, history }))
    }

    /// On RisingWave a table holds the newest events: its columns begin with those of the view, and its key is the view's.
    async fn key_of_events(&self, view: &TableName, columns: usize) -> Result<Vec<usize>, StoreError> {
        let sql = format!(
            "SELECT i.indkey::varchar FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE i.indisprimary AND c.relname = {} AND n.nspname = {}",
            literal(&format!("{}_events", view.table)),
            literal(&view.schema)
        );
        let (_, rows) = self.query_text(&page(&sql)).await?;
        let positions = rows.first().map(|row| text(row, 0)).unwrap_or_default();
        let positions = positions.split(|c: char| !c.is_ascii_digit()).filter_map(|position| position.parse().ok());
        Ok(positions.filter_map(|position: usize| position.checked_sub(1)).filter(|at| *at < columns).collect())
    }

    /// Rows in the order of the key, as texts.
    ///
    /// # Errors
    /// When the store cannot be asked, or refuses.
    pub async fn latest_rows(&self, view: &LatestView, wanted: &WantedRows) -> Result<Vec<Vec<Cell>>, StoreError> {
        Ok(self.query_text(&page(&view.rows_sql(wanted))).await?.1)
    }

    /// How many rows there are.
    ///
    /// # Errors
    /// As [`Session::latest_rows`].
    pub async fn latest_count(&self, view: &LatestView) -> Result<u64, StoreError> {
        let (_, rows) = self.query_text(&page(&format!("SELECT count(*) FROM {}", view.quoted))).await?;
        Ok(rows.first().and_then(|row| number(row, 0)).unwrap_or(0))
    }

    /// The keys of the newest events near the ends of these partitions, newest first, each once, with the time the broker
    /// took the event.
    ///
    /// # Errors
    /// As [`Session::latest_rows`].
    pub async fn newest_keys(
        &self,
        view: &LatestView,
        tails: &[Tail],
        most: usize,
    ) -> Result<Vec<(Vec<String>, String)>, StoreError> {
        let Some(sql) = view.newest_sql(tails, most * 4) else { return Ok(Vec::new()) };
        let (_, rows) = self.query_text(&page(&sql)).await?;
        let mut newest: Vec<(Vec<String>, String)> = Vec::new();
        for row in &rows {
            let key: Vec<_> = (0..view.key.len()).map(|at| text(row, at)).collect();
            if newest.len() < most && !newest.iter().any(|(other, _)| *other == key) {
                newest.push((key, text(row, view.key.len())));
            }
        }
        Ok(newest)
    }

    /// The rows of these keys that there are, in no order.
    ///
    /// # Errors
    /// As [`Session::latest_rows`].
    pub async fn rows_of_keys(&self, view: &LatestView, keys: &[Vec<String>]) -> Result<Vec<Vec<Cell>>, StoreError> {
        let Some(sql) = view.keys_sql(keys) else { return Ok(Vec::new()) };
        Ok(self.query_text(&page(&sql)).await?.1)
    }
}

impl LatestView {
    fn key_columns(&self) -> impl Iterator<Item = &ViewColumn> {
        self.key.iter().map(|at| &self.columns[*at])
    }

    /// The key of a row of [`Session::latest_rows`].
    pub fn key_of(&self, row: &[Cell]) -> Vec<String> {
        self.key.iter().map(|at| text(row, *at)).collect()
    }

    fn selected(&self) -> String {
        self.columns.iter().map(|column| quote(&column.name)).collect::<Vec<_>>().join(", ")
    }

    fn rows_sql(&self, wanted: &WantedRows) -> String {
        let order: Vec<_> = self.key_columns().map(|column| quote(&column.name)).collect();
        let mut conditions = Vec::new();
        conditions.extend(wanted.after.as_deref().and_then(|after| self.behind(after)));
        conditions.extend(wanted.search.as_deref().map(|search| self.found(search)));
        let mut sql = format!("SELECT {} FROM {}", self.selected(), self.quoted);
        if !conditions.is_empty() {
            let _ = write!(sql, " WHERE {}", conditions.join(" AND "));
        }
        if !order.is_empty() {
            let _ = write!(sql, " ORDER BY {}", order.join(", "));
        }
        let _ = write!(sql, " LIMIT {}", wanted.most);
        sql
    }

    /// What follows a key in the order of the key, in words that every engine has.
    fn behind(&self, after: &[String]) -> Option<String> {
        let columns: Vec<_> = self.key_columns().collect();
        if columns.is_empty() || columns.len() != after.len() {
            return None;
        }
        let mut ways = Vec::new();
        for last in 0..columns.len() {
            let same = (0..last).map(|at| columns[at].is(&after[at]));
            let more = format!("{} > {}", quote(&columns[last].name), columns[last].value(&after[last]));
            ways.push(same.chain([more]).collect::<Vec<_>>().join(" AND "));
        }
        Some(format!("({})", ways.join(" OR ")))
    }

    /// `=KEY` is the key alone, which no row but its own is read for; else a key, or a part of a text.
    fn found(&self, search: &str) -> String {
        let (exact, search) = match search.strip_prefix('=') {
            Some(key) => (true, key.trim()),
            None => (false, search),
        };
        let keys = self.key_columns().filter_map(|column| column.found_as_key(search));
        let texts = self.columns.iter().filter(|column| !exact && column.is_text()).map(|column| {
            format!("position({} in lower({})) > 0", literal(&search.to_lowercase()), quote(&column.name))
        });
        let ways: Vec<_> = keys.chain(texts).collect();
        if ways.is_empty() { "1 = 0".to_owned() } else { format!("({})", ways.join(" OR ")) }
    }

    fn newest_sql(&self, tails: &[Tail], most: usize) -> Option<String> {
        if tails.is_empty() || self.key.is_empty() {
            return None;
        }
        let keys: Vec<_> = self.key_columns().map(|column| quote(&column.name)).collect();
        let some = keys.iter().map(|key| format!("{key} IS NOT NULL")).collect::<Vec<_>>().join(" AND ");
        let tails = tails.iter().take(TAILS).map(|Tail { hub, partition, last }| {
            format!(
                "SELECT {}, enqueued_at, sequence_number FROM {} WHERE event_hub = {} AND partition_id = {partition} \
                 AND sequence_number > {} AND {some}",
                keys.join(", "),
                self.history,
                literal(hub),
                last.saturating_sub(BACK)
            )
        });
        let tails: Vec<_> = tails.collect();
        Some(format!(
            "SELECT {}, enqueued_at FROM ({}) AS newest ORDER BY enqueued_at DESC, sequence_number DESC LIMIT {most}",
            keys.join(", "),
            tails.join(" UNION ALL ")
        ))
    }

    fn keys_sql(&self, keys: &[Vec<String>]) -> Option<String> {
        let one = |key: &Vec<String>| {
            let parts: Vec<_> = self.key_columns().zip(key).map(|(column, value)| column.is(value)).collect();
            format!("({})", parts.join(" AND "))
        };
        let ways: Vec<_> = keys.iter().filter(|key| key.len() == self.key.len() && !key.is_empty()).map(one).collect();
        (!ways.is_empty())
            .then(|| format!("SELECT {} FROM {} WHERE {}", self.selected(), self.quoted, ways.join(" OR ")))
    }
}

impl ViewColumn {
    fn is_text(&self) -> bool {
        ["character", "varchar", "text"].iter().any(|kind| self.data_type.starts_with(kind)) && !self.is_list()
    }

    fn is_list(&self) -> bool {
        self.data_type.ends_with("[]") || self.data_type == "ARRAY"
    }

    /// Whether numbers of this type are shown to the right.
    pub fn is_number(&self) -> bool {
        ["smallint", "integer", "bigint", "numeric", "real", "double"]
            .iter()
            .any(|kind| self.data_type.starts_with(kind))
            && !self.is_list()
    }

    /// A value as a statement has it.
    fn value(&self, value: &str) -> String {
        if self.is_text() || self.data_type == "USER-DEFINED" {
            return literal(value);
        }
        format!("{}::{}", literal(value), self.data_type)
    }

    fn is(&self, value: &str) -> String {
        format!("{} = {}", quote(&self.name), self.value(value))
    }

    /// Whether the key is this, if it can be.
    fn found_as_key(&self, search: &str) -> Option<String> {
        match &*self.data_type {
            "smallint" => search.parse::<i16>().ok().map(|_| self.is(search)),
            "integer" => search.parse::<i32>().ok().map(|_| self.is(search)),
            "bigint" => search.parse::<i64>().ok().map(|_| self.is(search)),
            _ if self.is_text() => Some(self.is(search)),
            _ if search.is_empty() => None,
            _ => Some(format!("{}::varchar = {}", quote(&self.name), literal(search))),
        }
    }
}

/// The columns of a view by which its window function tells rows apart.
fn partitioned_by(definition: &str, columns: &[ViewColumn]) -> Vec<usize> {
    let Some((_, rest)) = definition.split_once("PARTITION BY ") else { return Vec::new() };
    let Some((list, _)) = rest.split_once(" ORDER BY ") else { return Vec::new() };
    let named = list.split(", ").map(|part| {
        let at = columns.iter().position(|column| {
            [column.name.clone(), quote(&column.name)].iter().any(|name| {
                part.strip_suffix(name.as_str()).is_some_and(|before| before.is_empty() || before.ends_with('.'))
            })
        });
        at.ok_or(())
    });
    named.collect::<Result<Vec<_>, ()>>().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> LatestView {
        let column = |(name, data_type): (&str, &str)| ViewColumn { name: name.into(), data_type: data_type.into() };
        LatestView {
            quoted: r#""public"."latest_orders""#.into(),
            name: "latest_orders".into(),
            columns: [("shop", "character varying"), ("no", "integer"), ("paid", "numeric")].map(column).to_vec(),
            key: vec![0, 1],
            history: r#""public"."orders""#.into(),
        }
    }

    #[test]
    fn a_page_follows_the_key_it_ended_with() {
        let wanted = |after: &[&str], search: Option<&str>| WantedRows {
            after: (!after.is_empty()).then(|| after.iter().map(|part| (*part).to_owned()).collect()),
            search: search.map(str::to_owned),
            most: 3,
        };
        let from = r#"SELECT "shop", "no", "paid" FROM "public"."latest_orders""#;
        let order = r#"ORDER BY "shop", "no" LIMIT 3"#;
        assert_eq!(view().rows_sql(&wanted(&[], None)), format!("{from} {order}"));
        assert_eq!(
            view().rows_sql(&wanted(&["it's", "7"], None)),
            format!(r#"{from} WHERE ("shop" > 'it''s' OR "shop" = 'it''s' AND "no" > '7'::integer) {order}"#)
        );
        assert_eq!(
            view().rows_sql(&wanted(&[], Some("A'b"))),
            format!(r#"{from} WHERE ("shop" = 'A''b' OR position('a''b' in lower("shop")) > 0) {order}"#)
        );
        assert_eq!(
            view().rows_sql(&wanted(&[], Some("=7"))),
            format!(r#"{from} WHERE ("shop" = '7' OR "no" = '7'::integer) {order}"#)
        );
    }

    #[test]
    fn the_newest_keys_are_looked_for_at_the_ends() {
        let tail = Tail { hub: "h".into(), partition: 1, last: 100 };
        assert_eq!(
            view().newest_sql(&[tail], 8).unwrap(),
            r#"SELECT "shop", "no", enqueued_at FROM (SELECT "shop", "no", enqueued_at, sequence_number FROM "public"."orders" WHERE event_hub = 'h' AND partition_id = 1 AND sequence_number > 50 AND "shop" IS NOT NULL AND "no" IS NOT NULL) AS newest ORDER BY enqueued_at DESC, sequence_number DESC LIMIT 8"#
        );
        assert_eq!(
            view().keys_sql(&[vec!["a".into(), "1".into()]]).unwrap(),
            r#"SELECT "shop", "no", "paid" FROM "public"."latest_orders" WHERE ("shop" = 'a' AND "no" = '1'::integer)"#
        );
    }

    #[test]
    fn the_key_is_read_from_the_view() {
        let columns = view().columns;
        let by =
            |list: &str| partitioned_by(&format!("row_number() OVER (PARTITION BY {list} ORDER BY x DESC)"), &columns);
        assert_eq!(by(r#"orders.shop, orders.no"#), [0, 1]);
        assert_eq!(by("no"), [1]);
        assert_eq!(by(r#"orders."no""#), [1]);
        assert_eq!(by("lower(shop)"), Vec::<usize>::new());
        assert_eq!(partitioned_by("SELECT 1", &columns), Vec::<usize>::new());
        assert_eq!(latest_view_name("user_event_log"), "latest_user_state");
        assert_eq!(latest_view_name("sales.orders"), "sales.latest_orders");
    }
}
