//! The table that is there, held against the sample: what it lacks, and what does not fit it.

use std::collections::BTreeMap;

use super::error::TableError;
use super::sample::Sample;
use super::tell;
use crate::capture::{EnqueuedTime, PartitionId, SequenceNumber};
use crate::rows::{Envelope, Mapper, Reject, Table};
use crate::service::Exit;
use crate::settings::TableSettings;
use crate::store::{Design, Session};

/// Prints what lacks, and says by the exit code whether anything does.
///
/// # Errors
/// When the store cannot be asked, or no records can be loaded into the table.
pub(super) async fn diff(
    session: &Session,
    settings: &TableSettings,
    design: &Design,
    sample: &Sample,
) -> Result<Exit, TableError> {
    tell(&sample.told());
    let table = session.table(&settings.table, &[]).await??;
    let there = |name: &str| table.columns().iter().any(|column| column.name == name);
    let missing: Vec<_> = design.columns.iter().filter(|column| !there(&column.name)).collect();
    for column in &missing {
        tell(&format!("{}; -- {}", design.add_column(column), column.evidence.replace('\n', " ")));
    }
    let mut differs = !missing.is_empty();
    if design.indexed && !table.is_indexed() {
        differs = true;
        tell(&format!(
            "-- records make up to {} rows each, and the table has no event_index in its primary key, which cannot be \
             altered: make it anew",
            sample.most_rows
        ));
    }
    let refused = refused(&table, sample);
    for (reason, count) in &refused {
        differs = true;
        tell(&format!(
            "-- {count} rows of the sample do not fit, and no column can be altered so that they do: {reason}"
        ));
    }
    let silent = table.fields().filter(|column| !design.columns.iter().any(|other| other.name == column.name));
    let silent: Vec<_> = silent.map(|column| format!("`{}`", column.name)).collect();
    if !silent.is_empty() {
        tell(&format!("-- no row of the sample says anything of {}", silent.join(", ")));
    }
    if !differs {
        tell(&format!("-- {} takes every row of the sample, and has a column for every field", settings.table));
        return Ok(Exit::Done);
    }
    Ok(Exit::Hole)
}

/// Why rows do not fit the table as it is, by field: the first reason, and how often.
fn refused(table: &Table, sample: &Sample) -> BTreeMap<String, u64> {
    let mut mapper = Mapper::new(table);
    let envelope = Envelope {
        event_hub: "",
        partition: PartitionId(0),
        sequence_number: SequenceNumber(0),
        enqueued_time: EnqueuedTime::from_utc(time::OffsetDateTime::UNIX_EPOCH),
    };
    let mut fields: BTreeMap<String, (String, u64)> = BTreeMap::new();
    for document in &sample.documents {
        match mapper.push(envelope, Some(document.as_bytes())) {
            // A table that says nothing of it lacks columns, which is told.
            Ok(()) | Err(Reject::NothingFits(_)) => {}
            Err(reject) => {
                let field = match &reject {
                    Reject::Field { field, .. } | Reject::Missing(field) => field.clone(),
                    other => other.to_string(),
                };
                fields.entry(field).or_insert_with(|| (reject.to_string(), 0)).1 += 1;
            }
        }
        if mapper.rows() >= 1000 {
            mapper.take();
        }
    }
    fields.into_values().collect()
}
