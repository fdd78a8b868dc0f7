//! Lists of records.

use std::collections::BTreeMap;

use sync_core::hub::facts;
use sync_core::hub::ledger::LedgerFault;
use sync_core::ids::GroupId;
use sync_core::vocabulary::Lane;

use super::units::place_of;
use super::{AreaNames, OfficeDesk};
use crate::http::console::desk::{
    DeskError, ListFilter, ListPage, ListRow, ListRows, Officer, PageKey, RoundedRow,
};
use crate::store::{ListQuery, Page, RoundedCount, Scope, Snapshot, UnitRows};

/// Rows on a page.
const PAGE_ROWS: u32 = 50;

impl OfficeDesk {
    pub(super) fn list_page(
        &self,
        officer: &Officer,
        filter: &ListFilter,
    ) -> Result<ListPage, DeskError> {
        let scope = self.scope(officer)?;
        if !scope.lanes.contains(&filter.lane) {
            return Err(DeskError::NotAllowed);
        }
        let what = if filter.search.is_some() {
            "search"
        } else {
            "list"
        };
        let detail = format!("lane {}", filter.lane.id());
        self.audit(officer, what, None, &detail)?;
        if scope.rounded.contains(&filter.lane) {
            self.rounded_page(scope, filter)
        } else {
            self.full_page(&scope, filter)
        }
    }

    fn full_page(&self, scope: &Scope, filter: &ListFilter) -> Result<ListPage, DeskError> {
        if filter.search.is_some() && filter.lane != Lane::Open {
            return Err(DeskError::Invalid);
        }
        let before = match &filter.page {
            None => None,
            Some(key) => Some(key.as_str().parse().map_err(|_other| DeskError::Invalid)?),
        };
        let page = self.read(|snapshot| {
            let (area, commune, units) = place_of(snapshot, filter.placed)?;
            let query = ListQuery {
                group: filter.group,
                area,
                commune,
                units,
                record_type: filter.record_type,
                state: filter.state,
                lane: Some(filter.lane),
                from_day: filter.from_day,
                until_day: filter.to_day.map(|day| day.saturating_add(1)),
                search: filter.search.as_ref().map(|search| search.query().clone()),
                before,
                limit: PAGE_ROWS,
                ..ListQuery::default()
            };
            let page = snapshot.list(scope, &query)?;
            let rows = full_rows(snapshot, &page)?;
            Ok((rows, page.next))
        })?;
        Ok(ListPage {
            rows: ListRows::Full(page.0),
            older: page.1.and_then(|next| PageKey::new(&next.to_string())),
        })
    }

    /// Rows by day: within a day nothing tells which came first. A page begins at a day, after as
    /// many rows of it as the page before showed.
    fn rounded_page(&self, mut scope: Scope, filter: &ListFilter) -> Result<ListPage, DeskError> {
        if filter.group.is_some() || filter.state.is_some() || filter.search.is_some() {
            return Err(DeskError::Invalid);
        }
        scope.lanes = vec![filter.lane];
        scope.rounded = vec![filter.lane];
        let begin = match &filter.page {
            None => None,
            Some(key) => Some(read_day_key(key).ok_or(DeskError::Invalid)?),
        };
        let last = filter.to_day.unwrap_or(i32::MAX - 1);
        let last = begin.map_or(last, |(day, _)| day.min(last));
        let (from, until) = (filter.from_day.unwrap_or(i32::MIN), last.saturating_add(1));
        let mut skip = begin
            .filter(|(day, _)| *day == last)
            .map_or(0, |(_, skip)| skip);
        let wanted = usize::try_from(PAGE_ROWS).unwrap_or(usize::MAX);
        self.read(|snapshot| {
            let (hamlet, commune, units) = place_of(snapshot, filter.placed)?;
            let mut names = AreaNames::new(snapshot);
            let (mut rows, mut older) = (Vec::new(), None);
            let mut shown_of: (i32, u64) = (last, skip);
            let mut walk = RoundedWalk::new(from, until);
            while let Some(count) = walk.next(snapshot, &scope, units.as_ref())? {
                let fits = hamlet.is_none()
                    && commune.is_none_or(|commune| commune == count.commune)
                    && filter
                        .record_type
                        .is_none_or(|kind| kind == count.record_type);
                if !fits {
                    continue;
                }
                if shown_of.0 != count.day {
                    shown_of = (count.day, 0);
                }
                for _one in 0..count.count {
                    if skip > 0 && count.day == last {
                        skip = skip.saturating_sub(1);
                        continue;
                    }
                    if rows.len() == wanted {
                        older = older.or_else(|| day_key(shown_of.0, shown_of.1));
                        break;
                    }
                    rows.push(RoundedRow {
                        day: count.day,
                        commune_name: names.of(count.commune)?,
                        record_type: count.record_type,
                    });
                    shown_of.1 = shown_of.1.saturating_add(1);
                }
                if older.is_some() {
                    break;
                }
            }
            Ok(ListPage {
                rows: ListRows::Rounded(rows),
                older,
            })
        })
    }
}

