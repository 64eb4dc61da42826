//! The front door: the native API over HTTP, with its description.
//!
//! Owns routes, request and response shapes and the translation of errors.
//! Imports services; no rule about documents or answers lives here.

mod access;
mod address;
mod admission;
mod artifacts;
mod asking;
mod attachment;
mod auth;
mod buffer;
mod caller;
mod class;
mod collections;
mod conversation_search;
mod conversations;
mod cors;
mod description;
mod documents;
mod error;
mod export;
mod extract;
mod feedback;
mod given;
mod guard;
mod health;
mod in_time;
mod jobs;
mod limit;
mod maintenance;
mod mcp;
mod me;
mod members;
mod messages;
mod metrics;
mod models;
mod needs;
mod nul;
mod openai;
mod paced;
mod page;
mod parts;
mod pictures;
mod progress;
mod reembed;
mod revisions;
mod schedules;
mod search;
mod security;
mod shed;
mod simple_chat;
mod sse;
mod tail;
mod tools;
mod traffic;
mod ui_stream;
mod upload;
mod usage;
mod users;
mod vetted;
mod web;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::{Extensions, HeaderMap, HeaderName, StatusCode, Version, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::{Extension, Router};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate, SizeAbove};
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::RequestBodyTimeoutLayer;
use utoipa::openapi::OpenApi as Document;
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

pub use guard::Hosts;
pub use traffic::{Standing, Traffic, Visit};

use crate::app::App;
use description::{Common, Description};
use error::ApiError;

/// Bytes of a JSON body, at most.
const MAX_JSON: usize = 2 * 1024 * 1024;
/// How long a body may stand still while it is read.
const BODY_IDLE: Duration = Duration::from_secs(15);
/// Bytes from which compression pays.
const WORTH_COMPRESSING: u64 = 1024;

/// The header that names a request in replies and in the log.
static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Pictures are larger than words.
fn with_pictures(routes: UtoipaMethodRouter<App>) -> UtoipaMethodRouter<App> {
    routes
        .layer(DefaultBodyLimit::max(parts::MAX_BODY))
        .layer(from_fn(async |request, next| buffer::read_first(parts::MAX_BODY, request, next).await))
}

fn native() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
        .routes(routes!(auth::options))
        .routes(routes!(auth::register))
        .routes(routes!(auth::login))
        .routes(routes!(auth::guest))
        .routes(routes!(auth::refresh))
        .routes(routes!(auth::logout))
        .routes(routes!(me::find, me::change))
        .routes(routes!(me::keys, me::make_key))
        .routes(routes!(me::end_key))
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::change, users::delete))
        .routes(routes!(search::search))
        .routes(routes!(collections::list, collections::create))
        .routes(routes!(collections::find, collections::rename, collections::delete))
        .routes(routes!(members::list, members::admit))
        .routes(routes!(members::remove))
        .routes(routes!(members::accept))
        .routes(routes!(members::invitations))
        // Files have a limit of their own.
        .routes(routes!(upload::upload).layer(DefaultBodyLimit::disable()))
        .routes(routes!(documents::list))
        .routes(routes!(documents::find, documents::change, documents::delete))
        .routes(routes!(documents::original))
        .routes(routes!(progress::events))
        .routes(routes!(revisions::text))
        .routes(routes!(conversations::list, conversations::create))
        .routes(routes!(conversations::find, conversations::change, conversations::delete))
        .routes(routes!(conversation_search::search))
        .routes(routes!(export::export))
        .routes(routes!(messages::list))
        .routes(with_pictures(routes!(asking::ask)))
        .routes(with_pictures(routes!(asking::edit)))
        .routes(routes!(asking::regenerate))
        .routes(routes!(asking::decide))
        .routes(routes!(messages::find))
        .routes(routes!(pictures::find))
        .routes(routes!(messages::stream))
        .routes(routes!(messages::cancel))
        .routes(routes!(feedback::give))
        .routes(routes!(artifacts::find))
        .routes(routes!(artifacts::versions))
        .routes(routes!(models::list))
        .routes(routes!(usage::usage))
        .routes(routes!(usage::by_user))
        .routes(routes!(tools::list))
        .routes(routes!(tools::trust))
        .routes(routes!(schedules::list, schedules::create))
        .routes(routes!(schedules::find, schedules::delete))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::retry))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::stats))
        .routes(routes!(maintenance::doctor))
        .routes(routes!(reembed::status, reembed::step))
        .routes(routes!(reembed::compare))
        .routes(routes!(simple_chat::chat))
        // Front ends send all pictures of a chat each time.
        .routes(with_pictures(routes!(ui_stream::chat)))
        .routes(routes!(ui_stream::resume))
        .routes(routes!(ui_stream::stop))
        .merge(openai::routes())
}

