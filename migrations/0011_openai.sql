-- What the OpenAI face keeps: conversations behind its answers, responses,
-- files, and what vector stores are beside collections.

-- `native` conversations are listed. Those behind the answers of other faces
-- are not; `openai_once` is deleted with its answer.
alter table conversations add column origin text not null default 'native';
drop index conversations_owner;
create index conversations_owner on conversations (owner_id, origin, updated_at desc, id);
create index conversations_once on conversations (updated_at) where origin = 'openai_once';

create table openai_responses (
    answer_id uuid primary key references messages (id) on delete cascade,
    owner_id uuid not null references users (id) on delete cascade,
    -- What a response repeats of its request.
    base jsonb not null
);
create index openai_responses_owner on openai_responses (owner_id);

-- Their bytes are originals.
create table openai_files (
    id uuid primary key,
    owner_id uuid not null references users (id) on delete cascade,
    filename text not null,
    purpose text not null,
    media_type text,
    bytes bigint not null,
    sha256 bytea not null,
    created_at timestamptz not null
);
create index openai_files_owner on openai_files (owner_id, id);
create index openai_files_original on openai_files (owner_id, sha256);

create table openai_stores (
    collection_id uuid primary key references collections (id) on delete cascade,
    owner_id uuid not null references users (id) on delete cascade,
    metadata jsonb not null
);
create index openai_stores_owner on openai_stores (owner_id);

create table openai_batches (
    id uuid primary key,
    owner_id uuid not null references users (id) on delete cascade,
    collection_id uuid not null references collections (id) on delete cascade,
    documents uuid[] not null,
    -- Files that were taken out again before they were read.
    cancelled integer not null default 0,
    created_at timestamptz not null
);
create index openai_batches_owner on openai_batches (owner_id);
create index openai_batches_collection on openai_batches (collection_id);
