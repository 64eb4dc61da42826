//! Errors of these routes as plain text: the AI SDK shows the body of a reply
//! that is no stream as the error's message.

use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::super::error::ApiError;

/// Whether a path is one of these routes'.
fn is_chat(path: &str) -> bool {
    path.strip_prefix("/api/chat").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Gives an error of these routes its body; others are left as they are.
pub(in crate::http) async fn plain(request: Request, next: Next) -> Response {
    let is_chat = is_chat(request.uri().path());
    let mut response = next.run(request).await;
    if !is_chat {
        return response;
    }
    let Some(error) = response.extensions_mut().remove::<ApiError>() else { return response };
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Response::from_parts(parts, error.message().to_owned().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_of_these_routes_are_told_from_others() {
        assert!(is_chat("/api/chat") && is_chat("/api/chat/a/stream"));
        assert!(!is_chat("/api/chats") && !is_chat("/api/v1/chat") && !is_chat("/api/x/chat"));
    }
}
