//! A program's own HTTP answers, and answers no good service gives.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Running, eventually};

/// Where a program answers.
pub struct Http(String);

impl Http {
    /// As the program says on standard error, in its human form.
    pub async fn of(running: &Running) -> Http {
        let said = eventually("serving", async || match running.err() {
            said if said.contains("serving /healthz") => Ok(said),
            said => Err(said),
        })
        .await;
        let line = said.lines().find(|line| line.contains("serving /healthz")).unwrap();
        Http(line.split("address=").nth(1).unwrap().trim().to_owned())
    }

    /// Its address for a browser.
    pub fn url(&self) -> String {
        format!("http://{}/", self.0)
    }

    /// As `ADDR:PORT`.
    pub fn address(&self) -> &str {
        &self.0
    }

    /// A page's status, content type and body.
    pub async fn get(&self, path: &str) -> (u16, String, String) {
        let (status, head, body) = self.ask(path, "host: x\r\n").await;
        let kind = head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default();
        (status, kind.to_owned(), body)
    }

    /// The same with header lines of one's own, each with its end; gives all header lines of the answer.
    pub async fn ask(&self, path: &str, headers: &str) -> (u16, String, String) {
        let ask = async {
            let mut stream = TcpStream::connect(&self.0).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let answer = timeout(Duration::from_secs(10), ask).await.unwrap_or_else(|_| panic!("{path}: no answer"));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), head.to_ascii_lowercase(), body.to_owned())
    }

    /// `/readyz`: whether it is ready, and what it says.
    pub async fn ready(&self) -> (bool, Value) {
        let (status, kind, body) = self.get("/readyz").await;
        assert_eq!(kind, "application/json");
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert!(status == 200 || status == 503, "{status}");
        assert_eq!(answer["ready"], status == 200);
        assert_eq!(answer["reason"].is_null(), status == 200, "{answer}");
        (status == 200, answer)
    }

    /// Waits until it is ready, where it says no more than that to whoever has no token.
    pub async fn until_unguarded(&self) {
        eventually("readiness", async || match self.get("/readyz").await {
            (200, _, _) => Ok(()),
            (_, _, answer) => Err(answer),
        })
        .await;
    }

    /// Waits until it is ready, or is not for a reason that contains these words.
    pub async fn until(&self, unready: Option<&str>) -> Value {
        eventually("readiness", async || {
            let (ready, answer) = self.ready().await;
            let met = match unready {
                None => ready,
                Some(words) => !ready && answer.to_string().contains(words),
            };
            if met { Ok(answer) } else { Err(answer.to_string()) }
        })
        .await
    }
}

/// How the storage service refuses: a status line's code and words, a code of its own, and further header lines.
pub fn unhappy_answer(status: &str, code: &str, headers: &str) -> String {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>no</Message></Error>");
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\ncontent-type: application/xml\r\nx-ms-error-code: {code}\r\n\
         connection: close\r\n{headers}\r\n{body}"
    )
}
