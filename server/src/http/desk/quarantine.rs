//! The quarantine desk, answered from the log. Only who decides in a lane finds its rows here, and
//! words are read for those alone, of what can be admitted.

use std::collections::BTreeMap;

use sync_core::act::ACCOUNT_PART;
use sync_core::change::{Act, ChangeRef, FullChange};
use sync_core::hub::facts::{self, Entry};
use sync_core::hub::ledger::{LedgerFault, View};
use sync_core::hub::quarantine::{self, Admission, PROPOSAL_OPEN_S};
use sync_core::hub::{Admitting, Refusal};
use sync_core::ids::{AreaRef, Hash32, Logbook};
use sync_core::log::AsideReason;
use sync_core::record::Record;
use sync_core::value::AUTHOR_KEY;
use sync_core::view::RecordView;
use sync_core::vocabulary::Lane;

use super::devices::member_names;
use super::record::{Page, unmoved_below};
use super::{AreaNames, OfficeDesk, group_in};
use crate::http::console::desk::{
    ActBy, AdmitInput, AsideRow, Author, Cause, DeskError, HeldPage, HeldSaid, Officer, PageKey,
    ProposalRow, QuarantinePage, ValueText,
};
use crate::store::{ScopeArea, Snapshot};
use crate::{hex, now_s};

/// Rows of one page.
const PAGE_ROWS: usize = 50;
/// Rows that are looked at for one page: most may be of other communes. The next page goes on where
/// this one ended.
const SEEN_MAX: usize = 1_000;
/// Rows read at once.
const READ_ROWS: usize = 100;

/// Who asks, how far they see, and when.
struct Sight {
    area: ScopeArea,
    lanes: Vec<Lane>,
    account: u32,
    now_s: i64,
}

/// The log as somebody may see it.
struct Reading<'a, 'b> {
    snapshot: &'a Snapshot<'b>,
    sight: &'a Sight,
}

impl OfficeDesk {
    /// What an officer sees: the own area, and the lanes in which they decide, and so may admit.
    fn sight(&self, officer: &Officer) -> Result<Sight, DeskError> {
        let decides = |lane: &Lane| officer.decides(self.vocabulary(), *lane);
        let lanes: Vec<Lane> = Lane::ALL.into_iter().filter(decides).collect();
        if lanes.is_empty() {
            return Err(DeskError::NotAllowed);
        }
        Ok(Sight {
            area: self.scope(officer)?.area,
            lanes,
            account: officer.account,
            now_s: now_s(),
        })
    }

    pub(super) fn quarantine_page(
        &self,
        officer: &Officer,
        cause: Cause,
        page: Option<&PageKey>,
    ) -> Result<QuarantinePage, DeskError> {
        let sight = self.sight(officer)?;
        let from = match (cause, page) {
            (_, None) => From::Begin,
            (Cause::Forked, Some(key)) => From::After(hex_bytes(key.as_str())?),
            (_, Some(key)) => {
                From::Below(key.as_str().parse().map_err(|_other| DeskError::Invalid)?)
            }
        };
        self.audit(officer, "quarantine", None, cause.id())?;
        self.read(|snapshot| {
            let sight = &sight;
            let reading = Reading { snapshot, sight };
            match from {
                From::After(key) => reading.forks(Some(key)),
                From::Begin if cause == Cause::Forked => reading.forks(None),
                From::Begin => reading.asides(cause, u64::MAX),
                From::Below(index) => reading.asides(cause, index),
            }
        })
    }

    pub(super) fn held_page(
        &self,
        officer: &Officer,
        at: ChangeRef,
    ) -> Result<Option<HeldPage>, DeskError> {
        let sight = self.sight(officer)?;
        self.audit(
            officer,
            "held",
            Some(at.chain.as_bytes()),
            &at.seq.to_string(),
        )?;
        self.read(|snapshot| {
            let sight = &sight;
            self.held(&Reading { snapshot, sight }, at)
        })
    }

    fn held(
        &self,
        reading: &Reading<'_, '_>,
        at: ChangeRef,
    ) -> Result<Option<HeldPage>, LedgerFault> {
        let snapshot = reading.snapshot;
        let Some(place) = facts::place(snapshot, at)? else {
            return Ok(None);
        };
        let (Some(reason), Some(entry)) = (place.aside, facts::entry(snapshot, place.index)?)
        else {
            return Ok(None);
        };
        let Some(row) = reading.row(&entry)? else {
            return Ok(None);
        };
        if !quarantine::is_admissible(reason) {
            return Ok(None);
        }
        let Some(logbook) = entry.leaf.feed.logbook() else {
            return Ok(None);
        };
        let said = match self.office.hub().admissible(snapshot, at, &place.hash) {
            Ok((_, full)) => self.words(snapshot, logbook, &entry, &full)?,
            Err(Refusal::Store(fault)) => return Err(fault),
            Err(Refusal::StaysAside(reason)) => HeldSaid::Stays(reason),
            Err(_gone) => HeldSaid::Gone,
        };
        Ok(Some(HeldPage {
            row,
            hash: place.hash,
            said,
        }))
    }

