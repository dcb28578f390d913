use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::Statement;
use tokio_postgres::types::{ToSql, Type};

use super::error::StoreError;
use super::session::{Kind, Session};
use crate::rows::{Batch, Column, ColumnType, RECORD_KEY, Table};

/// What happens to a row whose key is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Conflict {
    /// There is none: the statement is refused, and none of its rows is applied. PostgreSQL only.
    None,
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
        let insert = |conflict| self.insert_columns(table.name(), &columns, &RECORD_KEY, conflict, batch);
        // Records come once, save after a crash, and PostgreSQL takes a statement that may meet none a third faster.
        if self.kind() == Kind::PostgreSql && !self.repeats().expected() {
            match insert(Conflict::None).await {
                Err(error) if error.is_conflict() => self.repeats().seen(),
                done => return done,
            }
        }
        insert(Conflict::Same).await
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
        let done = self.client().execute(&statement, &parameters).await;
        done.map_err(|error| StoreError::of_values(self.address(), &error))?;
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

/// Whether records that are there already are to be expected: for a while after one was met.
#[derive(Debug, Default)]
pub(super) struct Repeats(AtomicU32);

/// For how many batches. Long enough that a repeated group costs few refused statements.
const WARY: u32 = 100;

impl Repeats {
    fn seen(&self) {
        self.0.store(WARY, Ordering::Relaxed);
    }

    fn expected(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

fn insert_sql(kind: Kind, table: &str, columns: &[(&str, ColumnType)], key: &[&str], conflict: Conflict) -> String {
    let list = |names: &[&str]| names.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    let values: Vec<_> =
        (1..).zip(columns).map(|(number, (_, kind))| format!("unnest(${number}::varchar::{}[])", kind.sql())).collect();
    let table = quote_table(table);
    let mut sql = format!("INSERT INTO {table} ({}) SELECT {}", list(&names), values.join(", "));
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

/// A table's name as it stands in a statement; it may say its schema.
pub(super) fn quote_table(name: &str) -> String {
    name.split('.').map(quote).collect::<Vec<_>>().join(".")
}

/// A text as it stands in a statement.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A column's name as it stands in a statement.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_expected_for_a_while_after_one_was_met() {
        let repeats = Repeats::default();
        assert!(!repeats.expected());
        repeats.seen();
        assert!((0..WARY).all(|_| repeats.expected()));
        assert!(!repeats.expected());
    }

    #[test]
    fn one_statement_for_both_engines() {
        let columns = [("id", ColumnType::Integer), ("a\"b", ColumnType::Varchar)];
        let sql = |kind, conflict| insert_sql(kind, "s.t", &columns, &["id"], conflict);
        let plain =
            r#"INSERT INTO "s"."t" ("id", "a""b") SELECT unnest($1::varchar::int[]), unnest($2::varchar::varchar[])"#;
        assert_eq!(sql(Kind::RisingWave, Conflict::Replace), plain);
        assert_eq!(sql(Kind::PostgreSql, Conflict::None), plain);
        assert_eq!(sql(Kind::PostgreSql, Conflict::Same), format!(r#"{plain} ON CONFLICT ("id") DO NOTHING"#));
        assert_eq!(
            sql(Kind::PostgreSql, Conflict::Replace),
            format!(r#"{plain} ON CONFLICT ("id") DO UPDATE SET "a""b" = excluded."a""b""#)
        );
    }
}
