use bytes::Bytes;

use super::CaptureError;
use super::event::event;
use super::trouble::Trouble;
use crate::azure::blob::{BlobError, Container, StagedUpload};
use crate::capture::{FileWriter, WriteError};
use crate::kafka::Record;
use crate::settings::FileCodec;

/// Final bytes are sent ahead in pieces of this size: small files go in one request, large ones need little memory.
const PIECE: u64 = 4 << 20;

/// A Capture file that is being filled. It is not visible, and forgotten if it is dropped.
pub(super) struct OpenFile {
    name: String,
    writer: FileWriter,
    upload: Option<StagedUpload>,
    sent: u64,
    records: u64,
    first: i64,
    last: i64,
}

/// A file that is in the container for good.
#[derive(Debug)]
pub(super) struct Committed {
    pub name: String,
    pub records: u64,
    /// The first and the last offset, if there are records.
    pub offsets: Option<(i64, i64)>,
    pub bytes: u64,
}

impl OpenFile {
    /// # Errors
    /// [`CaptureError::Encode`].
    pub fn begin(name: String, codec: FileCodec) -> Result<Self, CaptureError> {
        match FileWriter::new(codec == FileCodec::Deflate) {
            Ok(writer) => Ok(OpenFile { name, writer, upload: None, sent: 0, records: 0, first: 0, last: 0 }),
            Err(source) => Err(CaptureError::Encode { blob: name, source }),
        }
    }

    /// # Errors
    /// [`CaptureError::Record`].
    pub fn append(&mut self, record: Record) -> Result<(), CaptureError> {
        let offset = record.offset;
        let written = self.writer.append(event(record));
        written.map_err(|source| CaptureError::Record { blob: self.name.clone(), offset, source })?;
        if self.records == 0 {
            self.first = offset;
        }
        self.last = offset;
        self.records += 1;
        Ok(())
    }

    /// Records so far.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Bytes so far, but for about 16 KB that are not encoded yet.
    pub fn size(&self) -> u64 {
        self.writer.size()
    }

    /// Sends a piece ahead if there is one, and waits until it is taken however long that may be.
    ///
    /// # Errors
    /// The container refuses.
    pub async fn send_ahead(&mut self, container: &Container, trouble: &Trouble) -> Result<(), CaptureError> {
        if self.writer.size() - self.sent < PIECE {
            return Ok(());
        }
        let piece = Bytes::from(self.writer.take());
        self.send(piece, container, trouble).await
    }

    /// Makes the file appear, whole, and waits for that however long it may take.
    ///
    /// # Errors
    /// [`CaptureError::AnotherCapture`] when a blob of its name is there that is not this file; the container refuses.
    pub async fn commit(mut self, container: &Container, trouble: &Trouble) -> Result<Committed, CaptureError> {
        let blob = self.name.clone();
        let rest = self.end().map_err(|source| CaptureError::Encode { blob: blob.clone(), source })?;
        let bytes = self.sent + rest.len() as u64;
        match self.upload.is_some() {
            true => {
                self.send(rest, container, trouble).await?;
                self.finish(container, trouble).await?;
            }
            false => create(container, &blob, &rest, trouble).await?,
        }
        let offsets = (self.records > 0).then_some((self.first, self.last));
        Ok(Committed { name: blob, records: self.records, offsets, bytes })
    }

    fn end(&mut self) -> Result<Bytes, WriteError> {
        // The writer ends by value; what takes its place is dropped with this file.
        let writer = std::mem::replace(&mut self.writer, FileWriter::new(false)?);
        Ok(Bytes::from(writer.finish()?))
    }

    async fn send(&mut self, piece: Bytes, container: &Container, trouble: &Trouble) -> Result<(), CaptureError> {
        let mut attempts = trouble.attempts(None);
        loop {
            let sent = match &mut self.upload {
                Some(upload) => upload.append_block(piece.clone()).await,
                None => match container.stage(&self.name).await {
                    Ok(upload) => {
                        self.upload = Some(upload);
                        continue;
                    }
                    Err(error) => Err(error),
                },
            };
            match sent {
                Ok(()) => break,
                Err(error) => attempts.after(error).await?,
            }
        }
        attempts.succeeded();
        self.sent += piece.len() as u64;
        Ok(())
    }

    async fn finish(&mut self, container: &Container, trouble: &Trouble) -> Result<(), CaptureError> {
        let Some(upload) = &mut self.upload else { return Ok(()) };
        let mut attempts = trouble.attempts(None);
        loop {
            match upload.commit().await {
                Ok(()) => break,
                Err(BlobError::AlreadyExists { .. }) => return Err(another(container, &self.name)),
                Err(error) => attempts.after(error).await?,
            }
        }
        attempts.succeeded();
        Ok(())
    }
}

async fn create(container: &Container, blob: &str, content: &Bytes, trouble: &Trouble) -> Result<(), CaptureError> {
    let mut attempts = trouble.attempts(None);
    loop {
        let written = match container.create(blob, content.clone()).await {
            // An attempt that seemed to fail may have worked. A file's random sync marker makes its bytes its own.
            Err(BlobError::AlreadyExists { .. }) => match container.get(blob, content.len() as u64).await {
                Ok(found) if found == *content => Ok(()),
                Ok(_) | Err(BlobError::TooLarge { .. }) => return Err(another(container, blob)),
                Err(error) => Err(error),
            },
            written => written,
        };
        match written {
            Ok(()) => break,
            Err(error) => attempts.after(error).await?,
        }
    }
    attempts.succeeded();
    Ok(())
}

/// The error for a file that some other process wrote.
pub(super) fn another(container: &Container, blob: &str) -> CaptureError {
    CaptureError::AnotherCapture { blob: blob.to_owned(), address: container.address().to_string() }
}
