//! Bodies as OpenAI's clients send them: what is not known is passed over, and
//! what is of a wrong type is named by its path.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::de::DeserializeOwned;

use super::super::asking::{IDEMPOTENCY_KEY, idempotency_key};
use super::super::error::ApiError;
use super::fingerprint::Fingerprint;
use crate::chat::IdempotencyKey;

/// A JSON body.
#[derive(Debug)]
pub(super) struct Body<T>(pub T);

/// A JSON body, and the caller's own key for the request where it has one.
#[derive(Debug)]
pub(super) struct Keyed<T>(pub T, pub Option<IdempotencyKey>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        read(&bytes(request, state).await?).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Keyed<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let (headers, path) = (request.headers().clone(), request.uri().path().to_owned());
        let bytes = bytes(request, state).await?;
        let value = read(&bytes)?;
        if !headers.contains_key(IDEMPOTENCY_KEY) {
            return Ok(Self(value, None));
        }
        // All of it counts, also what is passed over; the order of fields does not.
        let whole: Fingerprint = read(&bytes)?;
        Ok(Self(value, idempotency_key(&headers, &path, &whole)?))
    }
}

/// The body of a request that says that it is JSON.
async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/json") {
        let message = "send JSON, with the header `content-type: application/json`";
        return Err(ApiError::bad_request("content_type", message));
    }
    Bytes::from_request(request, state).await.map_err(|rejection| {
        if rejection.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE {
            return ApiError::too_large("body", "the request is too large; send less of it, or files by /v1/files");
        }
        ApiError::bad_request("body", "the request broke off")
    })
}

/// Reads a body. An empty one is an empty object.
fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        let message: String = error.to_string().chars().take(300).collect();
        if !error.is_data() {
            return ApiError::bad_request("body", format!("the request is no JSON: {message}"));
        }
        let param = param(&path, &message);
        ApiError::bad_request(&param, format!("`{param}`: {message}"))
    })?;
    json.end().map_err(|error| ApiError::bad_request("body", format!("the request is no JSON: {error}")))?;
    Ok(value)
}

/// The path of what is wrong; a field that is missing belongs to it.
fn param(path: &str, message: &str) -> String {
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    match (path, missing) {
        ("." | "?", Some(field)) => field.to_owned(),
        ("." | "?", None) => "body".to_owned(),
        (path, Some(field)) => format!("{path}.{field}"),
        (path, None) => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "read to be refused")]
    struct Inner {
        role: String,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "read to be refused")]
    struct Outer {
        model: String,
        messages: Vec<Inner>,
    }

    #[test]
    fn what_is_wrong_is_named_by_its_path() {
        for (body, param) in [
            (r#"{"model": 1, "messages": []}"#, "model"),
            (r#"{"messages": []}"#, "model"),
            ("", "model"),
            (r#"{"model": "m", "messages": [{"role": 7}]}"#, "messages[0].role"),
            (r#"{"model": "m", "messages": [{"role": "a"}, {}]}"#, "messages[1].role"),
            (r#"{"model": "m""#, "body"),
            (r#"{"model": "m", "messages": []} {}"#, "body"),
            ("[]", "body"),
        ] {
            let refusal = read::<Outer>(body.as_bytes()).expect_err("wrong");
            assert_eq!(refusal.surface, param, "{body}");
        }
        assert!(read::<Outer>(br#"{"model": "m", "messages": [], "more": {}}"#).is_ok());
    }
}
