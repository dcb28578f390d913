//! What the page asks the store by itself, in turn, while someone looks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::desk::{Desk, Unanswered};
use super::rows::Rows;
use crate::store::{LedgerFile, LedgerPlace, RejectedRecord};

/// What was seen last.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) places: Option<Arc<Vec<LedgerPlace>>>,
    pub(super) files: Option<Arc<Vec<LedgerFile>>>,
    pub(super) rejected: Option<Arc<Vec<RejectedRecord>>>,
    /// Why the last question had no answer.
    pub(super) unanswered: Option<String>,
}

/// Questions with the time of their last answer.
pub(super) struct Rota {
    desk: Arc<Desk>,
    targets: Vec<String>,
    rows: Arc<Rows>,
    seen: Mutex<Seen>,
}

/// How often each is asked.
const PLACES: Duration = Duration::from_secs(4);
const FILES: Duration = Duration::from_secs(8);
const REJECTED: Duration = Duration::from_secs(12);
/// Where the ledger says the same as before.
const UNCHANGED: Duration = Duration::from_secs(60);

/// Files of a kind, and rejected records, that are shown.
const SHOWN: usize = 8;
const REJECTED_SHOWN: usize = 20;

/// How long it waits where nothing is due.
const IDLE: Duration = Duration::from_millis(250);

#[derive(Default)]
struct Asked {
    places: Option<Instant>,
    files: Option<Instant>,
    rejected: Option<Instant>,
    /// What the ledger said when files and rejected records were looked at.
    as_of: Option<Arc<Vec<LedgerPlace>>>,
}

impl Rota {
    pub(super) fn new(desk: Arc<Desk>, mut targets: Vec<String>, rows: Arc<Rows>) -> Self {
        targets.sort();
        targets.dedup();
        Rota { desk, targets, rows, seen: Mutex::default() }
    }

    /// What was seen last.
    pub(super) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks on and on, for as long as it is not dropped.
    pub(super) async fn run(&self) {
        let mut asked = Asked::default();
        loop {
            if !self.ask_next(&mut asked).await {
                tokio::time::sleep(IDLE).await;
            }
        }
    }

    /// Asks what is due, if anything is.
    async fn ask_next(&self, asked: &mut Asked) -> bool {
        let targets: Vec<&str> = self.targets.iter().map(String::as_str).collect();
        let due = |at: Option<Instant>, every: Duration| at.is_none_or(|at| at.elapsed() >= every);
        if due(asked.places, PLACES) {
            asked.places = Some(Instant::now());
            let answer = self.desk.ask(async |session| session.ledger_places(&targets).await).await;
            self.note(answer, |seen, places| seen.places = Some(Arc::new(places)));
            return true;
        }
        let places = self.seen().places;
        let changed = places != asked.as_of;
        let patience = |every: Duration| if changed { every } else { UNCHANGED };
        if due(asked.files, patience(FILES)) {
            asked.files = Some(Instant::now());
            let answer = self.desk.ask(async |session| session.newest_ledger_files(&targets, SHOWN).await).await;
            self.note(answer, |seen, files| seen.files = Some(Arc::new(files)));
            return true;
        }
        if due(asked.rejected, patience(REJECTED)) {
            asked.rejected = Some(Instant::now());
            asked.as_of = places;
            let answer = self.desk.ask(async |session| session.newest_rejected(&targets, REJECTED_SHOWN).await).await;
            self.note(answer, |seen, rejected| seen.rejected = Some(Arc::new(rejected)));
            return true;
        }
        self.rows.count_if_due().await
    }

    fn note<T>(&self, answer: Result<T, Unanswered>, keep: impl FnOnce(&mut Seen, T)) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(answer) => {
                seen.unanswered = None;
                keep(&mut seen, answer);
            }
            Err(unanswered) => seen.unanswered = Some(unanswered.to_string()),
        }
    }
}
