//! Threads that embed in bulk, one for each core, behind everybody else: whoever asks
//! meanwhile, the database and the reading of documents get the processors first.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use crate::error::{Error, Result};

/// How much less than others they are given by the scheduler, of 19: a tenth, where
/// others want all.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// What a lane works with.
pub(super) trait Session: Send + 'static {
    /// Embeds texts, in their order.
    fn embed(&mut self, texts: &[String]) -> Result<Vec<Vec<f32>>>;
}

/// The threads. They end when this is dropped, each after the batch that it makes: the
/// model's library must not be taken from under them when the process ends.
#[derive(Debug)]
pub(super) struct Lanes {
    /// There until this is dropped.
    work: Option<mpsc::Sender<Work>>,
    threads: Vec<JoinHandle<()>>,
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.work = None;
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

#[derive(Debug)]
struct Work {
    texts: Vec<String>,
    done: oneshot::Sender<Result<Vec<Vec<f32>>>>,
}

impl Lanes {
    /// Starts so many, each with a session of its own.
    ///
    /// # Errors
    /// What `session` says, or [`Error::Embedder`] when the system gives no thread.
    pub(super) fn start<S: Session>(count: usize, session: impl Fn() -> Result<S>) -> Result<Self> {
        let (work, waiting) = mpsc::channel(count.max(1));
        let waiting = Arc::new(Mutex::new(waiting));
        let mut lanes = Self { work: Some(work), threads: Vec::new() };
        for lane in 0..count.max(1) {
            let (session, waiting) = (session()?, Arc::clone(&waiting));
            let thread = std::thread::Builder::new()
                .name(format!("embed-{lane}"))
                .spawn(move || run(session, &waiting))
                .map_err(|error| Error::Embedder(format!("no thread can be started: {error}")))?;
            lanes.threads.push(thread);
        }
        Ok(lanes)
    }

    /// Waits for a lane, and for what it makes of the texts. Texts that nobody waits
    /// for any more are not embedded.
    ///
    /// # Errors
    /// What the session says.
    pub(super) async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        let ended = || Error::Embedder("the threads that embed have ended".into());
        let (done, made) = oneshot::channel();
        let work = self.work.as_ref().ok_or_else(ended)?;
        work.send(Work { texts, done }).await.map_err(|_| ended())?;
        made.await.map_err(|_| ended())?
    }
}

fn run(mut session: impl Session, waiting: &Mutex<mpsc::Receiver<Work>>) {
    stand_back();
    loop {
        // One waits for work, the others for their turn to.
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(Work { texts, done }) = next else { return };
        if !done.is_closed() {
            // A session holds no state between calls: it goes on after a panic.
            let made = std::panic::catch_unwind(AssertUnwindSafe(|| session.embed(&texts)));
            let _ = done.send(made.unwrap_or(Err(Error::Panicked)));
        }
    }
}

/// On Linux a thread has a priority of its own; elsewhere it would be the process's.
fn stand_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "embedding in bulk has the priority of everything else");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says how long each text is, and panics at one that is empty.
    struct Lengths;

    impl Session for Lengths {
        fn embed(&mut self, texts: &[String]) -> Result<Vec<Vec<f32>>> {
            assert!(texts.iter().all(|text| !text.is_empty()), "a text");
            Ok(texts.iter().map(|text| vec![f32::from(u8::try_from(text.len()).expect("short"))]).collect())
        }
    }

    fn texts(lengths: impl IntoIterator<Item = usize>) -> Vec<String> {
        lengths.into_iter().map(|length| "x".repeat(length)).collect()
    }

    #[tokio::test]
    async fn each_is_given_what_was_made_of_its_texts() {
        let lanes = Lanes::start(3, || Ok(Lengths)).expect("threads");
        let all = (1..50).map(|length| lanes.embed(texts([length, length + 1])));
        for (vectors, length) in futures::future::join_all(all).await.into_iter().zip(1_u8..) {
            assert_eq!(vectors.expect("vectors"), [[f32::from(length)], [f32::from(length + 1)]]);
        }
    }

    #[tokio::test]
    async fn a_lane_goes_on_after_a_panic() {
        let lanes = Lanes::start(1, || Ok(Lengths)).expect("threads");
        assert!(matches!(lanes.embed(texts([0])).await, Err(Error::Panicked)));
        assert_eq!(lanes.embed(texts([7])).await.expect("vectors"), [[7.0]]);
    }

    /// Is counted for as long as its thread goes on.
    struct Counted(#[expect(dead_code, reason = "it is counted")] Arc<()>);

    impl Session for Counted {
        fn embed(&mut self, _: &[String]) -> Result<Vec<Vec<f32>>> {
            Ok(Vec::new())
        }
    }

    #[tokio::test]
    async fn they_have_ended_when_they_are_dropped() {
        let held = Arc::new(());
        let lanes = Lanes::start(4, || Ok(Counted(Arc::clone(&held)))).expect("threads");
        lanes.embed(Vec::new()).await.expect("nothing");
        assert_eq!(Arc::strong_count(&held), 5);
        drop(lanes);
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_the_thread_itself_stands_back() {
        let nice = || rustix::process::getpriority_process(None).expect("a priority");
        let before = nice();
        let lane = std::thread::spawn(move || {
            stand_back();
            nice()
        });
        assert_eq!((lane.join().expect("ended"), nice()), (before.max(NICENESS), before));
    }
}
