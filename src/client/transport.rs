//! The two ways a call can take.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, header};
use futures::{StreamExt, TryStreamExt};
use secrecy::{ExposeSecret, SecretString};
use tower::ServiceExt;

use super::{ClientError, Payload, Reply, Result};

/// How calls reach the service.
#[derive(Clone)]
pub enum Transport {
    /// Over a socket, to another process.
    Http {
        /// Base URL, without a slash at its end.
        base: String,
        /// The connection pool.
        client: reqwest::Client,
    },
    /// Straight into the router of this process, with the secret by which it
    /// knows its own commands.
    Local(Router, SecretString),
}

impl Transport {
    /// To the server at `base`, showing `credential`.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn http(base: &str, credential: Option<&SecretString>) -> Result<Self> {
        let mut headers = HeaderMap::new();
        if let Some(credential) = credential {
            headers.insert(header::AUTHORIZATION, bearer(credential)?);
        }
        let client = reqwest::Client::builder()
            .default_headers(headers)
            .connect_timeout(std::time::Duration::from_secs(5))
            // The server lies on this machine or is named by hand.
            .no_proxy()
            .build()
            .map_err(|error| ClientError::Garbled(error.to_string()))?;
        Ok(Self::Http { base: base.trim_end_matches('/').to_owned(), client })
    }

    pub(super) async fn call(&self, method: &'static str, path: &str, payload: Option<Payload>) -> Result<Reply> {
        match self {
            Self::Http { base, client } => {
                let unreachable = |error: reqwest::Error| ClientError::Unreachable {
                    url: base.clone(),
                    problem: if error.is_timeout() { "timed out" } else { "no connection" }.into(),
                };
                let method = method.parse().unwrap_or(reqwest::Method::GET);
                let mut request = client.request(method, format!("{base}{path}"));
                if let Some(payload) = payload {
                    request = request.header(header::CONTENT_TYPE, payload.content_type).body(payload.bytes);
                }
                let reply = request.send().await.map_err(unreachable)?;
                let status = reply.status().as_u16();
                let body = reply.bytes_stream().map_err(|error| ClientError::Garbled(error.to_string())).boxed();
                Ok(Reply { status, body })
            }
            Self::Local(router, token) => {
                let mut request = Request::builder()
                    .method(method)
                    .uri(path)
                    .header(header::HOST, "localhost")
                    .header(header::AUTHORIZATION, bearer(token)?);
                let mut body = Body::empty();
                if let Some(payload) = payload {
                    request = request.header(header::CONTENT_TYPE, payload.content_type);
                    body = payload.bytes.into();
                }
                let request = request.body(body).map_err(|error| ClientError::Garbled(error.to_string()))?;
                let Ok(reply) = router.clone().oneshot(request).await;
                let status = reply.status().as_u16();
                let body = reply.into_body().into_data_stream();
                let body = body.map_err(|error| ClientError::Garbled(error.to_string())).boxed();
                Ok(Reply { status, body })
            }
        }
    }
}

fn bearer(credential: &SecretString) -> Result<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", credential.expose_secret()))
        .map_err(|_| ClientError::Garbled("the key holds characters that no key has".into()))?;
    value.set_sensitive(true);
    Ok(value)
}
