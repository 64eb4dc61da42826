//! Who asks: the only way from a request to a scope.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use footnote_ingest::scope::Scope;

use super::admission::refusal;
use super::error::ApiError;
use crate::app::App;
use crate::credentials::{Principal, Right};

/// What a request without a credential is told.
pub(super) const SIGN_IN: &str =
    "send `Authorization: Bearer` with an access token of /api/v1/auth/login or with an API key";

/// The scope of a request's caller.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller(pub Scope);

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        <Who as FromRequestParts<App>>::from_request_parts(parts, app).await.map(|Who(principal)| Self(principal.scope))
    }
}

/// A request's caller with account and credential.
#[derive(Debug, Clone)]
pub(super) struct Who(pub Principal);

impl Who {
    /// Refuses a caller whose credential lacks what only some requests to a route
    /// need.
    pub(super) fn must(&self, right: Right) -> Result<(), ApiError> {
        if self.0.may(right) { Ok(()) } else { Err(refusal(&self.0, right)) }
    }
}

impl OptionalFromRequestParts<App> for Who {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Option<Self>, Self::Rejection> {
        Ok(parts.extensions.get().cloned().map(Self))
    }
}

impl FromRequestParts<App> for Who {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Self::Rejection> {
        // Put there by `admission`, which has verified it.
        parts.extensions.get().cloned().map(Self).ok_or_else(|| ApiError::unauthorized(SIGN_IN))
    }
}
