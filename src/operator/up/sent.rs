use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::producer::{Acknowledged, Observer, Op, unwrapped};
use crate::settings::EventFormat;

/// What the producer sent, as the broker acknowledged it: the other side of every comparison, made without any of the
/// stages that are compared.
#[derive(Debug)]
pub(super) struct Sent {
    format: EventFormat,
    /// Events handed to the broker's client, which may be far ahead of what is acknowledged.
    handed: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    events: u64,
    latest: HashMap<u32, Latest>,
}

/// The event with the highest order of its id.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Latest {
    order: i64,
    /// As `latest_user_state` shows it; `None` for a delete.
    row: Option<UserRow>,
}

/// id, name, age, op, ts: a row of `latest_user_state`, as text.
pub(super) type UserRow = [Option<String>; 5];

impl Sent {
    /// Nothing yet, of events that are wrapped so.
    pub(super) fn of(format: EventFormat) -> Self {
        Sent { format, handed: AtomicU64::new(0), state: Mutex::default() }
    }

    /// How many events were handed to the broker's client.
    pub(super) fn handed(&self) -> u64 {
        self.handed.load(Ordering::Relaxed)
    }

    /// How many events were acknowledged.
    pub(super) fn events(&self) -> u64 {
        self.lock().events
    }

    /// The state every id must be in: its row, or none for one that was deleted last.
    pub(super) fn expected(&self) -> HashMap<u32, Option<UserRow>> {
        self.lock().latest.iter().map(|(id, latest)| (*id, latest.row.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Sent {
    fn sent(&self) {
        self.handed.fetch_add(1, Ordering::Relaxed);
    }

    fn acknowledged(&self, acknowledged: &Acknowledged<'_>) {
        let event = unwrapped(acknowledged.payload, self.format);
        let mut state = self.lock();
        state.events += 1;
        // Only generated events are sent here; one that cannot be read shows as a state that is not what was sent.
        let Some(event) = event else { return };
        if state.latest.get(&event.id).is_none_or(|latest| event.event_order >= latest.order) {
            let row = (event.op != Op::Delete).then(|| {
                [
                    Some(event.id.to_string()),
                    event.name.as_deref().map(str::to_owned),
                    Some(event.age.to_string()),
                    Some(event.op.as_str().to_owned()),
                    Some(event.ts.replace('T', " ")),
                ]
            });
            state.latest.insert(event.id, Latest { order: event.event_order, row });
        }
    }
}
