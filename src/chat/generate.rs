//! The making of one answer: look for evidence, talk with a model until it has
//! answered, and record all of it.

use std::sync::Arc;
use std::time::Duration;

use footnote_ingest::error::Error as CorpusError;
use serde_json::{Value, json};

use super::converse::{Answered, Conversing};
use super::hub::{Live, Stop};
use super::record::End;
use super::state::Generation;
use crate::app::App;
use crate::error::{Error, Result};
use crate::ids::MessageId;
use crate::llm::{FinishReason, LlmError, Provider};
use crate::storage::answers;
use crate::storage::messages::Status;
use crate::storage::withdrawals::Unanswered;

/// What is said when the documents do not hold the answer.
const REFUSAL: &str = "The documents do not answer this question.";

impl Generation {
    /// Makes the answer, whatever happens, and records how it ended.
    pub(super) async fn run(mut self, live: Arc<Live>) {
        let limit = Duration::from_secs(self.app.settings.answer_timeout);
        let grace = Duration::from_secs(self.app.settings.abandoned_after);
        let nobody = nobody_listens(self.app.clone(), self.asked.answer, Arc::clone(&live), grace);
        let produced = tokio::select! {
            biased;
            why = live.stopped() => Err(why),
            () = nobody, if !grace.is_zero() => Err(Stop::Abandoned),
            produced = tokio::time::timeout(limit, self.produce()) => {
                Ok(produced.unwrap_or_else(|_| Err(too_long(limit))))
            }
        };
        let is_whole = matches!(produced, Ok(Ok(_)));
        if let Err(error) = self.end(produced).await {
            tracing::error!(message.id = %self.asked.answer, error = error.silent(), "the end of an answer could not be stored");
        }
        // Its readers need not wait for the title.
        self.app.hub.close(self.asked.answer);
        if is_whole {
            self.name().await;
        }
    }

    async fn end(&mut self, produced: Result<Result<bool>, Stop>) -> Result<()> {
        let outcome = match &produced {
            Ok(Ok(_)) => "ok",
            Ok(Err(Error::Llm(error))) => error.code(),
            Ok(Err(_)) => "internal",
            Err(_) => "cancelled",
        };
        self.close_call(outcome).await;
        // Before the end is told: whoever asks on at once has what is left.
        if let Some(reservation) = &mut self.reservation {
            reservation.settle();
        }
        let receipt = self.receipt.to_json(self.provider.as_ref(), self.started.elapsed());
        let key = self.key.take();
        let mut end =
            End { status: Status::Cancelled, grounded: None, receipt: &receipt, problem: None, answer_key: None };
        match produced {
            Err(Stop::Wanted) => {}
            Err(Stop::Abandoned) => self.record.notice("abandoned", "The answer was stopped because nobody listened."),
            Err(Stop::Shutdown) => {
                end.status = Status::Interrupted;
                end.problem = Some(json!({ "code": "busy:service", "message": "the service was stopped; ask again" }));
            }
            Ok(Ok(grounded)) => {
                (end.status, end.grounded) = (Status::Completed, Some(grounded));
                end.answer_key = key.as_deref();
            }
            Ok(Err(error)) => {
                // A partial answer is kept and said to be one.
                end.status = if self.record.text().is_empty() { Status::Failed } else { Status::Interrupted };
                end.problem = Some(describe(&error));
                tracing::warn!(message.id = %self.asked.answer, error = error.silent(), "the answer broke off");
            }
        }
        let begun = match (self.ask.unanswered, end.status) {
            (Unanswered::Withdrawn, Status::Failed | Status::Interrupted) => Some(false),
            (Unanswered::WithdrawnWhole, Status::Failed | Status::Interrupted) => Some(true),
            _ => None,
        };
        match begun {
            Some(begun) if self.record.withdraw(begun, end.problem.clone()).await? => Ok(()),
            _ => self.record.end(end).await,
        }
    }

    /// Whether the documents hold the answer.
    async fn produce(&mut self) -> Result<bool> {
        self.look().await?;
        self.tools = self.offered_tools().await?;
        if let Some(grounded) = self.repeat().await? {
            return Ok(grounded);
        }
        if self.evidence.is_empty() && self.tools.is_empty() {
            self.record.push(std::mem::take(&mut self.pending)).await?;
            self.refuse().await?;
            return Ok(false);
        }
        let answered = self.answered().await?;
        self.conclude(answered).await
    }

    /// The answer of the model that was asked or, as long as nothing was shown,
    /// of one that may stand in for it.
    async fn answered(&mut self) -> Result<Answered> {
        let first = Arc::clone(&self.provider);
        let mut failed = match Conversing::with(self, first).answer().await {
            Ok(answered) => return Ok(answered),
            Err(error) => error,
        };
        for other in self.stand_ins() {
            let Error::Llm(error) = &failed else { return Err(failed) };
            let is_blank = match error {
                // To the end it did no more than think.
                LlmError::Spent { .. } | LlmError::Blank { .. } => self.record.is_thought_only(),
                _ => self.record.is_blank(),
            };
            if !is_blank || !may_fall_back(error) {
                return Err(failed);
            }
            self.close_call(error.code()).await;
            self.fall_back(error, other.as_ref()).await?;
            // What the next one is told apart by is not what was shown so far.
            let told = self.record.text().len();
            match Conversing::with(self, other).answer().await {
                Ok(answered) => return Ok(answered),
                Err(error) if self.record.text().len() == told => failed = error,
                Err(error) => return Err(error),
            }
        }
        Err(failed)
    }

