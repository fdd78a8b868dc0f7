-- Accounts of the console. They are never deleted and no number is used twice: the log names them.
create table account (
    number integer primary key autoincrement,
    name text not null,
    -- without accents and capitals, so that no two accounts look alike
    folded text not null unique,
    password_hash text not null,
    role integer not null,
    area blob not null check (length(area) = 16),
    active integer not null,
    -- failed sign-ins in a row
    failures integer not null default 0,
    -- no sign-in is tried before this time
    not_before_s integer not null default 0,
    last_sign_in_s integer
) strict;

create table session (
    token_hash blob not null primary key check (length(token_hash) = 32),
    account integer not null references account (number),
    csrf blob not null check (length(csrf) = 16),
    opened_s integer not null,
    expires_s integer not null
) strict, without rowid;

create index session_account on session (account);
create index session_expires on session (expires_s);

-- Who read or did what at the console. Each row holds the hash of the row before and of itself.
create table audit (
    number integer not null primary key,
    time_s integer not null,
    -- null: nobody was signed in, or the command line
    account integer references account (number),
    what text not null,
    about blob,
    scope text not null,
    hash blob not null check (length(hash) = 32)
) strict;

create trigger audit_keeps_rows before delete on audit
begin
    select raise(abort, 'audit entries are never removed');
end;

create trigger audit_keeps_words before update on audit
begin
    select raise(abort, 'audit entries are never changed');
end;
