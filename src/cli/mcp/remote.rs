//! What the MCP server stands on when it is a command: the native API, through
//! the client that every command has.

use footnote_ingest::document::Span;
use footnote_ingest::store::collections::Collection;
use footnote_ingest::store::documents::Document;
use footnote_ingest::store::revisions::TextPart;
use futures::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::client::{Client, ClientError, query_value};
use crate::ids::{ConversationId, DocumentId, RevisionId};
use crate::mcp::{Backend, Failure, Page, READING_TOOLS, title};
use crate::retrieve::Passage;
use crate::storage::messages::Message;

/// The service at the other end of a client.
pub(super) struct Remote {
    client: Client,
}

impl Remote {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }
}

#[derive(Debug, Deserialize)]
struct Found {
    passages: Vec<Passage>,
}

#[derive(Debug, Deserialize)]
struct Begun {
    id: ConversationId,
}

impl Backend for Remote {
    async fn search(&self, query: &str, collection: Option<&str>, limit: usize) -> Result<Vec<Passage>, Failure> {
        let body = json!({ "query": query, "collections": collection.map(|name| [name]), "limit": limit });
        let found: Found = self.client.post("/api/v1/search", &body).await.map_err(told)?;
        Ok(found.passages)
    }

    async fn ask(&self, question: &str, collection: Option<&str>) -> Result<Message, Failure> {
        let begin = json!({ "title": title(question), "collections": collection.map(|name| [name]) });
        let begun: Begun = self.client.post("/api/v1/conversations", &begin).await.map_err(told)?;
        let path = format!("/api/v1/conversations/{}/messages", begun.id);
        let question = json!({ "content": question, "stream": true, "tools": READING_TOOLS });
        let mut events = self.client.events(&path, &question).await.map_err(told)?;
        let mut awaited = Awaited { client: self.client.clone(), messages: path, answer: None };
        while let Some(event) = events.next().await {
            let event = event.map_err(told)?;
            match event.name.as_str() {
                "message.started" => awaited.answer = event.data["message_id"].as_str().map(str::to_owned),
                "message.completed" => {
                    awaited.answer = None;
                    return serde_json::from_value(event.data["message"].clone())
                        .map_err(|error| told(ClientError::Garbled(error.to_string())));
                }
                "message.interrupted" | "message.cancelled" | "error" => {
                    awaited.answer = None;
                    return Err(broken_off(&event.data));
                }
                _ => {}
            }
        }
        Err(Failure::Refused("the answer's stream ended before the answer did; ask again".into()))
    }

    async fn collections(&self, limit: usize) -> Result<Page<Collection>, Failure> {
        self.client.get(&format!("/api/v1/collections?limit={limit}")).await.map_err(told)
    }

    async fn documents(
        &self,
        collection: Option<&str>,
        after: Option<DocumentId>,
        limit: usize,
    ) -> Result<Page<Document>, Failure> {
        let collection = collection.map(|name| format!("&collection={}", query_value(name))).unwrap_or_default();
        let after = after.map(|after| format!("&cursor={after}")).unwrap_or_default();
        self.client.get(&format!("/api/v1/documents?limit={limit}{collection}{after}")).await.map_err(told)
    }

    async fn document(&self, id: DocumentId) -> Result<Document, Failure> {
        self.client.get(&format!("/api/v1/documents/{id}")).await.map_err(told)
    }

    async fn text(&self, revision: RevisionId, span: Span) -> Result<TextPart, Failure> {
        let Span { start, end } = span;
        self.client.get(&format!("/api/v1/revisions/{revision}/text?start={start}&end={end}")).await.map_err(told)
    }
}

/// What the service refused, as the model is told.
#[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
fn told(error: ClientError) -> Failure {
    match &error {
        ClientError::Refused { code, message, .. } => match code.as_str() {
            "not_found:collection" => Failure::NotFound("collection"),
            "not_found:document" => Failure::NotFound("document"),
            "not_found:revision" => Failure::NotFound("revision"),
            code if code.starts_with("internal:") => Failure::Internal,
            _ => Failure::Refused(message.clone()),
        },
        ClientError::Unreachable { .. } => Failure::Refused(error.to_string()),
        ClientError::Garbled(_) => {
            tracing::error!(%error, "a call failed");
            Failure::Internal
        }
    }
}

fn broken_off(data: &Value) -> Failure {
    let message = data["error"]["message"].as_str().unwrap_or("the answer was broken off; ask again");
    Failure::Refused(message.to_owned())
}

/// An answer that somebody waits for: once nobody does, it is stopped.
struct Awaited {
    client: Client,
    /// The path of the conversation's messages.
    messages: String,
    /// The answer, while it is being made.
    answer: Option<String>,
}

impl Drop for Awaited {
    fn drop(&mut self) {
        let (Some(answer), Ok(runtime)) = (self.answer.take(), Handle::try_current()) else { return };
        let (client, path) = (self.client.clone(), format!("{}/{answer}/cancel", self.messages));
        runtime.spawn(async move {
            if let Err(error) = client.post::<Value>(&path, &json!({})).await {
                tracing::debug!(%error, "an answer could not be stopped");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str, message: &str) -> Failure {
        told(ClientError::Refused { status, code: code.into(), message: message.into() })
    }

    #[test]
    fn what_the_service_says_reaches_the_model_and_its_insides_do_not() {
        assert_eq!(refused(404, "not_found:document", "no such document"), Failure::NotFound("document"));
        let credential = refused(401, "unauthorized:credential", "sign in first");
        assert_eq!(credential, Failure::Refused("sign in first".into()));
        assert_eq!(refused(500, "internal:service", "secret"), Failure::Internal);
        assert_eq!(told(ClientError::Garbled("secret".into())), Failure::Internal);
    }

    #[test]
    fn an_answer_that_broke_off_says_why() {
        let told = broken_off(&json!({ "error": { "code": "upstream:timeout", "message": "the provider is away" } }));
        assert_eq!(told, Failure::Refused("the provider is away".into()));
        assert!(broken_off(&json!({})).to_string().contains("ask again"));
    }
}
