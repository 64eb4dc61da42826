//! Requests under a key of the caller's own (`Idempotency-Key`): one that is sent
//! again gets the answer of the first, and no model is asked twice.
//!
//! What the documents answer is a message, beside which its key is kept as that of
//! every other question. What is passed on to a provider leaves no message: with a
//! key, and only then, what the model said is kept for a day, and told again from
//! there. The call goes on when its reader goes away, for as long as an answer does
//! that nobody reads: the reader may come again. An answer that did not come to its
//! end frees its key, for clients try again under the same one by themselves.

use std::sync::Arc;
use std::time::Duration;

use footnote_ingest::rights::{self, as_owner};
use footnote_ingest::scope::Scope;
use futures::stream::{self, StreamExt};
use sqlx::PgPool;
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;

use super::super::error::ApiError;
use super::direct;
use super::waiting::{self, Teller};
use crate::app::App;
use crate::chat::{self, Asked, IdempotencyKey};
use crate::limits::Who;
use crate::llm::{Delta, DeltaStream, Provider, Request};
use crate::storage::{idempotency, kept_replies};

/// How often the lease of a reply is prolonged. Three times within it.
const BEAT: Duration = Duration::from_secs(2);
/// How often it is looked whether a reply that is waited for has ended.
const LOOK: Duration = Duration::from_millis(150);
/// How long somebody counts as waiting without a sign of it.
const SIGN: Duration = Duration::from_secs(5);

/// What a request became that was sent before.
pub(super) enum Before {
    /// A question over documents.
    Asked(Asked),
    /// A reply that was passed on.
    Told(Reply),
}

/// A provider's reply.
pub(super) struct Reply {
    /// Its own id, from which its time can be told.
    pub(super) id: Uuid,
    pub(super) deltas: DeltaStream,
}

/// What the request of this key became before. One that is being passed on is
/// waited for.
///
/// # Errors
/// A key that was used for another request.
pub(super) async fn before(app: &App, scope: Scope, key: Option<&IdempotencyKey>) -> Result<Option<Before>, ApiError> {
    let Some(key) = key else { return Ok(None) };
    idempotency::free_broken(&app.db, scope, &key.key, &key.request_sha256).await?;
    if let Some(asked) = chat::asked_before(app, scope, key).await? {
        return Ok(Some(Before::Asked(asked)));
    }
    Ok(told(&app.db, scope, key).await?.map(Before::Told))
}

