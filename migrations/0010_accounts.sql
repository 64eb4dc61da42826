-- Accounts, their credentials, what is shared, and the second lock: row-level
-- security under a role that cannot go round it.

-- The only account so far becomes the first administrator's.
alter table users
    add column role text not null default 'user' check (role in ('user', 'admin')),
    add column kind text not null default 'regular' check (kind in ('regular', 'guest')),
    add column password_hash text,
    -- Issuer and subject of an account that somebody else vouches for.
    add column issuer text,
    add column subject text,
    add column disabled_at timestamptz,
    add column seen_at timestamptz;
update users set name = 'admin', role = 'admin' where name = 'local';
alter table users drop constraint users_name_key;
create unique index users_name on users (folded(name));
create unique index users_subject on users (issuer, subject);

-- One sign-in of one browser or program. Its refresh token is exchanged for
-- another at each use; only hashes are kept.
create table sessions (
    id uuid primary key,
    owner_id uuid not null references users (id) on delete cascade,
    refresh_sha256 bytea not null,
    -- The token before, and when it was exchanged: a reply may have been lost.
    former_sha256 bytea,
    rotated_at timestamptz not null,
    expires_at timestamptz not null,
    created_at timestamptz not null
);
create index sessions_owner on sessions (owner_id);
create index sessions_expiry on sessions (expires_at);

create table api_keys (
    id uuid primary key,
    owner_id uuid not null references users (id) on delete cascade,
    name text not null,
    prefix text not null,
    sha256 bytea not null,
    scopes text[] not null,
    expires_at timestamptz,
    used_at timestamptz,
    created_at timestamptz not null
);
create index api_keys_owner on api_keys (owner_id, id);

-- Who may read or write a collection besides its owner.
create table collection_members (
    collection_id uuid not null references collections (id) on delete cascade,
    owner_id uuid not null references users (id) on delete cascade,
    user_id uuid not null references users (id) on delete cascade,
    role text not null check (role in ('reader', 'writer')),
    created_at timestamptz not null,
    primary key (collection_id, user_id)
);
create index collection_members_user on collection_members (user_id, collection_id);
create index collection_members_owner on collection_members (owner_id);

-- The role that requests work as. Roles belong to the whole server, so another
-- database may have made it already.
do $$
begin
    if not exists (select from pg_roles where rolname = 'footnote_app') then
        begin
            create role footnote_app nologin nobypassrls nosuperuser;
        exception
            when duplicate_object or unique_violation then null;
            when insufficient_privilege then
                raise exception 'the role footnote_app is missing and cannot be created'
                    using hint = 'as an administrator: create role footnote_app nologin; grant footnote_app to the service''s user';
        end;
    end if;
    if not pg_has_role(current_user, 'footnote_app', 'member') then
        execute format('grant footnote_app to %I', current_user);
    end if;
end
$$;

grant usage on schema public to footnote_app;
grant select, insert, update, delete on all tables in schema public to footnote_app;
grant usage on all sequences in schema public to footnote_app;
alter default privileges in schema public grant select, insert, update, delete on tables to footnote_app;
alter default privileges in schema public grant usage on sequences to footnote_app;

-- The account that the connection was handed out for; null for none.
create function present_owner() returns uuid
language sql stable parallel safe
as $$ select nullif(current_setting('footnote.owner', true), '')::uuid $$;

-- Whoever owns the tables is not bound: migrations, and the service's own work.
do $$
declare
    owned text;
begin
    -- What belongs to one account.
    foreach owned in array array[
        'originals', 'jobs', 'embeddings', 'fetches', 'purges', 'schedules', 'schedule_runs', 'conversations',
        'messages', 'message_feedback', 'idempotency_keys', 'model_calls', 'summaries', 'approvals', 'artifacts',
        'artifact_versions', 'api_keys'
    ] loop
        execute format('alter table %I enable row level security', owned);
        execute format(
            'create policy own on %I to footnote_app '
            'using (owner_id = (select present_owner())) with check (owner_id = (select present_owner()))',
            owned
        );
    end loop;
end
$$;

alter table users enable row level security;
create policy own on users to footnote_app using (id = (select present_owner()));

alter table collection_members enable row level security;
create policy own on collection_members to footnote_app
    using (owner_id = (select present_owner())) with check (owner_id = (select present_owner()));
create policy taken_part on collection_members for select to footnote_app
    using (user_id = (select present_owner()));
create policy left_again on collection_members for delete to footnote_app
    using (user_id = (select present_owner()));

alter table collections enable row level security;
create policy own on collections to footnote_app
    using (owner_id = (select present_owner())) with check (owner_id = (select present_owner()));
create policy shared on collections for select to footnote_app
    using (id in (select collection_id from collection_members where user_id = (select present_owner())));

alter table documents enable row level security;
create policy own on documents to footnote_app
    using (owner_id = (select present_owner())) with check (owner_id = (select present_owner()));
create policy shared on documents for select to footnote_app
    using (collection_id in (select collection_id from collection_members where user_id = (select present_owner())));

alter table revisions enable row level security;
create policy own on revisions to footnote_app
    using (owner_id = (select present_owner())) with check (owner_id = (select present_owner()));
create policy shared on revisions for select to footnote_app
    using (exists (select from documents d where d.id = document_id));

-- What has no owner of its own has that of the row it belongs to, which the
-- policies there decide.
alter table chunks enable row level security;
create policy of_revision on chunks to footnote_app
    using (exists (select from revisions r where r.id = revision_id));
alter table message_events enable row level security;
create policy of_message on message_events to footnote_app
    using (exists (select from messages m where m.id = message_id));
alter table generation_revisions enable row level security;
create policy of_revision on generation_revisions to footnote_app
    using (exists (select from revisions r where r.id = revision_id));

-- Of the service as a whole: read by all, changed by nobody but itself.
alter table generations enable row level security;
create policy everybodys on generations for select to footnote_app using (true);
alter table tool_pins enable row level security;
create policy everybodys on tool_pins for select to footnote_app using (true);

-- Accounts, their sign-ins and the schema's own record are the service's business.
-- (A row of `users` may be locked by whom it belongs to, which needs one column.)
revoke insert, update, delete on users from footnote_app;
grant update (seen_at) on users to footnote_app;
revoke all on sessions from footnote_app;
do $$
begin
    if to_regclass('_sqlx_migrations') is not null then
        execute 'revoke all on _sqlx_migrations from footnote_app';
    end if;
    -- The view looks with the rights of whoever asks it. Before version 15 it looks
    -- with its owner's; the queries over it name the owner themselves.
    if current_setting('server_version_num')::integer >= 150000 then
        execute 'alter view message_marks set (security_invoker = true)';
    end if;
end
$$;
