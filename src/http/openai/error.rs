//! Errors in OpenAI's shape: `{"error": {message, type, param, code}}`, after
//! its API reference, "Errors". The code is a text or null: typed clients read
//! nothing else.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::error::ApiError;
use crate::llm::LlmError;

/// Where the face begins.
const BASE: &str = "/v1";
/// What OpenAI's clients obey before they look at the status.
static SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// Surfaces that are no parameter of a request.
const PLACES: &[&str] = &["body", "content_type", "form", "host", "method", "origin", "request", "route", "service"];

/// What an error looks like under `/v1`.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct OpenAiError {
    error: OpenAiProblem,
}

/// An error.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OpenAiProblem {
    /// What went wrong and what to do.
    pub(super) message: String,
    /// What kind of error it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The parameter that is at fault.
    pub(super) param: Option<String>,
    /// A stable name.
    pub(super) code: Option<String>,
}

impl OpenAiError {
    pub(super) fn of(error: &ApiError) -> Self {
        Self { error: OpenAiProblem::of(error) }
    }
}

impl OpenAiProblem {
    pub(super) fn of(error: &ApiError) -> Self {
        let surface = error.surface.as_str();
        let field = Some(surface.to_owned()).filter(|_| !PLACES.contains(&surface));
        let (kind, param, code) = match error.kind {
            "bad_request" | "unprocessable" if surface == "method" => {
                ("invalid_request_error", None, Some("method_not_allowed".to_owned()))
            }
            "bad_request" | "unprocessable" => ("invalid_request_error", field, None),
            "too_long" => ("invalid_request_error", field, Some("context_length_exceeded".to_owned())),
            "too_large" => ("invalid_request_error", field, Some("request_too_large".to_owned())),
            "not_found" => {
                let param = match surface {
                    "model" => Some("model".to_owned()),
                    "collection" => Some("metadata.collections".to_owned()),
                    "previous_response" => Some("previous_response_id".to_owned()),
                    _ => None,
                };
                ("invalid_request_error", param, Some(format!("{}_not_found", surface.replace(' ', "_"))))
            }
            "conflict" => ("invalid_request_error", None, Some("conflict".to_owned())),
            "unauthorized" => ("invalid_request_error", None, Some("invalid_api_key".to_owned())),
            "forbidden" => ("permission_error", None, Some("forbidden".to_owned())),
            "rate_limited" => ("rate_limit_error", None, Some("rate_limit_exceeded".to_owned())),
            "quota_exceeded" => ("insufficient_quota", None, Some("insufficient_quota".to_owned())),
            "busy" => ("server_error", None, Some("service_unavailable".to_owned())),
            "upstream" => ("server_error", None, Some(surface.to_owned())),
            _ => ("server_error", None, Some("internal_error".to_owned())),
        };
        Self { message: error.message.clone(), kind, param, code }
    }
}

impl ApiError {
    /// The same about another parameter.
    pub(super) fn about(self, param: impl Into<String>) -> Self {
        Self { surface: param.into(), ..self }
    }

    /// A model that nobody here can ask.
    pub(super) fn no_model(name: &str) -> Self {
        let name: String = name.chars().take(200).collect();
        let message = format!("the model `{name}` does not exist here; GET /v1/models lists those that do");
        Self::new(StatusCode::NOT_FOUND, "not_found", "model", message)
    }

    /// What a provider's failure is to the client that it was asked for.
    pub(super) fn of_provider(error: &LlmError) -> Self {
        let told = Self::told(error.code(), error.to_string());
        let wait = match error {
            LlmError::RateLimited { retry_after, .. } => retry_after.map(|wait| wait.as_secs().max(1)),
            _ => None,
        };
        Self { retry_after: wait.or(told.retry_after), ..told }
    }

