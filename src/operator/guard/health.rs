//! How the store is, for probes and for the people they wake.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use metrics::{describe_counter, describe_gauge, gauge};
use serde_json::{Value, json};

use crate::service::http::Status;
use crate::store::StoreAddress;

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The store does not let us in.
    Waiting,
    /// Tables, views and users are being made.
    Preparing,
    /// It is set up and answers, and takes no changes.
    Recovering,
    /// All is well.
    Serving,
}

impl Stage {
    const fn name(self) -> &'static str {
        match self {
            Stage::Waiting => "waiting",
            Stage::Preparing => "preparing",
            Stage::Recovering => "recovering",
            Stage::Serving => "serving",
        }
    }
}

#[derive(Debug)]
pub(super) struct Health {
    store: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    stage: Stage,
    since: Instant,
    /// What went wrong last; the stage may be tried again meanwhile.
    trouble: Option<String>,
    front: Option<SocketAddr>,
    clients: usize,
    certificate_until: Option<SystemTime>,
    certificate_trouble: Option<String>,
}

impl State {
    /// Below zero for one that has run out.
    fn certificate_days(&self) -> Option<i64> {
        let until = self.certificate_until?;
        Some(match until.duration_since(SystemTime::now()) {
            Ok(left) => i64::try_from(left.as_secs() / 86_400).unwrap_or(i64::MAX),
            Err(past) => -1 - i64::try_from(past.duration().as_secs() / 86_400).unwrap_or(i64::MAX),
        })
    }
}

impl Health {
    pub(super) fn new(store: &StoreAddress) -> Self {
        let state = State {
            stage: Stage::Waiting,
            since: Instant::now(),
            trouble: None,
            front: None,
            clients: 0,
            certificate_until: None,
            certificate_trouble: None,
        };
        Health { store: store.to_string(), state: Mutex::new(state) }
    }

    /// Whether the stage is another than before.
    pub(super) fn enter(&self, stage: Stage) -> bool {
        let mut state = self.lock();
        if stage == Stage::Serving {
            state.trouble = None;
        }
        let changed = state.stage != stage;
        if changed {
            (state.stage, state.since) = (stage, Instant::now());
        }
        changed
    }

    /// Whether the trouble is another than before.
    pub(super) fn troubled(&self, reason: &str) -> bool {
        let mut state = self.lock();
        let changed = state.trouble.as_deref() != Some(reason);
        state.trouble = Some(reason.to_owned());
        changed
    }

    pub(super) fn front(&self, address: Option<SocketAddr>) {
        self.lock().front = address;
    }

    pub(super) fn clients(&self, clients: usize) {
        self.lock().clients = clients;
    }

    /// Until when the certificate is good that clients are shown.
    pub(super) fn certificate(&self, until: SystemTime) {
        self.lock().certificate_until = Some(until);
    }

    /// What is wrong where the certificate is kept.
    pub(super) fn certificate_trouble(&self, reason: Option<&str>) {
        self.lock().certificate_trouble = reason.map(str::to_owned);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Status for Health {
    fn readiness(&self) -> (bool, Value) {
        let state = self.lock();
        let ready = state.stage == Stage::Serving;
        let reason = (!ready).then(|| match &state.trouble {
            Some(trouble) => trouble.clone(),
            None => format!("{} the store", state.stage.name()),
        });
        let answer = json!({
            "ready": ready,
            "reason": reason,
            "stage": state.stage.name(),
            "for_seconds": state.since.elapsed().as_secs(),
            "store": self.store,
            "listening": state.front,
            "clients": state.clients,
            "certificate_days_left": state.certificate_days(),
            "certificate_trouble": state.certificate_trouble,
        });
        (ready, answer)
    }

    fn refresh_metrics(&self) {
        let state = self.lock();
        gauge!("deltawave_guard_ready").set(f64::from(u8::from(state.stage == Stage::Serving)));
        gauge!("deltawave_guard_clients").set(state.clients as f64);
        gauge!("deltawave_guard_listening").set(f64::from(u8::from(state.front.is_some())));
        if let Some(days) = state.certificate_days() {
            gauge!("deltawave_guard_certificate_days_left").set(days as f64);
        }
    }
}

/// Says what each metric means, in `/metrics` itself.
pub(super) fn describe() {
    describe_gauge!("deltawave_guard_ready", "1 while the store is set up and takes changes, else 0");
    describe_gauge!("deltawave_guard_listening", "1 while clients are let in by --listen, else 0");
    describe_gauge!("deltawave_guard_clients", "Clients that are in by --listen");
    describe_gauge!("deltawave_guard_certificate_days_left", "Days until the certificate of --listen expires");
    describe_counter!("deltawave_guard_recoveries_total", "How often RisingWave was asked to RECOVER");
}
