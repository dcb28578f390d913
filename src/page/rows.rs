//! The latest state of each route, as viewers look it up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::desk::{Desk, Unanswered};
use super::kept::Kept;
use crate::store::{Cell, LatestView, Tail, WantedRows, latest_view_name};

/// Rows of one answer, of which a viewer sees a page at a time.
const BLOCK: usize = 210;
/// Rows of the newest changes.
const NEWEST: usize = 20;

/// How long answers are the same for everybody.
const FRESH: Duration = Duration::from_secs(2);
const VIEW: Duration = Duration::from_secs(60);
const COUNT: Duration = Duration::from_secs(30);

/// For how long after someone asked a route's rows are counted.
const WATCHED: Duration = Duration::from_secs(20);

/// Answers that are kept.
const KEPT: usize = 64;

/// Characters of a cell.
const CELL: usize = 300;
/// Characters of what is searched for, and of a key.
const SEARCH: usize = 100;
const KEY: usize = 2000;

/// What a viewer looks up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Look {
    /// The newest changes.
    Newest,
    /// By key, behind one, and with something in them.
    ByKey {
        /// The key of the row before the first.
        after: Option<Vec<String>>,
        /// What rows have in them.
        search: Option<String>,
    },
}

impl Look {
    /// Of what stands in an address.
    pub(super) fn parse(query: &str) -> Option<(usize, Look)> {
        let (mut route, mut newest, mut after, mut search) = (0, false, None, None);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "route" => route = value.parse().ok()?,
                "newest" => newest = true,
                "after" => after = Some(serde_json::from_str::<Vec<String>>(&value).ok()?),
                "search" => search = Some(value.trim().to_owned()).filter(|search| !search.is_empty()),
                _ => {}
            }
        }
        let holds = |text: &String, most: usize| text.chars().count() > most || text.contains('\0');
        let unfit = search.as_ref().is_some_and(|search| holds(search, SEARCH))
            || after.iter().flatten().any(|part| holds(part, KEY));
        let look = if newest { Look::Newest } else { Look::ByKey { after, search } };
        (!unfit).then_some((route, look))
    }
}

/// One route's.
pub(super) struct Shelf {
    hub: String,
    table: String,
    view: Kept<Option<LatestView>>,
    state: Mutex<ShelfState>,
}

#[derive(Default)]
struct ShelfState {
    looked: Option<Instant>,
    counted: Option<(Instant, Duration)>,
    count: Option<u64>,
}

/// By route and what is looked up, with when that was last.
type Answers = HashMap<(usize, Look), (Instant, Arc<Kept<Value>>)>;

/// All routes'.
pub(super) struct Rows {
    desk: Arc<Desk>,
    shelves: Vec<Shelf>,
    answers: Mutex<Answers>,
}

impl Rows {
    /// Of the routes' hubs and tables.
    pub(super) fn new(desk: Arc<Desk>, routes: impl Iterator<Item = (String, String)>) -> Self {
        let shelf = |(hub, table)| Shelf { hub, table, view: Kept::default(), state: Mutex::default() };
        Rows { desk, shelves: routes.map(shelf).collect(), answers: Mutex::default() }
    }

