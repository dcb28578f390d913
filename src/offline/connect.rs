use std::path::Path;

use super::java;
use super::parts::{Part, Parts};
use super::ports::on_free_ports;
use super::service::{Home, Launch, Ready, Service};
use super::{OfflineError, Progress, write};

/// Kafka Connect's own runtime on this machine, with Debezium's connector for PostgreSQL: one worker that runs one
/// connector and remembers in a file how far it is.
#[derive(Debug)]
pub struct Connect {
    /// The process: stop it, kill it, start it again.
    pub service: Service,
}

const WORKER: &str = "worker.properties";
const CONNECTOR: &str = "connector.properties";
/// The one line below a warning that is waited for.
const LOG_STARTED: &str = "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.connect.runtime.Connect=info";

impl Connect {
    /// Starts it at a broker, its offsets, settings and log in the directory, with a connector of these settings.
    pub async fn start(
        parts: &Parts,
        directory: &Path,
        bootstrap: &str,
        connector: &[(&str, &str)],
        progress: Progress<'_>,
    ) -> Result<Self, OfflineError> {
        let libraries = parts.get(Part::Connect, progress).await?.join("libs/*");
        let home = Home::make(directory)?;
        let (worker, settings) = (home.directory.join(WORKER), home.directory.join(CONNECTOR));
        write(&settings, &lines(connector))?;
        let offsets = home.directory.join("offsets").display().to_string();
        let (service, [_]) = on_free_ports(|[port]| {
            let converter = "org.apache.kafka.connect.json.JsonConverter";
            let listener = format!("http://127.0.0.1:{port}");
            write(
                &worker,
                &lines(&[
                    ("bootstrap.servers", bootstrap),
                    ("listeners", &listener),
                    ("key.converter", converter),
                    ("value.converter", converter),
                    ("offset.storage.file.filename", &offsets),
                    ("offset.flush.interval.ms", "500"),
                    // Everything stands on the class path, and says what it is.
                    ("plugin.discovery", "service_load"),
                ]),
            )?;
            let mut arguments =
                java::of_kafka(&libraries, LOG_STARTED, "org.apache.kafka.connect.cli.ConnectStandalone");
            arguments.extend([worker.clone().into(), settings.clone().into()]);
            let recipe = java::recipe(arguments, &home.directory);
            Ok(Launch {
                name: "Kafka Connect",
                recipe,
                ready: Ready::Says("Kafka Connect started"),
                settling: None,
                log: home.log.clone(),
            })
        })
        .await?;
        Ok(Connect { service })
    }
}

fn lines(settings: &[(&str, &str)]) -> String {
    settings.iter().map(|(name, value)| format!("{name}={value}\n")).collect()
}
