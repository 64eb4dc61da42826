//! Usage: what owners have, and their turns at getting more.
//!
//! It is counted from the documents each time, and from the messages that hold
//! pictures, and so it cannot drift: what is deleted or replaced counts no more,
//! and a crash leaves nothing behind. The count walks an index of the owner's
//! documents, some ten thousand in a few milliseconds; where nothing is limited,
//! nothing is counted.

use std::collections::{HashMap, HashSet};

use sqlx::PgExecutor;

use crate::error::Result;
use crate::ids::{CollectionId, UserId};
use crate::quota::{Allowances, Holding, Tier, Usage};
use crate::scope::Scope;

/// Holds owners to their quotas while a transaction gives them more.
///
/// Whoever opens one has the owners' turn until the transaction ends: others
/// wait, and then count what this one has added. It is to be opened before
/// anything else is locked. Without limits it does nothing.
#[derive(Debug)]
pub struct Gate {
    quotas: Allowances,
    before: HashMap<UserId, Holding>,
}

/// Waits for the turn of these owners, given in the order of their ids, and holds it
/// until the transaction ends. Before anything else of theirs is locked.
///
/// # Errors
/// What the database says.
pub async fn take_turn(tx: &mut sqlx::PgTransaction<'_>, owners: &[UserId]) -> sqlx::Result<()> {
    sqlx::query!("select from users where id = any($1) order by id for no key update", owners as _)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

impl Gate {
    /// Waits for the owners' turn.
    ///
    /// # Errors
    /// What the database says.
    pub async fn open(
        tx: &mut sqlx::PgTransaction<'_>,
        quotas: Allowances,
        owners: impl IntoIterator<Item = UserId>,
    ) -> sqlx::Result<Self> {
        let owners: Vec<UserId> = if quotas.limit_documents() { owners.into_iter().collect() } else { Vec::new() };
        let owners = limited(&mut **tx, quotas, &owners).await?;
        if owners.is_empty() {
            return Ok(Self { quotas, before: HashMap::new() });
        }
        // In a statement of its own: the count below sees what was committed while
        // this one waited.
        take_turn(tx, &owners).await?;
        Ok(Self { quotas, before: of(&mut **tx, &owners).await? })
    }

    /// Refuses an upload that its owner's quotas have no room for, before
    /// anything of it is written. One that replaces a document counts by the
    /// difference.
    ///
    /// # Errors
    /// [`crate::Error::Quota`], or what the database says.
    pub async fn check_upload(
        &self,
        tx: &mut sqlx::PgTransaction<'_>,
        scope: Scope,
        collection: CollectionId,
        key: &str,
        bytes: i64,
    ) -> Result<()> {
        let Some(before) = self.before.get(&scope.owner()) else { return Ok(()) };
        let replaced = sqlx::query_scalar!(
            "select source_bytes from documents where collection_id = $1 and key = $2 and deleted_at is null",
            collection as _,
            key,
        )
        .fetch_optional(&mut **tx)
        .await?;
        let growth = Usage {
            documents: i64::from(replaced.is_none()),
            bytes: bytes - replaced.unwrap_or_default(),
            ..Usage::default()
        };
        Ok(self.quotas.check(before, &(before.usage + growth))?)
    }

    /// Refuses bytes that are no document's and that their owner's quota has no
    /// room for, before they are written.
    ///
    /// # Errors
    /// [`crate::Error::Quota`].
    pub fn check_bytes(&self, scope: Scope, bytes: i64) -> Result<()> {
        let Some(before) = self.before.get(&scope.owner()) else { return Ok(()) };
        let growth = Usage { bytes, ..Usage::default() };
        Ok(self.quotas.check(before, &(before.usage + growth))?)
    }

    /// Refuses what the transaction has written since the gate was opened, or
    /// since the last check, if it takes an owner beyond a quota. The caller
    /// rolls that back.
    ///
    /// # Errors
    /// [`crate::Error::Quota`], or what the database says.
    pub async fn check(&mut self, tx: &mut sqlx::PgTransaction<'_>) -> Result<()> {
        let owners: Vec<UserId> = self.before.keys().copied().collect();
        let after = of(&mut **tx, &owners).await?;
        for (owner, before) in &self.before {
            self.quotas.check(before, &after.get(owner).map(|after| after.usage).unwrap_or_default())?;
        }
        self.before = after;
        Ok(())
    }
}

/// Those of `owners` who have limits, each once, in the order of their ids. Nobody else
/// is counted, or waits for a turn.
///
/// # Errors
/// What the database says.
pub async fn limited(db: impl PgExecutor<'_>, quotas: Allowances, owners: &[UserId]) -> sqlx::Result<Vec<UserId>> {
    if owners.is_empty() {
        return Ok(Vec::new());
    }
    let [regular, guest] = [Tier::Regular, Tier::Guest].map(|tier| quotas.limit_documents_of(tier));
    sqlx::query_scalar!(
        r#"
        select id as "id: UserId" from users
        where id = any($1) and case when kind = 'guest' then $3::bool else $2::bool end
        order by id
        "#,
        owners as _,
        regular,
        guest,
    )
    .fetch_all(db)
    .await
}

/// What the documents and pictures of owners take, and whose limits hold for
/// them; whoever has none is in it with nothing.
///
/// # Errors
/// What the database says.
pub async fn of(db: impl PgExecutor<'_>, owners: &[UserId]) -> sqlx::Result<HashMap<UserId, Holding>> {
    if owners.is_empty() {
        return Ok(HashMap::new());
    }
    // One that is named twice would be joined, and counted, twice.
    let owners: Vec<UserId> = owners.iter().copied().collect::<HashSet<_>>().into_iter().collect();
    let rows = sqlx::query!(
        r#"
        select
            o.id as "owner!: UserId", coalesce(u.kind = 'guest', false) as "guest!", count(d.owner_id) as "documents!",
            (coalesce(sum(d.source_bytes), 0) + (
                select coalesce(sum(m.bytes), 0) from messages m where m.owner_id = o.id and m.bytes > 0
            ))::bigint as "bytes!",
            coalesce(sum(d.pages), 0)::bigint as "pages!", coalesce(sum(d.chunks), 0)::bigint as "chunks!"
        from unnest($1::uuid[]) as o (id)
        left join users u on u.id = o.id
        left join documents d on d.owner_id = o.id and d.deleted_at is null
        group by o.id, u.kind
        "#,
        &owners as _,
    )
    .fetch_all(db)
    .await?;
    let usage = rows.into_iter().map(|row| {
        let usage =
            Usage { documents: row.documents, bytes: row.bytes, pages: row.pages, chunks: row.chunks, fetches: 0 };
        let tier = if row.guest { Tier::Guest } else { Tier::Regular };
        (row.owner, Holding { tier, usage })
    });
    Ok(usage.collect())
}

/// Whose limits hold for an owner.
///
/// # Errors
/// What the database says.
pub async fn tier(db: impl PgExecutor<'_>, scope: Scope) -> sqlx::Result<Tier> {
    let kind = sqlx::query_scalar!("select kind from users where id = $1", scope.owner() as _);
    let is_guest = kind.fetch_optional(db).await?.is_some_and(|kind| kind == "guest");
    Ok(if is_guest { Tier::Guest } else { Tier::Regular })
}

/// Counts a web page that is about to be fetched for an owner. `false`, and
/// nothing is counted, when as many as `limit` were fetched today.
///
/// # Errors
/// What the database says.
pub async fn count_fetch(db: impl PgExecutor<'_>, scope: Scope, limit: Option<i64>) -> sqlx::Result<bool> {
    let counted = sqlx::query!(
        r#"
        insert into fetches (owner_id, day, fetched)
        values ($1, (now() at time zone 'utc')::date, 1)
        on conflict (owner_id) do update
        set fetched = case when fetches.day = excluded.day then fetches.fetched + 1 else 1 end, day = excluded.day
        where fetches.day <> excluded.day or $2::bigint is null or fetches.fetched < $2
        "#,
        scope.owner() as _,
        limit,
    )
    .execute(db)
    .await?;
    Ok(counted.rows_affected() > 0)
}

/// Web pages that were fetched for an owner today.
///
/// # Errors
/// What the database says.
pub async fn fetched_today(db: impl PgExecutor<'_>, scope: Scope) -> sqlx::Result<i64> {
    let fetched = sqlx::query_scalar!(
        "select fetched from fetches where owner_id = $1 and day = (now() at time zone 'utc')::date",
        scope.owner() as _,
    )
    .fetch_optional(db)
    .await?;
    Ok(fetched.unwrap_or_default())
}
