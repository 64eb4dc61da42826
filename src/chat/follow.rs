//! Following an answer, from any process: its events, its end, its stop.

use std::sync::Arc;
use std::time::Duration;

use footnote_ingest::scope::Scope;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use tokio::sync::watch;

use super::hub::{Live, Next, Progress, Stop};
use crate::app::App;
use crate::error::{Error, Result};
use crate::ids::MessageId;
use crate::storage::events::{Event, Unread};
use crate::storage::messages::{self, Message, Status};
use crate::storage::{answers, events};

/// How often the events of an answer that another process makes are looked for.
const LOOK: Duration = Duration::from_millis(150);
/// Stored events that are read at once: what waits for a slow reader.
const PAGE: i64 = 16;
/// How long a reader waits for stored events. A database that has fallen silent keeps
/// no turn for longer, and nobody waits for one in vain.
const GIVEN_WITHIN: Duration = Duration::from_secs(10);
/// How often its maker is told that somebody listens.
const SIGN: Duration = Duration::from_secs(5);

/// The events of an answer after number `after`: the stored ones, then the
/// live ones until it ends, wherever it is made.
///
/// # Errors
/// [`Error::NotFound`] for a message that the scope does not have.
pub async fn follow(app: &App, scope: Scope, message: MessageId, after: i32) -> Result<BoxStream<'static, Arc<Event>>> {
    // Before the message is read: one that ends in between has all its events
    // stored.
    let live = app.hub.get(message);
    let found = messages::find(&app.db, scope, message).await?.ok_or(Error::NotFound("message"))?;
    let after = within(app, scope, &found, after).await?;
    let reader = Reader { app: app.clone(), scope, message, after };
    Ok(match live {
        Some(live) => reader.live(live),
        None if found.status == Status::Running => reader.elsewhere(),
        None => reader.kept(),
    })
}

/// The events of an answer that is made here, from its beginning; also of one that
/// is not stored any more.
pub(super) fn made_here(
    app: &App,
    scope: Scope,
    message: MessageId,
    live: Arc<Live>,
) -> BoxStream<'static, Arc<Event>> {
    Reader { app: app.clone(), scope, message, after: 0 }.live(live)
}

/// Where a reader reads on who says that it has read up to `after`. That may be
/// more than there is: a crash of the database took the last words, which were not
/// on the disk, or there never was such an event. Then it is told what comes next,
/// and of an answer that has ended its end.
async fn within(app: &App, scope: Scope, message: &Message, after: i32) -> Result<i32> {
    if after == 0 {
        return Ok(after);
    }
    let last = events::last(&app.db, scope, message.id).await?.unwrap_or_default();
    Ok(match message.status {
        _ if after <= last => after,
        Status::Running => last,
        _ => last - 1,
    })
}

/// Waits until an answer has ended, and returns it.
///
/// # Errors
/// As [`follow`].
pub async fn wait(app: &App, scope: Scope, message: MessageId) -> Result<Message> {
    follow(app, scope, message, 0).await?.for_each(|_| std::future::ready(())).await;
    messages::find(&app.db, scope, message).await?.ok_or(Error::NotFound("message"))
}

/// Stops an answer, wherever it is made; what there is of it is kept. Nothing
/// happens to one that has ended.
///
/// # Errors
/// As [`follow`].
pub async fn cancel(app: &App, scope: Scope, message: MessageId) -> Result<Message> {
    let found = messages::find(&app.db, scope, message).await?.ok_or(Error::NotFound("message"))?;
    match app.hub.get(message) {
        Some(live) => live.stop(Stop::Wanted),
        None if found.status == Status::Running => answers::request_cancel(&app.db, scope, message).await?,
        None => return Ok(found),
    }
    wait(app, scope, message).await
}

/// An event for a reader, as it waits for its turn.
enum Waiting {
    Live(Arc<Event>),
    Stored(Unread),
}

impl Waiting {
    fn seq(&self) -> i32 {
        match self {
            Self::Live(event) => event.seq,
            Self::Stored(event) => event.seq,
        }
    }

    /// The event. None when it cannot be read.
    fn event(self) -> Option<Arc<Event>> {
        match self {
            Self::Live(event) => Some(event),
            Self::Stored(event) => match event.read() {
                Ok(event) => Some(Arc::new(event)),
                Err(error) => {
                    tracing::error!(%error, "a stored event cannot be read");
                    None
                }
            },
        }
    }
}

