use super::error::StoreError;
use super::session::{Kind, Session};
use super::table_name::{TableName, quote};
use crate::rows::{Batch, Column, ColumnType, Table};

/// What happens to a row whose key is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Conflict {
    /// There is none: the statement is refused, and none of its rows is applied. PostgreSQL only.
    None,
    /// The row there is the same record: either may stay.
    Same,
    /// The new row takes its place.
    Replace,
}

impl Session {
    /// Inserts a batch into a target table, and gives how many rows the store says it made of it. On an error some of its
    /// rows may be there, and on RisingWave none is durable before a flush; records that are there already stay what they
    /// are, and are not in that number.
    ///
    /// # Errors
    /// [`super::Fault`] says whether to repeat, to split or to give up.
    pub async fn insert(&self, table: &Table, batch: &Batch) -> Result<u64, StoreError> {
        let (columns, parameters) = filled(table, batch);
        let name = TableName::parse(table.name()).quoted();
        let insert = |conflict| self.insert_columns(&name, &columns, table.key(), conflict, batch.rows, &parameters);
        // Records come once, save after a crash, and PostgreSQL takes a statement that may meet none a third faster.
        if self.kind() == Kind::PostgreSql && !self.repeats().expected() {
            match insert(Conflict::None).await {
                Err(error) if error.is_conflict() => self.repeats().seen(),
                done => return done,
            }
        }
        insert(Conflict::Same).await
    }

    /// Inserts a batch into one of our own tables, whose columns these are.
    pub(super) async fn insert_own(
        &self,
        table: &str,
        columns: &[(&str, ColumnType)],
        key: &[&str],
        batch: &Batch,
    ) -> Result<(), StoreError> {
        let columns: Vec<_> = columns.iter().map(|(name, kind)| Filled::plain(name, kind.sql())).collect();
        let parameters: Vec<_> = batch.columns.iter().map(String::as_str).collect();
        self.insert_columns(&quote(table), &columns, key, Conflict::Replace, batch.rows, &parameters).await.map(drop)
    }

    async fn insert_columns(
        &self,
        table: &str,
        columns: &[Filled<'_>],
        key: &[&str],
        conflict: Conflict,
        rows: usize,
        parameters: &[&str],
    ) -> Result<u64, StoreError> {
        if rows == 0 {
            return Ok(0);
        }
        let sql = insert_sql(self.kind(), table, columns, key, conflict);
        self.execute(&sql, parameters).await
    }
}

/// A column that a statement fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filled<'a> {
    pub(super) name: &'a str,
    /// What each of its elements is cast to.
    pub(super) cast: &'a str,
    /// Whether each of its elements is an array's text.
    pub(super) list: bool,
    /// What the rows get whose record says nothing of it, if there are such rows and others. The parameter behind its
    /// own says which are which.
    pub(super) default: Option<&'a str>,
}

impl<'a> Filled<'a> {
    pub(super) fn plain(name: &'a str, cast: &'a str) -> Self {
        Filled { name, cast, list: false, default: None }
    }
}

/// The columns that a batch fills, and its parameters. A column with a default is left out where no record says
/// anything of it.
pub(super) fn filled<'a>(table: &'a Table, batch: &'a Batch) -> (Vec<Filled<'a>>, Vec<&'a str>) {
    let (mut columns, mut parameters) = (Vec::new(), Vec::new());
    let (values, given) = batch.columns.split_at(table.columns().len());
    let mut given = given.iter();
    for (column, value) in table.columns().iter().zip(values) {
        let Column { name, list, .. } = column;
        let given = column.default.as_deref().and_then(|default| Some((default, given.next()?)));
        let (some, all) = given.map_or((true, true), |(_, given)| (given.contains('t'), !given.contains('f')));
        if !some {
            continue;
        }
        let default = given.filter(|_| !all).map(|(default, _)| default);
        columns.push(Filled { name, cast: column.cast(), list: *list, default });
        parameters.push(value.as_str());
        parameters.extend(given.filter(|_| !all).map(|(_, given)| given.as_str()));
    }
    (columns, parameters)
}

