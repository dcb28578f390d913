use super::error::StoreError;
use super::session::{Kind, Session};
use crate::rows::{CatalogColumn, InvalidTable, Table};

/// One object of ours: its kind and name for dropping, and the statements that make it on each engine.
struct Object {
    name: &'static str,
    risingwave: (&'static str, &'static str),
    postgres: (&'static str, &'static str),
}

macro_rules! object {
    ($file:literal, $name:literal, $risingwave:literal, $postgres:literal) => {
        Object {
            name: $name,
            risingwave: ($risingwave, include_str!(concat!("../../sql/risingwave/", $file, "_", $name, ".sql"))),
            postgres: ($postgres, include_str!(concat!("../../sql/postgres/", $file, "_", $name, ".sql"))),
        }
    };
}

/// In the order they are made; dropped the other way round.
const OBJECTS: [Object; 7] = [
    object!("10", "user_event_log", "TABLE", "TABLE"),
    object!("20", "capture_files", "TABLE", "TABLE"),
    object!("21", "rejected_events", "TABLE", "TABLE"),
    object!("30", "user_events", "VIEW", "VIEW"),
    object!("31", "latest_user_state", "MATERIALIZED VIEW", "VIEW"),
    object!("40", "pipeline_progress", "VIEW", "VIEW"),
    object!("41", "capture_gaps", "VIEW", "VIEW"),
];

/// The tables behind every load.
const LEDGER: [&str; 2] = ["capture_files", "rejected_events"];

impl Object {
    fn on(&self, kind: Kind) -> (&'static str, &'static str) {
        match kind {
            Kind::RisingWave => self.risingwave,
            Kind::PostgreSql => self.postgres,
        }
    }
}

/// One object as a GRANT names it.
pub(super) struct Grantable {
    pub object: String,
    pub is_table: bool,
    /// Whether a row of it may be replaced by another of its key.
    pub is_ledger: bool,
}

/// All of ours. PostgreSQL calls all of them tables.
pub(super) fn grantable(kind: Kind) -> impl Iterator<Item = Grantable> {
    OBJECTS.iter().map(move |object| {
        let what = if kind == Kind::PostgreSql { "TABLE" } else { object.on(kind).0 };
        let is_table = object.postgres.0 == "TABLE";
        let is_ledger = LEDGER.contains(&object.name);
        Grantable { object: format!("{what} {}", object.name), is_table, is_ledger }
    })
}

/// Makes the tables and views that are not there yet, telling each one's name; what is there stays as it is.
///
/// # Errors
/// When the store refuses a statement or is away. It may be called again.
pub async fn create_objects(session: &Session, made: impl Fn(&'static str)) -> Result<(), StoreError> {
    for object in &OBJECTS {
        session.execute_script(object.on(session.kind()).1).await?;
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
    for object in OBJECTS.iter().rev() {
        let kind = object.on(session.kind()).0;
        session.execute_script(&format!("DROP {kind} IF EXISTS {}", object.name)).await?;
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
    let column = |(name, data_type): (&str, &str)| CatalogColumn {
        name: name.to_owned(),
        data_type: data_type.to_owned(),
        ..CatalogColumn::default()
    };
    let key = USER_EVENT_LOG[6..].iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
    Some(Table::new(name, USER_EVENT_LOG.map(column).to_vec(), &key, required))
}
