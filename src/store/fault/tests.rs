//! Texts as RisingWave 2.6.1, 2.8.5 and 3.0.3 send them; where they send the same, it stands once.

use super::Fault::{Data, NeedsRecover, Permanent, Transient};
use super::Sent::{Statement, Values};
use super::*;

fn of(sent: Sent, code: &str, text: &str) -> Fault {
    fault(sent, &SqlState::from_code(code), text)
}

/// As the server lists causes since 2.6: the outermost first.
fn causes(outermost: &str, causes: &[&str]) -> String {
    let mut text = format!("{outermost}\n\nCaused by these errors (recent errors listed first):");
    for (number, cause) in (1..).zip(causes) {
        text.push_str(&format!("\n  {number}: {cause}"));
    }
    text
}

const EXECUTE: &str = "Failed to execute the statement";
const RUN: &str = "Failed to run the query";
const FLUSH: &str =
    "gRPC request to meta service (call `/stream_service.StreamManagerService/Flush`) failed: Internal error";

#[test]
fn postgresql_says_it_by_code() {
    for (sent, code, fault) in [
        (Values, "22003", Data),
        (Values, "23502", Data),
        (Values, "44000", Data),
        (Values, "P0001", Data),
        (Statement, "22P02", Permanent),
        (Statement, "23505", Permanent),
        (Values, "57P01", Transient),
        (Statement, "53300", Transient),
        (Values, "42P01", Permanent),
        (Statement, "28P01", Permanent),
    ] {
        assert_eq!(of(sent, code, "whatever"), fault, "{sent:?} {code}");
    }
    let quoted = "invalid input syntax for type integer: \"The cluster is recovering\"";
    assert_eq!(of(Values, "22P02", quoted), Data, "a value may hold any words");
}

#[test]
fn a_restarted_2_6_needs_a_recover() {
    let text = causes(RUN, &["Scheduler error", "No worker node found for worker slot id: [1:0]"]);
    let line = "Failed to run the query: Scheduler error: No worker node found for worker slot id: [1:0]";
    for text in [text.as_str(), line] {
        for sent in [Values, Statement] {
            assert_eq!(of(sent, "XX000", text), NeedsRecover, "{text}");
        }
    }
}

#[test]
fn a_recovery_passes_whatever_stands_behind_it() {
    let recovering = "The cluster is recovering";
    let barrier = "Actor 57 exited unexpectedly: Executor error: Chunk operation error: Expr error: Division by zero";
    for (code, text) in [
        (
            "XX000",
            "DML is not permitted during cluster recovery (no available table reader in streaming executors)"
                .to_owned(),
        ),
        ("XX000", causes(EXECUTE, &["table reader closed"])),
        ("XX000", causes(EXECUTE, &["table schema has changed, please try again later"])),
        ("XX000", causes(RUN, &[FLUSH, recovering, "get error from control stream, in worker node 1", "Expr error"])),
        ("XX000", causes(RUN, &[FLUSH, barrier, "Parse error: invalid digit found in string"])),
        ("XX000", causes(RUN, &[FLUSH, "The cluster is recovering-adhoc"])),
        ("XX000", causes(RUN, &[FLUSH, "The cluster is bootstrapping"])),
        ("XX000", causes(RUN, &[FLUSH, "get error from control stream, in worker node 3", "table not found: t"])),
        ("XX000", causes(RUN, &["gRPC request to meta service failed: Internal error", "adhoc recovery triggered"])),
        // The code is that of an inner cause.
        ("42704", causes(RUN, &[FLUSH, recovering, "Catalog error", "table id not found: 7"])),
        ("42710", causes(RUN, &[FLUSH, recovering, "sink with name latest exists but under creation"])),
        ("3D000", causes(RUN, &["The cluster is recovering", "Catalog error", "database not found: dev"])),
        (
            "XX000",
            causes(
                EXECUTE,
                &["Storage error", "Barrier read is unavailable for now. Likely the cluster is recovering"],
            ),
        ),
        // 2.8 and 3.0.
        ("XX000", causes(EXECUTE, &["Scheduler error", "Streaming vnode mapping has not been initialized"])),
        ("XX000", causes(EXECUTE, &["Scheduler error", "Streaming vnode mapping not found for fragment 12"])),
        ("XX000", causes(EXECUTE, &["Scheduler error", "Serving vnode mapping not found for fragment 12"])),
        ("XX000", causes(RUN, &["cluster under recovery[failover]"])),
        ("XX000", causes(EXECUTE, &["Scheduler error", "Empty workers found"])),
        // What is only a node that is gone.
        ("XX000", causes(EXECUTE, &["Scheduler error", "gRPC request to stream service failed: transport error"])),
        ("XX000", "Server throttled: too many connections".to_owned()),
    ] {
        for sent in [Values, Statement] {
            assert_eq!(of(sent, code, &text), Transient, "{sent:?} {code} {text}");
        }
    }
}

