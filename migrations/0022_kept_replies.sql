-- Replies of providers' models that were passed on without being stored, for
-- callers who send the same request again under a key of their own.

create table kept_replies (
    owner_id uuid not null references users (id) on delete cascade,
    key text not null,
    -- Which making of it this is: one that was taken over by another ends unheard.
    id uuid not null,
    request_sha256 bytea not null,
    -- While it is made: until when its maker is believed to be alive.
    lease_until timestamptz,
    -- When somebody who sent it again was last there to wait for it.
    awaited_at timestamptz,
    -- What the model said, as JSON; null until it has ended. Bytes, for a text of
    -- Postgres holds no NUL.
    said bytea,
    created_at timestamptz not null,
    primary key (owner_id, key)
);
create index kept_replies_age on kept_replies (created_at);

alter table kept_replies enable row level security;
create policy own on kept_replies to footnote_app
    using (owner_id = (select present_owner())) with check (owner_id = (select present_owner()));

-- A message that is deleted takes its key along, which must be found for it.
create index idempotency_keys_question on idempotency_keys (question_id);
create index idempotency_keys_answer on idempotency_keys (answer_id);
