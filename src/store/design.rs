//! The statements of a table of one's own, of its latest state and of its past.

use super::catalog::typing;
use super::session::Kind;
use super::statement::literal;
use super::table_name::{TableName, quote};
use crate::rows::{ColumnType, Typing};

/// A column that fields of the body fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Designed {
    /// Its name.
    pub name: String,
    /// Its type, or that of its elements.
    pub kind: ColumnType,
    /// Whether it is an array.
    pub list: bool,
    /// What was seen of it, for people.
    pub evidence: String,
}

/// A table as it is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Design {
    /// Its name, as a route has it.
    pub table: String,
    /// What the body fills.
    pub columns: Vec<Designed>,
    /// Fields that get no column, each with the reason.
    pub left_out: Vec<String>,
    /// Whether a record may have several rows.
    pub indexed: bool,
    /// The columns that name a row; none for a table without a latest state.
    pub key: Vec<String>,
    /// Those by which a row's events follow each other.
    pub order: Vec<String>,
    /// The column and the value that mean a delete.
    pub delete_when: Option<(String, String)>,
    /// Whether its past is shown too.
    pub history: bool,
}

/// One statement, and what it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The name of what it makes.
    pub makes: String,
    /// The statement, with comments, without its semicolon.
    pub sql: String,
}

impl Kind {
    /// What its types are.
    pub fn typing(self) -> Typing {
        typing(self)
    }
}

impl Designed {
    /// One that is no array, of which nothing was seen.
    pub fn new(name: &str, kind: ColumnType) -> Self {
        Designed { name: name.to_owned(), kind, list: false, evidence: String::new() }
    }

    fn sql(&self) -> String {
        format!("{} {}", quote(&self.name), self.data_type())
    }

    /// As a statement has it.
    pub fn data_type(&self) -> String {
        format!("{}{}", self.kind.sql(), if self.list { "[]" } else { "" })
    }
}

impl Design {
    /// All of them, in the order in which they are run.
    pub fn statements(&self, kind: Kind) -> Vec<Statement> {
        let mut statements = vec![self.history_table()];
        if !self.key.is_empty() {
            match kind {
                Kind::RisingWave => statements.extend(self.latest_of_risingwave()),
                Kind::PostgreSql => statements.push(self.latest_of_postgres()),
            }
        }
        if self.history {
            statements.push(self.past(kind));
        }
        statements
    }

    /// What gives the table that is there a column of these.
    pub fn add_column(&self, column: &Designed) -> String {
        format!("ALTER TABLE {} ADD COLUMN {}", self.named("", ""), column.sql())
    }

    /// The table's name with something before and behind it, as a statement has it.
    fn named(&self, before: &str, behind: &str) -> String {
        let TableName { schema, table } = TableName::parse(&self.table);
        let name = quote(&format!("{before}{table}{behind}"));
        if schema == "public" { name } else { format!("{}.{name}", quote(&schema)) }
    }

    fn history_table(&self) -> Statement {
        let mut lines: Vec<(String, String)> =
            self.columns.iter().map(|column| (column.sql(), column.evidence.clone())).collect();
        lines.push(("\"rescued\" jsonb".to_owned(), "fields that have no column".to_owned()));
        for (column, what) in [
            ("event_hub varchar", "where the record comes from"),
            ("partition_id int", ""),
            ("sequence_number bigint", "its number there"),
            ("enqueued_at timestamp", "when the broker took it"),
        ] {
            lines.push((column.to_owned(), what.to_owned()));
        }
        let index = if self.indexed { ", event_index" } else { "" };
        if self.indexed {
            lines.push(("event_index int".to_owned(), "which of the record's rows it is".to_owned()));
        }
        let mut sql = format!("-- Every event of {}, once.\n", one_line(&self.table));
        self.left_out.iter().for_each(|field| sql.push_str(&format!("-- {}\n", one_line(field))));
        sql.push_str(&format!("CREATE TABLE {} (\n", self.named("", "")));
        for (column, comment) in lines {
            let comment = if comment.is_empty() { String::new() } else { format!(" -- {}", one_line(&comment)) };
            sql.push_str(&format!("    {column},{comment}\n"));
        }
        sql.push_str(&format!("    PRIMARY KEY (event_hub, partition_id, sequence_number, enqueued_at{index})\n)"));
        Statement { makes: self.named("", ""), sql }
    }

