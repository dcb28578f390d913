//! As much of Azure as a program sees of it: identity endpoints, a Key Vault and, behind their real names, Azurite.
//!
//! A Key Vault that can be fetched by a package manager does not exist, so that it is played here, as its
//! documentation has it: the challenge, versions, and how it refuses. Programs reach all of it by the names that Azure
//! has, through a proxy that leads here, and trust it by a certificate authority of the tests' own.

mod certificates;
mod identity;
mod played;
mod sas;
mod vault;

use tokio::process::Command;
use tokio::sync::OnceCell;

use deltawave::offline::{Azurite, Parts, Persistence};

use super::{home, quiet};

pub use certificates::Certificates;
pub use identity::{HEADER, ManagedIdentity, claims, token};
pub use played::{Answer, Asked, Ending, Played, Relay, Tunnel};
pub use sas::{container_sas, sas_until, wrong_sas};
pub use vault::{Held, Vault};

/// Azurite over https, which takes tokens.
pub async fn encrypted_azurite() -> &'static Azurite {
    static SHARED: OnceCell<Azurite> = OnceCell::const_new();
    SHARED
        .get_or_init(async || {
            let (parts, home) = (Parts::locate(), home("azurite-https"));
            let certificate = &Certificates::get().server;
            let started = Azurite::start_encrypted(&parts, &home, Persistence::Memory, certificate, &quiet).await;
            started.unwrap_or_else(|error| panic!("{error}"))
        })
        .await
}

/// Azure as a program is shown it.
pub struct Cloud {
    pub identity: ManagedIdentity,
    pub vault: Vault,
    tunnel: Tunnel,
    /// Blobs and queues, for the test itself.
    relays: Option<[Relay; 2]>,
}

impl Cloud {
    /// A Key Vault and a managed identity that gives tokens for an hour. Blob and queue addresses lead to the Azurite
    /// that takes tokens.
    pub async fn new() -> Cloud {
        let azurite = encrypted_azurite().await;
        let ports = [port(&azurite.blob_endpoint()), port(&azurite.queue_endpoint())];
        let vault = Vault::start().await;
        let tunnel = Tunnel::to(&[
            (".vault.azure.net", vault.port()),
            (".blob.core.windows.net", ports[0]),
            (".queue.core.windows.net", ports[1]),
        ])
        .await;
        let relays = Some([Relay::to(ports[0]).await, Relay::to(ports[1]).await]);
        Cloud { identity: ManagedIdentity::start().await, vault, tunnel, relays }
    }

    /// A Key Vault and a managed identity, and nothing else.
    pub async fn without_storage() -> Cloud {
        let vault = Vault::start().await;
        let tunnel = Tunnel::to(&[(".vault.azure.net", vault.port())]).await;
        Cloud { identity: ManagedIdentity::start().await, vault, tunnel, relays: None }
    }

    /// The same where blob addresses lead to a server of the test's own.
    pub async fn with_blobs_at(server: &Played) -> Cloud {
        let vault = Vault::start().await;
        let tunnel = Tunnel::to(&[(".vault.azure.net", vault.port()), (".blob.core.windows.net", server.port())]).await;
        Cloud { identity: ManagedIdentity::start().await, vault, tunnel, relays: None }
    }

    /// The same where the namespaces of event hubs are a server of the test's own, and nothing else is there.
    pub async fn with_event_hubs_at(server: &Played) -> Cloud {
        let vault = Vault::start().await;
        let tunnel =
            Tunnel::to(&[(".vault.azure.net", vault.port()), (".servicebus.windows.net", server.port())]).await;
        Cloud { identity: ManagedIdentity::start().await, vault, tunnel, relays: None }
    }

    /// A container where programs find it at [`blob_url`], as the test itself reaches it: with the account's key.
    pub fn container(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/devstoreaccount1/{name}", self.relays.as_ref().unwrap()[0].port())
    }

    /// The same of a queue.
    pub fn queue(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/devstoreaccount1/{name}", self.relays.as_ref().unwrap()[1].port())
    }

    /// Shows it to a program, and which vault to use.
    pub fn show(&self, command: &mut Command) {
        self.identity.show(command);
        command
            .env("HTTPS_PROXY", self.tunnel.url())
            .env("NO_PROXY", "127.0.0.1,localhost,.invalid")
            .env("SSL_CERT_FILE", &Certificates::get().authority)
            .env("DELTAWAVE_KEY_VAULT_URL", self.vault.url());
    }
}

/// As Azure addresses a container.
pub fn blob_url(container: &str) -> String {
    format!("https://devstoreaccount1.blob.core.windows.net/{container}")
}

/// As Azure addresses a queue.
pub fn queue_url(queue: &str) -> String {
    format!("https://devstoreaccount1.queue.core.windows.net/{queue}")
}

fn port(url: &str) -> u16 {
    url::Url::parse(url).unwrap().port().unwrap()
}
