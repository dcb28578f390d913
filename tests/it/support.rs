//! Components shared by all tests of this process, each started by the first test that asks.
//!
//! They outlive the runtime of that test, as their handles belong to none, and end with the process. Tests keep apart
//! by names of their own: see [`unique`].

pub mod cloud;
mod fake_risingwave;
mod files;
mod giant;
mod http;
mod metrics;
mod pooler;
mod program;
mod proxy;
mod store;
pub mod tls;
mod tokens;

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use deltawave::offline::{Access, Azurite, Kafka, OfflineError, Parts, Persistence, Postgres, Scratch};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

pub use fake_risingwave::{Done, FakeRisingWave, Kind};
pub use files::{Files, capture_file, event, plain, user};
pub use giant::{Giant, bomb};
pub use http::{Http, unhappy_answer};
pub use metrics::{Described, Metric, documented};
pub use pooler::Pooler;
pub use program::{Ended, Running, program, run};
pub use proxy::{Manner, Proxy};
pub use store::{TestStore, postgres_store, store};
pub use tokens::Tokens;

/// Azurite, its data in memory.
pub async fn azurite() -> &'static Azurite {
    static SHARED: OnceCell<Azurite> = OnceCell::const_new();
    SHARED
        .get_or_init(async || {
            started(Azurite::start(&Parts::locate(), &home("azurite"), Persistence::Memory, &quiet).await)
        })
        .await
}

/// Apache Kafka, one node. Topics have to be created.
pub async fn kafka() -> &'static Kafka {
    static SHARED: OnceCell<Kafka> = OnceCell::const_new();
    SHARED.get_or_init(async || started(Kafka::start(&Parts::locate(), &home("kafka"), &quiet).await)).await
}

/// PostgreSQL with the database `dev`; a test makes a schema or a database of its own in it.
pub async fn postgres() -> &'static Postgres {
    static SHARED: OnceCell<Postgres> = OnceCell::const_new();
    SHARED
        .get_or_init(async || {
            started(Postgres::start(&Parts::locate(), &home("postgres"), Persistence::Memory, &quiet).await)
        })
        .await
}

/// A PostgreSQL of the test's own, for tests of users and of TLS, which all databases of a server share.
pub async fn postgres_for(access: &Access) -> Postgres {
    started(
        Postgres::start_for(access, &Parts::locate(), &home(&unique("postgres")), Persistence::Memory, &quiet).await,
    )
}

/// A name that starts with the given word and that nothing else has: fit for a container, a topic, a table.
pub fn unique(word: &str) -> String {
    let id = uuid::Uuid::new_v4().simple().to_string();
    format!("{word}{}", &id[..12])
}

/// Asks again until there is an answer; fails the test, naming what it waited for, when 90 s bring none: programs give
/// a server that is silent 30 s, and other tests are at work on the same cores.
pub async fn eventually<T, E: Debug>(what: &str, mut ask: impl AsyncFnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) if Instant::now() > deadline => panic!("{what}: not within 90 s, last {error:?}"),
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }
}

/// A listener for progress that nobody wants to hear.
pub fn quiet(_: &str) {}

/// A directory below the one that is removed after this process.
pub fn home(name: &str) -> PathBuf {
    static SHARED: OnceLock<Scratch> = OnceLock::new();
    SHARED.get_or_init(|| started(Scratch::new())).path().join(name)
}

fn started<T>(result: Result<T, OfflineError>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}
