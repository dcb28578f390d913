use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use time::OffsetDateTime;

use super::entry::BlobEntry;
use super::name::PARTIAL;

/// A walk through the files below a directory in byte order of their whole names, as a service lists blobs. Memory:
/// a page, and the names in the directories on the path to the current file.
pub(super) struct Walk {
    root: PathBuf,
    prefix: String,
    start_from: String,
    /// What is still to be visited, the innermost directory last, each last name first.
    open: Vec<Vec<Found>>,
}

/// A file, or with a `/` at its end a directory. Compared so, `a.avro` comes before everything in `a/`.
type Found = String;

impl Walk {
    /// # Errors
    /// The root cannot be read.
    pub fn new(root: PathBuf, prefix: &str, start_from: Option<&str>) -> io::Result<Self> {
        let start_from = start_from.unwrap_or_default().to_owned();
        let mut walk = Walk { root, prefix: prefix.to_owned(), start_from, open: Vec::new() };
        let top = walk.read("")?;
        walk.open.push(top);
        Ok(walk)
    }

    /// The next entries, so many at most; none at the end.
    ///
    /// # Errors
    /// A directory or a file's metadata cannot be read, or a name is not UTF-8. What vanished meanwhile is no error.
    pub fn page(&mut self, most: usize) -> io::Result<Vec<BlobEntry>> {
        let mut page = Vec::new();
        while page.len() < most {
            let Some(names) = self.open.last_mut() else { break };
            let Some(name) = names.pop() else {
                self.open.pop();
                continue;
            };
            if name.ends_with('/') {
                match self.read(&name) {
                    Ok(inner) => self.open.push(inner),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            } else {
                match fs::metadata(self.root.join(&name)) {
                    Ok(metadata) => page.push(entry(name, &metadata)?),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(page)
    }

    /// The wanted names in one directory, last first.
    fn read(&self, parent: &str) -> io::Result<Vec<Found>> {
        let mut names = Vec::new();
        for found in fs::read_dir(self.root.join(parent))? {
            let found = found?;
            let name = found.file_name().into_string().map_err(|name| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("{name:?} in {parent:?} is not a UTF-8 name: rename it"),
                )
            })?;
            if parent.is_empty() && name == PARTIAL {
                continue;
            }
            // A link to a directory could lead round in a circle; a link to a file is read as that file.
            let kind = found.file_type()?;
            let name = match kind.is_dir() {
                true => format!("{parent}{name}/"),
                false => format!("{parent}{name}"),
            };
            let is_wanted = kind.is_dir() || kind.is_file() || (kind.is_symlink() && self.root.join(&name).is_file());
            if is_wanted && self.may_match(&name) {
                names.push(name);
            }
        }
        names.sort_unstable_by(|a, b| b.cmp(a));
        Ok(names)
    }

    fn may_match(&self, name: &str) -> bool {
        if name.ends_with('/') {
            (name.starts_with(&self.prefix) || self.prefix.starts_with(name))
                && (name >= self.start_from.as_str() || self.start_from.starts_with(name))
        } else {
            name.starts_with(&self.prefix) && name >= self.start_from.as_str()
        }
    }
}

/// A file as a listing shows it. Its etag is made of its size and the nanosecond it was last written.
///
/// # Errors
/// The file's time is out of range.
pub(super) fn entry(name: String, metadata: &fs::Metadata) -> io::Result<BlobEntry> {
    let nanos = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
    let last_modified = OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(io::Error::other)?;
    let (etag, size) = (format!("{:x}-{nanos:x}", metadata.len()), metadata.len());
    Ok(BlobEntry { name, etag, size, last_modified, archived: false })
}