    /// What would stand in the record, by this change alone.
    fn words(
        &self,
        snapshot: &Snapshot<'_>,
        logbook: Logbook,
        entry: &Entry,
        full: &FullChange,
    ) -> Result<HeldSaid, LedgerFault> {
        let (vocabulary, at) = (self.vocabulary(), full.change.at);
        let merged = match full.change.act {
            Act::Create { .. } => Record::create(full.clone()).ok(),
            Act::Edit => facts::record(snapshot, full.change.record)?
                .and_then(|(_, mut record)| record.apply(full.clone()).is_ok().then_some(record)),
        };
        let Some(record) = merged else {
            return Ok(HeldSaid::Stays(AsideReason::UnknownHead));
        };
        let view = RecordView::of(&record, vocabulary, logbook.lane);
        let page = Page {
            vocabulary,
            names: member_names(snapshot, logbook.group)?,
            placed: BTreeMap::from([(at, (entry.index, entry.leaf.admitted_at))]),
            unmoved: unmoved_below(&facts::log_state(snapshot)?),
        };
        let mut names = AreaNames::new(snapshot);
        let mut values: Vec<(String, Option<ValueText>)> = Vec::new();
        for field in &view.fields {
            let told = core::iter::once(&field.value).chain(&field.rivals);
            for told in told.filter(|told| told.by == at && field.key != AUTHOR_KEY) {
                values.push((field.label.clone(), page.value(&mut names, field, told)?));
            }
        }
        let group = facts::group(snapshot, logbook.group)?;
        let home = group.map_or(AreaRef::default(), |group| group.area);
        let member = match full.value(AUTHOR_KEY) {
            Some(sync_core::value::Value::Number(member)) => u16::try_from(*member).ok(),
            Some(_) | None => None,
        };
        Ok(HeldSaid::Words {
            record_type: record.record_type(),
            edits: matches!(full.change.act, Act::Edit).then_some(full.change.record),
            area_name: names.of(view.area.unwrap_or(home))?,
            author: Author {
                member,
                name: member.and_then(|number| page.names.get(&number).cloned()),
                device: full.change.device,
            },
            clock: page.clock(snapshot, at, full.change.clock_s, full.change.seen)?,
            values,
        })
    }

    pub(super) fn decide_held(
        &self,
        officer: &Officer,
        input: &AdmitInput,
    ) -> Result<Admitting, DeskError> {
        let sight = self.sight(officer)?;
        let AdmitInput {
            at,
            hash,
            seen_proposal,
        } = *input;
        self.audit(
            officer,
            "admit",
            Some(at.chain.as_bytes()),
            &at.seq.to_string(),
        )?;
        let done = self.office.act_as(
            officer.account,
            &officer.name,
            move |hub, ledger, acting| {
                if !is_decided_here(ledger, sight.area, &sight.lanes, at)? {
                    return Err(Refusal::NoChange);
                }
                let (_, _) = hub.admissible(ledger, at, &hash)?;
                let known = quarantine::admission(ledger, at, &hash)?;
                let open = known.filter(|known| known.is_open(acting.now_s));
                // another officer proposed, or a proposal lapsed, since the page was read
                if open.map(|open| open.proposed_at) != seen_proposal {
                    return Ok(Err(DeskError::Stale));
                }
                Ok(Ok(hub.admit(ledger, acting, at, &hash)?))
            },
        );
        done?
    }
}

/// Where a page begins.
enum From {
    Begin,
    Below(u64),
    After(Vec<u8>),
}

/// Whether a change stands in the scope, in one of these lanes. Outside it, nothing exists.
fn is_decided_here(
    view: &impl View,
    area: ScopeArea,
    lanes: &[Lane],
    at: ChangeRef,
) -> Result<bool, LedgerFault> {
    let Some(place) = facts::place(view, at)? else {
        return Ok(false);
    };
    let Some(entry) = facts::entry(view, place.index)? else {
        return Ok(false);
    };
    let Some(logbook) = entry.leaf.feed.logbook() else {
        return Ok(false);
    };
    Ok(lanes.contains(&logbook.lane) && group_in(view, area, logbook.group)?.is_some())
}

