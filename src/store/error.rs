use std::fmt::Display;

use tokio_postgres::error::SqlState;

use super::tls;
use crate::base::{Secret, chain, one_line};

/// What a failed call means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The server is away, restarting or overloaded. The statement may or may not have been applied: repeat it.
    Transient,
    /// RisingWave after a graceful restart: writing stays broken until one `RECOVER`, then all is well.
    NeedsRecover,
    /// The server refuses the values. Some rows may have been applied; others of the batch may be fine.
    Data,
    /// Nothing a repeat would heal soon: no such object, no permission, a wrong password.
    Permanent,
}

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
    pub(super) fn new(address: &impl ToString, error: &tokio_postgres::Error) -> Self {
        let (mut reason, mut fault) = (reason(error), fault(error));
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

fn fault(error: &tokio_postgres::Error) -> Fault {
    let Some(db) = error.as_db_error() else {
        // The client's own refusal, such as a missing password; all else is a connection that failed or broke.
        let refused = error.to_string().starts_with("invalid configuration");
        return if refused { Fault::Permanent } else { Fault::Transient };
    };
    by_code(db.code()).unwrap_or_else(|| by_text(db.message()))
}

/// PostgreSQL says what it means in the SQLSTATE.
fn by_code(code: &SqlState) -> Option<Fault> {
    match code.code().get(..2)? {
        // 44, 54, P0: a view's check, a value too deep or too large to hold, a trigger that objects.
        "22" | "23" | "44" | "54" | "P0" => Some(Fault::Data),
        "08" | "40" | "53" | "55" | "57" | "58" => Some(Fault::Transient),
        "XX" => None,
        _ => Some(Fault::Permanent),
    }
}

/// RisingWave gives nearly every error the code XX000: only the text tells.
fn by_text(message: &str) -> Fault {
    const DATA: [&str; 3] = ["Expr error", "Parse error", "error while evaluating expression"];
    const PERMANENT: [&str; 7] = [
        "Bind error",
        "Catalog error",
        "Invalid password",
        "does not exist",
        "Permission denied",
        "not found",
        "superuser",
    ];
    if message.contains("No worker node found for worker slot id") {
        Fault::NeedsRecover
    } else if DATA.iter().any(|text| message.contains(text)) {
        Fault::Data
    } else if !message.contains("Scheduler error") && PERMANENT.iter().any(|text| message.contains(text)) {
        Fault::Permanent
    } else {
        Fault::Transient
    }
}

fn reason(error: &tokio_postgres::Error) -> String {
    let text = match error.as_db_error() {
        Some(db) => db.message().to_owned(),
        None => chain(error),
    };
    one_line(&text, REASON_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_apart_by_code_and_by_text() {
        assert_eq!(by_code(&SqlState::NUMERIC_VALUE_OUT_OF_RANGE), Some(Fault::Data));
        assert_eq!(by_code(&SqlState::ADMIN_SHUTDOWN), Some(Fault::Transient));
        assert_eq!(by_code(&SqlState::UNDEFINED_TABLE), Some(Fault::Permanent));
        assert_eq!(by_code(&SqlState::INTERNAL_ERROR), None);
        for (text, fault) in [
            ("Scheduler error: No worker node found for worker slot id: [1:0]", Fault::NeedsRecover),
            ("DML is not permitted during cluster recovery (no available table reader)", Fault::Transient),
            ("gRPC request failed: connection refused", Fault::Transient),
            ("Expr error: Parse error: invalid digit found in string", Fault::Data),
            ("Invalid password", Fault::Permanent),
            ("database \"x\" does not exist", Fault::Permanent),
        ] {
            assert_eq!(by_text(text), fault, "{text}");
        }
    }
}