    fn latest_of_risingwave(&self) -> [Statement; 3] {
        let (events, feed, state) = (self.named("latest_", "_events"), self.named("latest_", "_feed"), self.state());
        let places = self.places();
        let columns: Vec<_> = self.columns.iter().map(Designed::sql).collect();
        let types = ["enqueued_at timestamp", "sequence_number bigint", "event_index int"];
        let (names, key) =
            (list(self.columns.iter().map(|column| &*column.name)), list(self.key.iter().map(|key| &**key)));
        let table = format!(
            "-- The newest event of every row, deletes included, so that a late file cannot bring a deleted one back.\n\
             CREATE TABLE {events} (\n    {},\n    {},\n    PRIMARY KEY ({key})\n) \
             ON CONFLICT OVERWRITE WITH VERSION COLUMN ({})",
            columns.join(",\n    "),
            types[..places.len()].join(",\n    "),
            self.versions().join(", ")
        );
        let sink = format!(
            "-- Takes every event there, those that are there already first.\nCREATE SINK {feed} INTO {events} AS\n\
             SELECT {names}, {}\nFROM {}\nWHERE {}\nWITH (type = 'append-only', force_append_only = 'true')",
            places.join(", "),
            self.named("", ""),
            self.has_key()
        );
        let view = format!(
            "-- The latest state: the newest event of every row, unless that is a delete.\nCREATE VIEW {state} AS\n\
             SELECT {names}\nFROM {events}{}",
            self.not_deleted().map(|condition| format!("\nWHERE {condition}")).unwrap_or_default()
        );
        let statement = |makes: &str, sql| Statement { makes: makes.to_owned(), sql };
        [statement(&events, table), statement(&feed, sink), statement(&state, view)]
    }

    fn latest_of_postgres(&self) -> Statement {
        let names = list(self.columns.iter().map(|column| &*column.name));
        let newest_first: Vec<_> = self.versions().iter().map(|version| format!("{version} DESC NULLS LAST")).collect();
        let deleted = self.not_deleted().map(|condition| format!(" AND {condition}")).unwrap_or_default();
        let sql = format!(
            "-- The latest state: the newest event of every row, unless that is a delete.\nCREATE VIEW {} AS\n\
             SELECT {names}\nFROM (\n    SELECT\n        {names},\n        row_number() OVER (PARTITION BY {} ORDER BY {}) AS \
             event_newest\n    FROM {}\n    WHERE {}\n) AS ranked\nWHERE event_newest = 1{deleted}",
            self.state(),
            list(self.key.iter().map(|key| &**key)),
            newest_first.join(", "),
            self.named("", ""),
            self.has_key()
        );
        Statement { makes: self.state(), sql }
    }

    /// Slowly changing dimension of type 2: a row for each state that a row was in, and a delete ends the last.
    fn past(&self, kind: Kind) -> Statement {
        let name = self.named("", "_history");
        let names = list(self.columns.iter().map(|column| &*column.name));
        let since = match self.order.first() {
            Some(order) => quote(order),
            None => "enqueued_at".to_owned(),
        };
        let view = if kind == Kind::RisingWave { "MATERIALIZED VIEW" } else { "VIEW" };
        let deleted = self.not_deleted().map(|condition| format!("\nWHERE {condition}")).unwrap_or_default();
        let sql = format!(
            "-- Every state that a row was in, from when until when; the present one has no end.\nCREATE {view} {name} AS\n\
             SELECT {names}, valid_from, valid_to, valid_to IS NULL AS is_current\nFROM (\n    SELECT\n        {names},\n        \
             {since} AS valid_from,\n        lead({since}) OVER (PARTITION BY {} ORDER BY {}) AS valid_to\n    FROM {}\n    \
             WHERE {}\n) AS states{deleted}",
            list(self.key.iter().map(|key| &**key)),
            self.versions().join(", "),
            self.named("", ""),
            self.has_key()
        );
        Statement { makes: name, sql }
    }

    fn state(&self) -> String {
        self.named("latest_", "")
    }

    /// Where a record stands in the broker's order.
    fn places(&self) -> Vec<&'static str> {
        let places = ["enqueued_at", "sequence_number", "event_index"];
        places[..if self.indexed { 3 } else { 2 }].to_vec()
    }

    /// By what a row's events follow each other, the broker's order last.
    fn versions(&self) -> Vec<String> {
        let order = self.order.iter().map(|column| quote(column));
        order.chain(self.places().into_iter().map(str::to_owned)).collect()
    }

    fn has_key(&self) -> String {
        self.key.iter().map(|key| format!("{} IS NOT NULL", quote(key))).collect::<Vec<_>>().join(" AND ")
    }

    fn not_deleted(&self) -> Option<String> {
        let (name, value) = self.delete_when.as_ref()?;
        let text = self.columns.iter().find(|column| column.name == *name).is_none_or(|column| {
            !matches!(
                column.kind,
                ColumnType::Boolean
                    | ColumnType::SmallInt
                    | ColumnType::Integer
                    | ColumnType::BigInt
                    | ColumnType::Numeric
                    | ColumnType::Real
                    | ColumnType::Double
            )
        });
        let plain = value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')) && !value.is_empty();
        let value = if text || !plain { literal(value) } else { value.clone() };
        Some(format!("{} IS DISTINCT FROM {value}", quote(name)))
    }
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(quote).collect::<Vec<_>>().join(", ")
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}
