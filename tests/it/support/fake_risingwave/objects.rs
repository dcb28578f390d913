//! The tables and views of the played RisingWave, whose connections can be cut after any step on the way to them.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::watch;

use super::Answer;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Table,
    View,
    MaterializedView,
    Sink,
}

impl Kind {
    fn relkind(self) -> &'static str {
        match self {
            Kind::Table => "r",
            Kind::View => "v",
            Kind::MaterializedView => "m",
            Kind::Sink => "k",
        }
    }
}

/// What `init` makes.
const ALL: [(&str, Kind); 9] = [
    ("user_event_log", Kind::Table),
    ("capture_files", Kind::Table),
    ("rejected_events", Kind::Table),
    ("user_events", Kind::View),
    ("pipeline_progress", Kind::View),
    ("capture_gaps", Kind::View),
    ("latest_user_events", Kind::Table),
    ("latest_user_events_feed", Kind::Sink),
    ("latest_user_state", Kind::View),
];

#[derive(Default)]
pub(super) struct Objects {
    there: BTreeMap<String, Kind>,
    /// Who may read what, and what else was granted, as statements.
    grants: BTreeSet<String>,
    /// How often the new rows are still found lacking.
    filling: Cell<u32>,
    /// Whether something stands on the former latest state.
    pub(super) used: bool,
    /// Whether a table is not dropped together with its sink. If it is, the sink is not dropped alone, as after an upgrade.
    pub(super) protects: bool,
    /// After how many more changes all connections are cut.
    cut: Option<(usize, watch::Sender<u32>)>,
    changes: usize,
}

impl Objects {
    /// As `init` leaves it.
    pub(super) fn made() -> Objects {
        let there = ALL.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect();
        Objects { there, ..Objects::default() }
    }

    /// As it was left when the latest state was a materialized view. New rows are found lacking so many times.
    pub(super) fn former(filling: u32) -> Objects {
        let mut former = Objects { filling: Cell::new(filling), ..Objects::made() };
        former.there.retain(|name, _| !name.starts_with("latest_"));
        former.there.insert("latest_user_state".to_owned(), Kind::MaterializedView);
        former
    }

    pub(super) fn there(&self) -> BTreeMap<String, Kind> {
        self.there.clone()
    }

    pub(super) fn grants(&self) -> BTreeSet<String> {
        self.grants.clone()
    }

    pub(super) fn cut_after(&mut self, changes: usize, cut: watch::Sender<u32>) {
        self.cut = Some((changes, cut));
    }

    /// So many changes were made.
    pub(super) fn changes(&self) -> usize {
        self.changes
    }

    pub(super) fn query(&self, sql: &str) -> Option<Answer> {
        if sql.starts_with("SELECT c.relname, c.relkind FROM pg_catalog.pg_class c") {
            let row = |(name, kind): (&String, &Kind)| vec![name.clone(), kind.relkind().to_owned()];
            return Some(Answer::text(&["relname", "relkind"], self.there.iter().map(row).collect()));
        }
        if sql.starts_with("SELECT DISTINCT table_name::varchar FROM information_schema.columns") {
            let tables = ["capture_files", "rejected_events"].into_iter().filter(|name| self.there.contains_key(*name));
            return Some(Answer::text(&["table_name"], tables.map(|name| vec![name.to_owned()]).collect()));
        }
        if sql.starts_with("SELECT count(*) FROM information_schema.columns") {
            return Some(Answer::text(&["count"], vec![vec!["1".to_owned()]]));
        }
        if sql.starts_with("SELECT unnest(acl) FROM rw_catalog.rw_materialized_views WHERE name = ") {
            let rights = ["root=arwd/root", "postgres=arwd/root", "reader=r/root", "grafana=r*/root", "loader=a/root"];
            return Some(Answer::text(&["unnest"], rights.map(|right| vec![right.to_owned()]).to_vec()));
        }
        if sql.starts_with("SELECT count(*) FROM latest_user_state AS shown LEFT JOIN latest_user_events AS kept ON") {
            let lacking = self.filling.get();
            self.filling.set(lacking.saturating_sub(1));
            return Some(Answer::text(&["count"], vec![vec![lacking.to_string()]]));
        }
        None
    }

