//! Signing up, in and out.

use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cookie::{Cookie, SameSite};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::address::ClientAddress;
use super::caller::Who;
use super::error::{ApiError, Envelope};
use super::extract::Json;
use crate::accounts::{self, SignedIn};
use crate::app::App;
use crate::credentials::Right;
use crate::storage::users::User;

/// The cookie that keeps a page's refresh token out of its scripts' reach.
const COOKIE: &str = "footnote_refresh";
/// Where the cookie is sent.
const COOKIE_PATH: &str = "/api/v1/auth";
/// As long as a sign-in that is not used lasts.
const COOKIE_AGE: cookie::time::Duration = cookie::time::Duration::days(30);

/// A name and its password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "name": "ada", "password": "correct horse battery staple" }))]
pub(super) struct Login {
    /// The account's name, whatever its case.
    name: String,
    /// 8 to 1024 bytes.
    #[schema(value_type = String)]
    password: SecretString,
    /// Keep the refresh token in a cookie that scripts cannot read.
    #[serde(default)]
    cookie: bool,
}

/// How a guest wants its refresh token.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AsGuest {
    /// Keep it in a cookie that scripts cannot read.
    #[serde(default)]
    cookie: bool,
}

/// A refresh token; left out where it is in the cookie.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RefreshRequest)]
pub(super) struct Again {
    /// As the last sign-in or refresh gave it.
    #[schema(value_type = Option<String>)]
    refresh_token: Option<SecretString>,
}

/// What is signed out.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Logout {
    /// The sign-in of this token; the one of the cookie or of the access token
    /// if left out.
    #[schema(value_type = Option<String>)]
    refresh_token: Option<SecretString>,
    /// All sign-ins of the account.
    #[serde(default)]
    everywhere: bool,
}

/// A sign-in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Session {
    /// For the header `Authorization: Bearer`.
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// Seconds for which the access token is good.
    expires_in: u64,
    /// To be exchanged for another pair, once; absent where it is in the cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    user: User,
}

/// How one may come in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Options {
    /// Whether anybody may register.
    registration: bool,
    /// Whether guests may try the service out.
    guests: bool,
}

/// How one may come in.
#[utoipa::path(get, path = "/api/v1/auth/options", tag = "accounts", responses((status = 200, body = Options)), security(()))]
pub(super) async fn options(State(app): State<App>) -> axum::Json<Options> {
    axum::Json(Options { registration: app.settings.registration, guests: app.settings.guests })
}

/// Makes an account and signs it in. With a guest's credential, the guest
/// becomes that account and keeps everything.
#[utoipa::path(
    post, path = "/api/v1/auth/register", tag = "accounts", request_body = Login, security(()),
    responses(
        (status = 201, body = Session), (status = 403, body = Envelope), (status = 409, body = Envelope),
        (status = 422, body = Envelope),
    )
)]
pub(super) async fn register(
    State(app): State<App>,
    by: Option<Who>,
    Json(login): Json<Login>,
) -> Result<Response, ApiError> {
    // The guest's account becomes another: its keys may not do that.
    if let Some(guest) = by.as_ref().filter(|by| by.0.is_guest()) {
        guest.must(Right::Account)?;
    }
    let by = by.map(|Who(principal)| principal);
    let signed_in = accounts::register(&app, by.as_ref(), &login.name, &login.password).await?;
    Ok(session(&app, StatusCode::CREATED, signed_in, login.cookie))
}

/// Signs in.
#[utoipa::path(
    post, path = "/api/v1/auth/login", tag = "accounts", request_body = Login, security(()),
    responses(
        (status = 200, body = Session), (status = 401, body = Envelope), (status = 422, body = Envelope),
        (status = 429, body = Envelope),
    )
)]
pub(super) async fn login(
    State(app): State<App>,
    Extension(ClientAddress(address)): Extension<ClientAddress>,
    Json(login): Json<Login>,
) -> Result<Response, ApiError> {
    let signed_in = accounts::login(&app, &login.name, &login.password, address).await?;
    Ok(session(&app, StatusCode::OK, signed_in, login.cookie))
}

