-- A question that is asked again is asked with what it was asked with before.

alter table messages
    -- What a question was asked with beside its words: filter, collections, tools
    -- and the like. Null for answers, and for questions from before.
    add column asked_with jsonb;
