//! A document's way through the stages, live.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use footnote_ingest::store::documents::{self, Document, Stage};
use footnote_ingest::store::members::Access;
use futures::stream::{self, Stream};
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::Caller;
use super::error::{ApiError, Envelope};
use super::extract::Path;
use crate::app::App;
use crate::ids::DocumentId;
use crate::sharing;

/// How often the document is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// What is sent whenever it changes.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = DocumentProgress)]
pub(super) struct Progress {
    /// How far the document has come.
    stage: Stage,
    /// Chunks that can be found by words.
    chunks: i64,
    /// Those of them that can be found by meaning.
    embedded: i64,
    /// Stable code of what went wrong.
    failure_code: Option<String>,
    /// What went wrong and what to do.
    failure_message: Option<String>,
}

impl Progress {
    fn of(document: &Document) -> Self {
        Self {
            stage: document.stage,
            chunks: document.chunks,
            embedded: document.embedded,
            failure_code: document.failure_code.clone(),
            failure_message: document.failure_message.clone(),
        }
    }

    fn is_last(&self) -> bool {
        matches!(self.stage, Stage::Done | Stage::Failed)
    }
}

/// A document's stage and progress as events, from what it is now until it is
/// done, has failed or is deleted. The data of each `progress` is a
/// `DocumentProgress`; that of a last `deleted` is empty.
#[utoipa::path(
    get, path = "/api/v1/documents/{id}/events", tag = "documents", params(("id" = DocumentId, Path)),
    responses((status = 200, content((Progress = "text/event-stream"))), (status = 404, body = Envelope))
)]
pub(super) async fn events(
    State(app): State<App>,
    Caller(scope): Caller,
    Path(id): Path<DocumentId>,
) -> Result<Response, ApiError> {
    let owner = sharing::access_to_document(&app, scope, id, Access::Reader).await?;
    let find = move || {
        let db = app.db.clone();
        async move { documents::find(&db, owner, id).await }
    };
    // Proxies must not hold events back.
    let headers = [("x-accel-buffering", "no"), ("cache-control", "no-store")];
    let events = Sse::new(changes(find)).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)));
    Ok((headers, events).into_response())
}

/// What the watcher knows.
enum Watch {
    Looking(Option<Progress>),
    Ended,
}

fn changes<F>(find: impl Fn() -> F) -> impl Stream<Item = Result<Event, Infallible>>
where
    F: Future<Output = sqlx::Result<Option<Document>>>,
{
    stream::unfold((Watch::Looking(None), find), async |(watch, find)| {
        let Watch::Looking(last) = watch else { return None };
        loop {
            let next = match find().await {
                Ok(Some(document)) => Progress::of(&document),
                Ok(None) => return Some((Ok(Event::default().event("deleted").data("{}")), (Watch::Ended, find))),
                // The reader connects again and gets an answer that says why.
                Err(_) => return None,
            };
            if last.as_ref() != Some(&next) {
                let event = Event::default().event("progress").json_data(&next).unwrap_or_default();
                let watch = if next.is_last() { Watch::Ended } else { Watch::Looking(Some(next)) };
                return Some((Ok(event), (watch, find)));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    })
}
