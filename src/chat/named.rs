//! Chats whose ids callers choose: what they ask in them becomes questions in
//! ordinary conversations. What was said is known from our own rows alone.

use footnote_ingest::rights::{self, as_owner};
use footnote_ingest::scope::Scope;

use super::approve;
use super::ask;
use super::follow;
use super::question::{Ask, Asked, IdempotencyKey};
use crate::app::App;
use crate::error::{Error, Result};
use crate::ids::{ApprovalId, ConversationId, MessageId};
use crate::limits::Who;
use crate::storage::messages::{self, Message, Role, Status};
use crate::storage::{chats, conversations, events, withdrawals};

/// What stands in an idempotency key between its parts, and at its start: no
/// caller's own key holds it.
const MARK: char = '\u{1}';

/// Something said in a chat.
#[derive(Debug)]
pub struct Said {
    /// The caller's id of the chat.
    pub chat: String,
    /// The caller's id of the question.
    pub id: Option<String>,
    /// What is wanted.
    pub wish: Wish,
    /// The question.
    pub ask: Ask,
}

/// What is wanted of a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// An answer to a new question. One that was sent before is not asked twice
    /// while its answer is made.
    Answer,
    /// An answer to a question in other words than before.
    Edit,
    /// Another answer: to this message, an answer's id or the caller's id of a
    /// question, else to the question itself, else the last one.
    Again(Option<String>),
}

/// An answer of a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answering {
    /// The chat's conversation.
    pub conversation: ConversationId,
    /// The answer's message.
    pub answer: MessageId,
}

/// Asks in a chat. Its conversation is begun with its first question; a chat by
/// the id of one of the caller's conversations is that one.
///
/// # Errors
/// As [`ask::ask`], and [`Error::NotFound`] for a message that is to be answered
/// anew and is not there.
pub async fn speak(app: &App, scope: Scope, said: Said) -> Result<Answering> {
    // In a task of its own: a caller that goes away in the middle must not leave
    // a question whose id is not known.
    let who = Who::present(scope.owner());
    let taken = rights::spawn(as_owner(scope, who.during(take(app.clone(), scope, said)))).await;
    taken.map_err(anyhow::Error::from)?
}

async fn take(app: App, scope: Scope, said: Said) -> Result<Answering> {
    let (conversation, is_new) = open(&app, scope, &said.chat).await?;
    let id = said.id.clone();
    let asked = match answer(&app, scope, conversation, said).await {
        Ok(asked) => asked,
        Err(error) => {
            if is_new {
                withdrawals::forget(&app.db, scope, conversation).await?;
            }
            return Err(error);
        }
    };
    if let Some(id) = id {
        chats::keep_question(&app.db, scope, conversation, &id, asked.question).await?;
    }
    Ok(Answering { conversation, answer: asked.answer })
}

/// The conversation of a chat, and whether it was begun just now.
async fn open(app: &App, scope: Scope, chat: &str) -> Result<(ConversationId, bool)> {
    if let Some(known) = known(app, scope, chat).await? {
        chats::link(&app.db, scope, chat, known).await?;
        return Ok((known, false));
    }
    let mut tx = app.db.begin().await?;
    let begun = conversations::create(&mut *tx, scope, &conversations::New::default()).await?;
    if chats::link(&mut *tx, scope, chat, begun.id).await? {
        tx.commit().await?;
        return Ok((begun.id, true));
    }
    // Somebody else began it meanwhile.
    tx.rollback().await?;
    let known = chats::find(&app.db, scope, chat).await?;
    known.map(|known| (known, false)).ok_or(Error::Busy("the chat"))
}

async fn known(app: &App, scope: Scope, chat: &str) -> Result<Option<ConversationId>> {
    if let Some(known) = chats::find(&app.db, scope, chat).await? {
        return Ok(Some(known));
    }
    let Ok(id) = chat.parse::<ConversationId>() else { return Ok(None) };
    Ok(conversations::find(&app.db, scope, id).await?.map(|found| found.id))
}

async fn answer(app: &App, scope: Scope, conversation: ConversationId, said: Said) -> Result<Asked> {
    let Said { id, wish, mut ask, .. } = said;
    let question = match &id {
        Some(id) => chats::question(&app.db, scope, conversation, id).await?,
        None => None,
    };
    match (wish, question) {
        (Wish::Again(message), question) => {
            let again = to_answer_again(app, scope, conversation, message.as_deref(), question, id.is_some()).await?;
            match again {
                Some(answer) => return ask::regenerate(app, scope, conversation, answer, ask).await,
                // It never came here: asking anew is asking for the first time.
                None if id.is_some() => {}
                None => return Err(Error::NotFound("message")),
            }
        }
        (Wish::Edit, Some(question)) => return ask::edit(app, scope, conversation, question, ask).await,
        (Wish::Answer, Some(question)) => return sent_again(app, scope, conversation, question, ask).await,
        (Wish::Edit | Wish::Answer, None) => {}
    }
    ask.key = id.map(|id| key(conversation, &id, &ask));
    ask::ask(app, scope, conversation, ask).await
}