/// Rounded counts from the newest day on, some days at a time: a page shows a few days of years.
struct RoundedWalk {
    from: i32,
    /// Days from here on were read.
    until: i32,
    days: i32,
    counts: std::vec::IntoIter<RoundedCount>,
}

/// Days that are read first; where nothing is, the next step is longer.
const ROUNDED_DAYS_FIRST: i32 = 4;
const ROUNDED_DAYS_GROW: i32 = 4;

impl RoundedWalk {
    fn new(from: i32, until: i32) -> Self {
        Self {
            from,
            until,
            days: ROUNDED_DAYS_FIRST,
            counts: Vec::new().into_iter(),
        }
    }

    fn next(
        &mut self,
        snapshot: &Snapshot<'_>,
        scope: &Scope,
        units: Option<&UnitRows>,
    ) -> Result<Option<RoundedCount>, LedgerFault> {
        loop {
            if let Some(count) = self.counts.next() {
                return Ok(Some(count));
            }
            if self.until <= self.from {
                return Ok(None);
            }
            let Some(newest) = snapshot.newest_rounded_day(scope, self.until)? else {
                return Ok(None);
            };
            self.until = newest.saturating_add(1);
            let from = self.until.saturating_sub(self.days).max(self.from);
            self.counts = snapshot
                .rounded_list(scope, from, self.until, units)?
                .into_iter();
            self.until = from;
            self.days = self.days.saturating_mul(ROUNDED_DAYS_GROW);
        }
    }
}

fn full_rows(snapshot: &Snapshot<'_>, page: &Page) -> Result<Vec<ListRow>, LedgerFault> {
    let mut names = AreaNames::new(snapshot);
    let mut groups: BTreeMap<GroupId, String> = BTreeMap::new();
    let mut rows = Vec::new();
    for row in &page.rows {
        let group_name = match groups.get(&row.group) {
            Some(name) => name.clone(),
            None => {
                let found = facts::group(snapshot, row.group)?;
                let name = found.map_or_else(|| row.group.to_string(), |group| group.name);
                groups.insert(row.group, name.clone());
                name
            }
        };
        rows.push(ListRow {
            record: row.record,
            record_type: row.record_type,
            group_name,
            area_name: names.of(row.area)?,
            day: row.day,
            state: row.state,
            withdrawn: row.withdrawn,
            rivals: row.rivals,
            unanswered: row.unanswered,
            received_at_s: row.received_at,
            headline: row.headline.clone(),
        });
    }
    Ok(rows)
}

/// A day and how many rows of it were shown: nothing of the log.
fn day_key(day: i32, shown: u64) -> Option<PageKey> {
    PageKey::new(&format!("{day}.{shown}"))
}

fn read_day_key(key: &PageKey) -> Option<(i32, u64)> {
    let (day, shown) = key.as_str().split_once('.')?;
    Some((day.parse().ok()?, shown.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_days_comes_back() {
        for (day, shown) in [(0, 0), (-3, 7), (20_000, 50)] {
            let key = day_key(day, shown).unwrap();
            assert_eq!(read_day_key(&key), Some((day, shown)));
        }
        for other in ["", "12", "a.b", "1.-1"] {
            assert!(
                PageKey::new(other)
                    .and_then(|key| read_day_key(&key))
                    .is_none()
            );
        }
    }
}
