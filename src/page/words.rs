//! Health in words: what a person wants to know first.

use serde_json::{Value, json};

/// How it is, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Good,
    Attention,
    Trouble,
}

impl Level {
    const fn name(self) -> &'static str {
        match self {
            Level::Good => "good",
            Level::Attention => "attention",
            Level::Trouble => "trouble",
        }
    }
}

/// One thing to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    level: Level,
    title: String,
    text: String,
    /// Which part of the flow it concerns: broker, files, loader or store.
    part: &'static str,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    headline: String,
    notices: Vec<Notice>,
}

/// What is known beside readiness.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Beside<'a> {
    /// Files that wait until they can be read: how many, one of them, and why.
    pub(super) waiting: (u64, Option<(&'a str, &'a str)>),
    /// Files that are damaged.
    pub(super) quarantined: u64,
    /// Files that wait for their turn, and for how many seconds.
    pub(super) backlog: (usize, Option<f64>),
    /// Why the page does not see the store.
    pub(super) unseen: Option<&'a str>,
}

/// So many files are always on their way.
const ON_THEIR_WAY: usize = 20;

impl Words {
    /// Of what `/readyz` answers.
    pub(super) fn of(ready: bool, answer: &Value, beside: Beside<'_>) -> Self {
        let mut notices = Vec::new();
        let mut note = |level, part, title: String, text: String| notices.push(Notice { level, title, text, part });
        let entries = |name: &str| answer[name].as_object().cloned().unwrap_or_default();
        for (party, trouble) in entries("troubles") {
            let (who, part, level) = match party.as_str() {
                "store" => ("The store", "store", Level::Trouble),
                "blob" => ("The storage of the Capture files", "files", Level::Trouble),
                "queue" => ("The queue of notifications", "files", Level::Attention),
                "registry" => ("The schema registry", "loader", Level::Trouble),
                _ => ("A part", "loader", Level::Trouble),
            };
            let since = span(trouble["for_seconds"].as_f64().unwrap_or_default());
            let route = trouble["route"].as_str().map(|route| format!(", on route {route}")).unwrap_or_default();
            let text = format!(
                "{}. The loader goes on trying; nothing has to be restarted once the cause is mended.",
                trouble["reason"].as_str().unwrap_or_default().trim_end_matches('.')
            );
            note(level, part, format!("{who} has been in trouble for {since}{route}."), text);
        }
        for (hub, instead) in entries("nothing_found") {
            let text = instead.as_str().unwrap_or_default().to_owned();
            note(Level::Attention, "files", format!("No Capture file of {hub} was found."), text);
        }
        if let (files @ 1.., example) = beside.waiting {
            let title = match files {
                1 => "One file waits, the rest goes on.".to_owned(),
                _ => format!("{files} files wait, the rest goes on."),
            };
            let text = example.map(|(blob, why)| format!("{blob} {why}")).unwrap_or_default();
            note(Level::Attention, "waiting", title, text);
        }
        if beside.quarantined > 0 {
            let title = format!("{} damaged {} quarantined.", beside.quarantined, files_are(beside.quarantined));
            let text = "What could be read of them is loaded. `deltawave inspect` shows where a file is damaged; \
                        `deltawave replay` loads it again once it is whole.";
            note(Level::Attention, "files", title, text.to_owned());
        }
        for lane in answer["live"].as_array().into_iter().flatten() {
            let route = lane["route"].as_str().unwrap_or_default();
            if let Some(why) = lane["trouble"].as_str() {
                let text = format!("{}. Its rows come with their files.", why.trim_end_matches('.'));
                note(Level::Attention, "live", format!("The live lane of {route} writes nothing."), text);
            }
            for partition in lane["partitions"].as_array().into_iter().flatten() {
                let Some(why) = partition["reason"].as_str() else { continue };
                let text = format!("{}. Its rows come with their files.", why.trim_end_matches('.'));
                let title = format!("The live lane of {route} is shut for partition {}.", partition["partition"]);
                note(Level::Attention, "live", title, text);
            }
        }
        if answer["poll_is_late"] == true {
            let text = "A large file takes its time; else see the log.".to_owned();
            note(Level::Attention, "files", "The last poll takes long.".to_owned(), text);
        }
        for (table, fields) in entries("unmapped_fields") {
            let names: Vec<_> = fields.as_object().into_iter().flat_map(|fields| fields.keys().cloned()).collect();
            if !names.is_empty() {
                let text = format!(
                    "Their values are not in the table: {}. Add columns of these names, or `rescued jsonb` for all of \
                     them, then `deltawave replay`.",
                    names.join(", ")
                );
                note(Level::Attention, "store", format!("Fields of {table} have no column."), text);
            }
        }
        if let Some(why) = beside.unseen {
            note(Level::Attention, "page", "This page does not see the store.".to_owned(), why.to_owned());
        }
        notices.sort_by_key(|notice| std::cmp::Reverse(notice.level));
        let headline = headline(ready, answer, &notices, &beside);
        Words { headline, notices }
    }