    /// Who may answer in the model's stead. Pictures go to nobody who takes none;
    /// the documents' own sentences answer whatever was sent along.
    fn stand_ins(&self) -> Vec<Arc<dyn Provider>> {
        let mut others = self.app.models.fallbacks(self.provider.name());
        others.retain(|other| {
            let able = other.capabilities();
            self.ask.images.is_empty() || able.images || !able.instructed
        });
        others
    }

    /// Another answers, and the answer says so. When it is the documents' own
    /// sentences that do, its text says so too.
    async fn fall_back(&mut self, error: &LlmError, other: &dyn Provider) -> Result<()> {
        tracing::warn!(message.id = %self.asked.answer, error = error.silent(), other = other.name(), "falling back");
        let model = self.provider.name();
        self.receipt.fallback.get_or_insert(error.code());
        self.key = None;
        let note = if other.capabilities().instructed {
            format!("The model `{model}` could not answer ({error}). `{}` answers in its stead.", other.name())
        } else {
            format!(
                "The model `{model}` could not answer ({error}). What follows was put together from the documents' own \
                 sentences."
            )
        };
        let event = json!({ "code": "fallback", "text": note, "model": other.name() });
        self.record.push(vec![("notice", event)]).await?;
        if other.capabilities().instructed {
            return Ok(());
        }
        self.record.push(vec![("text.delta", json!({ "text": format!("{note}\n\n") }))]).await
    }

    async fn conclude(&mut self, answered: Answered) -> Result<bool> {
        let Answered { refused, summary, finish } = answered;
        self.close_call("ok").await;
        self.receipt.claims = Some((summary.claims, summary.supported));
        if let Some(usage) = self.receipt.usage() {
            let cost = self.receipt.cost();
            self.record.push(vec![("usage", json!({ "usage": usage, "cost_usd": cost }))]).await?;
        }
        if refused {
            self.refuse().await?;
            return Ok(false);
        }
        match finish {
            FinishReason::Length => {
                self.key = None;
                self.record.notice("length", "The answer reached its limit of tokens and ends here.");
            }
            FinishReason::ContentFilter => {
                self.key = None;
                self.record.notice("content_filter", "The provider's filter cut the answer off.");
            }
            FinishReason::Other => {
                self.key = None;
                self.record.notice("ended_early", "The provider ended the answer for a reason of its own.");
            }
            FinishReason::Stop | FinishReason::ToolCalls => {}
        }
        let unsupported = summary.claims.saturating_sub(summary.supported);
        if unsupported > 0 {
            self.record
                .notice("unsupported", format!("{unsupported} claims of this answer were not found in the sources."));
        }
        Ok(is_grounded(summary.claims, summary.supported, self.app.settings.grounded_share))
    }

    async fn refuse(&mut self) -> Result<()> {
        self.record.notice("not_in_documents", REFUSAL);
        let apart = if self.record.text().trim().is_empty() { "" } else { "\n\n" };
        self.record.push(vec![("text.delta", json!({ "text": format!("{apart}{REFUSAL}") }))]).await
    }
}

/// Whether enough of an answer's claims are supported.
#[expect(clippy::cast_precision_loss, reason = "an answer has few claims")]
fn is_grounded(claims: usize, supported: usize, share: f32) -> bool {
    supported > 0 && supported as f32 >= share * claims as f32
}

/// Waits until nobody listens any more, here or through another process.
async fn nobody_listens(app: App, answer: MessageId, live: Arc<Live>, grace: Duration) {
    loop {
        live.abandoned(grace).await;
        match answers::is_followed(&app.db, answer, grace.max(answers::LEASE)).await {
            Ok(true) => tokio::time::sleep(grace).await,
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(message.id = %answer, %error, "whether anybody listens is not known");
                tokio::time::sleep(grace).await;
            }
        }
    }
}

fn too_long(limit: Duration) -> Error {
    Error::Llm(LlmError::Timeout {
        provider: "the answer".into(),
        what: "end",
        limit,
        setting: "FOOTNOTE_ANSWER_TIMEOUT",
    })
}

/// A model that cannot be reached may be replaced for once; one that is set up
/// wrongly should be set up rightly.
fn may_fall_back(error: &LlmError) -> bool {
    matches!(
        error,
        LlmError::Transient { .. }
            | LlmError::RateLimited { .. }
            | LlmError::Unreachable { .. }
            | LlmError::Timeout { .. }
            | LlmError::Interrupted { .. }
            | LlmError::Protocol { .. }
            | LlmError::Spent { .. }
            | LlmError::Blank { .. }
    )
}

/// An error as a reader of the stream may see it.
fn describe(error: &Error) -> Value {
    match error {
        Error::Llm(error) => json!({ "code": format!("upstream:{}", error.code()), "message": error.to_string() }),
        Error::Invalid { .. } => json!({ "code": "bad_request:message", "message": error.to_string() }),
        Error::Corpus(CorpusError::Embedder(_) | CorpusError::EmbedderRefused(_) | CorpusError::EmbedderSetup(_)) => {
            json!({ "code": "upstream:embedder", "message": "the embedding model failed; ask again later" })
        }
        Error::Corpus(CorpusError::Index(_)) => {
            json!({ "code": "busy:index", "message": "the vector index does not answer; ask again shortly" })
        }
        error if error.waited_for().is_some() => {
            json!({ "code": "busy:database", "message": "the database is busy; ask again shortly" })
        }
        _ => json!({ "code": "internal:message", "message": "the answer could not be made; the log says why" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_grounded_when_enough_of_it_is_supported() {
        assert!(!is_grounded(0, 0, 0.0));
        assert!(!is_grounded(3, 0, 0.0));
        assert!(is_grounded(3, 1, 0.0));
        assert!(!is_grounded(3, 1, 0.5));
        assert!(is_grounded(2, 1, 0.5));
    }
}
