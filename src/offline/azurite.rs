use std::path::Path;
use std::time::Duration;

use super::parts::{Part, Parts};
use super::ports::on_free_ports;
use super::process::{Recipe, User};
use super::service::{Home, Launch, Ready, Service};
use super::unix::Signal;
use super::{Issued, OfflineError, Persistence, Progress, write};

/// The account every Azurite has; its key is well known and no secret.
const ACCOUNT: &str = "devstoreaccount1";

/// Azure Blob and Queue storage on this machine, on loopback: over plain http, or over https where it takes tokens.
#[derive(Debug)]
pub struct Azurite {
    /// The process: stop it, kill it, start it again.
    pub service: Service,
    scheme: &'static str,
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
        Self::launch(parts, directory, persistence, None, progress).await
    }

    /// As [`start`](Self::start), over https and open to tokens beside its key: it looks at what they claim, and at no
    /// signature.
    pub async fn start_encrypted(
        parts: &Parts,
        directory: &Path,
        persistence: Persistence,
        certificate: &Issued,
        progress: Progress<'_>,
    ) -> Result<Self, OfflineError> {
        Self::launch(parts, directory, persistence, Some(certificate), progress).await
    }

    async fn launch(
        parts: &Parts,
        directory: &Path,
        persistence: Persistence,
        certificate: Option<&Issued>,
        progress: Progress<'_>,
    ) -> Result<Self, OfflineError> {
        let program = parts.get(Part::Azurite, progress).await?.join("node_modules/azurite/dist/src/azurite.js");
        let home = Home::make(directory)?;
        let files = [home.directory.join("certificate.pem"), home.directory.join("key.pem")];
        if let Some(Issued { certificate, key }) = certificate {
            write(&files[0], certificate)?;
            write(&files[1], key)?;
        }
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
            if certificate.is_some() {
                let [certificate, key] = &files;
                arguments.extend(["--oauth".into(), "basic".into()]);
                arguments.extend(["--cert".into(), certificate.into(), "--key".into(), key.into()]);
            }
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
        let scheme = if certificate.is_some() { "https" } else { "http" };
        Ok(Self { service, scheme, blob, queue })
    }

    /// `http://127.0.0.1:PORT/devstoreaccount1`
    pub fn blob_endpoint(&self) -> String {
        format!("{}://127.0.0.1:{}/{ACCOUNT}", self.scheme, self.blob)
    }

    /// The same form as the blob endpoint, with a port of its own.
    pub fn queue_endpoint(&self) -> String {
        format!("{}://127.0.0.1:{}/{ACCOUNT}", self.scheme, self.queue)
    }
}
