//! Accounts: signing up, in and out, and seeing to others' accounts.
//!
//! A service: names no HTTP. What it reads and writes concerns all accounts, so
//! it works with the service's own rights and names the account in each query.

mod admin;
mod first;

use std::net::IpAddr;

use footnote_ingest::rights::as_system;
use secrecy::SecretString;
use unicode_normalization::UnicodeNormalization;

pub use admin::{NewAccount, change, create, delete, delete_idle_guests, list};
pub use first::{FirstSignIn, first_start};

use crate::app::App;
use crate::credentials::{Credential, Principal, Refresh};
use crate::error::{Error, Result};
use crate::ids::{SessionId, UserId};
use crate::limits::{self, RetryAfter};
use crate::storage::api_keys;
use crate::storage::sessions::{self, Rotation};
use crate::storage::users::{self, NewUser, User, UserKind, UserRole};

/// Characters of a name, at most.
const MAX_NAME: usize = 64;

/// An account that has just signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// For the header `Authorization: Bearer`.
    pub access_token: SecretString,
    /// Seconds for which it is good.
    pub expires_in: u64,
    /// To be exchanged for another pair, once.
    pub refresh_token: SecretString,
    /// The account.
    pub user: User,
}

/// Makes an account and signs it in. A guest who asks becomes a regular account
/// and keeps everything.
///
/// # Errors
/// [`Error::Forbidden`] where nobody may register, [`Error::Invalid`] for a name
/// or password that cannot be used, [`Error::Conflict`] when the name is taken.
pub async fn register(app: &App, by: Option<&Principal>, name: &str, password: &SecretString) -> Result<SignedIn> {
    let guest = by.filter(|by| by.is_guest());
    if !app.settings.registration {
        let problem = "is closed here; ask an administrator for an account";
        return Err(Error::Forbidden { what: "registration", problem: problem.into() });
    }
    let name = checked_name(name)?;
    let hash = app.credentials.passwords.hash(password).await?;
    as_system(async {
        let user = match guest {
            Some(guest) => {
                let settled = users::settle(&app.db, guest.user.id, &name, &hash).await?.ok_or_else(|| taken(&name))?;
                app.credentials.forget();
                if !settled {
                    return Err(Error::Conflict { what: "account", problem: "is no guest's any more".into() });
                }
                users::find(&app.db, guest.user.id).await?.ok_or(Error::NotFound("account"))?
            }
            None => {
                let new = NewUser {
                    name: &name,
                    role: UserRole::User,
                    kind: UserKind::Regular,
                    password_hash: Some(&hash),
                    outside: None,
                };
                users::create(&app.db, &new).await?.ok_or_else(|| taken(&name))?
            }
        };
        begin(app, user, Some(&hash)).await
    })
    .await
}

/// Makes an account without a name of its own, to try the service out.
///
/// # Errors
/// [`Error::Forbidden`] where there are no guests.
pub async fn guest(app: &App) -> Result<SignedIn> {
    if !app.settings.guests {
        let problem = "cannot sign in here; register, or ask an administrator for an account";
        return Err(Error::Forbidden { what: "guests", problem: problem.into() });
    }
    as_system(async {
        let name = format!("guest-{}", uuid::Uuid::new_v4().simple());
        let new =
            NewUser { name: &name, role: UserRole::User, kind: UserKind::Guest, password_hash: None, outside: None };
        let user = users::create(&app.db, &new).await?.ok_or(Error::Busy("the making of names"))?;
        begin(app, user, None).await
    })
    .await
}

