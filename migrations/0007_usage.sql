-- What owners have, for quotas. Documents and bytes are counted from the rows;
-- pages and chunks stand beside them, for counting those takes longer.

alter table documents
    -- Of the revision that queries see.
    add column pages integer not null default 0,
    add column chunks integer not null default 0;
update documents d
set pages = coalesce(jsonb_array_length(r.map -> 'pages'), 0),
    chunks = (select count(*) from chunks c where c.revision_id = r.id)
from revisions r
where r.id = d.revision_id;

-- Answers what an owner has without a look at the rows themselves.
create index documents_usage on documents (owner_id) include (source_bytes, pages, chunks) where deleted_at is null;

-- Web pages that the service fetched for an owner, on the last day that it did.
create table fetches (
    owner_id uuid primary key references users (id) on delete cascade,
    -- In UTC.
    day date not null,
    fetched bigint not null
);