impl Reading<'_, '_> {
    fn asides(&self, cause: Cause, mut below: u64) -> Result<QuarantinePage, LedgerFault> {
        let (mut rows, mut seen) = (Vec::new(), 0);
        loop {
            let found = quarantine::asides(self.snapshot, below, READ_ROWS)?;
            let ended = found.len() < READ_ROWS;
            for (index, _) in found {
                if rows.len() == PAGE_ROWS || seen == SEEN_MAX {
                    return Ok(QuarantinePage {
                        rows,
                        older: PageKey::new(&below.to_string()),
                    });
                }
                (below, seen) = (index, seen + 1);
                let Some(entry) = facts::entry(self.snapshot, index)? else {
                    continue;
                };
                let is_of = |reason| Cause::of(reason) == cause;
                if entry.aside.is_some_and(|(_, reason)| is_of(reason)) {
                    rows.extend(self.row(&entry)?);
                }
            }
            if ended {
                return Ok(QuarantinePage { rows, older: None });
            }
        }
    }

    fn forks(&self, mut after: Option<Vec<u8>>) -> Result<QuarantinePage, LedgerFault> {
        let (mut rows, mut seen) = (Vec::new(), 0);
        loop {
            let found = quarantine::forks(self.snapshot, after.as_deref(), READ_ROWS)?;
            let ended = found.len() < READ_ROWS;
            for (key, full) in found {
                if rows.len() == PAGE_ROWS || seen == SEEN_MAX {
                    let key = after.as_deref().map(hex).unwrap_or_default();
                    return Ok(QuarantinePage {
                        rows,
                        older: PageKey::new(&key),
                    });
                }
                (after, seen) = (Some(key), seen + 1);
                let chain = facts::chain(self.snapshot, full.change.at.chain)?;
                let logbook = chain.and_then(|chain| chain.logbook);
                let Some((group_name, lane)) = self.known(logbook)? else {
                    continue;
                };
                rows.push(AsideRow {
                    at: full.change.at,
                    group_name,
                    lane,
                    device: full.change.device,
                    arrived_s: None,
                    reason: None,
                    is_admissible: false,
                    proposal: None,
                });
            }
            if ended {
                return Ok(QuarantinePage { rows, older: None });
            }
        }
    }

    /// Name of the group and lane, where the officer decides in it.
    fn known(&self, logbook: Option<Logbook>) -> Result<Option<(String, Lane)>, LedgerFault> {
        let Some(logbook) = logbook.filter(|logbook| self.sight.lanes.contains(&logbook.lane))
        else {
            return Ok(None);
        };
        let group = group_in(self.snapshot, self.sight.area, logbook.group)?;
        Ok(group.map(|group| (group.name, logbook.lane)))
    }

    /// The row of an Aside, where the officer decides in its lane.
    fn row(&self, entry: &Entry) -> Result<Option<AsideRow>, LedgerFault> {
        let Some((hash, reason)) = entry.aside else {
            return Ok(None);
        };
        let Some((group_name, lane)) = self.known(entry.leaf.feed.logbook())? else {
            return Ok(None);
        };
        Ok(Some(AsideRow {
            at: entry.leaf.at,
            group_name,
            lane,
            device: entry.writer,
            arrived_s: Some(entry.leaf.admitted_at),
            reason: Some(reason),
            is_admissible: quarantine::is_admissible(reason),
            proposal: self.proposal(entry.leaf.at, &hash)?,
        }))
    }

    fn proposal(&self, at: ChangeRef, hash: &Hash32) -> Result<Option<ProposalRow>, LedgerFault> {
        let known = quarantine::admission(self.snapshot, at, hash)?;
        let Some(open) = known.filter(|known: &Admission| known.is_open(self.sight.now_s)) else {
            return Ok(None);
        };
        let act = facts::full_act(self.snapshot, open.proposed_at)?;
        let name = act.and_then(|act| act.words(ACCOUNT_PART).map(str::to_owned));
        Ok(Some(ProposalRow {
            by: match open.proposer {
                0 => ActBy::CommandLine,
                number => ActBy::Account { number, name },
            },
            index: open.proposed_at,
            time_s: open.proposed_s,
            until_s: open.proposed_s.saturating_add(PROPOSAL_OPEN_S),
            is_to_confirm: open.is_confirmed_by(self.sight.account),
        }))
    }
}

fn hex_bytes(text: &str) -> Result<Vec<u8>, DeskError> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let byte = |pair: &[u8]| {
        let [high, low] = pair else {
            return None;
        };
        u8::try_from(digit(high)? * 16 + digit(low)?).ok()
    };
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
    bytes.ok_or(DeskError::Invalid)
}
