//! What the pipeline stands on, started as the settings choose.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::error::UpError;
use crate::azure::blob::{BlobAddress, Container};
use crate::kafka::{BrokerAddress, Cluster, Endpoint, KafkaSettings, MissingTopic, Security};
use crate::offline::{
    Azurite, EmbeddedBroker, Kafka, OfflineError, Part, Parts, Persistence, Postgres, Registry, RisingWave, Scratch,
};
use crate::operator::store::connect;
use crate::registry::RegistryAddress;
use crate::settings::{BrokerChoice, StoreChoice, UpSettings};
use crate::store::{Session, StoreAddress, create_objects};

/// How long a component that was started has to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The container of the Capture files.
const CONTAINER: &str = "capture";

/// Everything that was started or is used.
pub(super) struct Components {
    azurite: Azurite,
    broker: Broker,
    store: Store,
    /// Where the events' schema is, if they have one.
    registry: Option<(Registry, RegistryAddress)>,
    blob: BlobAddress,
    kafka: KafkaSettings,
    store_address: StoreAddress,
    directory: PathBuf,
    /// Removed after the services that use it have ended.
    scratch: Option<Scratch>,
}

enum Broker {
    Embedded(EmbeddedBroker),
    Kafka(Box<Kafka>),
    Running,
}

enum Store {
    RisingWave(RisingWave),
    Postgres(Postgres),
    Running,
}

/// Which store, once PATH was looked at.
enum StorePlan {
    RisingWave(PathBuf),
    Postgres,
    Running(Box<StoreAddress>),
}

impl Components {
    /// Fetches and starts what the settings ask for, all at the same time.
    pub(super) async fn start(settings: &UpSettings) -> Result<Self, UpError> {
        let plan = match &settings.store {
            StoreChoice::Running(address) => StorePlan::Running(address.clone()),
            StoreChoice::Postgres => StorePlan::Postgres,
            StoreChoice::Auto => RisingWave::find_on_path().map_or(StorePlan::Postgres, StorePlan::RisingWave),
            StoreChoice::RisingWave => StorePlan::RisingWave(RisingWave::find_on_path().ok_or(UpError::NoRisingWave)?),
        };
        let progress = |text: &str| println!("{text}");
        let parts = Parts::locate();
        let mut needed = vec![Part::Azurite];
        needed.extend(matches!(plan, StorePlan::Postgres).then_some(Part::Postgres));
        needed.extend((settings.broker == BrokerChoice::Kafka).then_some(Part::Kafka));
        let by_registry = settings.format.read_by().needs_registry(false);
        needed.extend(by_registry.then_some(Part::Registry));
        parts.fetch(&needed, &progress).await?;

        let (directory, scratch, persistence) = match &settings.keep {
            Some(keep) => {
                let made = std::fs::create_dir_all(keep).and_then(|()| keep.canonicalize());
                (made.map_err(|source| UpError::Keep { path: keep.clone(), source })?, None, Persistence::Directory)
            }
            None => {
                let scratch = Scratch::new()?;
                (scratch.path().to_owned(), Some(scratch), Persistence::Memory)
            }
        };
        let azurite_directory = directory.join("azurite");
        let registry = async {
            Ok::<_, OfflineError>(match by_registry {
                true => Some(Registry::start(&parts, &directory.join("registry"), &progress).await?),
                false => None,
            })
        };
        let (azurite, broker, store, registry) = tokio::try_join!(
            Azurite::start(&parts, &azurite_directory, persistence, &progress),
            Broker::start(settings, &parts, &directory),
            Store::start(&plan, settings.store_memory, &parts, &directory, persistence),
            registry,
        )?;
        let registry = match registry {
            None => None,
            Some(registry) => {
                let address = registry.url().parse().map_err(UpError::Address)?;
                Some((registry, address))
            }
        };
        let store_address = match (&store, &plan) {
            (Store::RisingWave(risingwave), _) => risingwave.url().parse()?,
            (Store::Postgres(postgres), _) => postgres.url().parse()?,
            (Store::Running, StorePlan::Running(address)) => StoreAddress::clone(address),
            (Store::Running, _) => unreachable!("a store that was planned to be started was not"),
        };
        let address: BrokerAddress = match (&broker, &settings.broker) {
            (Broker::Embedded(broker), _) => broker.bootstrap().parse()?,
            (Broker::Kafka(kafka), _) => kafka.bootstrap().parse()?,
            (Broker::Running, BrokerChoice::Running(address)) => address.clone(),
            (Broker::Running, _) => unreachable!("a broker that was to be started was not"),
        };
        let blob = format!("{}/{CONTAINER}", azurite.blob_endpoint()).parse()?;
        let kafka = KafkaSettings { broker: address, security: Security::Plaintext };
        Ok(Components { azurite, broker, store, registry, blob, kafka, store_address, directory, scratch })
    }

    /// Makes the container, the topic and the tables.
    pub(super) async fn prepare(
        &mut self,
        settings: &UpSettings,
        shutdown: &CancellationToken,
    ) -> Result<Session, UpError> {
        Container::open(&self.blob, None)?.ensure().await?;
        if !matches!(self.broker, Broker::Embedded(_)) {
            let cluster = self.cluster().await?;
            cluster.create_topic(&settings.topic, settings.partitions.get()).await?;
        }
        let session = connect(&self.store_address, PATIENCE, shutdown).await?;
        create_objects(&session, |_| {}).await?;
        Ok(session)
    }

    pub(super) async fn cluster(&self) -> Result<Cluster, UpError> {
        let endpoint = Endpoint::plaintext(self.kafka.broker.clone());
        Ok(Cluster::connect(&endpoint, MissingTopic::Leave, PATIENCE).await?)
    }

