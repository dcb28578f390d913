//! What it does with each statement.

use std::time::Instant;

use pgwire::api::Type;

use super::{Answer, Done, Engine, State};

const LOG: [(&str, &str); 10] = [
    ("id", "integer"),
    ("name", "character varying"),
    ("age", "integer"),
    ("op", "character varying"),
    ("event_order", "bigint"),
    ("ts", "timestamp without time zone"),
    ("event_hub", "character varying"),
    ("partition_id", "integer"),
    ("sequence_number", "bigint"),
    ("enqueued_at", "timestamp without time zone"),
];

impl State {
    /// The answer to a query, or `None` for what is no known query. Parameters are there when it is run.
    pub(super) fn query(&mut self, sql: &str, parameters: &[String]) -> Option<Answer> {
        if let Some(answer) = self.users.query(sql).or_else(|| self.objects.query(sql)) {
            return Some(answer);
        }
        let text = |names: &[&'static str]| names.iter().map(|name| (*name, Type::VARCHAR)).collect();
        if sql == "SELECT version()" {
            let version = "PostgreSQL 13.14.0-RisingWave-2.6.1 (a fake)".to_owned();
            return Some(Answer { columns: text(&["version"]), rows: vec![vec![version]] });
        }
        if sql.starts_with("SELECT column_name::varchar, data_type::varchar, is_nullable::varchar, ordinal_position") {
            let mut columns: Vec<_> = text(&["column_name", "data_type", "is_nullable"]);
            columns.push(("ordinal_position", Type::INT4));
            columns.push(("is_generated", Type::VARCHAR));
            let row = |(position, (name, kind)): (i32, (&str, &str))| {
                vec![name.to_owned(), kind.to_owned(), "YES".to_owned(), position.to_string(), "NEVER".to_owned()]
            };
            return Some(Answer { columns, rows: (1..).zip(LOG).map(row).collect() });
        }
        if sql.starts_with("SELECT i.indkey::varchar FROM pg_catalog.pg_index") {
            return Some(Answer { columns: text(&["indkey"]), rows: vec![vec!["{7,8,9,10}".to_owned()]] });
        }
        if sql.starts_with("SELECT blob, etag FROM capture_files") {
            let row = |(blob, etag): (&String, &String)| vec![blob.clone(), etag.clone()];
            let rows = match parameters {
                [_, _, first, last] => self.data.seen().files.range(first.clone()..=last.clone()).map(row).collect(),
                _ => Vec::new(),
            };
            return Some(Answer { columns: text(&["blob", "etag"]), rows });
        }
        if let Some((_, names)) =
            sql.split_once("SELECT blob FROM capture_files ").and_then(|_| sql.split_once(" IN ("))
        {
            let names = names.trim_end_matches(')').split(", ").map(|name| name.trim_matches('\'').to_owned());
            let files = &self.data.seen().files;
            let rows = names.filter(|name| files.contains_key(name)).map(|name| vec![name]).collect();
            return Some(Answer { columns: text(&["blob"]), rows });
        }
        if sql.starts_with("SELECT f.partition_id, f.blob, f.etag, f.last_sequence_number, ") {
            let columns = ["partition_id", "blob", "etag", "last_sequence_number"];
            return Some(Answer::text(&columns, self.data.newest_files()));
        }
        if sql.starts_with("SELECT 0, count(*) FROM ") {
            let ranges: Option<Vec<_>> = (0..)
                .zip(sql.split(" UNION ALL "))
                .map(|(at, part): (usize, _)| {
                    let from = part.strip_prefix(&format!("SELECT {at}, count(*) FROM "))?;
                    Some(vec![at.to_string(), self.data.range(from)?.len().to_string()])
                })
                .collect();
            let rows = ranges?;
            self.done.push(Done::Counted(rows.len()));
            return Some(Answer { columns: text(&["?column?", "count"]), rows });
        }
        if let Some(from) = sql.strip_prefix("SELECT sequence_number, enqueued_at FROM ") {
            let rows =
                self.data.range(from)?.into_iter().map(|(.., number, at)| vec![number.to_string(), at]).collect();
            return Some(Answer { columns: text(&["sequence_number", "enqueued_at"]), rows });
        }
        None
    }

    pub(super) fn recover(&mut self) {
        self.data.forget();
        self.engine = Engine::RecoveringUntil(Instant::now() + self.recovery);
    }

    pub(super) fn change(&mut self, by: &str, sql: &str, parameters: &[String]) -> Result<(), String> {
        if let Some(done) = self.users.change(by, sql).or_else(|| self.objects.change(sql)) {
            return done;
        }
        match sql {
            // A sign of life, whose row nobody reads.
            "SELECT 1" => {}
            "SET TimeZone = 'UTC'" => {}
            "FLUSH" => {
                if let Some(message) = self.flush_faults.pop_front() {
                    return Err(message);
                }
                let noted = matches!(self.done.last(), Some(Done::Ledger(_)));
                if self.forgetful_flushes > 0 || (noted && std::mem::take(&mut self.forgets_ledger)) {
                    self.forgetful_flushes = self.forgetful_flushes.saturating_sub(1);
                    self.recover();
                }
                // Of what it still has.
                self.data.checkpoint();
                self.done.push(Done::Flush);
            }
            "RECOVER" if !self.superuser => {
                self.refused_recovers += 1;
                return Err("Permission denied: only superusers can trigger adhoc recovery".to_owned());
            }
            "RECOVER" => {
                self.recover();
                self.done.push(Done::Recover);
            }
            // Of no row.
            "DELETE FROM capture_files WHERE container = '' AND target = '' AND blob = ''" => self.can_write()?,
            _ if sql.starts_with("INSERT INTO ") => {
                self.can_write()?;
                self.insert(sql, parameters);
            }
            _ => {
                self.foreign.insert(sql.to_owned());
                return Err(format!("Unhandled statement: {sql}"));
            }
        }
        Ok(())
    }

    fn can_write(&mut self) -> Result<(), String> {
        match self.engine {
            Engine::NeedsRecover => {
                Err("Failed to run the query: Scheduler error: No worker node found for worker slot id: [1:0]"
                    .to_owned())
            }
            Engine::RecoveringUntil(end) if Instant::now() < end => {
                Err("DML is not permitted during cluster recovery (no available table reader in streaming executors)"
                    .to_owned())
            }
            _ => {
                self.engine = Engine::Well;
                Ok(())
            }
        }
    }

    fn insert(&mut self, sql: &str, parameters: &[String]) {
        let Some(count) = self.data.insert(sql, parameters) else {
            self.foreign.insert(sql.to_owned());
            return;
        };
        let noted = sql.starts_with("INSERT INTO \"capture_files\" ");
        self.done.push(if noted { Done::Ledger(count) } else { Done::Rows(count) });
    }
}
