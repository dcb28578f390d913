//! An event hub's AMQP side, played: it authorises, tells its properties, takes events and counts them, and breaks off
//! where a test wants it to.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicI64, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use super::readers::Readers;
use axum::Router;
use axum::routing::get;
use fe2o3_amqp::acceptor::{
    ConnectionAcceptor, LinkAcceptor, LinkEndpoint, ListenerSessionHandle, SaslAnonymousMechanism, SessionAcceptor,
};
use fe2o3_amqp::types::definitions::{AmqpError, Error, ErrorCondition};
use fe2o3_amqp::types::messaging::message::__private::Deserializable;
use fe2o3_amqp::types::messaging::{ApplicationProperties, Body, Data, Message, MessageId, Properties};
use fe2o3_amqp::types::primitives::{OrderedMap, SimpleValue, Symbol, Timestamp, Value};
use fe2o3_amqp::{Receiver, Sender};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

/// What happens to a batch instead of its acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It is taken, and the link closed before anybody hears of it.
    Detach,
    /// It is taken, and the connection cut off before anybody hears of it.
    Cut,
    /// It is not taken: too busy.
    Busy,
    /// It is not taken: the sender may not.
    Refuse,
}

/// An event as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub body: String,
    /// The partition key in its annotations, if it has one.
    pub key: Option<String>,
}

