use tokio_postgres::Statement;
use tokio_postgres::types::{ToSql, Type};

use super::error::StoreError;
use super::session::{Kind, Session};
use crate::rows::{Batch, Column, ColumnType, RECORD_KEY, Table};

/// What happens to a row whose key is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Conflict {
    /// The row there is the same record: either may stay.
    Same,
    /// The new row takes its place.
    Replace,
}

impl Session {
    /// Inserts a batch into a target table. On an error some of its rows may be there, and on RisingWave none is
    /// durable before a flush; records that are there already stay what they are.
    ///
    /// # Errors
    /// [`super::Fault`] says whether to repeat, to split or to give up.
    pub async fn insert(&self, table: &Table, batch: &Batch) -> Result<(), StoreError> {
        let columns: Vec<_> = table.columns().iter().map(|Column { name, kind, .. }| (name.as_str(), *kind)).collect();
        self.insert_columns(table.name(), &columns, &RECORD_KEY, Conflict::Same, batch).await
    }

    pub(super) async fn insert_columns(
        &self,
        table: &str,
        columns: &[(&str, ColumnType)],
        key: &[&str],
        conflict: Conflict,
        batch: &Batch,
    ) -> Result<(), StoreError> {
        if batch.rows == 0 {
            return Ok(());
        }
        let statement = self.prepare(insert_sql(self.kind(), table, columns, key, conflict), columns.len()).await?;
        let parameters: Vec<&(dyn ToSql + Sync)> = batch.columns.iter().map(|literal| literal as _).collect();
        self.client().execute(&statement, &parameters).await.map_err(|error| self.error(&error))?;
        Ok(())
    }

    /// Each text is prepared once a session, with text parameters only.
    async fn prepare(&self, sql: String, parameters: usize) -> Result<Statement, StoreError> {
        let mut prepared = self.prepared().lock().await;
        if let Some(statement) = prepared.get(&sql) {
            return Ok(statement.clone());
        }
        let types = vec![Type::VARCHAR; parameters];
        let statement = self.client().prepare_typed(&sql, &types).await.map_err(|error| self.error(&error))?;
        prepared.insert(sql, statement.clone());
        Ok(statement)
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
        assert_eq!(sql(Kind::PostgreSql, Conflict::Same), format!(r#"{plain} ON CONFLICT ("id") DO NOTHING"#));
        assert_eq!(
            sql(Kind::PostgreSql, Conflict::Replace),
            format!(r#"{plain} ON CONFLICT ("id") DO UPDATE SET "a""b" = excluded."a""b""#)
        );
    }
}
