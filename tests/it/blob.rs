//! What every blob backend promises, asked of each of them; and answers no good storage service gives.

use std::time::{Duration, Instant};

use bytes::Bytes;
use deltawave::azure::blob::{BlobAddress, BlobEntry, BlobError, Container};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const MIB: usize = 1 << 20;

fn open(address: &str) -> Container {
    let address: BlobAddress = address.parse().unwrap();
    Container::open(&address, None).unwrap()
}

/// A container of its own in Azurite.
async fn in_azurite() -> Container {
    let azurite = crate::support::azurite().await;
    open(&format!("{}/t{}", azurite.blob_endpoint(), uuid::Uuid::new_v4().simple()))
}

async fn listed(container: &Container, prefix: &str, start_from: Option<&str>) -> Vec<BlobEntry> {
    container.list(prefix, start_from).try_concat().await.unwrap()
}

async fn names(container: &Container, prefix: &str, start_from: Option<&str>) -> Vec<String> {
    listed(container, prefix, start_from).await.into_iter().map(|entry| entry.name).collect()
}

async fn read(container: &Container, name: &str, etag: Option<&str>, from: u64) -> Result<Vec<u8>, BlobError> {
    let chunks: Vec<Bytes> = container.read(name, etag, from).try_collect().await?;
    Ok(chunks.concat())
}

