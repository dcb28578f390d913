//! Checkpoints: all that a log says up to a version, as one Parquet file.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, MapBuilder, MapFieldNames, StringBuilder};
use arrow_array::{ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray, StructArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{ArrowError, Field, Fields, Schema};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::schema::types::Type;

use super::action::{Action, Add, Metadata, Protocol, Remove, Txn};
use super::file::properties;
use super::state::Whole;

type Texts = BTreeMap<String, Option<String>>;

/// Hands out what a checkpoint says, its files too if they are wanted.
///
/// # Errors
/// Why it cannot be read.
pub(super) fn read(bytes: Bytes, files: bool, mut take: impl FnMut(Action)) -> Result<(), String> {
    let text = |error: ParquetError| error.to_string();
    let reader = SerializedFileReader::new(bytes).map_err(text)?;
    let wanted: &[&str] =
        if files { &["txn", "add", "remove", "metaData", "protocol"] } else { &["txn", "metaData", "protocol"] };
    let schema = reader.metadata().file_metadata().schema();
    let fields = schema.get_fields().iter().filter(|field| wanted.contains(&field.name())).cloned();
    let projection = Type::group_type_builder(schema.name()).with_fields(fields.collect()).build().map_err(text)?;
    for row in reader.get_row_iter(Some(projection)).map_err(text)? {
        let value = row.map_err(text)?.to_json_value();
        take(serde_json::from_value(value).map_err(|error| error.to_string())?);
    }
    Ok(())
}

/// Rows made into one batch at a time.
const BATCH: usize = 4096;

/// The checkpoint of all this, and how many actions it has.
///
/// # Errors
/// Why it cannot be written, which is a mistake of the loader's own.
pub(super) fn write(whole: &Whole) -> Result<(Bytes, usize), ParquetError> {
    let one = |action| std::iter::once(action);
    let protocol = Action { protocol: Some(whole.head.protocol.clone()), ..Action::default() };
    let metadata = Action { meta_data: Some(whole.head.metadata.clone()), ..Action::default() };
    let txns = whole.head.txns.iter().map(|(app, version)| {
        let txn = Txn { app_id: app.clone(), version: *version, last_updated: None };
        Action { txn: Some(txn), ..Action::default() }
    });
    let adds = whole.files.values().map(|add| Action::add(Add { data_change: false, ..add.clone() }));
    let removes = whole.removed.values().map(|remove| Action::remove(Remove { data_change: false, ..remove.clone() }));
    let mut all = one(protocol).chain(one(metadata)).chain(txns).chain(adds).chain(removes);
    let (mut writer, mut count): (Option<ArrowWriter<Vec<u8>>>, _) = (None, 0);
    loop {
        let some: Vec<Action> = all.by_ref().take(BATCH).collect();
        if some.is_empty() {
            break;
        }
        count += some.len();
        let batch = batch(&some)?;
        let writer = match &mut writer {
            Some(writer) => writer,
            None => writer.insert(ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties(&[])))?),
        };
        writer.write(&batch)?;
    }
    let Some(writer) = writer else { return Err(ParquetError::General("it would be empty".to_owned())) };
    Ok((Bytes::from(writer.into_inner()?), count))
}

fn batch(actions: &[Action]) -> Result<RecordBatch, ArrowError> {
    let columns = [
        ("txn", txns(&each(actions, |action| action.txn.as_ref()))?),
        ("add", adds(&each(actions, |action| action.add.as_ref()))?),
        ("remove", removes(&each(actions, |action| action.remove.as_ref()))?),
        ("metaData", metadata(&each(actions, |action| action.meta_data.as_ref()))?),
        ("protocol", protocols(&each(actions, |action| action.protocol.as_ref()))?),
    ];
    let fields: Vec<_> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, array)| array).collect())
}

fn each<'a, T>(actions: &'a [Action], of: impl Fn(&'a Action) -> Option<&'a T>) -> Vec<Option<&'a T>> {
    actions.iter().map(of).collect()
}

