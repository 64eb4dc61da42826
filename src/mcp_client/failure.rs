//! The SDK's errors, told as ours: who can do what about them. Imports errors
//! and the peer.

use std::error::Error;

use rmcp::ServiceError;
use rmcp::model::ErrorData;
use rmcp::service::ClientInitializeError;
use rmcp::transport::DynamicTransportError;
use rmcp::transport::streamable_http_client::StreamableHttpError;

use super::error::McpError;
use super::peer::Peer;

type HttpError = StreamableHttpError<reqwest::Error>;

/// A request that came to nothing.
pub(super) fn of_request(peer: &Peer, error: &ServiceError) -> McpError {
    match error {
        ServiceError::McpError(error) => told(peer, error),
        ServiceError::TransportSend(error) => of_transport(peer, error),
        ServiceError::TransportClosed => peer.gone("it closed the connection"),
        ServiceError::Cancelled { .. } => peer.gone("the connection was closed"),
        ServiceError::UnexpectedResponse => peer.protocol("the reply is of another kind"),
        other => peer.protocol(&other.to_string()),
    }
}

/// A connection that did not come about.
pub(super) fn of_connecting(peer: &Peer, error: &ClientInitializeError) -> McpError {
    match error {
        ClientInitializeError::TransportError { error, .. } => of_transport(peer, error),
        ClientInitializeError::ConnectionClosed(_) => peer.gone("it ended, or closed the connection, at once"),
        ClientInitializeError::JsonRpcError(error) => told(peer, error),
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => of_connecting(peer, fallback),
        ClientInitializeError::NoCompatibleProtocolVersion { .. } => {
            peer.protocol("it speaks no version of the protocol that is spoken here")
        }
        ClientInitializeError::Cancelled => peer.gone("the connection was closed"),
        _ => peer.protocol("it greets with something else"),
    }
}

/// The last cause of a network error, without the address.
pub(super) fn cause(error: &reqwest::Error) -> String {
    let mut source = error.source();
    while let Some(deeper) = source.and_then(Error::source) {
        source = Some(deeper);
    }
    source.map_or_else(|| "the connection failed".to_owned(), ToString::to_string)
}

fn told(peer: &Peer, error: &ErrorData) -> McpError {
    peer.protocol(&format!("error {}: {}", error.code.0, error.message))
}

fn of_transport(peer: &Peer, error: &DynamicTransportError) -> McpError {
    let mut source: Option<&(dyn Error + 'static)> = Some(error.error.as_ref());
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<HttpError>() {
            return of_http(peer, error);
        }
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return peer.gone(&error.kind().to_string());
        }
        source = error.source();
    }
    peer.gone("the connection failed")
}

fn of_http(peer: &Peer, error: &HttpError) -> McpError {
    match error {
        HttpError::AuthRequired(_) | HttpError::InsufficientScope(_) => peer.unauthorized(),
        // The SDK tells the two apart by a header that not every server sends.
        HttpError::UnexpectedServerResponse(said) if ["HTTP 401", "HTTP 403"].iter().any(|no| said.starts_with(no)) => {
            peer.unauthorized()
        }
        HttpError::UnexpectedServerResponse(said) if said.starts_with("HTTP 3") => {
            peer.protocol("it redirects, which is not followed")
        }
        HttpError::UnexpectedServerResponse(said) => peer.protocol(said),
        HttpError::HttpStatus(status) => peer.gone(&format!("HTTP status {}", status.status)),
        HttpError::Client(error) => peer.gone(&cause(error)),
        HttpError::Sse(_) | HttpError::Io(_) => peer.gone("the connection broke"),
        HttpError::UnexpectedContentType(_) => peer.protocol("the reply is neither JSON nor a stream of events"),
        HttpError::ResponseBodyTooLarge { max_size } => {
            peer.protocol(&format!("the reply is larger than {max_size} bytes"))
        }
        HttpError::Deserialize(_) => peer.protocol("the reply is no message of this protocol"),
        other => peer.gone(&other.to_string()),
    }
}
