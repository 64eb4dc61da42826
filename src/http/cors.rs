//! Pages of other sites that may call: those that are named, and no others.
//! Imports nothing of this crate.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use super::{REQUEST_ID, limit};

/// How long a browser may keep what it was told.
const KEPT: Duration = Duration::from_hours(1);

/// Answers browsers that ask what pages of other sites may do. Without origins
/// it allows nothing.
///
/// Origins are exact, so that credentials may come along. Which headers they send
/// is left to them: the libraries of OpenAI send a number of `x-stainless-*` that
/// grows.
pub(super) fn layer(origins: &[String]) -> CorsLayer {
    if origins.is_empty() {
        return CorsLayer::new();
    }
    let origins = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    let own = [REQUEST_ID.clone(), header::RETRY_AFTER, HeaderName::from_static("x-should-retry")];
    let exposed: Vec<HeaderName> = own.into_iter().chain(limit::headers()).collect();
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(exposed)
        .max_age(KEPT)
}
