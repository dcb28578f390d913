//! Each file's way as a trace: found, fetched, decoded, written, flushed, counted, noted. Empty where nothing is traced.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::ledger::{Entry, FileVersion, Outcome};
use crate::traces::{KeyValue, Moment, Trace, counted, said};

/// How files were found that wait in a queue, for when they are taken.
#[derive(Debug, Default)]
pub(super) struct Sightings(Mutex<HashMap<String, Sighting>>);

#[derive(Debug, Clone, Copy)]
struct Sighting {
    how: &'static str,
    since: Moment,
    until: Moment,
}

/// As many as may wait; of others it is not known how they were found.
const MOST: usize = 50_000;

impl Sightings {
    /// A file was found by what began then.
    pub(super) fn saw(&self, blob: &str, how: &'static str, since: Moment) {
        if !since.is_known() {
            return;
        }
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < MOST {
            seen.insert(blob.to_owned(), Sighting { how, since, until: crate::traces::now() });
        }
    }

    fn take(&self, blob: &str) -> Option<Sighting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(blob)
    }
}

/// The traces of a group's files, by their numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Journeys(Arc<[(String, Trace)]>);

impl Journeys {
    /// Begins one for each, where there is somebody to tell.
    pub(super) fn begin(route: &str, table: &str, files: &[FileVersion], sightings: &Sightings) -> Self {
        let now = crate::traces::now();
        if !now.is_known() {
            return Journeys::default();
        }
        let begin = |file: &FileVersion| {
            let seen = sightings.take(&file.blob);
            let trace = Trace::begin("load file", seen.map_or(now, |seen| seen.since), || {
                vec![
                    said("deltawave.file", file.blob.clone()),
                    said("deltawave.route", route.to_owned()),
                    said("deltawave.table", table.to_owned()),
                    said("deltawave.partition", i64::from(file.name.partition.0)),
                    counted("deltawave.bytes", file.size),
                ]
            });
            if let Some(Sighting { how, since, until }) = seen {
                trace.step_until(how, since, until, Vec::new);
                trace.step_until("wait", until, now, Vec::new);
            }
            (file.blob.clone(), trace)
        };
        Journeys(files.iter().map(begin).collect())
    }

    /// Those of some of the files.
    pub(super) fn only(&self, files: &[FileVersion]) -> Self {
        if self.0.is_empty() {
            return Journeys::default();
        }
        let known: HashMap<_, _> = self.0.iter().map(|(blob, trace)| (blob, trace)).collect();
        let trace = |file: &FileVersion| known.get(&file.blob).map(|trace| (*trace).clone()).unwrap_or_default();
        Journeys(files.iter().map(|file| (file.blob.clone(), trace(file))).collect())
    }

    /// One file's.
    pub(super) fn of(&self, number: usize) -> Trace {
        self.0.get(number).map(|(_, trace)| trace.clone()).unwrap_or_default()
    }

    /// A step of one file's that has ended now.
    pub(super) fn step(
        &self,
        number: usize,
        name: &'static str,
        since: Moment,
        attributes: impl FnOnce() -> Vec<KeyValue>,
    ) {
        if let Some((_, trace)) = self.0.get(number) {
            trace.step(name, since, attributes);
        }
    }

    /// A step that was taken for the whole group.
    pub(super) fn together(&self, name: &'static str, since: Moment) {
        let files = self.0.len() as u64;
        for (_, trace) in self.0.iter() {
            trace.step(name, since, || vec![counted("deltawave.files", files)]);
        }
    }

    /// The rest of the way is not gone now.
    pub(super) fn failed(&self, reason: &impl ToString) {
        for (_, trace) in self.0.iter() {
            trace.failed(|| reason.to_string());
        }
    }

    /// One that has arrived; under which id it is found.
    pub(super) fn arrived(&self, entry: &Entry) -> Option<String> {
        let (_, trace) = self.0.iter().find(|(blob, _)| *blob == entry.file.blob)?;
        trace.tell(|| {
            vec![
                counted("deltawave.records", entry.contents.records),
                counted("deltawave.loaded", entry.loaded),
                counted("deltawave.rejected", entry.rejected),
                counted("deltawave.skipped", entry.contents.skipped),
            ]
        });
        match &entry.contents.outcome {
            Outcome::Loaded => trace.done(),
            Outcome::Quarantined { reason, .. } => trace.failed(|| format!("quarantined: {reason}")),
        }
        trace.id()
    }
}
