-- The queue of work on documents, and the vectors that were paid for.

-- One row for each document that waits to be read or embedded, is being worked
-- on, or was given up. Made in the transaction that takes the document in,
-- deleted in the one that finishes it.
create table jobs (
    id uuid primary key,
    owner_id uuid not null references users (id) on delete cascade,
    collection_id uuid not null references collections (id) on delete cascade,
    document_id uuid not null references documents (id) on delete cascade,
    -- The document's version that it serves.
    version bigint not null,
    bytes bigint not null,
    -- read -> embed
    step text not null check (step in ('read', 'embed')),
    state text not null check (state in ('waiting', 'running', 'dead')),
    -- Within its collection; higher goes first.
    priority smallint not null default 0,
    due_at timestamptz not null,
    -- Tries of this step that failed by the document's own fault.
    attempts integer not null default 0,
    -- Workers that vanished while they held it.
    orphaned integer not null default 0,
    -- Who holds it, until when. The number grows with each claim: a worker
    -- whose number is not the row's may not commit.
    worker_id uuid,
    lease_until timestamptz,
    fence bigint not null default 0,
    failure_code text,
    failure_message text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint jobs_document unique (document_id)
);
create index jobs_waiting on jobs (step, owner_id, collection_id, priority desc, due_at, id) where state = 'waiting';
create index jobs_running on jobs (lease_until) where state = 'running';
create index jobs_dead on jobs (updated_at, id) where state = 'dead';
create sequence job_fences;

insert into jobs (
    id, owner_id, collection_id, document_id, version, bytes, step, state, due_at, created_at, updated_at
)
select
    gen_random_uuid(), owner_id, collection_id, id, version, source_bytes,
    case stage when 'queued' then 'read' else 'embed' end, 'waiting', now(), now(), now()
from documents
where deleted_at is null and stage in ('queued', 'words');
drop index documents_queue;

-- When each stage was reached by the version at hand.
alter table documents
    add column queued_at timestamptz,
    add column words_at timestamptz,
    add column done_at timestamptz,
    -- The document whose file held this one's, as an archive or a mail does.
    add column parent_id uuid references documents (id) on delete set null,
    add column depth smallint not null default 0;
create index documents_parent on documents (parent_id) where parent_id is not null;
update documents set queued_at = updated_at;

-- Vectors by what was embedded: the same text of an owner is paid for once,
-- whatever happens to the index.
create table embeddings (
    owner_id uuid not null references users (id) on delete cascade,
    -- UUIDv5 of model and text.
    id uuid not null,
    -- Numbers of 32 bits, little endian.
    vector bytea not null,
    primary key (owner_id, id)
);
alter table embeddings alter column vector set storage external;

alter table chunks
    -- What stands around it and is found with it: a table's caption and header
    -- row, the symbols of a piece of code.
    add column context text[] not null default '{}',
    add column embedding_id uuid;
create index chunks_embedding on chunks (embedding_id);
