use std::collections::BTreeSet;
use std::sync::Arc;

use super::catalog_column::CatalogColumn;
use super::column::{Column, ColumnType, Epoch, Limit};

/// A target table, as a loader sees it: which columns the envelope fills and which the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    name: String,
    columns: Vec<Column>,
    roles: Vec<Role>,
    /// Whether records without a body are expected, and make no rows.
    skips_tombstones: bool,
    /// Whether `event_index` tells a record's rows apart.
    indexed: bool,
    /// If fields without a column are to be told before they are dropped: those of which that is known to be in vain.
    evolving: Option<Arc<BTreeSet<String>>>,
}

/// Where a column's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    EventHub,
    PartitionId,
    SequenceNumber,
    EnqueuedAt,
    /// Which of its record's rows it is, from 0.
    EventIndex,
    /// The record's key.
    EventKey,
    /// What producer and broker say of the record.
    EventProperties,
    /// The broker's position of the record.
    EventOffset,
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

/// What tells the rows of one record apart, where it may have several: in the table and in its primary key.
const INDEX: &str = "event_index";

/// Columns that a table may have beside, of which the record says what is in them.
const MORE: [(&str, Role, &[ColumnType]); 4] = [
    ("event_key", Role::EventKey, &[ColumnType::Varchar, ColumnType::Bytea]),
    ("event_properties", Role::EventProperties, &[ColumnType::Jsonb, ColumnType::Json]),
    ("event_offset", Role::EventOffset, &[ColumnType::Varchar]),
    ("rescued", Role::Rescued, &[ColumnType::Jsonb, ColumnType::Json]),
];

/// The columns that identify a record, and `event_index`, which tells its rows apart.
const ROW_KEY: [&str; 5] = [ENVELOPE[0].0, ENVELOPE[1].0, ENVELOPE[2].0, ENVELOPE[3].0, INDEX];

/// Why records cannot be loaded into a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTable {
    /// The catalog does not have it.
    #[error(
        "table `{table}` does not exist; {}make it (`deltawave init` makes the default one) or name another with --route",
        alike(beside)
    )]
    Missing {
        /// The table.
        table: String,
        /// Tables whose names differ in case or schema only, as a route names them.
        beside: Vec<String>,
    },
    /// It is there, and this user may not do what a loader does.
    #[error("table `{table}` exists, but user `{user}` lacks {lacks} on it: {cure}")]
    NoGrant {
        /// The table.
        table: String,
        /// Who is connected.
        user: String,
        /// The rights it lacks, in words.
        lacks: String,
        /// The statements that give them.
        cure: String,
    },
    /// What a column's comment or `--column` asks for makes no sense.
    #[error("column `{column}` of table `{table}`: {reason}")]
    Epoch {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// What is wrong.
        reason: String,
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
        "table `{table}` has {found}; its primary key must be (event_hub, partition_id, sequence_number, enqueued_at), with \
         event_index behind them where a record may have several rows, or a repeated load would double records"
    )]
    WrongKey {
        /// The table.
        table: String,
        /// Its primary key, in words.
        found: String,
    },
    /// A record may have several rows, and the table cannot tell them apart.
    #[error(
        "format={format} makes several rows of a record, and table `{table}` has no event_index to tell them apart: give it \
         the column `event_index int` and the primary key (event_hub, partition_id, sequence_number, enqueued_at, event_index)"
    )]
    NoIndex {
        /// The table.
        table: String,
        /// The route's format.
        format: &'static str,
    },
}

/// Whether a column of that name is filled from somewhere else than the body.
pub(super) fn is_reserved(name: &str) -> bool {
    name == INDEX || ENVELOPE.iter().chain(&MORE).any(|(reserved, ..)| *reserved == name)
}

fn alike(names: &[String]) -> String {
    match names {
        [] => String::new(),
        names => format!("there is `{}` (names are compared as the catalog has them); ", names.join("`, `")),
    }
}

/// What a column's comment begins with that says how its values are sent.
const COMMENT: &str = "deltawave:";

