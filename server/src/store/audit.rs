//! Who looked at what at the console, and who did what there.
//!
//! Each entry carries the hash of the entry before and of itself. A changed entry, or one that was
//! taken out, shows; entries cut off at the end do not, unless somebody kept a later tip:
//! [`AuditVerdict::tip`] is for that.

use rusqlite::{OptionalExtension as _, params};
use sync_core::hub::ledger::LedgerFault;
use sync_core::ids::{Hash32, sha256};

use super::readers::Snapshot;
use super::sqlite::SqliteLedger;
use super::{fault, stored};

/// Begins what is hashed, so that no hash of another thing can pass for an entry's.
const HASH_CONTEXT: &[u8] = b"binhyen audit 1";

/// An entry to be kept. The words of a search never stand in it, only that one was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry<'a> {
    /// When, by the server's clock.
    pub time_s: i64,
    /// Which account; none when nobody was signed in, or for the command line.
    pub account: Option<u32>,
    /// What was done: `list`, `search`, `record`, `device` and the like.
    pub what: &'a str,
    /// The record, group or device it was about.
    pub about: Option<Vec<u8>>,
    /// The scope in which it was done, in words that a person can check.
    pub scope: String,
}

/// An entry that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audited {
    /// Its number, from 1 on, without gaps.
    pub number: u64,
    /// When, by the server's clock.
    pub time_s: i64,
    /// Which account.
    pub account: Option<u32>,
    /// What was done.
    pub what: String,
    /// What it was about.
    pub about: Option<Vec<u8>>,
    /// The scope in which it was done.
    pub scope: String,
}

/// What a check of all entries found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditVerdict {
    /// How many entries there are.
    pub count: u64,
    /// The hash of the last one, zeros when there is none.
    pub tip: Hash32,
    /// The first number at which an entry is missing, changed or out of place.
    pub broken_at: Option<u64>,
}

#[expect(
    clippy::needless_pass_by_ref_mut,
    reason = "a write takes the transaction for itself, although SQLite would let it be shared"
)]
impl SqliteLedger<'_> {
    /// Keeps an entry and gives its number. It is on the disk when the transaction is; a page may
    /// leave the server only then.
    ///
    /// # Errors
    /// [`LedgerFault`].
    pub fn audit(&mut self, entry: &AuditEntry<'_>) -> Result<u64, LedgerFault> {
        let last = || -> rusqlite::Result<Option<(i64, [u8; 32])>> {
            self.connection
                .prepare_cached("select number, hash from audit order by number desc limit 1")?
                .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
        };
        let (last, before) = last().map_err(fault)?.unwrap_or_default();
        let audited = Audited {
            number: last.unsigned_abs().saturating_add(1),
            time_s: entry.time_s,
            account: entry.account,
            what: entry.what.to_owned(),
            about: entry.about.clone(),
            scope: entry.scope.clone(),
        };
        let number = stored(audited.number)?;
        let hash = audited.hash_after(&Hash32(before));
        let write = || -> rusqlite::Result<usize> {
            self.connection
                .prepare_cached(
                    "insert into audit (number, time_s, account, what, about, scope, hash)
                     values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    number,
                    audited.time_s,
                    audited.account,
                    audited.what,
                    audited.about,
                    audited.scope,
                    hash.0
                ])
        };
        write().map_err(fault)?;
        Ok(audited.number)
    }
}

impl Snapshot<'_> {
    /// Up to `limit` entries with a number below `before`, newest first.
    ///
    /// # Errors
    /// [`LedgerFault`].
    pub fn audited(&self, before: Option<u64>, limit: u32) -> Result<Vec<Audited>, LedgerFault> {
        let before = before.map_or(Ok(i64::MAX), stored)?;
        let read = || -> rusqlite::Result<Vec<Audited>> {
            let mut statement = self.connection.prepare_cached(
                "select number, time_s, account, what, about, scope from audit
                 where number < ?1 order by number desc limit ?2",
            )?;
            let rows = statement.query_map(params![before, limit], audited_of)?;
            rows.collect()
        };
        read().map_err(fault)
    }

    /// Computes every hash again, from the first entry on.
    ///
    /// # Errors
    /// [`LedgerFault`].
    pub fn verify_audit(&self) -> Result<AuditVerdict, LedgerFault> {
        let read = || -> rusqlite::Result<AuditVerdict> {
            let mut statement = self.connection.prepare_cached(
                "select number, time_s, account, what, about, scope, hash from audit
                 order by number",
            )?;
            let mut rows = statement.query([])?;
            let mut verdict = AuditVerdict {
                count: 0,
                tip: Hash32::default(),
                broken_at: None,
            };
            while let Some(row) = rows.next()? {
                let entry = audited_of(row)?;
                let kept = Hash32(row.get(6)?);
                verdict.count = verdict.count.saturating_add(1);
                let is_sound =
                    entry.number == verdict.count && entry.hash_after(&verdict.tip) == kept;
                if !is_sound && verdict.broken_at.is_none() {
                    verdict.broken_at = Some(verdict.count);
                }
                verdict.tip = kept;
            }
            Ok(verdict)
        };
        read().map_err(fault)
    }
}

impl Audited {
    /// SHA-256 of the context, the hash before and every field, each with its length before it.
    fn hash_after(&self, before: &Hash32) -> Hash32 {
        let number = self.number.to_be_bytes();
        let time = self.time_s.to_be_bytes();
        let account = self.account.map(u32::to_be_bytes);
        let fields: [Option<&[u8]>; 6] = [
            Some(&number),
            Some(&time),
            account.as_ref().map(<[u8; 4]>::as_slice),
            Some(self.what.as_bytes()),
            self.about.as_deref(),
            Some(self.scope.as_bytes()),
        ];
        let mut bytes = [HASH_CONTEXT, &before.0].concat();
        for field in fields {
            // An absent field has a length that no present one can have.
            let length = field.map_or(u64::MAX, |field| {
                u64::try_from(field.len()).unwrap_or(u64::MAX)
            });
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(field.unwrap_or_default());
        }
        sha256(&bytes)
    }
}

fn audited_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Audited> {
    Ok(Audited {
        number: row.get::<_, i64>(0)?.unsigned_abs(),
        time_s: row.get(1)?,
        account: row.get(2)?,
        what: row.get(3)?,
        about: row.get(4)?,
        scope: row.get(5)?,
    })
}
