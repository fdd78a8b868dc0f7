-- The console's rows. `first`, the index of the creating entry, is the rowid: it is unique, it is
-- the order of every list, and each index below ends with it by itself, so that a page is one
-- walk down an index.
create table record_row (
    first integer not null primary key,
    record blob not null unique check (length(record) = 16),
    group_id blob not null check (length(group_id) = 16),
    lane integer not null,
    record_type integer not null,
    area blob not null check (length(area) = 16),
    commune blob not null check (length(commune) = 16),
    device blob not null check (length(device) = 8),
    -- null: erased
    member integer,
    day integer not null,
    state integer not null,
    withdrawn integer not null,
    rivals integer not null,
    unanswered integer not null,
    newest integer not null,
    received_at integer not null,
    -- empty in closed lanes
    headline text not null
) strict;

create index record_row_group on record_row (group_id);
create index record_row_commune on record_row (commune);
create index record_row_area on record_row (area);
create index record_row_type on record_row (record_type);
create index record_row_state on record_row (state);
-- covers the counts
create index record_row_day on record_row (day, commune, lane, withdrawn, record_type);
create index record_row_commune_day on record_row (commune, day, lane, withdrawn, record_type);
create index record_row_closed on record_row (lane) where lane <> 1;
create index record_row_unanswered on record_row (unanswered) where unanswered = 1;
create index record_row_rivals on record_row (rivals) where rivals = 1;

-- The words of the open lane, folded before they come here. The rowid is `first`. Contentless:
-- the text itself is in no row. Without `contentless_delete` nothing could be removed.
create virtual table record_words using fts5(
    words,
    content = '',
    contentless_delete = 1,
    tokenize = 'unicode61 remove_diacritics 2'
);
