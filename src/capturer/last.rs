use std::io::{self, Read};
use std::ops::ControlFlow;

use bytes::{Buf as _, Bytes};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::runtime::Handle;

use super::CaptureError;
use super::position::LastRecord;
use super::trouble::Trouble;
use crate::azure::blob::{BlobError, Container};
use crate::capture::{Damage, EnqueuedTime, ReadError, ReadLimits, read_events};

/// The last record of a file, or nothing if it has none. Memory is bounded whatever the file's size. Repeats itself
/// while the container is away.
///
/// # Errors
/// The file is damaged, or the container refuses.
pub(super) async fn last_record(
    container: &Container,
    blob: &str,
    trouble: &Trouble,
) -> Result<Option<LastRecord>, CaptureError> {
    let mut attempts = trouble.attempts(None);
    let found = loop {
        match read_last(container, blob).await? {
            Ok(found) => break found,
            Err(ReadError::Damage(source)) => return Err(unreadable(container, blob, source)),
            Err(ReadError::Source(error)) => match error.downcast::<BlobError>() {
                Ok(error) => attempts.after(error).await?,
                Err(error) => return Err(CaptureError::Fault(error.to_string())),
            },
        }
    };
    attempts.succeeded();
    let Some((offset, time, body)) = found else { return Ok(None) };
    let enqueued_time = EnqueuedTime::parse(&time).map_err(|source| CaptureError::BadTime {
        blob: blob.to_owned(),
        address: container.address().to_string(),
        source,
    })?;
    Ok(Some(LastRecord { offset, enqueued_time, body }))
}

type Found = Option<(i64, String, Option<Vec<u8>>)>;

async fn read_last(container: &Container, blob: &str) -> Result<Result<Found, ReadError>, CaptureError> {
    let chunks =
        Chunks { stream: container.read(blob, None, 0).boxed(), current: Bytes::new(), runtime: Handle::current() };
    let reading = tokio::task::spawn_blocking(move || {
        let mut last: Found = None;
        read_events(chunks, ReadLimits::default(), |event| {
            // One buffer for all bodies: only the last one is wanted.
            let spare = last.take().and_then(|(_, _, body)| body).unwrap_or_default();
            let body = event.body.map(|body| {
                let mut copy = spare;
                copy.clear();
                copy.extend_from_slice(body);
                copy
            });
            last = Some((event.sequence_number, event.enqueued_time.to_owned(), body));
            ControlFlow::Continue(())
        })
        .map(|()| last)
    });
    reading.await.map_err(|error| CaptureError::Fault(error.to_string()))
}

fn unreadable(container: &Container, blob: &str, source: Damage) -> CaptureError {
    CaptureError::Unreadable { blob: blob.to_owned(), address: container.address().to_string(), source: source.into() }
}

/// A blob's bytes for a reader that blocks; not for use on an async thread.
struct Chunks {
    stream: BoxStream<'static, Result<Bytes, BlobError>>,
    current: Bytes,
    runtime: Handle,
}

impl Read for Chunks {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.runtime.block_on(self.stream.try_next()).map_err(io::Error::other)? {
                Some(chunk) => self.current = chunk,
                None => return Ok(0),
            }
        }
        let length = out.len().min(self.current.len());
        self.current.copy_to_slice(&mut out[..length]);
        Ok(length)
    }
}
