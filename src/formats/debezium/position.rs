//! Where in its source a change stands, as a text that sorts as the source's changes of one row follow each other.

use crate::rows::object::Object;

/// PostgreSQL's log sequence number. A row that an incremental snapshot has read has none of its own: it stands behind
/// the last change that was read before it, whose number stands in `sequence`.
pub(super) fn lsn(source: &Object<'_>) -> Option<i64> {
    if let Some(lsn) = source.integer("lsn") {
        return Some(lsn);
    }
    let sequence: Vec<Option<String>> = serde_json::from_str(&source.text("sequence")?).ok()?;
    sequence.into_iter().rev().flatten().find_map(|number| number.parse().ok())
}

/// PostgreSQL's log sequence number; MySQL's and MariaDB's binlog file, position and row; SQL Server's commit and change
/// sequence numbers and the event's number in them. Each at a width of its own, so that texts sort as they do.
pub(super) fn of(source: &Object<'_>) -> Option<String> {
    if let Some(lsn) = lsn(source) {
        return Some(format!("{lsn:020}"));
    }
    if let Some(file) = source.text("file").filter(|file| !file.is_empty()) {
        // mysql-bin.000003
        let number: u64 = file.rsplit('.').next()?.parse().ok()?;
        let (position, row) = (source.integer("pos")?, source.integer("row").unwrap_or(0));
        return Some(format!("{number:010}:{position:020}:{row:010}"));
    }
    let commit = source.text("commit_lsn")?;
    // A snapshot's rows come before the changes of the moment it was taken at.
    let change = source.text("change_lsn").unwrap_or_else(|| "00000000:00000000:0000".into());
    let serial = source.integer("event_serial_no").unwrap_or(0);
    Some(format!("{commit}:{change}:{serial:010}"))
}
