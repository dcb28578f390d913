//! The port by which clients come in: open only while the store is set up.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};

use super::certificate::{Certificate, CertificateError};
use super::greeting::serve;
use super::health::Health;
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
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    listen: SocketAddr,
    store: (String, u16),
    certificate: Certificate,
    clients: usize,
    health: Arc<Health>,
}

impl Front {
    /// Listens to nobody yet.
    ///
    /// # Errors
    /// When it could not open: better told now than when the store is up.
    pub(super) async fn new(settings: &FrontSettings, health: Arc<Health>) -> Result<Self, FrontError> {
        let address = settings.listen;
        let listen = |source| FrontError::Listen { address, source };
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(listen)?;
        socket.set_reuseaddr(true).map_err(listen)?;
        // Bound and never listening: a client is refused.
        socket.bind(address).map_err(listen)?;
        let certificate = Certificate::open(&settings.certificate, &settings.key).await?;
        let shared = Shared {
            listen: address,
            store: settings.store.clone(),
            certificate,
            clients: usize::from(settings.clients),
            health,
        };
        Ok(Front { shared: Arc::new(shared) })
    }

    /// Lets clients in until it is closed or dropped.
    ///
    /// # Errors
    /// When the address is taken.
    pub(super) async fn open(&self) -> Result<Open, FrontError> {
        let address = self.shared.listen;
        let listen = |source| FrontError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let bound = listener.local_addr().map_err(listen)?;
        let (_, days_left) = self.shared.certificate.acceptor().await;
        self.shared.health.certificate(days_left);
        self.shared.health.front(Some(bound));
        tracing::info!(address = %bound, "letting clients in by TLS");
        let task = tokio::spawn(accept(listener, Arc::clone(&self.shared)));
        Ok(Open { task, health: Arc::clone(&self.shared.health) })
    }
}

/// The port while it is open. Dropped, it closes, and cuts off every client.
pub(super) struct Open {
    task: JoinHandle<()>,
    health: Arc<Health>,
}

impl Open {
    /// When this returns, nothing listens any more.
    pub(super) async fn close(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
        tracing::info!("letting nobody in until the store is set up again");
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
        self.health.front(None);
        self.health.clients(0);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    const REMIND: Duration = Duration::from_secs(60);
    let places = Arc::new(Semaphore::new(shared.clients));
    let mut clients = JoinSet::new();
    let mut reminded: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = clients.join_next() => {
                shared.health.clients(clients.len());
                continue;
            }
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
                tracing::warn!(%peer, "{} clients are connected: more are turned away", shared.clients);
            }
            continue;
        };
        let shared_too = Arc::clone(&shared);
        clients.spawn(async move {
            let _place = place;
            match serve(client, &shared_too).await {
                Ok(()) => tracing::debug!(%peer, "a client left"),
                Err(reason) => tracing::debug!(%peer, "a client was turned away or lost: {reason}"),
            }
        });
        shared.health.clients(clients.len());
    }
}

impl Shared {
    pub(super) async fn acceptor(&self) -> openssl::ssl::SslAcceptor {
        let (acceptor, days_left) = self.certificate.acceptor().await;
        self.health.certificate(days_left);
        acceptor
    }

    pub(super) async fn store(&self) -> io::Result<TcpStream> {
        let store = TcpStream::connect((self.store.0.as_str(), self.store.1)).await?;
        settle(&store)?;
        Ok(store)
    }
}

/// A peer that is gone without a word is noticed within two minutes.
pub(super) fn settle(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15));
    SockRef::from(stream).set_tcp_keepalive(&keepalive.with_retries(4))
}
