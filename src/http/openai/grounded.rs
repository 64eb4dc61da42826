//! Answers over documents: asked in a hidden conversation of their own, through
//! the same service as every other question.

use footnote_ingest::rights::{self, as_owner};
use footnote_ingest::scope::Scope;

use super::super::error::ApiError;
use super::talk::{Question, Wishes};
use super::target::Grounding;
use crate::app::App;
use crate::chat::{self, Ask, Asked, Options};
use crate::error::Error;
use crate::ids::{ConversationId, MessageId};
use crate::limits::Who;
use crate::llm::ToolChoice;
use crate::storage::answers::Place;
use crate::storage::conversations::{self, Patch};
use crate::storage::hidden::{self, New, Origin};
use crate::storage::{messages, withdrawals};

/// What the conversations are called.
const TITLE: &str = "OpenAI API";
/// Tools of ours that the model may call: those that change nothing and need
/// nobody's leave.
const TOOLS: [&str; 4] = ["calculate", "current_time", "get_document", "search_documents"];

/// Where a question is asked.
pub(super) enum Where {
    /// In a conversation of its own.
    New(Grounding, Origin),
    /// After an earlier answer.
    After(MessageId, Option<Grounding>),
}

/// An answer that is being made, and what becomes of it when its reader goes.
pub(super) struct Held {
    app: App,
    scope: Scope,
    pub(super) conversation: ConversationId,
    pub(super) asked: Asked,
    /// It is stopped when its reader goes away.
    pub(super) stop: bool,
    /// Its conversation goes with it.
    pub(super) forget: bool,
}

/// Asks. `filter` and what else is special stands in `ask`, whose content is
/// the question's. A question under a key that was asked before is not asked again,
/// and what it became is told; under a key the answer goes on when its reader goes
/// away, and its conversation stays for as long as the key.
///
/// # Errors
/// What cannot be asked; the question's own faults name `param`. Nothing is begun or
/// changed then.
pub(super) async fn ask(
    app: &App,
    scope: Scope,
    place: Where,
    question: Question,
    (wishes, param): (Wishes, &'static str),
    ask: Ask,
) -> Result<Held, ApiError> {
    let forget = matches!(place, Where::New(_, Origin::OpenaiOnce)) && ask.key.is_none();
    let ask = Ask {
        content: question.text,
        images: question.images,
        before: question.before,
        options: Options {
            temperature: wishes.temperature,
            max_tokens: wishes.max_tokens,
            tool_choice: Some(ToolChoice::Auto),
            ..ask.options
        },
        ..ask
    };
    let (stop, instructions, app) = (ask.key.is_none(), question.instructions, app.clone());
    let who = Who::present(scope.owner());
    // In a task of its own: a caller that goes away in the middle must not leave a
    // conversation without its question, nor an answer that nobody stops.
    let taken = rights::spawn(as_owner(
        scope,
        who.during(async move {
            let (conversation, asked) = match place {
                Where::New(grounding, origin) => begin(&app, scope, grounding, origin, instructions, ask).await?,
                Where::After(answer, grounding) => go_on(&app, scope, answer, grounding, instructions, ask).await?,
            };
            Ok(Held { app, scope, conversation, asked, stop, forget })
        }),
    ));
    let held: Result<Held, Error> = taken.await.map_err(|error| Error::Internal(error.into()))?;
    held.map_err(|error| refused(error, param))
}

/// Asks in a conversation of its own.
async fn begin(
    app: &App,
    scope: Scope,
    grounding: Grounding,
    origin: Origin,
    instructions: Option<String>,
    ask: Ask,
) -> Result<(ConversationId, Asked), Error> {
    let tools = TOOLS.map(str::to_owned);
    let new = New {
        origin,
        title: TITLE,
        collections: &grounding.collections,
        model: grounding.model.as_deref(),
        system_prompt: instructions.as_deref(),
        tools: &tools,
    };
    let conversation = hidden::create(&app.db, scope, &new).await?;
    let is_keyed = ask.key.is_some();
    let asked = chat::ask(app, scope, conversation, Ask { place: Place::After(None), ..ask }).await;
    // Refused, or asked by somebody else meanwhile: one that holds a message stays.
    if is_keyed || asked.is_err() {
        withdrawals::forget(&app.db, scope, conversation).await?;
    }
    Ok((conversation, asked?))
}

/// Asks in the conversation of an earlier answer. Instructions do not carry over;
/// what it is grounded in does, unless the request says otherwise.
async fn go_on(
    app: &App,
    scope: Scope,
    answer: MessageId,
    grounding: Option<Grounding>,
    instructions: Option<String>,
    mut ask: Ask,
) -> Result<(ConversationId, Asked), Error> {
    let found = messages::find(&app.db, scope, answer).await?.ok_or(Error::NotFound("previous response"))?;
    ask.place = Place::After(Some(answer));
    ask.instructions = instructions.map_or(Patch::Clear, Patch::Set);
    if let Some(grounding) = grounding {
        ask.options.collections = Some(grounding.collections).filter(|ids| !ids.is_empty());
        ask.options.model = grounding.model;
    }
    let conversation = found.conversation_id;
    Ok((conversation, chat::ask(app, scope, conversation, ask).await?))
}

/// A refusal by the parameter's name in this API.
fn refused(error: Error, param: &'static str) -> ApiError {
    match error {
        Error::Invalid { field: "parts", problem } => {
            ApiError::bad_request(param, format!("the question's pictures {problem}"))
        }
        Error::Invalid { field: "content" | "query", problem } => {
            ApiError::bad_request(param, format!("the question {problem}"))
        }
        Error::Invalid { field: "model", problem } => ApiError::bad_request("model", format!("`model` {problem}")),
        other => other.into(),
    }
}

impl Held {
    /// Lets the answer go on when its reader goes.
    pub(super) fn release(&mut self) {
        self.stop = false;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.stop && !self.forget {
            return;
        }
        let (app, scope, stop, forget) = (self.app.clone(), self.scope, self.stop, self.forget);
        let (conversation, answer) = (self.conversation, self.asked.answer);
        let end = async move {
            if stop && let Err(error) = chat::cancel(&app, scope, answer).await {
                tracing::debug!(message.id = %answer, %error, "an answer that nobody reads could not be stopped");
            }
            if forget && let Err(error) = conversations::delete(&app.db, scope, conversation).await {
                tracing::warn!(conversation.id = %conversation, %error, "a conversation could not be forgotten");
            }
        };
        rights::spawn(as_owner(scope, end));
    }
}
