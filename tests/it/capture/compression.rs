//! Topics whose records are compressed, in every way there is and in one that there is not.

use deltawave::capture::NameFormat;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::bench::{DEADLINE, FAST, TOPIC, broker, capture, container, files, offsets};

fn produce(bootstrap: &str, compression: &str, records: i32) {
    let mut config = ClientConfig::new();
    // One batch, which is what is compressed.
    config.set("bootstrap.servers", bootstrap).set("compression.type", compression).set("linger.ms", "200");
    let producer: BaseProducer = config.create().unwrap();
    for _ in 0..records {
        let body = format!("{{\"compression\":\"{compression}\",\"filler\":\"{}\"}}", "x".repeat(500));
        producer.send(BaseRecord::<(), _>::to(TOPIC).partition(0).payload(&body)).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(DEADLINE).unwrap();
}

#[tokio::test]
async fn every_compression_of_kafka_is_captured() {
    let (broker, container) = (broker(1), container().await);
    let bootstrap = broker.bootstrap_servers();
    let compressions = ["none", "gzip", "snappy", "lz4", "zstd"];
    for compression in compressions {
        produce(&bootstrap, compression, 10);
    }
    capture(&bootstrap, &container, &FAST).done().await;
    let files = files(&container, TOPIC, &NameFormat::default()).await;
    assert_eq!(offsets(&files, 0), (0..50).collect::<Vec<_>>());
    let bodies: Vec<_> =
        files[&0].iter().flat_map(|file| &file.events).map(|(_, body)| body.clone().unwrap()).collect();
    for (bodies, compression) in bodies.chunks(10).zip(compressions) {
        let start = format!("{{\"compression\":\"{compression}\"");
        assert!(bodies.iter().all(|body| body.starts_with(start.as_bytes())), "{compression}");
    }
}

/// Marks every batch of zstd on its way to the client as one of a compression that nobody knows.
async fn unknown_to(bootstrap: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap();
    let server = bootstrap.to_owned();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = server.clone();
            tokio::spawn(async move {
                let server_address = server.clone();
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = TcpStream::connect(server).await.unwrap().into_split();
                tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
                let (host, port) = server_address.rsplit_once(':').unwrap();
                let port: u32 = port.parse().unwrap();
                while let Ok(length) = from_server.read_u32().await {
                    let mut answer = vec![0; length as usize];
                    from_server.read_exact(&mut answer).await.unwrap();
                    // The broker's own address, as it names it, is replaced by this one.
                    let named = [host.as_bytes(), &port.to_be_bytes()].concat();
                    while let Some(at) = find(&answer, &named) {
                        let end = at + named.len();
                        answer[end - 4..end].copy_from_slice(&u32::from(own.port()).to_be_bytes());
                    }
                    // A batch's header ends 61 bytes from its start, and the compression is in the 23rd.
                    if let Some(at) = find(&answer, b"\x28\xb5\x2f\xfd") {
                        answer[at - 61 + 22] = answer[at - 61 + 22] & !7 | 7;
                    }
                    to_client.write_u32(length).await.unwrap();
                    to_client.write_all(&answer).await.unwrap();
                }
            });
        }
    });
    own.to_string()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[tokio::test]
async fn a_compression_that_is_not_known_ends_the_program_and_is_named() {
    let (broker, container) = (broker(1), container().await);
    let bootstrap = broker.bootstrap_servers();
    produce(&bootstrap, "gzip", 3);
    produce(&bootstrap, "zstd", 3);
    let disguised = unknown_to(&bootstrap).await;
    let running = capture(&disguised, &container, &["--window", "1", "--skip-empty"]);
    let (code, log) = running.end().await;
    assert_eq!(code, Some(1), "{log}");
    let said = log.lines().find(|line| line.starts_with("error: ")).unwrap_or_else(|| panic!("{log}"));
    let named =
        format!("partition 0 of topic {TOPIC} at {disguised} has records that are packed in an unknown way; gzip");
    assert!(said.contains(&named), "{said}");
    assert!(!log.contains("is away"), "{log}");
    // What comes before it is captured.
    assert_eq!(offsets(&files(&container, TOPIC, &NameFormat::default()).await, 0), [0, 1, 2]);
}
