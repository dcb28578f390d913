use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::parts::{Part, Parts};
use super::ports::on_free_ports;
use super::prerequisites::{Need, find, prerequisites};
use super::process::{Recipe, User};
use super::service::{Home, Launch, Ready, Service};
use super::unix::Signal;
use super::{OfflineError, Progress, write};

/// Prometheus on this machine, scraping what its configuration says.
#[derive(Debug)]
pub struct Prometheus {
    /// The process: stop it, kill it, start it again.
    pub service: Service,
    port: u16,
}

/// Prometheus' programs: those of this machine, or else Debian's, unpacked and not installed, as its package would start
/// a server of its own.
#[derive(Debug, Clone)]
pub struct PrometheusTools {
    /// The server.
    pub prometheus: PathBuf,
    /// What checks configurations and rules.
    pub promtool: PathBuf,
}

impl PrometheusTools {
    /// Finds them, and fetches them where they are not here.
    ///
    /// # Errors
    /// When they are not here and there is no apt-get to fetch them by.
    pub async fn get(parts: &Parts, progress: Progress<'_>) -> Result<Self, OfflineError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        if let Some((prometheus, promtool)) = find("prometheus", &path).zip(find("promtool", &path)) {
            return Ok(PrometheusTools { prometheus, promtool });
        }
        if find("apt-get", &path).is_none() {
            prerequisites(&[Need::Prometheus])?;
        }
        let programs = parts.get(Part::Prometheus, progress).await?.join("usr/bin");
        Ok(PrometheusTools { prometheus: programs.join("prometheus"), promtool: programs.join("promtool") })
    }
}

impl Prometheus {
    /// Starts one on a free port with that configuration, its data and its log in the directory.
    pub async fn start(
        parts: &Parts,
        directory: &Path,
        configuration: &str,
        progress: Progress<'_>,
    ) -> Result<Self, OfflineError> {
        let program = PrometheusTools::get(parts, progress).await?.prometheus;
        let home = Home::make(directory)?;
        let file = home.directory.join("prometheus.yml");
        write(&file, configuration)?;
        let (service, [port]) = on_free_ports(|[port]| {
            let recipe = Recipe {
                program: program.clone(),
                arguments: vec![
                    format!("--config.file={}", file.display()).into(),
                    format!("--storage.tsdb.path={}", home.directory.join("data").display()).into(),
                    format!("--web.listen-address={}:{port}", Ipv4Addr::LOCALHOST).into(),
                ],
                set: Vec::new(),
                unset: Vec::new(),
                directory: home.directory.clone(),
                user: User::Ours,
                stop: Signal::Terminate,
                grace: Duration::from_secs(10),
            };
            Ok(Launch {
                name: "Prometheus",
                recipe,
                ready: Ready::Says("Server is ready to receive web requests"),
                settling: None,
                log: home.log.clone(),
            })
        })
        .await?;
        Ok(Prometheus { service, port })
    }

    /// Where it answers: `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("{}:{}", Ipv4Addr::LOCALHOST, self.port)
    }
}
