//! Calls of models: what each took, and what that comes to.

use chrono::NaiveDate;
use footnote_ingest::scope::Scope;
use serde::{Deserialize, Serialize};
use sqlx::PgExecutor;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::ids::{MessageId, UserId};
use crate::llm::Usage;

/// What a model was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Purpose {
    /// The answer itself.
    Answer,
    /// The question in words that stand alone.
    Rewrite,
    /// Earlier turns in short.
    Summary,
    /// A conversation's title.
    Title,
    /// Vectors of a caller's texts.
    Embedding,
}

/// A call that was made.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// The answer that it was made for.
    pub message: Option<MessageId>,
    /// What it was made for.
    pub purpose: Purpose,
    /// Who was asked.
    pub provider: &'a str,
    /// The model.
    pub model: &'a str,
    /// What it took.
    pub usage: &'a Usage,
    /// Dollars, where a price is known.
    pub cost: Option<f64>,
    /// How long it took.
    pub milliseconds: i64,
    /// `ok`, `cancelled`, or the code of what went wrong.
    pub outcome: &'a str,
}

/// Records calls.
///
/// # Errors
/// What the database says.
pub async fn record(db: impl PgExecutor<'_>, scope: Scope, call: &Call<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        insert into model_calls (
            id, owner_id, message_id, purpose, provider, model, input_tokens, cached_tokens, output_tokens,
            estimated, cost_usd, milliseconds, outcome, created_at
        )
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, now())
        "#,
        Uuid::now_v7(),
        scope.owner() as _,
        call.message as _,
        call.purpose as _,
        call.provider,
        call.model,
        i64::from(call.usage.input_tokens),
        i64::from(call.usage.cached_tokens),
        i64::from(call.usage.output_tokens),
        call.usage.estimated,
        call.cost,
        call.milliseconds,
        call.outcome,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A call that was recorded for an answer.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The answer.
    pub message: MessageId,
    /// What it was made for.
    pub purpose: Purpose,
    /// Who was asked.
    pub provider: String,
    /// The model.
    pub model: String,
    /// What it took.
    pub usage: Usage,
    /// Dollars, where a price is known.
    pub cost: Option<f64>,
    /// How long it took.
    pub milliseconds: i64,
    /// `ok`, `cancelled`, or the code of what went wrong.
    pub outcome: String,
}

impl Recorded {
    /// The call as it was made.
    #[must_use]
    pub fn call(&self) -> Call<'_> {
        Call {
            message: Some(self.message),
            purpose: self.purpose,
            provider: &self.provider,
            model: &self.model,
            usage: &self.usage,
            cost: self.cost,
            milliseconds: self.milliseconds,
            outcome: &self.outcome,
        }
    }
}

/// The calls that were recorded for answers, whoever's they are, in the order
/// they were made.
///
/// # Errors
/// What the database says.
pub async fn made_for(db: impl PgExecutor<'_>, answers: &[MessageId]) -> sqlx::Result<Vec<Recorded>> {
    let rows = sqlx::query!(
        r#"
        select
            message_id as "message!: MessageId", purpose as "purpose: Purpose", provider, model, input_tokens,
            cached_tokens, output_tokens, estimated, cost_usd, milliseconds, outcome
        from model_calls
        where message_id = any($1)
        order by id
        "#,
        answers as _,
    )
    .fetch_all(db)
    .await?;
    let tokens = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
    let recorded = rows.into_iter().map(|row| Recorded {
        message: row.message,
        purpose: row.purpose,
        provider: row.provider,
        model: row.model,
        usage: Usage {
            input_tokens: tokens(row.input_tokens),
            cached_tokens: tokens(row.cached_tokens),
            output_tokens: tokens(row.output_tokens),
            estimated: row.estimated,
        },
        cost: row.cost_usd,
        milliseconds: row.milliseconds,
        outcome: row.outcome,
    });
    Ok(recorded.collect())
}

/// A call that was made for no answer of ours, as it waits to be recorded.
#[derive(Debug, Clone)]
pub struct Passed {
    /// Whose it was.
    pub scope: Scope,
    /// What it was made for.
    pub purpose: Purpose,
    /// Who was asked.
    pub provider: String,
    /// The model.
    pub model: String,
    /// What it took.
    pub usage: Usage,
    /// Dollars, where a price is known.
    pub cost: Option<f64>,
    /// How long it took.
    pub milliseconds: i64,
    /// `ok`, `cancelled`, or the code of what went wrong.
    pub outcome: &'static str,
}

