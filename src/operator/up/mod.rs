//! The whole pipeline on this machine: components, tables, the three programs, a live screen, a check at the end.

mod check;
mod components;
mod error;
mod page;
mod pipeline;
mod plain;
mod screen;
mod sent;
mod view;

use std::io::IsTerminal as _;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use error::UpError;

use crate::base::LogTail;
use crate::service::Exit;
use crate::settings::UpSettings;
use components::Components;
use pipeline::{Ended, Pipeline};

/// How a run is shown.
#[derive(Debug, Clone)]
pub enum Live {
    /// A screen that changes, with the log's last lines in it.
    Screen(Arc<LogTail>),
    /// A line now and then.
    Lines,
}

impl Live {
    /// A screen where there is a terminal to draw it on, unless plain lines are asked for.
    pub fn choose(plain: bool) -> Self {
        let terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
        if terminal && !plain { Live::Screen(Arc::default()) } else { Live::Lines }
    }
}

/// Runs the pipeline until it is told to stop or, with `exit`, until all events have arrived.
///
/// # Errors
/// When a component does not start or dies, or a program fails. Everything that was started is stopped either way.
pub async fn up(settings: UpSettings, live: Live, shutdown: CancellationToken) -> Result<Exit, UpError> {
    let mut components = tokio::select! {
        components = Components::start(&settings) => components?,
        () = shutdown.cancelled() => return Ok(Exit::Failed),
    };
    let result = run(&settings, &live, &mut components, shutdown).await;
    components.stop().await;
    result
}

async fn run(
    settings: &UpSettings,
    live: &Live,
    components: &mut Components,
    shutdown: CancellationToken,
) -> Result<Exit, UpError> {
    let session = components.prepare(settings, &shutdown).await?;
    let pipeline = Pipeline::new(settings, components).await?;
    let page = page::serve(settings, &pipeline).await?;
    let facts = components.facts(&session, page);
    print!("{facts}");
    let start = check::Start::take(&pipeline, components).await?;
    let ended = {
        let running = pipeline.run(&shutdown);
        let died = components.died();
        let show = async {
            match live {
                Live::Screen(log) => screen::show(&pipeline, &session, &facts, log, &shutdown).await,
                Live::Lines => plain::show(&pipeline, &session).await,
            }
        };
        // Showing ends with what it shows.
        tokio::select! {
            ended = running => ended?,
            error = died => return Err(error.into()),
            never = show => match never? {},
        }
    };
    println!("{}", view::summary(&pipeline));
    if ended == Ended::Interrupted || !settings.exit {
        return Ok(Exit::Done);
    }
    let report = start.compare(&pipeline, components, &session).await?;
    println!("{report}");
    Ok(if report.agrees() { Exit::Done } else { Exit::Failed })
}
