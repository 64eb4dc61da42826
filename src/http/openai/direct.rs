//! A provider's model, asked without documents: its answer is passed on as it
//! comes. Nothing is stored here but what the call took, and that behind its back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use footnote_ingest::scope::Scope;
use futures::stream::{self, StreamExt};

use super::super::error::ApiError;
use crate::app::App;
use crate::error::Error;
use crate::limits::{Reservation, Who};
use crate::llm::{Delta, DeltaStream, LlmError, Provider, Request, Usage};
use crate::models::Models;
use crate::storage::calls::{Passed, Purpose};

/// Bytes of a token, for calls that ended before they were counted.
const TOKEN: usize = 4;

/// A call under way. Dropping it records it.
struct Bill {
    app: App,
    scope: Scope,
    provider: Arc<dyn Provider>,
    started: Instant,
    sent: usize,
    heard: usize,
    usage: Option<Usage>,
    outcome: &'static str,
    /// What is set aside of the caller's day; none once nothing can be used.
    reservation: Option<Reservation>,
}

/// Asks. Returns when the first of the answer is there. Right before its end the
/// answer tells what it took, by our own count where the provider did not say.
/// Dropping it stops the call and records it.
///
/// # Errors
/// Images for a model that takes none, a caller who has no tokens left, more
/// tokens than the model has room for, and whatever comes in the answer's stead.
pub(super) async fn ask(
    app: &App,
    scope: Scope,
    provider: Arc<dyn Provider>,
    request: Request,
) -> Result<DeltaStream, ApiError> {
    let said: usize = request.history.iter().map(|turn| turn.text.len()).sum();
    let results = request.steps.iter().flat_map(|step| &step.results);
    let sent =
        said + request.system.len() + request.prompt.len() + results.map(|result| result.text.len()).sum::<usize>();
    if !request.images.is_empty() && !provider.capabilities().images {
        let message =
            format!("the model `{}` does not look at images; choose another or leave them out", provider.name());
        return Err(ApiError::bad_request("messages", message));
    }
    let wanted = request.max_tokens;
    if wanted > app.settings.max_answer_tokens && wanted as usize > provider.context_window() {
        let message =
            format!("the model `{}` has room for {} tokens in all", provider.name(), provider.context_window());
        return Err(ApiError::bad_request("max_completion_tokens", message));
    }
    let reservation = reserve(app, scope, sent, wanted).await?;
    let mut bill = Bill {
        app: app.clone(),
        scope,
        provider: Arc::clone(&provider),
        started: Instant::now(),
        sent,
        heard: 0,
        usage: None,
        outcome: "cancelled",
        reservation: Some(reservation),
    };
    match provider.stream(request).await {
        Ok(deltas) => Ok(deltas.flat_map(move |delta| stream::iter(bill.hear(delta))).boxed()),
        Err(error) => {
            // Nothing was answered.
            (bill.outcome, bill.reservation) = (error.code(), None);
            Err(ApiError::of_provider(&error))
        }
    }
}

/// What is told of an answer whose deltas ended without its end.
pub(super) fn broken_off() -> ApiError {
    ApiError::unavailable("service", "the service was stopped while it answered; ask again", 1)
}

/// Sets aside what the call may take at most.
async fn reserve(app: &App, scope: Scope, sent: usize, max_tokens: u32) -> Result<Reservation, ApiError> {
    let tokens = sent.div_ceil(TOKEN) as u64 + u64::from(max_tokens);
    let time = Duration::from_secs(app.settings.answer_timeout);
    let reserved = app.limits.reserve(&Who::present(scope.owner()), tokens, time).await;
    Ok(reserved.map_err(Error::from)?)
}

impl Bill {
    /// Takes down what a delta says of the call, and tells it on.
    fn hear(&mut self, delta: Result<Delta, LlmError>) -> impl Iterator<Item = Result<Delta, LlmError>> + use<> {
        let mut took = None;
        match &delta {
            Ok(Delta::Text(text) | Delta::Reasoning(text)) => self.heard += text.len(),
            Ok(Delta::Call(call)) => self.heard += call.arguments.len(),
            Ok(Delta::Usage(usage)) => self.usage = Some(usage.clone()),
            Ok(Delta::Finished(_)) => {
                self.outcome = "ok";
                took = self.usage.is_none().then(|| Ok(Delta::Usage(self.usage())));
            }
            Ok(Delta::Cited { .. } | Delta::State(_)) => {}
            Err(error) => self.outcome = error.code(),
        }
        took.into_iter().chain([delta])
    }

    /// What it took, as far as that is known.
    fn usage(&self) -> Usage {
        self.usage.clone().unwrap_or_else(|| {
            let tokens = |bytes: usize| u32::try_from(bytes.div_ceil(TOKEN)).unwrap_or(u32::MAX);
            let (input_tokens, output_tokens) = (tokens(self.sent), tokens(self.heard));
            Usage { input_tokens, output_tokens, cached_tokens: 0, estimated: true }
        })
    }
}

impl Drop for Bill {
    fn drop(&mut self) {
        let models: &Models = &self.app.models;
        let (provider, usage) = (self.provider.as_ref(), self.usage());
        if let Some(reservation) = &mut self.reservation {
            reservation.used(u64::from(usage.input_tokens) + u64::from(usage.output_tokens));
        }
        self.app.ledger.note(Passed {
            scope: self.scope,
            purpose: Purpose::Answer,
            provider: provider.provider().to_owned(),
            model: provider.name().to_owned(),
            cost: models.cost(provider, &usage),
            usage,
            milliseconds: i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX),
            outcome: self.outcome,
        });
    }
}
