-- What tells whether a source still holds what was read of it: an ETag, a
-- blob's id, a file's size and time. As the source writes it; compared as a
-- whole.
alter table documents add column source_version text;
