//! What a response was asked with, as items.

use footnote_ingest::scope::Scope;
use serde_json::{Value, json};

use super::super::super::error::ApiError;
use super::super::ids;
use crate::app::App;
use crate::ids::MessageId;
use crate::storage::messages::{self, Message, Part, Role};
use crate::storage::openai_files::Window;

/// The messages before an answer, back to the one of the response before it.
pub(super) async fn of(
    app: &App,
    scope: Scope,
    answer: MessageId,
    before: Option<MessageId>,
) -> Result<Vec<Value>, ApiError> {
    let mut path = messages::path_in_words(&app.db, scope, answer).await?;
    path.retain(|message| message.id != answer);
    // Of all that lies between the two, the question alone may have pictures.
    if let Some(question) = path.last_mut()
        && let Some(whole) = messages::find(&app.db, scope, question.id).await?
    {
        *question = whole;
    }
    let from = path.iter().position(|message| Some(message.id) == before).map_or(0, |place| place + 1);
    Ok(path[from..].iter().map(item).collect())
}

fn item(message: &Message) -> Value {
    let (role, words) = match message.role {
        Role::User => ("user", "input_text"),
        Role::Assistant => ("assistant", "output_text"),
    };
    let parts = message.parts.iter().filter_map(|part| match part {
        Part::Text { text } if message.role == Role::Assistant => {
            Some(json!({ "type": words, "text": text, "annotations": [], "logprobs": [] }))
        }
        Part::Text { text } => Some(json!({ "type": words, "text": text })),
        Part::Image { media_type, base64, .. } => {
            let url = format!("data:{media_type};base64,{base64}");
            Some(json!({ "type": "input_image", "detail": "auto", "image_url": url }))
        }
        _ => None,
    });
    let content: Vec<Value> = parts.collect();
    let id = ids::show(ids::MESSAGE, message.id.0);
    json!({ "type": "message", "id": id, "status": "completed", "role": role, "content": content })
}

/// The part of a list that a page asks for.
pub(super) fn window(mut items: Vec<Value>, window: Window) -> Vec<Value> {
    if window.descending {
        items.reverse();
    }
    let from = window.from.map(|id| ids::show(ids::MESSAGE, id));
    let from = from.and_then(|id| items.iter().position(|item| item["id"] == id)).map_or(0, |place| place + 1);
    let limit = usize::try_from(window.limit).unwrap_or(usize::MAX);
    items.into_iter().skip(from).take(limit).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_page_begins_after_its_item() {
        let known: Vec<Uuid> = (0..4).map(|_| Uuid::now_v7()).collect();
        let items: Vec<Value> = known.iter().map(|id| json!({ "id": ids::show(ids::MESSAGE, *id) })).collect();
        let page = |from, descending| window(items.clone(), Window { from, descending, limit: 2 });
        assert_eq!(page(None, false), items[..2]);
        assert_eq!(page(Some(known[1]), false), items[2..]);
        assert_eq!(page(Some(known[1]), true), items[..1]);
    }
}