fn group<T>(of: &[Option<&T>], columns: Vec<(&str, ArrayRef)>) -> Result<ArrayRef, ArrowError> {
    let fields: Fields =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let there = NullBuffer::from(of.iter().map(Option::is_some).collect::<Vec<_>>());
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    Ok(Arc::new(StructArray::try_new(fields, arrays, Some(there))?))
}

fn texts<'a, T>(of: &[Option<&'a T>], text: impl Fn(&'a T) -> Option<&'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter(of.iter().map(|one| one.and_then(&text))))
}

fn longs<T>(of: &[Option<&T>], number: impl Fn(&T) -> Option<i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter(of.iter().map(|one| one.and_then(&number))))
}

fn flags<T>(of: &[Option<&T>], flag: impl Fn(&T) -> Option<bool>) -> ArrayRef {
    Arc::new(BooleanArray::from_iter(of.iter().map(|one| one.and_then(&flag))))
}

fn maps<'a, T>(of: &[Option<&'a T>], map: impl Fn(&'a T) -> Option<&'a Texts>) -> Result<ArrayRef, ArrowError> {
    let names = MapFieldNames { entry: "key_value".to_owned(), key: "key".to_owned(), value: "value".to_owned() };
    let mut builder = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for one in of {
        let map = one.and_then(&map);
        for (key, value) in map.into_iter().flatten() {
            builder.keys().append_value(key);
            builder.values().append_option(value.as_deref());
        }
        builder.append(map.is_some())?;
    }
    Ok(Arc::new(builder.finish()))
}

fn lists<'a, T>(of: &[Option<&'a T>], list: impl Fn(&'a T) -> Option<&'a Vec<String>>) -> ArrayRef {
    let mut builder =
        ListBuilder::new(StringBuilder::new()).with_field(Field::new("element", arrow_schema::DataType::Utf8, true));
    for one in of {
        let list = one.and_then(&list);
        list.into_iter().flatten().for_each(|text| builder.values().append_value(text));
        builder.append(list.is_some());
    }
    Arc::new(builder.finish())
}

fn txns(of: &[Option<&Txn>]) -> Result<ArrayRef, ArrowError> {
    group(
        of,
        vec![
            ("appId", texts(of, |txn| Some(&txn.app_id))),
            ("version", longs(of, |txn| Some(txn.version))),
            ("lastUpdated", longs(of, |txn| txn.last_updated)),
        ],
    )
}

fn adds(of: &[Option<&Add>]) -> Result<ArrayRef, ArrowError> {
    group(
        of,
        vec![
            ("path", texts(of, |add| Some(&add.path))),
            ("partitionValues", maps(of, |add| Some(&add.partition_values))?),
            ("size", longs(of, |add| Some(add.size))),
            ("modificationTime", longs(of, |add| Some(add.modification_time))),
            ("dataChange", flags(of, |add| Some(add.data_change))),
            ("tags", maps(of, |add| add.tags.as_ref())?),
            ("stats", texts(of, |add| add.stats.as_deref())),
        ],
    )
}

fn removes(of: &[Option<&Remove>]) -> Result<ArrayRef, ArrowError> {
    group(
        of,
        vec![
            ("path", texts(of, |remove| Some(&remove.path))),
            ("deletionTimestamp", longs(of, |remove| remove.deletion_timestamp)),
            ("dataChange", flags(of, |remove| Some(remove.data_change))),
            ("extendedFileMetadata", flags(of, |remove| remove.extended_file_metadata)),
            ("partitionValues", maps(of, |remove| remove.partition_values.as_ref())?),
            ("size", longs(of, |remove| remove.size)),
        ],
    )
}

