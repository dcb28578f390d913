use std::sync::Arc;
use std::time::Duration;

use metrics::histogram;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::capture::PartitionId;
use crate::ledger::{LogRecord, Run, Span};
use crate::loader::pool::Store;
use crate::rows::Table;
use crate::store::{KeyRange, Shelf};

/// How often a row is looked for, and for how long.
const EVERY: Duration = Duration::from_secs(1);
const ASK_EVERY: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(10);

/// Looks once a second how old the newest row is when it can be read.
pub(super) struct Freshness {
    pub(super) table: Arc<Table>,
    pub(super) hub: String,
    pub(super) route: Arc<str>,
    pub(super) store: Store,
    pub(super) newest: watch::Receiver<Option<(PartitionId, LogRecord)>>,
}

impl Freshness {
    /// Until nobody writes any more.
    pub(super) async fn run(mut self) {
        let mut every = interval(EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            if self.newest.changed().await.is_err() {
                return;
            }
            let Some((partition, record)) = self.newest.borrow_and_update().clone() else { continue };
            if let Some(age) = self.look(partition, &record).await {
                let labels = [("hub", self.hub.clone()), ("route", self.route.to_string())];
                histogram!("deltawave_loader_live_freshness_seconds", &labels).record(age);
            }
        }
    }

    /// How old a record is when its row is there. Nothing for one that does not come, or whose table took none.
    async fn look(&self, partition: PartitionId, record: &LogRecord) -> Option<f64> {
        let at = record.enqueued_time();
        let run = Run { span: Span { first: record.number, last: record.number }, from: at, until: at };
        let range = [KeyRange { target: self.table.name(), hub: &self.hub, partition, shelf: Shelf::Rows, run }];
        let began = Instant::now();
        while began.elapsed() < LONGEST {
            let counts = self.store.once(&async |session| session.count_ranges(&range).await).await.ok()?;
            if counts.first().is_some_and(|count| *count > 0) {
                return Some((OffsetDateTime::now_utc() - record.taken_at).as_seconds_f64().max(0.0));
            }
            sleep(ASK_EVERY).await;
        }
        None
    }
}