/// Plays the namespace `contoso` with the hub `user-events` until it is dropped.
pub struct Peer {
    pub port: u16,
    tokens: u16,
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

struct Shared {
    partitions: Vec<Mutex<Vec<Taken>>>,
    /// The first number each partition still holds.
    begins: AtomicI64,
    authorisation: AtomicU16,
    /// By the number of the batch, counted from 0.
    script: Mutex<HashMap<usize, Trouble>>,
    batches: AtomicUsize,
    connections: AtomicUsize,
    tokens: Mutex<HashSet<String>>,
    readers: Readers,
}

impl Peer {
    pub async fn start(partitions: usize) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            partitions: (0..partitions).map(|_| Mutex::default()).collect(),
            begins: AtomicI64::new(0),
            authorisation: AtomicU16::new(202),
            script: Mutex::default(),
            batches: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            tokens: Mutex::default(),
            readers: Readers::new(),
        });
        let serve = {
            let shared = Arc::clone(&shared);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    shared.connections.fetch_add(1, Ordering::SeqCst);
                    tokio::spawn(connection(stream, Arc::clone(&shared)));
                }
            }
        };
        let identity = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tokens = identity.local_addr().unwrap().port();
        let answer = async || {
            let expires = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 3600;
            let token = serde_json::json!({
                "access_token": "a-token",
                "expires_on": expires.to_string(),
                "resource": "https://eventhubs.azure.net",
                "token_type": "Bearer",
            });
            axum::Json(token)
        };
        let identity = async move { axum::serve(identity, Router::new().route("/tok", get(answer))).await.unwrap() };
        Peer { port, tokens, shared, tasks: vec![tokio::spawn(serve), tokio::spawn(identity)] }
    }

    /// The variables by which a program reaches it, as the platform's own identity.
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("DELTAWAVE_EVENT_HUB", "contoso/user-events".to_owned()),
            ("DELTAWAVE_AMQP_ENDPOINT", format!("amqp://127.0.0.1:{}", self.port)),
            ("DELTAWAVE_CREDENTIAL", "managed-identity".to_owned()),
            ("IDENTITY_ENDPOINT", format!("http://127.0.0.1:{}/tok", self.tokens)),
            ("IDENTITY_HEADER", "x".to_owned()),
        ]
    }

    /// Answers authorisations with this status from now on.
    pub fn authorise(&self, status: u16) {
        self.shared.authorisation.store(status, Ordering::SeqCst);
    }

    /// What happens to which batches.
    pub fn script(&self, troubles: impl IntoIterator<Item = (usize, Trouble)>) {
        self.shared.script.lock().unwrap().extend(troubles);
    }

    /// The partitions' events, in their order.
    pub fn taken(&self) -> Vec<Vec<Taken>> {
        self.shared.partitions.iter().map(|partition| partition.lock().unwrap().clone()).collect()
    }

    /// Puts events into a partition, as if sent by somebody else.
    pub fn fill(&self, partition: usize, events: usize) {
        let event = Taken { body: "{}".to_owned(), key: None };
        self.shared.partitions[partition].lock().unwrap().extend(vec![event; events]);
    }

    /// Puts an event of this body into a partition.
    pub fn add(&self, partition: usize, body: Vec<u8>) {
        let body = String::from_utf8(body).unwrap();
        self.shared.partitions[partition].lock().unwrap().push(Taken { body, key: None });
    }

    /// Makes the hub anew.
    pub fn empty(&self) {
        self.shared.partitions.iter().for_each(|partition| partition.lock().unwrap().clear());
        self.shared.readers.anew();
    }

    /// Who reads from it.
    pub fn readers(&self) -> &Readers {
        &self.shared.readers
    }

    /// Forgets what is before this number in every partition.
    pub fn forget(&self, before: i64) {
        self.shared.begins.store(before, Ordering::SeqCst);
    }

    pub fn batches(&self) -> usize {
        self.shared.batches.load(Ordering::SeqCst)
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The tokens that were presented.
    pub fn tokens(&self) -> HashSet<String> {
        self.shared.tokens.lock().unwrap().clone()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Serves a connection until it ends or a script cuts it off.
async fn connection(mut stream: TcpStream, shared: Arc<Shared>) {
    let (near, mut far) = tokio::io::duplex(1 << 16);
    let cut = Arc::new(Notify::new());
    let serve = async {
        let acceptor =
            ConnectionAcceptor::builder().container_id("peer").sasl_acceptor(SaslAnonymousMechanism::new()).build();
        let Ok(mut connection) = acceptor.accept(near).await else { return };
        while let Ok(session) = SessionAcceptor::default().accept(&mut connection).await {
            tokio::spawn(links(session, Arc::clone(&shared), Arc::clone(&cut)));
        }
    };
    let relay = async {
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut far).await;
    };
    tokio::select! {
        () = async { tokio::join!(serve, relay); } => {}
        () = cut.notified() => {}
    }
}

/// Serves a session's links. Requests come by one link, their answers go by another.
async fn links(mut session: ListenerSessionHandle, shared: Arc<Shared>, cut: Arc<Notify>) {
    let acceptor = LinkAcceptor::builder().max_message_size(1_u64 << 20).build();
    let (answers, to_send) = mpsc::unbounded_channel();
    let mut to_send = Some(to_send);
    while let Ok(link) = acceptor.accept(&mut session).await {
        match link {
            LinkEndpoint::Sender(sender) => {
                let source = sender.source().as_ref();
                let address = source.and_then(|source| source.address.clone()).unwrap_or_default();
                if address.contains("/Partitions/") {
                    let filter = format!("{:?}", source.and_then(|source| source.filter.as_ref()));
                    let shared = Arc::clone(&shared);
                    tokio::spawn(async move {
                        shared.readers.give(sender, &shared.partitions, &address, &filter).await;
                    });
                } else if let Some(to_send) = to_send.take() {
                    tokio::spawn(answer(sender, to_send));
                }
            }
            LinkEndpoint::Receiver(receiver) => {
                let target = receiver.target().as_ref().and_then(|target| target.address.clone()).unwrap_or_default();
                let shared = Arc::clone(&shared);
                match target.rsplit_once("/Partitions/") {
                    Some((_, partition)) => {
                        let partition = partition.parse().unwrap();
                        tokio::spawn(take(receiver, partition, shared, Arc::clone(&cut)));
                    }
                    None => {
                        tokio::spawn(requests(receiver, target.contains("$cbs"), shared, answers.clone()));
                    }
                }
            }
        }
    }
}

async fn answer(mut sender: Sender, mut answers: mpsc::UnboundedReceiver<Message<Body<Value>>>) {
    while let Some(message) = answers.recv().await {
        if sender.send(message).await.is_err() {
            return;
        }
    }
}

async fn requests(
    mut receiver: Receiver,
    cbs: bool,
    shared: Arc<Shared>,
    answers: mpsc::UnboundedSender<Message<Body<Value>>>,
) {
    while let Ok(request) = receiver.recv::<Body<Value>>().await {
        receiver.accept(&request).await.unwrap();
        let message = request.into_message();
        let id = message.properties.as_ref().and_then(|properties| properties.message_id.clone());
        let (status, why, body) =
            if cbs { authorised(&message, &shared) } else { properties(message.application_properties, &shared) };
        let _ = answers.send(response(id, status, why, body));
    }
}

fn authorised(message: &Message<Body<Value>>, shared: &Shared) -> (i32, &'static str, Body<Value>) {
    if let Body::Value(value) = &message.body
        && let Value::String(token) = &value.0
    {
        shared.tokens.lock().unwrap().insert(token.clone());
    }
    match shared.authorisation.load(Ordering::SeqCst) {
        202 => (202, "Accepted", Body::Empty),
        status => (i32::from(status), "InvalidIssuer: Token issuer is invalid", Body::Empty),
    }
}

fn properties(asked: Option<ApplicationProperties>, shared: &Shared) -> (i32, &'static str, Body<Value>) {
    let asked = asked.map(|properties| properties.0).unwrap_or_default();
    let text = |name: &str| match asked.get(name) {
        Some(SimpleValue::String(text)) => text.clone(),
        _ => String::new(),
    };
    if text("name") != "user-events" {
        return (404, "The messaging entity could not be found", Body::Empty);
    }
    let now = Value::Timestamp(Timestamp::from(1_767_323_045_000));
    let mut map: OrderedMap<Value, Value> = OrderedMap::new();
    let mut put = |name: &str, value: Value| map.insert(Value::String(name.to_owned()), value);
    put("name", Value::String("user-events".to_owned()));
    put("type", Value::String(text("type")));
    if text("type") == "com.microsoft:eventhub" {
        put("created_at", now);
        put("partition_count", Value::Int(shared.partitions.len() as i32));
        let ids = (0..shared.partitions.len()).map(|partition| Value::String(partition.to_string()));
        put("partition_ids", Value::Array(ids.collect::<Vec<_>>().into()));
    } else {
        let events = shared.partitions[text("partition").parse::<usize>().unwrap()].lock().unwrap().len() as i64;
        put("partition", Value::String(text("partition")));
        put("begin_sequence_number", Value::Long(shared.begins.load(Ordering::SeqCst)));
        put("last_enqueued_sequence_number", Value::Long(events - 1));
        put("last_enqueued_sequence_number_epoch", Value::Long(0));
        put("last_enqueued_offset", Value::String((events * 64).to_string()));
        put("last_enqueued_time_utc", now);
        put("is_partition_empty", Value::Bool(events == 0));
    }
    (200, "OK", Body::Value(fe2o3_amqp::types::messaging::AmqpValue(Value::Map(map))))
}

fn response(id: Option<MessageId>, status: i32, why: &str, body: Body<Value>) -> Message<Body<Value>> {
    let properties = ApplicationProperties::builder().insert("status-code", status).insert("status-description", why);
    Message::builder()
        .properties(Properties { correlation_id: id, ..Properties::default() })
        .application_properties(properties.build())
        .body(body)
        .build()
}

/// Takes a partition's batches, one after the other.
async fn take(mut receiver: Receiver, partition: usize, shared: Arc<Shared>, cut: Arc<Notify>) {
    const BATCH: u32 = 0x8001_3700;
    while let Ok(delivery) = receiver.recv::<Body<Value>>().await {
        let number = shared.batches.fetch_add(1, Ordering::SeqCst);
        let trouble = shared.script.lock().unwrap().remove(&number);
        let refusal = |condition, text: &str| Error::new(condition, Some(text.to_owned()), None);
        match trouble {
            Some(Trouble::Busy) => {
                let busy = ErrorCondition::Custom(Symbol::from("com.microsoft:server-busy"));
                receiver.reject(&delivery, refusal(busy, "too many requests")).await.unwrap();
                continue;
            }
            Some(Trouble::Refuse) => {
                let refused = ErrorCondition::AmqpError(AmqpError::UnauthorizedAccess);
                receiver
                    .reject(&delivery, refusal(refused, "Unauthorized access. 'Send' claim required"))
                    .await
                    .unwrap();
                continue;
            }
            Some(Trouble::Detach | Trouble::Cut) | None => {}
        }
        let is_batch = delivery.message_format().unwrap_or(0) == BATCH;
        let (info, message) = delivery.into_parts();
        let events = if is_batch { events(message) } else { vec![event(message)] };
        shared.partitions[partition].lock().unwrap().extend(events);
        match trouble {
            Some(Trouble::Detach) => {
                let _ = receiver.close().await;
                return;
            }
            Some(Trouble::Cut) => {
                cut.notify_one();
                return;
            }
            _ => {
                if receiver.accept(info).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// A batch is a message whose body's sections are messages.
fn events(batch: Message<Body<Value>>) -> Vec<Taken> {
    let Body::Data(sections) = batch.body else { panic!("a batch without events") };
    let message = |section: Data| serde_amqp::from_slice::<Deserializable<Message<_>>>(&section.0).unwrap().0;
    sections.into_iter().map(|section| event(message(section))).collect()
}

fn event(message: Message<Body<Value>>) -> Taken {
    let Body::Data(body) = message.body else { panic!("an event without a body") };
    let named = |name: &dyn std::fmt::Debug| format!("{name:?}").contains("x-opt-partition-key");
    let annotations = message.message_annotations.map(|annotations| annotations.0).unwrap_or_default();
    let key = annotations.iter().find(|(name, _)| named(name)).map(|(_, value)| match value {
        Value::String(key) => key.clone(),
        other => panic!("a partition key that is no text: {other:?}"),
    });
    let body = body.into_iter().flat_map(|data| data.0.into_vec()).collect();
    Taken { body: String::from_utf8(body).unwrap(), key }
}
