use std::ops::ControlFlow;

use super::course::Captured;
use super::print::Print;
use crate::azure::blob::Container;
use crate::capture::{EnqueuedTime, NameFormat, ReadLimits, SequenceNumber, Stop, read_events};
use crate::ledger::FileVersion;
use crate::loader::fetch::fetch;
use crate::loader::patience::Patience;
use crate::settings::Route;
use crate::store::NewestFile;
use crate::traces::Trace;

/// What a file that the ledger has ends with, as far as its first record tells: to read to its end would be to read all
/// of it. Nothing for a file that cannot be read: the next one tells.
pub(super) async fn found(
    container: &Container,
    format: &NameFormat,
    route: &Route,
    file: &NewestFile,
    patience: &Patience,
) -> Option<Captured> {
    let name = format.parse(&route.hub, &file.blob)?;
    let window = name.window_start;
    let version = FileVersion { blob: file.blob.clone(), etag: file.etag.clone(), size: 0, committed_at: None, name };
    let mut source = fetch(container, &version, patience, Trace::default());
    let read = tokio::task::spawn_blocking(move || {
        let mut first = None;
        let _ = read_events(&mut source, ReadLimits::default(), |event| {
            let at = EnqueuedTime::parse(event.enqueued_time).ok();
            first = at.map(|at| Print::new(SequenceNumber(event.sequence_number), at, event.body));
            ControlFlow::Break(Stop::Enough)
        });
        first
    });
    Some(Captured { window, end: file.last, prints: vec![read.await.ok()??] })
}