    /// The rows as JSON; nothing for a route that there is not. `tails` are the ends of the partitions of a hub.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(super) async fn look(
        &self,
        route: usize,
        look: Look,
        tails: impl FnOnce(&str, &str) -> Vec<Tail>,
    ) -> Result<Option<Arc<Value>>, Unanswered> {
        let Some(shelf) = self.shelves.get(route) else { return Ok(None) };
        shelf.state().looked = Some(Instant::now());
        let view = self.view(shelf).await?;
        let Some(view) = &*view else {
            let name = latest_view_name(&shelf.table);
            let why = format!(
                "{} has no latest state here: there is no view {name}, or this user may not read it. `deltawave init` \
                 makes that of user_event_log, `deltawave table {} --key … --order … --apply` that of a table of yours; \
                 GRANT SELECT ON {name} lets the page's user read it.",
                shelf.table, shelf.table
            );
            return Ok(Some(Arc::new(json!({ "view": null, "why": why }))));
        };
        let kept = self.kept((route, look.clone()));
        let answer = kept
            .get(FRESH, async || {
                let (rows, more) = match &look {
                    Look::Newest => (self.newest(view, &tails(&shelf.hub, &shelf.table)).await?, false),
                    Look::ByKey { after, search } => self.by_key(view, after.clone(), search.clone()).await?,
                };
                Ok(json!({ "rows": rows, "more": more }))
            })
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                // It may be another one now.
                shelf.view.forget().await;
                return Err(error);
            }
        };
        let columns: Vec<_> = view
            .columns
            .iter()
            .map(|column| json!({ "name": column.name, "number": column.is_number(), "type": column.data_type }))
            .collect();
        let mut answer = (*answer).clone();
        answer["view"] = json!(view.name);
        answer["columns"] = json!(columns);
        answer["key"] = json!(view.key);
        answer["total"] = json!(shelf.state().count);
        Ok(Some(Arc::new(answer)))
    }

    /// Counts the rows of a route that someone looks at, if it is time to.
    pub(super) async fn count_if_due(&self) -> bool {
        for shelf in &self.shelves {
            let due = {
                let state = shelf.state();
                let watched = state.looked.is_some_and(|looked| looked.elapsed() < WATCHED);
                // A count that took long is worth more.
                watched && state.counted.is_none_or(|(at, took)| at.elapsed() >= COUNT.max(took * 60))
            };
            if !due {
                continue;
            }
            let Ok(view) = self.view(shelf).await else { continue };
            let Some(view) = &*view else { continue };
            let mut took = Duration::ZERO;
            let count = self
                .desk
                .ask(async |session| {
                    let began = Instant::now();
                    let count = session.latest_count(view).await;
                    took = began.elapsed();
                    count
                })
                .await;
            let mut state = shelf.state();
            state.counted = Some((Instant::now(), if count.is_ok() { took } else { COUNT }));
            state.count = count.ok().or(state.count);
            return true;
        }
        false
    }

    async fn view(&self, shelf: &Shelf) -> Result<Arc<Option<LatestView>>, Unanswered> {
        shelf
            .view
            .get(VIEW, async || self.desk.ask(async |session| session.latest_view(&shelf.table).await).await)
            .await
    }

    async fn by_key(
        &self,
        view: &LatestView,
        after: Option<Vec<String>>,
        search: Option<String>,
    ) -> Result<(Vec<Value>, bool), Unanswered> {
        let wanted = WantedRows { after, search, most: BLOCK + 1 };
        let mut rows = self.desk.ask(async |session| session.latest_rows(view, &wanted).await).await?;
        let more = rows.len() > BLOCK && !view.key.is_empty();
        rows.truncate(BLOCK);
        Ok((rows.iter().map(|row| json!({ "key": view.key_of(row), "cells": cells(row) })).collect(), more))
    }

    /// The newest changes of all, newest first: the row that each left behind, or that there is none any more.
    async fn newest(&self, view: &LatestView, tails: &[Tail]) -> Result<Vec<Value>, Unanswered> {
        if tails.is_empty() || view.key.is_empty() {
            return Ok(Vec::new());
        }
        let newest = self.desk.ask(async |session| session.newest_keys(view, tails, NEWEST).await).await?;
        if newest.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<_> = newest.iter().map(|(key, _)| key.clone()).collect();
        let rows = self.desk.ask(async |session| session.rows_of_keys(view, &keys).await).await?;
        let row = |(key, at): &(Vec<String>, String)| match rows.iter().find(|row| view.key_of(row) == *key) {
            Some(row) => json!({ "key": key, "at": at, "cells": cells(row) }),
            None => json!({ "key": key, "at": at, "gone": true }),
        };
        Ok(newest.iter().map(row).collect())
    }

    fn kept(&self, look: (usize, Look)) -> Arc<Kept<Value>> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= KEPT && !answers.contains_key(&look) {
            let oldest = answers.iter().min_by_key(|(_, (used, _))| *used).map(|(look, _)| look.clone());
            oldest.map(|oldest| answers.remove(&oldest));
        }
        let (used, kept) = answers.entry(look).or_insert_with(|| (Instant::now(), Arc::default()));
        *used = Instant::now();
        Arc::clone(kept)
    }
}

impl Shelf {
    fn state(&self) -> std::sync::MutexGuard<'_, ShelfState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cells(row: &[Cell]) -> Vec<Option<String>> {
    row.iter().map(|cell| cell.as_deref().map(|text| cut(text, CELL))).collect()
}

/// At most so many characters of a text.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_is_looked_up() {
        let by_key = |after: Option<&[&str]>, search: Option<&str>| Look::ByKey {
            after: after.map(|after| after.iter().map(|part| (*part).to_owned()).collect()),
            search: search.map(str::to_owned),
        };
        assert_eq!(Look::parse(""), Some((0, by_key(None, None))));
        assert_eq!(Look::parse("route=2&newest"), Some((2, Look::Newest)));
        assert_eq!(
            Look::parse("after=%5B%22a%22%2C%221%22%5D&search=+Zo%C3%AB+"),
            Some((0, by_key(Some(&["a", "1"]), Some("Zoë"))))
        );
        assert_eq!(Look::parse("search="), Some((0, by_key(None, None))));
        for unfit in ["route=x", "after=1", "search=a%00b", &format!("search={}", "x".repeat(101))] {
            assert_eq!(Look::parse(unfit), None, "{unfit}");
        }
    }

    #[test]
    fn long_cells_are_cut_between_characters() {
        assert_eq!(cut("Zoë", 3), "Zoë");
        assert_eq!(cut("Zoë", 2), "Zo…");
    }
}
