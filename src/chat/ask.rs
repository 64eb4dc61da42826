//! Asking: what a front door calls.

use std::sync::Arc;
use std::time::Duration;

use footnote_ingest::rights::{self, as_owner};
use footnote_ingest::scope::Scope;
use footnote_ingest::store::usage::Gate;
use futures::stream::BoxStream;

use super::ahead::{self, Ahead};
use super::asked_with;
use super::files;
use super::follow;
use super::hub::Live;
use super::orphans;
use super::question::{Ask, Asked, IdempotencyKey};
use super::record::{self, Record};
use super::state::{Generation, Taken};
use crate::app::App;
use crate::error::{Error, Result};
use crate::ids::{ConversationId, MessageId};
use crate::limits::{Reservation, Who};
use crate::llm::{Image, Provider};
use crate::retrieve;
use crate::storage::answers::{self, Place, Stored};
use crate::storage::conversations::{self, Change};
use crate::storage::events::{self, Event};
use crate::storage::hidden;
use crate::storage::idempotency::{self, Kept};
use crate::storage::kept_replies;
use crate::storage::messages::{self, Message, Part, Role};
use crate::storage::options;

/// Tokens that a model may read for an answer, as far as they are set aside
/// before: what usually suffices for the question, its evidence and the steps.
const READ: usize = 8_192;
/// What making an answer may take beyond its own time limit, for its title.
const AFTERWARDS: Duration = Duration::from_mins(1);

/// What is to be answered.
enum Subject {
    /// A new question.
    New,
    /// One that was asked before.
    Again(Stored),
}

/// A question that was taken.
struct Begun {
    asked: Asked,
    /// The answer's stream, unless it was asked before.
    live: Option<Arc<Live>>,
}

/// Stores the question and starts the answer, which goes on by itself. A
/// question whose key was used for the same before is not asked again: what it
/// became then is returned.
///
/// # Errors
/// [`Error::Invalid`] for a question that cannot be asked, [`Error::NotFound`]
/// for a conversation that the scope does not have, [`Error::Conflict`] for a
/// key that was used for something else, [`Error::Limited`] and
/// [`Error::UsedUp`] for a caller who has no tokens left, [`Error::Corpus`] for
/// pictures that the caller's quota has no room for.
pub async fn ask(app: &App, scope: Scope, conversation: ConversationId, ask: Ask) -> Result<Asked> {
    check(&ask.content)?;
    Ok(start(app, scope, conversation, ask, Subject::New).await?.asked)
}

/// Asks, and follows the answer from its beginning. An answer that is taken back is
/// followed to its end too, however soon it failed, where [`follow::follow`] finds
/// nothing any more.
///
/// # Errors
/// As [`ask`].
pub async fn ask_and_follow(
    app: &App,
    scope: Scope,
    conversation: ConversationId,
    ask: Ask,
) -> Result<(Asked, BoxStream<'static, Arc<Event>>)> {
    check(&ask.content)?;
    let Begun { asked, live } = start(app, scope, conversation, ask, Subject::New).await?;
    let events = match live {
        Some(live) => follow::made_here(app, scope, asked.answer, live),
        None => follow_again(app, scope, asked).await?,
    };
    Ok((asked, events))
}

/// Follows the answer of a question that was asked before under the same key.
///
/// # Errors
/// [`Error::Busy`] when the question is just being taken back, which frees its key.
pub async fn follow_again(app: &App, scope: Scope, asked: Asked) -> Result<BoxStream<'static, Arc<Event>>> {
    follow::follow(app, scope, asked.answer, 0).await.map_err(|error| match error {
        Error::NotFound(_) => Error::Busy("the request of the same key"),
        other => other,
    })
}

/// Answers a question anew, as another branch beside the answer `message`: with
/// what the question was asked with, as far as `ask` wants nothing else.
///
/// # Errors
/// [`Error::NotFound`] for what is no answer of the conversation; else as
/// [`ask`].
pub async fn regenerate(
    app: &App,
    scope: Scope,
    conversation: ConversationId,
    message: MessageId,
    mut ask: Ask,
) -> Result<Asked> {
    let answer = of(app, scope, conversation, message, Role::Assistant).await?;
    let question = answer.parent_id.ok_or(Error::NotFound("message"))?;
    let question = of(app, scope, conversation, question, Role::User).await?;
    (ask.content, ask.images, ask.documents) = (question.text(), question.images(), question.documents());
    ask.inherit(options::find(&app.db, scope, question.id).await?);
    ask.afresh = true;
    let again = Subject::Again(Stored { id: question.id, parent: question.parent_id });
    Ok(start(app, scope, conversation, ask, again).await?.asked)
}

