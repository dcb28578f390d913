use super::error::StoreError;
use super::session::Session;
use crate::rows::{CatalogColumn, InvalidTable, Table};

/// The primary key's columns. RisingWave's `indkey` prints as `{1,2}`, PostgreSQL's as `1 2`; the numbers are positions.
const PRIMARY_KEY: &str = "SELECT i.indkey::varchar FROM pg_catalog.pg_index i \
     JOIN pg_catalog.pg_class c ON c.oid = i.indrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE i.indisprimary AND c.relname = $1 AND n.nspname = $2";

const COLUMNS: &str = "SELECT column_name::varchar, data_type::varchar, is_nullable::varchar, ordinal_position::int \
     FROM information_schema.columns WHERE table_name = $1 AND table_schema = $2 ORDER BY ordinal_position";

impl Session {
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
