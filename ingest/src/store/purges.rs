//! Purges: revisions whose points must still leave the index.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;

use crate::ids::{CollectionId, RevisionId, UserId};
use crate::scope::Scope;

/// A revision that waits to be purged.
#[derive(Debug, Clone, Copy)]
pub struct Purge {
    /// Its id.
    pub revision: RevisionId,
    /// Whose it was.
    pub owner: UserId,
    /// When it was queued last.
    pub queued_at: DateTime<Utc>,
}

/// Queues every revision of a document but the one that queries see.
///
/// # Errors
/// What the database says.
pub async fn enqueue_replaced(db: impl PgExecutor<'_>, current: &[RevisionId]) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        insert into purges (revision_id, owner_id, created_at)
        select old.id, old.owner_id, now()
        from revisions now_current
        join revisions old on old.document_id = now_current.document_id and old.version < now_current.version
        where now_current.id = any($1)
          and (
              exists (select from chunks c where c.revision_id = old.id)
              -- An archive's has none, but a file that may be wanted no more.
              or old.version = (
                  select max(before.version) from revisions before
                  where before.document_id = old.document_id and before.version < now_current.version
              )
          )
        on conflict do nothing
        "#,
        current as _,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Queues revisions that were made but can never become current: their
/// document was changed or deleted meanwhile.
///
/// # Errors
/// What the database says.
pub async fn enqueue_stranded(db: impl PgExecutor<'_>) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        r#"
        insert into purges (revision_id, owner_id, created_at)
        select r.id, r.owner_id, now()
        from revisions r
        join documents d on d.id = r.document_id
        where (d.revision_id is distinct from r.id)
          and (d.version > r.version or d.deleted_at is not null)
          and exists (select from chunks c where c.revision_id = r.id)
        on conflict do nothing
        "#,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// Queues those of `revisions`, each with its owner's id beside it, that will never be
/// current: their document was changed or deleted, and perhaps purged, while their
/// points were still on their way into the index. One that is being purged is purged
/// once more.
///
/// # Errors
/// What the database says.
pub async fn enqueue_late(db: impl PgExecutor<'_>, revisions: &[RevisionId], owners: &[UserId]) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        insert into purges (revision_id, owner_id, created_at)
        select made.id, made.owner_id, clock_timestamp()
        from unnest($1::uuid[], $2::uuid[]) as made (id, owner_id)
        where not exists (
            select from revisions r
            join documents d on d.id = r.document_id
            where r.id = made.id and d.version <= r.version and d.deleted_at is null
        )
        order by made.id
        on conflict (revision_id) do update set created_at = excluded.created_at
        "#,
        revisions as _,
        owners as _,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes a revision back that no query has seen; its points leave the index
/// later. Nothing happens to one that a document shows.
///
/// # Errors
/// What the database says.
pub async fn withdraw(tx: &mut sqlx::PgTransaction<'_>, revision: RevisionId) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        with withdrawn as (
            delete from revisions r
            where r.id = $1 and not exists (select from documents d where d.revision_id = r.id)
            returning r.id, r.owner_id
        )
        insert into purges (revision_id, owner_id, created_at)
        select id, owner_id, now() from withdrawn
        on conflict do nothing
        "#,
        revision as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The oldest purges.
///
/// # Errors
/// What the database says.
pub async fn oldest(db: impl PgExecutor<'_>, limit: i64) -> sqlx::Result<Vec<Purge>> {
    sqlx::query_as!(
        Purge,
        r#"
        select revision_id as "revision: RevisionId", owner_id as "owner: UserId", created_at as queued_at
        from purges
        order by created_at, revision_id
        limit $1
        "#,
        limit,
    )
    .fetch_all(db)
    .await
}

/// Takes purges that are done off the queue, but for those that were queued again
/// meanwhile, or are at this moment.
///
/// # Errors
/// What the database says.
pub async fn forget(db: impl PgExecutor<'_>, done: &[Purge]) -> sqlx::Result<()> {
    let (revisions, queued): (Vec<RevisionId>, Vec<DateTime<Utc>>) =
        done.iter().map(|purge| (purge.revision, purge.queued_at)).unzip();
    sqlx::query!(
        r#"
        with over as materialized (
            select p.revision_id
            from purges p
            join unnest($1::uuid[], $2::timestamptz[]) as done (revision_id, queued_at)
                on p.revision_id = done.revision_id and p.created_at = done.queued_at
            order by p.revision_id
            for update of p skip locked
        )
        delete from purges where revision_id in (select revision_id from over)
        "#,
        &revisions as _,
        &queued,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Deletes the chunks of a collection that goes, and the vectors that are no other
/// text's: with the collection go its documents, by which they would be found later.
///
/// # Errors
/// What the database says.
pub async fn forget_collection(
    tx: &mut sqlx::PgTransaction<'_>,
    scope: Scope,
    collection: CollectionId,
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        with gone as (
            delete from chunks c
            using revisions r, documents d
            where d.collection_id = $1 and d.owner_id = $2 and r.document_id = d.id and c.revision_id = r.id
            returning r.owner_id, c.embedding_id
        )
        delete from embeddings e
        using gone
        where e.owner_id = gone.owner_id and e.id = gone.embedding_id
          and not exists (
              select from chunks c
              join revisions r on r.id = c.revision_id
              join documents d on d.id = r.document_id
              where c.embedding_id = e.id and r.owner_id = e.owner_id and d.collection_id <> $1
          )
        "#,
        collection as _,
        scope.owner() as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Removes what is left of purged revisions: their chunks, and the text of
/// those whose document is deleted. The text of replaced ones stays, because
/// citations point at it. The purges themselves stay until [`forget`].
///
/// # Errors
/// What the database says.
pub async fn finish(tx: &mut sqlx::PgTransaction<'_>, revisions: &[RevisionId]) -> sqlx::Result<()> {
    // Another chunk of the owner may say the same: its vector stays.
    sqlx::query!(
        r#"
        with gone as (
            delete from chunks c
            using revisions r
            where c.revision_id = any($1) and r.id = c.revision_id
            returning r.owner_id, c.embedding_id
        )
        delete from embeddings e
        using gone
        where e.owner_id = gone.owner_id and e.id = gone.embedding_id
          and not exists (
              select from chunks c
              join revisions r on r.id = c.revision_id
              where c.embedding_id = e.id and r.owner_id = e.owner_id and c.revision_id <> all($1)
          )
        "#,
        revisions as _,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!("delete from generation_revisions where revision_id = any($1)", revisions as _)
        .execute(&mut **tx)
        .await?;
    sqlx::query!(
        r#"
        delete from revisions r
        using documents d
        where r.id = any($1) and d.id = r.document_id and d.deleted_at is not null
        "#,
        revisions as _,
    )
    .execute(&mut **tx)
    .await?;
    // A tombstone without revisions has done its work. One that somebody locks
    // goes with a later purge: waiting for it here could be waiting in a circle.
    // So could be taking what lay within its file from it, as the foreign key does
    // when it goes: those go first.
    loop {
        let gone = sqlx::query!(
            r#"
            delete from documents
            where id in (
                select d.id from documents d
                where d.deleted_at is not null
                  and not exists (select from revisions r where r.document_id = d.id)
                  and not exists (select from documents child where child.parent_id = d.id)
                for update skip locked
            )
            "#,
        )
        .execute(&mut **tx)
        .await?;
        if gone.rows_affected() == 0 {
            break;
        }
    }
    Ok(())
}
