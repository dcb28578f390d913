use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use super::certificates::Authority;
use super::java;
use super::parts::{Part, Parts};
use super::ports::{free_ports, on_free_ports};
use super::service::{Home, Launch, Ready, Service};
use super::{OfflineError, Progress, write};
use crate::base::Secret;

/// The node that is its own controller never meets another, so that all of them may have one name.
const CLUSTER_ID: &str = "ZGVsdGF3YXZlLW9mZmxpbg";

/// A single Apache Kafka node on this machine, its own controller (KRaft), without authentication.
/// Topics are not made by use: create them.
#[derive(Debug)]
pub struct Kafka {
    /// The process: stop it, kill it, start it again.
    pub service: Service,
    port: u16,
    locked: Option<Locked>,
    /// Jars, for Kafka's own tools.
    libraries: PathBuf,
}

/// How a second listener, over TLS, lets clients in: as the Kafka endpoint of Event Hubs does.
#[derive(Debug, Clone)]
pub struct Lock {
    /// The password of the user `$ConnectionString` (PLAIN).
    pub connection_string: Secret,
    /// Who may use the topics by a token (OAUTHBEARER, unsigned): its `sub`.
    pub admitted: String,
    /// How long a connection may live until it has to show what it has once more.
    pub reauthenticate: Duration,
}

#[derive(Debug)]
struct Locked {
    port: u16,
    directory: PathBuf,
    lock: Lock,
    ports: [u16; 3],
}

impl Kafka {
    /// Starts one on free ports, its data, settings and log in the directory, where it finds its data again.
    pub async fn start(parts: &Parts, directory: &Path, progress: Progress<'_>) -> Result<Self, OfflineError> {
        Self::start_with(parts, directory, None, progress).await
    }

    /// The same with a second listener, which is locked. The first one stays open to everybody.
    pub async fn start_locked(
        parts: &Parts,
        directory: &Path,
        lock: Lock,
        progress: Progress<'_>,
    ) -> Result<Self, OfflineError> {
        Self::start_with(parts, directory, Some(lock), progress).await
    }

    async fn start_with(
        parts: &Parts,
        directory: &Path,
        lock: Option<Lock>,
        progress: Progress<'_>,
    ) -> Result<Self, OfflineError> {
        let libraries = parts.get(Part::Kafka, progress).await?.join("libs/*");
        let home = Home::make(directory)?;
        let data = home.directory.join("data");
        let settings = home.directory.join(SETTINGS);
        if !data.join("meta.properties").is_file() {
            // The ports count from each start anew; formatting only wants to see some.
            write(&settings, &properties(&home.directory, free_ports()?, lock.as_ref()))?;
            let mut arguments = java::of_kafka(&libraries, LOG_STARTED, "kafka.tools.StorageTool");
            arguments.extend(["format", "--standalone", "-t", CLUSTER_ID, "-c"].map(OsString::from));
            arguments.push(settings.clone().into());
            tool("java kafka.tools.StorageTool format", &arguments).await?;
        }
        if lock.is_some() {
            let authority = Authority::new("deltawave offline authority")?;
            let issued = authority.issue(&["localhost", "127.0.0.1"])?;
            write(&home.directory.join(AUTHORITY), &authority.pem()?)?;
            // Kafka wants both in one file.
            write(&home.directory.join(SERVER), &(issued.key + &issued.certificate))?;
        }
        let (service, ports) = on_free_ports(|ports| {
            write(&settings, &properties(&home.directory, ports, lock.as_ref()))?;
            let mut arguments = java::of_kafka(&libraries, LOG_STARTED, "kafka.Kafka");
            arguments.push(settings.clone().into());
            let recipe = java::recipe(arguments, &home.directory);
            Ok(Launch {
                name: "Kafka",
                recipe,
                ready: Ready::Says("Kafka Server started"),
                settling: None,
                log: home.log.clone(),
            })
        })
        .await?;
        let [port, _, locked] = ports;
        let locked = lock.map(|lock| Locked { port: locked, directory: home.directory, lock, ports });
        Ok(Self { service, port, locked, libraries })
    }

    /// `127.0.0.1:PORT`
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The address of the locked listener and the file with the authority to trust, if there is one.
    pub fn locked(&self) -> Option<(String, PathBuf)> {
        let locked = self.locked.as_ref()?;
        Some((format!("127.0.0.1:{}", locked.port), locked.directory.join(AUTHORITY)))
    }

    /// Starts the node again with another password. Does nothing to one without a locked listener.
    pub async fn change_password(&mut self, connection_string: Secret) -> Result<(), OfflineError> {
        let Some(locked) = &mut self.locked else { return Ok(()) };
        locked.lock.connection_string = connection_string;
        let text = properties(&locked.directory, locked.ports, Some(&locked.lock));
        write(&locked.directory.join(SETTINGS), &text)?;
        self.service.restart().await
    }

    /// Lets every user send so many bytes a second and no more; Kafka delays the answers to those who send more.
    pub async fn limit_sending(&self, bytes_per_second: u32) -> Result<(), OfflineError> {
        let (bootstrap, rate) = (self.bootstrap(), format!("producer_byte_rate={bytes_per_second}"));
        let mut arguments = java::of_kafka(&self.libraries, LOG_STARTED, "kafka.admin.ConfigCommand");
        arguments.extend(["--bootstrap-server".into(), bootstrap.into()]);
        arguments.extend(["--alter", "--entity-default", "--entity-type", "users"].map(OsString::from));
        arguments.extend(["--add-config".into(), rate.into()]);
        tool("java kafka.admin.ConfigCommand", &arguments).await
    }
}

const SETTINGS: &str = "server.properties";
const AUTHORITY: &str = "authority.pem";
const SERVER: &str = "server.pem";

/// The one line below a warning that is waited for.
const LOG_STARTED: &str = "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info";

/// Runs one of Kafka's own tools to its end.
async fn tool(program: &str, arguments: &[OsString]) -> Result<(), OfflineError> {
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

/// One node, so one replica of everything, few internal partitions, and nobody to wait for when a group forms.
/// A killed node is only let back in when its session has ended: 3 s, not the 9 s that a cluster needs.
fn properties(directory: &Path, [port, controller, locked]: [u16; 3], lock: Option<&Lock>) -> String {
    let (mut listeners, mut more) = (String::new(), String::new());
    if let Some(lock) = lock {
        listeners = format!(",LOCKED://127.0.0.1:{locked}");
        more = lock.properties(directory);
    }
    format!(
        "process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{listeners}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{listeners}
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
{more}",
        data = directory.join("data").display()
    )
}

impl Lock {
    /// PLAIN and OAUTHBEARER over TLS on the listener LOCKED, and rights for the users who should have some.
    fn properties(&self, directory: &Path) -> String {
        let Lock { connection_string, admitted, reauthenticate } = self;
        let connection_string = connection_string.expose();
        format!(
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LOCKED:SASL_SSL
inter.broker.listener.name=PLAINTEXT
listener.name.locked.ssl.keystore.type=PEM
listener.name.locked.ssl.keystore.location={server}
listener.name.locked.sasl.enabled.mechanisms=PLAIN,OAUTHBEARER
listener.name.locked.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
    \"user_$ConnectionString\"=\"{connection_string}\";
listener.name.locked.oauthbearer.sasl.jaas.config=\
    org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;
listener.name.locked.connections.max.reauth.ms={milliseconds}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:$ConnectionString;User:{admitted}
",
            server = directory.join(SERVER).display(),
            milliseconds = reauthenticate.as_millis()
        )
    }
}
