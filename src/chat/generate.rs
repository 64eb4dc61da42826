//! The making of one answer: retrieve, fit the budget, stream the model,
//! check its citations, record all of it.

use std::sync::Arc;
use std::time::Instant;

use footnote_ingest::scope::Scope;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::gate::RefusalGate;
use super::question::{Ask, Embedding};
use super::receipt::Receipt;
use super::record::Record;
use crate::app::App;
use crate::budget::{self, Wanted};
use crate::citations::{Piece, SourceText, Summary, Verifier};
use crate::error::{Error, Result};
use crate::ids::{CollectionId, MessageId};
use crate::llm::{Delta, FinishReason, LlmError, Provider, Request, Role, Source, Turn};
use crate::prompt;
use crate::retrieve::{self, Passage, Query, Retrieved};
use crate::storage::messages::{self, Message, Status};

/// Passages that may be sent as evidence.
const EVIDENCE: usize = 8;
/// Deltas that are checked and stored together when they come in faster than
/// they can be stored.
const DELTAS: usize = 64;
/// What is said when the documents do not hold the answer.
const REFUSAL: &str = "The documents do not answer this question.";

/// An answer in the making.
pub(super) struct Generation {
    pub(super) app: App,
    pub(super) scope: Scope,
    /// The answer's message.
    pub(super) message: MessageId,
    pub(super) provider: Arc<dyn Provider>,
    pub(super) record: Record,
    /// Earlier messages of the conversation.
    pub(super) history: Vec<Message>,
    /// Where to look; `None` means everywhere.
    pub(super) collections: Option<Vec<CollectionId>>,
    pub(super) ask: Ask,
    /// Taken when it is used.
    pub(super) embedding: Option<Embedding>,
    /// Events that are stored while the provider is asked.
    pub(super) pending: Vec<(&'static str, Value)>,
    pub(super) receipt: Receipt,
}

/// How a stream of the model ended.
struct Ending {
    refused: bool,
    summary: Summary,
    finish: FinishReason,
}

impl Generation {
    /// Makes the answer, whatever happens, and records how it ended.
    pub(super) async fn run(mut self, cancel: CancellationToken) {
        let started = Instant::now();
        let produced = tokio::select! {
            biased;
            () = cancel.cancelled() => None,
            produced = self.produce() => Some(produced),
        };
        let receipt = self.receipt.to_json(self.provider.name(), started.elapsed());
        let ended = match produced {
            None => self.record.end(Status::Cancelled, None, &receipt, None).await,
            Some(Ok(grounded)) => self.record.end(Status::Completed, Some(grounded), &receipt, None).await,
            Some(Err(error)) => {
                // A partial answer is kept and said to be one.
                let status = if self.record.text.is_empty() { Status::Failed } else { Status::Interrupted };
                let problem = describe(&error);
                tracing::warn!(message.id = %self.message, error = ?error, "the answer broke off");
                self.record.end(status, None, &receipt, Some(problem)).await
            }
        };
        if let Err(error) = ended {
            tracing::error!(message.id = %self.message, error = ?error, "the end of an answer could not be stored");
        }
    }

    /// Whether the documents hold the answer.
    async fn produce(&mut self) -> Result<bool> {
        let about = json!({ "message_id": self.message, "model": self.provider.name() });
        self.record.push(vec![("message.started", about)]).await?;
        let retrieved = self.retrieve().await?;
        let passages = retrieved.passages;
        if passages.is_empty() {
            self.record.push(std::mem::take(&mut self.pending)).await?;
            self.refuse().await?;
            return Ok(false);
        }
        let provider = Arc::clone(&self.provider);
        let ending = match self.stream(provider.as_ref(), &passages).await {
            Ok(ending) => ending,
            // Nothing was shown yet, so another may answer.
            Err(Error::Llm(error)) if self.record.text.is_empty() && may_fall_back(&error) => {
                self.fall_back(&error, &passages).await?
            }
            Err(error) => return Err(error),
        };
        self.receipt.claims = Some((ending.summary.claims, ending.summary.supported));
        self.conclude(ending).await
    }

