use crate::settings::LoaderSettings;

/// How a loader divides the memory it may use.
///
/// About half goes to files on their way in: a worker holds one file's chunks and a few of the next one's. The rest
/// goes to batches: being filled by each worker, waiting for each connection, and being written by each. A batch counts
/// twice, as literals and as the records they were made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget {
    /// Files fetched and decoded at once: as many as were asked for, if there is memory for them.
    pub(super) parallel_files: usize,
    /// A batch is cut off here whatever its rows, so that megabyte events make small batches.
    pub(super) batch_bytes: usize,
}

/// What a worker holds of files: two with about five chunks of 4 MiB each.
const WORKER: usize = 40 << 20;

const SMALLEST_BATCH: usize = 256 << 10;
const LARGEST_BATCH: usize = 16 << 20;

impl Budget {
    /// Where so many groups are in memory at once.
    pub(super) fn of(settings: &LoaderSettings, groups: usize) -> Self {
        let half = settings.memory / 2 / groups.max(1);
        let parallel_files = settings.parallel_files.min((half / WORKER).max(1));
        let batches = parallel_files + 2 * settings.connections;
        let batch_bytes = (half / (2 * batches)).clamp(SMALLEST_BATCH, LARGEST_BATCH);
        Budget { parallel_files, batch_bytes }
    }
}
