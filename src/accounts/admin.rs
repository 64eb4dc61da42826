//! What administrators do with accounts.

use footnote_ingest::rights::as_system;
use footnote_ingest::scope::Scope;
use footnote_ingest::store::{documents, usage};
use secrecy::SecretString;
use sqlx::PgExecutor;

use super::{checked_name, taken};
use crate::app::App;
use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::storage::users::{self, Change, NewUser, User, UserKind, UserRole};
use crate::storage::{api_keys, sessions};

/// Guests that are deleted in one go, at most.
const GUESTS_AT_ONCE: usize = 100;

/// An account to be made.
#[derive(Debug)]
pub struct NewAccount<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its password.
    pub password: &'a SecretString,
    /// What it may do.
    pub role: UserRole,
}

/// Accounts in order of their ids, from after `after`.
///
/// # Errors
/// What the database says.
pub async fn list(app: &App, after: Option<UserId>, limit: i64) -> Result<Vec<User>> {
    Ok(as_system(users::list(&app.db, after, limit)).await?)
}

/// Makes an account.
///
/// # Errors
/// [`Error::Invalid`], or [`Error::Conflict`] when the name is taken.
pub async fn create(app: &App, new: NewAccount<'_>) -> Result<User> {
    let name = checked_name(new.name)?;
    let hash = app.credentials.passwords.hash(new.password).await?;
    let user =
        NewUser { name: &name, role: new.role, kind: UserKind::Regular, password_hash: Some(&hash), outside: None };
    as_system(users::create(&app.db, &user)).await?.ok_or_else(|| taken(&name))
}

/// Changes an account. One that is disabled, or gets another password, is
/// signed out everywhere; with another password all its keys end too.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Conflict`] for the last administrator.
pub async fn change(app: &App, user: UserId, change: Change, password: Option<&SecretString>) -> Result<User> {
    let hash = match password {
        Some(password) => Some(app.credentials.passwords.hash(password).await?),
        None => None,
    };
    let changed = as_system(async {
        // All or nothing: an account that is disabled is signed out too.
        let mut tx = app.db.begin().await?;
        if change.disabled == Some(true) || change.role == Some(UserRole::User) {
            keep_an_admin(&mut *tx, user).await?;
        }
        let changed = users::change(&mut *tx, user, change).await?.ok_or(Error::NotFound("account"))?;
        if let Some(hash) = &hash {
            users::set_password(&mut *tx, user, hash).await?;
            // Whoever had the account may have made keys.
            api_keys::delete_all(&mut *tx, user).await?;
        }
        if changed.disabled || hash.is_some() {
            sessions::close_all(&mut *tx, user, None).await?;
        }
        tx.commit().await?;
        Ok(changed)
    })
    .await;
    app.credentials.forget();
    changed
}

/// Deletes an account with all that it has. Its points leave the index soon
/// after; nothing finds them meanwhile.
///
/// # Errors
/// As [`change`].
pub async fn delete(app: &App, user: UserId) -> Result<()> {
    let deleted = as_system(async {
        // All or nothing: of two administrators who delete each other, one remains
        // with all that is theirs.
        let mut tx = app.db.begin().await?;
        keep_an_admin(&mut *tx, user).await?;
        users::find(&mut *tx, user).await?.ok_or(Error::NotFound("account"))?;
        remove(&mut tx, user).await?;
        tx.commit().await?;
        Ok(())
    })
    .await;
    app.corpus.wake();
    app.credentials.forget();
    deleted
}

/// Deletes guests whose sign-ins have ended: nobody comes back to them. Some at
/// a time; says how many.
///
/// # Errors
/// What the database says.
pub async fn delete_idle_guests(app: &App) -> Result<usize> {
    let mut deleted = 0;
    while deleted < GUESTS_AT_ONCE {
        let mut tx = app.db.begin().await?;
        let Some(guest) = users::idle_guest(&mut *tx).await? else { break };
        remove(&mut tx, guest).await?;
        tx.commit().await?;
        deleted += 1;
    }
    if deleted > 0 {
        app.corpus.wake();
        app.credentials.forget();
    }
    Ok(deleted)
}

async fn remove(tx: &mut sqlx::PgTransaction<'_>, user: UserId) -> sqlx::Result<()> {
    usage::take_turn(tx, &[user]).await?;
    documents::delete(tx, Scope::stored(user), None, None).await?;
    users::delete(&mut **tx, user).await?;
    Ok(())
}

async fn keep_an_admin(db: impl PgExecutor<'_>, user: UserId) -> Result<()> {
    if users::other_admins(db, user).await? == 0 {
        let problem = "is the last administrator; make another one first".to_owned();
        return Err(Error::Conflict { what: "account", problem });
    }
    Ok(())
}
