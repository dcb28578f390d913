//! A Delta table that is to be made.

use serde_json::Value;

use super::address::LakeAddress;
use super::data::rejected_fields;
use super::error::LakeError;
use super::ledger;
use super::log::Log;
use super::place::Place;
use super::schema::{DAY, field};
use super::table::{FILES, REJECTED};
use crate::azure::Key;
use crate::rows::ColumnType;

/// A column that fields of the body fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewColumn {
    /// Its name.
    pub name: String,
    /// Its type, or that of its elements.
    pub kind: ColumnType,
    /// Whether it is an array.
    pub list: bool,
    /// What was seen of it, for people.
    pub evidence: String,
}

impl NewColumn {
    /// One that is no array, of which nothing was seen.
    pub fn new(name: &str, kind: ColumnType) -> Self {
        NewColumn { name: name.to_owned(), kind, list: false, evidence: String::new() }
    }
}

/// A table as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blueprint {
    columns: Vec<NewColumn>,
    left_out: Vec<String>,
    indexed: bool,
}

/// Which type of Delta holds a column's values, and what its comment says of them.
fn delta_type(kind: ColumnType) -> (&'static str, Option<&'static str>) {
    match kind {
        ColumnType::Boolean => ("boolean", None),
        ColumnType::SmallInt => ("short", None),
        ColumnType::Integer => ("integer", None),
        ColumnType::BigInt => ("long", None),
        ColumnType::Real => ("float", None),
        ColumnType::Double => ("double", None),
        ColumnType::Numeric => ("decimal(38,18)", None),
        ColumnType::Varchar => ("string", None),
        ColumnType::Date => ("date", None),
        ColumnType::Time => ("string", Some("time")),
        ColumnType::Timestamp | ColumnType::TimestampTz => ("timestamp", None),
        ColumnType::Jsonb | ColumnType::Json => ("string", Some("jsonb")),
        ColumnType::Uuid => ("string", Some("uuid")),
        ColumnType::Bytea => ("binary", None),
    }
}

/// The same type in Spark's SQL.
fn sql_type(kind: &str) -> String {
    match kind {
        "short" => "SMALLINT".to_owned(),
        "integer" => "INT".to_owned(),
        "long" => "BIGINT".to_owned(),
        kind => kind.to_uppercase(),
    }
}

impl Blueprint {
    /// The columns of the body, and behind them those of the record. A name that tables without column mapping cannot have,
    /// or that differs from another's in case only, gets no column: its values are rescued.
    pub fn new(columns: Vec<NewColumn>, mut left_out: Vec<String>, indexed: bool) -> Self {
        let mut taken: Vec<String> = vec!["rescued".to_owned(), DAY.to_owned(), "event_index".to_owned()];
        taken.extend(["event_hub", "partition_id", "sequence_number", "enqueued_at"].map(str::to_owned));
        let mut kept = Vec::new();
        for column in columns {
            let lower = column.name.to_lowercase();
            if column.name.contains([' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '=']) || column.name.is_empty() {
                left_out.push(format!("`{}` gets no column: Delta has none of that name; it is rescued", column.name));
            } else if taken.contains(&lower) {
                left_out.push(format!(
                    "`{}` gets no column: Delta tells no names apart by case, and there is one; it is rescued",
                    column.name
                ));
            } else {
                taken.push(lower);
                kept.push(column);
            }
        }
        Blueprint { columns: kept, left_out, indexed }
    }

    fn fields(&self) -> Vec<Value> {
        let body = self.columns.iter().map(|column| {
            let (kind, wish) = delta_type(column.kind);
            field(&column.name, kind, column.list, wish)
        });
        let mut all: Vec<Value> = body.collect();
        all.extend([
            field("rescued", "string", false, Some("jsonb")),
            field("event_hub", "string", false, None),
            field("partition_id", "integer", false, None),
            field("sequence_number", "long", false, None),
            field("enqueued_at", "timestamp", false, None),
        ]);
        if self.indexed {
            all.push(field("event_index", "integer", false, None));
        }
        all.push(field(DAY, "date", false, None));
        all
    }

    /// The same as a statement of Spark's SQL, for people.
    pub fn sql(&self, address: &LakeAddress) -> String {
        let mut sql = "-- Every event, once. In Spark's SQL:\n".to_owned();
        let one_line = |text: &str| text.replace(['\n', '\r'], " ");
        self.left_out.iter().for_each(|field| sql.push_str(&format!("-- {}\n", one_line(field))));
        sql.push_str(&format!("CREATE TABLE delta.`{address}` (\n"));
        let fields = self.fields();
        for (number, field) in fields.iter().enumerate() {
            let kind = &field["type"];
            let kind = match kind["elementType"].as_str() {
                Some(element) => format!("ARRAY<{}>", sql_type(element)),
                None => sql_type(kind.as_str().unwrap_or_default()),
            };
            let name = field["name"].as_str().unwrap_or_default();
            let wish =
                field["metadata"]["comment"].as_str().map(|wish| format!(" COMMENT '{wish}'")).unwrap_or_default();
            let evidence = self.columns.get(number).map_or("", |column| &column.evidence);
            let comma = if number + 1 < fields.len() { "," } else { "" };
            let evidence = if evidence.is_empty() { String::new() } else { format!(" -- {}", one_line(evidence)) };
            sql.push_str(&format!("    `{name}` {kind}{wish}{comma}{evidence}\n"));
        }
        sql.push_str(&format!(") USING delta PARTITIONED BY ({DAY})"));
        sql
    }

    /// Makes the table, with its ledger and its rejected records beside it. Whether it did: false where there is one.
    ///
    /// # Errors
    /// Its container's. It may be called again.
    pub async fn make(&self, address: &LakeAddress, key: Option<Key>) -> Result<bool, LakeError> {
        let place = Place::open(address, key)?;
        place.ensure_container().await?;
        let data = Log::new(place.clone());
        if data.head().await?.is_some() {
            return Ok(false);
        }
        for (suffix, fields) in [(FILES, ledger::fields()), (REJECTED, rejected_fields())] {
            let log = Log::new(place.beside(suffix));
            if log.head().await?.is_none() {
                log.create(&fields, false).await?;
            }
        }
        data.create(&self.fields(), true).await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_delta_cannot_have_are_left_out() {
        let column = NewColumn::new;
        let columns = vec![
            column("id", ColumnType::BigInt),
            column("ID", ColumnType::Integer),
            column("größe", ColumnType::Double),
            column("two words", ColumnType::Varchar),
            column("doc", ColumnType::Jsonb),
        ];
        let blueprint = Blueprint::new(columns, Vec::new(), false);
        let sql = blueprint.sql(&"/lake/t".parse().unwrap());
        for part in [
            "`id` BIGINT,",
            "-- `ID` gets no",
            "`größe` DOUBLE,",
            "-- `two words` gets",
            "`doc` STRING COMMENT 'deltawave: jsonb',",
        ] {
            assert!(sql.contains(part), "{part} is missing in {sql}");
        }
        assert!(sql.ends_with("`enqueued_date` DATE\n) USING delta PARTITIONED BY (enqueued_date)"), "{sql}");
    }
}
