-- Embeddings that callers ask for are calls of a model too.
alter table model_calls drop constraint model_calls_purpose_check;
alter table model_calls add constraint model_calls_purpose_check
    check (purpose in ('answer', 'rewrite', 'summary', 'title', 'embedding'));
