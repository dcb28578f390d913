use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use tempfile::NamedTempFile;

use super::entry::BlobEntry;
use super::error::{BlobError, Call, Intent};
use super::name::PARTIAL;
use super::walk::{self, Walk};
use crate::azure::access::Opener;

/// How much is read from a file at once: little enough to stay in a core's cache until it is decoded.
const PIECE: u64 = 512 << 10;

/// A directory that stands for a container: the blob `a/b` is the file `a/b` below it. Blocking work runs on the
/// runtime's threads for it.
pub(super) struct Directory {
    root: PathBuf,
    address: String,
}

impl Directory {
    pub fn new(root: PathBuf, address: String) -> Self {
        Directory { root, address }
    }

    pub async fn ensure(self: Arc<Self>) -> Result<(), BlobError> {
        self.blocking(Intent::Ensure, |directory| fs::create_dir_all(&directory.root)).await
    }

    pub fn list(
        self: Arc<Self>,
        prefix: &str,
        start_from: Option<&str>,
        page: usize,
    ) -> impl Stream<Item = Result<Vec<BlobEntry>, BlobError>> + Send + use<> {
        let (prefix, start_from) = (prefix.to_owned(), start_from.map(str::to_owned));
        stream::try_unfold(None, move |walk: Option<Walk>| {
            let (directory, prefix, start_from) = (self.clone(), prefix.clone(), start_from.clone());
            async move {
                let next = directory.blocking(Intent::List, move |directory| {
                    let mut walk = match walk {
                        Some(walk) => walk,
                        None => Walk::new(directory.root.clone(), &prefix, start_from.as_deref())?,
                    };
                    Ok((walk.page(page)?, walk))
                });
                let (page, walk) = next.await?;
                Ok((!page.is_empty()).then_some((page, Some(walk))))
            }
        })
    }

    pub fn read(
        self: Arc<Self>,
        name: &str,
        etag: Option<&str>,
        from: u64,
    ) -> impl Stream<Item = Result<Bytes, BlobError>> + Send + use<> {
        let (name, etag) = (name.to_owned(), etag.map(str::to_owned));
        stream::try_unfold((None, etag, from), move |(file, etag, at)| {
            let (directory, name) = (self.clone(), name.clone());
            async move {
                let (file, entry, bytes) = directory.chunk(&name, file, at, PIECE).await?;
                if etag.as_ref().is_some_and(|etag| *etag != entry.etag) {
                    return Err(directory.call(Intent::Read(&name, None)).changed(&etag.unwrap_or_default()));
                }
                let next = at + bytes.len() as u64;
                Ok((!bytes.is_empty()).then_some((bytes, (Some(file), Some(entry.etag), next))))
            }
        })
        .boxed()
    }

    pub async fn get(self: Arc<Self>, name: &str, limit: u64) -> Result<Bytes, BlobError> {
        let (_, entry, bytes) = self.chunk(name, None, 0, limit.saturating_add(1)).await?;
        if entry.size > limit {
            let (address, blob) = (self.address.clone(), name.to_owned());
            return Err(BlobError::TooLarge { address, blob, size: entry.size, limit });
        }
        Ok(bytes)
    }

    pub async fn properties(self: Arc<Self>, name: &str) -> Result<BlobEntry, BlobError> {
        let owned = name.to_owned();
        let read = move |directory: &Directory| {
            let file = open(&directory.root.join(&owned))?;
            walk::entry(owned, &file.metadata()?)
        };
        self.blocking(Intent::Read(name, None), read).await
    }

