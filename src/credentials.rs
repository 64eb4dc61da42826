//! Credentials: the only place where a [`Scope`] is made for a caller.
//!
//! There is one local user so far. Everything above asks here, so that sign-in
//! can come without touching a service.

use footnote_ingest::scope::Scope;
use sqlx::PgPool;

use crate::error::Result;
use crate::ids::UserId;

/// Name of the one local user.
const LOCAL_USER: &str = "local";

/// The scope of the local user, who is made when first asked for.
///
/// # Errors
/// What the database says.
pub async fn local(db: &PgPool) -> Result<Scope> {
    let known = sqlx::query_scalar!(r#"select id as "id: UserId" from users where name = $1"#, LOCAL_USER)
        .fetch_optional(db)
        .await?;
    let owner = match known {
        Some(owner) => owner,
        None => make_local(db).await?,
    };
    #[expect(clippy::disallowed_methods, reason = "this is the module that makes scopes")]
    Ok(Scope::verified(owner))
}

/// Safe when two callers do it at once.
async fn make_local(db: &PgPool) -> Result<UserId> {
    // The update changes nothing; it makes an existing row come back.
    let owner = sqlx::query_scalar!(
        r#"
        insert into users (id, name, created_at)
        values ($1, $2, now())
        on conflict (name) do update set name = excluded.name
        returning id as "id: UserId"
        "#,
        UserId::new() as _,
        LOCAL_USER,
    )
    .fetch_one(db)
    .await?;
    Ok(owner)
}
