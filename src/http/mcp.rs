//! The MCP server over streamable HTTP: each request stands alone and is
//! answered with JSON, so that any replica can answer it. Who asks is found out
//! as everywhere; who may not is told where credentials come from (RFC 9728).

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use footnote_ingest::scope::Scope;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde::Serialize;

use super::caller::{SIGN_IN, Who};
use super::error::ApiError;
use crate::app::App;
use crate::credentials::Right;
use crate::limits;
use crate::mcp::{Local, Server};

/// Where the server is.
const PATH: &str = "/mcp";
/// Where it is said who gives credentials for it: by RFC 9728 its path stands
/// behind the well-known one.
const METADATA: &str = "/.well-known/oauth-protected-resource/mcp";
/// What a credential must allow.
const SCOPES: [&str; 2] = ["read", "ask"];
/// Bytes of a request, at most: a question is far shorter.
const MAX_BODY: usize = 1024 * 1024;

/// The routes, which OpenAPI does not describe.
pub(super) fn routes() -> Router<App> {
    Router::new().route(PATH, any(serve)).route(METADATA, get(metadata))
}

async fn serve(State(app): State<App>, who: Option<Who>, request: Request) -> Response {
    let scope = match admitted(who) {
        Ok(scope) => scope,
        Err(refusal) => return refused(refusal, &reached(&app, request.uri(), request.headers())),
    };
    let answer = Duration::from_secs(app.settings.answer_timeout);
    // Whose limits hold: the server's tasks would not know.
    let caller = limits::Who::present(scope.owner());
    let server = move || Ok(Server::new(Local::new(app.clone(), scope, caller), answer));
    // Hosts and origins are looked at before, by rules that the operator set.
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(MAX_BODY)
        .disable_allowed_hosts()
        .disable_allowed_origins();
    let service = StreamableHttpService::new(server, Arc::new(NeverSessionManager::default()), config);
    let reply = service.handle(request).await;
    if reply.status().is_server_error() {
        tracing::error!(status = reply.status().as_u16(), "an MCP request failed");
        return ApiError::internal().into_response();
    }
    reply.map(Body::new)
}

/// The scope of a caller that may use the tools.
fn admitted(who: Option<Who>) -> Result<Scope, ApiError> {
    let Who(principal) = who.ok_or_else(|| ApiError::unauthorized(SIGN_IN))?;
    if principal.may(Right::Ask) && principal.may(Right::Read) {
        return Ok(principal.scope);
    }
    Err(ApiError::forbidden("scope", "this key may not do it; make one with the scopes `read` and `ask`"))
}

/// A refusal that says where credentials come from, if it is for want of one.
fn refused(refusal: ApiError, base: &str) -> Response {
    let mut response = refusal.into_response();
    if response.status() == StatusCode::UNAUTHORIZED {
        let challenge = format!("Bearer resource_metadata=\"{base}{METADATA}\", scope=\"{}\"", SCOPES.join(" "));
        let plain = HeaderValue::from_static("Bearer");
        let challenge = HeaderValue::from_str(&challenge).unwrap_or(plain);
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// What the server is as a protected resource (RFC 9728).
#[derive(Debug, Serialize)]
struct Metadata {
    resource: String,
    /// Left out where there is none: the service gives its own credentials.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authorization_servers: Vec<String>,
    bearer_methods_supported: [&'static str; 1],
    scopes_supported: [&'static str; 2],
    resource_name: &'static str,
    resource_documentation: String,
}

async fn metadata(State(app): State<App>, uri: Uri, headers: HeaderMap) -> axum::Json<Metadata> {
    let base = reached(&app, &uri, &headers);
    axum::Json(Metadata {
        resource: format!("{base}{PATH}"),
        authorization_servers: app.settings.identity_providers.iter().map(|issuer| issuer.issuer.clone()).collect(),
        bearer_methods_supported: ["header"],
        scopes_supported: SCOPES,
        resource_name: "Footnote",
        resource_documentation: format!("{base}/docs"),
    })
}

/// The service's public address, or the one by which the caller reached it.
fn reached(app: &App, uri: &Uri, headers: &HeaderMap) -> String {
    app.settings.public_base().unwrap_or_else(|| base(uri, headers))
}

/// The address by which the caller reached the service. What stands in front of
/// it says whether that was by TLS.
fn base(uri: &Uri, headers: &HeaderMap) -> String {
    let named = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = named.and_then(|host| host.parse::<Authority>().ok()).or_else(|| uri.authority().cloned());
    let host = host.as_ref().map_or("localhost", Authority::as_str);
    let secure = headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
    format!("{}://{host}", if secure { "https" } else { "http" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[(&'static str, &str)]) -> String {
        let headers = headers.iter().map(|(name, value)| {
            (header::HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"))
        });
        base(&Uri::from_static("/mcp"), &headers.collect())
    }

    #[test]
    fn the_address_is_that_by_which_the_caller_came() {
        assert_eq!(of(&[("host", "127.0.0.1:8080")]), "http://127.0.0.1:8080");
        assert_eq!(of(&[("host", "kb.example"), ("x-forwarded-proto", "https")]), "https://kb.example");
        assert_eq!(of(&[("host", "kb.example"), ("x-forwarded-proto", "gopher")]), "http://kb.example");
        assert_eq!(of(&[("host", "a\", scope=\"admin")]), "http://localhost");
    }

    #[test]
    fn the_well_known_address_ends_with_the_server_s_path() {
        assert_eq!(METADATA.strip_suffix(PATH), Some("/.well-known/oauth-protected-resource"));
    }
}
