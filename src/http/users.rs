//! Accounts, for administrators.

use axum::extract::State;
use axum::http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::caller::Who;
use super::error::{ApiError, Envelope};
use super::extract::{Json, Path, Query};
use super::page::{Page, Paging, Size};
use crate::accounts::{self, NewAccount};
use crate::app::App;
use crate::credentials::Right;
use crate::ids::UserId;
use crate::storage::users::{Change, User, UserRole};

/// An account to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "name": "grace", "password": "correct horse battery staple", "role": "user" }))]
#[schema(as = NewAccount)]
pub(super) struct New {
    /// 1 to 64 letters and digits, and `.`, `_`, `-`, `+`, `@`.
    name: String,
    /// 8 to 1024 bytes.
    #[schema(value_type = String)]
    password: SecretString,
    /// `user` if left out.
    role: Option<UserRole>,
}

/// What of an account is changed; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AccountChanges)]
pub(super) struct Changed {
    /// Whether it may not sign in any more.
    disabled: Option<bool>,
    /// What it may do.
    role: Option<UserRole>,
    /// Another password; its sign-ins end.
    #[schema(value_type = Option<String>)]
    password: Option<SecretString>,
}

/// All accounts.
#[utoipa::path(
    get, path = "/api/v1/admin/users", tag = "accounts", params(Paging),
    responses((status = 200, body = Page<User>))
)]
pub(super) async fn list(
    State(app): State<App>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<Page<User>>, ApiError> {
    let size = Size::new(paging.limit)?;
    let items = accounts::list(&app, paging.cursor.map(UserId), size.to_load()).await?;
    Ok(size.cut(items, |last| last.id.to_string()))
}

/// Makes an account.
#[utoipa::path(
    post, path = "/api/v1/admin/users", tag = "accounts", request_body = New,
    responses((status = 201, body = User), (status = 409, body = Envelope), (status = 422, body = Envelope))
)]
pub(super) async fn create(
    State(app): State<App>,
    Json(new): Json<New>,
) -> Result<(StatusCode, axum::Json<User>), ApiError> {
    let role = new.role.unwrap_or(UserRole::User);
    let account = NewAccount { name: &new.name, password: &new.password, role };
    Ok((StatusCode::CREATED, axum::Json(accounts::create(&app, account).await?)))
}

/// Changes an account. One that is disabled is signed out everywhere within
/// seconds, and what it streams ends; so is one that gets another password, and
/// all its keys end.
#[utoipa::path(
    patch, path = "/api/v1/admin/users/{id}", tag = "accounts", params(("id" = UserId, Path)),
    request_body = Changed,
    responses(
        (status = 200, body = User), (status = 403, body = Envelope), (status = 404, body = Envelope),
        (status = 409, body = Envelope), (status = 422, body = Envelope),
    )
)]
pub(super) async fn change(
    State(app): State<App>,
    who: Who,
    Path(id): Path<UserId>,
    Json(changed): Json<Changed>,
) -> Result<axum::Json<User>, ApiError> {
    // Or a key would sign in as the one who made it.
    if changed.password.is_some() && who.0.user.id == id {
        who.must(Right::Account)?;
    }
    let change = Change { disabled: changed.disabled, role: changed.role };
    Ok(axum::Json(accounts::change(&app, id, change, changed.password.as_ref()).await?))
}

/// Deletes an account with all that it has.
#[utoipa::path(
    delete, path = "/api/v1/admin/users/{id}", tag = "accounts", params(("id" = UserId, Path)),
    responses((status = 204), (status = 404, body = Envelope), (status = 409, body = Envelope))
)]
pub(super) async fn delete(State(app): State<App>, Path(id): Path<UserId>) -> Result<StatusCode, ApiError> {
    accounts::delete(&app, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
