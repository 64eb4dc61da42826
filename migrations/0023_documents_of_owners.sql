-- A document lies in a collection of its owner's. Row-level security binds no foreign
-- key: without this, who could write a row could put it into anybody's collection,
-- whose members would read it.
alter table documents
    drop constraint documents_collection_id_fkey,
    add constraint documents_collection_of_owner
        foreign key (collection_id, owner_id) references collections (id, owner_id) on delete cascade;