    pub(super) fn json(&self) -> Value {
        let level = self.notices.iter().map(|notice| notice.level).max().unwrap_or(Level::Good);
        let notice = |Notice { level, title, text, part }: &Notice| json!({ "level": level.name(), "title": title, "text": text, "part": part });
        json!({
            "headline": self.headline,
            "level": level.name(),
            "notices": self.notices.iter().map(notice).collect::<Vec<_>>(),
        })
    }
}

fn headline(ready: bool, answer: &Value, notices: &[Notice], beside: &Beside<'_>) -> String {
    if let Some(worst) = notices.iter().find(|notice| notice.level == Level::Trouble) {
        return match worst.part {
            "store" => "waits for the store",
            "files" => "waits for the files",
            _ => "in trouble",
        }
        .to_owned();
    }
    if !ready {
        return match answer["reason"].as_str() {
            Some(reason) if reason.starts_with("the first poll") => "starting".to_owned(),
            Some(reason) => reason.to_owned(),
            None => "not ready".to_owned(),
        };
    }
    let doing = match beside.backlog {
        (files, Some(seconds)) if files > ON_THEIR_WAY => format!("catching up, about {} left", span(seconds)),
        (files, None) if files > ON_THEIR_WAY => format!("catching up, {files} files left"),
        _ => "loading".to_owned(),
    };
    match notices.first() {
        Some(Notice { part: "waiting", .. }) if beside.waiting.0 == 1 => format!("{doing}, one file waits"),
        Some(Notice { part: "waiting", .. }) => format!("{doing}, {} files wait", beside.waiting.0),
        Some(Notice { part: "live", .. }) => format!("{doing}, by files only"),
        Some(_) => format!("{doing}, with something to look at"),
        None => doing,
    }
}

fn files_are(files: u64) -> &'static str {
    if files == 1 { "file is" } else { "files are" }
}

/// `5 s`, `3 min`, `2 h`, `4 d`
pub(super) fn span(seconds: f64) -> String {
    match seconds {
        short if short < 90.0 => format!("{:.0} s", short.ceil()),
        short if short < 90.0 * 60.0 => format!("{:.0} min", (short / 60.0).ceil()),
        short if short < 36.0 * 3600.0 => format!("{:.0} h", (short / 3600.0).ceil()),
        long => format!("{:.0} d", (long / 86400.0).ceil()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(ready: bool, answer: &Value, beside: Beside<'_>) -> Value {
        Words::of(ready, answer, beside).json()
    }

    #[test]
    fn all_well_is_said_in_a_word() {
        let all_well = json!({"ready": true, "troubles": {}});
        let said = words(true, &all_well, Beside::default());
        assert_eq!(said, json!({"headline": "loading", "level": "good", "notices": []}));
        let said = words(true, &all_well, Beside { backlog: (500, Some(200.0)), ..Beside::default() });
        assert_eq!(said["headline"], "catching up, about 4 min left");
        let starting = json!({"reason": "the first poll has not ended", "troubles": {}});
        assert_eq!(words(false, &starting, Beside::default())["headline"], "starting");
    }

    #[test]
    fn the_worst_is_said_first() {
        let answer = json!({
            "reason": "trouble with the store",
            "troubles": {
                "queue": {"for_seconds": 5, "reason": "no such queue", "route": null},
                "store": {"for_seconds": 200, "reason": "connection refused.", "route": "a=b"},
            },
        });
        let waiting = (1, Some(("h/0/x.avro", "is in the archive tier")));
        let said = words(false, &answer, Beside { waiting, ..Beside::default() });
        assert_eq!((&said["headline"], &said["level"]), (&json!("waits for the store"), &json!("trouble")));
        assert_eq!(said["notices"][0]["title"], "The store has been in trouble for 4 min, on route a=b.");
        let well = json!({"ready": true, "troubles": {}});
        let said = words(true, &well, Beside { waiting, ..Beside::default() });
        assert_eq!(said["headline"], "loading, one file waits");
        assert_eq!(said["notices"][0]["text"], "h/0/x.avro is in the archive tier");
    }
}
