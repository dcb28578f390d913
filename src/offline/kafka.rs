use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use super::parts::{Part, Parts};
use super::ports::{free_ports, on_free_ports};
use super::process::{Recipe, User};
use super::service::{Home, Launch, Ready, Service};
use super::unix::Signal;
use super::{OfflineError, Progress};

/// The node that is its own controller never meets another, so that all of them may have one name.
const CLUSTER_ID: &str = "ZGVsdGF3YXZlLW9mZmxpbg";

/// A single Apache Kafka node on this machine, its own controller (KRaft), without authentication.
/// Topics are not made by use: create them.
#[derive(Debug)]
pub struct Kafka {
    /// The process: stop it, kill it, start it again.
    pub service: Service,
    port: u16,
}

impl Kafka {
    /// Starts one on free ports, its data, settings and log in the directory, where it finds its data again.
    pub async fn start(parts: &Parts, directory: &Path, progress: Progress<'_>) -> Result<Self, OfflineError> {
        let libraries = parts.get(Part::Kafka, progress).await?.join("libs/*");
        let home = Home::make(directory)?;
        let data = home.directory.join("data");
        let settings = home.directory.join("server.properties");
        let java = |main: &str| -> Vec<OsString> {
            // For a short life with little to do: the quick compiler and the plain collector start fastest.
            let flags = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", LOG_LEVEL, LOG_STARTED, "-cp"];
            let mut arguments: Vec<OsString> = flags.map(OsString::from).to_vec();
            arguments.extend([libraries.clone().into(), main.into()]);
            arguments
        };
        if !data.join("meta.properties").is_file() {
            // The ports count from each start anew; formatting only wants to see some.
            write(&settings, &properties(&data, free_ports()?))?;
            let mut arguments = java("kafka.tools.StorageTool");
            arguments.extend(["format", "--standalone", "-t", CLUSTER_ID, "-c"].map(OsString::from));
            arguments.push(settings.clone().into());
            format(&arguments).await?;
        }
        let (service, [port, _]) = on_free_ports(|ports| {
            write(&settings, &properties(&data, ports))?;
            let mut arguments = java("kafka.Kafka");
            arguments.push(settings.clone().into());
            let recipe = Recipe {
                program: "java".into(),
                arguments,
                set: Vec::new(),
                unset: Vec::new(),
                directory: home.directory.clone(),
                user: User::Ours,
                stop: Signal::Terminate,
                grace: Duration::from_secs(10),
            };
            Ok(Launch {
                name: "Kafka",
                recipe,
                ready: Ready::Says("Kafka Server started"),
                settling: None,
                log: home.log.clone(),
            })
        })
        .await?;
        Ok(Self { service, port })
    }

    /// `127.0.0.1:PORT`
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

const LOG_LEVEL: &str = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn";
/// The one line below a warning that is waited for.
const LOG_STARTED: &str = "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info";

/// Prepares an empty data directory.
async fn format(arguments: &[OsString]) -> Result<(), OfflineError> {
    let program = "java kafka.tools.StorageTool format";
    let output = Command::new("java")
        .args(arguments)
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|source| OfflineError::Run { program: program.to_owned(), source })?;
    if output.status.success() {
        return Ok(());
    }
    Err(OfflineError::Command {
        program: program.to_owned(),
        status: output.status.to_string(),
        output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

fn write(file: &Path, text: &str) -> Result<(), OfflineError> {
    fs::write(file, text).map_err(OfflineError::file("write", file))
}

/// One node, so one replica of everything, few internal partitions, and nobody to wait for when a group forms.
/// A killed node is only let back in when its session has ended: 3 s, not the 9 s that a cluster needs.
fn properties(data: &Path, [port, controller]: [u16; 2]) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
",
        data = data.display()
    )
}
