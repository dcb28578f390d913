//! An answer that several share until it is old.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// One answer, or none yet. Whoever wants it while it is being got waits for it.
#[derive(Debug)]
pub(super) struct Kept<T>(Mutex<Option<(Instant, Arc<T>)>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Kept(Mutex::new(None))
    }
}

impl<T> Kept<T> {
    /// The answer that is there, if it is younger than that; else one that is got now, and kept if it is no error.
    pub(super) async fn get<E>(&self, age: Duration, get: impl AsyncFnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        let mut kept = self.0.lock().await;
        if let Some((at, answer)) = &*kept
            && at.elapsed() < age
        {
            return Ok(Arc::clone(answer));
        }
        let answer = Arc::new(get().await?);
        *kept = Some((Instant::now(), Arc::clone(&answer)));
        Ok(answer)
    }

    /// Forgets what is there.
    pub(super) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[tokio::test]
    async fn many_get_one_answer() {
        let kept = Arc::new(Kept::default());
        let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let get = async |age| {
            let asked = Arc::clone(&asked);
            kept.get(age, async || {
                tokio::time::sleep(Duration::from_millis(5)).await;
                Ok::<_, Infallible>(asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst))
            })
            .await
            .map(|answer| *answer)
        };
        let hour = Duration::from_secs(3600);
        let answers = futures::future::join_all((0..20).map(|_| get(hour))).await;
        assert!(answers.into_iter().all(|answer| answer == Ok(0)));
        assert_eq!(get(Duration::ZERO).await, Ok(1));
        kept.forget().await;
        assert_eq!(get(hour).await, Ok(2));
    }
}
