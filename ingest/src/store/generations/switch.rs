//! The moment at which queries go from one generation to another.

use crate::ids::GenerationId;

/// Makes the generation that is built the live one, and the live one the
/// previous one; false if it lacks a revision that queries see. Whoever
/// publishes waits meanwhile. What has no vector there yet is queued for it; so
/// is what was refused, whose document then says so.
///
/// # Errors
/// What the database says.
pub async fn switch(tx: &mut sqlx::PgTransaction<'_>, to: GenerationId) -> sqlx::Result<bool> {
    let held = sqlx::query_scalar!(
        r#"select id as "id: GenerationId" from generations where state in ('live', 'building') order by id for update"#
    )
    .fetch_all(&mut **tx)
    .await?;
    let Some(from) = held.iter().copied().find(|id| *id != to).filter(|_| held.len() == 2 && held.contains(&to)) else {
        return Ok(false);
    };
    let lacks = sqlx::query_scalar!(
        r#"
        select exists (
            select from documents d
            where d.revision_id is not null and d.deleted_at is null
              and not exists (
                  select from generation_revisions g
                  where g.generation_id = $1 and g.revision_id = d.revision_id
                    -- Others have no job that would embed them later.
                    and (g.complete or d.stage in ('words', 'done'))
              )
        ) as "lacks!"
        "#,
        to as _,
    )
    .fetch_one(&mut **tx)
    .await?;
    if lacks {
        return Ok(false);
    }
    remember(tx, from).await?;
    mark_chunks(tx, to).await?;
    move_documents(tx, to).await?;
    sqlx::query!("delete from generation_revisions where generation_id = $1", to as _).execute(&mut **tx).await?;
    // One of each state: the old one leaves before the new one comes.
    for (id, state) in [(from, "previous"), (to, "live")] {
        sqlx::query!(
            r#"
            update generations
            set state = $2, builder_id = null, lease_until = null, quiet_until = null, updated_at = now()
            where id = $1
            "#,
            id as _,
            state,
        )
        .execute(&mut **tx)
        .await?;
    }
    Ok(true)
}

/// What the live generation holds, for the time when it is gone back to.
async fn remember(tx: &mut sqlx::PgTransaction<'_>, live: GenerationId) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        insert into generation_revisions (generation_id, revision_id, vectors, complete)
        select $1, d.revision_id, coalesce(open.first, 0), open.first is null
        from documents d
        cross join lateral (
            select min(c.ordinal) as first from chunks c where c.revision_id = d.revision_id and not c.embedded
        ) open
        where d.revision_id is not null and d.deleted_at is null
        on conflict (generation_id, revision_id) do update
        set vectors = excluded.vectors, complete = excluded.complete, refused = default, refusal = null
        "#,
        live as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// `embedded` tells of the live generation.
async fn mark_chunks(tx: &mut sqlx::PgTransaction<'_>, to: GenerationId) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update chunks c set embedded = true
        from generation_revisions g
        where g.generation_id = $1 and g.complete and g.refused = '{}'
          and c.revision_id = g.revision_id and not c.embedded
        "#,
        to as _,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        r#"
        update chunks c set embedded = (g.complete or c.ordinal < g.vectors) and c.ordinal <> all(g.refused)
        from generation_revisions g
        where g.generation_id = $1 and not (g.complete and g.refused = '{}') and c.revision_id = g.revision_id
        "#,
        to as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A document of which the model before refused a part starts afresh with this one.
async fn move_documents(tx: &mut sqlx::PgTransaction<'_>, to: GenerationId) -> sqlx::Result<()> {
    // In the order in which everybody locks them.
    sqlx::query!(
        r#"
        select from documents d
        join generation_revisions g on g.generation_id = $1 and g.revision_id = d.revision_id
        where d.stage in ('words', 'done') or (d.stage = 'failed' and d.failure_code = 'embedding_refused')
        order by d.id
        for no key update of d
        "#,
        to as _,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        r#"
        select from jobs j
        join documents d on d.id = j.document_id
        join generation_revisions g on g.generation_id = $1 and g.revision_id = d.revision_id
        where j.step = 'embed'
        order by j.document_id
        for update of j
        "#,
        to as _,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        r#"
        update documents d
        set stage = case when g.complete and g.refused = '{}' then 'done' else 'words' end,
            done_at = case when g.complete and g.refused = '{}' then now() end,
            failure_code = null, failure_message = null, updated_at = now()
        from generation_revisions g
        where g.generation_id = $1 and g.revision_id = d.revision_id and d.deleted_at is null
          and (d.stage = case when g.complete and g.refused = '{}' then 'words' else 'done' end
               or (d.stage = 'failed' and d.failure_code = 'embedding_refused'))
        "#,
        to as _,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        r#"
        delete from jobs j
        using documents d, generation_revisions g
        where j.step = 'embed' and d.id = j.document_id and d.stage = 'done'
          and g.generation_id = $1 and g.revision_id = d.revision_id
        "#,
        to as _,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        r#"
        insert into jobs (
            id, owner_id, collection_id, document_id, version, bytes, step, state, due_at, created_at, updated_at
        )
        select gen_random_uuid(), d.owner_id, d.collection_id, d.id, d.version, d.source_bytes,
               'embed', 'waiting', now(), now(), now()
        from generation_revisions g
        join documents d on d.revision_id = g.revision_id and d.deleted_at is null and d.stage = 'words'
        where g.generation_id = $1
        order by d.id
        on conflict (document_id) do update
        set state = 'waiting', attempts = 0, orphaned = 0, due_at = now(), worker_id = null, lease_until = null,
            fence = nextval('job_fences'), failure_code = null, failure_message = null, updated_at = now()
        where jobs.step = 'embed'
        "#,
        to as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