/// Signs in from an address. A wrong name costs as much as a wrong password, and
/// is answered alike.
///
/// # Errors
/// [`Error::Unauthorized`]; [`Error::TooOften`] for an address that guesses.
pub async fn login(app: &App, name: &str, password: &SecretString, address: IpAddr) -> Result<SignedIn> {
    // What cannot be a name is nobody's.
    let known = checked_name(name).ok();
    let guesses = app.limits.guesses();
    let guessed = known.as_deref().unwrap_or_default().to_lowercase();
    let attempt = guesses.begin(&guessed, address).await.map_err(too_often)?;
    let outcome = as_system(check_in(app, known.as_deref(), password)).await;
    match &outcome {
        Ok(_) => attempt.passed().await,
        // It counts already.
        Err(Error::Unauthorized(_)) => {}
        // Nobody guessed.
        Err(_) => attempt.withdrawn().await,
    }
    outcome
}

fn too_often(RetryAfter(time): RetryAfter) -> Error {
    Error::TooOften { what: "signing in", seconds: limits::seconds(time) }
}

async fn check_in(app: &App, name: Option<&str>, password: &SecretString) -> Result<SignedIn> {
    // One query, whether there is the account or not: two would tell by the time
    // that they take.
    let known = match name {
        Some(name) => users::password_of_name(&app.db, name).await?,
        None => None,
    };
    let (id, stored) = known.unzip();
    let mut stored = stored.flatten();
    let verdict = app.credentials.passwords.verify(stored.as_deref(), password).await?;
    // What else is to be known of it is asked once the password is right.
    let user = match id.filter(|_| verdict.is_right()) {
        Some(id) => users::find(&app.db, id).await?,
        None => None,
    };
    let Some(user) = user.filter(|user| !user.disabled) else {
        return Err(Error::Unauthorized("the name or the password is wrong"));
    };
    if verdict.is_old() {
        let hash = app.credentials.passwords.hash(password).await?;
        if let Some(old) = &stored
            && users::renew_password(&app.db, user.id, old, &hash).await?
        {
            stored = Some(hash);
        }
    }
    begin(app, user, stored.as_deref()).await
}

/// Exchanges a refresh token for another pair.
///
/// # Errors
/// [`Error::Unauthorized`] for one that is not good any more. One that was used
/// before ends the whole sign-in.
pub async fn refresh(app: &App, token: &SecretString) -> Result<SignedIn> {
    const GONE: Error = Error::Unauthorized("the sign-in has ended; sign in again");
    let given = Refresh::parse(token).ok_or(GONE)?;
    let seed = as_system(sessions::seed(&app.db, given.session)).await?.ok_or(GONE)?;
    let next = given.next(&seed)?;
    let rotation = as_system(sessions::rotate(&app.db, given.session, &given.sha256(), &next.sha256())).await?;
    match rotation {
        Rotation::Done(user) => {
            let access_token = app.credentials.access(&user, given.session)?;
            let expires_in = app.credentials.access_seconds();
            Ok(SignedIn { access_token, expires_in, refresh_token: next.token(), user })
        }
        Rotation::Reused(owner) => {
            tracing::warn!(account.id = %owner, "a refresh token was used twice; its sign-in was ended");
            app.credentials.forget();
            Err(GONE)
        }
        Rotation::Gone => Err(GONE),
    }
}

/// Signs out: this sign-in, the one of the refresh token, or all of the account.
///
/// # Errors
/// What the database says.
pub async fn logout(app: &App, by: Option<&Principal>, token: Option<&SecretString>, everywhere: bool) -> Result<()> {
    as_system(async {
        if let Some(given) = token.and_then(Refresh::parse)
            && sessions::holds(&app.db, given.session, &given.sha256()).await?
        {
            sessions::close(&app.db, given.session).await?;
        }
        if let Some(by) = by {
            if everywhere {
                sessions::close_all(&app.db, by.user.id, None).await?;
            } else if let Credential::Session(session) = by.credential {
                sessions::close(&app.db, session).await?;
            }
        }
        Ok::<(), Error>(())
    })
    .await?;
    app.credentials.forget();
    Ok(())
}

