use std::collections::{HashMap, HashSet};

use super::found::shown;
use super::newest::{Event, Newest, Shape, Version, batch};
use crate::capture::{EnqueuedTime, SequenceNumber};
use crate::operator::verify::error::VerifyError;
use crate::operator::verify::finding::Findings;
use crate::rows::{ColumnType, Rank};
use crate::settings::StateSettings;
use crate::store::{Against, Session};

/// Rows compared by one statement.
const ROWS: usize = 10_000;
/// Keys whose history is looked up at once.
const KEYS: usize = 200;

/// A row of the view that is not as the files make it: its key, and a clause that says how.
struct Odd<'e> {
    event: &'e Event,
    key: &'e [Rank],
    text: String,
}

/// Compares a view with the latest state that the files make, and gives how many rows were compared. Keys of which the
/// store has newer events than the files that were read are none of its.
pub(super) async fn compare(
    session: &Session,
    settings: &StateSettings,
    newest: Newest,
    whole: bool,
    findings: &mut Findings<'_>,
) -> Result<u64, VerifyError> {
    let (view, sample) = (settings.view.as_str(), newest.is_sample());
    let Some((shape, events)) = newest.into_parts() else { return Ok(0) };
    let key: Vec<&str> = settings.rowing.key.iter().map(String::as_str).collect();
    let columns = session.columns_of(view).await?;
    let mut odd = Vec::new();
    for deleted in [false, true] {
        let rows: Vec<_> = events.iter().filter(|(_, event)| event.deleted == deleted).collect();
        for rows in rows.chunks(ROWS) {
            let of: Vec<_> = rows.iter().map(|(_, event)| *event).collect();
            let compared = if deleted { &[][..] } else { &columns };
            let against = Against { relation: view, key: &key, columns: Some(compared) };
            let differences = session.differences(&shape.table, &batch(&of), against).await?;
            let mut texts = Vec::new();
            if deleted {
                let missing: HashSet<_> = differences.iter().map(|difference| difference.row).collect();
                let there = (0..rows.len()).filter(|row| !missing.contains(row));
                texts.extend(there.map(|row| (row, format!("is in {view}, though its newest event deletes it"))));
            } else {
                for difference in differences {
                    let Some(columns) = difference.columns else {
                        texts.push((difference.row, format!("is not in {view}")));
                        continue;
                    };
                    for changed in columns {
                        let (is, says) = (shown(changed.found.as_deref()), shown(changed.wanted.as_deref()));
                        let text = format!("has {} {is} in {view}, and {says} by the files", changed.column);
                        texts.push((difference.row, text));
                    }
                }
            }
            odd.extend(texts.into_iter().map(|(row, text)| Odd { event: rows[row].1, key: rows[row].0, text }));
        }
    }
    let History { newer, absent } = history(session, settings, &shape, &odd).await?;
    if !newer.is_empty() {
        let text = format!("{} keys have newer events in the store than in the files that were read", newer.len());
        findings.note((), text);
    }
    if !absent.is_empty() {
        let text = format!(
            "the newest event of {} keys is not in {}: rejected, or told of above",
            absent.len(),
            settings.table
        );
        findings.note((), text);
    }
    let excused = |odd: &&Odd<'_>| newer.contains(odd.key) || absent.contains(odd.key);
    let cure = "look at how the view is made; once latest_user_state is dropped, `deltawave init` makes its own again";
    for Odd { event, text, .. } in odd.iter().filter(|odd| !excused(odd)) {
        findings.changed((), format!("the row {} {text}", named(&key, &shape.key_of(event))), cure);
    }
    let live = events.values().filter(|event| !event.deleted).count() as u64;
    if whole && !sample {
        let there = u64::try_from(session.count_of(view).await?).unwrap_or_default();
        if there != live && odd.is_empty() {
            let text = format!("{view} has {there} rows, and the files make {live}");
            findings.changed(
                (),
                text,
                "rows of keys that no file has; a file that is archived or gone may have had them",
            );
        }
    }
    Ok(events.len() as u64)
}

/// `id = 7, line = 2`.
fn named(key: &[&str], values: &[String]) -> String {
    key.iter().zip(values).map(|(column, value)| format!("{column} = {value}")).collect::<Vec<_>>().join(", ")
}

/// What the history says of keys that are not as the files make them.
#[derive(Default)]
struct History {
    /// Those of which it has an event that is newer than the newest that was read.
    newer: HashSet<Vec<Rank>>,
    /// Those of which it does not have the newest event that was read.
    absent: HashSet<Vec<Rank>>,
}

async fn history(
    session: &Session,
    settings: &StateSettings,
    shape: &Shape,
    odd: &[Odd<'_>],
) -> Result<History, VerifyError> {
    let known: HashMap<&[Rank], &Version> = odd.iter().map(|odd| (odd.key, &odd.event.version)).collect();
    let ranked: Vec<_> = shape.ranked().collect();
    let names: Vec<_> = ranked.iter().map(|column| column.name.as_str()).collect();
    let index = shape.table.is_indexed().then_some("event_index");
    let wanted: Vec<_> = names.iter().copied().chain(["enqueued_at", "sequence_number"]).chain(index).collect();
    let keys: Vec<_> = known.keys().collect();
    let values: HashMap<&[Rank], Vec<String>> = odd.iter().map(|odd| (odd.key, shape.key_of(odd.event))).collect();
    let (mut newer, mut seen) = (HashSet::new(), HashSet::new());
    for keys in keys.chunks(KEYS) {
        let values: Vec<_> = keys.iter().map(|key| values[**key].clone()).collect();
        let columns: Vec<_> =
            ranked[..shape.key_columns()].iter().map(|column| (&*column.name, column.cast())).collect();
        for row in session.rows_with_keys(&settings.table, &wanted, &columns, &values).await? {
            let cell = |at: usize| row.get(at).and_then(Option::as_deref);
            let rank = |at: usize| Rank::of(ranked[at].kind, cell(at));
            let key: Vec<_> = (0..shape.key_columns()).map(rank).collect();
            let order = (shape.key_columns()..ranked.len()).map(rank).collect();
            let Some(at) = cell(ranked.len()).and_then(EnqueuedTime::parse_sql) else { continue };
            let Some(number) = cell(ranked.len() + 1).and_then(|number| number.parse().ok()) else { continue };
            let index = index.map_or(Rank::Null, |_| Rank::of(ColumnType::Integer, cell(ranked.len() + 2)));
            let version = Version(order, at, SequenceNumber(number), index);
            let Some(known) = known.get(&*key) else { continue };
            if version > **known {
                newer.insert(key);
            } else if version == **known {
                seen.insert(key);
            }
        }
    }
    let absent = known.keys().filter(|key| !newer.contains(**key) && !seen.contains(**key));
    Ok(History { absent: absent.map(|key| key.to_vec()).collect(), newer })
}
