use tokio_postgres::Statement;
use tokio_postgres::types::{ToSql, Type};

use super::error::StoreError;
use super::session::{Kind, Session};
use crate::rows::{Batch, Column, ColumnType, Table};

/// What happens to a row whose key is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Conflict {
    /// The row there is the same record: either may stay.
    Same,
    /// The new row takes its place.
    Replace,
}

/// A prepared statement that inserts batches of any size into one table. Dies with its session.
pub struct Insert {
    statement: Statement,
}

impl Insert {
    /// Prepares for a target table.
    ///
    /// # Errors
    /// When the store refuses the statement or is away.
    pub async fn prepare(session: &Session, table: &Table) -> Result<Self, StoreError> {
        let columns: Vec<_> = table.columns().iter().map(|Column { name, kind, .. }| (name.as_str(), *kind)).collect();
        Self::prepare_columns(session, table.name(), &columns, &[], Conflict::Same).await
    }

    pub(super) async fn prepare_columns(
        session: &Session,
        table: &str,
        columns: &[(&str, ColumnType)],
        key: &[&str],
        conflict: Conflict,
    ) -> Result<Self, StoreError> {
        let sql = insert_sql(session.kind(), table, columns, key, conflict);
        let types = vec![Type::VARCHAR; columns.len()];
        let statement = session.client().prepare_typed(&sql, &types).await.map_err(|error| session.error(&error))?;
        Ok(Insert { statement })
    }

    /// Inserts a batch. On an error some of its rows may be there, and on RisingWave none is durable before a flush.
    ///
    /// # Errors
    /// [`super::Fault`] says whether to repeat, to split or to give up.
    pub async fn execute(&self, session: &Session, batch: &Batch) -> Result<(), StoreError> {
        if batch.rows == 0 {
            return Ok(());
        }
        let parameters: Vec<&(dyn ToSql + Sync)> = batch.columns.iter().map(|literal| literal as _).collect();
        session.client().execute(&self.statement, &parameters).await.map_err(|error| session.error(&error))?;
        Ok(())
    }
}

fn insert_sql(kind: Kind, table: &str, columns: &[(&str, ColumnType)], key: &[&str], conflict: Conflict) -> String {
    let list = |names: &[&str]| names.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    let values: Vec<_> =
        (1..).zip(columns).map(|(number, (_, kind))| format!("unnest(${number}::varchar::{}[])", kind.sql())).collect();
    let table = table.split('.').map(quote).collect::<Vec<_>>().join(".");
    let mut sql = format!("INSERT INTO {table} ({}) SELECT {}", list(&names), values.join(", "));
    // RisingWave has no such clause: there the table's own conflict behaviour, overwrite, does the same.
    match (kind, conflict) {
        (Kind::RisingWave, _) => {}
        (Kind::PostgreSql, Conflict::Same) => sql.push_str(" ON CONFLICT DO NOTHING"),
        (Kind::PostgreSql, Conflict::Replace) => {
            let updates = names.iter().filter(|name| !key.contains(name));
            let updates: Vec<_> = updates.map(|name| format!("{0} = excluded.{0}", quote(name))).collect();
            sql.push_str(&format!(" ON CONFLICT ({}) DO UPDATE SET {}", list(key), updates.join(", ")));
        }
    }
    sql
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_statement_for_both_engines() {
        let columns = [("id", ColumnType::Integer), ("a\"b", ColumnType::Varchar)];
        let sql = |kind, conflict| insert_sql(kind, "s.t", &columns, &["id"], conflict);
        let plain =
            r#"INSERT INTO "s"."t" ("id", "a""b") SELECT unnest($1::varchar::int[]), unnest($2::varchar::varchar[])"#;
        assert_eq!(sql(Kind::RisingWave, Conflict::Replace), plain);
        assert_eq!(sql(Kind::PostgreSql, Conflict::Same), format!("{plain} ON CONFLICT DO NOTHING"));
        assert_eq!(
            sql(Kind::PostgreSql, Conflict::Replace),
            format!(r#"{plain} ON CONFLICT ("id") DO UPDATE SET "a""b" = excluded."a""b""#)
        );
    }
}
