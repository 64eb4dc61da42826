//! What each route needs of its caller. A route that is not listed needs the
//! most: a new one is closed until somebody thinks about it.

use axum::http::Method;

use crate::credentials::Right;

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: it shows nothing that is anybody's.
    Nothing,
    /// A caller with this right.
    Right(Right),
}

/// Whether a route tells how the process stands, whoever asks.
pub(super) fn is_health(pattern: &str) -> bool {
    pattern.starts_with("/health/")
}

/// Routes that anybody may call.
const OPEN: &[&str] = &[
    "/",
    "/assets/{*path}",
    "/s/{revision}",
    "/health/live",
    "/health/ready",
    "/openapi.json",
    "/docs",
    "/docs/",
    "/docs/{*rest}",
    "/api/v1/auth/options",
    "/api/v1/auth/login",
    "/api/v1/auth/register",
    "/api/v1/auth/refresh",
    "/api/v1/auth/logout",
    "/api/v1/auth/guest",
    // It says itself where credentials come from.
    "/mcp",
    "/.well-known/oauth-protected-resource/mcp",
];

/// Paths below which all routes need one right, whatever the method; the first
/// that fits decides.
const BELOW: &[(&str, Right)] = &[
    ("/metrics", Right::Admin),
    ("/api/v1/admin", Right::Admin),
    // They read folders of this machine.
    ("/api/v1/schedules", Right::Admin),
    ("/api/v1/me", Right::Account),
    ("/api/v1/api-keys", Right::Account),
    // What is accepted is part of answers from then on.
    ("/api/v1/collections/{id}/accept", Right::Account),
    ("/api/v1/invitations", Right::Read),
    ("/api/v1/conversations", Right::Ask),
    ("/api/v1/artifacts", Right::Ask),
    ("/api/v1/search", Right::Read),
    ("/api/v1/models", Right::Read),
    ("/api/chat", Right::Ask),
    ("/api/{user_id}/chat", Right::Ask),
    ("/v1/chat", Right::Ask),
    ("/v1/responses", Right::Ask),
    ("/v1/embeddings", Right::Ask),
    ("/v1/vector_stores/{id}/search", Right::Read),
];

/// What may be read with a key that only reads; anything else there writes.
const READABLE: &[&str] = &["/api/v1/collections", "/api/v1/documents", "/api/v1/revisions", "/api/v1/usage", "/v1"];

/// What the route of this pattern needs.
pub(super) fn of(method: &Method, pattern: &str) -> Need {
    if OPEN.contains(&pattern) {
        return Need::Nothing;
    }
    if (method, pattern) == (&Method::GET, "/api/v1/me") {
        return Need::Right(Right::Read);
    }
    if let Some((_, right)) = BELOW.iter().find(|(above, _)| is_below(pattern, above)) {
        return Need::Right(*right);
    }
    let reads = *method == Method::GET || *method == Method::HEAD;
    // A key that writes documents says nothing about who else sees them.
    if !reads && is_below(pattern, "/api/v1/collections/{id}/members") {
        return Need::Right(Right::Account);
    }
    if reads && READABLE.iter().any(|above| is_below(pattern, above)) {
        return Need::Right(Right::Read);
    }
    Need::Right(if is_below(pattern, "/api/v1") || is_below(pattern, "/v1") { Right::Write } else { Right::Admin })
}

fn is_below(pattern: &str, above: &str) -> bool {
    pattern.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "reads better in a test")]
    fn need(method: Method, pattern: &str) -> Need {
        of(&method, pattern)
    }

    #[test]
    fn what_nobody_thought_about_is_closed() {
        assert_eq!(need(Method::GET, "/new"), Need::Right(Right::Admin));
        assert_eq!(need(Method::POST, "/api/v1/new"), Need::Right(Right::Write));
        assert_eq!(need(Method::GET, "/api/v1/new"), Need::Right(Right::Write));
        assert_eq!(need(Method::GET, "/metricsx"), Need::Right(Right::Admin));
    }

    #[test]
    fn reading_needs_less_than_writing() {
        let documents = "/api/v1/documents/{id}";
        assert_eq!(need(Method::GET, documents), Need::Right(Right::Read));
        assert_eq!(need(Method::DELETE, documents), Need::Right(Right::Write));
        assert_eq!(need(Method::POST, "/v1/files"), Need::Right(Right::Write));
        assert_eq!(need(Method::GET, "/api/v1/me"), Need::Right(Right::Read));
        assert_eq!(need(Method::PATCH, "/api/v1/me"), Need::Right(Right::Account));
        assert_eq!(need(Method::POST, "/api/v1/collections/{id}/accept"), Need::Right(Right::Account));
        assert_eq!(need(Method::GET, "/api/v1/invitations"), Need::Right(Right::Read));
        assert_eq!(need(Method::POST, "/v1/embeddings"), Need::Right(Right::Ask));
    }

    #[test]
    fn who_else_sees_a_collection_is_for_its_account_to_say() {
        let members = "/api/v1/collections/{id}/members";
        assert_eq!(need(Method::GET, members), Need::Right(Right::Read));
        assert_eq!(need(Method::POST, members), Need::Right(Right::Account));
        let member = "/api/v1/collections/{id}/members/{user_id}";
        assert_eq!(need(Method::DELETE, member), Need::Right(Right::Account));
    }
}
