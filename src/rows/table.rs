use super::column::{Column, ColumnType};

/// A target table, as a loader sees it: which columns the envelope fills and which the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    name: String,
    columns: Vec<Column>,
    roles: Vec<Role>,
}

/// Where a column's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    EventHub,
    PartitionId,
    SequenceNumber,
    EnqueuedAt,
    /// The body's fields that have no column, as one JSON object.
    Rescued,
    /// The body's field of the column's name.
    Field,
}

/// Columns that identify a record. Without all four, a repeat could not be told from a second record.
const ENVELOPE: [(&str, Role, &[ColumnType]); 4] = [
    ("event_hub", Role::EventHub, &[ColumnType::Varchar]),
    ("partition_id", Role::PartitionId, &[ColumnType::Integer, ColumnType::BigInt]),
    ("sequence_number", Role::SequenceNumber, &[ColumnType::BigInt]),
    ("enqueued_at", Role::EnqueuedAt, &[ColumnType::Timestamp]),
];

/// The columns that identify a record, which are every target table's primary key.
pub const RECORD_KEY: [&str; 4] = [ENVELOPE[0].0, ENVELOPE[1].0, ENVELOPE[2].0, ENVELOPE[3].0];

/// Why records cannot be loaded into a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTable {
    /// The catalog does not have it.
    #[error(
        "table `{table}` does not exist; make it (`deltawave init` makes the default one) or name another with --route"
    )]
    Missing {
        /// The table.
        table: String,
    },
    /// It cannot tell records apart.
    #[error("table `{table}` lacks the envelope column{s} {columns}; a record is identified by event_hub varchar, partition_id int, sequence_number bigint, enqueued_at timestamp, which must be its primary key", s = if .columns.contains(", ") { "s" } else { "" })]
    NoEnvelope {
        /// The table.
        table: String,
        /// The columns it lacks.
        columns: String,
    },
    /// An envelope column, or `rescued`, has a type its value does not fit.
    #[error("column `{column}` of table `{table}` is {found}, it must be {wanted}")]
    WrongType {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// The type it must have.
        wanted: String,
    },
    /// A column of a type no JSON value is fitted to.
    #[error(
        "column `{column}` of table `{table}` is {found}, a type that records cannot be fitted to; use a supported one (docs/tables.md)"
    )]
    UnsupportedType {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Its type.
        found: String,
    },
    /// Repeating a step would double records.
    #[error(
        "table `{table}` has {found}; its primary key must be (event_hub, partition_id, sequence_number, enqueued_at), or a repeated load would double records"
    )]
    WrongKey {
        /// The table.
        table: String,
        /// Its primary key, in words.
        found: String,
    },
}

/// One column as the catalog describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogColumn {
    /// Its name.
    pub name: String,
    /// `information_schema.columns.data_type`.
    pub data_type: String,
    /// Whether the catalog knows it to be NOT NULL.
    pub not_null: bool,
}

impl Table {
    /// Makes a table of what the catalog says of it. A column is required when the catalog says NOT NULL or its name
    /// is among `required`.
    ///
    /// # Errors
    /// When records could not be told apart in it or not be fitted to it.
    pub fn new(
        name: &str,
        catalog: Vec<CatalogColumn>,
        primary_key: &[String],
        required: &[String],
    ) -> Result<Self, InvalidTable> {
        let table = || name.to_owned();
        if catalog.is_empty() {
            return Err(InvalidTable::Missing { table: table() });
        }
        let has = |wanted: &str| catalog.iter().any(|column| column.name == wanted);
        let lacking: Vec<_> = ENVELOPE.iter().map(|(wanted, ..)| *wanted).filter(|wanted| !has(wanted)).collect();
        if !lacking.is_empty() {
            return Err(InvalidTable::NoEnvelope { table: table(), columns: lacking.join(", ") });
        }
        let same_key = primary_key.len() == ENVELOPE.len()
            && ENVELOPE.iter().all(|(wanted, ..)| primary_key.iter().any(|column| column == wanted));
        if !same_key {
            let found = match primary_key {
                [] => "no primary key".to_owned(),
                columns => format!("primary key ({})", columns.join(", ")),
            };
            return Err(InvalidTable::WrongKey { table: table(), found });
        }
        let mut columns = Vec::with_capacity(catalog.len());
        let mut roles = Vec::with_capacity(catalog.len());
        for CatalogColumn { name: column, data_type, not_null } in catalog {
            let Some(kind) = ColumnType::from_catalog(&data_type) else {
                return Err(InvalidTable::UnsupportedType { table: table(), column, found: data_type });
            };
            let (role, wanted): (Role, &[ColumnType]) = match ENVELOPE.iter().find(|(name, ..)| *name == column) {
                Some((_, role, wanted)) => (*role, wanted),
                None if column == "rescued" => (Role::Rescued, &[ColumnType::Jsonb]),
                None => (Role::Field, &[]),
            };
            if !wanted.is_empty() && !wanted.contains(&kind) {
                let wanted = wanted.iter().map(|kind| kind.sql()).collect::<Vec<_>>().join(" or ");
                return Err(InvalidTable::WrongType { table: table(), column, found: data_type, wanted });
            }
            let required = role == Role::Field && (not_null || required.contains(&column));
            columns.push(Column { name: column, kind, required });
            roles.push(role);
        }
        Ok(Table { name: table(), columns, roles })
    }

    /// Its name, as the route gave it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its columns, in the catalog's order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    pub(super) fn roles(&self) -> &[Role] {
        &self.roles
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn columns(text: &str) -> Vec<CatalogColumn> {
        let column = |line: &str| {
            let (name, data_type) = line.trim().split_once(' ').unwrap();
            let not_null = data_type.ends_with("not null");
            let data_type = data_type.trim_end_matches(" not null").to_owned();
            CatalogColumn { name: name.to_owned(), data_type, not_null }
        };
        text.split(',').map(column).collect()
    }

    pub(crate) const ENVELOPE_COLUMNS: &str = "event_hub character varying,partition_id integer,sequence_number bigint,enqueued_at timestamp without time zone";

    pub(crate) fn key() -> Vec<String> {
        ENVELOPE.map(|(name, ..)| name.to_owned()).to_vec()
    }

    #[test]
    fn a_table_must_tell_records_apart() {
        let new = |text: &str, key: &[String]| Table::new("t", columns(text), key, &[]);
        assert!(new(&format!("id integer,{ENVELOPE_COLUMNS}"), &key()).is_ok());
        assert!(matches!(Table::new("t", vec![], &key(), &[]), Err(InvalidTable::Missing { .. })));
        let error = new("id integer,event_hub text", &key()).unwrap_err().to_string();
        assert!(error.contains("lacks the envelope columns partition_id, sequence_number, enqueued_at"), "{error}");
        let error = new(ENVELOPE_COLUMNS, &["id".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("has primary key (id)"), "{error}");
        let error = new(&ENVELOPE_COLUMNS.replace("bigint", "text"), &key()).unwrap_err().to_string();
        assert!(error.contains("`sequence_number` of table `t` is text, it must be bigint"), "{error}");
        let error = new(&format!("at interval,{ENVELOPE_COLUMNS}"), &key()).unwrap_err().to_string();
        assert!(error.contains("`at` of table `t` is interval"), "{error}");
    }
}