    pub async fn stage(self: Arc<Self>, name: &str) -> Result<DirectoryUpload, BlobError> {
        let make = |directory: &Directory| {
            fs::metadata(&directory.root)?;
            let partial = directory.root.join(PARTIAL);
            fs::create_dir_all(&partial)?;
            // As readable as any other file this user makes; the default is for secrets.
            tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o666)).tempfile_in(partial)
        };
        let file = self.blocking(Intent::Create(name), make).await?;
        Ok(DirectoryUpload { directory: self, name: name.to_owned(), file: Arc::new(file), length: 0 })
    }

    pub async fn replace(self: Arc<Self>, name: &str, content: Bytes) -> Result<(), BlobError> {
        let mut upload = self.clone().stage(name).await?;
        upload.append_block(content).await?;
        upload.replace().await
    }

    pub async fn delete(self: Arc<Self>, name: &str) -> Result<(), BlobError> {
        let owned = name.to_owned();
        self.blocking(Intent::Delete(name), move |directory| fs::remove_file(directory.root.join(owned))).await
    }

    /// At most `length` bytes at `at` of an open file, or of the blob, which is opened first.
    async fn chunk(
        self: &Arc<Self>,
        name: &str,
        file: Option<File>,
        at: u64,
        length: u64,
    ) -> Result<(File, BlobEntry, Bytes), BlobError> {
        let owned = name.to_owned();
        let read = move |directory: &Directory| {
            let file = match file {
                Some(file) => file,
                None => open(&directory.root.join(&owned))?,
            };
            let entry = walk::entry(owned, &file.metadata()?)?;
            let wanted = entry.size.saturating_sub(at).min(length);
            // Appended to, the buffer is not filled with zeros first.
            let mut bytes = Vec::with_capacity(usize::try_from(wanted).map_err(io::Error::other)?);
            let mut reader = &file;
            reader.seek(io::SeekFrom::Start(at))?;
            if (reader.take(wanted).read_to_end(&mut bytes)? as u64) < wanted {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok((file, entry, Bytes::from(bytes)))
        };
        self.blocking(Intent::Read(name, None), read).await
    }

    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        intent: Intent<'_>,
        work: impl FnOnce(&Directory) -> io::Result<T> + Send + 'static,
    ) -> Result<T, BlobError> {
        let directory = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let result = work(&directory);
            result.map_err(|error| (error, directory.root.is_dir()))
        });
        match done.await {
            Ok(result) => result.map_err(|(error, there)| self.call(intent).explain_io(&error, there)),
            Err(stopped) => Err(self.call(intent).other(stopped.to_string())),
        }
    }

    fn call<'a>(&'a self, intent: Intent<'a>) -> Call<'a> {
        Call { address: &self.address, intent, opener: Opener::Token }
    }
}

/// A temporary file that will become a blob.
pub(super) struct DirectoryUpload {
    directory: Arc<Directory>,
    name: String,
    file: Arc<NamedTempFile>,
    /// Bytes that belong to the upload; whatever a failed write left behind them does not.
    length: u64,
}

impl DirectoryUpload {
    pub async fn append_block(&mut self, block: Bytes) -> Result<(), BlobError> {
        let (file, at, added) = (self.file.clone(), self.length, block.len() as u64);
        let write = move |_: &Directory| file.as_file().write_all_at(&block, at);
        self.directory.blocking(Intent::Create(&self.name), write).await?;
        self.length += added;
        Ok(())
    }

    /// Makes it appear in the place of what was there.
    async fn replace(self) -> Result<(), BlobError> {
        let DirectoryUpload { directory, name, file, length } = self;
        let target = name.clone();
        let rename = move |directory: &Directory| {
            file.as_file().set_len(length)?;
            file.as_file().sync_all()?;
            let path = directory.root.join(target);
            fs::create_dir_all(path.parent().unwrap_or(&directory.root))?;
            let link = path.with_extension(format!("{}.new", uuid::Uuid::new_v4().simple()));
            fs::hard_link(file.path(), &link)?;
            fs::rename(&link, &path)
        };
        directory.blocking(Intent::Create(&name), rename).await
    }

    pub async fn commit(&mut self) -> Result<(), BlobError> {
        let (file, length, name) = (self.file.clone(), self.length, self.name.clone());
        let link = move |directory: &Directory| {
            file.as_file().set_len(length)?;
            file.as_file().sync_all()?;
            let path = directory.root.join(name);
            let parent = path.parent().unwrap_or(&directory.root);
            fs::create_dir_all(parent)?;
            // A link, unlike a rename, never replaces; the temporary name goes when the upload is dropped.
            match fs::hard_link(file.path(), &path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_same(file.as_file(), &path)? => {}
                linked => linked?,
            }
            for directory in parent.ancestors().take_while(|path| path.starts_with(&directory.root)) {
                File::open(directory)?.sync_all()?;
            }
            Ok(())
        };
        self.directory.blocking(Intent::Create(&self.name), link).await
    }
}

fn is_same(file: &File, path: &Path) -> io::Result<bool> {
    let (ours, theirs) = (file.metadata()?, fs::metadata(path)?);
    Ok((ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()))
}

/// Opens a file; a directory, or a path through a file, is as if nothing were there, because no blob is.
fn open(path: &Path) -> io::Result<File> {
    match File::open(path) {
        Ok(file) if file.metadata()?.is_file() => Ok(file),
        Err(error) if error.kind() != io::ErrorKind::NotADirectory => Err(error),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}
