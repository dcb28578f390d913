//! A Delta table's columns, as a loader sees them, and as one is made.

use serde_json::{Value, json};

use super::action::{Metadata, Protocol};
use super::error::LakeError;
use crate::rows::{CatalogColumn, InvalidTable, Table};

/// The column by which files lie in folders: the day of `enqueued_at`.
pub(super) const DAY: &str = "enqueued_date";

/// What a string column's comment begins with that says what is in it.
const COMMENT: &str = "deltawave:";

/// Columns of JSON, whatever their comments say.
const JSON: [&str; 2] = ["rescued", "event_properties"];

const KEY: [&str; 4] = ["event_hub", "partition_id", "sequence_number", "enqueued_at"];
const INDEX: &str = "event_index";

/// What a writer of these must know and this one does: nothing of it concerns rows that are added.
const FEATURES: [&str; 4] = ["appendOnly", "changeDataFeed", "timestampNtz", "vacuumProtocolCheck"];

/// Those that concern a table only where a column or a setting says so, which is looked for.
const LATENT: [&str; 5] = ["invariants", "checkConstraints", "generatedColumns", "identityColumns", "columnMapping"];

/// Whether rows can be added to a table as it is.
///
/// # Errors
/// What it asks for that this program does not do.
pub(super) fn check(shown: &str, protocol: &Protocol, metadata: &Metadata) -> Result<(), LakeError> {
    let refuse = |what: String, cure| Err(LakeError::Unsupported { table: shown.to_owned(), what, cure });
    const DROP: &str =
        "drop the feature (ALTER TABLE … DROP FEATURE), or load into a table that `deltawave table --delta` made";
    let all = protocol.reader_features.iter().chain(&protocol.writer_features).flatten();
    for feature in all {
        if !FEATURES.contains(&feature.as_str()) && !LATENT.contains(&feature.as_str()) {
            return refuse(format!("has the feature {feature}"), DROP);
        }
    }
    if protocol.min_writer_version > 7 || protocol.min_reader_version > 3 {
        let (reader, writer) = (protocol.min_reader_version, protocol.min_writer_version);
        return refuse(format!("has protocol {reader}/{writer}"), DROP);
    }
    let set = |name: &str| metadata.configuration.get(name).and_then(Option::as_deref);
    if set("delta.columnMapping.mode").is_some_and(|mode| mode != "none") {
        return refuse("maps its columns' names (delta.columnMapping.mode)".to_owned(), DROP);
    }
    if let Some(name) = metadata.configuration.keys().find(|name| name.starts_with("delta.constraints.")) {
        return refuse(format!("has a constraint ({name})"), "drop the constraint");
    }
    if metadata.configuration.contains_key("delta.setTransactionRetentionDuration") {
        return refuse(
            "forgets how far its writers are (delta.setTransactionRetentionDuration)".to_owned(),
            "take that setting away: by their count loaders know what is loaded",
        );
    }
    for concern in ["delta.invariants", "delta.generationExpression", "delta.identity.start"] {
        if metadata.schema_string.contains(concern) {
            return refuse(format!("has a column with {concern}"), "make that column a plain one");
        }
    }
    let by_day = metadata.partition_columns.is_empty() || metadata.partition_columns == [DAY];
    if !by_day {
        let columns = metadata.partition_columns.join(", ");
        return refuse(
            format!("is partitioned by {columns}"),
            "partition it by enqueued_date, or by nothing; `deltawave table --delta` makes one",
        );
    }
    if metadata.format.provider != "parquet" {
        return refuse(format!("has files of {}", metadata.format.provider), "make it of Parquet files");
    }
    Ok(())
}

/// The table as records are fitted to it.
///
/// # Errors
/// When records could not be told apart in it or not be fitted to it.
pub(super) fn table(shown: &str, route: &str, metadata: &Metadata, required: &[String]) -> Result<Table, LakeError> {
    let fields = fields(shown, metadata)?;
    let columns: Vec<_> = fields.iter().map(|field| column(field, metadata)).collect();
    let indexed = columns.iter().any(|column| column.name == INDEX);
    let key: Vec<_> = KEY.into_iter().chain(indexed.then_some(INDEX)).map(str::to_owned).collect();
    Table::new(route, columns, &key, required).map_err(|error| match error {
        // It has no key that could be wrong, and is there.
        error @ InvalidTable::UnsupportedType { .. } => in_lake(error),
        error => error.into(),
    })
}

/// Docs of the types are elsewhere for a lake.
fn in_lake(error: InvalidTable) -> LakeError {
    match error {
        InvalidTable::UnsupportedType { table, column, found } => LakeError::Unsupported {
            table,
            what: format!("has column `{column}` of type {found}"),
            cure: "use a type of docs/lake.md",
        },
        error => error.into(),
    }
}

fn fields(shown: &str, metadata: &Metadata) -> Result<Vec<Value>, LakeError> {
    let schema: Value = serde_json::from_str(&metadata.schema_string)
        .map_err(|error| LakeError::damaged(shown, "the schema in the log", error))?;
    match schema["fields"].as_array() {
        Some(fields) => Ok(fields.clone()),
        None => Err(LakeError::damaged(shown, "the schema in the log", "it has no fields")),
    }
}