/// Asks the question `message` in other words, as another branch beside it: with
/// what it was asked with, as far as `ask` wants nothing else.
///
/// # Errors
/// [`Error::NotFound`] for what is no question of the conversation; else as
/// [`ask`].
pub async fn edit(
    app: &App,
    scope: Scope,
    conversation: ConversationId,
    message: MessageId,
    mut ask: Ask,
) -> Result<Asked> {
    check(&ask.content)?;
    let question = of(app, scope, conversation, message, Role::User).await?;
    ask.place = Place::After(question.parent_id);
    ask.inherit(options::find(&app.db, scope, question.id).await?);
    Ok(start(app, scope, conversation, ask, Subject::New).await?.asked)
}

fn check(content: &str) -> Result<()> {
    if content.contains('\0') {
        let problem = "holds the character NUL, which no text has; leave it out".to_owned();
        return Err(Error::Invalid { field: "content", problem });
    }
    retrieve::check(content).map_err(|error| match error {
        Error::Invalid { problem, .. } => Error::Invalid { field: "content", problem },
        other => other,
    })
}

async fn of(app: &App, scope: Scope, conversation: ConversationId, message: MessageId, role: Role) -> Result<Message> {
    let found = messages::find(&app.db, scope, message).await?;
    let found = found.filter(|found| found.conversation_id == conversation && found.role == role);
    found.ok_or(Error::NotFound("message"))
}

async fn start(app: &App, scope: Scope, conversation: ConversationId, ask: Ask, subject: Subject) -> Result<Begun> {
    if let Some(key) = &ask.key
        && let Some(asked) = asked_before(app, scope, key).await?
    {
        return Ok(Begun { asked, live: None });
    }
    // In a task of its own: a caller that goes away in the middle must not leave
    // half a question behind.
    let who = Who::present(scope.owner());
    let taken = rights::spawn(as_owner(scope, take(app.clone(), scope, who, conversation, ask, subject))).await;
    taken.map_err(anyhow::Error::from)?
}

/// What was asked under this key before.
///
/// # Errors
/// [`Error::Invalid`] for a key that was used for something else.
pub async fn asked_before(app: &App, scope: Scope, key: &IdempotencyKey) -> Result<Option<Asked>> {
    let Some(kept) = idempotency::find(&app.db, scope, &key.key).await? else {
        // What was passed on to a provider has keys of the same kind.
        let other = kept_replies::find(&app.db, scope, &key.key).await?;
        let is_another = other.is_some_and(|kept| kept.request_sha256 != key.request_sha256);
        return if is_another { Err(key.of_another()) } else { Ok(None) };
    };
    if kept.request_sha256 != key.request_sha256 {
        return Err(key.of_another());
    }
    Ok(Some(Asked { question: kept.question, answer: kept.answer }))
}

/// Stores the question and starts its answer, to the end.
async fn take(app: App, scope: Scope, who: Who, id: ConversationId, ask: Ask, subject: Subject) -> Result<Begun> {
    asked_with::check(&ask.options)?;
    let mut conversation = conversations::find(&app.db, scope, id).await?.ok_or(Error::NotFound("conversation"))?;
    // Not read back later: another question may bring others by then.
    if ask.instructions.changes() {
        conversation.system_prompt = ask.instructions.value().cloned();
    }
    let provider = app.models.choose(ask.options.model.as_deref().or(conversation.model.as_deref()))?;
    suits(&ask, provider.as_ref())?;
    let files = files::find(&app, scope, &ask.documents).await?;
    let reservation = reserve(&app, &who, provider.as_ref(), ask.options.max_tokens).await?;
    // It is looked for while it is stored.
    let query = ahead::query(&conversation, &ask, &files, ask.content.clone(), ahead::EVIDENCE);
    let ahead = Ahead::start(&app, scope, query);
    let mut tx = app.db.begin().await?;
    let question = match subject {
        Subject::New => {
            let parts = ask.parts(&files);
            make_room(&mut tx, &app, scope, &parts).await?;
            let place = lead_up(&mut tx, scope, id, &ask).await?;
            answers::ask(&mut tx, scope, id, place, &parts, &ask.options).await?
        }
        Subject::Again(question) => Some(question),
    };
    let question = question.ok_or(Error::NotFound("message"))?;
    let answer = answers::begin(&mut tx, scope, id, question.id, provider.name(), ask.unanswered).await?;
    let asked = Asked { question: question.id, answer: answer.ok_or(Error::NotFound("conversation"))? };
    if let Some(key) = &ask.key {
        let kept = Kept { request_sha256: key.request_sha256.clone(), question: asked.question, answer: asked.answer };
        if !idempotency::keep(&mut tx, scope, &key.key, &kept).await? {
            // Somebody else asked the same meanwhile.
            tx.rollback().await?;
            return Ok(Begun { asked: kept_by_another(&app, scope, key).await?, live: None });
        }
    }
    let started = record::started(&asked, provider.name());
    events::append(&mut *tx, asked.answer, std::slice::from_ref(&started)).await?;
    // Open before the message can be seen, so that no reader finds it running
    // and yet without a stream.
    let live = app.hub.open(asked.answer);
    if let Err(error) = tx.commit().await {
        app.hub.close(asked.answer);
        return Err(error.into());
    }
    live.show(vec![started]);
    let record = Record::new(&app, scope, asked.answer, Arc::clone(&live));
    let follows = question.parent.is_some();
    let taken = Taken { asked, follows, conversation, provider, record, ask, files, ahead, reservation };
    let generation = Generation::new(app.clone(), scope, taken);
    rights::spawn(as_owner(scope, make(app, scope, asked.answer, Arc::clone(&live), generation)));
    Ok(Begun { asked, live: Some(live) })
}

