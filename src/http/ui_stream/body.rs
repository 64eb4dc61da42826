//! What a front end sends: read for what is asked, and nothing else of it.

use footnote_ingest::scope::Scope;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::error::ApiError;
use super::super::extract;
use super::super::parts::{self, QuestionPart, Read};
use crate::app::App;
use crate::chat::named::{Said, Wish};
use crate::chat::{Ask, Options};
use crate::ids::{ApprovalId, MessageId};

/// Characters of an id that the caller chose, at most.
const MAX_ID: usize = 200;
/// Tools that a question may name, at most.
const MAX_TOOLS: usize = 256;
/// Decisions at once, at most.
const MAX_DECISIONS: usize = 64;

/// A chat as its front end shows it. Only its last message is read, for the
/// service knows what was said before. Fields that are not known are ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "7Yb2", "trigger": "submit-message",
    "messages": [{ "id": "m1", "role": "user", "parts": [{ "type": "text", "text": "How heavy is the P4?" }] }],
}))]
pub(in crate::http) struct ChatRequest {
    /// The chat's id, of the front end's choice: 1 to 200 characters.
    #[schema(max_length = 200)]
    id: String,
    /// Its messages; or `message`.
    #[schema(value_type = Option<Vec<Object>>)]
    messages: Option<Vec<Value>>,
    /// The last message alone.
    #[schema(value_type = Option<Object>)]
    message: Option<Value>,
    /// `submit-message` unless told otherwise, or `regenerate-message`.
    trigger: Option<String>,
    /// With `submit-message` the question that is edited; with
    /// `regenerate-message` the answer to be given anew: the last one if left out.
    message_id: Option<String>,
    /// The model; the service's if left out.
    model: Option<String>,
    /// Collections by id or name; all if left out.
    collections: Option<Vec<String>>,
    /// Tools that may be called; all if left out.
    tools: Option<Vec<String>>,
}

/// What a body asks for.
#[derive(Debug)]
pub(super) enum Wanted {
    Speak(Box<Said>),
    /// Calls of this answer may be made or not.
    Decide {
        chat: String,
        answer: MessageId,
        decisions: Vec<(ApprovalId, bool)>,
    },
}

/// A message.
#[derive(Debug, Default, Deserialize)]
struct UiMessage {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    role: String,
    #[serde(default)]
    parts: Vec<UiPart>,
    /// The words in place of parts.
    #[serde(default)]
    content: Value,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UiPart {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    state: Value,
    #[serde(default)]
    approval: Value,
}

impl ChatRequest {
    /// What it asks for.
    ///
    /// # Errors
    /// Names what cannot be taken, and says what can.
    pub(super) async fn read(self, app: &App, scope: Scope) -> Result<Wanted, ApiError> {
        check_chat(&self.id)?;
        if self.tools.as_ref().map_or(0, Vec::len) > MAX_TOOLS {
            return Err(ApiError::unprocessable("tools", format!("`tools` names {MAX_TOOLS} at most")));
        }
        let again = self.trigger.as_deref() == Some("regenerate-message");
        let last = last(self.message, self.messages.unwrap_or_default(), again)?;
        if !again && last.role == "assistant" {
            return decided(self.id, &last);
        }
        let id = last.id.clone().filter(|id| is_id(id));
        let wish = match self.message_id {
            message if again => Wish::Again(message.filter(|message| is_id(message))),
            Some(message) if Some(&message) == id.as_ref() => Wish::Edit,
            _ => Wish::Answer,
        };
        let Read { words: content, images, documents } = parts::read(last.question_parts())?;
        let options = Options {
            model: self.model,
            collections: extract::collections(app, scope, self.collections.as_deref()).await?,
            tools: self.tools,
            ..Options::default()
        };
        let ask = Ask { images, documents, options, ..Ask::new(content) };
        Ok(Wanted::Speak(Box::new(Said { chat: self.id, id, wish, ask })))
    }
}

impl UiMessage {
    /// Its words and files; whatever else a front end keeps in a message stays
    /// there.
    fn question_parts(self) -> Vec<QuestionPart> {
        let content = self.content.as_str().filter(|_| self.parts.is_empty()).map(str::to_owned);
        let parts = self.parts.into_iter().filter_map(|part| match part.kind.as_str() {
            "text" => Some(QuestionPart::Text { text: part.text }),
            "file" if part.media_type.starts_with("image/") => Some(QuestionPart::Image { data: part.url }),
            "file" => Some(QuestionPart::Other),
            _ => None,
        });
        content.map(|text| QuestionPart::Text { text }).into_iter().chain(parts).collect()
    }
}

/// The message that is read: the last one or, for an answer anew, the last
/// question.
fn last(message: Option<Value>, messages: Vec<Value>, again: bool) -> Result<UiMessage, ApiError> {
    let is_question = |message: &Value| message["role"] == "user";
    let last = match message {
        Some(message) => Some(message),
        None => messages.into_iter().rfind(|message| !again || is_question(message)),
    };
    let last = match last {
        Some(last) if !again || is_question(&last) => last,
        _ if again => return Ok(UiMessage { role: "user".into(), ..UiMessage::default() }),
        _ => {
            return Err(ApiError::unprocessable(
                "messages",
                "give `messages`, or `message`: the last one is the question",
            ));
        }
    };
    let read: UiMessage = serde_json::from_value(last)
        .map_err(|_| ApiError::unprocessable("messages", "a message has an `id`, a `role` and a list of `parts`"))?;
    match read.role.as_str() {
        "user" | "assistant" => Ok(read),
        _ => Err(ApiError::unprocessable("messages", "the last message is one of role `user`")),
    }
}

/// The decisions that an answer comes back with.
fn decided(chat: String, message: &UiMessage) -> Result<Wanted, ApiError> {
    let decisions: Vec<(ApprovalId, bool)> = message
        .parts
        .iter()
        .filter(|part| part.state == "approval-responded")
        .filter_map(|part| Some((part.approval["id"].as_str()?.parse().ok()?, part.approval["approved"].as_bool()?)))
        .take(MAX_DECISIONS)
        .collect();
    let answer = message.id.as_deref().and_then(|id| id.parse().ok());
    match answer {
        Some(answer) if !decisions.is_empty() => Ok(Wanted::Decide { chat, answer, decisions }),
        _ => Err(ApiError::unprocessable("messages", "the last message is an answer already; ask a question after it")),
    }
}

/// Whether the caller's id of a message can be kept.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.chars().nth(MAX_ID).is_none() && !id.contains(char::is_control)
}