    /// Ends when one of the components does, which none should.
    pub(super) async fn died(&mut self) -> OfflineError {
        let Components { azurite, broker, store, registry, .. } = self;
        let broker = async {
            match broker {
                Broker::Kafka(kafka) => kafka.service.died().await,
                Broker::Embedded(_) | Broker::Running => std::future::pending().await,
            }
        };
        let store = async {
            match store {
                Store::RisingWave(risingwave) => risingwave.service.died().await,
                Store::Postgres(postgres) => postgres.service.died().await,
                Store::Running => std::future::pending().await,
            }
        };
        let registry = async {
            match registry {
                Some((registry, _)) => registry.service.died().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            error = azurite.service.died() => error,
            error = broker => error,
            error = store => error,
            error = registry => error,
        }
    }

    /// Stops what was started, and only that.
    pub(super) async fn stop(mut self) {
        let broker = async {
            match &mut self.broker {
                Broker::Kafka(kafka) => kafka.service.stop().await,
                Broker::Embedded(_) | Broker::Running => Ok(()),
            }
        };
        let store = async {
            match &mut self.store {
                Store::RisingWave(risingwave) => risingwave.service.stop().await,
                Store::Postgres(postgres) => postgres.service.stop().await,
                Store::Running => Ok(()),
            }
        };
        let registry = async {
            match &mut self.registry {
                Some((registry, _)) => registry.service.stop().await,
                None => Ok(()),
            }
        };
        let (azurite, broker, store, registry) = tokio::join!(self.azurite.service.stop(), broker, store, registry);
        for error in [azurite, broker, store, registry].into_iter().filter_map(Result::err) {
            tracing::warn!("{error}");
        }
        drop(self.scratch);
    }

    /// Where everything is, for people.
    pub(super) fn facts(&self, session: &Session, page: Page) -> Facts {
        let broker = match &self.broker {
            Broker::Embedded(_) => format!("{} (embedded in this process)", self.kafka.broker),
            Broker::Kafka(_) => format!("{} (Apache Kafka)", self.kafka.broker),
            Broker::Running => self.kafka.broker.to_string(),
        };
        let registry = self.registry.as_ref();
        Facts {
            page,
            broker,
            registry: registry.map(|(_, address)| format!("{address} (Apicurio Registry)")),
            blob: format!("{} (Azurite)", self.blob),
            store: format!("{} ({})", self.store_address, session.engine()),
            psql: self.store_address.psql(),
            data: match self.scratch {
                Some(_) => "temporary; keep it with --keep DIR".to_owned(),
                None => format!("kept in {}", self.directory.display()),
            },
        }
    }

    pub(super) fn blob(&self) -> &BlobAddress {
        &self.blob
    }

    pub(super) fn kafka(&self) -> &KafkaSettings {
        &self.kafka
    }

    pub(super) fn registry(&self) -> Option<&RegistryAddress> {
        self.registry.as_ref().map(|(_, address)| address)
    }

    pub(super) fn store_address(&self) -> &StoreAddress {
        &self.store_address
    }

    /// Whether the broker forgets what is not read soon.
    pub(super) fn broker_is_small(&self) -> bool {
        matches!(self.broker, Broker::Embedded(_))
    }
}

impl Broker {
    async fn start(settings: &UpSettings, parts: &Parts, directory: &Path) -> Result<Self, OfflineError> {
        Ok(match settings.broker {
            BrokerChoice::Embedded => {
                Broker::Embedded(EmbeddedBroker::start(&[&settings.topic], settings.partitions.get())?)
            }
            BrokerChoice::Kafka => {
                let progress = |text: &str| println!("{text}");
                Broker::Kafka(Box::new(Kafka::start(parts, &directory.join("kafka"), &progress).await?))
            }
            BrokerChoice::Running(_) => Broker::Running,
        })
    }
}

impl Store {
    async fn start(
        plan: &StorePlan,
        memory: u64,
        parts: &Parts,
        directory: &Path,
        persistence: Persistence,
    ) -> Result<Self, OfflineError> {
        Ok(match plan {
            StorePlan::RisingWave(program) => {
                Store::RisingWave(RisingWave::start(program, &directory.join("risingwave"), memory).await?)
            }
            StorePlan::Postgres => {
                let progress = |text: &str| println!("{text}");
                Store::Postgres(Postgres::start(parts, &directory.join("postgres"), persistence, &progress).await?)
            }
            StorePlan::Running(_) => Store::Running,
        })
    }
}

/// What is served for people.
pub(super) struct Page {
    pub(super) address: SocketAddr,
    pub(super) hidden: bool,
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Page { address, hidden } = self;
        match hidden {
            false => write!(f, "page     http://{address}/"),
            true => write!(f, "health   http://{address}/readyz"),
        }
    }
}

/// Where everything is.
pub(super) struct Facts {
    pub(super) page: Page,
    pub(super) broker: String,
    pub(super) registry: Option<String>,
    pub(super) blob: String,
    pub(super) store: String,
    pub(super) psql: String,
    pub(super) data: String,
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Facts { page, broker, registry, blob, store, psql, data } = self;
        writeln!(f, "{page}")?;
        writeln!(f, "broker   {broker}")?;
        if let Some(registry) = registry {
            writeln!(f, "schemas  {registry}")?;
        }
        writeln!(f, "blob     {blob}")?;
        writeln!(f, "store    {store}")?;
        writeln!(f, "data     {data}")?;
        writeln!(f, "connect  {psql}")?;
        writeln!(f, "then     SELECT * FROM user_events ORDER BY event_order DESC LIMIT 10;")?;
        writeln!(f, "         SELECT * FROM latest_user_state ORDER BY id;")
    }
}
