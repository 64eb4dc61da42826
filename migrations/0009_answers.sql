-- Answers that several processes may serve, and what they cost.

alter table messages
    -- While it is made: until when its maker is believed to be alive.
    add column lease_until timestamptz,
    -- Somebody wants it stopped; its maker may be another process.
    add column cancel_requested boolean not null default false,
    -- When a reader in another process than its maker's was last there.
    add column followed_at timestamptz,
    -- SHA-256 of all that the answer was made from; the same again need not be
    -- asked again.
    add column answer_key bytea;
create index messages_answer_key on messages (owner_id, answer_key) where answer_key is not null;

-- What a caller asked under a key of its own, so that asking again is safe.
create table idempotency_keys (
    owner_id uuid not null references users (id) on delete cascade,
    key text not null,
    request_sha256 bytea not null,
    question_id uuid not null references messages (id) on delete cascade,
    answer_id uuid not null references messages (id) on delete cascade,
    created_at timestamptz not null,
    primary key (owner_id, key)
);
create index idempotency_keys_age on idempotency_keys (created_at);

-- Every call of a model: what it took, whoever it was for.
create table model_calls (
    id uuid primary key,
    owner_id uuid not null references users (id) on delete cascade,
    message_id uuid references messages (id) on delete set null,
    purpose text not null check (purpose in ('answer', 'rewrite', 'summary', 'title')),
    provider text not null,
    model text not null,
    input_tokens bigint not null,
    cached_tokens bigint not null,
    output_tokens bigint not null,
    -- We counted, because the provider did not say.
    estimated boolean not null,
    -- Null where no price is known.
    cost_usd double precision,
    milliseconds bigint not null,
    -- `ok`, `cancelled`, or the code of what went wrong.
    outcome text not null,
    created_at timestamptz not null
);
create index model_calls_owner on model_calls (owner_id, created_at);
create index model_calls_message on model_calls (message_id);

-- Earlier turns in short: all up to and including an answer.
create table summaries (
    answer_id uuid primary key references messages (id) on delete cascade,
    owner_id uuid not null references users (id) on delete cascade,
    text text not null,
    created_at timestamptz not null
);

-- Whether a tool that changes something may be called, once.
create table approvals (
    id uuid primary key,
    owner_id uuid not null references users (id) on delete cascade,
    message_id uuid not null references messages (id) on delete cascade,
    call_id text not null,
    tool text not null,
    arguments text not null,
    -- Of tool and arguments: what was allowed is what is called.
    sha256 bytea not null,
    state text not null check (state in ('waiting', 'approved', 'denied', 'used')),
    expires_at timestamptz not null,
    created_at timestamptz not null
);
create index approvals_message on approvals (message_id);

-- What models made for the reader: texts, code, sheets, pictures by reference.
create table artifacts (
    id uuid primary key,
    owner_id uuid not null references users (id) on delete cascade,
    conversation_id uuid not null references conversations (id) on delete cascade,
    kind text not null check (kind in ('text', 'code', 'sheet', 'image')),
    title text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index artifacts_conversation on artifacts (conversation_id);

create table artifact_versions (
    artifact_id uuid not null references artifacts (id) on delete cascade,
    version integer not null,
    owner_id uuid not null references users (id) on delete cascade,
    message_id uuid references messages (id) on delete set null,
    content text not null,
    created_at timestamptz not null,
    primary key (artifact_id, version)
);

-- Definitions of tools of outside servers as they were first seen: one that
-- changes is not called until somebody allows it.
create table tool_pins (
    server text not null,
    tool text not null,
    sha256 text not null,
    created_at timestamptz not null,
    primary key (server, tool)
);
