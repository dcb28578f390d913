//! How fast one core reads files and maps their records to rows.

use time::Duration;

use super::place::{Place, container};
use super::program::{LOADER, children_cpu, program, timed};
use super::report::{Report, median, rate};
use super::{Outcome, data};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Events to read
    #[arg(long, default_value_t = 3_000_000)]
    events: i64,
    /// Runs, of which the median counts
    #[arg(long, default_value_t = 5)]
    repeat: usize,
    /// The core to run on
    #[arg(long, default_value_t = 0)]
    core: usize,
}

/// Events in a file: about 45 MB uncompressed.
const FILE: i64 = 250_000;

pub async fn run(args: &Args) -> Outcome<Report> {
    let place = Place::new()?;
    let mut report = Report::default();
    for (codec, deflate, target) in [("null", false, 2e6), ("deflate", true, 1.2e6)] {
        let directory = place.path(codec).display().to_string();
        let files = container(&directory).await?;
        // Nobody looks at the sequence numbers here: one content does for all files.
        let content = data::content(0, FILE, deflate)?;
        let count = args.events.div_euclid(FILE).max(1);
        for file in 0..count {
            files.create(&data::name(0, data::EPOCH + Duration::minutes(file))?, content.clone()).await?;
        }
        let events = (count * FILE) as f64;
        let core = args.core.to_string();
        let (mut by_clock, mut by_cpu) = (Vec::new(), Vec::new());
        for _ in 0..args.repeat {
            let before = children_cpu()?;
            let dry = ["-c", &core, LOADER, "--dry-run", "--parallel-files", "1", "--blob", &directory, "--log", "off"];
            let took = timed(program("taskset", &dry)).await?;
            by_clock.push(events / took.as_secs_f64());
            by_cpu.push(events / (children_cpu()? - before).as_secs_f64());
        }
        report.note(format!("{codec}: events by the clock, core shared"), rate(median(&by_clock)));
        // What else runs on the core is not the loader's.
        report.at_least(format!("{codec}: events a second of the core"), median(&by_cpu), target, rate);
    }
    Ok(report)
}
