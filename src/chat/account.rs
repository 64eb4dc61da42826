//! Keeping account: every call of a model is recorded with what it took.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::receipt::{Open, milliseconds};
use super::state::Generation;
use crate::figures::Spent;
use crate::llm::{LlmError, Provider, Request, Usage};
use crate::storage::calls::{self, Call, Purpose};

impl Generation {
    /// Begins to count what the model takes. It counts however the answer ends.
    pub(super) fn open_call(&mut self, provider: &Arc<dyn Provider>, request: &Request, purpose: Purpose) {
        let input_tokens = request_tokens(provider.as_ref(), request);
        let usage = Usage { input_tokens, estimated: true, ..Usage::default() };
        self.receipt.open(Arc::clone(provider), purpose, usage);
    }

    /// A call that was refused, or never came through, took nothing. One that was not
    /// answered in time may have been read.
    pub(super) fn not_taken(&mut self, error: &LlmError) {
        if let Some(open) = self.receipt.open.as_mut().filter(|_| !matches!(error, LlmError::Timeout { .. })) {
            open.usage = Usage::default();
        }
    }

    /// Records the call under way, if there is one.
    pub(super) async fn close_call(&mut self, outcome: &str) {
        let Some(Open { provider, purpose, started, mut usage, heard }) = self.receipt.open.take() else { return };
        if usage.estimated && usage.output_tokens == 0 {
            usage.output_tokens = u32::try_from(provider.count_tokens(&heard)).unwrap_or(u32::MAX);
        }
        self.record_call(provider.as_ref(), purpose, &usage, started.elapsed(), outcome).await;
    }

    async fn record_call(
        &mut self,
        provider: &dyn Provider,
        purpose: Purpose,
        usage: &Usage,
        time: Duration,
        outcome: &str,
    ) {
        let cost = self.app.models.cost(provider, usage);
        self.receipt.add(purpose, usage, cost);
        if !provider.capabilities().instructed {
            return;
        }
        if let Some(reservation) = &mut self.reservation {
            reservation.used(u64::from(usage.input_tokens) + u64::from(usage.output_tokens));
        }
        let spent = Spent { input: usage.input_tokens, output: usage.output_tokens, cost };
        self.app.figures.called(provider.name(), spent);
        let call = Call {
            message: Some(self.asked.answer),
            purpose,
            provider: provider.provider(),
            model: provider.name(),
            usage,
            cost,
            milliseconds: i64::try_from(time.as_millis()).unwrap_or(i64::MAX),
            outcome,
        };
        self.receipt.ended(&call, &json!(milliseconds(time)));
        // An answer is not lost for the sake of its bill.
        if let Err(error) = calls::record(&self.app.stream, self.scope, &call).await {
            tracing::error!(message.id = %self.asked.answer, %error, "a call of a model could not be recorded");
        }
    }
}

fn request_tokens(provider: &dyn Provider, request: &Request) -> u32 {
    let history = request.history.iter().map(|turn| turn.text.as_str());
    let steps = request.steps.iter().flat_map(|step| {
        let calls = step.calls.iter().map(|call| call.arguments.as_str());
        calls.chain(step.results.iter().map(|result| result.text.as_str())).chain([step.text.as_str()])
    });
    let texts = [request.system.as_str(), request.prompt.as_str()].into_iter().chain(history).chain(steps);
    let total: usize = texts.map(|text| provider.count_tokens(text)).sum();
    u32::try_from(total).unwrap_or(u32::MAX)
}