    async fn retrieve(&mut self) -> Result<Retrieved> {
        let mut dense = None;
        if let Some(embedding) = self.embedding.take() {
            let (vector, time) = embedding.finish().await?;
            dense = Some(vector);
            self.receipt.embed = time;
        }
        let query = Query {
            dense,
            text: self.ask.content.clone(),
            collections: self.collections.clone(),
            filter: self.ask.filter.clone(),
            limit: EVIDENCE,
            ..Query::default()
        };
        let retrieved = retrieve::retrieve(&self.app.corpus, self.scope, &query).await?;
        self.receipt.search = retrieved.search;
        let passages: Vec<Value> = retrieved.passages.iter().map(brief).collect();
        self.pending.push(("retrieval.completed", json!({ "passages": passages })));
        Ok(retrieved)
    }

    /// The provider cannot be reached: the documents' own sentences answer,
    /// and the answer says so.
    async fn fall_back(&mut self, error: &LlmError, passages: &[Passage]) -> Result<Ending> {
        tracing::warn!(message.id = %self.message, error = %error, "the model does not answer; falling back");
        let note = format!(
            "The model `{}` could not answer ({error}). What follows was put together from the documents' own sentences.",
            self.provider.name()
        );
        self.receipt.fallback = Some(error.code());
        self.record.notices.push(("fallback".into(), note.clone()));
        self.record.push(vec![("text.delta", json!({ "text": format!("{note}\n\n") }))]).await?;
        let extractive = self.app.models.extractive();
        self.stream(extractive.as_ref(), passages).await
    }

    async fn stream(&mut self, provider: &dyn Provider, passages: &[Passage]) -> Result<Ending> {
        let request = self.request(provider, passages)?;
        let sources = passages.iter().take(request.sources.len());
        let mut verifier = Verifier::new(sources.zip(1..).map(|(passage, n)| source_text(n, passage)).collect());
        let mut gate = RefusalGate::default();
        let mut finish = None;
        let asked = Instant::now();
        // What was found is stored while the provider thinks.
        let found = std::mem::take(&mut self.pending);
        let (stored, deltas) = tokio::join!(self.record.push(found), provider.stream(request));
        stored?;
        let mut deltas = deltas?.ready_chunks(DELTAS);
        while let Some(ready) = deltas.next().await {
            self.receipt.first_token.get_or_insert_with(|| asked.elapsed());
            let mut events = Vec::new();
            let mut broken = None;
            for delta in ready {
                match delta {
                    Ok(Delta::Text(text)) => {
                        if let Some(text) = gate.pass(&text) {
                            self.show(verifier.push(&text), &mut events);
                        }
                    }
                    Ok(Delta::Reasoning(text)) => {
                        self.record.reasoning.push_str(&text);
                        events.push(("reasoning.delta", json!({ "text": text })));
                    }
                    Ok(Delta::Usage(usage)) => self.receipt.usage = Some(usage),
                    Ok(Delta::Finished(reason)) => finish = Some(reason),
                    Err(error) => {
                        broken = Some(error);
                        break;
                    }
                }
            }
            self.record.push(events).await?;
            if let Some(error) = broken {
                return Err(error.into());
            }
        }
        let refused = gate.refused();
        let mut events = Vec::new();
        if let Some(rest) = gate.rest() {
            self.show(verifier.push(&rest), &mut events);
        }
        let (pieces, summary) = verifier.finish();
        self.show(pieces, &mut events);
        self.record.push(events).await?;
        Ok(Ending { refused, summary, finish: finish.unwrap_or(FinishReason::Stop) })
    }

