//! A server behind an address: streamable HTTP by reqwest, whose errors name no
//! address. Imports settings.
//!
//! The SDK logs the errors of its transport, and an address may hold a key, so
//! they lose it before the SDK sees them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, Url, redirect};
use rmcp::model::ClientJsonRpcMessage;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpClientTransportConfig, StreamableHttpError,
    StreamableHttpPostResponse,
};
use sse_stream::Sse;

use super::config::ServerConfig;

/// Bytes of one event, at most; a whole JSON reply may have as many.
const MAX_EVENT: usize = 16 * 1024 * 1024;
/// Time for a connection to come about, within the whole step's.
const CONNECT: Duration = Duration::from_secs(10);

type Headers = HashMap<HeaderName, HeaderValue>;
type Failed = StreamableHttpError<reqwest::Error>;

/// The client as the SDK uses it.
#[derive(Clone)]
pub(super) struct Http(Client);

/// The transport to `url`, not connected yet.
///
/// # Errors
/// When no client can be set up.
pub(super) fn transport(
    url: &str,
    config: &ServerConfig,
) -> Result<StreamableHttpClientTransport<Http>, reqwest::Error> {
    let mut builder = Client::builder()
        .user_agent(concat!("footnote/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        // A redirect would take the credentials and the arguments elsewhere.
        .redirect(redirect::Policy::none())
        .referer(false);
    if Url::parse(url).is_ok_and(|url| is_local(&url)) {
        builder = builder.no_proxy();
    }
    let settings = StreamableHttpClientTransportConfig::with_uri(url)
        .custom_headers(config.header_values().flatten().collect())
        .max_sse_event_size(MAX_EVENT);
    Ok(StreamableHttpClientTransport::with_client(Http(builder.build()?), settings))
}

fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn nameless(error: Failed) -> Failed {
    match error {
        StreamableHttpError::Client(error) => StreamableHttpError::Client(error.without_url()),
        other => other,
    }
}

impl StreamableHttpClient for Http {
    type Error = reqwest::Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        headers: Headers,
    ) -> Result<StreamableHttpPostResponse, Failed> {
        self.post_message_with_max_sse_event_size(uri, message, session_id, auth_header, headers, MAX_EVENT).await
    }

    async fn post_message_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        headers: Headers,
        most: usize,
    ) -> Result<StreamableHttpPostResponse, Failed> {
        let post = self.0.post_message_with_max_sse_event_size(uri, message, session_id, auth_header, headers, most);
        post.await.map_err(nameless)
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        auth_header: Option<String>,
        headers: Headers,
    ) -> Result<(), Failed> {
        self.0.delete_session(uri, session_id, auth_header, headers).await.map_err(nameless)
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        headers: Headers,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failed> {
        self.get_stream_with_max_sse_event_size(uri, session_id, last_event_id, auth_header, headers, MAX_EVENT).await
    }

    async fn get_stream_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        headers: Headers,
        most: usize,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failed> {
        let get = self.0.get_stream_with_max_sse_event_size(uri, session_id, last_event_id, auth_header, headers, most);
        get.await.map_err(nameless)
    }
}
