-- Pictures that are sent along with questions count among the bytes that their
-- owner may have.

alter table messages
    -- Of the pictures in it, beside them: to measure them again takes longer.
    add column bytes bigint not null default 0;
update messages m
set bytes = (
    select sum(length(data) / 4 * 3 - (length(data) - length(rtrim(data, '='))))
    from jsonb_array_elements(m.parts) part
    cross join lateral (select part.value ->> 'base64' as data) picture
    where part.value ->> 'type' = 'image'
)
where m.role = 'user' and m.parts @> '[{"type": "image"}]';

-- Answers what an owner's pictures take without a look at the messages.
create index messages_usage on messages (owner_id) include (bytes) where bytes > 0;
