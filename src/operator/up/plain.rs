//! A line now and then, for logs and pipes.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::error::UpError;
use super::pipeline::Pipeline;
use super::view::{LatestState, Meter, Stage, Watch, grouped};
use crate::store::Session;

const EVERY: Duration = Duration::from_secs(2);

/// Prints the counts every two seconds, and the latest state when it has changed. Never ends by itself.
///
/// # Errors
/// When the store cannot be asked.
pub(super) async fn show(pipeline: &Pipeline, session: &Session) -> Result<Infallible, UpError> {
    let mut meter = Meter::new(pipeline);
    let (mut watch, mut shown) = (Watch::default(), LatestState::default());
    let mut said = Instant::now();
    loop {
        // The first row is looked for more often than lines are printed.
        let waiting = shown.rows.is_empty();
        tokio::time::sleep(if waiting { EVERY / 8 } else { EVERY }).await;
        let snapshot = meter.read(pipeline);
        let state = watch.read(session).await?;
        if waiting && state.rows.is_empty() && said.elapsed() < EVERY {
            continue;
        }
        said = Instant::now();
        let mut line = format!("{:>4} s ", snapshot.running.as_secs());
        for Stage { name, events, rate, lag, .. } in &snapshot.stages {
            let _ = write!(line, "  {name} {} ({rate:.1}/s", grouped(*events));
            if let Some(lag) = lag {
                let _ = write!(line, ", lag {}", grouped(*lag));
            }
            line.push(')');
        }
        if snapshot.rejected > 0 {
            let _ = write!(line, "  rejected {}", grouped(snapshot.rejected));
        }
        if let Some(backlog) = &snapshot.backlog {
            let _ = write!(line, "  {backlog}");
        }
        println!("{line}");
        if *state != shown {
            println!("        latest_user_state, {} rows: {}", state.count, rows(state));
            shown = state.clone();
        }
    }
}

fn rows(state: &LatestState) -> String {
    let cell = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "null".to_owned());
    let row = |row: &Vec<Option<String>>| row.iter().map(cell).collect::<Vec<_>>().join(" ");
    let rows: Vec<_> = state.rows.iter().map(row).collect();
    rows.join(" | ")
}
