//! A Delta log: commits, each a file that only one writer can make, and checkpoints, which sum them up.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::action::{Action, Add, Metadata, Protocol, Remove};
use super::checkpoint;
use super::error::LakeError;
use super::place::Place;
use super::state::{Commit, Head, Whole};

/// One table's log.
#[derive(Debug, Clone)]
pub(super) struct Log {
    pub(super) place: Place,
    /// For people.
    pub(super) shown: String,
}

/// What there is of a log: the newest checkpoint, and the commits behind it.
#[derive(Debug, Default)]
struct Segment {
    checkpoint: Option<(i64, Vec<String>)>,
    commits: Vec<i64>,
}

/// The folder of logs.
pub(super) const FOLDER: &str = "_delta_log/";
pub(super) const LAST_CHECKPOINT: &str = "_delta_log/_last_checkpoint";

pub(super) fn commit_name(version: i64) -> String {
    format!("{FOLDER}{version:020}.json")
}

/// What a file in the log's folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogFile {
    Commit(i64),
    /// One of so many parts of a checkpoint.
    Checkpoint(i64, usize),
    Other,
}

impl LogFile {
    pub(super) fn of(name: &str) -> Self {
        let name = name.strip_prefix(FOLDER).unwrap_or(name);
        let Some((version, rest)) = name.split_once('.') else { return LogFile::Other };
        let Some(version) = Some(version).filter(|version| version.len() == 20).and_then(|text| text.parse().ok())
        else {
            return LogFile::Other;
        };
        match rest.split('.').collect::<Vec<_>>()[..] {
            ["json"] => LogFile::Commit(version),
            ["checkpoint", "parquet"] => LogFile::Checkpoint(version, 1),
            ["checkpoint", _, parts, "parquet"] => {
                parts.parse().map_or(LogFile::Other, |parts| LogFile::Checkpoint(version, parts))
            }
            _ => LogFile::Other,
        }
    }
}

impl Log {
    pub(super) fn new(place: Place) -> Self {
        let shown = place.to_string();
        Log { place, shown }
    }

    /// The table as it is now, but for its files; nothing if there is no table.
    pub(super) async fn head(&self) -> Result<Option<Head>, LakeError> {
        Ok(self.replay(false, i64::MAX).await?.map(|whole| whole.head))
    }

    /// The table at a version, or as it is now.
    pub(super) async fn whole(&self, version: i64) -> Result<Option<Whole>, LakeError> {
        self.replay(true, version).await
    }

    /// The commit that follows a version, if there is one.
    pub(super) async fn next(&self, version: i64) -> Result<Option<Commit>, LakeError> {
        self.commit(version + 1).await
    }

    pub(super) async fn commit(&self, version: i64) -> Result<Option<Commit>, LakeError> {
        let name = commit_name(version);
        let Some(bytes) = self.place.get(&name).await? else { return Ok(None) };
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        let actions: Result<_, _> = lines.map(serde_json::from_slice).collect();
        let actions = actions.map_err(|error| LakeError::damaged(&self.shown, &name, error))?;
        Ok(Some(Commit { version, actions }))
    }

    /// Makes a version, unless somebody has: false then.
    pub(super) async fn put(&self, version: i64, actions: &[Action]) -> Result<bool, LakeError> {
        let mut text = Vec::new();
        for action in actions {
            serde_json::to_writer(&mut text, action)
                .map_err(|error| LakeError::damaged(&self.shown, &commit_name(version), error))?;
            text.push(b'\n');
        }
        Ok(self.place.create(&commit_name(version), Bytes::from(text)).await?)
    }

    /// Which versions there are of the newest checkpoint on, up to a version.
    async fn segment(&self, until: i64) -> Result<Segment, LakeError> {
        #[derive(serde::Deserialize)]
        struct Last {
            version: i64,
        }
        let last = match self.place.get(LAST_CHECKPOINT).await? {
            Some(bytes) => serde_json::from_slice::<Last>(&bytes).ok().map(|last| last.version),
            None => None,
        };
        let from = last.filter(|last| *last <= until).map(|version| format!("{FOLDER}{version:020}"));
        let mut segment = self.listed(from.as_deref(), until).await?;
        if segment.checkpoint.is_none() && from.is_some() {
            // What the pointer names is not there: everything says more.
            segment = self.listed(None, until).await?;
        }
        Ok(segment)
    }

