-- The words of a record are indexed with marks of its commune, group, area and type, so that a search
-- in a commune meets only what is there. No mark can be made of what was indexed before, because
-- the index keeps no text: all that follows from the log goes, and is built again when the server
-- starts.
insert into record_words (record_words) values ('delete-all');
delete from record_row;
delete from derived;
