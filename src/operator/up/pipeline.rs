//! The three programs, run in this process and ended in the order of the flow.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::components::Components;
use super::error::UpError;
use super::sent::Sent;
use crate::azure::identity::IdentitySettings;
use crate::capture::{Hub, NameFormat, WindowLimits};
use crate::capturer;
use crate::loader;
use crate::producer;
use crate::registry::RegistrySettings;
use crate::settings::{
    CaptureSettings, EmptyWindows, EventSource, FileCodec, LiveSettings, LoaderSettings, OrderSource, ProducerSettings,
    Route, Transport, Until, UpSettings, default_order_file,
};

/// The namespace in the names of local Capture files.
const NAMESPACE: &str = "local";

/// Events an embedded broker may be ahead of its reader: it keeps few, and forgets the others unread.
const EMBEDDED_AHEAD: u64 = 10_000;
/// How often it is looked how far that is: the producer hands over a thousand events in a millisecond.
const THROTTLE: Duration = Duration::from_millis(2);

/// How much older than the newest file one may be and still be found by the next poll.
const LOOK_BACK: Duration = Duration::from_secs(60);

/// How long a stage may do nothing though there is work for it.
const STALL: Duration = Duration::from_secs(60);

/// The settings of the three programs and what they have done so far.
pub(super) struct Pipeline {
    producer: ProducerSettings,
    capture: CaptureSettings,
    pub(super) loader: LoaderSettings,
    hold: bool,
    exit: bool,
    pub(super) sent: Arc<Sent>,
    pub(super) captured: Arc<capturer::Progress>,
    pub(super) loaded: Arc<loader::Progress>,
    pub(super) began: Instant,
}

/// How long a request to stop waits for what is under way.
const STOPPING: Duration = Duration::from_secs(3);

/// Why the pipeline ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// All events have arrived.
    Complete,
    /// Someone asked for it.
    Interrupted,
}

impl Pipeline {
    pub(super) async fn new(settings: &UpSettings, components: &Components) -> Result<Self, UpError> {
        let hub = Hub::new(NAMESPACE, &settings.topic)?;
        let order = OrderSource::File(default_order_file());
        let producer = ProducerSettings {
            identity: IdentitySettings::default(),
            transport: Transport::Kafka(components.kafka().clone()),
            topic: settings.topic.clone(),
            create_topic: None,
            source: EventSource::Generated {
                users: settings.users,
                seed: settings.seed,
                order,
                format: settings.format,
            },
            registry: components.registry().map(|address| RegistrySettings::open_to_all(address.clone())),
            rate: settings.rate,
            events: settings.events,
            give_up: STALL,
            quiet: true,
            http: None,
        };
        let capture = CaptureSettings {
            identity: IdentitySettings::default(),
            kafka: components.kafka().clone(),
            hubs: vec![hub.clone()],
            blob: components.blob().clone(),
            blob_sas: None,
            name_format: NameFormat::default(),
            limits: WindowLimits { interval: settings.window, size: 100 << 20 },
            // A file a second and partition for nothing would be noise on a quiet machine.
            empty_windows: EmptyWindows::Skip,
            codec: FileCodec::Null,
            give_up: STALL,
            http: None,
            until: Until::Stopped,
        };
        let (format, registry) = (settings.format.read_by(), components.registry().cloned());
        let route = Route { format, registry, ..Route::new(hub, "user_event_log") };
        let (blob, store) = (components.blob().clone(), components.store_address().clone());
        let mut loader = LoaderSettings { poll: settings.poll, ..LoaderSettings::new(blob, store, vec![route]) };
        let lane = LiveSettings::of_broker(components.kafka(), &loader.routes);
        loader.log = Some(Ok(lane.source.clone()));
        if settings.live {
            // Nobody but this pipeline writes these keys, so that there is no file to wait for.
            loader.live = Some(LiveSettings { from_start: true, ..lane });
        }
        // Nothing is late on one machine, and looking everywhere at every poll is cheap there.
        loader.lookout.look_back = LOOK_BACK;
        loader.lookout.sweep = settings.poll;
        Ok(Pipeline {
            producer,
            capture,
            loader,
            hold: components.broker_is_small(),
            exit: settings.exit,
            sent: Arc::new(Sent::of(settings.format)),
            captured: capturer::Progress::shared(),
            loaded: Arc::new(loader::Progress::new(settings.poll)),
            began: Instant::now(),
        })
    }

