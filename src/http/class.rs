//! What kind of work a request is, by its route. The one place that knows;
//! imports nothing.

use axum::extract::{MatchedPath, Request};
use axum::http::Method;

/// A kind of work, by what it holds on to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// What must always be answered, so that it is seen how things stand.
    Watch,
    /// Questions, and streams that are followed: a place for a long time.
    Ask,
    /// Uploads: memory, and work to do.
    Upload,
    /// Everything else is short.
    Other,
}

/// Last parts of routes to which questions are posted.
const ASKED: &[&str] = &["messages", "edit", "regenerate", "chat", "completions", "responses", "mcp"];
/// Last parts of routes that stream to those who get them.
const FOLLOWED: &[&str] = &["stream", "events", "mcp"];

/// What may be got as a stream too; its query says so, in any spelling.
const RESPONSE: &str = "/v1/responses/{id}";

impl Class {
    /// Its name, for figures.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::Ask => "ask",
            Self::Upload => "upload",
            Self::Other => "other",
        }
    }

    pub(super) fn of(request: &Request) -> Self {
        Self::by(request.method(), route(request).unwrap_or_default())
    }

    fn by(method: &Method, route: &str) -> Self {
        let last = route.rsplit('/').next().unwrap_or_default();
        match *method {
            _ if matches!(route, "/health/live" | "/health/ready" | "/metrics") => Self::Watch,
            Method::POST if matches!(last, "documents" | "files") => Self::Upload,
            Method::POST if ASKED.contains(&last) => Self::Ask,
            Method::GET if FOLLOWED.contains(&last) || route == RESPONSE => Self::Ask,
            _ => Self::Other,
        }
    }
}

/// The route's pattern; none where there is no such route.
pub(super) fn route(request: &Request) -> Option<&str> {
    request.extensions().get::<MatchedPath>().map(MatchedPath::as_str)
}

/// Whether a path belongs to a face for programs, rather than to the page or to
/// the description.
pub(super) fn is_api(path: &str) -> bool {
    ["/api/", "/v1/", "/mcp"].iter().any(|prefix| path.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_told_apart_by_method_and_route() {
        let messages = "/api/v1/conversations/{id}/messages";
        for (method, route, class) in [
            (Method::GET, "/metrics", Class::Watch),
            (Method::GET, "/health/live", Class::Watch),
            (Method::POST, messages, Class::Ask),
            (Method::GET, messages, Class::Other),
            (Method::GET, "/api/v1/conversations/{id}/messages/{message_id}/stream", Class::Ask),
            (Method::POST, "/api/v1/conversations/{id}/messages/{message_id}/cancel", Class::Other),
            (Method::POST, "/v1/chat/completions", Class::Ask),
            (Method::POST, "/api/{user_id}/chat", Class::Ask),
            (Method::GET, "/api/v1/documents/{id}/events", Class::Ask),
            (Method::POST, "/api/v1/collections/{id}/documents", Class::Upload),
            (Method::POST, "/v1/files", Class::Upload),
            (Method::GET, "/v1/files", Class::Other),
            (Method::POST, "/api/v1/search", Class::Other),
            (Method::POST, "/mcp", Class::Ask),
            (Method::GET, "/v1/responses/{id}", Class::Ask),
            (Method::GET, "/v1/responses/{id}/input_items", Class::Other),
            (Method::DELETE, "/v1/responses/{id}", Class::Other),
            (Method::GET, "", Class::Other),
        ] {
            assert_eq!(Class::by(&method, route), class, "{method} {route}");
        }
    }
}