/// As the catalog of a SQL store would say it.
fn column(field: &Value, metadata: &Metadata) -> CatalogColumn {
    let name = field["name"].as_str().unwrap_or_default();
    let comment = field["metadata"]["comment"].as_str();
    let wish = comment.and_then(|comment| comment.trim().strip_prefix(COMMENT)).map(str::trim);
    let wide = field["metadata"]["__CHAR_VARCHAR_TYPE_STRING"].as_str();
    let scalar = |kind: &Value| -> String {
        let Some(kind) = kind.as_str() else { return kind["type"].as_str().unwrap_or("unknown").to_owned() };
        match (kind, wish) {
            ("string", _) if JSON.contains(&name) => "jsonb".to_owned(),
            ("string", Some("jsonb")) => "jsonb".to_owned(),
            ("string", Some("uuid")) => "uuid".to_owned(),
            ("string", Some("time")) => "time without time zone".to_owned(),
            ("string", _) => {
                wide.map_or_else(|| "character varying".to_owned(), |wide| wide.replace("varchar", "character varying"))
            }
            ("short", _) => "smallint".to_owned(),
            ("long", _) => "bigint".to_owned(),
            ("float", _) => "real".to_owned(),
            ("double", _) => "double precision".to_owned(),
            ("binary", _) => "bytea".to_owned(),
            ("timestamp", _) if name == "enqueued_at" => "timestamp without time zone".to_owned(),
            ("timestamp", _) => "timestamp with time zone".to_owned(),
            ("timestamp_ntz", _) if name != "enqueued_at" => "timestamp without time zone".to_owned(),
            (kind, _) if kind.starts_with("decimal(") => kind.replacen("decimal", "numeric", 1),
            (kind, _) => kind.to_owned(),
        }
    };
    let kind = &field["type"];
    let data_type = match kind["type"].as_str() {
        Some("array") if kind["elementType"].is_string() => format!("{}[]", scalar(&kind["elementType"])),
        _ => scalar(kind),
    };
    let of_text = matches!(wish, Some("jsonb" | "uuid" | "time"));
    CatalogColumn {
        name: name.to_owned(),
        data_type,
        not_null: field["nullable"].as_bool() == Some(false),
        // No value of a file is of this column: readers take it from the folder.
        generated: metadata.partition_columns.iter().any(|column| column == name),
        comment: comment.filter(|_| !of_text).map(str::to_owned),
        ..CatalogColumn::default()
    }
}

/// One column of a table that is to be made.
pub(super) fn field(name: &str, kind: &str, list: bool, wish: Option<&str>) -> Value {
    let kind = if list { json!({"type": "array", "elementType": kind, "containsNull": true}) } else { json!(kind) };
    let metadata = wish.map_or_else(|| json!({}), |wish| json!({"comment": format!("{COMMENT} {wish}")}));
    json!({"name": name, "type": kind, "nullable": true, "metadata": metadata})
}

pub(super) fn schema(fields: &[Value]) -> String {
    json!({"type": "struct", "fields": fields}).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::action::FileFormat;
    use super::*;
    use crate::rows::ColumnType;

    fn metadata(fields: &[Value], partitions: &[&str]) -> Metadata {
        Metadata {
            id: String::new(),
            name: None,
            description: None,
            format: FileFormat { provider: "parquet".to_owned(), options: Default::default() },
            schema_string: schema(fields),
            partition_columns: partitions.iter().map(|name| (*name).to_owned()).collect(),
            configuration: Default::default(),
            created_time: None,
        }
    }

    fn envelope() -> Vec<Value> {
        vec![
            field("event_hub", "string", false, None),
            field("partition_id", "integer", false, None),
            field("sequence_number", "long", false, None),
            field("enqueued_at", "timestamp", false, None),
            field(DAY, "date", false, None),
        ]
    }

    #[test]
    fn a_table_of_the_lake_is_a_table_of_the_mapper() {
        let mut fields = envelope();
        fields.extend([
            field("amount", "decimal(10,2)", false, None),
            field("tags", "string", true, None),
            field("doc", "string", false, Some("jsonb")),
            field("at", "timestamp", false, Some("epoch ms")),
            field("rescued", "string", false, None),
        ]);
        let table = table("t", "delta:t", &metadata(&fields, &[DAY]), &[]).unwrap();
        let kinds: Vec<_> =
            table.columns().iter().map(|column| (column.name.as_str(), column.kind, column.list)).collect();
        assert!(!kinds.iter().any(|(name, ..)| *name == DAY));
        for wanted in [
            ("amount", ColumnType::Numeric, false),
            ("tags", ColumnType::Varchar, true),
            ("doc", ColumnType::Jsonb, false),
            ("at", ColumnType::TimestampTz, false),
            ("rescued", ColumnType::Jsonb, false),
        ] {
            assert!(kinds.contains(&wanted), "{wanted:?} in {kinds:?}");
        }
        assert!(table.rescues() && !table.is_indexed());
        fields.push(field("bad", "byte", false, None));
        let error = super::table("t", "delta:t", &metadata(&fields, &[]), &[]).unwrap_err().to_string();
        assert!(error.contains("`bad` of type byte") && error.contains("docs/lake.md"), "{error}");
    }

    #[test]
    fn what_would_go_wrong_is_refused() {
        let plain =
            Protocol { min_reader_version: 1, min_writer_version: 2, reader_features: None, writer_features: None };
        assert!(check("t", &plain, &metadata(&envelope(), &[DAY])).is_ok());
        assert!(check("t", &plain, &metadata(&envelope(), &["partition_id"])).is_err());
        let features = |names: &[&str]| Protocol {
            min_reader_version: 3,
            min_writer_version: 7,
            reader_features: None,
            writer_features: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        };
        assert!(check("t", &features(&["timestampNtz", "appendOnly"]), &metadata(&envelope(), &[])).is_ok());
        let error = check("t", &features(&["deletionVectors"]), &metadata(&envelope(), &[])).unwrap_err();
        assert!(error.to_string().contains("has the feature deletionVectors"), "{error}");
    }
}
