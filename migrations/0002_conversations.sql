-- Conversations, their messages, and the events of each answer.

create table conversations (
    id uuid primary key,
    owner_id uuid not null references users (id) on delete cascade,
    title text not null,
    -- Collections that ground it; empty means all of the owner's.
    collections uuid[] not null default '{}',
    model text,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index conversations_owner on conversations (owner_id, updated_at desc, id);

create table messages (
    id uuid primary key,
    owner_id uuid not null references users (id) on delete cascade,
    conversation_id uuid not null references conversations (id) on delete cascade,
    parent_id uuid references messages (id) on delete cascade,
    role text not null check (role in ('user', 'assistant')),
    status text not null check (status in ('running', 'completed', 'cancelled', 'interrupted', 'failed')),
    -- Version of the shape of `parts`, so that old rows stay readable.
    parts_version smallint not null default 1,
    parts jsonb not null,
    model text,
    -- Null for questions and for answers that are not finished.
    grounded boolean,
    -- What was sent, what was dropped, tokens and time of each stage.
    receipt jsonb,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index messages_conversation on messages (conversation_id, created_at, id);
create index messages_running on messages (id) where status = 'running';

-- Numbered from 1 without gaps; what a reader that comes back is given.
create table message_events (
    message_id uuid not null references messages (id) on delete cascade,
    seq integer not null,
    name text not null,
    -- `json`, not `jsonb`: a replay gives the very characters that were sent.
    data json not null,
    primary key (message_id, seq)
);
