//! The description of the API, as OpenAPI.
//!
//! Owns what all routes have in common: who may call, what any of them can
//! answer and in which shape, and the names of operations. What a route alone
//! can answer is described where the route is. Imports what routes need of their
//! callers.

use axum::http::{Method, StatusCode};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, Header, Object, OpenApi as Document, Ref, RefOr, Response, Type};
use utoipa::{Modify, OpenApi, ToSchema};

use super::class::is_api;
use super::error::Envelope;
use super::needs::{self, Need};
use super::openai::OpenAiError;
use crate::credentials::Right;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain";
const EVENTS: &str = "text/event-stream";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Footnote",
        description = "Answers from your own documents, each claim with a citation that was checked against the \
                       exact characters of its source. Positions are Unicode code points, half-open.\n\n\
                       Errors have a stable code, `kind:surface`, and a message that says what to do; under `/v1` they \
                       have OpenAI's shape, under `/api/chat` they are plain text. Each reply names its request in \
                       `X-Request-Id`. No text may hold the character NUL.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "search", description = "Passages that fit a question, with the scores of each stage."),
        (name = "documents", description = "What is searched: collections, their documents and members, and the texts that \
                                            citations point at."),
        (name = "conversations", description = "Questions and cited answers: whole or as streams that can be read again, \
                                                in branches, with what was thought of them and what they cost."),
        (name = "accounts", description = "Who may come in: signing up, in and out, keys, and accounts for \
                                           administrators."),
        (name = "chat", description = "A message in, an answer out."),
        (name = "ai-sdk", description = "Chats for front ends built with the AI SDK, in its UI message stream."),
        (name = "openai", description = "The same for clients that speak OpenAI's API. A collection is the model \
                                         `kb/<name>`."),
        (name = "service", description = "Health, figures and upkeep: the queue, schedules, tools and the index."),
    ),
    components(schemas(Envelope, OpenAiError, ServerSentEvent)),
    modifiers(&Bearer),
    security(("bearer" = []))
)]
pub(super) struct Description;

/// How callers show who they are.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut Document) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.description = Some("An access token of /api/v1/auth/login, or an API key".into());
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// An event of a stream, as a reader of server-sent events gets it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is written by axum")]
struct ServerSentEvent {
    /// Its number, where the stream can be read on after it.
    id: Option<String>,
    /// Its name; `message` where it has none.
    event: Option<String>,
    /// JSON, or `[DONE]` at the end of streams that end so.
    data: String,
}

/// What all routes have in common, for a document in which they are.
pub(super) struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut Document) {
        for (path, item) in &mut document.paths.paths {
            for (method, operation) in operations(item) {
                complete(&method, path, operation);
            }
        }
    }
}

/// Who reads errors, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Face {
    Native,
    OpenAi,
    /// Front ends that show an error's text as it is.
    Plain,
}

impl Face {
    fn of(path: &str) -> Self {
        let is_below =
            |base: &str| path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        match () {
            () if is_below("/v1") => Self::OpenAi,
            () if is_below("/api/chat") => Self::Plain,
            () => Self::Native,
        }
    }

    /// An error's body.
    fn body(self) -> (&'static str, Content) {
        let of = |schema: RefOr<_>| Content::new(Some(schema));
        match self {
            Self::Native => (JSON, of(Ref::from_schema_name("Envelope").into())),
            Self::OpenAi => (JSON, of(Ref::from_schema_name("OpenAiError").into())),
            Self::Plain => (TEXT, of(Object::with_type(Type::String).into())),
        }
    }