/// Records calls that were passed on, in one statement.
///
/// # Errors
/// What the database says.
pub async fn record_all(db: impl PgExecutor<'_>, calls: &[Passed]) -> sqlx::Result<()> {
    let each = |token: fn(&Usage) -> u32| -> Vec<i64> { calls.iter().map(|call| token(&call.usage).into()).collect() };
    let ids: Vec<Uuid> = calls.iter().map(|_| Uuid::now_v7()).collect();
    let owners: Vec<Uuid> = calls.iter().map(|call| call.scope.owner().0).collect();
    let purposes: Vec<Purpose> = calls.iter().map(|call| call.purpose).collect();
    let providers: Vec<&str> = calls.iter().map(|call| call.provider.as_str()).collect();
    let models: Vec<&str> = calls.iter().map(|call| call.model.as_str()).collect();
    let estimated: Vec<bool> = calls.iter().map(|call| call.usage.estimated).collect();
    let costs: Vec<Option<f64>> = calls.iter().map(|call| call.cost).collect();
    let times: Vec<i64> = calls.iter().map(|call| call.milliseconds).collect();
    let outcomes: Vec<&str> = calls.iter().map(|call| call.outcome).collect();
    // An owner who is gone by now has no bill.
    sqlx::query!(
        r#"
        insert into model_calls (
            id, owner_id, purpose, provider, model, input_tokens, cached_tokens, output_tokens, estimated, cost_usd,
            milliseconds, outcome, created_at
        )
        select call.id, users.id, call.purpose, call.provider, call.model, call.input, call.cached, call.output,
               call.estimated, call.cost, call.milliseconds, call.outcome, now()
        from unnest(
            $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[],
            $9::bool[], $10::float8[], $11::bigint[], $12::text[]
        ) as call (id, owner_id, purpose, provider, model, input, cached, output, estimated, cost, milliseconds, outcome)
        join users on users.id = call.owner_id
        "#,
        &ids,
        &owners,
        &purposes as _,
        &providers as _,
        &models as _,
        &each(|usage| usage.input_tokens),
        &each(|usage| usage.cached_tokens),
        &each(|usage| usage.output_tokens),
        &estimated,
        &costs as _,
        &times,
        &outcomes as _,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What calls of one day, model and purpose came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Spent {
    /// The day, in UTC.
    pub day: NaiveDate,
    /// Who was asked.
    pub provider: String,
    /// The model.
    pub model: String,
    /// What for.
    pub purpose: Purpose,
    /// Calls.
    pub calls: i64,
    /// Tokens that were read.
    pub input_tokens: i64,
    /// Those of them that were in the provider's cache.
    pub cached_tokens: i64,
    /// Tokens that were written.
    pub output_tokens: i64,
    /// Dollars, as far as prices are known; null where none is.
    pub cost_usd: Option<f64>,
    /// Seconds that the calls took.
    pub seconds: f64,
}

/// The day that it is, in UTC.
///
/// # Errors
/// What the database says.
pub async fn today(db: impl PgExecutor<'_>) -> sqlx::Result<NaiveDate> {
    sqlx::query_scalar!(r#"select (now() at time zone 'UTC')::date as "today!""#).fetch_one(db).await
}

/// What an account's calls came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct SpentBy {
    /// The account.
    pub user_id: UserId,
    /// Its name.
    pub name: String,
    /// Calls.
    pub calls: i64,
    /// Tokens that were read.
    pub input_tokens: i64,
    /// Tokens that were written.
    pub output_tokens: i64,
    /// Dollars, as far as prices are known; null where none is.
    pub cost_usd: Option<f64>,
}

/// What each account's calls came to from `from` up to and including `to`, days
/// in UTC; those that took most tokens first, at most `limit`.
///
/// # Errors
/// What the database says.
pub async fn spent_by(
    db: impl PgExecutor<'_>,
    from: NaiveDate,
    to: NaiveDate,
    limit: i64,
) -> sqlx::Result<Vec<SpentBy>> {
    sqlx::query_as!(
        SpentBy,
        r#"
        select
            u.id as "user_id: UserId", u.name, count(*) as "calls!", sum(c.input_tokens)::bigint as "input_tokens!",
            sum(c.output_tokens)::bigint as "output_tokens!", sum(c.cost_usd) as cost_usd
        from model_calls c
        join users u on u.id = c.owner_id
        where c.created_at >= $1::date::timestamp at time zone 'UTC'
          and c.created_at < ($2::date + 1)::timestamp at time zone 'UTC'
        group by u.id, u.name
        order by sum(c.input_tokens) + sum(c.output_tokens) desc, u.name
        limit $3
        "#,
        from,
        to,
        limit,
    )
    .fetch_all(db)
    .await
}

/// What the scope's calls came to from `from` up to and including `to`, days
/// in UTC, the latest first.
///
/// # Errors
/// What the database says.
pub async fn spent(db: impl PgExecutor<'_>, scope: Scope, from: NaiveDate, to: NaiveDate) -> sqlx::Result<Vec<Spent>> {
    sqlx::query_as!(
        Spent,
        r#"
        select
            (created_at at time zone 'UTC')::date as "day!", provider, model, purpose as "purpose: Purpose",
            count(*) as "calls!", sum(input_tokens)::bigint as "input_tokens!",
            sum(cached_tokens)::bigint as "cached_tokens!", sum(output_tokens)::bigint as "output_tokens!",
            sum(cost_usd) as cost_usd, (sum(milliseconds) / 1000.0)::float8 as "seconds!"
        from model_calls
        where owner_id = $1
          and created_at >= $2::date::timestamp at time zone 'UTC'
          and created_at < ($3::date + 1)::timestamp at time zone 'UTC'
        group by 1, 2, 3, 4
        order by 1 desc, 2, 3, 4
        "#,
        scope.owner() as _,
        from,
        to,
    )
    .fetch_all(db)
    .await
}
