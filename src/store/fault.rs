//! What a server's refusal means for whoever asked.
//!
//! PostgreSQL says it in the SQLSTATE. RisingWave gives nearly every error the code XX000, so there only the text
//! tells, which lists causes from the outermost to the innermost, on one line or on many, and may quote whole batches
//! of values. So a text is read up to the first quotation, and what a recovery leaves behind counts before all else:
//! behind it may stand whatever the engine was doing when it failed.

use tokio_postgres::error::SqlState;

/// What a failed call means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The server is away, restarting or overloaded. The statement may or may not have been applied: repeat it.
    Transient,
    /// RisingWave before 2.7, after a graceful restart: writing stays broken until one `RECOVER`, then all is well.
    NeedsRecover,
    /// The server refuses the values. Some rows may have been applied; others of the batch may be fine.
    Data,
    /// Nothing a repeat would heal soon: no such object, no permission, a wrong password.
    Permanent,
}

/// What was sent. Only a statement that carries values can fail by them: a FLUSH or a CREATE that fails with the words
/// of a bad value passes on what failed elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// An INSERT of values.
    Values,
    /// Anything else: a connection, a query, FLUSH, DDL.
    Statement,
}

impl Sent {
    /// What a bad value's words mean.
    const fn bad_value(self, otherwise: Fault) -> Fault {
        match self {
            Sent::Values => Fault::Data,
            Sent::Statement => otherwise,
        }
    }
}

/// What a server's error of that code and text means.
pub(super) fn fault(sent: Sent, code: &SqlState, message: &str) -> Fault {
    // RisingWave looks for the code in the chain of causes: that of a barrier that failed may say that something that
    // was being made does not exist. No other codes are looked behind, for PostgreSQL quotes values too.
    let of_risingwave = matches!(code.code(), "XX000" | "42704" | "42710" | "3D000");
    if of_risingwave && any(own_words(sent, message), &RECOVERING) {
        return Fault::Transient;
    }
    by_code(sent, code).unwrap_or_else(|| by_text(sent, message))
}

/// PostgreSQL says what it means in the SQLSTATE; RisingWave for objects that are missing or there already.
fn by_code(sent: Sent, code: &SqlState) -> Option<Fault> {
    match code.code().get(..2)? {
        // 44, 54, P0: a view's check, a value too deep or too large to hold, a trigger that objects.
        "22" | "23" | "44" | "54" | "P0" => Some(sent.bad_value(Fault::Permanent)),
        "08" | "40" | "53" | "55" | "57" | "58" => Some(Fault::Transient),
        "XX" => None,
        _ => Some(Fault::Permanent),
    }
}

/// What an evaluated expression is quoted behind, its argument whole.
const QUOTATION: &str = "error while evaluating expression";

/// While it recovers, or starts, or a node is gone: the outermost causes, whatever stands behind them.
const RECOVERING: [&str; 16] = [
    "The cluster is recovering",
    "The cluster is bootstrapping",
    "cluster is under recovering",
    "cluster under recovery",
    "during cluster recovery",
    "adhoc recovery triggered",
    "Likely the cluster is recovering",
    "exited unexpectedly",
    "get error from control stream",
    "Streaming vnode mapping has not been initialized",
    "Streaming vnode mapping not found",
    "Serving vnode mapping not found",
    "Empty workers found",
    "table reader closed",
    "table schema has changed",
    "Task not found",
];

/// A statement that is wrong, here or for this version, whatever values it carries.
const WRONG_STATEMENT: [&str; 12] = [
    "Bind error",
    "Failed to bind expression",
    "Invalid input syntax",
    "sql parser error",
    "Unhandled statement",
    "not yet implemented",
    "Not supported: ",
    "Invalid Parameter Value",
    "Item not found",
    "Invalid reference",
    // Into a column that the table generates: no other value would do.
    "Invalid insert operation",
    "has been deprecated, please use",
];

/// Something that is not there, or not for this user.
const REFUSED: [&str; 10] = [
    "Catalog error",
    "Invalid password",
    "does not exist",
    "Permission denied",
    "PermissionDenied",
    "superuser",
    "not allowed to login",
    "CONNECT privilege",
    "no pg_hba.conf entry",
    "password authentication failed",
];

const BAD_VALUE: [&str; 3] = ["Expr error", "Parse error", "violates not-null constraint"];

fn by_text(sent: Sent, message: &str) -> Fault {
    let words = own_words(sent, message);
    if words.contains("No worker node found for worker slot id") {
        Fault::NeedsRecover
    } else if words.len() < message.len() {
        // It quotes an expression, and only values are evaluated here.
        Fault::Data
    } else if any(words, &WRONG_STATEMENT) {
        Fault::Permanent
    } else if any(words, &BAD_VALUE) {
        sent.bad_value(Fault::Transient)
    } else if !words.contains("Scheduler error") && any(words, &REFUSED) {
        Fault::Permanent
    } else {
        Fault::Transient
    }
}

/// The text up to where it quotes values that were sent, which may hold any words.
fn own_words(sent: Sent, message: &str) -> &str {
    match (sent, message.find(QUOTATION)) {
        (Sent::Values, Some(quotation)) => &message[..quotation],
        _ => message,
    }
}

fn any(words: &str, texts: &[&str]) -> bool {
    texts.iter().any(|text| words.contains(text))
}

#[cfg(test)]
mod tests;