    pub(super) fn hub(&self) -> &Hub {
        &self.capture.hubs[0]
    }

    pub(super) fn name_format(&self) -> &NameFormat {
        &self.capture.name_format
    }

    /// Runs until all events have arrived, if it is to end by itself, or until it is told to stop. Either way each
    /// stage ends after the one before it.
    ///
    /// # Errors
    /// The first program's that fails, or when a stage stands still.
    pub(super) async fn run(&self, shutdown: &CancellationToken) -> Result<Ended, UpError> {
        let (hold, held) = watch::channel(false);
        let (stop_capture, stop_loader) = (CancellationToken::new(), CancellationToken::new());
        let observer: Arc<dyn producer::Observer> = Arc::clone(&self.sent) as _;
        let producing = async {
            let summary = producer::run(self.producer.clone(), shutdown.clone(), held, observer).await?;
            if !self.exit {
                shutdown.cancelled().await;
            }
            let all_read = || self.captured.read() >= summary.acknowledged;
            if shutdown.is_cancelled() {
                // What was sent is captured if that is a matter of moments; a stop is not kept waiting for more.
                let _ = tokio::time::timeout(STOPPING, self.wait("capture", all_read, || self.captured.read())).await;
            } else {
                self.wait("capture", all_read, || self.captured.read()).await?;
            }
            stop_capture.cancel();
            Ok::<_, UpError>(())
        };
        let capturing = async {
            capturer::run(self.capture.clone(), stop_capture.clone(), Arc::clone(&self.captured)).await?;
            // Two polls from here, one began after the last file was there; when it ends, that file is loaded.
            let polls = self.loaded.counts().polls;
            self.wait("loader", || self.loaded.counts().polls >= polls + 2, || self.loaded.counts().loaded).await?;
            stop_loader.cancel();
            Ok::<_, UpError>(())
        };
        let loading = async {
            loader::run(&self.loader, stop_loader.clone(), Arc::clone(&self.loaded)).await?;
            Ok::<_, UpError>(())
        };
        let all = async { tokio::try_join!(producing, capturing, loading) };
        tokio::select! {
            result = all => result?,
            never = self.throttle(&hold) => match never {},
        };
        Ok(if shutdown.is_cancelled() { Ended::Interrupted } else { Ended::Complete })
    }

    /// Holds the producer back while a broker that forgets is about to.
    async fn throttle(&self, hold: &watch::Sender<bool>) -> std::convert::Infallible {
        loop {
            let ahead = self.sent.handed().saturating_sub(self.captured.read());
            hold.send_if_modified(|held| std::mem::replace(held, self.hold && ahead > EMBEDDED_AHEAD) != *held);
            tokio::time::sleep(THROTTLE).await;
        }
    }

    async fn wait(&self, stage: &str, done: impl Fn() -> bool, work: impl Fn() -> u64) -> Result<(), UpError> {
        let mut moved = (work(), Instant::now());
        while !done() {
            if work() != moved.0 {
                moved = (work(), Instant::now());
            }
            if moved.1.elapsed() > STALL {
                let (sent, captured) = (self.sent.events(), self.captured.captured());
                let loaded = self.loaded.counts().loaded;
                return Err(UpError::Stuck(format!(
                    "{stage} has not moved for {} s: {sent} events sent, {captured} captured, {loaded} loaded",
                    STALL.as_secs()
                )));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}