/// Changes the caller's own password, and ends all other sign-ins. The present
/// one can be guessed here no better than at [`login`].
///
/// # Errors
/// [`Error::Forbidden`] when the present one is wrong; [`Error::TooOften`] when
/// it was wrong often.
pub async fn change_password(
    app: &App,
    by: &Principal,
    current: Option<&SecretString>,
    new: &SecretString,
    address: IpAddr,
) -> Result<()> {
    let user = by.user.id;
    // Who can read the data folder need not know it.
    if by.credential != Credential::Local {
        know_password(app, user, current, address).await?;
    }
    as_system(async {
        set_password(app, user, new).await?;
        let kept = match by.credential {
            Credential::Session(session) => Some(session),
            _ => None,
        };
        sessions::close_all(&app.db, user, kept).await?;
        app.credentials.forget();
        Ok(())
    })
    .await
}

/// Ends all keys of the caller's account.
///
/// # Errors
/// What the database says.
pub async fn end_keys(app: &App, by: &Principal) -> Result<()> {
    as_system(api_keys::delete_all(&app.db, by.user.id)).await?;
    app.credentials.forget();
    Ok(())
}

/// Checks that a caller knows its account's password.
async fn know_password(app: &App, user: UserId, given: Option<&SecretString>, address: IpAddr) -> Result<()> {
    let wrong = || Error::Forbidden { what: "password", problem: "cannot be changed: the present one is wrong".into() };
    let given = given.ok_or_else(wrong)?;
    // No name is written like that.
    let guessed = format!("id:{user}");
    let attempt = app.limits.guesses().begin(&guessed, address).await.map_err(too_often)?;
    let verdict = async {
        let stored = as_system(users::password(&app.db, user)).await?;
        app.credentials.passwords.verify(stored.as_deref(), given).await
    };
    match verdict.await {
        Ok(verdict) if verdict.is_right() => attempt.passed().await,
        Ok(_) => return Err(wrong()),
        Err(error) => {
            attempt.withdrawn().await;
            return Err(error);
        }
    }
    Ok(())
}

async fn set_password(app: &App, user: UserId, password: &SecretString) -> Result<()> {
    let hash = app.credentials.passwords.hash(password).await?;
    if users::set_password(&app.db, user, &hash).await? { Ok(()) } else { Err(Error::NotFound("account")) }
}

/// Begins a sign-in of an account whose password has this hash. It may have been
/// changed while the password was checked.
async fn begin(app: &App, user: User, hash: Option<&str>) -> Result<SignedIn> {
    let refresh = Refresh::of(SessionId::new())?;
    if !sessions::open(&app.db, refresh.session, user.id, &refresh.sha256(), hash).await? {
        return Err(Error::Unauthorized("the name or the password is wrong"));
    }
    users::seen(&app.db, user.id).await?;
    let access_token = app.credentials.access(&user, refresh.session)?;
    let expires_in = app.credentials.access_seconds();
    Ok(SignedIn { access_token, expires_in, refresh_token: refresh.token(), user })
}

/// A name as it is stored: one form of each character, nothing invisible.
pub(crate) fn checked_name(name: &str) -> Result<String> {
    let name: String = name.trim().nfkc().collect();
    let fits = (1..=MAX_NAME).contains(&name.chars().count());
    let plain = name.chars().all(|c| c.is_alphanumeric() || "._-@+".contains(c));
    if fits && plain {
        return Ok(name);
    }
    let problem = format!("has 1 to {MAX_NAME} letters and digits, and none but `.`, `_`, `-`, `+` and `@` between");
    Err(Error::Invalid { field: "name", problem })
}

fn taken(name: &str) -> Error {
    Error::Conflict { what: "account", problem: format!("`{name}` is there already; choose another name") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_form_and_nothing_invisible() {
        assert_eq!(checked_name(" ada ").expect("a name"), "ada");
        // A full-width letter and an ordinary one are one name.
        assert_eq!(checked_name("\u{ff41}da@example.org").expect("a name"), "ada@example.org");
        for bad in ["", "  ", "a b", "a\u{200b}b", "a\nb", "a/b", "<b>", &"x".repeat(65), "a\0"] {
            assert!(checked_name(bad).is_err(), "{bad:?}");
        }
    }
}
