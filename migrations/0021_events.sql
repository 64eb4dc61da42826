-- An event costs more to check for its message, one by one, than to write: who
-- writes a batch locks its messages in the same statement instead, and a trigger
-- removes what a foreign key would.

alter table message_events drop constraint message_events_message_id_fkey;

-- With its owner's rights: the messages are gone, and with them what shows whose
-- the events were.
create function forget_events() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    delete from public.message_events e using gone where e.message_id = gone.id;
    return null;
end
$$;
create trigger forget_events after delete on messages
    referencing old table as gone for each statement execute function forget_events();
