//! Plays a pooler in transaction mode: every transaction of a client is given to another connection of its own, and
//! what was prepared or set on one is unknown on the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use deltawave::store::StoreAddress;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Listens until it is dropped.
pub struct Pooler {
    url: String,
    changes: Arc<AtomicU64>,
    listener: JoinHandle<()>,
}

const SSL_REQUEST: u32 = 80_877_103;

impl Pooler {
    /// To the server of a URL, with so many connections a client.
    pub async fn to(url: &str, connections: usize) -> Pooler {
        let address: StoreAddress = url.parse().unwrap();
        let (host, port) = address.plain_on_loopback().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let changes = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&changes);
        let listener = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (host, counted) = (host.clone(), Arc::clone(&counted));
                tokio::spawn(async move {
                    // It ends when either side does.
                    let _ = serve(client, (&host, port), connections, &counted).await;
                });
            }
        });
        let url = format!("postgresql://{}@127.0.0.1:{own}/{}", address.user(), address.database());
        Pooler { url, changes, listener }
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// How often a transaction went to another connection than the one before.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn serve(
    mut client: TcpStream,
    server: (&str, u16),
    connections: usize,
    changes: &AtomicU64,
) -> std::io::Result<()> {
    let startup = loop {
        let length = client.read_u32().await?;
        let mut rest = vec![0; length as usize - 4];
        client.read_exact(&mut rest).await?;
        if rest[..4] != SSL_REQUEST.to_be_bytes() {
            break [&length.to_be_bytes()[..], &rest].concat();
        }
        client.write_all(b"N").await?;
    };
    let (mut servers, mut greeting) = (Vec::new(), Vec::new());
    for _ in 0..connections {
        let mut server = TcpStream::connect(server).await?;
        server.write_all(&startup).await?;
        greeting = answer(&mut server).await?;
        servers.push(server);
    }
    client.write_all(&greeting).await?;
    let mut turn = 0;
    loop {
        // Up to what ends a transaction.
        let mut sent = Vec::new();
        let settings = loop {
            let (kind, message) = message(&mut client).await?;
            sent.extend_from_slice(&message);
            match kind {
                b'S' => break false,
                b'Q' => break message[5..].starts_with(b"SET "),
                b'X' => return Ok(()),
                _ => {}
            }
        };
        turn = (turn + 1) % servers.len();
        changes.fetch_add(1, Ordering::Relaxed);
        servers[turn].write_all(&sent).await?;
        let answered = answer(&mut servers[turn]).await?;
        if settings {
            // What shapes texts is reported by the server, and poolers give it to every connection.
            for other in (0..servers.len()).filter(|other| *other != turn) {
                servers[other].write_all(&sent).await?;
                answer(&mut servers[other]).await?;
            }
        }
        client.write_all(&answered).await?;
    }
}

/// One message: its kind and all its bytes.
async fn message(from: &mut TcpStream) -> std::io::Result<(u8, Vec<u8>)> {
    let kind = from.read_u8().await?;
    let length = from.read_u32().await?;
    let mut message = vec![kind];
    message.extend_from_slice(&length.to_be_bytes());
    message.resize(length as usize + 1, 0);
    from.read_exact(&mut message[5..]).await?;
    Ok((kind, message))
}

/// All a server says until it is ready for more.
async fn answer(server: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    loop {
        let (kind, message) = message(server).await?;
        answer.extend_from_slice(&message);
        if kind == b'Z' {
            return Ok(answer);
        }
    }
}