#[test]
fn a_bad_value_is_data_in_an_insert_and_nowhere_else() {
    let quoting = "error while evaluating expression `str_to_list('{1,2,x}')`";
    let digit = "Parse error: invalid digit found in string";
    for text in [
        causes(EXECUTE, &["Expr error", quoting, digit]),
        causes(
            EXECUTE,
            &["Scheduler error", "gRPC request to compute node failed: Internal error: Expr error", quoting],
        ),
        format!("{EXECUTE}: Expr error: {quoting}: {digit}"),
        causes(EXECUTE, &["Expr error", "Parse error: number too large to fit in target type"]),
        causes(
            EXECUTE,
            &["Expr error", "null value in column \"id\" of relation \"orders\" violates not-null constraint"],
        ),
    ] {
        assert_eq!(of(Values, "XX000", &text), Data, "{text}");
        assert_eq!(of(Statement, "XX000", &text), Transient, "{text}");
    }
}

#[test]
fn words_inside_a_quoted_value_mean_nothing() {
    for words in
        ["The cluster is recovering", "Bind error", "No worker node found for worker slot id", "does not exist"]
    {
        let quoting = format!("error while evaluating expression `str_to_list('{{\"{words}\n  1: {words}\",x}}')`");
        let text = causes(EXECUTE, &["Expr error", &quoting, "Parse error: invalid digit found in string"]);
        assert_eq!(of(Values, "XX000", &text), Data, "{text}");
    }
}

#[test]
fn what_only_a_person_mends_is_permanent() {
    for (code, text) in [
        // Connecting: 2.6.1 by text, 2.8 and 3.0 by PostgreSQL's code too.
        ("XX000", "Failed to get/create session: database \"x\" does not exist".to_owned()),
        ("3D000", "Failed to start a new session: Catalog error: database not found: x".to_owned()),
        ("XX000", "Failed to start a new session: Catalog error: Role x does not exist".to_owned()),
        ("XX000", "Invalid password".to_owned()),
        ("XX000", "Failed to start a new session: Permission denied: User x is not allowed to login".to_owned()),
        ("XX000", "User x is not allowed to login".to_owned()),
        ("XX000", "Failed to start a new session: User does not have CONNECT privilege.".to_owned()),
        (
            "XX000",
            "Failed to start a new session: Permission denied: no pg_hba.conf entry for host \"[::1]:5\", user \"a\", \
             database \"dev\""
                .to_owned(),
        ),
        // Statements.
        ("42704", causes(EXECUTE, &["Catalog error", "table or source not found: orders"])),
        ("42710", causes(RUN, &["Catalog error", "table with name orders exists"])),
        ("XX000", causes(EXECUTE, &["Permission denied: Do not have the privilege"])),
        ("XX000", causes(RUN, &["Permission denied: only superusers can trigger adhoc recovery"])),
        ("XX000", causes(EXECUTE, &["Bind error: Column x not found in table orders"])),
        (
            "XX000",
            causes(EXECUTE, &["Failed to bind expression: unnest($1)", "cannot cast type \"text\" to \"struct\""]),
        ),
        ("XX000", causes(RUN, &["Invalid input syntax: column \"x\" must appear in the GROUP BY clause"])),
        ("XX000", causes(RUN, &["sql parser error: expected statement, found: COPYY at line 1, column 1"])),
        ("XX000", causes(RUN, &["Feature is not yet implemented: Unhandled statement: COPY\nNo tracking issue yet"])),
        ("XX000", causes(EXECUTE, &["Item not found: Invalid column: x"])),
        ("XX000", causes(EXECUTE, &["Invalid reference: Invalid column: x"])),
        // A generated column: 2.6.1 and 2.8 say `Bind error`. No other value would be taken.
        ("XX000", causes(EXECUTE, &["Bind error: cannot insert a non-DEFAULT value into column \"y\"."])),
        ("XX000", causes(EXECUTE, &["Invalid insert operation: cannot insert a non-DEFAULT value into column \"y\""])),
    ] {
        for sent in [Values, Statement] {
            assert_eq!(of(sent, code, &text), Permanent, "{sent:?} {code} {text}");
        }
    }
}