fn insert_sql(kind: Kind, table: &str, columns: &[Filled<'_>], key: &[&str], conflict: Conflict) -> String {
    let list = |names: &[&str]| names.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
    let names: Vec<_> = columns.iter().map(|column| column.name).collect();
    let mut sql = format!("INSERT INTO {table} ({}) {}", list(&names), rows_sql(kind, columns));
    // RisingWave has no such clause: there the table's own conflict behaviour, overwrite, does the same.
    match (kind, conflict) {
        (Kind::RisingWave, _) | (_, Conflict::None) => {}
        // Only of the record's own key: another unique index must refuse aloud, not drop the record.
        (Kind::PostgreSql, Conflict::Same) => sql.push_str(&format!(" ON CONFLICT ({}) DO NOTHING", list(key))),
        (Kind::PostgreSql, Conflict::Replace) => {
            let updates = names.iter().filter(|name| !key.contains(name));
            let updates: Vec<_> = updates.map(|name| format!("{0} = excluded.{0}", quote(name))).collect();
            sql.push_str(&format!(" ON CONFLICT ({}) DO UPDATE SET {}", list(key), updates.join(", ")));
        }
    }
    sql
}

/// A text as it stands in a statement.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The elements of a parameter, as rows.
pub(super) fn unnest_sql(kind: Kind, number: usize, cast: &str) -> String {
    match kind {
        Kind::RisingWave => format!("unnest(${number}::varchar::{cast}[])"),
        Kind::PostgreSql => format!("unnest((SELECT ${number}::varchar)::{cast}[])"),
    }
}

/// The query that makes rows of the parameters.
///
/// What is done with an unnested value is done outside of the query that unnests: RisingWave multiplies the rows of
/// unnests that stand at different depths. PostgreSQL's planner reads whole arrays to guess how many rows there are, and
/// the executor again to make them: behind a query of its own it does not see the parameter, which saves a sixth of what
/// an insert costs.
fn rows_sql(kind: Kind, columns: &[Filled<'_>]) -> String {
    let (mut unnested, mut outer, mut plain) = (Vec::new(), Vec::new(), true);
    for Filled { cast, list, default, .. } in columns {
        let mut unnest = |cast: &str| {
            let number = unnested.len() + 1;
            unnested.push(unnest_sql(kind, number, cast));
            format!("c{}", unnested.len())
        };
        let mut value = if *list { format!("{}::{cast}[]", unnest("varchar")) } else { unnest(cast) };
        if let Some(default) = default {
            value = format!("CASE WHEN {} THEN {value} ELSE ({default}) END", unnest("boolean"));
        }
        plain &= !list && default.is_none();
        outer.push(value);
    }
    if plain {
        return format!("SELECT {}", unnested.join(", "));
    }
    let named: Vec<_> = (1..).zip(&unnested).map(|(number, unnest)| format!("{unnest} AS c{number}")).collect();
    format!("SELECT {} FROM (SELECT {}) AS given", outer.join(", "), named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_engine_gets_its_statement() {
        let columns = [Filled::plain("id", "int"), Filled::plain("a\"b", "varchar")];
        let sql = |kind, conflict| insert_sql(kind, "\"s\".\"t\"", &columns, &["id"], conflict);
        let into = r#"INSERT INTO "s"."t" ("id", "a""b") SELECT"#;
        assert_eq!(
            sql(Kind::RisingWave, Conflict::Replace),
            format!("{into} unnest($1::varchar::int[]), unnest($2::varchar::varchar[])")
        );
        let plain = format!("{into} unnest((SELECT $1::varchar)::int[]), unnest((SELECT $2::varchar)::varchar[])");
        assert_eq!(sql(Kind::PostgreSql, Conflict::None), plain);
        assert_eq!(sql(Kind::PostgreSql, Conflict::Same), format!(r#"{plain} ON CONFLICT ("id") DO NOTHING"#));
        assert_eq!(
            sql(Kind::PostgreSql, Conflict::Replace),
            format!(r#"{plain} ON CONFLICT ("id") DO UPDATE SET "a""b" = excluded."a""b""#)
        );
    }

    #[test]
    fn arrays_and_defaults_are_made_outside_of_what_unnests() {
        let tags = Filled { list: true, ..Filled::plain("tags", "varchar") };
        let at = Filled { default: Some("now()"), ..Filled::plain("at", "timestamptz") };
        assert_eq!(
            rows_sql(Kind::RisingWave, &[Filled::plain("id", "int"), tags, at]),
            "SELECT c1, c2::varchar[], CASE WHEN c4 THEN c3 ELSE (now()) END FROM (\
             SELECT unnest($1::varchar::int[]) AS c1, unnest($2::varchar::varchar[]) AS c2, \
             unnest($3::varchar::timestamptz[]) AS c3, unnest($4::varchar::boolean[]) AS c4) AS given"
        );
    }
}