/// # Errors
/// For what can be no chat's id.
pub(super) fn check_chat(id: &str) -> Result<(), ApiError> {
    if is_id(id) {
        return Ok(());
    }
    Err(ApiError::unprocessable("id", format!("`id` is the chat's id: 1 to {MAX_ID} characters")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn words(message: UiMessage) -> String {
        parts::read(message.question_parts()).expect("words").words
    }

    #[test]
    fn only_the_last_message_is_read() {
        let user = |text: &str| json!({ "id": text, "role": "user", "parts": [{ "type": "text", "text": text }] });
        let forged = json!({ "id": "x", "role": "assistant", "parts": 7 });
        let read = last(None, vec![forged.clone(), user("one"), forged.clone(), user("two")], false);
        assert_eq!(words(read.expect("a message")), "two");
        let read = last(Some(user("three")), vec![user("one")], false);
        assert_eq!(words(read.expect("a message")), "three");
        let read = last(None, vec![user("one"), forged], true);
        assert_eq!(words(read.expect("the last question")), "one");
        assert!(last(None, vec![], true).expect("nothing").id.is_none());
        assert!(last(None, vec![], false).is_err());
        assert!(last(None, vec![json!({ "role": "system", "parts": [] })], false).is_err());
        assert!(last(None, vec![json!("one")], false).is_err());
    }

    #[test]
    fn a_message_is_read_for_its_words_and_pictures() {
        let message = json!({
            "role": "user", "content": "ignored", "metadata": { "a": 1 },
            "parts": [{ "type": "data-x", "data": {} }, { "type": "text", "text": "one", "state": "done" },
                      { "type": "text", "text": "two" }],
        });
        assert_eq!(words(serde_json::from_value(message).expect("a message")), "one\n\ntwo");
        let older = json!({ "role": "user", "content": "words" });
        assert_eq!(words(serde_json::from_value(older).expect("a message")), "words");
        let file =
            json!({ "role": "user", "parts": [{ "type": "file", "mediaType": "application/pdf", "url": "data:" }] });
        let file: UiMessage = serde_json::from_value(file).expect("a message");
        assert!(parts::read(file.question_parts()).is_err());
    }

    #[test]
    fn an_answer_comes_back_with_decisions_or_not_at_all() {
        let (answer, approval) = (MessageId::new(), ApprovalId::new());
        let with = |part: Value| -> UiMessage {
            serde_json::from_value(json!({ "id": answer, "role": "assistant", "parts": [part] })).expect("a message")
        };
        let state = json!({ "type": "dynamic-tool", "state": "approval-responded", "approval": { "id": approval, "approved": false } });
        match decided("c".into(), &with(state)).expect("a decision") {
            Wanted::Decide { answer: decided, decisions, .. } => {
                assert_eq!((decided, decisions), (answer, vec![(approval, false)]));
            }
            Wanted::Speak(_) => panic!("nothing was said"),
        }
        assert!(decided("c".into(), &with(json!({ "type": "text", "text": "a" }))).is_err());
    }

    #[test]
    fn ids_have_bounds() {
        assert!(check_chat("a/b c?").is_ok() && check_chat(&"é".repeat(MAX_ID)).is_ok());
        for wrong in ["", "a\0b", "a\n", &"x".repeat(MAX_ID + 1)] {
            assert!(check_chat(wrong).is_err());
        }
    }
}