fn noise(length: usize) -> Bytes {
    (0..length).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// The conformance suite. `container` does not exist yet.
async fn conforms(container: Container) {
    a_missing_container_is_named(&container).await;
    container.ensure().await.unwrap();
    container.ensure().await.unwrap();
    assert_eq!(names(&container, "", None).await, Vec::<String>::new());
    a_missing_blob_is_told_from_a_missing_container(&container).await;
    a_created_blob_is_never_replaced(&container).await;
    a_staged_blob_appears_at_once(&container).await;
    the_first_of_two_uploads_wins(&container).await;
    a_large_blob_streams_from_anywhere(&container).await;
    odd_names_are_kept_and_bad_ones_refused(&container).await;
    listings_are_ordered_and_paged(&container).await;
}

async fn a_missing_container_is_named(container: &Container) {
    let address = container.address().to_string();
    let missing = BlobError::NoContainer { address };
    assert_eq!(container.list("", None).try_next().await.unwrap_err(), missing);
    assert_eq!(container.get("a", 1).await.unwrap_err(), missing);
    assert_eq!(container.create("a", Bytes::new()).await.unwrap_err(), missing);
}

async fn a_missing_blob_is_told_from_a_missing_container(container: &Container) {
    assert!(matches!(container.get("no/such", 1).await, Err(BlobError::NoBlob { blob, .. }) if blob == "no/such"));
    assert!(matches!(read(container, "no/such", None, 0).await, Err(BlobError::NoBlob { .. })));
    assert_eq!(container.properties("no/such").await.unwrap(), None);
}

async fn a_created_blob_is_never_replaced(container: &Container) {
    container.create("create/one", Bytes::from_static(b"first")).await.unwrap();
    let error = container.create("create/one", Bytes::from_static(b"second")).await.unwrap_err();
    assert!(matches!(&error, BlobError::AlreadyExists { blob, .. } if blob == "create/one"), "{error:?}");
    assert!(!error.is_transient());
    assert_eq!(container.get("create/one", 5).await.unwrap(), "first");
    let error = container.get("create/one", 4).await.unwrap_err();
    assert!(matches!(error, BlobError::TooLarge { size: 5, limit: 4, .. }), "{error:?}");

    container.create("create/empty", Bytes::new()).await.unwrap();
    assert_eq!(container.get("create/empty", 0).await.unwrap(), "");
    assert_eq!(read(container, "create/empty", None, 0).await.unwrap(), b"");

    let entries = listed(container, "create/", None).await;
    assert_eq!(
        entries.iter().map(|entry| (entry.name.as_str(), entry.size)).collect::<Vec<_>>(),
        [("create/empty", 0), ("create/one", 5)]
    );
    for entry in entries {
        assert_eq!(container.properties(&entry.name).await.unwrap(), Some(entry));
    }
}

async fn a_staged_blob_appears_at_once(container: &Container) {
    let mut upload = container.stage("staged/a").await.unwrap();
    upload.append_block(Bytes::from_static(b"hello ")).await.unwrap();
    upload.append_block(Bytes::new()).await.unwrap();
    upload.append_block(Bytes::from_static(b"world")).await.unwrap();
    assert_eq!(container.properties("staged/a").await.unwrap(), None);
    assert_eq!(names(container, "", Some("staged/")).await, Vec::<String>::new());
    upload.commit().await.unwrap();
    assert_eq!(container.get("staged/a", 100).await.unwrap(), "hello world");
    upload.commit().await.unwrap();

    container.stage("staged/empty").await.unwrap().commit().await.unwrap();
    assert_eq!(container.get("staged/empty", 0).await.unwrap(), "");

    let mut dropped = container.stage("staged/dropped").await.unwrap();
    dropped.append_block(Bytes::from_static(b"x")).await.unwrap();
    drop(dropped);
    assert_eq!(names(container, "staged/", None).await, ["staged/a", "staged/empty"]);
}

async fn the_first_of_two_uploads_wins(container: &Container) {
    let mut one = container.stage("race").await.unwrap();
    let mut two = container.stage("race").await.unwrap();
    one.append_block(Bytes::from_static(b"one")).await.unwrap();
    two.append_block(Bytes::from_static(b"two")).await.unwrap();
    two.commit().await.unwrap();
    assert!(matches!(one.commit().await, Err(BlobError::AlreadyExists { .. })));
    assert_eq!(container.get("race", 100).await.unwrap(), "two");
}

async fn a_large_blob_streams_from_anywhere(container: &Container) {
    let content = noise(13 * MIB + 7);
    let mut upload = container.stage("large").await.unwrap();
    for block in content.chunks(4 * MIB) {
        upload.append_block(Bytes::copy_from_slice(block)).await.unwrap();
    }
    upload.commit().await.unwrap();
    let etag = container.properties("large").await.unwrap().unwrap().etag;
    for from in [0, 1, 4 * MIB, 5 * MIB + 3, content.len() - 1, content.len()] {
        let bytes = read(container, "large", Some(&etag), from as u64).await.unwrap();
        assert!(bytes == content[from..], "from {from}");
    }
    let error = read(container, "large", Some("0xOTHER"), 0).await.unwrap_err();
    assert!(matches!(&error, BlobError::Changed { expected, .. } if expected == "0xOTHER"), "{error:?}");
    // A stream that is not read to its end leaves the container usable.
    let first = container.read("large", None, 0).next().await.unwrap().unwrap();
    assert_eq!(first, content[..first.len()]);
}

async fn odd_names_are_kept_and_bad_ones_refused(container: &Container) {
    let odd = ["odd/a b+c%d&e", "odd/ü/☃.avro", "odd/x?y#z"];
    for name in odd {
        container.create(name, Bytes::copy_from_slice(name.as_bytes())).await.unwrap();
        assert_eq!(container.get(name, 100).await.unwrap(), name);
    }
    let mut sorted = odd.to_vec();
    sorted.sort_unstable();
    assert_eq!(names(container, "odd/", None).await, sorted);
    assert!(matches!(container.create("../a", Bytes::new()).await, Err(BlobError::BadName { .. })));
    assert!(matches!(read(container, "", None, 0).await, Err(BlobError::BadName { .. })));
}

async fn listings_are_ordered_and_paged(container: &Container) {
    // `p/0.avro` sorts before `p/0/…`: a walk must not take whole directories in the order of their bare names.
    let mut expected: Vec<String> = (0..1003).map(|i| format!("p/{}/{i:05}", i % 3)).collect();
    expected.extend(["p/0.avro", "p/0-x", "p/00", "p1"].map(str::to_owned));
    stream::iter(expected.clone())
        .for_each_concurrent(16, async |name| container.create(&name, Bytes::from_static(b"x")).await.unwrap())
        .await;
    expected.sort_unstable();

    let pages: Vec<Vec<BlobEntry>> = container.list("p", None).try_collect().await.unwrap();
    assert!(pages.len() >= 2 && pages.iter().all(|page| page.len() <= 1000));
    let found: Vec<String> = pages.into_iter().flatten().map(|entry| entry.name).collect();
    assert_eq!(found, expected);

    for start in ["p/0/00300", "p/0/003", "p/1/", "p/2/99999", "o", "q"] {
        let wanted: Vec<&str> = expected.iter().map(String::as_str).filter(|name| *name >= start).collect();
        assert_eq!(names(container, "p", Some(start)).await, wanted, "from {start}");
    }
    expected.retain(|name| name.starts_with("p/1"));
    assert_eq!(names(container, "p/1", Some("p/0/00300")).await, expected);
    assert_eq!(names(container, "nothing/here", None).await, Vec::<String>::new());
}

#[tokio::test]
async fn azurite_conforms() {
    conforms(in_azurite().await).await;
}

#[tokio::test]
async fn a_directory_conforms() {
    let parent = tempfile::tempdir().unwrap();
    conforms(open(&parent.path().join("a/capture").display().to_string())).await;
}

#[tokio::test]
async fn a_directory_notices_a_replaced_file() {
    let root = tempfile::tempdir().unwrap();
    let container = open(&root.path().display().to_string());
    container.create("a", noise(9 * MIB)).await.unwrap();
    let mut chunks = Box::pin(container.read("a", None, 0));
    chunks.next().await.unwrap().unwrap();
    std::fs::write(root.path().join("a"), noise(10 * MIB)).unwrap();
    assert!(matches!(chunks.next().await, Some(Err(BlobError::Changed { .. }))));
}

#[tokio::test]
async fn an_address_without_sas_needs_a_credential() {
    let address: BlobAddress = "https://account.blob.core.windows.net/capture".parse().unwrap();
    let error = Container::open(&address, None).unwrap_err();
    assert_eq!(error, BlobError::NoCredential { address: address.to_string() });
}

#[tokio::test]
async fn a_refused_connection_names_the_address_and_no_sas() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/devstoreaccount1/capture", listener.local_addr().unwrap());
    drop(listener);
    let error = open(&address).ensure().await.unwrap_err();
    assert!(error.is_transient());
    let text = format!("{error} {error:?}");
    assert!(text.contains(&address) && text.contains("refused"), "{text}");
    assert!(!text.contains("sig="), "{text}");
}