impl Table {
    /// Makes a table of what the catalog says of it. A column is required when the catalog says NOT NULL or its name
    /// is among `required`. Columns that the store alone fills are none of its.
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
            return Err(InvalidTable::Missing { table: table(), beside: Vec::new() });
        }
        let has = |wanted: &str| catalog.iter().any(|column| column.name == wanted && !column.generated);
        let lacking: Vec<_> = ENVELOPE.iter().map(|(wanted, ..)| *wanted).filter(|wanted| !has(wanted)).collect();
        if !lacking.is_empty() {
            return Err(InvalidTable::NoEnvelope { table: table(), columns: lacking.join(", ") });
        }
        let indexed = primary_key.iter().any(|column| column == INDEX);
        let key = if indexed { &ROW_KEY[..] } else { &ROW_KEY[..ENVELOPE.len()] };
        let same_key = primary_key.len() == key.len()
            && key.iter().all(|wanted| primary_key.iter().any(|column| column == wanted));
        if !same_key {
            let found = match primary_key {
                [] => "no primary key".to_owned(),
                columns => format!("primary key ({})", columns.join(", ")),
            };
            return Err(InvalidTable::WrongKey { table: table(), found });
        }
        let (mut columns, mut roles) = (Vec::with_capacity(catalog.len()), Vec::with_capacity(catalog.len()));
        for found in catalog.into_iter().filter(|column| !column.generated) {
            let (role, column) = column(name, found, required, indexed)?;
            columns.push(column);
            roles.push(role);
        }
        Ok(Table { name: table(), columns, roles, skips_tombstones: false, indexed, evolving: None })
    }

    /// The same, but that numbers in the column of that name count from 1970.
    ///
    /// # Errors
    /// When there is no such column, or it holds no moments.
    pub fn with_epoch(mut self, column: &str, epoch: Epoch) -> Result<Self, InvalidTable> {
        let wrong =
            |reason: String| InvalidTable::Epoch { table: self.name.clone(), column: column.to_owned(), reason };
        let found = self.columns.iter().zip(&self.roles).position(|(found, _)| found.name == column);
        let Some(index) = found.filter(|index| self.roles[*index] == Role::Field) else {
            return Err(wrong("the body fills no column of that name".to_owned()));
        };
        set_epoch(&mut self.columns[index], epoch).map_err(wrong)?;
        Ok(self)
    }

    /// The same, but that records without a body are expected, and make no rows.
    pub fn skipping_tombstones(self) -> Self {
        Table { skips_tombstones: true, ..self }
    }

    /// The same, but that a record with a value that has no column is none, as long as the field is not one of these.
    pub fn evolving(self, hopeless: Arc<BTreeSet<String>>) -> Self {
        Table { evolving: Some(hopeless), ..self }
    }

    pub(super) fn hopeless(&self) -> Option<Arc<BTreeSet<String>>> {
        self.evolving.clone()
    }

    /// Its name, as the route gave it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its columns, in the catalog's order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The columns of its primary key.
    pub fn key(&self) -> &'static [&'static str] {
        if self.indexed { &ROW_KEY } else { &ROW_KEY[..ENVELOPE.len()] }
    }

    /// Whether it can tell the rows of one record apart.
    pub fn is_indexed(&self) -> bool {
        self.indexed
    }

    /// Whether what a record says beside its body goes into some column.
    pub fn takes_attributes(&self) -> bool {
        let of_record = |role: &Role| matches!(role, Role::EventKey | Role::EventProperties | Role::EventOffset);
        self.roles.iter().any(of_record)
    }

    /// The columns that the body's fields fill.
    pub fn fields(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().zip(&self.roles).filter(|(_, role)| **role == Role::Field).map(|(column, _)| column)
    }

    /// Whether it keeps fields that have no column.
    pub fn rescues(&self) -> bool {
        self.roles.contains(&Role::Rescued)
    }

    pub(super) fn skips_tombstones(&self) -> bool {
        self.skips_tombstones
    }

    pub(super) fn roles(&self) -> &[Role] {
        &self.roles
    }
}

/// Where a column's value comes from, and what it takes.
fn column(
    table: &str,
    found: CatalogColumn,
    required: &[String],
    indexed: bool,
) -> Result<(Role, Column), InvalidTable> {
    let table = || table.to_owned();
    let CatalogColumn { name, data_type, cast, not_null, default, comment, numeric_digits, .. } = found;
    let (element, list) = match data_type.strip_suffix("[]") {
        Some(element) => (element, true),
        None => (data_type.as_str(), false),
    };
    let known =
        if cast.is_some() { Some((ColumnType::Varchar, Limit::None)) } else { ColumnType::from_catalog(element) };
    let Some((kind, limit)) = known else {
        return Err(InvalidTable::UnsupportedType { table: table(), column: name, found: data_type });
    };
    let limit = match (kind, limit, numeric_digits) {
        (ColumnType::Numeric, Limit::None, Some(digits)) => Limit::Significant(digits),
        _ => limit,
    };
    let known = ENVELOPE.iter().chain(&MORE).find(|(known, ..)| *known == name);
    let (role, wanted): (Role, &[ColumnType]) = match known {
        Some((_, role, wanted)) => (*role, wanted),
        None if indexed && name == INDEX => {
            (Role::EventIndex, &[ColumnType::Integer, ColumnType::BigInt, ColumnType::SmallInt])
        }
        None => (Role::Field, &[]),
    };
    if !wanted.is_empty() && (!wanted.contains(&kind) || list || cast.is_some()) {
        let wanted = wanted.iter().map(|kind| kind.sql()).collect::<Vec<_>>().join(" or ");
        return Err(InvalidTable::WrongType { table: table(), column: name, found: data_type, wanted });
    }
    let of_body = role == Role::Field;
    let default = default.filter(|_| of_body);
    let asked = of_body && required.contains(&name);
    let mut column = Column {
        kind,
        limit,
        list,
        cast,
        epoch: None,
        not_null: asked || (of_body && not_null),
        required: asked || (of_body && not_null && default.is_none()),
        default,
        name,
    };
    if of_body && let Some(wish) = comment.as_deref().and_then(|comment| comment.trim().strip_prefix(COMMENT)) {
        let wrong = |reason| InvalidTable::Epoch { table: table(), column: column.name.clone(), reason };
        let unit = wish.trim().strip_prefix("epoch").and_then(|unit| Epoch::parse(unit.trim()));
        let unit = unit.ok_or_else(|| {
            wrong(format!("its comment says `{COMMENT}{wish}`, which is none of epoch s, epoch ms, epoch us"))
        })?;
        set_epoch(&mut column, unit).map_err(|reason| InvalidTable::Epoch {
            table: table(),
            column: column.name.clone(),
            reason,
        })?;
    }
    Ok((role, column))
}

