//! What a provider means by a refusal. `OpenAI` writes `{"error":{"message":…}}` with
//! a textual code; llama.cpp and vLLM give a number for the code, Text Embeddings
//! Inference a bare `message`, others plain text. All keep their status here, and say
//! why in the same words.

use async_openai::error::{ApiError, ApiErrorResponse, OpenAIError};
use reqwest::{Response, StatusCode};
use serde_json::Value;

use crate::error::Error;

/// Characters of a reason that are kept.
const LENGTH: usize = 300;

/// A refusal as an error that keeps its status; any other response as it is.
pub(super) async fn told(response: Response) -> Result<Response, OpenAIError> {
    let status = response.status();
    if !status.is_client_error() {
        return Ok(response);
    }
    let body = response.bytes().await.map_err(OpenAIError::Reqwest)?;
    let api_error = ApiError { message: reason(status, &body), ..ApiError::default() };
    Err(OpenAIError::ApiError(ApiErrorResponse { status_code: status, api_error }))
}

/// Of its client errors these say that a text is too long, or not to be embedded, or
/// that there are too many.
pub(super) fn failure(error: OpenAIError) -> Error {
    match error {
        OpenAIError::ApiError(refusal) if matches!(refusal.status_code.as_u16(), 400 | 413 | 422) => {
            Error::EmbedderRefused(refusal.to_string())
        }
        other => Error::Embedder(other.to_string()),
    }
}

fn reason(status: StatusCode, body: &[u8]) -> String {
    let told = serde_json::from_slice::<Value>(body).ok();
    let places = ["/error/message", "/error", "/message", "/detail/0/msg", "/detail"];
    let message = told.as_ref().and_then(|told| places.iter().find_map(|place| told.pointer(place)?.as_str()));
    let text = message.map_or_else(|| String::from_utf8_lossy(body), Into::into);
    match text.trim() {
        "" => status.canonical_reason().unwrap_or("no reason given").to_owned(),
        text => text.chars().take(LENGTH).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_found_wherever_a_provider_puts_it() {
        let long = "x".repeat(1_000);
        for (body, expected) in [
            (r#"{"error":{"message":"too long","type":"invalid_request_error","code":null}}"#, "too long"),
            (r#"{"error":{"code":400,"message":"too long","type":"invalid_request_error"}}"#, "too long"),
            (r#"{"error":"too long","error_type":"Validation"}"#, "too long"),
            (r#"{"message":"too long","code":413,"type":"Validation"}"#, "too long"),
            (r#"{"detail":[{"loc":["body","input"],"msg":"too long","type":"value_error"}]}"#, "too long"),
            (r#"{"detail":"too long"}"#, "too long"),
            ("too long\n", "too long"),
            ("", "Payload Too Large"),
            (&long, &long[..LENGTH]),
        ] {
            assert_eq!(reason(StatusCode::PAYLOAD_TOO_LARGE, body.as_bytes()), expected, "{body}");
        }
    }
}
