//! The port by which clients come in: open only while the store is set up and there is a certificate to show.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::certificate::CertificateError;
use super::greeting::serve;
use super::health::Health;
use super::keeper::Keeper;
use super::passage::Passage;
use crate::azure::identity::Identity;
use crate::settings::FrontSettings;

/// Why nobody is let in.
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    /// The address is taken or not of this machine.
    #[error("cannot listen on {address} (--listen); choose a free address of this machine: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The certificate or its key is of no use.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// The port while it is closed, and what is needed to open it.
pub(super) struct Front {
    listen: SocketAddr,
    most: usize,
    passage: Arc<Passage>,
    health: Arc<Health>,
}

impl Front {
    /// Listens to nobody yet.
    ///
    /// # Errors
    /// When it could not open: better told now than when the store is up.
    pub(super) async fn new(
        settings: &FrontSettings,
        identity: &Arc<Identity>,
        health: Arc<Health>,
        reread: Duration,
    ) -> Result<Self, FrontError> {
        let address = settings.listen;
        let listen = |source| FrontError::Listen { address, source };
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(listen)?;
        socket.set_reuseaddr(true).map_err(listen)?;
        // Bound and never listening: a client is refused.
        socket.bind(address).map_err(listen)?;
        let keeper = Keeper::open(&settings.certificate, identity, &health, reread).await?;
        let passage = Arc::new(Passage { store: settings.store.clone(), keeper });
        Ok(Front { listen: address, most: usize::from(settings.clients), passage, health })
    }

    /// Looks after the certificate, whether or not the store is there. Never ends.
    pub(super) async fn keep_certificate(&self) -> Infallible {
        self.passage.keeper.keep().await
    }

    /// The port, if there is a certificate. From now on it takes clients, whom [`serve`](Self::serve) lets in.
    ///
    /// # Errors
    /// When the address is taken.
    pub(super) async fn open(&self) -> Result<Option<TcpListener>, FrontError> {
        if !*self.passage.keeper.usable().borrow() {
            return Ok(None);
        }
        let address = self.listen;
        let listen = |source| FrontError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let bound = listener.local_addr().map_err(listen)?;
        self.health.front(Some(bound));
        tracing::info!(address = %bound, "letting clients in by TLS");
        Ok(Some(listener))
    }

    /// Lets clients in, whenever there is a certificate. Dropped, it closes the port and cuts off every client.
    ///
    /// # Errors
    /// When the address is taken.
    pub(super) async fn serve(&self, mut listener: Option<TcpListener>) -> Result<Infallible, FrontError> {
        const REMIND: Duration = Duration::from_secs(60);
        let _shut = Shut(&self.health);
        let mut usable = self.passage.keeper.usable();
        let places = Arc::new(Semaphore::new(self.most));
        let mut clients = JoinSet::new();
        let mut reminded: Option<Instant> = None;
        loop {
            // What changed since it was opened counts as a change.
            if *usable.borrow_and_update() != listener.is_some() {
                listener = match listener.take() {
                    None => self.open().await?,
                    Some(_) => {
                        tracing::warn!("letting nobody else in: the certificate has run out");
                        self.health.front(None);
                        None
                    }
                };
            }
            let accepted = tokio::select! {
                accepted = accept(listener.as_ref()) => accepted,
                Some(_) = clients.join_next() => {
                    self.health.clients(clients.len());
                    continue;
                }
                _ = usable.changed() => continue,
            };
            let (client, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Of one client, or too many files are open: either passes.
                    tracing::debug!(%error, "a client was lost");
                    sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                if reminded.is_none_or(|last| last.elapsed() > REMIND) {
                    reminded = Some(Instant::now());
                    tracing::warn!(%peer, "{} clients are connected: more are turned away", self.most);
                }
                continue;
            };
            let passage = Arc::clone(&self.passage);
            clients.spawn(async move {
                let _place = place;
                match serve(client, &passage).await {
                    Ok(()) => tracing::debug!(%peer, "a client left"),
                    Err(reason) => tracing::debug!(%peer, "a client was turned away or lost: {reason}"),
                }
            });
            self.health.clients(clients.len());
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

/// Says that the port is closed, however it came to be.
struct Shut<'f>(&'f Health);

impl Drop for Shut<'_> {
    fn drop(&mut self) {
        self.0.front(None);
        self.0.clients(0);
    }
}