    /// Turns checked pieces into events; neighbouring texts become one.
    fn show(&mut self, pieces: Vec<Piece>, events: &mut Vec<(&'static str, Value)>) {
        for piece in pieces {
            match piece {
                Piece::Text(text) => match events.last_mut() {
                    Some(("text.delta", Value::Object(last))) => {
                        if let Some(Value::String(so_far)) = last.get_mut("text") {
                            so_far.push_str(&text);
                        }
                    }
                    _ => events.push(("text.delta", json!({ "text": text }))),
                },
                Piece::Citation(citation) => {
                    self.record.citations.push(citation.clone());
                    events.push(("citation", json!({ "citation": citation })));
                }
                Piece::Unsupported { .. } => {}
            }
        }
    }

    fn request(&mut self, provider: &dyn Provider, passages: &[Passage]) -> Result<Request> {
        let fence = prompt::fence();
        let system = prompt::system(&fence);
        let evidence: Vec<String> =
            passages.iter().zip(1..).map(|(passage, n)| prompt::evidence(&fence, n, passage)).collect();
        let history: Vec<Turn> = self.history.iter().filter_map(to_turn).collect();
        let max_tokens = self.ask.max_tokens.unwrap_or(self.app.settings.max_answer_tokens);
        let wanted = Wanted {
            window: provider.context_window(),
            answer: max_tokens as usize,
            system: &system,
            question: &prompt::question(&[], &self.ask.content),
            history: &history,
            evidence: &evidence,
        };
        let fitted = budget::fit(&wanted, |text| provider.count_tokens(text))?;
        let mut messages = history[history.len() - fitted.history..].to_vec();
        let text = prompt::question(&evidence[..fitted.evidence], &self.ask.content);
        messages.push(Turn { role: Role::User, text });
        let sources = passages.iter().zip(1..).take(fitted.evidence);
        let sources = sources.map(|(passage, n)| Source {
            n,
            title: passage.title.clone(),
            headings: passage.headings.clone(),
            text: passage.text.clone(),
            score: passage.score,
            dense: passage.scores.dense,
        });
        let request = Request {
            model: provider.name().to_owned(),
            system,
            messages,
            question: self.ask.content.clone(),
            sources: sources.collect(),
            max_tokens,
            temperature: self.ask.temperature,
        };
        self.receipt.fitted = Some(fitted);
        Ok(request)
    }

    async fn refuse(&mut self) -> Result<()> {
        self.record.push(vec![("text.delta", json!({ "text": REFUSAL }))]).await
    }

    async fn conclude(&mut self, ending: Ending) -> Result<bool> {
        let mut events = Vec::new();
        if let Some(usage) = &self.receipt.usage {
            events.push(("usage", json!({ "usage": usage })));
        }
        self.record.push(events).await?;
        if ending.refused {
            self.refuse().await?;
            return Ok(false);
        }
        if ending.finish == FinishReason::Length {
            let text = "The answer reached its limit of tokens and ends here.".to_owned();
            self.record.notices.push(("length".into(), text));
        }
        let unsupported = ending.summary.claims.saturating_sub(ending.summary.supported);
        if unsupported > 0 {
            let text = format!("{unsupported} claims of this answer were not found in the sources.");
            self.record.notices.push(("unsupported".into(), text));
        }
        Ok(ending.summary.supported > 0)
    }
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
    )
}

/// An error as a reader of the stream may see it.
fn describe(error: &Error) -> Value {
    match error {
        Error::Llm(error) => json!({ "code": format!("upstream:{}", error.code()), "message": error.to_string() }),
        Error::Invalid { .. } => json!({ "code": "bad_request:message", "message": error.to_string() }),
        _ => json!({ "code": "internal:message", "message": "the answer could not be made; the log says why" }),
    }
}

fn to_turn(message: &Message) -> Option<Turn> {
    let role = match message.role {
        messages::Role::User => Role::User,
        messages::Role::Assistant => Role::Assistant,
    };
    let text = message.text();
    (message.status == Status::Completed && !text.is_empty()).then_some(Turn { role, text })
}

fn brief(passage: &Passage) -> Value {
    json!({
        "document_id": passage.document_id, "revision_id": passage.revision_id, "key": passage.key,
        "title": passage.title, "page": passage.page, "start": passage.start, "end": passage.end,
        "score": passage.score,
    })
}

fn source_text(n: u32, passage: &Passage) -> SourceText {
    SourceText {
        n,
        text: passage.text.clone(),
        start: passage.start,
        document_id: passage.document_id.0,
        revision_id: passage.revision_id.0,
        title: passage.title.clone(),
        uri: passage.uri.clone(),
        pages: passage.page.map(|page| (passage.start, page.cast_unsigned())).into_iter().collect(),
    }
}