/// The description of every route.
#[must_use]
pub fn description() -> Document {
    described(native().into_openapi())
}

/// The description with what all routes have in common.
fn described(mut document: Document) -> Document {
    Common.modify(&mut document);
    document
}

/// All routes over `app`, taking requests that name one of `hosts`.
pub fn router(app: App, hosts: Hosts) -> Router {
    let (routes, description) = native().split_for_parts();
    let request_id = REQUEST_ID.clone();
    let settings = &app.settings;
    // Both were read when the service started, and would have kept it from it.
    let origins: Arc<[String]> = settings.origins().unwrap_or_default().into();
    let proxies = address::Proxies::new(settings.proxies().unwrap_or_default());
    let access = access::Access { figures: app.figures.clone(), slow: Duration::from_millis(settings.slow_ms) };
    let [short, answers] = [settings.request_timeout, settings.answer_timeout].map(Duration::from_secs);
    let in_time = in_time::Limits::new(short, answers);
    let places = shed::Shed::new(&settings.limits, app.figures.clone());
    routes
        .merge(SwaggerUi::new("/docs").url("/openapi.json", described(description)))
        .merge(mcp::routes())
        .merge(web::routes())
        .fallback(async || ApiError::not_found("route"))
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .layer(Extension(health::Kept::default()))
        .layer(CatchPanicLayer::custom(|_| ApiError::internal().into_response()))
        .layer(from_fn_with_state(app.clone(), limit::hold))
        // Limits go by who asks.
        .layer(from_fn_with_state(app.clone(), admission::admit))
        .layer(DefaultBodyLimit::max(MAX_JSON))
        .layer(RequestBodyTimeoutLayer::new(BODY_IDLE))
        .layer(from_fn_with_state(in_time, in_time::answer))
        .layer(from_fn_with_state(places, shed::guard))
        .layer(from_fn_with_state(proxies, address::note))
        .layer(cors::layer(&origins))
        .layer(from_fn_with_state(guard::Door { hosts, origins }, guard::check))
        .layer(from_fn(openai::shape))
        .layer(from_fn(ui_stream::plain))
        // Outside of all that can fail, so that every error gets its envelope.
        .layer(from_fn(error::envelope))
        .layer(CompressionLayer::new().compress_when(SizeAbove::new(WORTH_COMPRESSING).and(shrinks)))
        .layer(from_fn(security::headers))
        .layer(PropagateRequestIdLayer::new(request_id.clone()))
        .layer(from_fn_with_state(access, access::log))
        .layer(SetRequestIdLayer::new(request_id, MakeRequestUuid))
        .with_state(app)
}

/// Whether it is text. Streams of events must not wait in a compressor, and what
/// is compressed already does not shrink.
fn shrinks(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = text(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim();
    let is_text = kind.starts_with("text/") && kind != "text/event-stream";
    let is_code = matches!(
        kind,
        "application/json"
            | "application/javascript"
            | "application/xml"
            | "application/openmetrics-text"
            | "image/svg+xml"
    );
    is_text || is_code
}
