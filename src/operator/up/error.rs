use std::path::PathBuf;

use crate::azure::blob::{AddressError, BlobError};
use crate::capture::InvalidHub;
use crate::capturer::CaptureError;
use crate::kafka::{AddressError as BrokerAddressError, KafkaError};
use crate::loader::LoadError;
use crate::offline::OfflineError;
use crate::page::PageError;
use crate::producer::ProducerError;
use crate::store::{InvalidStoreAddress, StoreError};

/// Why the pipeline did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// A component did not start, or died.
    #[error(transparent)]
    Offline(#[from] OfflineError),
    /// The directory for data cannot be made.
    #[error("directory {path} cannot be made (--keep)")]
    Keep {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// `--store risingwave` without the program.
    #[error("no `risingwave` program on PATH; install RisingWave, or use --store postgres or --store-url")]
    NoRisingWave,
    /// The producer failed.
    #[error("producer: {0}")]
    Producer(#[from] ProducerError),
    /// The capture program failed.
    #[error("capture: {0}")]
    Capture(#[from] CaptureError),
    /// The loader failed.
    #[error("loader: {0}")]
    Loader(#[from] LoadError),
    /// The page cannot be served.
    #[error(transparent)]
    Page(#[from] PageError),
    /// The broker cannot be asked.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The store cannot be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The blob endpoint cannot be asked.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// A Capture file cannot be read back.
    #[error("file {blob} cannot be read back: {reason}")]
    File {
        /// The file.
        blob: String,
        /// Why.
        reason: String,
    },
    /// A stage stands still though there is work for it.
    #[error("{0}")]
    Stuck(String),
    /// A component gave an address we cannot use.
    #[error("a component's address is not usable: {0}")]
    Address(String),
    /// The terminal cannot be drawn on.
    #[error("the terminal cannot be drawn on; try --plain")]
    Terminal(#[source] std::io::Error),
}

macro_rules! address_error {
    ($($error:ty),*) => { $(
        impl From<$error> for UpError {
            fn from(error: $error) -> Self {
                UpError::Address(error.to_string())
            }
        }
    )* };
}

address_error!(AddressError, BrokerAddressError, InvalidStoreAddress, InvalidHub);
