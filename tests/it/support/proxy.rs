//! A TCP proxy that misbehaves on request.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use url::Url;

/// What is done with bytes and with new connections.
#[derive(Debug, Clone, PartialEq)]
pub enum Manner {
    /// All is passed on.
    Pass,
    /// Each piece of up to 16 KiB is passed on so much later.
    Delay(Duration),
    /// Nothing is passed on; connections stay.
    Stall,
    /// New connections are cut off at once.
    Refuse,
    /// Connections are cut off after so many bytes towards the server.
    CutUp(usize),
    /// Connections are cut off after so many bytes towards the client.
    CutDown(usize),
    /// Every request gets this HTTP answer, and none is passed on.
    Answer(String),
}

/// Listens on a port of its own until it is dropped.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    listener: JoinHandle<()>,
}

struct Shared {
    server: String,
    manner: watch::Sender<Manner>,
    /// How often all connections were cut off, and frozen.
    cuts: watch::Sender<u64>,
    freezes: watch::Sender<u64>,
    faults: AtomicU64,
}

impl Proxy {
    /// To the server of a URL.
    pub async fn to(url: &str) -> Proxy {
        let url = Url::parse(url).unwrap();
        let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            server,
            manner: watch::Sender::new(Manner::Pass),
            cuts: watch::Sender::new(0),
            freezes: watch::Sender::new(0),
            faults: AtomicU64::new(0),
        });
        let listener = tokio::spawn(listen(listener, Arc::clone(&shared)));
        Proxy { port, shared, listener }
    }

    /// The same URL, by way of this proxy.
    pub fn url(&self, url: &str) -> String {
        let mut url = Url::parse(url).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(self.port)).unwrap();
        url.to_string()
    }

    /// From now on.
    pub fn set(&self, manner: Manner) {
        self.shared.manner.send_replace(manner);
    }

    /// From now on; connections that are open are cut off.
    pub fn cut_and_set(&self, manner: Manner) {
        self.set(manner);
        self.cut();
    }

    /// Cuts off all connections that are open.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Passes nothing on any more on connections that are open, for ever; new ones are as good as any.
    pub fn freeze(&self) {
        self.shared.freezes.send_modify(|freezes| *freezes += 1);
    }

    /// Connections that were cut off or frozen so far, and requests that got an answer of ours.
    pub fn faults(&self) -> u64 {
        self.shared.faults.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listener.abort();
        self.cut();
    }
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((client, _)) = listener.accept().await else { return };
        tokio::spawn(serve(client, Arc::clone(&shared)));
    }
}

async fn serve(client: TcpStream, shared: Arc<Shared>) {
    let (mut cuts, mut freezes) = (shared.cuts.subscribe(), shared.freezes.subscribe());
    let _ = client.set_nodelay(true);
    let answer = match &*shared.manner.borrow() {
        Manner::Refuse => None,
        Manner::Answer(answer) => Some(Some(answer.clone())),
        _ => Some(None),
    };
    let passed = async {
        match answer {
            None => {}
            Some(Some(answer)) => {
                let mut client = client;
                let mut request = [0; 16 << 10];
                let _ = client.read(&mut request).await;
                let _ = client.write_all(answer.as_bytes()).await;
                let _ = client.shutdown().await;
            }
            Some(None) => {
                let Ok(server) = TcpStream::connect(&shared.server).await else { return };
                let _ = server.set_nodelay(true);
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                let up = pin!(pass(from_client, to_server, &shared, |manner| match manner {
                    Manner::CutUp(bytes) => Some(*bytes),
                    _ => None,
                }));
                let down = pin!(pass(from_server, to_client, &shared, |manner| match manner {
                    Manner::CutDown(bytes) => Some(*bytes),
                    _ => None,
                }));
                let fault = tokio::select! {
                    fault = up => fault,
                    fault = down => fault,
                    _ = cuts.changed() => true,
                    _ = freezes.changed() => {
                        shared.faults.fetch_add(1, Ordering::SeqCst);
                        // The halves are kept: nothing is read, nothing is closed.
                        let _ = cuts.changed().await;
                        false
                    }
                };
                shared.faults.fetch_add(u64::from(fault), Ordering::SeqCst);
                return;
            }
        }
        shared.faults.fetch_add(1, Ordering::SeqCst);
    };
    passed.await;
}

/// Passes bytes on until the connection ends, which is false, or is cut off, which is true.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    cut_after: impl Fn(&Manner) -> Option<usize>,
) -> bool {
    let mut manner = shared.manner.subscribe();
    let mut piece = vec![0; 16 << 10];
    let mut passed = 0;
    loop {
        let Ok(length @ 1..) = from.read(&mut piece).await else { return false };
        let Ok(now) = manner.wait_for(|manner| *manner != Manner::Stall).await.map(|manner| manner.clone()) else {
            return false;
        };
        passed += length;
        if cut_after(&now).is_some_and(|limit| passed > limit) {
            return true;
        }
        if let Manner::Delay(time) = now {
            sleep(time).await;
        }
        if to.write_all(&piece[..length]).await.is_err() {
            return false;
        }
    }
}
