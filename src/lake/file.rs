//! Parquet files as this program writes and reads them.

use std::sync::Arc;

use arrow_array::{
    Array as _, ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray,
};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

/// Rows of one row group: what a reader skips or reads at once.
const ROW_GROUP: usize = 500_000;

/// How files are written: statistics on these columns, whose values are nearly all different so that no dictionary
/// helps, and none on the others.
pub(super) fn properties(keys: &[&str]) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_created_by("deltawave".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::None)
        .set_max_row_group_row_count(Some(ROW_GROUP));
    for key in keys {
        properties = properties
            .set_column_statistics_enabled(ColumnPath::from(*key), EnabledStatistics::Page)
            .set_column_dictionary_enabled(ColumnPath::from(*key), *key != "sequence_number");
    }
    properties.build()
}

/// A file under way.
pub(super) struct Writing {
    writer: ArrowWriter<Vec<u8>>,
}

impl Writing {
    pub(super) fn new(schema: SchemaRef, keys: &[&str]) -> Result<Self, ParquetError> {
        // What other readers need is in Parquet's own schema.
        let options = ArrowWriterOptions::new().with_properties(properties(keys)).with_skip_arrow_metadata(true);
        Ok(Writing { writer: ArrowWriter::try_new_with_options(Vec::new(), schema, options)? })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        self.writer.write(batch)
    }

    /// Bytes held for it.
    pub(super) fn bytes(&self) -> usize {
        self.writer.memory_size() + self.writer.bytes_written()
    }

    pub(super) fn finish(self) -> Result<Bytes, ParquetError> {
        Ok(Bytes::from(self.writer.into_inner()?))
    }
}

/// Hands out the rows of a file, some columns of it or all.
pub(super) fn read(
    bytes: Bytes,
    columns: Option<&[&str]>,
    mut take: impl FnMut(RecordBatch) -> Result<(), ParquetError>,
) -> Result<(), ParquetError> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options)?;
    let mask = match columns {
        Some(columns) => ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied()),
        None => ProjectionMask::all(),
    };
    for batch in builder.with_projection(mask).with_batch_size(8192).build()? {
        take(batch?)?;
    }
    Ok(())
}

/// A column of whole numbers, whatever their width.
pub(super) fn numbers(batch: &RecordBatch, name: &str) -> Option<Vec<Option<i64>>> {
    let array = batch.column_by_name(name)?;
    if let Some(array) = array.as_any().downcast_ref::<Int64Array>() {
        return Some(array.iter().collect());
    }
    let array = array.as_any().downcast_ref::<Int32Array>()?;
    Some(array.iter().map(|number| number.map(i64::from)).collect())
}

/// A column of texts.
pub(super) fn texts<'b>(batch: &'b RecordBatch, name: &str) -> Option<&'b StringArray> {
    batch.column_by_name(name)?.as_any().downcast_ref()
}

/// A column of moments in microseconds since 1970, in whatever unit it was written.
pub(super) fn moments(batch: &RecordBatch, name: &str) -> Option<Vec<Option<i64>>> {
    fn each<A: 'static>(array: &ArrayRef) -> Option<&A> {
        array.as_any().downcast_ref()
    }
    let array = batch.column_by_name(name)?;
    if let Some(array) = each::<TimestampMicrosecondArray>(array) {
        return Some(array.iter().collect());
    }
    if let Some(array) = each::<TimestampNanosecondArray>(array) {
        return Some(array.iter().map(|at| at.map(|at| at.div_euclid(1000))).collect());
    }
    if let Some(array) = each::<TimestampMillisecondArray>(array) {
        return Some(array.iter().map(|at| at.map(|at| at * 1000)).collect());
    }
    Some(each::<TimestampSecondArray>(array)?.iter().map(|at| at.map(|at| at * 1_000_000)).collect())
}

/// A batch of named columns.
pub(super) fn batch(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch, ParquetError> {
    let fields: Vec<_> =
        columns.iter().map(|(name, array)| arrow_schema::Field::new(*name, array.data_type().clone(), true)).collect();
    let schema = Arc::new(arrow_schema::Schema::new(fields));
    Ok(RecordBatch::try_new(schema, columns.into_iter().map(|(_, array)| array).collect())?)
}
