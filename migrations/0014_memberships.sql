-- A membership counts once its member has accepted it, and the second lock holds
-- from inside too.

alter table collection_members
    -- Null: an invitation that nobody has answered.
    add column accepted_at timestamptz;

-- A membership names the collection's own owner, whoever writes it.
alter table collections add constraint collections_id_owner unique (id, owner_id);
alter table collection_members
    add constraint collection_members_of_owner
    foreign key (collection_id, owner_id) references collections (id, owner_id) on delete cascade;

drop policy shared on collections;
create policy shared on collections for select to footnote_app
    using (id in (
        select collection_id from collection_members
        where user_id = (select present_owner()) and accepted_at is not null
    ));
drop policy shared on documents;
create policy shared on documents for select to footnote_app
    using (collection_id in (
        select collection_id from collection_members
        where user_id = (select present_owner()) and accepted_at is not null
    ));

-- Who may read a revision may read what belongs to it; only whose it is writes.
do $$
declare
    part text;
    command text;
    owned constant text :=
        '(exists (select from revisions r where r.id = revision_id and r.owner_id = (select present_owner())))';
begin
    foreach part in array array['chunks', 'generation_revisions'] loop
        execute format('drop policy of_revision on %I', part);
        execute format(
            'create policy readable on %I for select to footnote_app '
            'using (exists (select from revisions r where r.id = revision_id))',
            part
        );
        execute format('create policy own_insert on %I for insert to footnote_app with check %s', part, owned);
        foreach command in array array['update', 'delete'] loop
            execute format(
                'create policy %I on %I for %s to footnote_app using %s', 'own_' || command, part, command, owned
            );
        end loop;
    end loop;
end
$$;

-- What the next refresh token of a sign-in is derived from, together with the
-- present one, which is not kept.
alter table sessions
    add column seed bytea not null
    default decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex');

-- From version 16 on, whoever makes a role is its member without leave to take
-- it on; the connections of the service need that leave.
do $$
declare
    needed constant text :=
        case when current_setting('server_version_num')::integer >= 160000 then 'set' else 'member' end;
begin
    if not pg_has_role(current_user, 'footnote_app', needed) then
        begin
            execute format('grant footnote_app to %I', current_user);
        exception
            -- Said below.
            when insufficient_privilege then null;
        end;
        if not pg_has_role(current_user, 'footnote_app', needed) then
            raise exception 'the service''s user may not work as the role footnote_app'
                using hint = format('as an administrator: grant footnote_app to %I', current_user);
        end if;
    end if;
end
$$;
