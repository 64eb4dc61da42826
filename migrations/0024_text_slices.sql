-- A slice of a `text` is read by walking to it from the beginning, for where a character
-- lies is known by no other way: a passage far into a long document cost as much as the
-- whole of it. Kept as bytes, with the place of every 4,096th character, a slice costs
-- what is sliced.

-- Bytes before code points 0, 4096, 8192 and so on; null where each is one byte.
alter table revisions add column text_starts integer[];

update revisions r
set text_starts = (
    select array_agg(at::integer order by place)
    from (
        select place, sum(octet_length(piece)) over (order by place) - octet_length(piece) as at
        from (
            select far.at + near.at as place, substr(far.piece, near.at + 1, 4096) as piece
            -- In two steps, since each piece is walked to from the beginning here too.
            from (
                select at, substr(r.text, at + 1, 262144) as piece
                from generate_series(0, r.text_length - 1, 262144) as at
                offset 0
            ) far
            cross join generate_series(0, length(far.piece) - 1, 4096) as near (at)
        ) pieces
    ) placed
)
where octet_length(text) <> text_length;

alter table revisions
    alter column text type bytea using convert_to(text, 'UTF8'),
    alter column text set storage external;

-- The code points `[first, first + length)` of a revision's text, as far as there are any.
create function text_slice(bytes bytea, starts integer[], first integer, length integer)
returns text language sql stable parallel safe as $$
    select case
        when starts is null then convert_from(substr(bytes, first + 1, length), 'UTF8')
        else substr(
            convert_from(
                substr(
                    bytes,
                    coalesce(starts[first / 4096 + 1], octet_length(bytes)) + 1,
                    coalesce(starts[((first::bigint + length) / 4096)::integer + 2], octet_length(bytes))
                        - coalesce(starts[first / 4096 + 1], octet_length(bytes))
                ),
                'UTF8'
            ),
            first % 4096 + 1,
            length
        )
    end
$$;
