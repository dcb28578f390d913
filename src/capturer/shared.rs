use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::files::Files;
use super::progress::Progress;
use super::trouble::Trouble;
use crate::azure::blob::Container;
use crate::kafka::{Cluster, Reader};
use crate::settings::CaptureSettings;

/// What all partitions of a run use.
pub(super) struct Shared {
    pub settings: CaptureSettings,
    pub cluster: Cluster,
    pub reader: Reader,
    pub container: Container,
    pub files: Files,
    pub blob_trouble: Arc<Trouble>,
    pub broker_trouble: Trouble,
    pub progress: Arc<Progress>,
    /// Cancelled from outside, or when a partition failed.
    pub shutdown: CancellationToken,
}