/// A question that was sent before: its answer is followed while it is made. Once
/// it has ended, another one is wanted.
async fn sent_again(
    app: &App,
    scope: Scope,
    conversation: ConversationId,
    question: MessageId,
    ask: Ask,
) -> Result<Asked> {
    let before = messages::find(&app.db, scope, question).await?;
    if before.is_none_or(|before| before.text() != ask.content) {
        return ask::edit(app, scope, conversation, question, ask).await;
    }
    let answer = chats::answer(&app.db, scope, question).await?.ok_or(Error::NotFound("message"))?;
    let found = messages::find(&app.db, scope, answer).await?;
    if found.is_some_and(|found| found.status == Status::Running) {
        return Ok(Asked { question, answer });
    }
    ask::regenerate(app, scope, conversation, answer, ask).await
}

/// The answer beside which another is wanted.
async fn to_answer_again(
    app: &App,
    scope: Scope,
    conversation: ConversationId,
    message: Option<&str>,
    question: Option<MessageId>,
    is_named: bool,
) -> Result<Option<MessageId>> {
    let question = match message {
        Some(message) => {
            let own = match message.parse::<MessageId>() {
                Ok(id) => messages::find(&app.db, scope, id).await?,
                Err(_) => None,
            };
            if let Some(own) = own.filter(|own| own.conversation_id == conversation && own.role == Role::Assistant) {
                return Ok(Some(own.id));
            }
            chats::question(&app.db, scope, conversation, message).await?.or(question)
        }
        None => question,
    };
    Ok(match question {
        Some(question) => chats::answer(&app.db, scope, question).await?,
        None if message.is_none() && !is_named => chats::last_answer(&app.db, scope, conversation).await?,
        None => None,
    })
}

/// A question that is sent twice at once is asked once.
fn key(conversation: ConversationId, id: &str, ask: &Ask) -> IdempotencyKey {
    let mut whole = ask.content.clone();
    for image in &ask.images {
        whole.push(MARK);
        whole.push_str(&image.base64);
    }
    IdempotencyKey::new(format!("{MARK}{conversation}{MARK}{id}"), "", whole.as_bytes())
}

/// The answer that is being made in a chat.
///
/// # Errors
/// What the database says.
pub async fn active(app: &App, scope: Scope, chat: &str) -> Result<Option<Answering>> {
    let Some(conversation) = known(app, scope, chat).await? else { return Ok(None) };
    let running = chats::running(&app.db, scope, conversation).await?;
    Ok(running.map(|answer| Answering { conversation, answer }))
}

/// The last answer of a chat, ended or not.
///
/// # Errors
/// What the database says.
pub async fn latest(app: &App, scope: Scope, chat: &str) -> Result<Option<Answering>> {
    let Some(conversation) = known(app, scope, chat).await? else { return Ok(None) };
    let last = chats::last_answer(&app.db, scope, conversation).await?;
    Ok(last.map(|answer| Answering { conversation, answer }))
}

/// Stops the answer that is being made in a chat, or only `answer`; what there is
/// of it is kept. `None` when there was nothing to stop.
///
/// # Errors
/// [`Error::NotFound`] for a chat that the scope does not have.
pub async fn stop(app: &App, scope: Scope, chat: &str, answer: Option<MessageId>) -> Result<Option<Message>> {
    let conversation = known(app, scope, chat).await?.ok_or(Error::NotFound("chat"))?;
    let running = chats::running(&app.db, scope, conversation).await?;
    match running.filter(|running| answer.is_none_or(|answer| answer == *running)) {
        Some(running) => follow::cancel(app, scope, running).await.map(Some),
        None => Ok(None),
    }
}

/// Decides whether calls of an answer may be made, and says after which of its
/// events the rest begins. What is decided already, or too late, stays as it is.
///
/// # Errors
/// [`Error::NotFound`] for a chat or an answer that the scope does not have, or
/// that asked for none of these.
pub async fn decide(
    app: &App,
    scope: Scope,
    chat: &str,
    answer: MessageId,
    decisions: &[(ApprovalId, bool)],
) -> Result<(Answering, i32)> {
    let conversation = known(app, scope, chat).await?.ok_or(Error::NotFound("chat"))?;
    let found = messages::find(&app.db, scope, answer).await?;
    found.filter(|found| found.conversation_id == conversation).ok_or(Error::NotFound("message"))?;
    let asked_for = |data: &serde_json::Value| {
        let id = data["approval"]["id"].as_str().and_then(|id| id.parse::<ApprovalId>().ok());
        id.is_some_and(|id| decisions.iter().any(|(decided, _)| *decided == id))
    };
    let told = events::after(&app.db, scope, answer, 0, None).await?;
    let last = told.iter().rfind(|event| event.name == "approval.requested" && asked_for(&event.data));
    let last = last.ok_or(Error::NotFound("approval"))?.seq;
    for (approval, approve) in decisions {
        match approve::decide(app, scope, answer, *approval, *approve).await {
            Ok(_) | Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok((Answering { conversation, answer }, last))
}
