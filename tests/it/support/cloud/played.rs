//! Small servers that answer as a test wants.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use openssl::ssl::{SslAcceptor, SslConnector, SslMethod, SslVerifyMode};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_openssl::SslStream;

use super::Certificates;
use crate::support::tls;

/// What a server was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// With its query.
    pub path: String,
    /// Their names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// The same as it came.
    pub bytes: Vec<u8>,
}

impl Asked {
    pub fn header(&self, wanted: &str) -> Option<&str> {
        self.headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| &**value)
    }

    /// A value of the query.
    pub fn query(&self, wanted: &str) -> Option<String> {
        let url = url::Url::parse("http://x").unwrap().join(&self.path).unwrap();
        url.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    }
}

/// What it answers.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    pub ending: Ending,
}

/// How an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Whole, and the connection with it.
    Closed,
    /// Whole, and the connection takes the next request.
    Kept,
    /// The connection is cut off within the head.
    CutInHead,
    /// The connection is cut off within the body.
    CutInBody,
    /// It never begins.
    Silence,
}

impl Answer {
    pub fn json(status: u16, body: serde_json::Value) -> Answer {
        Answer::text(status, "application/json", body.to_string())
    }

    pub fn text(status: u16, kind: &str, body: String) -> Answer {
        Answer { status, headers: vec![("content-type", kind.to_owned())], body, ending: Ending::Closed }
    }

    #[must_use]
    pub fn ending(self, ending: Ending) -> Answer {
        Answer { ending, ..self }
    }

    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }
}

type Answering = dyn Fn(&Asked) -> Answer + Send + Sync;

/// A server that answers until it is dropped. One request a connection, unless an answer says otherwise.
pub struct Played {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    listener: JoinHandle<()>,
}

impl Played {
    pub async fn http(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Played {
        Played::start(None, Arc::new(answer)).await
    }

    pub async fn https(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Played {
        Played::start(Some(tls::acceptor(&Certificates::get().server)), Arc::new(answer)).await
    }

    async fn start(acceptor: Option<SslAcceptor>, answer: Arc<Answering>) -> Played {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (noted, acceptor) = (Arc::clone(&asked), acceptor.map(Arc::new));
        let listener = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (noted, acceptor, answer) = (Arc::clone(&noted), acceptor.clone(), Arc::clone(&answer));
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(stream, &noted, &*answer).await,
                        Some(acceptor) => {
                            if let Some(stream) = tls::accept(&acceptor, stream).await {
                                serve(stream, &noted, &*answer).await;
                            }
                        }
                    }
                });
            }
        });
        Played { port, asked, listener }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, noted: &Mutex<Vec<Asked>>, answer: &Answering) {
    let mut stream = BufReader::new(stream);
    while let Some(asked) = read(&mut stream).await {
        noted.lock().unwrap().push(asked.clone());
        let Answer { status, headers, body, ending } = answer(&asked);
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let (length, kept) = (body.len(), if ending == Ending::Kept { "keep-alive" } else { "close" });
        let body = if asked.method == "HEAD" { "" } else { &body };
        let head =
            format!("HTTP/1.1 {status} Played\r\nconnection: {kept}\r\ncontent-length: {length}\r\n{headers}\r\n");
        let text = match ending {
            Ending::Closed | Ending::Kept => format!("{head}{body}"),
            Ending::CutInHead => head[..head.len() / 2].to_owned(),
            Ending::CutInBody => format!("{head}{}", &body[..body.len() / 2]),
            Ending::Silence => std::future::pending().await,
        };
        let _ = stream.write_all(text.as_bytes()).await;
        let _ = stream.flush().await;
        if ending != Ending::Kept {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

async fn read(stream: &mut (impl AsyncBufRead + Unpin)) -> Option<Asked> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut asked = Asked { method, path, headers, body: String::new(), bytes: Vec::new() };
    let length = asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    asked.body = String::from_utf8_lossy(&body).into_owned();
    asked.bytes = body;
    Some(asked)
}

/// An HTTP proxy that leads every host it knows to a port of this machine, whatever the port asked for.
pub struct Tunnel {
    port: u16,
    listener: JoinHandle<()>,
}

impl Tunnel {
    pub async fn to(hosts: &[(&'static str, u16)]) -> Tunnel {
        let hosts = hosts.to_vec();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let listener = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let hosts = hosts.clone();
                tokio::spawn(async move {
                    let mut client = BufReader::new(client);
                    let Some(Asked { path, .. }) = read(&mut client).await else { return };
                    let host = path.split(':').next().unwrap_or_default();
                    let Some((_, port)) = hosts.iter().find(|(end, _)| host.ends_with(end)) else {
                        let _ = client.write_all(b"HTTP/1.1 502 Unknown\r\ncontent-length: 0\r\n\r\n").await;
                        return;
                    };
                    let Ok(mut server) = TcpStream::connect(("127.0.0.1", *port)).await else { return };
                    let _ = client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Tunnel { port, listener }
    }

    /// What programs take as `HTTPS_PROXY`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// A plain port that leads to an encrypted one of this machine, for the tests' own process, which does not trust the
/// tests' authority.
pub struct Relay {
    port: u16,
    listener: JoinHandle<()>,
}

impl Relay {
    pub async fn to(server: u16) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut connector = SslConnector::builder(SslMethod::tls()).unwrap();
        connector.set_verify(SslVerifyMode::NONE);
        let connector = connector.build();
        let listener = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let ssl = connector.configure().unwrap().verify_hostname(false).into_ssl("127.0.0.1").unwrap();
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
                    let mut server = SslStream::new(ssl, server).unwrap();
                    if Pin::new(&mut server).connect().await.is_ok() {
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Relay { port, listener }
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.listener.abort();
    }
}
