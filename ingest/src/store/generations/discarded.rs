//! Indexes whose generation is forgotten, until they are removed.

use std::time::Duration;

use sqlx::PgExecutor;
use sqlx::postgres::types::PgInterval;

use super::Generation;

/// How long the index of a forgotten generation stays, at least: other processes
/// may not have heard. And how long who removes one has until another may try.
const GRACE: Duration = Duration::from_mins(1);

/// Forgets a generation, if it still stands where it stood and is not live; its
/// index is to be removed. Returns whether it did.
///
/// # Errors
/// What the database says.
pub async fn delete(db: impl PgExecutor<'_>, generation: &Generation) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        r#"
        with forgotten as (
            delete from generations where id = $1 and state = $2 and state <> 'live'
            returning suffix
        )
        insert into discarded_indexes (suffix, due_at)
        select suffix, now() + $3 from forgotten
        on conflict (suffix) do update set due_at = excluded.due_at
        "#,
        generation.id as _,
        generation.state as _,
        grace(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Takes those that may be removed by now, by what their names end with. Whoever
/// does not say that one is [removed] leaves it to another.
///
/// # Errors
/// What the database says.
pub async fn take_discarded(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        r#"
        update discarded_indexes i set due_at = now() + $1
        where i.due_at <= now() and not exists (select from generations g where g.suffix = i.suffix)
        returning i.suffix
        "#,
        grace(),
    )
    .fetch_all(db)
    .await
}

/// Records that a discarded index is removed.
///
/// # Errors
/// What the database says.
pub async fn removed(db: impl PgExecutor<'_>, suffix: &str) -> sqlx::Result<()> {
    sqlx::query!("delete from discarded_indexes where suffix = $1", suffix).execute(db).await?;
    Ok(())
}

fn grace() -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: i64::try_from(GRACE.as_micros()).unwrap_or(i64::MAX) }
}
