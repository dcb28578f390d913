use std::path::Path;
use std::time::Duration;

use super::parts::{Part, Parts};
use super::ports::on_free_ports;
use super::process::{Recipe, User};
use super::service::{Home, Launch, Ready, Service};
use super::unix::Signal;
use super::{OfflineError, Persistence, Progress};

/// The account every Azurite has; its key is well known and no secret.
const ACCOUNT: &str = "devstoreaccount1";

/// Azure Blob and Queue storage on this machine, over plain http on loopback.
#[derive(Debug)]
pub struct Azurite {
    /// The process: stop it, kill it, start it again.
    pub service: Service,
    blob: u16,
    queue: u16,
}

impl Azurite {
    /// Starts one on free ports, its data and log in the directory. With [`Persistence::Memory`] a stop loses the data.
    pub async fn start(
        parts: &Parts,
        directory: &Path,
        persistence: Persistence,
        progress: Progress<'_>,
    ) -> Result<Self, OfflineError> {
        let program = parts.get(Part::Azurite, progress).await?.join("node_modules/azurite/dist/src/azurite.js");
        let home = Home::make(directory)?;
        let (service, [blob, queue]) = on_free_ports(|[blob, queue]| {
            let mut arguments = vec![program.clone().into_os_string()];
            for (flag, value) in [
                ("--blobHost", "127.0.0.1"),
                ("--blobPort", &blob.to_string()),
                ("--queueHost", "127.0.0.1"),
                ("--queuePort", &queue.to_string()),
                // Nobody asks for tables, but Azurite cannot do without them.
                ("--tableHost", "127.0.0.1"),
                ("--tablePort", "0"),
            ] {
                arguments.extend([flag.into(), value.into()]);
            }
            arguments.extend(["--disableTelemetry".into(), "--silent".into()]);
            match persistence {
                Persistence::Memory => arguments.push("--inMemoryPersistence".into()),
                Persistence::Directory => arguments.extend(["--location".into(), (&home.directory).into()]),
            }
            let recipe = Recipe {
                program: "node".into(),
                arguments,
                set: Vec::new(),
                unset: Vec::new(),
                directory: home.directory.clone(),
                user: User::Ours,
                stop: Signal::Interrupt,
                grace: Duration::from_secs(5),
            };
            Ok(Launch {
                name: "Azurite",
                recipe,
                // The tables are the last to start.
                ready: Ready::Says("Azurite Table service is successfully listening"),
                settling: None,
                log: home.log.clone(),
            })
        })
        .await?;
        Ok(Self { service, blob, queue })
    }

    /// `http://127.0.0.1:PORT/devstoreaccount1`
    pub fn blob_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/{ACCOUNT}", self.blob)
    }

    /// The same form as the blob endpoint, with a port of its own.
    pub fn queue_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/{ACCOUNT}", self.queue)
    }
}
