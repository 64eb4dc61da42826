//! The queue before the hashing: it takes memory and a core, which answers
//! need too.

use std::sync::Arc;

use secrecy::SecretString;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{PasswordError, Verdict};

/// Hashes that are worked out at the same time, at most.
const MOST_AT_ONCE: usize = 2;

/// How much is done at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Hashes that are worked out at the same time; each takes 19 MiB.
    pub at_once: usize,
    /// Further callers that wait. More are told [`PasswordError::Busy`].
    pub waiting: usize,
}

impl Default for Load {
    /// Half the cores, so that answers do not stand still; 2 at most. Far fewer
    /// wait than requests may be under way, so that other requests find a place.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { at_once: (cores / 2).clamp(1, MOST_AT_ONCE), waiting: 64 }
    }
}

/// Hashes and checks passwords, a few at a time and away from the threads that
/// serve requests. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Hasher {
    /// Who is here: at work or waiting.
    places: Arc<Semaphore>,
    /// Who is at work.
    permits: Arc<Semaphore>,
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new(Load::default())
    }
}

impl Hasher {
    /// One that does so much at once.
    #[must_use]
    pub fn new(load: Load) -> Self {
        let at_once = load.at_once.max(1);
        let places = at_once.saturating_add(load.waiting).min(Semaphore::MAX_PERMITS);
        Self { places: Arc::new(Semaphore::new(places)), permits: Arc::new(Semaphore::new(at_once)) }
    }

    /// Hashes a new password, when it is its turn.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn hash(&self, password: SecretString) -> Result<String, PasswordError> {
        super::check_length(&password)?;
        self.work(move || super::hash(&password)).await
    }

    /// Checks a password, when it is its turn. `stored` is `None` for an
    /// account that does not exist.
    ///
    /// # Errors
    /// [`PasswordError::TooLong`], [`PasswordError::Busy`], [`PasswordError::Failed`].
    pub async fn verify(&self, stored: Option<String>, given: SecretString) -> Result<Verdict, PasswordError> {
        super::check_length(&given)?;
        self.work(move || super::verify(stored.as_deref(), &given)).await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| PasswordError::Failed)?;
        let turn = Turn { _permit: permit, _place: place };
        // The turn goes along: work goes on when its caller has left.
        let worked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        worked.await.unwrap_or(Err(PasswordError::Failed))
    }
}

/// Gives back the permit first, then the place.
struct Turn {
    _permit: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Barrier, mpsc};

    use futures::future::join_all;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn of_200_at_once_all_are_served_two_at_a_time() {
        let hasher = Hasher::new(Load { at_once: 2, waiting: 198 });
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        // Nobody is done before two are at work.
        let pair = Arc::new(Barrier::new(2));
        let work = |_| {
            let (now, most, pair) = (Arc::clone(&now), Arc::clone(&most), Arc::clone(&pair));
            hasher.work(move || {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                pair.wait();
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            })
        };
        let served = join_all((0..200).map(work)).await;
        assert!(served.iter().all(Result::is_ok));
        assert_eq!(most.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn who_finds_the_queue_full_is_told_at_once() {
        let hasher = Hasher::new(Load { at_once: 1, waiting: 1 });
        let (go, gate) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let hasher = hasher.clone();
            async move { hasher.work(move || gate.recv().map_err(|_| PasswordError::Failed)).await }
        });
        let second = tokio::spawn({
            let hasher = hasher.clone();
            async move { hasher.work(|| Ok(())).await }
        });
        while hasher.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(hasher.hash("correct horse".into()).await, Err(PasswordError::Busy));
        go.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(()));
        assert_eq!(second.await.unwrap(), Ok(()));
        assert!(hasher.hash("correct horse".into()).await.is_ok());
    }

    #[tokio::test]
    async fn work_whose_caller_has_left_still_counts() {
        let hasher = Hasher::new(Load { at_once: 1, waiting: 0 });
        let (go, gate) = mpsc::channel::<()>();
        let (began, begun) = tokio::sync::oneshot::channel();
        let caller = tokio::spawn({
            let hasher = hasher.clone();
            async move {
                let work = move || {
                    began.send(()).map_err(|()| PasswordError::Failed)?;
                    gate.recv().map_err(|_| PasswordError::Failed)
                };
                hasher.work(work).await
            }
        });
        begun.await.unwrap();
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        assert_eq!(hasher.verify(None, "correct horse".into()).await, Err(PasswordError::Busy));
        go.send(()).unwrap();
        // The place is free again once the work has ended.
        let place = hasher.places.acquire().await.unwrap();
        drop(place);
        assert_eq!(hasher.verify(None, "correct horse".into()).await, Ok(Verdict::Wrong));
    }

    #[tokio::test]
    async fn a_panic_in_the_work_is_an_error_and_frees_its_place() {
        let hasher = Hasher::new(Load { at_once: 1, waiting: 0 });
        let failed: Result<(), _> = hasher.work(|| panic!("no memory")).await;
        assert_eq!(failed, Err(PasswordError::Failed));
        assert_eq!(hasher.work(|| Ok(1)).await, Ok(1));
    }

    #[tokio::test]
    async fn a_megabyte_is_refused_without_a_place_in_the_queue() {
        let hasher = Hasher::new(Load { at_once: 1, waiting: 0 });
        let _all = hasher.places.acquire().await.unwrap();
        let long: SecretString = "a".repeat(1_000_000).into();
        assert_eq!(hasher.hash(long.clone()).await, Err(PasswordError::TooLong));
        assert_eq!(hasher.verify(None, long).await, Err(PasswordError::TooLong));
    }
}
