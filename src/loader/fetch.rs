//! A blob's bytes for a decoder: fetched by a task that rides out trouble, read by a thread that may block.

use std::io::{self, Read};

use bytes::Bytes;
use futures::StreamExt as _;
use tokio::sync::mpsc;

use super::error::LoadError;
use super::patience::Patience;
use crate::azure::blob::{BlobError, Container};
use crate::base::killpoint::{Side, Step, pass};
use crate::ledger::FileVersion;
use crate::traces::{self, Trace, counted};

/// Chunks fetched ahead of the decoder, beside the one or two the container itself has in flight.
const AHEAD: usize = 2;

/// Starts fetching a file in the background. Fetching ends when the source is dropped.
pub(super) fn fetch(container: &Container, file: &FileVersion, patience: &Patience, trace: Trace) -> Source {
    let (sender, chunks) = mpsc::channel(AHEAD);
    tokio::spawn(pump(container.clone(), file.clone(), patience.clone(), trace, sender));
    Source { chunks, current: Bytes::new(), ended: false, failure: None }
}

async fn pump(
    container: Container,
    file: FileVersion,
    patience: Patience,
    trace: Trace,
    sender: mpsc::Sender<Result<Piece, LoadError>>,
) {
    let mut trouble = patience.trouble();
    let mut from = 0;
    let began = traces::now();
    pass(Side::Before, Step::Fetched);
    loop {
        let mut stream = container.read(&file.blob, Some(&file.etag), from);
        let error = loop {
            match stream.next().await {
                None => {
                    pass(Side::After, Step::Fetched);
                    trace.step("fetch", began, || vec![counted("deltawave.bytes", from)]);
                    let _ = sender.send(Ok(Piece::End)).await;
                    return;
                }
                Some(Ok(chunk)) => {
                    trouble.healed();
                    from += chunk.len() as u64;
                    if sender.send(Ok(Piece::Bytes(chunk))).await.is_err() {
                        return;
                    }
                }
                Some(Err(error)) => break error,
            }
        };
        // A file that is gone or replaced is for the next listing to see, not for us to wait for; one that is refused may
        // be so alone.
        let ended = match error {
            error
                if matches!(error, BlobError::NoBlob { .. } | BlobError::Changed { .. }) || error.may_be_its_own() =>
            {
                trouble.healed();
                Err(error.into())
            }
            error => trouble.pause(error).await,
        };
        if let Err(error) = ended {
            let _ = sender.send(Err(error)).await;
            return;
        }
    }
}

/// The end is said, so that a fetch that merely stopped is not taken for the end of the file.
enum Piece {
    Bytes(Bytes),
    End,
}

/// The reading end, for a thread that may block.
pub(super) struct Source {
    chunks: mpsc::Receiver<Result<Piece, LoadError>>,
    current: Bytes,
    ended: bool,
    /// Why the bytes ended, which an `io::Error` cannot carry back in full.
    failure: Option<LoadError>,
}

impl Source {
    /// Why reading failed, if it was for want of bytes.
    pub(super) fn take_failure(&mut self) -> Option<LoadError> {
        self.failure.take()
    }
}

impl Read for Source {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            if self.ended {
                return Ok(0);
            }
            match self.chunks.blocking_recv().unwrap_or(Err(LoadError::Broken("fetching a file"))) {
                Ok(Piece::Bytes(chunk)) => self.current = chunk,
                Ok(Piece::End) => self.ended = true,
                Err(error) => {
                    let told = io::Error::other(error.to_string());
                    self.failure = Some(error);
                    return Err(told);
                }
            }
        }
        let length = out.len().min(self.current.len());
        out[..length].copy_from_slice(&self.current.split_to(length));
        Ok(length)
    }
}
