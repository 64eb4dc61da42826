//! An answer as a UI message stream: its events, encoded, from wherever a reader
//! left off.

use std::convert::Infallible;
use std::sync::Arc;

use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use footnote_ingest::rights::{self, as_owner};
use footnote_ingest::scope::Scope;
use futures::stream::{self, BoxStream, StreamExt};
use serde_json::Value;

use super::super::error::ApiError;
use super::super::messages::KEEP_ALIVE;
use super::encoder::Encoder;
use super::part::Part;
use crate::app::App;
use crate::chat;
use crate::chat::named::Answering;
use crate::ids::ApprovalId;
use crate::storage::approvals::{self, State};
use crate::storage::events::Event;

/// What readers of this protocol look for.
const HEADERS: [(&str, &str); 4] = [
    ("x-vercel-ai-ui-message-stream", "v1"),
    ("cache-control", "no-cache"),
    ("connection", "keep-alive"),
    // Proxies must not hold parts back.
    ("x-accel-buffering", "no"),
];

/// What a reader is to be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// All of it.
    Start,
    /// What comes after the event of this number.
    After(i32),
    /// The same, for a reader that goes on with a message it has.
    Continued(i32),
}

impl From {
    fn seq(self) -> i32 {
        match self {
            Self::Start => 0,
            Self::After(seq) | Self::Continued(seq) => seq,
        }
    }
}

/// Answers with the parts of an answer until it ends.
///
/// # Errors
/// As [`chat::follow`].
pub(super) async fn reply(app: &App, scope: Scope, answering: Answering, from: From) -> Result<Response, ApiError> {
    let Answering { conversation, answer } = answering;
    // From the first event on: what is open at a later one is known then.
    let events = chat::follow(app, scope, answer, 0).await?;
    let encoder = Encoder::new(conversation, answer);
    let reader = Reader { app: app.clone(), scope, answering, events, encoder, after: from.seq(), done: false };
    let greeting = match from {
        From::Continued(_) => vec![Part::Start { message_id: answer, message_metadata: Value::Null }],
        From::Start | From::After(_) => vec![],
    };
    let greeting = stream::iter(lines(&greeting, None));
    let parts = stream::unfold(reader, |mut reader| async move {
        let parts = reader.next().await?;
        Some((stream::iter(parts), reader))
    });
    let lines = greeting.chain(parts.flatten()).map(Ok::<_, Infallible>);
    Ok((HEADERS, Sse::new(lines).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))).into_response())
}

/// Whether an answer has events after a number.
///
/// # Errors
/// As [`chat::follow`].
pub(super) async fn has_more(app: &App, scope: Scope, answering: Answering, after: i32) -> Result<bool, ApiError> {
    let events = crate::storage::events::after(&app.db, scope, answering.answer, after, Some(1)).await?;
    Ok(!events.is_empty())
}

struct Reader {
    app: App,
    scope: Scope,
    answering: Answering,
    events: BoxStream<'static, Arc<Event>>,
    encoder: Encoder,
    after: i32,
    done: bool,
}

impl Reader {
    async fn next(&mut self) -> Option<Vec<SseEvent>> {
        if self.done {
            return None;
        }
        let (parts, seq) = match self.events.next().await {
            Some(event) => (self.parts(&event).await, Some(event.seq)),
            None => (self.encoder.break_off(), None),
        };
        let mut lines = lines(&parts, seq);
        if self.encoder.has_ended() {
            self.done = true;
            lines.push(SseEvent::default().data("[DONE]"));
        }
        Some(lines)
    }

    async fn parts(&mut self, event: &Event) -> Vec<Part> {
        let mut parts = self.encoder.encode(event);
        if event.seq <= self.after {
            return vec![];
        }
        if waits(&self.app, self.scope, event).await {
            parts.extend(self.encoder.pause());
            self.hold(event.seq);
        }
        parts
    }

    /// Listens in the place of a reader that thinks about leave: until the answer
    /// goes on, which it does in time. Once for all readers.
    fn hold(&self, seq: i32) {
        let Some(hold) = self.app.hub.hold(self.answering.answer, seq) else { return };
        let (app, scope, answer) = (self.app.clone(), self.scope, self.answering.answer);
        rights::spawn(as_owner(scope, async move {
            let _hold = hold;
            if let Ok(mut events) = chat::follow(&app, scope, answer, seq).await {
                events.next().await;
            }
        }));
    }
}

/// Whether an event asks for leave that nobody has given yet. The readers of this
/// protocol send their decision once the stream has ended.
async fn waits(app: &App, scope: Scope, event: &Event) -> bool {
    let id = event.data["approval"]["id"].as_str().filter(|_| event.name == "approval.requested");
    let Some(Ok(approval)) = id.map(str::parse::<ApprovalId>) else { return false };
    matches!(approvals::state(&app.db, scope, approval).await, Ok(Some((State::Waiting, false))))
}

/// Parts as events; the last one bears the number of what they were made of, so
/// that who has read it has read them all.
fn lines(parts: &[Part], seq: Option<i32>) -> Vec<SseEvent> {
    let last = parts.len().saturating_sub(1);
    let lines = parts.iter().enumerate().map(|(place, part)| {
        let line = SseEvent::default().json_data(part).unwrap_or_default();
        match seq {
            Some(seq) if place == last => line.id(seq.to_string()),
            _ => line,
        }
    });
    lines.collect()
}
