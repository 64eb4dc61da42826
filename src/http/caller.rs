//! Who asks: the only way from a request to a scope.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use footnote_ingest::scope::Scope;

use super::error::ApiError;
use crate::app::App;
use crate::credentials;

/// The caller of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller(pub Scope);

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(_: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        Ok(Self(credentials::local(&app.db).await?))
    }
}
