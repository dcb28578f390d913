use std::collections::HashMap;

use super::error::StoreError;
use super::session::{Kind, Session};
use crate::rows::{CatalogColumn, InvalidTable, Table};

/// The primary key's columns. RisingWave's `indkey` prints as `{1,2}`, PostgreSQL's as `1 2`; the numbers are positions.
const PRIMARY_KEY: &str = "SELECT i.indkey::varchar FROM pg_catalog.pg_index i \
     JOIN pg_catalog.pg_class c ON c.oid = i.indrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE i.indisprimary AND c.relname = $1 AND n.nspname = $2";

const COLUMNS: &str = "SELECT column_name::varchar, data_type::varchar, is_nullable::varchar, ordinal_position::int \
     FROM information_schema.columns WHERE table_name = $1 AND table_schema = $2 ORDER BY ordinal_position";

const RELATIONS: &str = "SELECT c.relname, c.relkind FROM pg_catalog.pg_class c \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public'";

/// What a name in the schema `public` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Table,
    View,
    MaterializedView,
    /// An index, a sink, a sequence.
    Other,
}

impl Relation {
    /// As a GRANT calls it.
    pub(super) const fn to_grant(self, kind: Kind) -> &'static str {
        match (kind, self) {
            // To it all of them are tables.
            (Kind::PostgreSql, _) | (Kind::RisingWave, Relation::Table | Relation::Other) => "TABLE",
            (Kind::RisingWave, Relation::View) => "VIEW",
            (Kind::RisingWave, Relation::MaterializedView) => "MATERIALIZED VIEW",
        }
    }
}

impl Session {
    /// What there is in the schema `public`, by its name.
    pub(super) async fn relations(&self) -> Result<HashMap<String, Relation>, StoreError> {
        let (_, rows) = self.query_text(RELATIONS).await?;
        let relation = |row: Vec<Option<String>>| {
            let mut cells = row.into_iter().map(Option::unwrap_or_default);
            let name = cells.next().unwrap_or_default();
            let relation = match cells.next().unwrap_or_default().as_str() {
                "r" => Relation::Table,
                "v" => Relation::View,
                "m" => Relation::MaterializedView,
                _ => Relation::Other,
            };
            (name, relation)
        };
        Ok(rows.into_iter().map(relation).collect())
    }

    /// Reads a table's shape from the catalog. `name` may say its schema; without one it is in `public`.
    ///
    /// # Errors
    /// The outer when the store cannot be asked; the inner when records cannot be loaded into the table.
    pub async fn table(&self, name: &str, required: &[String]) -> Result<Result<Table, InvalidTable>, StoreError> {
        let (schema, table) = name.split_once('.').unwrap_or(("public", name));
        let rows = self.query(COLUMNS, &[&table, &schema]).await?;
        let columns: Vec<(CatalogColumn, i32)> = rows
            .iter()
            .map(|row| {
                let nullable: String = row.get(2);
                let column = CatalogColumn { name: row.get(0), data_type: row.get(1), not_null: nullable == "NO" };
                (column, row.get(3))
            })
            .collect();
        let keys = self.query(PRIMARY_KEY, &[&table, &schema]).await?;
        let positions: Vec<i32> = keys
            .first()
            .map(|row| row.get::<_, String>(0))
            .unwrap_or_default()
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|number| number.parse().ok())
            .collect();
        let key: Vec<String> = columns
            .iter()
            .filter(|(_, position)| positions.contains(position))
            .map(|(column, _)| column.name.clone())
            .collect();
        Ok(Table::new(name, columns.into_iter().map(|(column, _)| column).collect(), &key, required))
    }
}
