//! Headers that hold browsers, on every reply. Imports nothing of this crate.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::class::is_api;

/// What the page may do: its own scripts, styles and calls, and nothing from or
/// to anybody else.
const PAGE: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
                    connect-src 'self'; worker-src 'self' blob:; font-src 'self'; object-src 'none'; \
                    base-uri 'none'; frame-ancestors 'none'; form-action 'self'";
/// The description's page styles itself.
const DOCS: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                    connect-src 'self'; font-src 'self'; object-src 'none'; base-uri 'none'; \
                    frame-ancestors 'none'; form-action 'self'";
/// Replies to programs are no pages: nothing in them may do anything, and what
/// somebody uploaded cannot act in our name when a browser shows it.
const REPLY: &str = "default-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; \
                     frame-ancestors 'none'; sandbox";

/// Adds the headers, where a handler did not say otherwise.
pub(super) async fn headers(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_api = is_api(path);
    let policy = match () {
        () if is_api => REPLY,
        () if path.starts_with("/docs") => DOCS,
        () => PAGE,
    };
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::CONTENT_SECURITY_POLICY, policy);
    if is_api {
        set(header::CACHE_CONTROL, "no-store");
    }
    response
}