#[tokio::test]
async fn a_wrong_signature_is_denied() {
    let azurite = crate::support::azurite().await;
    let sas = "sv=2022-11-02&ss=b&srt=sco&sp=rwl&se=2099-01-01T00:00:00Z&sig=d3Jvbmc%3D";
    let container = open(&format!("{}/capture?{sas}", azurite.blob_endpoint()));
    let error = container.get("a", 1).await.unwrap_err();
    assert!(matches!(&error, BlobError::Denied { status: 403, code, .. } if code.contains("Auth")), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("d3Jv"));
}

/// A storage service that gives each of `answers` once, a connection each, and what it was asked.
async fn scripted(answers: Vec<String>) -> (Container, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/devstoreaccount1/capture", listener.local_addr().unwrap());
    let asked = tokio::spawn(async move {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(socket.read_u8().await.unwrap());
            }
            asked.push(String::from_utf8(request).unwrap());
            if let Some(answer) = answer.strip_suffix("<stall>") {
                socket.write_all(answer.as_bytes()).await.unwrap();
                // Until the client hangs up.
                let _ = socket.read_u8().await;
            } else {
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        }
        asked
    });
    let address: BlobAddress = address.parse().unwrap();
    (Container::open_with_silence(&address, None, Duration::from_millis(300)).unwrap(), asked)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}", body.len())
}

