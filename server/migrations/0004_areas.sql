-- Provinces, communes and hamlets, as they stood during some time.
create table area (
    id blob not null primary key check (length(id) = 16),
    -- the Vietnamese word of the kind
    kind text not null,
    -- 0 province, 1 commune, 2 hamlet
    level integer not null,
    name text not null,
    -- without accents and capitals
    folded text not null,
    parent blob check (length(parent) = 16),
    -- yyyy-mm-dd
    valid_from text not null,
    -- first day on which it no longer is; null while it is
    valid_to text,
    code text,
    decision_no text
) strict, without rowid;

create index area_parent on area (parent, folded);
