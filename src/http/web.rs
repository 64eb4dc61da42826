//! The web page: files that are built beforehand and lie in the program.
//!
//! Owns how they are sent: what a browser may keep, and what the page may load.
//! Imports nothing of the service; the page calls the native API as any client.

use axum::Router;
use axum::extract::{Path, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rust_embed::{EmbeddedFile, RustEmbed};
use uuid::Uuid;

use super::error::ApiError;
use crate::app::App;

/// The page itself.
const INDEX: &str = "index.html";
/// What the page may load and do: its own files, its own service, nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
                      connect-src 'self'; font-src 'self'; worker-src 'self' blob:; object-src 'none'; \
                      base-uri 'none'; frame-ancestors 'none'; form-action 'self'";
/// Names of files under `assets/` change with their contents.
const FOREVER: &str = "public, max-age=31536000, immutable";
/// To be asked for each time; the answer is short while nothing has changed.
const ASK: &str = "no-cache";

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/web/dist"]
struct Files;

/// The page at `/` and at the address of a source, and the files that it loads.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(async |headers: HeaderMap| file(INDEX, ASK, &headers)))
        .route("/s/{revision}", get(source))
        .route("/assets/{*path}", get(asset))
        .layer(from_fn(guard))
}

/// The page, which shows the source that its address names.
async fn source(Path(revision): Path<String>, headers: HeaderMap) -> Response {
    if Uuid::try_parse(&revision).is_err() {
        return ApiError::not_found("route").into_response();
    }
    file(INDEX, ASK, &headers)
}

async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    file(&format!("assets/{path}"), FOREVER, &headers)
}

/// A file, or word that the reader has it already.
fn file(name: &str, keep: &'static str, headers: &HeaderMap) -> Response {
    let Some(file) = Files::get(name) else { return ApiError::not_found("route").into_response() };
    let tag = tag(&file);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let about = [(header::CACHE_CONTROL, HeaderValue::from_static(keep)), (header::ETAG, tag.clone())];
    if known.is_some_and(|known| names(known, &tag)) {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(media_type(name)))];
    (about, kind, file.data).into_response()
}

/// A file's tag: its hash, which is taken when the program is built.
fn tag(file: &EmbeddedFile) -> HeaderValue {
    let hash = URL_SAFE_NO_PAD.encode(&file.metadata.sha256_hash()[..18]);
    HeaderValue::from_str(&format!("\"{hash}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Whether `If-None-Match` names a tag; weak ones count, as a proxy that packs
/// the file makes them (RFC 9110, 13.1.2).
fn names(known: &str, tag: &HeaderValue) -> bool {
    known.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("txt") => "text/plain; charset=utf-8",
        Some("ttf") => "font/ttf",
        _ => "application/octet-stream",
    }
}

/// What holds for the page and all of its files; a worker obeys the policy that
/// came with its own.
async fn guard(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let rules = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ];
    for (name, value) in rules {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &str, tag: Option<&HeaderValue>) -> Response {
        let mut headers = HeaderMap::new();
        tag.map(|tag| headers.insert(header::IF_NONE_MATCH, tag.clone()));
        file(name, ASK, &headers)
    }

    #[test]
    fn the_page_loads_files_that_are_there_and_none_from_elsewhere() {
        let page = Files::get(INDEX).expect("a page");
        let page = String::from_utf8(page.data.into_owned()).expect("UTF-8");
        let addresses: Vec<&str> = page
            .split(['"', '\''])
            .zip(page.split(['"', '\'']).skip(1))
            .filter(|(before, _)| before.ends_with("src=") || before.ends_with("href="))
            .map(|(_, address)| address)
            .collect();
        assert!(addresses.len() >= 2, "{page}");
        for address in addresses {
            let name = address.strip_prefix('/').expect("a path of this origin");
            assert!(Files::get(name).is_some(), "{address}");
        }
        assert!(!page.contains("<style") && !page.contains("style=") && !page.contains("//"), "{page}");
    }

    #[test]
    fn every_file_says_what_it_is_and_scripts_come_without_their_sources() {
        for name in Files::iter() {
            let ending = name.rsplit('.').next();
            let is_known = media_type(&name) != "application/octet-stream";
            assert!(is_known || matches!(ending, Some("bcmap" | "pfb")), "{name}");
            assert_ne!(ending, Some("map"), "{name}");
        }
    }

    #[test]
    fn a_file_that_the_reader_has_is_not_sent_again() {
        let first = asked(INDEX, None);
        assert_eq!(first.status(), StatusCode::OK);
        let tag = first.headers()[header::ETAG].clone();
        assert_eq!(asked(INDEX, Some(&tag)).status(), StatusCode::NOT_MODIFIED);
        let weak = format!("\"x\", W/{}", tag.to_str().expect("ASCII"));
        assert_eq!(asked(INDEX, Some(&weak.parse().expect("a value"))).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(asked(INDEX, Some(&HeaderValue::from_static("\"x\""))).status(), StatusCode::OK);
    }

    #[test]
    fn what_is_no_file_is_not_found() {
        for name in ["assets/nothing.js", "assets/../index.html", "assets/", ""] {
            assert_eq!(asked(name, None).status(), StatusCode::NOT_FOUND, "{name}");
        }
    }
}