fn page(blobs: &[&str], next: &str) -> String {
    let blobs: String = blobs
        .iter()
        .map(|name| {
            format!(
                "<Blob><Name>{name}</Name><Properties><Last-Modified>Mon, 02 Mar 2026 10:00:00 GMT</Last-Modified>\
                 <Etag>0x1</Etag><Content-Length>3</Content-Length></Properties></Blob>"
            )
        })
        .collect();
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ContainerName=\"capture\">\
         <Blobs>{blobs}</Blobs><NextMarker>{next}</NextMarker></EnumerationResults>"
    );
    answer("200 OK", "content-type: application/xml\r\n", &body)
}

#[tokio::test]
async fn an_empty_page_with_a_continuation_does_not_end_a_listing() {
    let answers = vec![page(&["a"], "m1"), page(&[], "m2"), page(&[], "m3"), page(&["b", "c"], "")];
    let (container, asked) = scripted(answers).await;
    assert_eq!(names(&container, "", None).await, ["a", "b", "c"]);
    let asked = asked.await.unwrap();
    for (request, marker) in asked[1..].iter().zip(["marker=m1", "marker=m2", "marker=m3"]) {
        assert!(request.contains(marker), "{request}");
    }
    assert!(asked[0].contains("maxresults=1000") && asked[0].contains("deltawave-"), "{}", asked[0]);
}

#[tokio::test]
async fn a_busy_service_is_transient_and_asked_once() {
    let body = "<?xml version=\"1.0\"?><Error><Code>ServerBusy</Code><Message>busy</Message></Error>";
    let headers = "retry-after: 7\r\nx-ms-error-code: ServerBusy\r\n";
    let (container, asked) = scripted(vec![answer("503 Busy", headers, body)]).await;
    let error = container.list("", None).try_next().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert!(error.is_transient() && error.to_string().contains("503 ServerBusy"), "{error}");
    assert_eq!(asked.await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_answer_cut_short_is_transient() {
    let cut = "HTTP/1.1 206 Partial\r\ncontent-length: 10\r\ncontent-range: bytes 0-9/10\r\netag: \"0x1\"\r\n\r\nabc";
    let (container, asked) = scripted(vec![cut.to_owned()]).await;
    let error = read(&container, "a", Some("0x1"), 0).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    let asked = asked.await.unwrap();
    assert!(asked[0].contains("if-match: \"0x1\"") && asked[0].contains("range: bytes=0-"), "{}", asked[0]);
}

#[tokio::test]
async fn a_short_answer_that_claims_to_be_whole_is_transient() {
    let short = answer("206 Partial", "content-range: bytes 0-9/10\r\netag: \"0x1\"\r\n", "abc");
    let (container, _asked) = scripted(vec![short]).await;
    assert!(read(&container, "a", None, 0).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let halfway =
        "HTTP/1.1 206 Partial\r\ncontent-length: 10\r\ncontent-range: bytes 0-9/10\r\netag: \"0x1\"\r\n\r\nabc";
    for silent in ["<stall>".to_owned(), format!("{halfway}<stall>")] {
        let (container, _asked) = scripted(vec![silent]).await;
        let start = Instant::now();
        let error = read(&container, "a", None, 0).await.unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("no byte came for 300ms"), "{error}");
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn another_fault_tells_the_services_own_words() {
    for (code, words) in [
        ("BlobUsesCustomerSpecifiedEncryption", "409 BlobUsesCustomerSpecifiedEncryption: It is so."),
        ("BlobArchived", "is archived and cannot be read: rehydrate it"),
    ] {
        let body =
            format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>It is so.\nTime:x</Message></Error>");
        let header = format!("x-ms-error-code: {code}\r\n");
        let (container, _asked) = scripted(vec![answer("409 Conflict", &header, &body)]).await;
        let error = container.get("a", 1).await.unwrap_err();
        assert!(!error.is_transient() && error.is_its_own() && error.to_string().contains(words), "{error}");
    }
}