    async fn listed(&self, from: Option<&str>, until: i64) -> Result<Segment, LakeError> {
        let mut segment = Segment::default();
        let mut parts: BTreeMap<(i64, usize), Vec<String>> = BTreeMap::new();
        for entry in self.place.list(FOLDER, from).await? {
            match LogFile::of(&entry.name) {
                LogFile::Commit(version) if version <= until => segment.commits.push(version),
                LogFile::Checkpoint(version, all) if version <= until => {
                    parts.entry((version, all)).or_default().push(entry.name);
                }
                _ => {}
            }
        }
        segment.checkpoint = parts
            .into_iter()
            .rev()
            .find(|((_, all), names)| names.len() == *all)
            .map(|((version, _), names)| (version, names));
        let after = segment.checkpoint.as_ref().map_or(-1, |(version, _)| *version);
        segment.commits.retain(|version| *version > after);
        segment.commits.sort_unstable();
        Ok(segment)
    }

    async fn replay(&self, files: bool, until: i64) -> Result<Option<Whole>, LakeError> {
        let segment = self.segment(until).await?;
        let mut replay = Replay::default();
        let mut version = -1;
        if let Some((at, names)) = &segment.checkpoint {
            version = *at;
            for name in names {
                let bytes =
                    self.place.get(name).await?.ok_or_else(|| {
                        LakeError::damaged(&self.shown, name, "it was there a moment ago, and is gone")
                    })?;
                let taken = checkpoint::read(bytes, files, |action| replay.take(action));
                taken.map_err(|reason| LakeError::damaged(&self.shown, name, reason))?;
            }
        }
        for number in &segment.commits {
            if *number != version + 1 {
                let name = commit_name(version + 1);
                return Err(LakeError::damaged(&self.shown, &name, "it is missing, and later ones are there"));
            }
            version = *number;
            let commit = self.commit(version).await?.ok_or_else(|| {
                LakeError::damaged(&self.shown, &commit_name(version), "it was there a moment ago, and is gone")
            })?;
            commit.actions.into_iter().for_each(|action| replay.take(action));
        }
        if version < 0 {
            return Ok(None);
        }
        let (Some(protocol), Some(metadata)) = (replay.protocol, replay.metadata) else {
            return Err(LakeError::damaged(&self.shown, FOLDER, "it says nothing of the table's columns"));
        };
        let checkpoint = segment.checkpoint.map_or(-1, |(version, _)| version);
        let head = Head { version, protocol, metadata, txns: replay.txns, checkpoint };
        Ok(Some(Whole { head, files: replay.files, removed: replay.removed }))
    }
}

/// Actions, one after the other: the later ones count.
#[derive(Debug, Default)]
struct Replay {
    protocol: Option<Protocol>,
    metadata: Option<Metadata>,
    txns: BTreeMap<String, i64>,
    files: BTreeMap<String, Add>,
    removed: BTreeMap<String, Remove>,
}

impl Replay {
    fn take(&mut self, action: Action) {
        let Action { protocol, meta_data, txn, add, remove, .. } = action;
        self.protocol = protocol.or(self.protocol.take());
        self.metadata = meta_data.or(self.metadata.take());
        if let Some(txn) = txn {
            self.txns.insert(txn.app_id, txn.version);
        }
        if let Some(add) = add {
            self.removed.remove(&add.path);
            self.files.insert(add.path.clone(), add);
        }
        if let Some(remove) = remove {
            self.files.remove(&remove.path);
            self.removed.insert(remove.path.clone(), remove);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_log_are_known_by_their_names() {
        for (name, file) in [
            ("_delta_log/00000000000000000012.json", LogFile::Commit(12)),
            ("_delta_log/00000000000000000012.checkpoint.parquet", LogFile::Checkpoint(12, 1)),
            ("_delta_log/00000000000000000012.checkpoint.0000000001.0000000003.parquet", LogFile::Checkpoint(12, 3)),
            ("_delta_log/00000000000000000012.crc", LogFile::Other),
            ("_delta_log/00000000000000000001.00000000000000000012.compacted.json", LogFile::Other),
            ("_delta_log/_last_checkpoint", LogFile::Other),
        ] {
            assert_eq!(LogFile::of(name), file, "{name}");
        }
    }
}
