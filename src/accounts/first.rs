//! The first start: an administrator, and how to sign in, said once.

use secrecy::SecretString;
use sqlx::PgPool;

use crate::credentials::{Passwords, random_password};
use crate::error::Result;
use crate::storage::users::{self, NewUser, User, UserKind, UserRole};

/// Name of the first administrator.
const NAME: &str = "admin";

/// How the first administrator signs in.
#[derive(Debug)]
pub struct FirstSignIn {
    /// The name.
    pub name: String,
    /// The password, which is kept nowhere else.
    pub password: SecretString,
}

/// The administrator that commands of this machine act as, made when there is
/// none. Where `sign_in` is wanted and no administrator can sign in, this one is
/// given a password: `chosen`, or a random one that is returned, this once.
///
/// # Errors
/// What the database says.
pub async fn first_start(
    db: &PgPool,
    passwords: &Passwords,
    sign_in: bool,
    chosen: Option<&SecretString>,
) -> Result<(User, Option<FirstSignIn>)> {
    let admin = match users::first_admin(db).await? {
        Some(admin) => admin,
        None => make(db).await?,
    };
    if !sign_in || users::has_open_admin(db).await? {
        return Ok((admin, None));
    }
    let password = match chosen {
        Some(chosen) => chosen.clone(),
        None => random_password()?,
    };
    let hash = passwords.hash(&password).await?;
    users::set_password(db, admin.id, &hash).await?;
    let told = chosen.is_none().then(|| FirstSignIn { name: admin.name.clone(), password });
    Ok((admin, told))
}

async fn make(db: &PgPool) -> Result<User> {
    let mut name = NAME.to_owned();
    loop {
        let new =
            NewUser { name: &name, role: UserRole::Admin, kind: UserKind::Regular, password_hash: None, outside: None };
        if let Some(admin) = users::create(db, &new).await? {
            return Ok(admin);
        }
        // Another process made one, or somebody else has the name.
        if let Some(admin) = users::first_admin(db).await? {
            return Ok(admin);
        }
        name = format!("{NAME}-{}", fastrand::u16(..));
    }
}