fn set_epoch(column: &mut Column, epoch: Epoch) -> Result<(), String> {
    if !column.kind.is_moment() {
        return Err(format!(
            "numbers that count from 1970 go into timestamp or timestamptz, and it is {}",
            column.kind
        ));
    }
    column.epoch = Some(epoch);
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn columns(text: &str) -> Vec<CatalogColumn> {
        let column = |line: &str| {
            let (name, data_type) = line.trim().split_once(' ').unwrap();
            let not_null = data_type.ends_with("not null");
            CatalogColumn { not_null, ..CatalogColumn::new(name, data_type.trim_end_matches(" not null")) }
        };
        // A comma in brackets belongs to a type.
        let mut lines = vec![String::new()];
        let mut depth = 0;
        for c in text.chars() {
            depth += i32::from(c == '(') - i32::from(c == ')');
            match c {
                ',' if depth == 0 => lines.push(String::new()),
                c => lines.last_mut().unwrap().push(c),
            }
        }
        lines.iter().map(|line| column(line)).collect()
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
        let error = new(&ENVELOPE_COLUMNS.replace("bigint", "bigint[]"), &key()).unwrap_err().to_string();
        assert!(error.contains("`sequence_number` of table `t` is bigint[], it must be bigint"), "{error}");
        let beside = vec!["Q4".to_owned(), "sales.q4".to_owned()];
        let error = InvalidTable::Missing { table: "q4".to_owned(), beside }.to_string();
        assert!(error.starts_with("table `q4` does not exist; there is `Q4`, `sales.q4` (names"), "{error}");
    }

    #[test]
    fn what_the_store_fills_is_left_to_it() {
        let mut catalog =
            columns(&format!("id integer,lower text,at timestamp without time zone not null,{ENVELOPE_COLUMNS}"));
        catalog[1].generated = true;
        catalog[2].default = Some("now()".to_owned());
        let required = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            let table = Table::new("t", catalog.clone(), &key(), &names).unwrap();
            let column = &table.columns()[1];
            (table.columns().len(), column.not_null, column.required)
        };
        assert_eq!(required(&[]), (6, true, false));
        assert_eq!(required(&["at"]), (6, true, true));
        catalog[3].generated = true;
        assert!(matches!(Table::new("t", catalog, &key(), &[]), Err(InvalidTable::NoEnvelope { .. })));
    }

    #[test]
    fn a_comment_or_a_flag_says_what_numbers_count() {
        let commented = |data_type: &str, comment: &str| {
            let mut catalog = columns(&format!("at {data_type},{ENVELOPE_COLUMNS}"));
            catalog[0].comment = Some(comment.to_owned());
            Table::new("t", catalog, &key(), &[])
        };
        let epoch = |data_type, comment| commented(data_type, comment).map(|table| table.columns()[0].epoch);
        assert_eq!(epoch("timestamp with time zone", "deltawave: epoch ms"), Ok(Some(Epoch::Milliseconds)));
        assert_eq!(epoch("timestamp without time zone", "deltawave:epoch us"), Ok(Some(Epoch::Microseconds)));
        assert_eq!(epoch("timestamp without time zone", "when it was"), Ok(None));
        let error = epoch("date", "deltawave: epoch s").unwrap_err().to_string();
        assert!(error.contains("column `at` of table `t`: numbers that count from 1970 go into timestamp"), "{error}");
        let error = epoch("timestamp with time zone", "deltawave: epoch days").unwrap_err().to_string();
        assert!(error.contains("none of epoch s, epoch ms, epoch us"), "{error}");
        let table = commented("timestamp with time zone", "").unwrap();
        assert_eq!(table.clone().with_epoch("at", Epoch::Seconds).unwrap().columns()[0].epoch, Some(Epoch::Seconds));
        for name in ["none", "enqueued_at"] {
            assert!(table.clone().with_epoch(name, Epoch::Seconds).is_err(), "{name}");
        }
    }
}
