use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Between two lines where there is no terminal.
const EVERY: Duration = Duration::from_secs(30);

/// How far a long work is, on standard error: on a terminal one line that is rewritten, elsewhere a line now and then.
/// Short work says nothing there.
pub(super) struct Ongoing {
    line: Option<ProgressBar>,
    said: Mutex<Instant>,
}

impl Ongoing {
    pub(super) fn new() -> Self {
        let line = std::io::stderr().is_terminal().then(|| {
            let line = ProgressBar::new_spinner();
            line.enable_steady_tick(Duration::from_millis(200));
            match ProgressStyle::with_template("{spinner} {msg}") {
                Ok(style) => line.with_style(style),
                Err(_) => line,
            }
        });
        Ongoing { line, said: Mutex::new(Instant::now()) }
    }

    pub(super) fn say(&self, text: impl FnOnce() -> String) {
        if let Some(line) = &self.line {
            line.set_message(text());
            return;
        }
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.elapsed() >= EVERY {
            *said = Instant::now();
            eprintln!("{}", text());
        }
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        if let Some(line) = &self.line {
            line.finish_and_clear();
        }
    }
}