/// The reply that was kept under a key, once it has ended. `None` where there is
/// none, or nobody makes it any more.
async fn told(db: &PgPool, scope: Scope, key: &IdempotencyKey) -> Result<Option<Reply>, ApiError> {
    let mut signed: Option<Instant> = None;
    loop {
        let Some(kept) = kept_replies::find(db, scope, &key.key).await? else { return Ok(None) };
        if kept.request_sha256 != key.request_sha256 {
            return Err(key.of_another().into());
        }
        if let Some(said) = kept.said {
            let said: Vec<Delta> = serde_json::from_slice(&said).map_err(|_| ApiError::internal())?;
            return Ok(Some(Reply { id: kept.id, deltas: stream::iter(said.into_iter().map(Ok)).boxed() }));
        }
        if kept.broken {
            return Ok(None);
        }
        if signed.is_none_or(|signed| signed.elapsed() >= SIGN / 2) {
            kept_replies::awaited(db, scope, &key.key, kept.id).await?;
            signed = Some(Instant::now());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Passes a request on to a provider; under a key once, however often it comes.
///
/// # Errors
/// As [`direct::ask`], and a key that was used for another request.
pub(super) async fn pass_on(
    app: &App,
    scope: Scope,
    provider: Arc<dyn Provider>,
    request: Request,
    key: Option<IdempotencyKey>,
) -> Result<Reply, ApiError> {
    let id = Uuid::now_v7();
    let Some(key) = key else {
        return Ok(Reply { id, deltas: direct::ask(app, scope, provider, request).await? });
    };
    while !kept_replies::claim(&app.db, scope, &key.key, &key.request_sha256, id).await? {
        // Somebody else sent the same meanwhile.
        if let Some(reply) = told(&app.db, scope, &key).await? {
            return Ok(reply);
        }
    }
    let (begun, has_begun) = oneshot::channel();
    let (reader, deltas) = waiting::room();
    let who = Who::present(scope.owner());
    let maker = Maker { app: app.clone(), scope, key: key.key, id, reader };
    // In a task of its own: it goes on when its caller goes away.
    let making = app.unattended.counted(who.during(maker.run(provider, request, begun)));
    rights::spawn(as_owner(scope, making));
    has_begun.await.map_err(|_| ApiError::unavailable("service", "the service ends; ask again", 1))??;
    Ok(Reply { id, deltas: deltas.told().boxed() })
}

/// Who makes a reply under a key.
struct Maker {
    app: App,
    scope: Scope,
    key: String,
    id: Uuid,
    /// Whoever sent the request first.
    reader: Teller,
}

impl Maker {
    async fn run(self, provider: Arc<dyn Provider>, request: Request, begun: oneshot::Sender<Result<(), ApiError>>) {
        tokio::select! {
            biased;
            () = self.app.unattended.ends() => self.release().await,
            () = self.make(provider, request, begun) => {}
            () = self.given_up() => self.release().await,
        }
    }

    /// Asks, and tells what is said. Who has seen the end finds it again, and who
    /// was told of a failure may ask anew at once.
    async fn make(&self, provider: Arc<dyn Provider>, request: Request, begun: oneshot::Sender<Result<(), ApiError>>) {
        let mut deltas = match direct::ask(&self.app, self.scope, provider, request).await {
            Ok(deltas) => deltas,
            Err(error) => {
                self.release().await;
                let _ = begun.send(Err(error));
                return;
            }
        };
        let _ = begun.send(Ok(()));
        let mut said = Vec::new();
        while let Some(delta) = deltas.next().await {
            match &delta {
                Ok(delta) => gather(&mut said, delta),
                Err(_) => self.release().await,
            }
            if matches!(delta, Ok(Delta::Finished(_))) {
                self.keep(&said).await;
            }
            // Nobody may be there to hear it.
            self.reader.tell(delta);
        }
    }

    async fn keep(&self, said: &[Delta]) {
        let kept = match serde_json::to_vec(said) {
            Ok(said) => kept_replies::keep(&self.app.db, self.scope, &self.key, self.id, &said).await,
            Err(error) => Err(sqlx::Error::Encode(error.into())),
        };
        if let Err(error) = kept {
            tracing::warn!(%error, "a reply could not be kept under its key");
            self.release().await;
        }
    }

    async fn release(&self) {
        if let Err(error) = kept_replies::release(&self.app.db, self.scope, &self.key, self.id).await {
            tracing::warn!(%error, "the key of a reply could not be freed");
        }
    }

    /// Prolongs the lease until nobody has listened or waited for as long as an
    /// answer is made without a reader.
    async fn given_up(&self) {
        let grace = Duration::from_secs(self.app.settings.abandoned_after);
        let mut heard = Instant::now();
        let mut beats = tokio::time::interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beats.tick().await;
            let renewed = kept_replies::renew(&self.app.db, self.scope, &self.key, self.id, SIGN).await;
            let is_awaited = renewed.unwrap_or_else(|error| {
                tracing::warn!(%error, "the lease of a reply could not be prolonged");
                None
            });
            if !self.reader.is_alone() || is_awaited == Some(true) {
                heard = Instant::now();
            }
            if !grace.is_zero() && heard.elapsed() >= grace {
                return;
            }
        }
    }
}

/// Adds a delta to what was said. What stands together is told together; what is
/// not for the reader is left out.
fn gather(said: &mut Vec<Delta>, delta: &Delta) {
    match delta {
        Delta::Cited { .. } | Delta::State(_) => {}
        _ if said.last_mut().is_some_and(|last| waiting::join(last, delta)) => {}
        _ => said.push(delta.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::llm::{FinishReason, ToolCall, Usage};

    #[test]
    fn what_was_said_is_gathered_and_read_back() {
        let text = |text: &str| Delta::Text(text.into());
        let call = Delta::Call(ToolCall { id: "a".into(), name: "look".into(), arguments: "{}".into() });
        let usage = Delta::Usage(Usage { output_tokens: 2, ..Usage::default() });
        let finished = Delta::Finished(FinishReason::ToolCalls);
        let told = [
            Delta::Reasoning("h".into()),
            Delta::Reasoning("m".into()),
            text("4 \0"),
            text("bar"),
            Delta::State(json!({ "secret": 1 })),
            call.clone(),
            usage.clone(),
            finished.clone(),
        ];
        let mut said = Vec::new();
        for delta in &told {
            gather(&mut said, delta);
        }
        assert_eq!(said, [Delta::Reasoning("hm".into()), text("4 \0bar"), call, usage, finished]);
        let kept = serde_json::to_vec(&said).expect("JSON");
        assert_eq!(serde_json::from_slice::<Vec<Delta>>(&kept).expect("what was kept"), said);
    }
}
