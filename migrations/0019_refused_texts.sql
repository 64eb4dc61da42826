-- A text that the provider of a new model refuses does not stop the building of
-- its generation.
alter table generation_revisions
    -- Ordinals of the chunks that it refused: they are found there by their words,
    -- and have no vector, whatever `vectors` and `complete` say.
    add column refused integer[] not null default '{}',
    -- Why it refused one of them, in its words.
    add column refusal text;
