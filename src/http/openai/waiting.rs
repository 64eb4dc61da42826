//! What a model has said and its reader has not taken yet. Words that wait are put
//! together, so that a slow reader costs what was said and no more, and does not hold
//! up who says it.

use std::sync::{Arc, Mutex, PoisonError};

use futures::Stream;
use futures::stream;
use tokio::sync::mpsc;

use crate::llm::{Delta, LlmError};

type Told = Result<Delta, LlmError>;

/// One end of it, and the other.
pub(super) fn room() -> (Teller, Listener) {
    let waiting = Arc::new(Mutex::default());
    let (wake, woken) = mpsc::channel(1);
    (Teller { waiting: Arc::clone(&waiting), wake }, Listener { waiting, woken })
}

/// Adds a delta to the one before it, where both are words of one kind. Whether that
/// is so.
pub(super) fn join(before: &mut Delta, more: &Delta) -> bool {
    match (before, more) {
        (Delta::Text(before), Delta::Text(more)) | (Delta::Reasoning(before), Delta::Reasoning(more)) => {
            before.push_str(more);
            true
        }
        _ => false,
    }
}

/// Who says it.
#[derive(Debug)]
pub(super) struct Teller {
    waiting: Arc<Mutex<Vec<Told>>>,
    wake: mpsc::Sender<()>,
}

impl Teller {
    /// Says something, and waits for nobody.
    pub(super) fn tell(&self, told: Told) {
        if self.is_alone() {
            return;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_joined = match (waiting.last_mut(), &told) {
            (Some(Ok(before)), Ok(more)) => join(before, more),
            _ => false,
        };
        if !is_joined {
            waiting.push(told);
        }
        drop(waiting);
        // One who is to be woken already will see this too.
        let _ = self.wake.try_send(());
    }

    /// Whether nobody listens any more.
    pub(super) fn is_alone(&self) -> bool {
        self.wake.is_closed()
    }
}

/// Who hears it.
#[derive(Debug)]
pub(super) struct Listener {
    waiting: Arc<Mutex<Vec<Told>>>,
    woken: mpsc::Receiver<()>,
}

impl Listener {
    /// What is said, until nobody says anything any more.
    pub(super) fn told(self) -> impl Stream<Item = Told> + Send {
        stream::unfold((self, Vec::new().into_iter()), |(mut listener, mut taken)| async move {
            loop {
                if let Some(next) = taken.next() {
                    return Some((next, (listener, taken)));
                }
                let more = listener.woken.recv().await;
                taken =
                    std::mem::take(&mut *listener.waiting.lock().unwrap_or_else(PoisonError::into_inner)).into_iter();
                if more.is_none() && taken.len() == 0 {
                    return None;
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::StreamExt;

    use super::*;
    use crate::llm::FinishReason;

    fn text(text: &str) -> Delta {
        Delta::Text(text.into())
    }

    #[tokio::test]
    async fn who_reads_slowly_is_told_the_same_in_larger_pieces() {
        let (teller, listener) = room();
        let mut told = pin!(listener.told());
        teller.tell(Ok(text("a")));
        assert_eq!(told.next().await.expect("a delta").expect("words"), text("a"));
        for more in ["b", "c", "d"] {
            teller.tell(Ok(text(more)));
        }
        teller.tell(Ok(Delta::Reasoning("e".into())));
        teller.tell(Ok(text("f")));
        teller.tell(Ok(Delta::Finished(FinishReason::Stop)));
        drop(teller);
        let rest: Vec<Delta> = told.map(|delta| delta.expect("words")).collect().await;
        assert_eq!(rest, [text("bcd"), Delta::Reasoning("e".into()), text("f"), Delta::Finished(FinishReason::Stop)]);
    }

    #[tokio::test]
    async fn what_is_said_while_it_listens_is_heard() {
        let (teller, listener) = room();
        let hearing = tokio::spawn(async move { listener.told().collect::<Vec<Told>>().await });
        for _ in 0..1_000 {
            teller.tell(Ok(text("word ")));
            tokio::task::yield_now().await;
        }
        drop(teller);
        let heard: String = hearing
            .await
            .expect("it ends")
            .into_iter()
            .map(|delta| match delta {
                Ok(Delta::Text(text)) => text,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(heard, "word ".repeat(1_000));
    }

    #[test]
    fn for_nobody_nothing_waits() {
        let (teller, listener) = room();
        drop(listener);
        teller.tell(Ok(text("word")));
        assert!(teller.is_alone() && teller.waiting.lock().expect("unpoisoned").is_empty());
    }
}
