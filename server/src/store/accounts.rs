//! Accounts of the console and their sessions.

use std::fmt;

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};
use sync_core::hub::ledger::LedgerFault;
use sync_core::ids::AreaRef;
use sync_core::text::fold;

use super::fault;
use super::readers::Snapshot;
use super::sqlite::SqliteLedger;

/// What [`LedgerFault::Failed`] says when an account of that name exists.
pub const NAME_TAKEN: &str = "an account of this name exists; choose another name";

/// Somebody who may sign in at the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its number; no number is used twice.
    pub number: u32,
    /// Its name, as entered.
    pub name: String,
    /// Its role, as the server numbers roles.
    pub role: u16,
    /// The area it works for.
    pub area: AreaRef,
    /// Whether it may sign in.
    pub active: bool,
}

/// What is needed to sign somebody in.
#[derive(Clone, PartialEq, Eq)]
pub struct SignIn {
    /// The account.
    pub account: Account,
    /// Its password hash.
    pub password_hash: String,
    /// Failed tries in a row.
    pub failures: u32,
    /// No try is looked at before this time.
    pub not_before_s: i64,
}

/// Without the hash: what is printed ends in logs.
impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn")
            .field("account", &self.account)
            .field("failures", &self.failures)
            .field("not_before_s", &self.not_before_s)
            .finish_non_exhaustive()
    }
}

/// A browser that is signed in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Number of the account.
    pub account: u32,
    /// What every form of this session must carry.
    pub csrf: [u8; 16],
    /// From this time on it is none.
    pub expires_s: i64,
}

/// Without the form secret.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("account", &self.account)
            .field("expires_s", &self.expires_s)
            .finish_non_exhaustive()
    }
}

#[expect(
    clippy::needless_pass_by_ref_mut,
    reason = "a write takes the transaction for itself, although SQLite would let it be shared"
)]
impl SqliteLedger<'_> {
    /// Adds an account, which may sign in at once, and gives its number. Names are compared
    /// without accents and capitals, so that no two look alike.
    ///
    /// # Errors
    /// [`LedgerFault::Failed`] with [`NAME_TAKEN`], or another [`LedgerFault`].
    pub fn add_account(
        &mut self,
        name: &str,
        password_hash: &str,
        role: u16,
        area: AreaRef,
    ) -> Result<u32, LedgerFault> {
        let added = || -> rusqlite::Result<u32> {
            self.connection
                .prepare_cached(
                    "insert into account (name, folded, password_hash, role, area, active)
                     values (?1, ?2, ?3, ?4, ?5, 1) returning number",
                )?
                .query_row(
                    params![name.trim(), folded(name), password_hash, role, area.0],
                    |row| row.get(0),
                )
        };
        added().map_err(|error| {
            if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) {
                LedgerFault::Failed(NAME_TAKEN.to_owned())
            } else {
                fault(error)
            }
        })
    }

    /// Lets an account sign in, or not. Either way its sessions end.
    ///
    /// # Errors
    /// [`LedgerFault::Failed`] when there is no such account, or another [`LedgerFault`].
    pub fn set_account_active(&mut self, number: u32, active: bool) -> Result<(), LedgerFault> {
        self.change_account(
            "update account set active = ?2 where number = ?1",
            params![number, active],
            number,
        )?;
        self.end_sessions(number)
    }

    /// Changes an account's password, forgets its failed tries and ends its sessions.
    ///
    /// # Errors
    /// [`LedgerFault::Failed`] when there is no such account, or another [`LedgerFault`].
    pub fn set_password(&mut self, number: u32, password_hash: &str) -> Result<(), LedgerFault> {
        self.change_account(
            "update account set password_hash = ?2, failures = 0, not_before_s = 0
             where number = ?1",
            params![number, password_hash],
            number,
        )?;
        self.end_sessions(number)
    }

    /// Keeps the outcome of a try to sign in. A failed one adds one to the failures and keeps
    /// `not_before_s`; a good one clears both.
    ///
    /// # Errors
    /// [`LedgerFault::Failed`] when there is no such account, or another [`LedgerFault`].
    pub fn note_sign_in(
        &mut self,
        number: u32,
        ok: bool,
        now_s: i64,
        not_before_s: i64,
    ) -> Result<(), LedgerFault> {
        if ok {
            self.change_account(
                "update account set failures = 0, not_before_s = 0, last_sign_in_s = ?2
                 where number = ?1",
                params![number, now_s],
                number,
            )
        } else {
            self.change_account(
                "update account set failures = min(failures + 1, 1000000), not_before_s = ?2
                 where number = ?1",
                params![number, not_before_s],
                number,
            )
        }
    }

    /// Opens a session. The store sees the token's hash only: who steals the database cannot
    /// sign in with it.
    ///
    /// # Errors
    /// [`LedgerFault::Failed`] when there is no such account, it is not active or the token was
    /// used before; or another [`LedgerFault`].
    pub fn open_session(
        &mut self,
        token_hash: [u8; 32],
        account: u32,
        csrf: [u8; 16],
        now_s: i64,
        expires_s: i64,
    ) -> Result<(), LedgerFault> {
        self.change_account(
            "insert into session (token_hash, account, csrf, opened_s, expires_s)
             select ?2, number, ?3, ?4, ?5 from account where number = ?1 and active = 1",
            params![account, token_hash, csrf, now_s, expires_s],
            account,
        )
    }

    /// Ends a session, if there is one.
    ///
    /// # Errors
    /// [`LedgerFault`].
    pub fn end_session(&mut self, token_hash: [u8; 32]) -> Result<(), LedgerFault> {
        let sql = "delete from session where token_hash = ?1";
        execute(self.connection, sql, params![token_hash])?;
        Ok(())
    }

    /// Removes the sessions that have expired, and nothing else; gives how many.
    ///
    /// # Errors
    /// [`LedgerFault`].
    pub fn prune_sessions(&mut self, now_s: i64) -> Result<usize, LedgerFault> {
        let sql = "delete from session where expires_s <= ?1";
        execute(self.connection, sql, params![now_s])
    }

    fn end_sessions(&mut self, account: u32) -> Result<(), LedgerFault> {
        let sql = "delete from session where account = ?1";
        execute(self.connection, sql, params![account])?;
        Ok(())
    }

    fn change_account(
        &mut self,
        sql: &str,
        values: &[&dyn rusqlite::ToSql],
        number: u32,
    ) -> Result<(), LedgerFault> {
        if execute(self.connection, sql, values)? == 1 {
            Ok(())
        } else {
            Err(LedgerFault::Failed(format!(
                "there is no account {number} that this can be done to"
            )))
        }
    }
}

