-- The log's tables of bytes. Two tables, not one and not eighteen: emptying the derived one for a
-- rebuild frees its pages at once instead of row by row, a look at the file shows what is truth,
-- and one statement serves all tables of a kind. `t` is the table number of the core.
create table truth (
    t integer not null,
    k blob not null,
    v blob not null,
    primary key (t, k)
) strict, without rowid;

-- What can be computed again from `truth`.
create table derived (
    t integer not null,
    k blob not null,
    v blob not null,
    primary key (t, k)
) strict, without rowid;
