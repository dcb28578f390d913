//! TLS before a port that speaks none.

use std::path::PathBuf;

use deltawave::offline::Authority;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::support::{home, tls, unique};

/// Listens with a certificate of its own, for `localhost`, until it is dropped.
pub struct TlsFront {
    pub port: u16,
    /// The file of the authority that signed its certificate.
    pub authority: PathBuf,
    task: JoinHandle<()>,
}

impl TlsFront {
    pub async fn to(port: u16) -> TlsFront {
        let (authority, file) = (Authority::new("ours").unwrap(), home(&unique("authority")));
        std::fs::write(&file, authority.pem().unwrap()).unwrap();
        let acceptor = tls::acceptor(&authority.issue(&["localhost"]).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    if let Some(mut stream) = tls::accept(&acceptor, stream).await {
                        let mut peer = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                        let _ = tokio::io::copy_bidirectional(&mut stream, &mut peer).await;
                    }
                });
            }
        });
        TlsFront { port: own, authority: file, task }
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.task.abort();
    }
}
