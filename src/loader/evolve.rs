//! `--evolve add`: a field that has no column gets one, before any row is written that would lose it.
//!
//! Decoding stops at the first record with such a field. The group's files are then read for what they say of it, the
//! column is added with the narrowest type that takes all of that, and the group is decoded again. Of several loaders that
//! do so at once the first one adds it; a type is never changed.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use metrics::counter;

use super::error::LoadError;
use super::fetch::fetch;
use super::group::Reading;
use super::pool::Store;
use super::registrar::Registrar;
use crate::capture::{ReadLimits, Stop, read_events};
use crate::formats::{Decoding, Reader, Undecodable, Wanted};
use crate::ledger::FileVersion;
use crate::rows::{Inference, Inferred, Table};
use crate::settings::{LoaderSettings, Route};
use crate::store::{Design, Designed, Fault, StoreError};
use crate::traces::Trace;

/// Fields that can have no column: of names that the envelope's columns have, or of values that no type takes.
#[derive(Debug, Default)]
pub(super) struct Hopeless(Mutex<BTreeSet<String>>);

impl Hopeless {
    /// Those known so far.
    pub(super) fn names(&self) -> Arc<BTreeSet<String>> {
        Arc::new(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn add(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
    }
}

/// Makes sure that this user may add columns, by a statement that adds none.
///
/// # Errors
/// [`LoadError::MayNotEvolve`] when it may not.
pub(super) async fn may_evolve(store: &Store, table: &Table) -> Result<(), LoadError> {
    // Who may not is told so first; who may, that the column is there.
    let there = Designed::new("event_hub", crate::rows::ColumnType::Varchar);
    let sql = design(table).add_column(&there);
    match store.persist(async |session| Ok(session.execute_script(&sql).await)).await? {
        Err(error) if error.fault() == Fault::Transient => Err(error.into()),
        Err(error) if !is_there(&error) => {
            Err(LoadError::MayNotEvolve { table: table.name().to_owned(), reason: error.reason().to_owned() })
        }
        _ => Ok(()),
    }
}

/// Gives the fields of these files that have no column one each, `field` among them. Those that cannot have any are
/// hopeless from now on.
///
/// # Errors
/// When files cannot be read, or the store refuses a column.
pub(super) async fn evolve(
    reading: &Reading<'_>,
    store: &Store,
    (settings, route): (&LoaderSettings, &Route),
    table: &Table,
    files: &[FileVersion],
    (field, hopeless): (&str, &Hopeless),
) -> Result<(), LoadError> {
    let kind = store.persist(async |session| Ok(session.kind())).await?;
    let mut inference = Inference::new(kind.typing());
    for file in files {
        inference = read(reading, Wanted::of(table), file, inference).await?;
    }
    let (design, known) = (design(table), |name: &str| table.columns().iter().any(|column| column.name == name));
    let mut asked = Vec::new();
    for Inferred { name, column, documents, nulls, evidence } in inference.fields() {
        match column {
            _ if documents == nulls => {}
            Some(_) if known(&name) => {}
            Some((kind, list)) => {
                let column = Designed { list, ..Designed::new(&name, kind) };
                let sql = design.add_column(&column);
                let added = store.persist(async |session| Ok(session.execute_script(&sql).await)).await?;
                match added {
                    Ok(()) => {
                        let data_type = column.data_type();
                        tracing::warn!(table = %table.name(), column = %name, %data_type, %evidence, "column added");
                        counter!("deltawave_loader_added_columns_total", "route" => route.to_string()).increment(1);
                    }
                    // Another loader was faster.
                    Err(error) if is_there(&error) => {}
                    Err(error) => return Err(error.into()),
                }
                asked.push(name);
            }
            None => {
                // A field of the envelope's name is met in every group.
                if hopeless.names().contains(&name) {
                    continue;
                }
                tracing::warn!(table = %table.name(), field = %name, %evidence, "a field gets no column");
                hopeless.add(&name);
            }
        }
    }
    // A column that the store fills itself is there and takes none.
    let now = store.persist(async |session| session.table(&route.table, &settings.require).await).await??;
    // That of which it all began, however else it may go, is not met like this again.
    asked.push(field.to_owned());
    for name in asked.iter().filter(|name| !now.columns().iter().any(|column| column.name == **name)) {
        if hopeless.names().contains(name) {
            continue;
        }
        tracing::warn!(table = %table.name(), field = %name, "the column of that name takes no values; the field is not kept in it");
        hopeless.add(name);
    }
    Ok(())
}

/// What a file's records say.
async fn read(
    reading: &Reading<'_>,
    wanted: Wanted,
    file: &FileVersion,
    mut inference: Inference,
) -> Result<Inference, LoadError> {
    let mut source = fetch(reading.container, file, reading.patience, Trace::default());
    let (decoding, registrar): (Decoding, Option<Registrar>) = (reading.decoding.clone(), reading.registrar.cloned());
    let read = tokio::task::spawn_blocking(move || {
        let mut reader = Reader::new(&decoding, wanted);
        let mut failure = None;
        let read = read_events(&mut source, ReadLimits::default(), |event| {
            loop {
                match reader.read(event.body, &event.attributes) {
                    Ok(documents) => {
                        // One that makes no row has no field to keep.
                        documents.for_each(|document| drop(inference.add(document)));
                        return ControlFlow::Continue(());
                    }
                    Err(Undecodable::Schema(id)) => {
                        let asked = registrar.as_ref().map(|registrar| registrar.obtain(&id));
                        if let Err(error) = asked.unwrap_or(Err(LoadError::Broken("asking for a schema"))) {
                            failure = Some(error);
                            return ControlFlow::Break(Stop::Enough);
                        }
                    }
                    Err(_) => return ControlFlow::Continue(()),
                }
            }
        });
        // What is damaged or gone is for the loading itself to find.
        let failure = failure.or(read.is_err().then(|| source.take_failure()).flatten());
        match failure {
            Some(error) if !matches!(error, LoadError::Blob(_)) => Err(error),
            _ => Ok(inference),
        }
    });
    read.await.unwrap_or(Err(LoadError::Broken("reading a file")))
}

fn design(table: &Table) -> Design {
    Design { table: table.name().to_owned(), ..Design::default() }
}

fn is_there(error: &StoreError) -> bool {
    let said = error.reason().to_ascii_lowercase();
    said.contains("already exists") || said.contains("duplicate") || said.contains("exists with the same name")
}
