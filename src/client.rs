//! The client of the native API that every command is: over a socket to a
//! running server, or straight into the router of this process. One code path,
//! so that a command does the same beside a server and without one.

mod form;
mod transport;

use axum::body::Bytes;
use eventsource_stream::Eventsource;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use form::Form;
pub use transport::Transport;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The service refused, and says why.
    #[error("{message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Stable: `kind:surface`.
        code: String,
        /// What went wrong and what to do.
        message: String,
    },
    /// Nobody answers there.
    #[error("the server at {url} does not answer ({problem}); start it with `footnote serve`, or check --server")]
    Unreachable {
        /// The base URL.
        url: String,
        /// What happened.
        problem: String,
    },
    /// The connection broke, or what came is not this API's.
    #[error("the server's reply cannot be read: {0}")]
    Garbled(String),
}

/// A call's result.
pub type Result<T, E = ClientError> = std::result::Result<T, E>;

/// An event of an answer's stream.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerEvent {
    /// Its type, such as `text.delta`.
    pub name: String,
    /// Its content.
    pub data: Value,
}

/// A reply's status and body.
pub(crate) struct Reply {
    status: u16,
    body: BoxStream<'static, Result<Bytes>>,
}

/// A client of the native API.
#[derive(Clone)]
pub struct Client {
    transport: Transport,
}

impl Client {
    /// A client that calls through `transport`.
    #[must_use]
    pub fn new(transport: Transport) -> Self {
        Self { transport }
    }

    /// Whether calls go to another process.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        matches!(self.transport, Transport::Http { .. })
    }

    /// Gets `path`, which may have a query string.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        read(self.transport.call("GET", path, None).await?).await
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        read(self.transport.call("POST", path, Some(json(body)?)).await?).await
    }

    /// Posts a form with files.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn upload<T: DeserializeOwned>(&self, path: &str, form: Form) -> Result<T> {
        read(self.transport.call("POST", path, Some(form.finish())).await?).await
    }

    /// Changes what is at `path`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn patch<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        read(self.transport.call("PATCH", path, Some(json(body)?)).await?).await
    }

    /// Deletes what is at `path`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn delete(&self, path: &str) -> Result<()> {
        let reply = self.transport.call("DELETE", path, None).await?;
        let status = reply.status;
        let body = whole(reply).await?;
        if status < 300 { Ok(()) } else { Err(refusal(status, &body)) }
    }

    /// All items of a list, page by page.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>> {
        #[derive(serde::Deserialize)]
        struct Page<T> {
            items: Vec<T>,
            next_cursor: Option<String>,
        }
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let joint = if path.contains('?') { '&' } else { '?' };
            let from = cursor.as_ref().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let page: Page<T> = self.get(&format!("{path}{joint}limit=200{from}")).await?;
            items.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(items);
            }
        }
    }

    /// Posts JSON and reads the answer as a stream of events.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn events(&self, path: &str, body: &impl Serialize) -> Result<BoxStream<'static, Result<ServerEvent>>> {
        let reply = self.transport.call("POST", path, Some(json(body)?)).await?;
        if reply.status >= 300 {
            let status = reply.status;
            return Err(refusal(status, &whole(reply).await?));
        }
        let events = reply.body.eventsource().map(|event| {
            let event = event.map_err(|error| ClientError::Garbled(error.to_string()))?;
            let data = serde_json::from_str(&event.data).map_err(|error| ClientError::Garbled(error.to_string()))?;
            Ok(ServerEvent { name: event.event, data })
        });
        Ok(events.boxed())
    }
}

/// A request's body and its type.
pub(crate) struct Payload {
    content_type: String,
    bytes: Bytes,
}

fn json(body: &impl Serialize) -> Result<Payload> {
    let bytes = serde_json::to_vec(body).map_err(|error| ClientError::Garbled(error.to_string()))?;
    Ok(Payload { content_type: "application/json".into(), bytes: bytes.into() })
}

async fn read<T: DeserializeOwned>(reply: Reply) -> Result<T> {
    let status = reply.status;
    let body = whole(reply).await?;
    if status >= 300 {
        return Err(refusal(status, &body));
    }
    serde_json::from_slice(&body).map_err(|error| ClientError::Garbled(error.to_string()))
}

async fn whole(reply: Reply) -> Result<Vec<u8>> {
    reply
        .body
        .try_fold(Vec::new(), async |mut all, part| {
            all.extend_from_slice(&part);
            Ok(all)
        })
        .await
}

fn refusal(status: u16, body: &[u8]) -> ClientError {
    let told: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |field: &str| told["error"][field].as_str().map(str::to_owned);
    ClientError::Refused {
        status,
        code: text("code").unwrap_or_else(|| "internal:service".into()),
        message: text("message").unwrap_or_else(|| format!("the service answered with status {status}")),
    }
}

/// `text` as a part of a query string.
#[must_use]
pub fn query_value(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_values_keep_what_they_say() {
        assert_eq!(query_value("a b&c=ü/%"), "a%20b%26c%3D%C3%BC%2F%25");
    }

    #[test]
    fn a_refusal_says_what_the_service_said() {
        let body =
            br#"{"error": {"code": "not_found:collection", "message": "no such collection", "request_id": "r"}}"#;
        assert_eq!(refusal(404, body).to_string(), "no such collection");
        assert!(refusal(502, b"<html>").to_string().contains("502"));
    }
}
