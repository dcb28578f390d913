use std::fmt;
use std::io::Write as _;

use serde_json::{Value, json};

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Well,
    /// To be known, and no reason to fail.
    Note,
    Fault,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// Which, in a word.
    what: &'static str,
    state: State,
    text: String,
    /// What to do about it.
    remedy: Option<String>,
}

impl Finding {
    pub(super) fn well(what: &'static str, text: impl Into<String>) -> Self {
        Finding { what, state: State::Well, text: text.into(), remedy: None }
    }

    pub(super) fn note(what: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Finding { what, state: State::Note, text: text.into(), remedy: Some(remedy.into()) }
    }

    pub(super) fn fault(what: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Finding { what, state: State::Fault, text: text.into(), remedy: Some(remedy.into()) }
    }

    /// Of an error, whose text ends with what to do.
    pub(super) fn error(what: &'static str, error: &impl fmt::Display) -> Self {
        Finding { what, state: State::Fault, text: error.to_string(), remedy: None }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.state {
            State::Well => "✓",
            State::Note => "–",
            State::Fault => "✗",
        };
        // An error may have lines of its own.
        let text = self.text.trim_end().replace('\n', "\n             ");
        write!(f, "{mark} {:<10} {text}", self.what)?;
        match &self.remedy {
            Some(remedy) => write!(f, "\n             → {remedy}"),
            None => Ok(()),
        }
    }
}

/// All that was found, each line told as soon as it is known.
pub(super) struct Findings {
    found: Vec<Finding>,
    json: bool,
}

impl Findings {
    pub(super) fn new(json: bool) -> Self {
        Findings { found: Vec::new(), json }
    }

    pub(super) fn add(&mut self, finding: Finding) {
        if !self.json {
            // Nobody may be there to read it.
            let _ = writeln!(std::io::stdout().lock(), "{finding}");
        }
        self.found.push(finding);
    }

    pub(super) fn is_well(&self) -> bool {
        self.faults() == 0
    }

    fn faults(&self) -> usize {
        self.found.iter().filter(|finding| finding.state == State::Fault).count()
    }

    /// The last word.
    pub(super) fn end(&self) -> String {
        if self.json {
            let of = |finding: &Finding| {
                let Finding { what, state, text, remedy } = finding;
                let state = match state {
                    State::Well => "well",
                    State::Note => "note",
                    State::Fault => "fault",
                };
                json!({ "what": what, "state": state, "text": text, "remedy": remedy })
            };
            let found: Vec<Value> = self.found.iter().map(of).collect();
            return json!({ "well": self.is_well(), "findings": found }).to_string();
        }
        match self.faults() {
            0 => "all is well".to_owned(),
            1 => "one thing is wrong".to_owned(),
            faults => format!("{faults} things are wrong"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_has_its_remedy_below_it() {
        let finding = Finding::fault("store", "two\nlines", "do this");
        assert_eq!(finding.to_string(), "✗ store      two\n             lines\n             → do this");
        let mut findings = Findings::new(true);
        findings.add(Finding::well("disk", "12 GiB free"));
        assert_eq!(findings.end().parse::<Value>().unwrap()["well"], true);
        findings.add(finding);
        assert!(!findings.is_well() && findings.end().contains("\"remedy\":\"do this\""));
    }
}