/// Makes an account without a name of its own, to try the service out.
#[utoipa::path(
    post, path = "/api/v1/auth/guest", tag = "accounts", request_body = AsGuest, security(()),
    responses((status = 201, body = Session), (status = 403, body = Envelope), (status = 429, body = Envelope))
)]
pub(super) async fn guest(State(app): State<App>, Json(guest): Json<AsGuest>) -> Result<Response, ApiError> {
    let signed_in = accounts::guest(&app).await?;
    Ok(session(&app, StatusCode::CREATED, signed_in, guest.cookie))
}

/// Exchanges a refresh token for another pair. A token that is used a second
/// time ends the sign-in: somebody has a copy.
#[utoipa::path(
    post, path = "/api/v1/auth/refresh", tag = "accounts", request_body = Again, security(()),
    responses((status = 200, body = Session), (status = 401, body = Envelope))
)]
pub(super) async fn refresh(
    State(app): State<App>,
    headers: HeaderMap,
    Json(again): Json<Again>,
) -> Result<Response, ApiError> {
    let (token, in_cookie) = match (again.refresh_token, kept(&headers)) {
        (Some(token), _) => (token, false),
        (None, Some(token)) => (token, true),
        (None, None) => return Err(ApiError::unauthorized("there is no sign-in to go on with; sign in")),
    };
    let signed_in = accounts::refresh(&app, &token).await?;
    Ok(session(&app, StatusCode::OK, signed_in, in_cookie))
}

/// Signs out.
#[utoipa::path(
    post, path = "/api/v1/auth/logout", tag = "accounts", request_body = Logout, security(()),
    responses((status = 204), (status = 403, body = Envelope))
)]
pub(super) async fn logout(
    State(app): State<App>,
    by: Option<Who>,
    headers: HeaderMap,
    Json(logout): Json<Logout>,
) -> Result<Response, ApiError> {
    if let Some(by) = by.as_ref().filter(|_| logout.everywhere) {
        by.must(Right::Account)?;
    }
    let token = logout.refresh_token.or_else(|| kept(&headers));
    let by = by.map(|Who(principal)| principal);
    accounts::logout(&app, by.as_ref(), token.as_ref(), logout.everywhere).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    set_cookie(&app, response.headers_mut(), String::new(), cookie::time::Duration::ZERO);
    Ok(response)
}

fn session(app: &App, status: StatusCode, signed_in: SignedIn, in_cookie: bool) -> Response {
    let refresh_token = signed_in.refresh_token.expose_secret().to_owned();
    let session = Session {
        access_token: signed_in.access_token.expose_secret().to_owned(),
        token_type: "Bearer",
        expires_in: signed_in.expires_in,
        refresh_token: (!in_cookie).then(|| refresh_token.clone()),
        user: signed_in.user,
    };
    let mut response = (status, axum::Json(session)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if in_cookie {
        set_cookie(app, response.headers_mut(), refresh_token, COOKIE_AGE);
    }
    response
}

/// Other sites cannot make a browser send it, and scripts cannot read it.
fn set_cookie(app: &App, headers: &mut HeaderMap, value: String, age: cookie::time::Duration) {
    let cookie = Cookie::build((COOKIE, value))
        .path(COOKIE_PATH)
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(app.settings.is_public_over_tls())
        .max_age(age)
        .build();
    if let Ok(value) = HeaderValue::try_from(cookie.to_string()) {
        headers.append(header::SET_COOKIE, value);
    }
}

/// The refresh token of the cookie.
fn kept(headers: &HeaderMap) -> Option<SecretString> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut cookies = lines.flat_map(Cookie::split_parse).filter_map(Result::ok);
    let cookie = cookies.find(|cookie| cookie.name() == COOKIE && !cookie.value().is_empty())?;
    Some(cookie.value().to_owned().into())
}
