//! Chat completions, after OpenAI's API reference, "Create chat completion" and
//! "Streaming".

mod chunks;
mod over_documents;
mod passed_on;
pub(super) mod request;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::super::caller::Caller;
use super::super::error::ApiError;
use super::cited;
use super::error::OpenAiError;
use super::extract::Body;
use super::target::{self, Target};
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

/// Answers a chat. The model `kb/<name>` answers from that collection; any other
/// from the collections that `metadata.collections` names, or, without them, as
/// its provider does.
///
/// Markers `[n]` in an answer from documents are cited: `annotations` hold one
/// `url_citation` for each, whose indices are code points of the text. `n`
/// other than 1 is refused; `stop`, `top_p`, `seed`, penalties and what else is
/// not named here are passed over.
#[utoipa::path(
    post, path = "/v1/chat/completions", tag = "openai", request_body = Completion,
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
    Body(completion): Body<Completion>,
) -> Result<Response, ApiError> {
    let collections = target::of_metadata(&app, scope, completion.metadata.as_ref()).await?;
    match target::find(&app, scope, &completion.model, collections).await? {
        Target::Provider(provider) => passed_on::answer(&app, scope, provider, completion).await,
        Target::Documents(grounding) => {
            let base = app.settings.public_base().unwrap_or_else(|| cited::base(&headers));
            over_documents::answer(&app, scope, grounding, completion, base).await
        }
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map(|since| since.as_secs()).unwrap_or_default()
}
