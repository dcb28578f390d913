use std::collections::HashMap;

use tokio_postgres::Row;

use super::error::StoreError;
use super::session::{Kind, Session};
use super::table_name::{TableName, quote};
use crate::rows::{CatalogColumn, InvalidTable, Table, Typing};

/// A RisingWave's columns; the catalog shows tables only to who may do something with them.
const COLUMNS: &str = "SELECT column_name::varchar, data_type::varchar, is_nullable::varchar, ordinal_position::int, \
     is_generated::varchar \
     FROM information_schema.columns WHERE table_name = $1 AND table_schema = $2 ORDER BY ordinal_position";

/// Its primary key's columns: `indkey` prints as `{1,2}`; the numbers are positions.
const PRIMARY_KEY: &str = "SELECT i.indkey::varchar FROM pg_catalog.pg_index i \
     JOIN pg_catalog.pg_class c ON c.oid = i.indrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE i.indisprimary AND c.relname = $1 AND n.nspname = $2";

/// PostgreSQL's tables of that name in any case, be a point in it one between schema and table or not, and what this user may do with each.
const TABLES: &str = "SELECT c.oid::bigint, n.nspname::varchar, c.relname::varchar, current_user::varchar, \
     has_schema_privilege(n.oid, 'USAGE'), has_any_column_privilege(c.oid, 'SELECT'), \
     has_any_column_privilege(c.oid, 'INSERT'), has_any_column_privilege(c.oid, 'UPDATE') \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE lower(c.relname) IN (lower($1), lower($2)) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') \
     AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY n.nspname, c.relname";

/// A PostgreSQL table's columns: domains as their bases, arrays as their elements, with all that a type says.
const SHAPE: &str = include_str!("shape.sql");

/// The tables behind every load.
const LEDGER: [&str; 2] = ["capture_files", "rejected_events"];

/// What a `numeric` keeps on RisingWave; it rounds what has more.
const RISINGWAVE_DIGITS: i64 = 28;

