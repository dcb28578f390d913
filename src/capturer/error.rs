use std::time::Duration;

use crate::azure::blob::BlobError;
use crate::azure::identity::IdentityError;
use crate::capture::{Damage, InvalidEnqueuedTime, WriteError};
use crate::kafka::KafkaError;

/// Why capturing ended.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The broker cannot be reached at the start, or has no such topic.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// There is no way to get tokens.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The container cannot be used, and waiting does not help.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The container could not be reached at the start.
    #[error(
        "no blob service answered at {address} within {} s ({reason}): check that it runs there and that --blob is \
         right",
        waited.as_secs()
    )]
    BlobAway {
        /// Where it was looked for.
        address: String,
        /// For how long.
        waited: Duration,
        /// What the last attempt ended with.
        reason: String,
    },
    /// Files of this topic appear that this process did not write.
    #[error(
        "blob {blob} in {address} was written by another capture of this topic: only one may run per topic, so stop \
         one of them"
    )]
    AnotherCapture {
        /// The file.
        blob: String,
        /// Its container.
        address: String,
    },
    /// The newest file of a partition is no whole Capture file, so that the position in the topic is not known.
    #[error("blob {blob} in {address} cannot tell where to go on: move it out of the container, or repair it")]
    Unreadable {
        /// The file.
        blob: String,
        /// Its container.
        address: String,
        /// Where it is damaged.
        #[source]
        source: Box<Damage>,
    },
    /// A record of the newest file has no readable time.
    #[error("blob {blob} in {address} cannot tell where to go on: move it out of the container, or repair it")]
    BadTime {
        /// The file.
        blob: String,
        /// Its container.
        address: String,
        /// The time.
        #[source]
        source: InvalidEnqueuedTime,
    },
    /// A record cannot be written in Capture's format.
    #[error("record {offset} for blob {blob} cannot be written")]
    Record {
        /// The file it was for.
        blob: String,
        /// Its offset.
        offset: i64,
        /// What is wrong with it.
        #[source]
        source: WriteError,
    },
    /// A file cannot be ended or begun in Capture's format.
    #[error("blob {blob} cannot be encoded")]
    Encode {
        /// The file.
        blob: String,
        /// What is wrong.
        #[source]
        source: WriteError,
    },
    /// A part of the program panicked.
    #[error("capturing ended by a fault of the program ({0}): report it")]
    Fault(String),
}
