//! The caller's own account and keys.

use axum::extract::{Extension, State};
use axum::http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::address::ClientAddress;
use super::caller::Who;
use super::error::{ApiError, Envelope};
use super::extract::{Json, Path, Query};
use super::page::{Page, Paging, Size};
use crate::accounts;
use crate::app::App;
use crate::credentials::api_key::{self, KeyScopes};
use crate::error::Error;
use crate::ids::ApiKeyId;
use crate::storage::api_keys::{self as stored, ApiKey, NewKey};
use crate::storage::users::User;

/// Keys of one account, at most.
const MAX_KEYS: i64 = 100;
/// Characters of a key's name, at most.
const MAX_NAME: usize = 100;
/// Days that a key may last, at most.
const MAX_DAYS: i32 = 3650;

/// What of the account is changed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AccountChange)]
pub(super) struct Change {
    /// The password; all other sign-ins end.
    password: NewPassword,
}

/// A password in the place of another.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    /// The present one.
    #[schema(value_type = Option<String>)]
    current: Option<SecretString>,
    /// 8 to 1024 bytes.
    #[schema(value_type = String)]
    new: SecretString,
    /// Whether all keys of the account end too, as for a password that somebody
    /// else may have known.
    #[serde(default)]
    end_keys: bool,
}

/// The caller's account.
#[utoipa::path(get, path = "/api/v1/me", tag = "accounts", responses((status = 200, body = User)))]
pub(super) async fn find(Who(principal): Who) -> axum::Json<User> {
    axum::Json(User::clone(&principal.user))
}

/// Changes the caller's password.
#[utoipa::path(
    patch, path = "/api/v1/me", tag = "accounts", request_body = Change,
    responses(
        (status = 204), (status = 403, body = Envelope), (status = 422, body = Envelope), (status = 429, body = Envelope),
    )
)]
pub(super) async fn change(
    State(app): State<App>,
    Who(principal): Who,
    Extension(ClientAddress(address)): Extension<ClientAddress>,
    Json(change): Json<Change>,
) -> Result<StatusCode, ApiError> {
    let password = change.password;
    accounts::change_password(&app, &principal, password.current.as_ref(), &password.new, address).await?;
    if password.end_keys {
        accounts::end_keys(&app, &principal).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "name": "the wiki's bot", "scopes": ["read", "ask"], "expires_in_days": 365 }))]
pub(super) struct Wanted {
    /// What it is for.
    name: String,
    /// Of `read`, `ask`, `write` and `admin`.
    scopes: Vec<String>,
    /// None is for ever.
    expires_in_days: Option<i32>,
}

/// A new key.
#[derive(Serialize, ToSchema)]
pub(super) struct Made {
    #[serde(flatten)]
    known: ApiKey,
    /// The key itself; it is shown this once.
    key: String,
}

/// The caller's keys.
#[utoipa::path(
    get, path = "/api/v1/api-keys", tag = "accounts", params(Paging),
    responses((status = 200, body = Page<ApiKey>))
)]
pub(super) async fn keys(
    State(app): State<App>,
    Who(principal): Who,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<Page<ApiKey>>, ApiError> {
    let size = Size::new(paging.limit)?;
    let items = stored::list(&app.db, principal.scope, paging.cursor.map(ApiKeyId), size.to_load()).await?;
    Ok(size.cut(items, |last| last.id.to_string()))
}

/// Makes a key. It is shown this once.
#[utoipa::path(
    post, path = "/api/v1/api-keys", tag = "accounts", request_body = Wanted,
    responses((status = 201, body = Made), (status = 409, body = Envelope), (status = 422, body = Envelope))
)]
pub(super) async fn make_key(
    State(app): State<App>,
    Who(principal): Who,
    Json(wanted): Json<Wanted>,
) -> Result<(StatusCode, axum::Json<Made>), ApiError> {
    let name = wanted.name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.contains('\0') {
        return Err(ApiError::unprocessable("name", format!("`name` has 1 to {MAX_NAME} characters")));
    }
    if wanted.expires_in_days.is_some_and(|days| !(1..=MAX_DAYS).contains(&days)) {
        return Err(ApiError::unprocessable("expires_in_days", format!("`expires_in_days` is from 1 to {MAX_DAYS}")));
    }
    let scopes = KeyScopes::parse(&wanted.scopes)
        .map_err(|error| ApiError::unprocessable("scopes", format!("`scopes` {error}")))?
        .names();
    if stored::count(&app.db, principal.scope).await? >= MAX_KEYS {
        let problem = format!("are {MAX_KEYS} already; delete one first");
        return Err(Error::Conflict { what: "keys", problem }.into());
    }
    let key = api_key::ApiKey::generate().map_err(|error| Error::from(anyhow::Error::from(error)))?;
    let (id, hash) = (key.id(), key.hash());
    let prefix = api_key::ApiKey::shown(id);
    let new = NewKey {
        id: ApiKeyId(id),
        name,
        prefix: &prefix,
        sha256: hash.as_bytes(),
        scopes: &scopes,
        days: wanted.expires_in_days,
    };
    let known = stored::create(&app.db, principal.scope, new).await?;
    Ok((StatusCode::CREATED, axum::Json(Made { known, key: key.reveal().expose_secret().to_owned() })))
}

/// Ends a key.
#[utoipa::path(
    delete, path = "/api/v1/api-keys/{id}", tag = "accounts", params(("id" = ApiKeyId, Path)),
    responses((status = 204), (status = 404, body = Envelope))
)]
pub(super) async fn end_key(
    State(app): State<App>,
    Who(principal): Who,
    Path(id): Path<ApiKeyId>,
) -> Result<StatusCode, ApiError> {
    if !stored::delete(&app.db, principal.scope, id).await? {
        return Err(ApiError::not_found("key"));
    }
    app.credentials.forget();
    Ok(StatusCode::NO_CONTENT)
}
