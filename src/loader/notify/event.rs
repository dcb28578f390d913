//! What Event Grid puts into a queue: an event of one of two schemas, as JSON or as base64 of it. Pure.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use serde::Deserialize;

/// What a well-formed message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// A blob was written to its end.
    Created(Created),
    /// Something that makes no finished blob: its type, or the call behind it.
    Other(String),
    /// A kind that is not known here, which may have made one: its type, or the call behind it.
    Unknown(String),
}

/// A blob that was written to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Created {
    pub(super) container: String,
    /// As it stands in the event.
    pub(super) blob: String,
    /// Without quotes, as listings have it. Event Hubs does not know it.
    pub(super) etag: Option<String>,
}

/// Why a text is no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("neither JSON nor base64 of JSON: {0}")]
    NotJson(String),
    #[error("an array of {0} events; each message must hold one")]
    NotOne(usize),
    #[error("not an event of the CloudEvents 1.0 or Event Grid schema: {0}")]
    NotAnEvent(String),
    #[error("the event has no {0}")]
    Lacks(&'static str),
    #[error("subject `{0}` does not name a blob as /blobServices/default/containers/CONTAINER/blobs/PATH")]
    Subject(String),
    #[error("data.fileUrl `{0}` does not name a blob as https://ACCOUNT.blob.core.windows.net/CONTAINER/PATH")]
    FileUrl(String),
}

#[derive(Deserialize)]
struct Raw {
    /// CloudEvents has it, the Event Grid schema does not.
    specversion: Option<String>,
    /// In CloudEvents.
    r#type: Option<String>,
    /// In the Event Grid schema.
    #[serde(rename = "eventType")]
    event_type: Option<String>,
    subject: Option<String>,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    api: Option<String>,
    #[serde(rename = "eTag")]
    etag: Option<String>,
    /// Of Event Hubs' own events.
    #[serde(rename = "fileUrl", alias = "fileurl")]
    file_url: Option<String>,
}

/// What a storage account tells.
const CREATED: &str = "Microsoft.Storage.BlobCreated";
/// What a namespace of Event Hubs tells of its Capture.
const CAPTURED: &str = "Microsoft.EventHub.CaptureFileCreated";

/// What an account tells of that makes no finished file, or one that the listing finds.
const OTHERS: [&str; 9] = [
    "Microsoft.Storage.BlobDeleted",
    "Microsoft.Storage.BlobRenamed",
    "Microsoft.Storage.BlobTierChanged",
    "Microsoft.Storage.DirectoryCreated",
    "Microsoft.Storage.DirectoryDeleted",
    "Microsoft.Storage.DirectoryRenamed",
    "Microsoft.Storage.AsyncOperationInitiated",
    "Microsoft.Storage.BlobInventoryPolicyCompleted",
    "Microsoft.Storage.LifecyclePolicyCompleted",
];

/// The calls that leave a finished blob. Capture makes its files by PutBlockList, or in an account with a hierarchical
/// namespace by FlushWithClose; `capture` makes its small ones by PutBlob; CopyBlob and SftpCommit bring files from
/// elsewhere.
const FINISHING: [&str; 5] = ["PutBlockList", "FlushWithClose", "PutBlob", "CopyBlob", "SftpCommit"];

/// The calls after which a file is still empty.
const BEGINNING: [&str; 2] = ["CreateFile", "SftpCreate"];

