-- The second lock on what came after it.

do $$
declare
    owned text;
begin
    foreach owned in array array[
        'openai_responses', 'openai_files', 'openai_stores', 'openai_batches'
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