/// Stores what a question brings along for its conversation, and says where the
/// question hangs then. A question that is not taken leaves nothing of it.
async fn lead_up(
    tx: &mut sqlx::PgTransaction<'_>,
    scope: Scope,
    conversation: ConversationId,
    ask: &Ask,
) -> Result<Place> {
    if ask.instructions.changes() || !ask.before.is_empty() {
        // The conversation's row is locked before its messages, as by any question.
        let change = Change { system_prompt: ask.instructions.clone(), ..Change::default() };
        conversations::change(&mut **tx, scope, conversation, &change).await?;
    }
    Ok(match ask.place {
        Place::After(parent) => Place::After(hidden::seed(&mut **tx, scope, conversation, parent, &ask.before).await?),
        Place::Last => Place::Last,
    })
}

/// Refuses pictures that their owner's quota has no room for. Until the
/// transaction ends nothing else is added to what the owner has.
async fn make_room(tx: &mut sqlx::PgTransaction<'_>, app: &App, scope: Scope, parts: &[Part]) -> Result<()> {
    let bytes: i64 = parts.iter().map(Part::bytes).sum();
    if bytes > 0 {
        let gate = Gate::open(tx, app.corpus.config.quotas, [scope.owner()]).await?;
        gate.check_bytes(scope, bytes)?;
    }
    Ok(())
}

/// Refuses what the model cannot take.
fn suits(ask: &Ask, provider: &dyn Provider) -> Result<()> {
    if !ask.images.is_empty() && !provider.capabilities().images {
        let problem =
            format!("cannot be looked at by the model `{}`; choose another or leave them out", provider.name());
        return Err(Error::Invalid { field: "parts", problem });
    }
    if ask.options.max_tokens.is_some_and(|wanted| wanted as usize > provider.context_window()) {
        let problem = format!("is more than the model `{}` has room for", provider.name());
        return Err(Error::Invalid { field: "max_tokens", problem });
    }
    Ok(())
}

/// Sets tokens of the caller's day aside. The answerer that quotes takes none.
async fn reserve(
    app: &App,
    who: &Who,
    provider: &dyn Provider,
    max_tokens: Option<u32>,
) -> Result<Option<Reservation>> {
    if !provider.capabilities().instructed {
        return Ok(None);
    }
    let written = max_tokens.unwrap_or(app.settings.max_answer_tokens);
    let tokens = provider.context_window().min(READ) as u64 + u64::from(written);
    let time = Duration::from_secs(app.settings.answer_timeout) + AFTERWARDS;
    Ok(Some(app.limits.reserve(who, tokens, time).await?))
}

async fn kept_by_another(app: &App, scope: Scope, key: &IdempotencyKey) -> Result<Asked> {
    asked_before(app, scope, key).await?.ok_or(Error::Busy("the request of the same key"))
}

/// Makes the answer, and closes its stream whatever happens.
async fn make(app: App, scope: Scope, answer: MessageId, live: Arc<Live>, generation: Generation) {
    // In a task of its own: a panic in it must not leave its readers waiting.
    let made = rights::spawn(as_owner(scope, generation.run(Arc::clone(&live))));
    if let Err(error) = made.await {
        tracing::error!(message.id = %answer, %error, "the making of an answer ended early");
        orphans::abandon(&app, scope, answer, &live).await;
    }
    app.hub.close(answer);
}

impl Message {
    /// The pictures that were sent along.
    fn images(&self) -> Vec<Image> {
        let pictures = self.parts.iter().filter_map(|part| match part {
            Part::Image { media_type, base64, .. } => {
                Some(Image { media_type: media_type.clone(), base64: base64.as_str().into() })
            }
            _ => None,
        });
        pictures.collect()
    }
}
