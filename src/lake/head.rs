//! How far a log is read, and what is written into it beside the rows: checkpoints.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::action::{Action, FileFormat, Metadata, Protocol, now};
use super::checkpoint;
use super::error::LakeError;
use super::log::{FOLDER, LAST_CHECKPOINT, Log, LogFile};
use super::schema::{DAY, schema};
use super::state::{Commit, Head};

/// By which this program counts its commits into a table.
pub(super) const APP: &str = "deltawave";

/// Commits between checkpoints of the tables that this program makes.
const INTERVAL: i64 = 100;

impl Head {
    /// The last commit that was counted.
    pub(super) fn batch(&self) -> i64 {
        self.txns.get(APP).copied().unwrap_or_default()
    }

    /// Takes note of a commit that follows.
    pub(super) fn take(&mut self, commit: &Commit) {
        self.version = commit.version;
        for txn in commit.actions.iter().filter_map(|action| action.txn.as_ref()) {
            self.txns.insert(txn.app_id.clone(), txn.version);
        }
    }

    fn setting(&self, name: &str) -> Option<&str> {
        self.metadata.configuration.get(name).and_then(Option::as_deref)
    }

    fn interval(&self) -> i64 {
        let set = self.setting("delta.checkpointInterval").and_then(|text| text.parse().ok());
        set.filter(|interval| *interval > 0).unwrap_or(INTERVAL)
    }

    /// How long files of earlier versions are kept, in milliseconds.
    pub(super) fn file_retention(&self) -> i64 {
        let set = self.setting("delta.deletedFileRetentionDuration").and_then(interval);
        i64::try_from(set.unwrap_or(Duration::from_secs(7 * 86_400)).as_millis()).unwrap_or(i64::MAX)
    }

    fn log_retention(&self) -> Option<Duration> {
        if self.setting("delta.enableExpiredLogCleanup") == Some("false") {
            return None;
        }
        Some(self.setting("delta.logRetentionDuration").and_then(interval).unwrap_or(Duration::from_secs(30 * 86_400)))
    }
}

/// `interval 30 days`, as tables' settings have it.
fn interval(text: &str) -> Option<Duration> {
    let mut words = text.split_whitespace().filter(|word| !word.eq_ignore_ascii_case("interval"));
    let mut all = Duration::ZERO;
    while let Some(number) = words.next() {
        let number: u64 = number.parse().ok()?;
        let seconds = match words.next()?.trim_end_matches('s') {
            "week" => 604_800,
            "day" => 86_400,
            "hour" => 3600,
            "minute" => 60,
            "second" => 1,
            _ => return None,
        };
        all += Duration::from_secs(number.checked_mul(seconds)?);
    }
    Some(all)
}

impl Log {
    /// Reads what others have committed meanwhile.
    pub(super) async fn catch_up(&self, head: &mut Head) -> Result<(), LakeError> {
        while let Some(commit) = self.next(head.version).await? {
            head.take(&commit);
        }
        Ok(())
    }

    /// Makes a table of these columns, unless there is one.
    pub(super) async fn create(&self, fields: &[Value], by_day: bool) -> Result<Head, LakeError> {
        let protocol =
            Protocol { min_reader_version: 1, min_writer_version: 2, reader_features: None, writer_features: None };
        let metadata = Metadata {
            id: uuid::Uuid::new_v4().to_string(),
            name: None,
            description: None,
            format: FileFormat { provider: "parquet".to_owned(), options: BTreeMap::new() },
            schema_string: schema(fields),
            partition_columns: if by_day { vec![DAY.to_owned()] } else { Vec::new() },
            configuration: [("delta.checkpointInterval".to_owned(), Some(INTERVAL.to_string()))].into(),
            created_time: Some(now()),
        };
        let info = info("CREATE TABLE", json!({}), json!({}));
        let first = [
            Action::info(info),
            Action { protocol: Some(protocol), ..Action::default() },
            Action { meta_data: Some(metadata), ..Action::default() },
        ];
        self.put(0, &first).await?;
        self.head().await?.ok_or_else(|| LakeError::Missing { table: self.shown.clone() })
    }

    /// Writes a checkpoint if it is time to, and clears away what older ones made of no use. Nothing depends on it.
    /// Whether it was.
    pub(super) async fn checkpoint_if_due(&self, head: &mut Head) -> bool {
        if head.version < head.checkpoint + head.interval() {
            return false;
        }
        match self.checkpoint(head.version).await {
            Ok(()) => {
                head.checkpoint = head.version;
                if let Some(retention) = head.log_retention()
                    && let Err(error) = self.clear(retention).await
                {
                    tracing::warn!("old commits are not cleared away: {error}");
                }
            }
            Err(error) => tracing::warn!("no checkpoint of version {}: {error}; reading takes longer", head.version),
        }
        true
    }

    async fn checkpoint(&self, version: i64) -> Result<(), LakeError> {
        let Some(mut whole) = self.whole(version).await? else { return Ok(()) };
        let expired = now() - whole.head.file_retention();
        whole.removed.retain(|_, remove| remove.deletion_timestamp.unwrap_or_default() >= expired);
        let name = format!("{FOLDER}{version:020}.checkpoint.parquet");
        let (bytes, actions) =
            checkpoint::write(&whole).map_err(|error| LakeError::damaged(&self.shown, &name, error))?;
        let last = json!({
            "version": version,
            "size": actions,
            "sizeInBytes": bytes.len(),
            "numOfAddFiles": whole.files.len(),
        });
        self.place.create(&name, bytes).await?;
        self.place.replace(LAST_CHECKPOINT, Bytes::from(last.to_string())).await?;
        Ok(())
    }

    /// Deletes commits and checkpoints that were summed up by a checkpoint longer ago than that.
    async fn clear(&self, retention: Duration) -> Result<(), LakeError> {
        let all = self.place.list(FOLDER, None).await?;
        let old = OffsetDateTime::now_utc() - retention;
        let kept =
            all.iter().filter(|entry| entry.last_modified < old).filter_map(|entry| match LogFile::of(&entry.name) {
                LogFile::Checkpoint(version, _) => Some(version),
                _ => None,
            });
        let Some(kept) = kept.max() else { return Ok(()) };
        for entry in all {
            match LogFile::of(&entry.name) {
                LogFile::Commit(version) | LogFile::Checkpoint(version, _)
                    if version < kept && entry.last_modified < old =>
                {
                    self.place.delete(&entry.name).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// What a commit says of itself.
pub(super) fn info(operation: &str, parameters: Value, note: Value) -> Value {
    json!({
        "timestamp": now(),
        "operation": operation,
        "operationParameters": parameters,
        "isBlindAppend": operation == "WRITE",
        "engineInfo": concat!("deltawave/", env!("CARGO_PKG_VERSION")),
        "deltawave": note,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_as_tables_have_them() {
        for (text, seconds) in [
            ("interval 30 days", Some(2_592_000)),
            ("interval 1 week", Some(604_800)),
            ("1 day 2 hours", Some(93_600)),
            ("interval 1 fortnight", None),
        ] {
            assert_eq!(interval(text), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
