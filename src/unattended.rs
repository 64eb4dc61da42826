//! Work that goes on when its caller goes away, and ends with the service. Imports
//! nothing of this crate.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;

/// How long what is under way may take to end when the service does.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is under way unattended. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct Unattended {
    ends: CancellationToken,
    /// Read by each of them for as long as it goes on.
    going_on: Arc<RwLock<()>>,
}

impl Unattended {
    /// Work that the end of the service waits for.
    pub fn counted<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        let going_on = Arc::clone(&self.going_on);
        async move {
            let _going_on = going_on.read_owned().await;
            work.await
        }
    }

    /// Completes when the service ends: what is under way is to end too.
    pub async fn ends(&self) {
        self.ends.cancelled().await;
    }

    /// Ends all of it, and waits until it has ended; a few seconds at most.
    pub async fn end(&self) {
        self.ends.cancel();
        if tokio::time::timeout(PATIENCE, self.going_on.write()).await.is_err() {
            tracing::warn!("what went on unattended did not end in time");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[tokio::test]
    async fn the_end_waits_for_what_is_under_way() {
        let (unattended, ended) = (Unattended::default(), Arc::new(AtomicBool::new(false)));
        let (its_own, its_end) = (unattended.clone(), Arc::clone(&ended));
        let (begins, has_begun) = tokio::sync::oneshot::channel();
        tokio::spawn(unattended.counted(async move {
            begins.send(()).expect("it is waited for");
            its_own.ends().await;
            tokio::task::yield_now().await;
            its_end.store(true, Ordering::Release);
        }));
        has_begun.await.expect("it begins");
        unattended.end().await;
        assert!(ended.load(Ordering::Acquire));
    }
}
