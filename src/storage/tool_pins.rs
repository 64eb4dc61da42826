//! Pins: the definitions of outside tools as they were first seen or last
//! trusted.

use sqlx::PgExecutor;

/// A pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The server.
    pub server: String,
    /// The tool, as the server calls it.
    pub tool: String,
    /// SHA-256 of the definition, in hexadecimal.
    pub sha256: String,
}

/// All pins.
///
/// # Errors
/// What the database says.
pub async fn all(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<Pin>> {
    sqlx::query_as!(Pin, "select server, tool, sha256 from tool_pins").fetch_all(db).await
}

/// Pins tools that have no pin: server, tool, SHA-256.
///
/// # Errors
/// What the database says.
pub async fn pin_new(db: impl PgExecutor<'_>, tools: &[(&str, &str, &str)]) -> sqlx::Result<()> {
    let servers: Vec<&str> = tools.iter().map(|(server, _, _)| *server).collect();
    let names: Vec<&str> = tools.iter().map(|(_, name, _)| *name).collect();
    let hashes: Vec<&str> = tools.iter().map(|(_, _, sha256)| *sha256).collect();
    sqlx::query!(
        r#"
        insert into tool_pins (server, tool, sha256, created_at)
        select server, tool, sha256, now()
        from unnest($1::text[], $2::text[], $3::text[]) as new (server, tool, sha256)
        on conflict do nothing
        "#,
        &servers as _,
        &names as _,
        &hashes as _,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Pins a tool as it is now.
///
/// # Errors
/// What the database says.
pub async fn replace(db: impl PgExecutor<'_>, server: &str, tool: &str, sha256: &str) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        insert into tool_pins (server, tool, sha256, created_at) values ($1, $2, $3, now())
        on conflict (server, tool) do update set sha256 = excluded.sha256, created_at = excluded.created_at
        "#,
        server,
        tool,
        sha256,
    )
    .execute(db)
    .await?;
    Ok(())
}
