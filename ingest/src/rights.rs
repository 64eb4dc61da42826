//! What the present task may do in the database: the second lock behind the
//! owner that every query names. Floor 1: imports ids and scope only.
//!
//! Each connection is handed out with the rights of the task that asks for it
//! ([`guarded`]): as the role [`ROLE`], which row-level security binds, and with
//! the account that it acts for. A query that forgets its owner then finds that
//! account's rows and no others; a task that was given no rights finds none.
//! Work that serves all accounts (the queue, the clock, sign-in) says so with
//! [`as_system`], and keeps the role that the connection was opened with.

use std::future::Future;

use sqlx::postgres::{PgConnection, PgPoolOptions};
use tokio::task::JoinHandle;
use tokio::task::futures::TaskLocalFuture;

use crate::scope::Scope;

/// The role that row-level security binds.
pub const ROLE: &str = "footnote_app";

/// On whose behalf a task works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// An account: it sees what is its own, and what is shared with it.
    Of(Scope),
    /// The service itself: it sees everything.
    System,
}

tokio::task_local! {
    static PRESENT: Rights;
}

/// The rights of the present task, if it was given any.
#[must_use]
pub fn present() -> Option<Rights> {
    PRESENT.try_with(|rights| *rights).ok()
}

/// `work`, done with `rights`.
pub fn with<F: Future>(rights: Rights, work: F) -> TaskLocalFuture<Rights, F> {
    PRESENT.scope(rights, work)
}

/// `work`, done for an account.
pub fn as_owner<F: Future>(scope: Scope, work: F) -> TaskLocalFuture<Rights, F> {
    with(Rights::Of(scope), work)
}

/// `work`, done for the service itself.
pub fn as_system<F: Future>(work: F) -> TaskLocalFuture<Rights, F> {
    with(Rights::System, work)
}

/// Runs `step` at once with `rights`: for what is polled, not awaited.
pub fn during<T>(rights: Rights, step: impl FnOnce() -> T) -> T {
    PRESENT.sync_scope(rights, step)
}

/// Starts a task that has the rights of the present one, unless `work` is done
/// with others.
#[expect(clippy::disallowed_methods, reason = "every task is started here")]
pub fn spawn<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    match present() {
        Some(rights) => tokio::spawn(with(rights, work)),
        None => tokio::spawn(work),
    }
}

/// A pool's options with the guard: connections carry the rights of the task
/// that takes them.
#[must_use]
pub fn guarded(options: PgPoolOptions) -> PgPoolOptions {
    options
        // To set the rights tells as well whether the connection lives.
        .test_before_acquire(false)
        .before_acquire(|connection, _| {
            Box::pin(async move {
                confine(connection).await?;
                Ok(true)
            })
        })
        .after_connect(|connection, _| Box::pin(confine(connection)))
}

async fn confine(connection: &mut PgConnection) -> sqlx::Result<()> {
    let (role, owner) = match present() {
        Some(Rights::System) => ("none", String::new()),
        Some(Rights::Of(scope)) => (ROLE, scope.owner().to_string()),
        None => (ROLE, String::new()),
    };
    sqlx::query!(
        "select set_config('role', $1, false) as role, set_config('footnote.owner', $2, false) as owner",
        role,
        owner,
    )
    .fetch_one(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::UserId;

    #[tokio::test]
    async fn rights_follow_a_task_into_those_that_it_starts() {
        assert_eq!(present(), None);
        let scope = Scope::stored(UserId::new());
        let seen = as_owner(scope, async { spawn(async { present() }).await.expect("it ends") }).await;
        assert_eq!(seen, Some(Rights::Of(scope)));
        let seen = as_owner(scope, as_system(async { present() })).await;
        assert_eq!(seen, Some(Rights::System));
    }

    #[tokio::test]
    async fn a_task_that_was_given_no_rights_has_none() {
        let scope = Scope::stored(UserId::new());
        let seen = as_owner(scope, async { tokio::spawn(async { present() }).await.expect("it ends") }).await;
        assert_eq!(seen, None);
    }
}
