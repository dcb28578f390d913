//! Programs under measurement.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use super::Outcome;

/// The `loader` of this build.
pub const LOADER: &str = env!("CARGO_BIN_EXE_loader");

/// A program with these arguments, and none of the settings this process may have in its environment.
pub fn program(path: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(path);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DELTAWAVE_")) {
        command.env_remove(name);
    }
    command
}

/// How long a program takes from its start to its good end.
pub async fn timed(mut command: Command) -> Outcome<Duration> {
    let began = Instant::now();
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?.wait_with_output().await?;
    let took = began.elapsed();
    if output.status.success() {
        return Ok(took);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let tail = said.char_indices().rev().nth(2000).map_or(0, |(at, _)| at);
    Err(format!("a program under measurement ended with {}: {}", output.status, &said[tail..]).into())
}

/// A loader that keeps running; it ends with the value.
pub fn background(arguments: &[&str]) -> Outcome<Child> {
    Ok(program(LOADER, arguments).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn()?)
}

/// A loader that keeps running and says at an address how it does.
pub async fn observed(arguments: &[&str]) -> Outcome<(Child, Metrics)> {
    let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let child = background(&[arguments, &["--http", &address.to_string()]].concat())?;
    Ok((child, Metrics(address)))
}

/// Where a loader says how it does.
#[derive(Debug, Clone, Copy)]
pub struct Metrics(SocketAddr);

/// Observations of a histogram without labels, or of all of its labels together.
#[derive(Debug, Clone, Copy)]
pub struct Observed {
    pub count: u64,
    /// Of all of them.
    pub seconds: f64,
}

impl Observed {
    pub fn mean(self) -> f64 {
        self.seconds / self.count.max(1) as f64
    }
}

impl Metrics {
    /// What it observed so far; an error as long as it does not listen or has observed nothing.
    pub async fn observed(self, name: &str) -> Outcome<Observed> {
        let mut stream = TcpStream::connect(self.0).await?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        let sum = |suffix: &str| {
            let values = text.lines().filter_map(|line| {
                let rest = line.strip_prefix(name)?.strip_prefix(suffix)?;
                rest.starts_with([' ', '{']).then(|| rest.rsplit_once(' ')?.1.parse::<f64>().ok())?
            });
            values.reduce(|sum, value| sum + value).ok_or_else(|| format!("no {name}{suffix} yet"))
        };
        Ok(Observed { count: sum("_count")? as u64, seconds: sum("_sum")? })
    }
}

/// A field of `/proc/PID/status`, in MiB.
pub fn status_mib(child: &Child, field: &str) -> Outcome<f64> {
    let id = child.id().ok_or("the loader has ended")?;
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).ok_or_else(|| format!("no {field}"))?;
    let kib: f64 = line.trim_matches([':', '\t', ' ']).trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}

/// User and system time of all children that have ended so far, in hundredths of a second as Linux counts it.
pub fn children_cpu() -> Outcome<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The second field, the program's name, may hold spaces but ends with the last parenthesis.
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields).ok_or("/proc/self/stat has another form")?;
    let ticks: u64 = fields.split_whitespace().skip(13).take(2).map(|ticks| ticks.parse().unwrap_or(0)).sum();
    Ok(Duration::from_millis(ticks * 10))
}
