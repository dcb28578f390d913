//! What a client's session needs of us: a certificate to be shown, and the store.

use std::io;
use std::time::Duration;

use openssl::ssl::SslAcceptor;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use super::keeper::Keeper;

pub(super) struct Passage {
    /// Host and port, on this machine.
    pub store: (String, u16),
    pub keeper: Keeper,
}

impl Passage {
    pub(super) async fn acceptor(&self) -> Option<SslAcceptor> {
        self.keeper.acceptor().await
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