    /// The same by the failure's code.
    fn told(code: &str, message: String) -> Self {
        match code {
            "model_not_found" => Self::new(StatusCode::NOT_FOUND, "not_found", "model", message),
            "too_long" => Self::new(StatusCode::BAD_REQUEST, "too_long", "messages", message),
            "refused" => Self::bad_request("request", message),
            "rate_limited" => {
                let limited = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "provider", message);
                Self { retry_after: Some(1), ..limited }
            }
            code => Self::upstream(code, message),
        }
    }

    /// The error that ended an answer, as its events tell it.
    pub(super) fn of_event(error: &Value) -> Self {
        let message = error["message"].as_str().unwrap_or("the answer could not be made; ask again").to_owned();
        match error["code"].as_str().and_then(|code| code.split_once(':')) {
            Some(("upstream", code)) => Self::told(code, message),
            Some(("bad_request", _)) => Self::bad_request("request", message),
            Some(("busy", what)) => Self::unavailable(what, message, 1),
            _ => Self::internal(),
        }
    }
}

/// Gives errors under `/v1` OpenAI's shape, wherever they come from. What cannot
/// be processed is a bad request there.
pub(in crate::http) async fn shape(request: Request, next: Next) -> Response {
    let is_ours = request.uri().path().strip_prefix(BASE).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let mut response = next.run(request).await;
    if !is_ours {
        return response;
    }
    let Some(error) = response.extensions_mut().remove::<ApiError>() else { return response };
    let (mut parts, _) = response.into_parts();
    if parts.status == StatusCode::UNPROCESSABLE_ENTITY {
        parts.status = StatusCode::BAD_REQUEST;
    }
    if error.kind == "quota_exceeded" {
        parts.headers.insert(SHOULD_RETRY.clone(), HeaderValue::from_static("false"));
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    let (with_body, body) = axum::Json(OpenAiError::of(&error)).into_response().into_parts();
    parts.headers.extend(with_body.headers);
    Response::from_parts(parts, body)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(error: &ApiError) -> Value {
        let mut shown = serde_json::to_value(OpenAiError::of(error)).expect("JSON")["error"].take();
        assert!(shown.as_object_mut().and_then(|error| error.remove("message")).is_some());
        shown
    }

    #[test]
    fn an_error_names_its_kind_its_parameter_and_its_code() {
        for (error, expected) in [
            (ApiError::no_model("x"), ("invalid_request_error", json!("model"), json!("model_not_found"))),
            (ApiError::bad_request("n", "one"), ("invalid_request_error", json!("n"), Value::Null)),
            (ApiError::bad_request("body", "x"), ("invalid_request_error", Value::Null, Value::Null)),
            (ApiError::method_not_allowed(), ("invalid_request_error", Value::Null, json!("method_not_allowed"))),
            (
                ApiError::not_found("vector store"),
                ("invalid_request_error", Value::Null, json!("vector_store_not_found")),
            ),
            (ApiError::quota("bytes", "full"), ("insufficient_quota", Value::Null, json!("insufficient_quota"))),
            (ApiError::upstream("timeout", "late"), ("server_error", Value::Null, json!("timeout"))),
            (ApiError::internal(), ("server_error", Value::Null, json!("internal_error"))),
        ] {
            let (kind, param, code) = expected;
            assert_eq!(shown(&error), json!({ "type": kind, "param": param, "code": code }));
        }
    }

    #[test]
    fn a_provider_s_limit_is_told_with_when_to_come_again() {
        let wait = Some(std::time::Duration::from_secs(7));
        let limited = LlmError::RateLimited { provider: "api.test".into(), retry_after: wait, details: String::new() };
        let error = ApiError::of_provider(&limited);
        assert_eq!((error.status, error.retry_after), (StatusCode::TOO_MANY_REQUESTS, Some(7)));
        let told = json!({ "code": "upstream:too_long", "message": "too long" });
        assert_eq!(shown(&ApiError::of_event(&told))["code"], "context_length_exceeded");
    }
}
