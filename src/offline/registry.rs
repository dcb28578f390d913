use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use super::java;
use super::parts::{Part, Parts};
use super::ports::on_free_ports;
use super::service::{Home, Launch, Ready, Service};
use super::{OfflineError, Progress};

/// Apicurio Registry on this machine, its schemas in memory: a schema registry that speaks Confluent's API.
#[derive(Debug)]
pub struct Registry {
    /// The process: stop it, kill it, start it again. It forgets its schemas then.
    pub service: Service,
    port: u16,
}

impl Registry {
    /// Starts one on a free port, its log in the directory.
    pub async fn start(parts: &Parts, directory: &Path, progress: Progress<'_>) -> Result<Self, OfflineError> {
        let program = parts.get(Part::Registry, progress).await?.join("app/apicurio-registry-app-3.0.9-runner.jar");
        let home = Home::make(directory)?;
        let (service, [port]) = on_free_ports(|[port]| {
            let arguments = java::arguments([
                "-Dquarkus.http.host=127.0.0.1".into(),
                format!("-Dquarkus.http.port={port}").into(),
                "-Dquarkus.log.level=WARN".into(),
                "-jar".into(),
                program.clone().into_os_string(),
            ]);
            let recipe = java::recipe(arguments, &home.directory);
            Ok(Launch {
                name: "Apicurio Registry",
                recipe,
                ready: Ready::Listens(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
                settling: None,
                log: home.log.clone(),
            })
        })
        .await?;
        Ok(Registry { service, port })
    }

    /// Where it speaks Confluent's API: `http://127.0.0.1:PORT/apis/ccompat/v7`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/apis/ccompat/v7", self.port)
    }
}