    fn error(self, why: String) -> Response {
        let (kind, body) = self.body();
        let mut response = Response::new(why);
        response.content.insert(kind.to_owned(), body.into());
        response
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let known = [
        (Method::GET, &mut item.get),
        (Method::PUT, &mut item.put),
        (Method::POST, &mut item.post),
        (Method::PATCH, &mut item.patch),
        (Method::DELETE, &mut item.delete),
    ];
    known.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

fn complete(method: &Method, path: &str, operation: &mut Operation) {
    let (face, need) = (Face::of(path), needs::of(method, path));
    operation.operation_id = Some(name(method, path));
    if need == Need::Nothing && operation.security.is_none() {
        operation.security = Some(vec![]);
    }
    for (status, why) in refusals(path, operation, need, face) {
        let error = || face.error(why).into();
        operation.responses.responses.entry(status.as_str().to_owned()).or_insert_with(error);
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            finish(status, response);
        }
    }
}

/// The operation's name: its method and its path, of which what all paths share
/// is left out.
fn name(method: &Method, path: &str) -> String {
    let path = path.strip_prefix("/api/v1").or_else(|| path.strip_prefix("/api")).unwrap_or(path);
    let words = path.split('/').filter(|part| !part.is_empty()).map(|part| match part.strip_prefix('{') {
        Some(parameter) => format!("by_{}", parameter.trim_end_matches('}')),
        None if part == "v1" => "openai".to_owned(),
        None => part.replace('-', "_"),
    });
    let words: Vec<String> = std::iter::once(method.as_str().to_lowercase()).chain(words).collect();
    words.join("_")
}

/// What any route of this kind can answer in place of what it is for.
fn refusals(path: &str, operation: &Operation, need: Need, face: Face) -> Vec<(StatusCode, String)> {
    let parameters = operation.parameters.iter().flatten();
    let places = parameters.filter_map(|parameter| match parameter {
        RefOr::T(parameter) => Some(&parameter.parameter_in),
        RefOr::Ref(_) => None,
    });
    let (mut is_named, mut has_fields) = (false, operation.request_body.is_some());
    for place in places {
        match place {
            ParameterIn::Path => is_named = true,
            _ => has_fields = true,
        }
    }
    let mut refusals = vec![(StatusCode::FORBIDDEN, forbidden(need))];
    let mut add = |status, why: &str| refusals.push((status, why.to_owned()));
    if operation.request_body.is_some() {
        add(StatusCode::BAD_REQUEST, "The body cannot be read");
        add(StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than this route takes");
    }
    if has_fields {
        // OpenAI knows one word for both.
        let status = if face == Face::OpenAi { StatusCode::BAD_REQUEST } else { StatusCode::UNPROCESSABLE_ENTITY };
        add(status, "A field or parameter is unknown, missing or not as it is described");
    }
    if is_named {
        add(StatusCode::NOT_FOUND, "There is no such thing, or it is not the caller's to see");
    }
    if need != Need::Nothing {
        add(StatusCode::UNAUTHORIZED, "There is no credential, or it is not good");
    }
    if is_api(path) {
        add(StatusCode::TOO_MANY_REQUESTS, "The caller met a limit");
    }
    if is_api(path) || need != Need::Nothing {
        add(StatusCode::SERVICE_UNAVAILABLE, "The service has too much to do, or a part of it does not answer");
    }
    refusals
}

fn forbidden(need: Need) -> String {
    let door = "the service is called by a name, or from a page, that is not allowed";
    match need {
        Need::Nothing => format!("It is not allowed here, or {door}"),
        Need::Right(Right::Account) => format!("The credential is a key, where one must be signed in; or {door}"),
        Need::Right(Right::Admin) => {
            format!("The caller is no administrator, or uses a key without the scope `admin`; or {door}")
        }
        Need::Right(right) => format!("The key does not have the scope `{}`; or {door}", right.name()),
    }
}

/// What goes for a response whatever route it is of.
fn finish(status: &str, response: &mut Response) {
    let code = status.parse().ok();
    if response.description.is_empty() {
        let reason = code.and_then(|code: StatusCode| code.canonical_reason());
        reason.unwrap_or_default().clone_into(&mut response.description);
    }
    if let Some(events) = response.content.get_mut(EVENTS) {
        *events = Content::new(Some(Ref::from_schema_name("ServerSentEvent"))).into();
    }
    let mut tell = |name: &str, header: Header| response.headers.insert(name.to_owned(), header.into());
    match code {
        Some(StatusCode::UNAUTHORIZED) => {
            tell("WWW-Authenticate", header(Type::String, "`Bearer`"));
        }
        Some(StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) => {
            tell("Retry-After", header(Type::Integer, "Seconds after which to come back"));
        }
        _ => {}
    }
}

fn header(kind: Type, description: &str) -> Header {
    HeaderBuilder::new().schema(Some(Object::with_type(kind))).description(Some(description)).build()
}

#[cfg(test)]
mod tests;