/// What a store's types are.
pub(super) fn typing(kind: Kind) -> Typing {
    match kind {
        Kind::RisingWave => Typing { numeric_digits: Some(RISINGWAVE_DIGITS), uuid: false },
        Kind::PostgreSql => Typing { numeric_digits: None, uuid: true },
    }
}

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
        let wanted = TableName::parse(name);
        let found = match self.kind() {
            Kind::RisingWave => self.shape_of_risingwave(name, &wanted).await?,
            Kind::PostgreSql => self.shape_of_postgres(name, &wanted).await?,
        };
        Ok(found.and_then(|Shape { columns, key }| Table::new(name, columns, &key, required)))
    }

    async fn shape_of_risingwave(
        &self,
        name: &str,
        wanted: &TableName,
    ) -> Result<Result<Shape, InvalidTable>, StoreError> {
        let TableName { schema, table } = wanted;
        let rows = self.query(COLUMNS, &[table, schema]).await?;
        if rows.is_empty() {
            return self.missing_in_risingwave(name, wanted).await.map(Err);
        }
        let keys = self.query(PRIMARY_KEY, &[table, schema]).await?;
        let positions: Vec<i32> = keys
            .first()
            .map(|row| row.get::<_, String>(0))
            .unwrap_or_default()
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|number| number.parse().ok())
            .collect();
        let column = |row: &Row| CatalogColumn {
            name: row.get(0),
            data_type: row.get(1),
            numeric_digits: Some(RISINGWAVE_DIGITS),
            not_null: row.get::<_, &str>(2) == "NO",
            generated: row.get::<_, Option<&str>>(4) == Some("ALWAYS"),
            ..CatalogColumn::default()
        };
        let columns = rows.iter().map(column).collect();
        let in_key = |row: &&Row| positions.contains(&row.get(3));
        let key = rows.iter().filter(in_key).map(|row| row.get(0)).collect();
        Ok(Ok(Shape { columns, key }))
    }

    /// Why RisingWave's catalog shows no such table: what a query of it says tells a hidden one from none.
    async fn missing_in_risingwave(&self, name: &str, wanted: &TableName) -> Result<InvalidTable, StoreError> {
        let (table, quoted, user) = (name.to_owned(), wanted.quoted(), self.address().user());
        if let Err(refusal) = self.execute_script(&format!("SELECT 1 FROM {quoted} LIMIT 0")).await
            && refusal.reason().to_ascii_lowercase().contains("permission denied")
        {
            let cure = format!("GRANT SELECT, INSERT ON {quoted} TO {}", quote(user));
            return Ok(InvalidTable::NoGrant { table, user: user.to_owned(), lacks: "SELECT".to_owned(), cure });
        }
        let all = "SELECT DISTINCT table_schema::varchar, table_name::varchar FROM information_schema.columns";
        let rows = self.query(all, &[]).await?;
        let names = rows.iter().map(|row| TableName { schema: row.get(0), table: row.get(1) });
        let alike = |name: &TableName| name.table.to_lowercase() == wanted.table.to_lowercase();
        Ok(InvalidTable::Missing { table, beside: names.filter(alike).map(|name| name.shown()).collect() })
    }

    async fn shape_of_postgres(
        &self,
        name: &str,
        wanted: &TableName,
    ) -> Result<Result<Shape, InvalidTable>, StoreError> {
        let rows = self.query(TABLES, &[&wanted.table, name]).await?;
        let named = |row: &Row| TableName { schema: row.get(1), table: row.get(2) };
        let Some(row) = rows.iter().find(|row| named(row) == *wanted) else {
            let beside = rows.iter().map(|row| named(row).shown()).collect();
            return Ok(Err(InvalidTable::Missing { table: name.to_owned(), beside }));
        };
        if let Some(refusal) = no_grant(name, wanted, row) {
            return Ok(Err(refusal));
        }
        let oid: i64 = row.get(0);
        let rows = self.query(SHAPE, &[&oid.to_string()]).await?;
        let column = |row: &Row| CatalogColumn {
            name: row.get(0),
            data_type: row.get(1),
            cast: row.get(2),
            not_null: row.get(3),
            default: row.get(4),
            generated: row.get(5),
            comment: row.get(6),
            numeric_digits: None,
        };
        let columns = rows.iter().map(column).collect();
        let key = rows.iter().filter(|row| row.get(7)).map(|row| row.get(0)).collect();
        Ok(Ok(Shape { columns, key }))
    }
}

/// What the catalog says of a table.
struct Shape {
    columns: Vec<CatalogColumn>,
    /// Those of its primary key.
    key: Vec<String>,
}

/// What a row of [`TABLES`] says that this user may not do, if a loader has to.
fn no_grant(name: &str, table: &TableName, row: &Row) -> Option<InvalidTable> {
    let user: String = row.get(3);
    let (usage, select, insert, update): (bool, bool, bool, bool) = (row.get(4), row.get(5), row.get(6), row.get(7));
    // Only rows of the ledger are replaced.
    let update = update || !LEDGER.contains(&table.table.as_str());
    let (to, quoted) = (quote(&user), table.quoted());
    let rights = [(select, "SELECT"), (insert, "INSERT"), (update, "UPDATE")];
    let rights: Vec<_> = rights.into_iter().filter(|(has, _)| !has).collect();
    let rights = rights.iter().map(|(_, right)| *right).collect::<Vec<_>>().join(", ");
    let (mut lacks, mut cure) = (Vec::new(), Vec::new());
    if !usage {
        lacks.push(format!("USAGE of schema `{}`", table.schema));
        cure.push(format!("GRANT USAGE ON SCHEMA {} TO {to}", quote(&table.schema)));
    }
    if !rights.is_empty() {
        lacks.push(rights.clone());
        cure.push(format!("GRANT {rights} ON {quoted} TO {to}"));
    }
    let (lacks, cure) = (lacks.join(" and "), cure.join("; "));
    (!cure.is_empty()).then(|| InvalidTable::NoGrant { table: name.to_owned(), user, lacks, cure })
}