fn metadata(of: &[Option<&Metadata>]) -> Result<ArrayRef, ArrowError> {
    let format = group(
        of,
        vec![
            ("provider", texts(of, |metadata| Some(&metadata.format.provider))),
            ("options", maps(of, |metadata| Some(&metadata.format.options))?),
        ],
    )?;
    group(
        of,
        vec![
            ("id", texts(of, |metadata| Some(&metadata.id))),
            ("name", texts(of, |metadata| metadata.name.as_deref())),
            ("description", texts(of, |metadata| metadata.description.as_deref())),
            ("format", format),
            ("schemaString", texts(of, |metadata| Some(&metadata.schema_string))),
            ("partitionColumns", lists(of, |metadata| Some(&metadata.partition_columns))),
            ("configuration", maps(of, |metadata| Some(&metadata.configuration))?),
            ("createdTime", longs(of, |metadata| metadata.created_time)),
        ],
    )
}

fn protocols(of: &[Option<&Protocol>]) -> Result<ArrayRef, ArrowError> {
    let number = |number: fn(&Protocol) -> i32| -> ArrayRef {
        Arc::new(Int32Array::from_iter(of.iter().map(|protocol| protocol.map(number))))
    };
    group(
        of,
        vec![
            ("minReaderVersion", number(|protocol| protocol.min_reader_version)),
            ("minWriterVersion", number(|protocol| protocol.min_writer_version)),
            ("readerFeatures", lists(of, |protocol| protocol.reader_features.as_ref())),
            ("writerFeatures", lists(of, |protocol| protocol.writer_features.as_ref())),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::super::action::FileFormat;
    use super::super::state::Head;
    use super::*;

    #[test]
    fn what_a_checkpoint_says_is_read_again() {
        let texts = |pairs: &[(&str, Option<&str>)]| -> Texts {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned))).collect()
        };
        let metadata = Metadata {
            id: "i".to_owned(),
            name: None,
            description: None,
            format: FileFormat { provider: "parquet".to_owned(), options: Texts::new() },
            schema_string: "{\"fields\":[]}".to_owned(),
            partition_columns: vec!["enqueued_date".to_owned()],
            configuration: texts(&[("delta.checkpointInterval", Some("100"))]),
            created_time: Some(7),
        };
        let protocol =
            Protocol { min_reader_version: 1, min_writer_version: 2, reader_features: None, writer_features: None };
        let add = |name: &str| Add {
            path: name.to_owned(),
            partition_values: texts(&[("enqueued_date", None)]),
            size: 5,
            modification_time: 6,
            data_change: false,
            stats: Some("{\"numRecords\":1}".to_owned()),
            tags: None,
        };
        let remove = Remove { path: "gone".to_owned(), deletion_timestamp: Some(9), ..Remove::default() };
        let whole = Whole {
            head: Head {
                version: 3,
                protocol: protocol.clone(),
                metadata: metadata.clone(),
                txns: [("deltawave".to_owned(), 4)].into(),
                checkpoint: -1,
            },
            files: (0..5000).map(|n| format!("f{n}")).map(|name| (name.clone(), add(&name))).collect(),
            removed: [("gone".to_owned(), remove.clone())].into(),
        };
        let (bytes, count) = write(&whole).unwrap();
        assert_eq!(count, 5004);
        let read_back = |files| {
            let mut all = Vec::new();
            read(bytes.clone(), files, |action| all.push(action)).unwrap();
            all
        };
        let all = read_back(true);
        assert_eq!(all.iter().filter_map(|action| action.add.clone()).collect::<Vec<_>>(), {
            whole.files.values().cloned().collect::<Vec<_>>()
        });
        assert_eq!(all.iter().find_map(|action| action.remove.clone()), Some(remove));
        assert_eq!(all.iter().find_map(|action| action.meta_data.clone()), Some(metadata));
        assert_eq!(all.iter().find_map(|action| action.protocol.clone()), Some(protocol));
        let head = read_back(false);
        assert!(head.iter().all(|action| action.add.is_none()));
        assert_eq!(head.iter().find_map(|action| action.txn.clone()).unwrap().version, 4);
    }
}
