//! What models took and cost.

use axum::extract::State;
use chrono::{Datelike, Days, NaiveDate};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::error::{ApiError, Envelope};
use super::extract::Query;
use crate::app::App;
use crate::storage::calls::{self, Spent, SpentBy};

/// Days that are told of, at most.
const MAX_DAYS: i64 = 366;
/// Users that are told of, at most.
const MAX_USERS: i64 = 200;
/// Days that are told of unless others are asked for.
const DAYS: u64 = 30;

/// Which days.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// The first day, in UTC; a month before the last if left out.
    from: Option<NaiveDate>,
    /// The last day, in UTC; today if left out.
    to: Option<NaiveDate>,
}

impl Which {
    /// The first and the last day.
    async fn days(self, app: &App) -> Result<(NaiveDate, NaiveDate), ApiError> {
        let to = match self.to {
            Some(to) => to,
            None => calls::today(&app.db).await?,
        };
        let from = self.from.or_else(|| to.checked_sub_days(Days::new(DAYS))).unwrap_or(to);
        if from > to || (to - from).num_days() >= MAX_DAYS {
            let message = format!("`from` is not after `to`, and at most {MAX_DAYS} days lie between them");
            return Err(ApiError::unprocessable("from", message));
        }
        // Postgres knows fewer days than dates can be written.
        if from.year() < 1 || to.year() > 9999 {
            return Err(ApiError::unprocessable("from", "`from` and `to` lie in the years 1 to 9999"));
        }
        Ok((from, to))
    }
}

/// What was used.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Usage {
    /// By day, provider, model and purpose, the latest first.
    items: Vec<Spent>,
    /// All calls together.
    calls: i64,
    /// All tokens that were read.
    input_tokens: i64,
    /// All tokens that were written.
    output_tokens: i64,
    /// Dollars in all, as far as prices are known.
    cost_usd: f64,
}

/// Tokens, cost and time of models, by day.
#[utoipa::path(
    get, path = "/api/v1/usage", tag = "conversations", params(Which),
    responses((status = 200, body = Usage), (status = 422, body = Envelope))
)]
pub(super) async fn usage(
    State(app): State<App>,
    Caller(scope): Caller,
    Query(which): Query<Which>,
) -> Result<axum::Json<Usage>, ApiError> {
    let (from, to) = which.days(&app).await?;
    let items = calls::spent(&app.db, scope, from, to).await?;
    let sum = |of: fn(&Spent) -> i64| items.iter().map(of).sum();
    Ok(axum::Json(Usage {
        calls: sum(|spent| spent.calls),
        input_tokens: sum(|spent| spent.input_tokens),
        output_tokens: sum(|spent| spent.output_tokens),
        // The sum of nothing is -0.0 in Rust.
        cost_usd: items.iter().filter_map(|spent| spent.cost_usd).sum::<f64>() + 0.0,
        items,
    }))
}

/// What each account used.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UsageByUser {
    /// Those that took most tokens first.
    items: Vec<SpentBy>,
}

/// Tokens and cost of models by user: the accounts that took most, 200 at most.
#[utoipa::path(
    get, path = "/api/v1/admin/usage", tag = "service", params(Which),
    responses((status = 200, body = UsageByUser), (status = 422, body = Envelope))
)]
pub(super) async fn by_user(
    State(app): State<App>,
    Query(which): Query<Which>,
) -> Result<axum::Json<UsageByUser>, ApiError> {
    let (from, to) = which.days(&app).await?;
    Ok(axum::Json(UsageByUser { items: calls::spent_by(&app.db, from, to, MAX_USERS).await? }))
}