/// Reads one message.
///
/// # Errors
/// When it is none that Event Grid writes. An event of another kind is no error.
pub(super) fn parse(text: &str) -> Result<Event, Malformed> {
    let Raw { specversion, r#type, event_type, subject, data } = read(text)?;
    let kind = match specversion {
        Some(version) if version.starts_with("1.") => r#type.ok_or(Malformed::Lacks("type"))?,
        Some(version) => return Err(Malformed::NotAnEvent(format!("specversion is `{version}`"))),
        None => event_type.ok_or(Malformed::Lacks("specversion or eventType"))?,
    };
    if kind == CAPTURED {
        let url = data.and_then(|data| data.file_url).ok_or(Malformed::Lacks("data.fileUrl"))?;
        let (container, blob) = in_url(&url).ok_or(Malformed::FileUrl(url))?;
        return Ok(Event::Created(Created { container, blob, etag: None }));
    }
    if kind != CREATED {
        return Ok(if OTHERS.contains(&kind.as_str()) { Event::Other(kind) } else { Event::Unknown(kind) });
    }
    let data = data.ok_or(Malformed::Lacks("data"))?;
    let api = data.api.ok_or(Malformed::Lacks("data.api"))?;
    if !FINISHING.contains(&api.as_str()) {
        let call = format!("{kind} by {api}");
        return Ok(if BEGINNING.contains(&api.as_str()) { Event::Other(call) } else { Event::Unknown(call) });
    }
    let etag = data.etag.ok_or(Malformed::Lacks("data.eTag"))?.trim_matches('"').to_owned();
    let subject = subject.ok_or(Malformed::Lacks("subject"))?;
    let named = subject
        .strip_prefix("/blobServices/default/containers/")
        .and_then(|rest| rest.split_once("/blobs/"))
        .filter(|(container, blob)| !container.is_empty() && !container.contains('/') && !blob.is_empty())
        .map(|(container, blob)| (container.to_owned(), blob.to_owned()));
    let (container, blob) = named.ok_or(Malformed::Subject(subject))?;
    Ok(Event::Created(Created { container, blob, etag: Some(etag) }))
}

/// Container and blob of `https://ACCOUNT.blob.core.windows.net/CONTAINER/PATH`, the blob as it stands there.
fn in_url(url: &str) -> Option<(String, String)> {
    let path = url.split_once("://")?.1.split_once('/')?.1;
    let path = path.split(['?', '#']).next()?;
    // Azurite has the account's name in front.
    let path = path.strip_prefix("devstoreaccount1/").unwrap_or(path);
    let (container, blob) = path.split_once('/')?;
    (!container.is_empty() && !blob.is_empty()).then(|| (container.to_owned(), blob.to_owned()))
}

impl Created {
    /// What the blob may be called, likeliest first: its name as it stands, and percent-decoded if that differs. The
    /// service does not say which it sends, and a name may have a percent sign of its own.
    pub(super) fn names(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let decoded = percent_decode_str(&self.blob).decode_utf8().ok().filter(|decoded| *decoded != self.blob);
        [Cow::Borrowed(self.blob.as_str())].into_iter().chain(decoded)
    }
}

fn read(text: &str) -> Result<Raw, Malformed> {
    let text = text.trim();
    let json = match text.starts_with(['{', '[']) {
        true => Cow::Borrowed(text.as_bytes()),
        false => Cow::Owned(BASE64_STANDARD.decode(text).map_err(|error| Malformed::NotJson(error.to_string()))?),
    };
    let value: serde_json::Value =
        serde_json::from_slice(&json).map_err(|error| Malformed::NotJson(error.to_string()))?;
    let event = match value {
        serde_json::Value::Array(mut events) => match (events.pop(), events.len()) {
            (Some(event), 0) => event,
            (last, rest) => return Err(Malformed::NotOne(rest + usize::from(last.is_some()))),
        },
        event => event,
    };
    if !event.is_object() {
        return Err(Malformed::NotAnEvent("not a JSON object".to_owned()));
    }
    serde_json::from_value(event).map_err(|error| Malformed::NotAnEvent(error.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const SUBJECT: &str = "/blobServices/default/containers/capture/blobs/ns/hub/0/2026/01/02/03/04/05.avro";

    /// As in <https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage>.
    fn cloud_event() -> Value {
        json!({
            "source": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a",
            "subject": SUBJECT,
            "type": "Microsoft.Storage.BlobCreated",
            "time": "2026-01-02T03:05:06.7890123Z",
            "id": "9aeb0fdf-c01e-0131-0922-9eb54906e209",
            "data": {
                "api": "PutBlockList",
                "clientRequestId": "4c5dd7fb-2c48-4a27-bb30-5361b5de920a",
                "requestId": "9aeb0fdf-c01e-0131-0922-9eb549000000",
                "eTag": "0x8D76C39E4407333",
                "contentType": "avro/binary",
                "contentLength": 30699,
                "blobType": "BlockBlob",
                "url": "https://a.blob.core.windows.net/capture/ns/hub/0/2026/01/02/03/04/05.avro",
                "sequencer": "000000000000000000000000000099240000000000c41c18",
                "storageDiagnostics": {"batchId": "681fe319-3006-00a8-0022-9e7cde000000"}
            },
            "specversion": "1.0"
        })
    }

    fn grid_event() -> Value {
        let cloud = cloud_event();
        json!({
            "topic": cloud["source"], "subject": cloud["subject"], "eventType": cloud["type"],
            "eventTime": cloud["time"], "id": cloud["id"], "data": cloud["data"],
            "dataVersion": "", "metadataVersion": "1"
        })
    }

    fn created(blob: &str) -> Event {
        let (container, etag) = ("capture".to_owned(), Some("0x8D76C39E4407333".to_owned()));
        Event::Created(Created { container, blob: blob.to_owned(), etag })
    }

    /// The event with one thing changed; `null` takes a field away.
    fn with(mut event: Value, pointer: &str, value: Value) -> String {
        *event.pointer_mut(pointer).unwrap() = value;
        event.to_string()
    }

    #[test]
    fn both_schemas_are_read_bare_in_an_array_and_in_base64() {
        for event in [cloud_event(), grid_event()] {
            for text in [event.to_string(), json!([event]).to_string(), format!(" {event:#}\n")] {
                let wanted = Ok(created("ns/hub/0/2026/01/02/03/04/05.avro"));
                assert_eq!(parse(&text), wanted, "{text}");
                assert_eq!(parse(&BASE64_STANDARD.encode(&text)), wanted, "{text}");
            }
            for api in FINISHING {
                assert!(matches!(parse(&with(event.clone(), "/data/api", api.into())), Ok(Event::Created(_))));
            }
            let quoted = with(event, "/data/eTag", "\"0x8D76C39E4407333\"".into());
            assert_eq!(parse(&quoted), Ok(created("ns/hub/0/2026/01/02/03/04/05.avro")));
        }
    }

    #[test]
    fn other_events_are_told_from_malformed_ones() {
        let other = |text: &str| match parse(text) {
            Ok(Event::Other(kind)) => kind,
            result => panic!("{text}: {result:?}"),
        };
        assert_eq!(
            other(&with(cloud_event(), "/type", "Microsoft.Storage.BlobDeleted".into())),
            "Microsoft.Storage.BlobDeleted"
        );
        assert_eq!(
            other(&with(grid_event(), "/eventType", "Microsoft.Storage.BlobRenamed".into())),
            "Microsoft.Storage.BlobRenamed"
        );
        assert_eq!(
            other(&with(grid_event(), "/data/api", "CreateFile".into())),
            "Microsoft.Storage.BlobCreated by CreateFile"
        );
        for (text, kind) in [
            (with(grid_event(), "/data/api", "PutMagic".into()), "Microsoft.Storage.BlobCreated by PutMagic"),
            (with(cloud_event(), "/type", "Contoso.FileCreated".into()), "Contoso.FileCreated"),
        ] {
            assert_eq!(parse(&text), Ok(Event::Unknown(kind.to_owned())));
        }
    }

    #[test]
    fn event_hubs_own_events_name_their_file_by_its_url() {
        // As in <https://learn.microsoft.com/azure/event-grid/event-schema-event-hubs>.
        let event = |url: &str| {
            json!({
                "topic": "/subscriptions/s/resourceGroups/g/providers/Microsoft.EventHub/namespaces/ns",
                "subject": "hub", "eventType": CAPTURED, "eventTime": "2026-01-02T03:05:06Z", "id": "1",
                "data": {
                    "fileUrl": url, "fileType": "AzureBlockBlob", "partitionId": "1", "sizeInBytes": 0, "eventCount": 0,
                    "firstSequenceNumber": -1, "lastSequenceNumber": -1,
                    "firstEnqueueTime": "0001-01-01T00:00:00", "lastEnqueueTime": "0001-01-01T00:00:00"
                },
                "dataVersion": "", "metadataVersion": "1"
            })
            .to_string()
        };
        let named = |container: &str, blob: &str| {
            Ok(Event::Created(Created { container: container.to_owned(), blob: blob.to_owned(), etag: None }))
        };
        let blob = "ns/hub/1/2026/01/02/03/04/05.avro";
        assert_eq!(parse(&event(&format!("https://a.blob.core.windows.net/capture/{blob}"))), named("capture", blob));
        let azurite = format!("http://127.0.0.1:10000/devstoreaccount1/capture/{blob}");
        assert_eq!(parse(&event(&azurite)), named("capture", blob));
        for url in ["", "capture/a.avro", "https://a.blob.core.windows.net/capture"] {
            assert_eq!(parse(&event(url)), Err(Malformed::FileUrl(url.to_owned())));
        }
    }

    #[test]
    fn what_is_malformed_says_why() {
        let null = || Value::Null;
        let base64_of_nothing = BASE64_STANDARD.encode("Message 1");
        for (text, reason) in [
            (String::new(), "neither JSON nor base64 of JSON: EOF"),
            ("hello, world".to_owned(), "neither JSON nor base64 of JSON: Invalid"),
            (base64_of_nothing, "neither JSON nor base64 of JSON: expected value"),
            ("{\"specversion\":".to_owned(), "neither JSON nor base64 of JSON: EOF"),
            ("[]".to_owned(), "an array of 0 events"),
            (json!([cloud_event(), cloud_event()]).to_string(), "an array of 2 events"),
            ("[1]".to_owned(), "not an event of the CloudEvents 1.0 or Event Grid schema: not a JSON object"),
            ("{}".to_owned(), "the event has no specversion or eventType"),
            (with(cloud_event(), "/specversion", "0.3".into()), "not an event of the"),
            (with(cloud_event(), "/type", null()), "the event has no type"),
            (with(cloud_event(), "/subject", null()), "the event has no subject"),
            (with(cloud_event(), "/data", null()), "the event has no data"),
            (with(cloud_event(), "/data", json!("text")), "not an event of the"),
            (with(cloud_event(), "/data/api", null()), "the event has no data.api"),
            (with(grid_event(), "/data/eTag", null()), "the event has no data.eTag"),
            (with(grid_event(), "/subject", "capture/a.avro".into()), "subject `capture/a.avro` does not name a blob"),
            (
                with(grid_event(), "/subject", "/blobServices/default/containers/capture/blobs/".into()),
                "subject `/blobServices/default/containers/capture/blobs/` does not",
            ),
        ] {
            let said = parse(&text).unwrap_err().to_string();
            assert!(said.starts_with(reason), "{said} instead of {reason}");
        }
    }

    #[test]
    fn a_name_may_be_percent_encoded_or_not() {
        let names = |blob: &str| {
            let created = Created { container: "c".to_owned(), blob: blob.to_owned(), etag: None };
            created.names().map(Cow::into_owned).collect::<Vec<_>>()
        };
        assert_eq!(names("ns/hub/a.avro"), ["ns/hub/a.avro"]);
        assert_eq!(names("n%C3%A9/a b+c%20d"), ["n%C3%A9/a b+c%20d", "né/a b+c d"]);
        assert_eq!(names("100%"), ["100%"]);
        assert_eq!(names("%ff"), ["%ff"]);
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in any::<String>(), bytes in any::<Vec<u8>>()) {
            let _ = parse(&text);
            let _ = parse(&BASE64_STANDARD.encode(bytes));
        }

        #[test]
        fn a_damaged_event_is_read_or_refused(at in 0..400usize, byte in 0x20..0x7fu8, cut in any::<bool>()) {
            let mut text = cloud_event().to_string().into_bytes();
            text[at] = byte;
            if cut {
                text.truncate(at);
            }
            let _ = parse(&String::from_utf8(text).unwrap());
        }

        #[test]
        fn any_blob_name_comes_through(blob in "[^\\p{Cc}]{1,200}", base64 in any::<bool>(), grid in any::<bool>()) {
            let event = if grid { grid_event() } else { cloud_event() };
            let subject = format!("/blobServices/default/containers/capture/blobs/{blob}");
            let text = with(event, "/subject", subject.into());
            let text = if base64 { BASE64_STANDARD.encode(text) } else { text };
            prop_assert_eq!(parse(&text), Ok(created(&blob)));
        }
    }
}
