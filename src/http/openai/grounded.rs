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
use crate::llm::ToolChoice;
use crate::storage::answers::Place;
use crate::storage::conversations::{self, Change, Patch};
use crate::storage::hidden::{self, New, Origin};
use crate::storage::messages;

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
/// the question's.
///
/// # Errors
/// What cannot be asked; the question's own faults name `param`.
pub(super) async fn ask(
    app: &App,
    scope: Scope,
    place: Where,
    question: Question,
    (wishes, param): (Wishes, &'static str),
    mut ask: Ask,
) -> Result<Held, ApiError> {
    let forget = matches!(place, Where::New(_, Origin::OpenaiOnce));
    let is_new = matches!(place, Where::New(..));
    check_images(app, scope, &place, &question).await.map_err(|error| refused(error, param))?;
    let (conversation, parent) = match place {
        Where::New(grounding, origin) => (begin(app, scope, grounding, origin, &question).await?, None),
        Where::After(answer, grounding) => go_on(app, scope, answer, grounding, &question, &mut ask).await?,
    };
    let parent = hidden::seed(&app.db, scope, conversation, parent, &question.before).await?;
    ask = Ask {
        content: question.text,
        images: question.images,
        place: Place::After(parent),
        options: Options {
            temperature: wishes.temperature,
            max_tokens: wishes.max_tokens,
            tool_choice: Some(ToolChoice::Auto),
            ..ask.options
        },
        ..ask
    };
    let asked = chat::ask(app, scope, conversation, ask).await;
    let asked = match asked {
        Ok(asked) => asked,
        Err(error) => {
            // Nobody knows of it.
            if is_new {
                conversations::delete(&app.db, scope, conversation).await?;
            }
            return Err(refused(error, param));
        }
    };
    Ok(Held { app: app.clone(), scope, conversation, asked, stop: true, forget })
}

/// Refuses pictures that nobody would look at, before anything is begun or changed.
async fn check_images(app: &App, scope: Scope, place: &Where, question: &Question) -> Result<(), Error> {
    if question.images.is_empty() {
        return Ok(());
    }
    let model = match place {
        Where::New(grounding, _) => grounding.model.clone(),
        Where::After(_, Some(Grounding { model: Some(model), .. })) => Some(model.clone()),
        Where::After(answer, _) => {
            let found = messages::find(&app.db, scope, *answer).await?.ok_or(Error::NotFound("previous response"))?;
            conversations::find(&app.db, scope, found.conversation_id)
                .await?
                .and_then(|conversation| conversation.model)
        }
    };
    chat::check_images(app, model.as_deref(), &question.images)
}

async fn begin(
    app: &App,
    scope: Scope,
    grounding: Grounding,
    origin: Origin,
    question: &Question,
) -> Result<ConversationId, ApiError> {
    let tools = TOOLS.map(str::to_owned);
    let new = New {
        origin,
        title: TITLE,
        collections: &grounding.collections,
        model: grounding.model.as_deref(),
        system_prompt: question.instructions.as_deref(),
        tools: &tools,
    };
    Ok(hidden::create(&app.db, scope, &new).await?)
}

/// The conversation of an earlier answer. Instructions do not carry over; what
/// it is grounded in does, unless the request says otherwise.
async fn go_on(
    app: &App,
    scope: Scope,
    answer: MessageId,
    grounding: Option<Grounding>,
    question: &Question,
    ask: &mut Ask,
) -> Result<(ConversationId, Option<MessageId>), ApiError> {
    let gone = || ApiError::not_found("previous response");
    let found = messages::find(&app.db, scope, answer).await?.ok_or_else(gone)?;
    let prompt = question.instructions.clone().map_or(Patch::Clear, Patch::Set);
    let change = Change { system_prompt: prompt, ..Change::default() };
    conversations::change(&app.db, scope, found.conversation_id, &change).await?.ok_or_else(gone)?;
    if let Some(grounding) = grounding {
        ask.options.collections = Some(grounding.collections).filter(|ids| !ids.is_empty());
        ask.options.model = grounding.model;
    }
    Ok((found.conversation_id, Some(answer)))
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
