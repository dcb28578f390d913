//! The live screen.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Alignment, Constraint, Layout};
use ratatui::style::{Color, Modifier, Style, Stylize as _};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table};
use ratatui::{DefaultTerminal, Frame};
use tokio_util::sync::CancellationToken;

use super::components::Facts;
use super::error::UpError;
use super::pipeline::Pipeline;
use super::view::{LatestState, Meter, STATE_ROWS, Snapshot, Stage, Watch, grouped};
use crate::base::LogTail;
use crate::store::Session;

const EVERY: Duration = Duration::from_millis(250);

/// Draws until it is dropped, and gives the terminal back then. In raw mode Ctrl-C is a key like others: it and `q`
/// cancel `shutdown`.
///
/// # Errors
/// When the terminal cannot be drawn on or the store cannot be asked.
pub(super) async fn show(
    pipeline: &Pipeline,
    session: &Session,
    facts: &Facts,
    log: &LogTail,
    shutdown: &CancellationToken,
) -> Result<Infallible, UpError> {
    let mut screen = Screen::open(shutdown).map_err(UpError::Terminal)?;
    let (mut meter, mut watch) = (Meter::new(pipeline), Watch::default());
    loop {
        let snapshot = meter.read(pipeline);
        let state = watch.read(session).await?;
        let stopping = shutdown.is_cancelled();
        screen
            .terminal
            .draw(|frame| draw(frame, &snapshot, state, facts, &log.lines(), stopping))
            .map_err(UpError::Terminal)?;
        tokio::time::sleep(EVERY).await;
    }
}

struct Screen {
    terminal: DefaultTerminal,
    open: Arc<AtomicBool>,
}

impl Screen {
    fn open(shutdown: &CancellationToken) -> std::io::Result<Self> {
        let terminal = ratatui::try_init()?;
        let open = Arc::new(AtomicBool::new(true));
        let (still_open, shutdown) = (open.clone(), shutdown.clone());
        std::thread::spawn(move || watch_keys(&still_open, &shutdown));
        Ok(Screen { terminal, open })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.open.store(false, Ordering::Relaxed);
        ratatui::restore();
    }
}

fn watch_keys(open: &AtomicBool, shutdown: &CancellationToken) {
    while open.load(Ordering::Relaxed) {
        match event::poll(Duration::from_millis(100)) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(_) => return,
        }
        if let Ok(Event::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press, .. })) = event::read() {
            let control_c = code == KeyCode::Char('c') && modifiers.contains(KeyModifiers::CONTROL);
            if control_c || code == KeyCode::Char('q') {
                if shutdown.is_cancelled() {
                    ratatui::restore();
                    std::process::exit(i32::from(crate::service::Exit::Interrupted.code()));
                }
                shutdown.cancel();
            }
        }
    }
}

fn draw(
    frame: &mut Frame<'_>,
    snapshot: &Snapshot,
    state: &LatestState,
    facts: &Facts,
    log: &[String],
    stopping: bool,
) {
    let state_height = u16::try_from(state.rows.len().clamp(3, STATE_ROWS)).unwrap_or(3) + 3;
    let facts = facts.to_string();
    let facts_height = u16::try_from(facts.lines().count()).unwrap_or(7) + 2;
    let [title, pipeline, latest, connect, messages] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(6),
        Constraint::Length(state_height),
        Constraint::Length(facts_height),
        Constraint::Min(3),
    ])
    .areas(frame.area());
    let seconds = snapshot.running.as_secs();
    let clock = format!("running {:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    let hint =
        if stopping { "stopping … (again to stop at once)" } else { "Ctrl-C or q stops everything it started" };
    frame.render_widget(Line::from(vec![" deltawave ".bold().black().on_cyan(), format!("  {clock}").into()]), title);
    frame.render_widget(Line::from(hint).alignment(Alignment::Right).dim(), title);
    frame.render_widget(stages(snapshot), pipeline);
    frame.render_widget(latest_state(state), latest);
    frame.render_widget(Paragraph::new(Text::from(facts)).block(Block::bordered().title(" connect ")), connect);
    let room = usize::from(messages.height.saturating_sub(2));
    let lines: Vec<_> = log[log.len().saturating_sub(room)..].iter().map(|line| Line::from(line.as_str())).collect();
    frame.render_widget(Paragraph::new(lines).dim().block(Block::bordered().title(" log ")), messages);
}

fn stages(snapshot: &Snapshot) -> Table<'_> {
    let right = |text: String| Cell::from(Text::from(text).alignment(Alignment::Right));
    let row = |stage: &Stage| {
        let lag = stage.lag.map_or("–".to_owned(), grouped);
        let lag_style = if stage.lag.is_some_and(|lag| lag as f64 > 10.0 * stage.rate.max(10.0)) {
            Style::new().fg(Color::Yellow)
        } else {
            Style::new()
        };
        let rejected = match stage.name {
            "loader" => grouped(snapshot.rejected),
            _ => "–".to_owned(),
        };
        Row::new([
            Cell::from(stage.name),
            right(grouped(stage.events)),
            right(format!("{:.1}", stage.rate)),
            right(lag).style(lag_style),
            right(stage.files.map_or("–".to_owned(), grouped)),
            right(rejected),
        ])
    };
    let title = match &snapshot.backlog {
        Some(backlog) => format!(" pipeline: {backlog} "),
        None => " pipeline ".to_owned(),
    };
    let header = ["stage", "events", "events/s", "lag", "files", "rejected"];
    let header = header.iter().enumerate().map(
        |(index, name)| {
            if index == 0 { Cell::from(*name) } else { right((*name).to_owned()) }
        },
    );
    Table::new(snapshot.stages.iter().map(row), [10, 14, 12, 12, 12, 12].map(Constraint::Length))
        .header(Row::new(header).style(Style::new().add_modifier(Modifier::BOLD)))
        .block(Block::bordered().title(title))
}

fn latest_state(state: &LatestState) -> Table<'_> {
    let text = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "null".to_owned());
    let rows = state.rows.iter().map(|row| Row::new(row.iter().map(text).collect::<Vec<_>>()));
    let header = Row::new(state.columns.clone()).style(Style::new().add_modifier(Modifier::BOLD));
    let title = match state.rows.len() as i64 {
        shown if shown < state.count => format!(" latest_user_state: first {shown} of {} rows ", state.count),
        shown => format!(" latest_user_state: {shown} rows "),
    };
    Table::new(rows, [10, 20, 6, 10, 20].map(Constraint::Length))
        .header(header)
        .block(Block::bordered().title(title))
        .style(Style::new().fg(Color::Cyan))
}
