//! One client, from its first byte to its last.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use openssl::error::ErrorStack;
use openssl::ssl::{self, Ssl};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy, split};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_openssl::SslStream;

use super::message::{ADMITTED, BEGINNING, Beginning, HEAD, KIND, Said, refusal};
use super::passage::{Passage, settle};

/// How long a client may take until it has said who it is.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long it may take to prove it, with a person typing a password.
const PROOF: Duration = Duration::from_secs(60);

/// Why a client is not served, for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("no TLS session came about: {0}")]
    Tls(#[from] ssl::Error),
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] ErrorStack),
    #[error("the certificate has run out")]
    NoCertificate,
    #[error("it was silent for too long")]
    Late,
    #[error("it did not ask for TLS")]
    Plain,
    #[error("it does not speak PostgreSQL's protocol")]
    Foreign,
    #[error("the store asks no password of this user")]
    Open,
    #[error("the store is away: {0}")]
    StoreAway(io::Error),
}

/// Passes a client's session on to the store, if it comes by TLS and has to prove who it is.
pub(super) async fn serve(client: TcpStream, passage: &Passage) -> Result<(), Refusal> {
    settle(&client)?;
    let greeted = timeout(HANDSHAKE, greet(client, passage)).await.map_err(|_| Refusal::Late)??;
    let Some(Greeted { client, store, proves }) = greeted else { return Ok(()) };
    let ((mut from_client, mut to_client), (mut from_store, mut to_store)) = (split(client), store.into_split());
    let up = async {
        // However the client ends, the store is told, and has the last word.
        let _ = copy(&mut from_client, &mut to_store).await;
        let _ = to_store.shutdown().await;
        std::future::pending::<()>().await;
    };
    let down = async {
        if proves {
            let proof = prove(&mut from_store, &mut to_client);
            timeout(PROOF, proof).await.map_err(|_| Refusal::Late)??;
        }
        copy(&mut from_store, &mut to_client).await?;
        to_client.shutdown().await?;
        Ok(())
    };
    tokio::select! {
        () = up => Ok(()),
        ended = down => ended,
    }
}

struct Greeted {
    client: SslStream<TcpStream>,
    store: TcpStream,
    /// Whether it wants a session, not only a statement cancelled.
    proves: bool,
}

/// Nothing for a client that had all it wanted.
async fn greet(mut client: TcpStream, passage: &Passage) -> Result<Option<Greeted>, Refusal> {
    let mut beginning = read_beginning(&mut client).await?;
    if beginning.0 == Beginning::Gss {
        client.write_all(b"N").await?;
        beginning = read_beginning(&mut client).await?;
    }
    match beginning.0 {
        Beginning::Tls => client.write_all(b"S").await?,
        Beginning::Startup(rest) => {
            // An answer to a question that was not read to its end may be lost.
            read_rest(&mut client, beginning.1, rest).await?;
            refuse(&mut client, "28000", "TLS is required: sslmode=require").await?;
            return Err(Refusal::Plain);
        }
        // libpq before 17 asks for this without TLS, whatever the session had. It tells nobody anything but the key to
        // that session's statements, and gets no answer.
        Beginning::Cancel(rest) => {
            let message = read_rest(&mut client, beginning.1, rest).await?;
            let mut store = passage.store().await.map_err(Refusal::StoreAway)?;
            store.write_all(&message).await?;
            let _ = store.read_u8().await;
            return Ok(None);
        }
        Beginning::Gss | Beginning::Unknown => return Err(Refusal::Foreign),
    }
    let acceptor = passage.acceptor().await.ok_or(Refusal::NoCertificate)?;
    let mut client = SslStream::new(Ssl::new(acceptor.context())?, client)?;
    Pin::new(&mut client).accept().await?;
    let (wanted, bytes) = read_beginning(&mut client).await?;
    let (rest, proves) = match wanted {
        Beginning::Startup(rest) => (rest, true),
        Beginning::Cancel(rest) => (rest, false),
        Beginning::Tls | Beginning::Gss | Beginning::Unknown => return Err(Refusal::Foreign),
    };
    let message = read_rest(&mut client, bytes, rest).await?;
    let mut store = match passage.store().await {
        Ok(store) => store,
        Err(error) => {
            refuse(&mut client, "57P03", "the store is away; try again soon").await?;
            return Err(Refusal::StoreAway(error));
        }
    };
    store.write_all(&message).await?;
    Ok(Some(Greeted { client, store, proves }))
}

/// Passes on what the store says until it admits the client. One that it admits at once, without a proof, is refused:
/// its user has no password, and anybody could be it.
async fn prove(store: &mut (impl AsyncRead + Unpin), client: &mut (impl AsyncWrite + Unpin)) -> Result<(), Refusal> {
    let mut asked = false;
    loop {
        let mut message = vec![0; HEAD];
        store.read_exact(&mut message).await?;
        let head = message.first_chunk().copied().unwrap_or_default();
        let (rest, is_proof) = match Said::of(head) {
            Said::Proof(rest) => (rest + KIND, true),
            Said::Remark(rest) => (rest, false),
            Said::Refusal(rest) => {
                pass(store, client, message, rest).await?;
                // It closes the connection itself.
                return Ok(());
            }
            Said::Nonsense => return Err(Refusal::Foreign),
        };
        message.resize(HEAD + rest, 0);
        store.read_exact(&mut message[HEAD..]).await?;
        let admitted = is_proof && message[HEAD..].starts_with(&ADMITTED);
        if admitted && !asked {
            refuse(client, "28000", "this user has no password, so nobody may come in as it from outside").await?;
            return Err(Refusal::Open);
        }
        client.write_all(&message).await?;
        client.flush().await?;
        if admitted {
            return Ok(());
        }
        asked |= is_proof;
    }
}

async fn pass(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    mut message: Vec<u8>,
    rest: usize,
) -> io::Result<()> {
    let read = message.len();
    message.resize(read + rest, 0);
    from.read_exact(&mut message[read..]).await?;
    to.write_all(&message).await?;
    to.flush().await
}

async fn read_beginning(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(Beginning, [u8; BEGINNING])> {
    let mut bytes = [0; BEGINNING];
    stream.read_exact(&mut bytes).await?;
    Ok((Beginning::of(bytes), bytes))
}

/// The whole message that begins so.
async fn read_rest(
    stream: &mut (impl AsyncRead + Unpin),
    beginning: [u8; BEGINNING],
    rest: usize,
) -> io::Result<Vec<u8>> {
    let mut message = beginning.to_vec();
    message.resize(BEGINNING + rest, 0);
    stream.read_exact(&mut message[BEGINNING..]).await?;
    Ok(message)
}

async fn refuse(stream: &mut (impl AsyncWrite + Unpin), code: &str, message: &str) -> io::Result<()> {
    stream.write_all(&refusal(code, message)).await?;
    stream.shutdown().await
}
