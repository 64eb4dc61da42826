-- Accounts, collections and the corpus. Positions count Unicode code points.

create table users (
    id uuid primary key,
    name text not null unique,
    created_at timestamptz not null
);

create table collections (
    id uuid primary key,
    owner_id uuid not null references users (id) on delete cascade,
    name text not null,
    created_at timestamptz not null,
    constraint collections_owner_name unique (owner_id, name)
);

-- The bytes as they came in. Kept so that a later parser can read them again,
-- and so that a crash between upload and parse loses nothing.
create table originals (
    owner_id uuid not null references users (id) on delete cascade,
    sha256 bytea not null,
    bytes bytea not null,
    primary key (owner_id, sha256)
);
alter table originals alter column bytes set storage external;

create table documents (
    id uuid primary key,
    owner_id uuid not null references users (id) on delete cascade,
    collection_id uuid not null references collections (id) on delete cascade,
    -- Path, URL or the caller's own key: what makes a second upload a change.
    key text not null,
    title text not null,
    uri text,
    media_type text,
    meta jsonb not null default '{}',
    -- queued -> words -> done, or failed. `words` means searchable by words.
    stage text not null check (stage in ('queued', 'words', 'done', 'failed')),
    failure_code text,
    failure_message text,
    source_sha256 bytea not null,
    source_bytes bigint not null,
    -- Counts uploads: work that was begun for an older upload may not commit.
    version bigint not null default 1,
    -- The revision that queries see. Null until the first one is searchable.
    revision_id uuid,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    -- A tombstone: invisible from this commit on, rows and points go later.
    deleted_at timestamptz
);
create unique index documents_collection_key
    on documents (collection_id, key) where deleted_at is null;
create index documents_revision on documents (revision_id) where deleted_at is null;
create index documents_owner on documents (owner_id, id);
create index documents_queue on documents (updated_at, id) where stage = 'queued' and deleted_at is null;

-- One immutable state of a document's content.
create table revisions (
    id uuid primary key,
    owner_id uuid not null references users (id) on delete cascade,
    document_id uuid not null references documents (id) on delete cascade,
    -- The document's version that it was made from.
    version bigint not null,
    source_sha256 bytea not null,
    text_sha256 bytea not null,
    text text not null,
    -- Code points in `text`.
    text_length integer not null,
    -- Headings and pages by position.
    map jsonb not null,
    title text not null,
    parser_version integer not null,
    chunker_version integer not null,
    embedding_model text not null,
    created_at timestamptz not null,
    constraint revisions_document_version unique (document_id, version)
);
-- Uncompressed, so that a slice is read without unpacking the whole.
alter table revisions alter column text set storage external;

create table chunks (
    revision_id uuid not null references revisions (id) on delete cascade,
    ordinal integer not null,
    start_at integer not null,
    end_at integer not null,
    tokens integer not null,
    -- Derived from the revision's map, so that a hit need not load it.
    page integer,
    headings text[] not null,
    -- Whether its vector is on disk in the index.
    embedded boolean not null default false,
    primary key (revision_id, ordinal)
);
create index chunks_unembedded on chunks (revision_id, ordinal) where not embedded;

-- Revisions whose points must leave the index: replaced or deleted ones.
create table purges (
    revision_id uuid primary key,
    owner_id uuid not null,
    created_at timestamptz not null
);
