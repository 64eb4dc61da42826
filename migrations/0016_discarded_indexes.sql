-- Indexes that were discarded and that nobody has removed yet. They are recorded
-- with the commit that forgets their generation: a process that ends then leaves
-- no collection on a server that nobody knows of.

create table discarded_indexes (
    -- What the name of the index's folder or collection ends with.
    suffix text primary key,
    -- When it may be removed: some may not have heard, or somebody is at it.
    due_at timestamptz not null
);

-- Of the service as a whole, as the generations.
alter table discarded_indexes enable row level security;
create policy everybodys on discarded_indexes for select to footnote_app using (true);
