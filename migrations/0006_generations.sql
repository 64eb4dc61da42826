-- Generations of the vector index: one for each embedding model that it was
-- built with. Queries see one of them; another may be built beside it.

create table generations (
    id uuid primary key,
    -- The embedding model's name.
    model text not null,
    -- Numbers in its vectors; zero if that is not known.
    dimensions integer not null,
    -- How the embedder was set up, without its key; null if that is not known.
    setup jsonb,
    -- What the name of the index's folder or collection ends with.
    suffix text not null unique,
    -- building -> live -> previous, and back again. One of each at most.
    state text not null unique check (state in ('building', 'live', 'previous')),
    -- The process that builds it, until when.
    builder_id uuid,
    lease_until timestamptz,
    -- Until then nothing new is read, so that the one that is built can catch up.
    quiet_until timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null
);

insert into generations (id, model, dimensions, suffix, state, created_at, updated_at)
select gen_random_uuid(), embedding_model, 0, '', 'live', now(), now()
from revisions
order by created_at desc
limit 1;

-- What a generation that is not live holds. Of the live one, `chunks.embedded`
-- tells.
create table generation_revisions (
    generation_id uuid not null references generations (id) on delete cascade,
    revision_id uuid not null references revisions (id) on delete cascade,
    -- Chunks with a lower ordinal have their vectors.
    vectors integer not null default 0,
    -- Whether all have.
    complete boolean not null default false,
    primary key (generation_id, revision_id)
);
create index generation_revisions_revision on generation_revisions (revision_id);
create index generation_revisions_open on generation_revisions (generation_id, revision_id) where not complete;

-- Vectors of several models for one text.
alter table embeddings add column model text;
update embeddings set model = coalesce((select model from generations), '');
alter table embeddings
    alter column model set not null,
    drop constraint embeddings_pkey,
    add primary key (owner_id, id, model);
