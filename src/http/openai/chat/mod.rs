//! Chat completions, after OpenAI's API reference, "Create chat completion" and
//! "Streaming".

mod chunks;
mod over_documents;
mod passed_on;
pub(super) mod request;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use uuid::Uuid;

use super::super::caller::Caller;
use super::super::error::ApiError;
use super::error::OpenAiError;
use super::extract::Keyed;
use super::keyed::{self, Before};
use super::target::{self, Target};
use super::{cited, ids};
use crate::app::App;
use request::Completion;

/// What every chunk of an answer repeats.
#[derive(Debug, Clone)]
struct About {
    id: String,
    /// Seconds since 1970.
    created: u64,
    model: String,
    /// Whether the totals were asked for.
    totals: bool,
}

/// How an answer is to be written.
#[derive(Debug)]
struct Form {
    model: String,
    streams: bool,
    /// Whether the totals were asked for.
    totals: bool,
}

impl Form {
    /// Of the answer with this id.
    fn about(&self, id: Uuid) -> About {
        let (created, model, totals) = (ids::made_at(id), self.model.clone(), self.totals);
        About { id: ids::show("chatcmpl-", id), created, model, totals }
    }
}

/// Answers a chat. The model `kb/<name>` answers from that collection; any other
/// from the collections that `metadata.collections` names, or, without them, as
/// its provider does.
///
/// Markers `[n]` in an answer from documents are cited: `annotations` hold one
/// `url_citation` for each, whose indices are code points of the text. `n`
/// other than 1 is refused; `stop`, `top_p`, `seed`, penalties and what else is
/// not named here are passed over.
///
/// The same `Idempotency-Key` with the same request asks once, however often it is
/// sent within a day, and gives the same answer: to that end, and with a key only,
/// the answer is kept for that day, whatever `store` says. A stream that is sent
/// again or read slowly may come in larger pieces. An answer under a key goes on for
/// a while when its reader goes away; one that failed or broke off is made anew when
/// it is sent again.
#[utoipa::path(
    post, path = "/v1/chat/completions", tag = "openai", request_body = Completion,
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "The caller's own key for this request"),
    ),
    responses(
        (status = 200, content((Object = "application/json"), (String = "text/event-stream"))),
        (status = 400, body = OpenAiError), (status = 401, body = OpenAiError), (status = 403, body = OpenAiError),
        (status = 404, body = OpenAiError), (status = 413, body = OpenAiError), (status = 429, body = OpenAiError),
        (status = 502, body = OpenAiError), (status = 503, body = OpenAiError),
    )
)]
pub(in super::super) async fn complete(
    State(app): State<App>,
    Caller(scope): Caller,
    headers: HeaderMap,
    Keyed(completion, key): Keyed<Completion>,
) -> Result<Response, ApiError> {
    let base = || app.settings.public_base().unwrap_or_else(|| cited::base(&headers));
    match keyed::before(&app, scope, key.as_ref()).await? {
        Some(Before::Asked(asked)) => {
            return over_documents::tell(&app, scope, asked.answer, None, &completion.form(), base()).await;
        }
        Some(Before::Told(reply)) => return passed_on::tell(reply, &completion.form()).await,
        None => {}
    }
    let collections = target::of_metadata(&app, scope, completion.metadata.as_ref()).await?;
    match target::find(&app, scope, &completion.model, collections).await? {
        Target::Provider(provider) => passed_on::answer(&app, scope, provider, completion, key).await,
        Target::Documents(grounding) => over_documents::answer(&app, scope, grounding, completion, key, base()).await,
    }
}