    /// `None` for what concerns no object.
    pub(super) fn change(&mut self, sql: &str) -> Option<Result<(), String>> {
        let words: Vec<_> =
            sql.lines().filter(|line| !line.starts_with("--")).flat_map(str::split_whitespace).collect();
        let done = match words[..] {
            ["SET", "background_ddl" | "sink_decouple", "=", "false"] => return Some(Ok(())),
            ["CREATE", "TABLE", "IF", "NOT", "EXISTS", name, ..] => self.create(name, Kind::Table, &[]),
            ["CREATE", "VIEW", "IF", "NOT", "EXISTS", name @ "latest_user_state", ..] => {
                self.create(name, Kind::View, &["latest_user_events"])
            }
            ["CREATE", "VIEW", "IF", "NOT", "EXISTS", name, ..] => self.create(name, Kind::View, &[]),
            ["CREATE", "SINK", "IF", "NOT", "EXISTS", name, "INTO", target, ..] => {
                self.create(name, Kind::Sink, &[target, "user_event_log"])
            }
            ["ALTER", "MATERIALIZED", "VIEW", name, "RENAME", "TO", new] => self.rename(name, new),
            ["DROP", "MATERIALIZED", "VIEW", name] => self.drop(name, Kind::MaterializedView, false),
            ["DROP", "TABLE", "IF", "EXISTS", name] => self.drop(name, Kind::Table, true),
            ["DROP", "VIEW", "IF", "EXISTS", name] => self.drop(name, Kind::View, true),
            ["DROP", "SINK", "IF", "EXISTS", name] => self.drop(name, Kind::Sink, true),
            ["GRANT", .., "ON", "DATABASE", _, "TO", _] => Ok(self.grants.insert(sql.to_owned())),
            ["GRANT", .., "MATERIALIZED", "VIEW", name, "TO", _] => self.grant(sql, name, Kind::MaterializedView),
            ["GRANT", .., "VIEW", name, "TO", _] => self.grant(sql, name, Kind::View),
            ["GRANT", .., "TABLE", name, "TO", _] => self.grant(sql, name, Kind::Table),
            _ => return None,
        };
        if done == Ok(true) {
            self.changes += 1;
            if let Some((left, cut)) = &mut self.cut {
                *left -= 1;
                if *left == 0 {
                    cut.send_modify(|restarts| *restarts += 1);
                    self.cut = None;
                }
            }
        }
        Some(done.map(drop))
    }

    /// Whether it is new.
    fn create(&mut self, name: &str, kind: Kind, needs: &[&str]) -> Result<bool, String> {
        if let Some(lacking) = needs.iter().find(|needed| !self.there.contains_key(**needed)) {
            return Err(format!("Catalog error: table or source not found: {lacking}"));
        }
        if self.there.contains_key(name) {
            return Ok(false);
        }
        self.there.insert(name.to_owned(), kind);
        Ok(true)
    }

    fn rename(&mut self, name: &str, new: &str) -> Result<bool, String> {
        if self.there.contains_key(new) {
            return Err(format!("Catalog error: table with name {new} exists"));
        }
        let kind = self.there.remove(name).ok_or(format!("Catalog error: table not found: {name}"))?;
        self.there.insert(new.to_owned(), kind);
        Ok(true)
    }

    fn drop(&mut self, name: &str, kind: Kind, if_there: bool) -> Result<bool, String> {
        match self.there.get(name) {
            Some(found) if *found == kind => {}
            _ if if_there => return Ok(false),
            _ => return Err(format!("Catalog error: materialized view not found: {name}")),
        }
        if kind == Kind::MaterializedView && self.used {
            return Err(
                "Permission denied: table used by 1 other objects. \nDETAIL: view public.mine depends on it".into()
            );
        }
        if self.there.values().any(|kind| *kind == Kind::Sink) {
            match name {
                "latest_user_events" if self.protects => {
                    return Err("Permission denied: Table used by incoming sinks, please drop them manually".to_owned());
                }
                "latest_user_events" => drop(self.there.remove("latest_user_events_feed")),
                "latest_user_events_feed" if !self.protects => {
                    return Err("Dropping sink into table is not allowed for unmigrated table".to_owned());
                }
                "user_event_log" => return Err("Permission denied: table used by 1 other objects".to_owned()),
                _ => {}
            }
        }
        self.there.remove(name);
        self.grants.retain(|grant| !grant.contains(&format!(" {name} TO ")));
        Ok(true)
    }

    fn grant(&mut self, sql: &str, name: &str, kind: Kind) -> Result<bool, String> {
        if self.there.get(name) != Some(&kind) {
            return Err(format!("Catalog error: {kind:?} not found: {name}"));
        }
        Ok(self.grants.insert(sql.to_owned()))
    }
}