/// The events of batches, one by one: up to the first that cannot be read.
fn one_by_one(batches: impl Stream<Item = Vec<Waiting>> + Send + 'static) -> BoxStream<'static, Arc<Event>> {
    batches.flat_map(stream::iter).scan((), |(), waiting| std::future::ready(waiting.event())).boxed()
}

/// Somebody who has read up to an event.
struct Reader {
    app: App,
    scope: Scope,
    message: MessageId,
    after: i32,
}

impl Reader {
    /// Of an answer that is made here.
    fn live(self, live: Arc<Live>) -> BoxStream<'static, Arc<Event>> {
        let progress = live.subscribe();
        let state = (self, live, progress);
        let batches = stream::unfold(state, |(mut reader, live, mut progress)| async move {
            let new = reader.next_live(&live, &mut progress).await?;
            Some((new, (reader, live, progress)))
        });
        one_by_one(batches)
    }

    async fn next_live(&mut self, live: &Live, progress: &mut watch::Receiver<Progress>) -> Option<Vec<Waiting>> {
        let after = self.after;
        let ended = progress.wait_for(|now| now.last > after || now.ended).await.ok()?.ended;
        let new = match live.after(after) {
            // Another process ended it, and stored how.
            Next::Events(new) if new.is_empty() && !live.tells_end() => self.stored().await?,
            Next::Events(new) => new.into_iter().map(Waiting::Live).collect(),
            Next::Stored => self.behind(live, ended).await?,
        };
        self.after = new.last()?.seq();
        Some(new)
    }

    /// What comes next for who has fallen behind.
    async fn behind(&self, live: &Live, mut ended: bool) -> Option<Vec<Waiting>> {
        loop {
            let stored = self.stored().await?;
            if !stored.is_empty() {
                return Some(stored);
            }
            if ended {
                // It was taken back: its last event is all there is.
                return Some(live.last().into_iter().map(Waiting::Live).collect());
            }
            // The database has lost them, and is given them again by the next ones.
            tokio::time::sleep(LOOK).await;
            ended = live.has_ended();
        }
    }

    /// Of an answer that has ended.
    fn kept(self) -> BoxStream<'static, Arc<Event>> {
        let batches = stream::unfold(self, |mut reader| async move {
            let new = reader.stored().await?;
            reader.after = new.last()?.seq();
            Some((new, reader))
        });
        one_by_one(batches)
    }

    /// Of an answer that another process makes.
    fn elsewhere(self) -> BoxStream<'static, Arc<Event>> {
        let batches = stream::unfold((self, None), |(mut reader, mut told)| async move {
            let new = reader.next_elsewhere(&mut told).await?;
            Some((new, (reader, told)))
        });
        one_by_one(batches)
    }

    async fn next_elsewhere(&mut self, told: &mut Option<tokio::time::Instant>) -> Option<Vec<Waiting>> {
        loop {
            // Before the events: an answer that ends in between is looked at
            // once more.
            let message = messages::find(&self.app.db, self.scope, self.message).await.ok()??;
            let new = self.stored().await?;
            if let Some(last) = new.last() {
                self.after = last.seq();
                return Some(new);
            }
            if message.status != Status::Running {
                return None;
            }
            if told.is_none_or(|told| told.elapsed() >= SIGN) {
                answers::followed(&self.app.db, self.message).await.ok()?;
                *told = Some(tokio::time::Instant::now());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The next stored events that it has not read. None when they cannot be
    /// had: the stream ends, and its reader comes again.
    async fn stored(&self) -> Option<Vec<Waiting>> {
        let given = async {
            let _turn = self.app.hub.turn().await;
            events::page(&self.app.db, self.scope, self.message, self.after, Some(PAGE)).await
        };
        match tokio::time::timeout(GIVEN_WITHIN, given).await {
            Ok(Ok(stored)) => Some(stored.into_iter().map(Waiting::Stored).collect()),
            Ok(Err(error)) => {
                tracing::warn!(message.id = %self.message, %error, "the events of an answer cannot be read");
                None
            }
            Err(_) => {
                tracing::warn!(message.id = %self.message, "the events of an answer cannot be read in time");
                None
            }
        }
    }
}