impl Snapshot<'_> {
    /// The account of this name, compared without accents and capitals, with what is needed to
    /// sign it in; also when it is not active.
    ///
    /// # Errors
    /// [`LedgerFault`].
    pub fn account_by_name(&self, name: &str) -> Result<Option<SignIn>, LedgerFault> {
        let read = || -> rusqlite::Result<Option<SignIn>> {
            self.connection
                .prepare_cached(
                    "select number, name, role, area, active, password_hash, failures,
                     not_before_s from account where folded = ?1",
                )?
                .query_row([folded(name)], |row| {
                    Ok(SignIn {
                        account: account_of(row)?,
                        password_hash: row.get(5)?,
                        failures: row.get(6)?,
                        not_before_s: row.get(7)?,
                    })
                })
                .optional()
        };
        read().map_err(fault)
    }

    /// All accounts, by number; also those that are not active.
    ///
    /// # Errors
    /// [`LedgerFault`].
    pub fn accounts(&self) -> Result<Vec<Account>, LedgerFault> {
        let read = || -> rusqlite::Result<Vec<Account>> {
            let sql = "select number, name, role, area, active from account order by number";
            let mut statement = self.connection.prepare_cached(sql)?;
            let rows = statement.query_map([], account_of)?;
            rows.collect()
        };
        read().map_err(fault)
    }

    /// The account of this number; also when it is not active.
    ///
    /// # Errors
    /// [`LedgerFault`].
    pub fn account(&self, number: u32) -> Result<Option<Account>, LedgerFault> {
        let read = || -> rusqlite::Result<Option<Account>> {
            let sql = "select number, name, role, area, active from account where number = ?1";
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_row([number], account_of).optional()
        };
        read().map_err(fault)
    }

    /// The session with this token, if its account may still sign in. The caller compares
    /// [`Session::expires_s`] with its clock.
    ///
    /// # Errors
    /// [`LedgerFault`].
    pub fn session(&self, token_hash: [u8; 32]) -> Result<Option<Session>, LedgerFault> {
        let read = || -> rusqlite::Result<Option<Session>> {
            self.connection
                .prepare_cached(
                    "select account, csrf, expires_s from session
                     join account on account.number = session.account and account.active = 1
                     where token_hash = ?1",
                )?
                .query_row([token_hash], |row| {
                    Ok(Session {
                        account: row.get(0)?,
                        csrf: row.get(1)?,
                        expires_s: row.get(2)?,
                    })
                })
                .optional()
        };
        read().map_err(fault)
    }
}

fn account_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        number: row.get(0)?,
        name: row.get(1)?,
        role: row.get(2)?,
        area: AreaRef(row.get(3)?),
        active: row.get(4)?,
    })
}

fn folded(name: &str) -> String {
    fold(name.trim())
}

fn execute(
    connection: &Connection,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
) -> Result<usize, LedgerFault> {
    let run = || -> rusqlite::Result<usize> { connection.prepare_cached(sql)?.execute(values) };
    run().map_err(fault)
}
