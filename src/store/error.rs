use std::fmt::Display;

use tokio_postgres::error::SqlState;

use super::fault::{Fault, Sent, fault};
use super::tls;
use crate::base::{Secret, chain, one_line};

/// A failed call to the store.
#[derive(Debug, Clone, thiserror::Error)]
#[error("store {address}: {reason}")]
pub struct StoreError {
    address: String,
    reason: String,
    fault: Fault,
    refused: Option<Refused>,
}

/// What the server does not want, where the caller can do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    /// A row of that key is there already.
    Key,
    /// The password.
    Password,
}

/// RisingWave quotes whole batches in its errors; nobody wants megabytes in a log.
const REASON_LIMIT: usize = 300;

impl StoreError {
    /// Of anything but values. It is never [`Fault::Data`].
    pub(super) fn new(address: &impl ToString, error: &tokio_postgres::Error) -> Self {
        Self::of(Sent::Statement, address, error)
    }

    /// Of a statement that carries values, which may be what is wrong.
    pub(super) fn of_values(address: &impl ToString, error: &tokio_postgres::Error) -> Self {
        Self::of(Sent::Values, address, error)
    }

    fn of(sent: Sent, address: &impl ToString, error: &tokio_postgres::Error) -> Self {
        let (mut reason, mut fault) = (reason(error), fault_of(sent, error));
        if error.as_db_error().is_none()
            && let Some(meaning) = tls::explain(&reason)
        {
            (reason, fault) = (format!("{meaning} ({reason})"), Fault::Permanent);
        }
        let refused = refused(error);
        if refused == Some(Refused::Password) && error.as_db_error().is_none() {
            reason = "it asks for a password, and none was given (--store-password)".to_owned();
        }
        StoreError { address: address.to_string(), reason, fault, refused }
    }

    /// As [`new`](Self::new), of a statement that holds a secret, which the server may quote.
    pub(super) fn of_secret(
        address: &impl ToString,
        what: &str,
        secret: &Secret,
        error: &tokio_postgres::Error,
    ) -> Self {
        let text = error.as_db_error().map_or_else(|| chain(error), |db| db.message().to_owned());
        let quotes = text.contains(secret.expose()) || text.to_ascii_uppercase().contains("PASSWORD '");
        let said =
            if quotes { "its answer quotes the statement, so it is not shown".to_owned() } else { reason(error) };
        let mut refusal = StoreError::new(address, error);
        refusal.reason = format!("{what}: {said}");
        refusal
    }

    pub(super) fn permanent(address: &impl ToString, reason: impl Into<String>) -> Self {
        StoreError { address: address.to_string(), reason: reason.into(), fault: Fault::Permanent, refused: None }
    }

    /// The server was silent for too long. `what` did not come.
    pub fn timed_out(address: &impl ToString, what: &str) -> Self {
        let reason = format!("{what} did not come");
        StoreError { address: address.to_string(), reason, fault: Fault::Transient, refused: None }
    }

    /// The same refusal with more to say.
    pub(super) fn adding(mut self, more: impl Display) -> Self {
        self.reason = format!("{}; {more}", self.reason);
        self
    }

    /// Whether the server wants another password, or one at all.
    pub fn is_wrong_password(&self) -> bool {
        self.refused == Some(Refused::Password)
    }

    /// Whether no retry mends it, only a person.
    pub fn needs_someone(&self) -> bool {
        matches!(self.fault, Fault::Data | Fault::Permanent)
    }

    /// Whether a row of that key is there already.
    pub(super) fn is_conflict(&self) -> bool {
        self.refused == Some(Refused::Key)
    }

    /// What it means for the caller.
    pub fn fault(&self) -> Fault {
        self.fault
    }

    /// What the server said, cut to a readable length, without the address.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

fn refused(error: &tokio_postgres::Error) -> Option<Refused> {
    let Some(db) = error.as_db_error() else {
        return chain(error).contains("password missing").then_some(Refused::Password);
    };
    // RisingWave says the latter, and `XX000`.
    if *db.code() == SqlState::INVALID_PASSWORD || db.message().contains("Invalid password") {
        return Some(Refused::Password);
    }
    (*db.code() == SqlState::UNIQUE_VIOLATION).then_some(Refused::Key)
}

fn fault_of(sent: Sent, error: &tokio_postgres::Error) -> Fault {
    match error.as_db_error() {
        Some(db) => fault(sent, db.code(), db.message()),
        // The client's own refusal, such as a missing password.
        None if error.to_string().starts_with("invalid configuration") => Fault::Permanent,
        // A connection that failed or broke.
        None => Fault::Transient,
    }
}

fn reason(error: &tokio_postgres::Error) -> String {
    let text = match error.as_db_error() {
        Some(db) => db.message().to_owned(),
        None => chain(error),
    };
    one_line(&text, REASON_LIMIT)
}
