//! Numbers that only grow.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::settings::OrderSource;

/// Digits of a number in the order file: the largest `i64` has 19. A line feed follows.
const DIGITS: usize = 19;

/// Why no event number could be given out.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The file, or the directory it stands in, cannot be used.
    #[error("{action} order file {}: choose another with --order-file", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The file holds something else than a number.
    #[error(
        "order file {} holds `{found}` and not a number: put in the highest event_order sent so far, \
         or delete the file if the clock is past it",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Its beginning.
        found: String,
    },
    /// There is no next number.
    #[error("event_order is at its end: the last number given out is {0}")]
    Exhausted(i64),
}

/// Gives out `event_order`: strictly increasing for all producers on this machine that share the order file, across
/// restarts, kills and clocks that go back.
///
/// The number is the time in microseconds since the epoch, or one more than the last number given out if that is
/// larger. The last number stands in a small file, read and written under the operating system's file lock for every
/// event. It is not synced to disk: after a power cut an older number may stand there, and then the clock is past it.
///
/// Producers on different machines share no file. Equal numbers are then possible, if rare, and the view of the latest
/// state breaks the tie by the broker's own order.
#[derive(Debug)]
pub enum OrderClock {
    /// By the clock and the shared file.
    Shared(OrderFile),
    /// N, N+1, …: the next number.
    Counting(i64),
}

impl OrderClock {
    /// Opens the file, making it and its directory if need be.
    ///
    /// # Errors
    /// [`OrderError`] naming the file.
    pub fn open(source: &OrderSource) -> Result<OrderClock, OrderError> {
        Ok(match source {
            OrderSource::CountFrom(start) => OrderClock::Counting(*start),
            OrderSource::File(path) => OrderClock::Shared(OrderFile::open(path)?),
        })
    }

    /// The next number, given the time in microseconds since the epoch.
    ///
    /// # Errors
    /// [`OrderError`] when the file cannot be read, written or locked, or holds no number. Nothing was given out.
    pub fn next(&mut self, now: i64) -> Result<i64, OrderError> {
        match self {
            OrderClock::Shared(file) => file.advance(|last| Ok(now.max(successor(last)?))),
            OrderClock::Counting(next) => {
                let number = *next;
                *next = successor(number)?;
                Ok(number)
            }
        }
    }
}

fn successor(last: i64) -> Result<i64, OrderError> {
    last.checked_add(1).ok_or(OrderError::Exhausted(last))
}

/// The file that holds the last number given out.
#[derive(Debug)]
pub struct OrderFile {
    file: File,
    path: PathBuf,
}

impl OrderFile {
    fn open(path: &Path) -> Result<OrderFile, OrderError> {
        let failed = |action| move |source| OrderError::File { action, path: path.to_owned(), source };
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(failed("create the directory of"))?;
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed("open"))?;
        let mut file = OrderFile { file, path: path.to_owned() };
        // A file that cannot serve is found before the first event.
        file.advance(Ok)?;
        Ok(file)
    }

    /// Replaces the last number under the lock, which no other thread or process holds meanwhile.
    fn advance(&mut self, next: impl FnOnce(i64) -> Result<i64, OrderError>) -> Result<i64, OrderError> {
        self.file.lock().map_err(|source| self.failed("lock", source))?;
        let number = self.read().and_then(next).and_then(|number| self.write(number));
        self.file.unlock().map_err(|source| self.failed("unlock", source))?;
        number
    }

    fn read(&self) -> Result<i64, OrderError> {
        // One byte more than a number has, to notice a file that is something else.
        let mut bytes = [0; DIGITS + 2];
        let mut length = 0;
        while length < bytes.len() {
            match self.file.read_at(&mut bytes[length..], length as u64) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed("read", error)),
            }
        }
        let text = String::from_utf8_lossy(&bytes[..length]);
        match text.trim_end() {
            "" => Ok(0),
            digits => digits
                .parse::<i64>()
                .ok()
                .filter(|last| *last >= 0 && length <= DIGITS + 1)
                .ok_or_else(|| OrderError::Corrupt { path: self.path.clone(), found: text.trim_end().to_owned() }),
        }
    }

    fn write(&self, number: i64) -> Result<i64, OrderError> {
        let line = format!("{number:0width$}\n", width = DIGITS);
        self.file.write_all_at(line.as_bytes(), 0).map_err(|source| self.failed("write", source))?;
        Ok(number)
    }

    fn failed(&self, action: &'static str, source: io::Error) -> OrderError {
        OrderError::File { action, path: self.path.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(path: &Path) -> OrderClock {
        OrderClock::open(&OrderSource::File(path.to_owned())).unwrap()
    }

    #[test]
    fn numbers_follow_the_clock_and_never_go_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state/deltawave/event-order");
        let mut first = clock(&path);
        assert_eq!(first.next(1000).unwrap(), 1000);
        assert_eq!(first.next(1000).unwrap(), 1001);
        assert_eq!(first.next(10).unwrap(), 1002, "a clock that goes back");
        drop(first);
        let mut second = clock(&path);
        assert_eq!(second.next(10).unwrap(), 1003, "a restart with a clock that went back");
        assert_eq!(second.next(5000).unwrap(), 5000);
    }

    #[test]
    fn handles_in_many_threads_give_out_distinct_growing_numbers() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("event-order");
        let take = || {
            let mut clock = clock(&path);
            (0..500).map(|_| clock.next(7).unwrap()).collect::<Vec<_>>()
        };
        let mut all = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(all.iter().all(|numbers| numbers.is_sorted_by(|a, b| a < b)));
        let mut all = all.drain(..).flatten().collect::<Vec<_>>();
        all.sort_unstable();
        assert_eq!(all, (7..2007).collect::<Vec<_>>(), "each number once, none left out");
    }

    #[test]
    fn a_file_without_a_number_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("event-order");
        for content in ["hello\n", "-5\n", "12x4\n", "00000000000000000012\nmore", "99999999999999999999\n"] {
            std::fs::write(&path, content).unwrap();
            let error = OrderClock::open(&OrderSource::File(path.clone())).unwrap_err();
            assert!(matches!(error, OrderError::Corrupt { .. }), "{content:?} gave {error}");
            assert!(error.to_string().contains(path.to_str().unwrap()));
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
        std::fs::write(&path, "41\n").unwrap();
        assert_eq!(clock(&path).next(1).unwrap(), 42, "a number put in by hand");
        std::fs::write(&path, format!("{}\n", i64::MAX)).unwrap();
        assert!(matches!(clock(&path).next(1), Err(OrderError::Exhausted(i64::MAX))));
    }

    #[test]
    fn counting_needs_no_file() {
        let mut clock = OrderClock::open(&OrderSource::CountFrom(1)).unwrap();
        assert_eq!((clock.next(99).unwrap(), clock.next(99).unwrap()), (1, 2));
    }
}
