use super::error::StoreError;
use super::latest::{LATEST, create_latest, drop_latest};
use super::object::{Object, What, object};
use super::session::Session;
use crate::rows::{CatalogColumn, InvalidTable, Table};

/// In the order they are made; dropped the other way round. What shows the latest state comes after them.
const OBJECTS: [Object; 9] = [
    object!("10", "user_event_log", Table),
    object!("20", "capture_files", Table),
    object!("21", "rejected_events", Table),
    object!("22", "pruned_ranges", Table),
    object!("23", "forgotten_records", Table),
    object!("24", "forgotten_rows", Table),
    object!("30", "user_events", View),
    object!("40", "pipeline_progress", View),
    object!("41", "capture_gaps", View),
];

/// The tables behind every load.
const LEDGER: [&str; 2] = ["capture_files", "rejected_events"];

/// What a loader may do with a table of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loads {
    /// Add rows.
    Adds,
    /// Add rows, and replace them by others of their key.
    Replaces,
    /// Nothing but look.
    Reads,
}

/// What a loader may do with an object of that name.
pub(super) fn loads(name: &str) -> Loads {
    match name {
        _ if LEDGER.contains(&name) => Loads::Replaces,
        "user_event_log" => Loads::Adds,
        _ => Loads::Reads,
    }
}

/// The names of all tables and views of ours.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let all = OBJECTS.iter().chain(&LATEST);
    all.filter(|object| object.what != What::Feed).map(|object| object.name)
}

/// Makes the tables and views that are not there yet, telling each one's name; what is there stays as it is, save a
/// latest state of the former kind.
///
/// # Errors
/// When the store refuses a statement or is away. It may be called again.
pub async fn create_objects(session: &Session, made: impl Fn(&'static str)) -> Result<(), StoreError> {
    create_history(session, &made).await?;
    create_latest(session, made).await
}

/// As [`create_objects`], without what shows the latest state.
///
/// # Errors
/// As [`create_objects`].
pub async fn create_history(session: &Session, made: impl Fn(&'static str)) -> Result<(), StoreError> {
    for object in &OBJECTS {
        object.create(session).await?;
        if object.name == "capture_files" {
            session.complete_ledger().await?;
        }
        made(object.name);
    }
    Ok(())
}

/// The first of the tables behind every load, the ledger and the rejected records, that is not there.
///
/// # Errors
/// When the store cannot be asked.
pub async fn missing_ledger_table(session: &Session) -> Result<Option<&'static str>, StoreError> {
    const THERE: &str = "SELECT DISTINCT table_name::varchar FROM information_schema.columns \
         WHERE table_schema = 'public' AND table_name IN ('capture_files', 'rejected_events')";
    let rows = session.query(THERE, &[]).await?;
    let there: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    Ok(LEDGER.into_iter().find(|table| !there.iter().any(|name| name == table)))
}

/// Drops the tables and views with all they hold, if they are there.
///
/// # Errors
/// When the store refuses a statement or is away.
pub async fn drop_objects(session: &Session, dropped: impl Fn(&'static str)) -> Result<(), StoreError> {
    drop_latest(session, &dropped).await?;
    for object in OBJECTS.iter().rev() {
        object.drop(session).await?;
        dropped(object.name);
    }
    Ok(())
}

/// The columns of the default table, as the catalog describes them once it is made.
const USER_EVENT_LOG: [(&str, &str); 10] = [
    ("id", "integer"),
    ("name", "character varying"),
    ("age", "integer"),
    ("op", "character varying"),
    ("event_order", "bigint"),
    ("ts", "timestamp without time zone"),
    ("event_hub", "character varying"),
    ("partition_id", "integer"),
    ("sequence_number", "bigint"),
    ("enqueued_at", "timestamp without time zone"),
];

/// The shape of the table that [`create_objects`] makes for events, without asking a store; `None` for other names.
///
/// # Errors
/// In the inner result, should the shape not be one records can be loaded into, which a test excludes.
pub fn default_table(name: &str, required: &[String]) -> Option<Result<Table, InvalidTable>> {
    if name != "user_event_log" {
        return None;
    }
    let key = USER_EVENT_LOG[6..].iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
    Some(Table::new(name, default_columns(), &key, required))
}

/// The columns of that table; the last four identify a record.
pub fn default_columns() -> Vec<CatalogColumn> {
    USER_EVENT_LOG.map(|(name, data_type)| CatalogColumn::new(name, data_type)).to_vec()
}
