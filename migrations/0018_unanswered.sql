-- What becomes of a question whose answer cannot be made to its end, kept with the
-- answer so that it holds when its maker is gone.
alter table messages add column unanswered text not null default 'kept'
    check (unanswered in ('kept', 'withdrawn', 'withdrawn_whole'));

-- Those that must still be taken back.
create index messages_to_withdraw on messages (created_at)
    where status = 'interrupted' and unanswered <> 'kept';
