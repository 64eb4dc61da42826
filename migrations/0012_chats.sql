-- Chats of front ends that choose the ids of chats and of questions themselves.

create table chats (
    owner_id uuid not null references users (id) on delete cascade,
    -- The front end's id; two owners may have chosen the same.
    client_id text not null,
    conversation_id uuid not null references conversations (id) on delete cascade,
    created_at timestamptz not null,
    primary key (owner_id, client_id)
);
create index chats_conversation on chats (conversation_id);

create table chat_questions (
    owner_id uuid not null references users (id) on delete cascade,
    conversation_id uuid not null references conversations (id) on delete cascade,
    -- The front end's id. A question that is edited keeps it.
    client_id text not null,
    question_id uuid not null references messages (id) on delete cascade,
    primary key (conversation_id, client_id)
);
create index chat_questions_owner on chat_questions (owner_id);
create index chat_questions_question on chat_questions (question_id);

do $$
declare
    owned text;
begin
    foreach owned in array array['chats', 'chat_questions'] loop
        execute format('alter table %I enable row level security', owned);
        execute format(
            'create policy own on %I to footnote_app '
            'using (owner_id = (select present_owner())) with check (owner_id = (select present_owner()))',
            owned
        );
    end loop;
end
$$;
