use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::OfflineError;
use super::ports::on_free_ports;
use super::prerequisites::find;
use super::process::{Recipe, User};
use super::service::{Home, Launch, Ready, Service};
use super::unix::Signal;

/// Below this, the compactor refuses its default cache size when it starts.
const ROOMY_BYTES: u64 = 8 << 30;
const SMALL_COMPACTOR_CACHE_BYTES: u64 = 64 << 20;

/// RisingWave as one process, for SQL on loopback.
///
/// Its inner ports (5688, 5690, 5691, 6660) cannot be chosen: a second one on the same machine ends at its start, and
/// the error quotes which port was taken. Before 2.7 its tables refuse changes after a graceful stop until `RECOVER`.
#[derive(Debug)]
pub struct RisingWave {
    /// The process: stop it, kill it, start it again.
    pub service: Service,
    port: u16,
}

impl RisingWave {
    /// The `risingwave` that a shell would run.
    pub fn find_on_path() -> Option<PathBuf> {
        find("risingwave", &std::env::var_os("PATH").unwrap_or_default())
    }

    /// Starts one with its store in the directory and so much memory for all its parts together.
    ///
    /// Settings of other RisingWave servers in our environment (`RW_…`) are kept from it: they could lead it to a store
    /// that is not on this machine.
    pub async fn start(program: &Path, directory: &Path, memory_bytes: u64) -> Result<Self, OfflineError> {
        let home = Home::make(directory)?;
        let mut set = Vec::new();
        if memory_bytes < ROOMY_BYTES {
            set.push(("RW_COMPACTOR_META_CACHE_MEMORY_BYTES", SMALL_COMPACTOR_CACHE_BYTES.to_string()));
        }
        let theirs = |name: &OsString| {
            let name = name.to_string_lossy();
            name.starts_with("RW_") && !set.iter().any(|(ours, _)| *ours == name)
        };
        let unset: Vec<OsString> = std::env::vars_os().map(|(name, _)| name).filter(theirs).collect();
        let (service, [port]) = on_free_ports(|[port]| {
            let arguments: Vec<OsString> = vec![
                "single_node".into(),
                "--store-directory".into(),
                home.directory.join("store").into(),
                "--total-memory-bytes".into(),
                memory_bytes.to_string().into(),
                "--listen-addr".into(),
                format!("127.0.0.1:{port}").into(),
            ];
            let recipe = Recipe {
                program: program.to_owned(),
                arguments,
                set: set.clone(),
                unset: unset.clone(),
                directory: home.directory.clone(),
                user: User::Ours,
                stop: Signal::Terminate,
                grace: Duration::from_secs(10),
            };
            Ok(Launch {
                name: "RisingWave",
                recipe,
                ready: Ready::Listens(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
                settling: None,
                log: home.log.clone(),
            })
        })
        .await?;
        Ok(Self { service, port })
    }

    /// `postgresql://root@127.0.0.1:PORT/dev`
    pub fn url(&self) -> String {
        format!("postgresql://root@127.0.0.1:{}/dev", self.port)
    }
}
