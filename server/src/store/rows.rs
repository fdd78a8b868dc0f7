//! What the console lists.
//!
//! Nothing is listed without a [`Scope`]. A page is a walk down one index, newest first, and the
//! next page begins where the last one ended: never by an offset. Which index that is is written
//! here and not left to the planner, so that it does not change with what the planner guesses.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, params, params_from_iter};
use sync_core::hub::ledger::{LedgerFault, Row};
use sync_core::ids::{AreaRef, GroupId, KeyId, RecordId};
use sync_core::text::SearchQuery;
use sync_core::vocabulary::Lane;

use super::readers::Snapshot;
use super::territory::UnitRows;
use super::{fault, stored};
use crate::hex;

/// No page is longer.
pub const LIST_LIMIT_MAX: u32 = 200;
/// No rounded list is longer.
pub const ROUNDED_LIMIT_MAX: u32 = 20_000;
/// Up to so many days of a whole province are sorted; a longer range is walked by arrival.
const SORTED_DAYS_MAX: i32 = 92;

/// Where somebody may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScopeArea {
    /// All of the log.
    Province,
    /// The groups of one commune.
    Commune(AreaRef),
    /// One group.
    Group(GroupId),
}

/// Who looks: without it no query can be made, and what is outside of it is as if it were not
/// there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Where.
    pub area: ScopeArea,
    /// The lanes that are shown as they are.
    pub lanes: Vec<Lane>,
    /// The lanes of which only day, commune and type are known. A lane that is also in `lanes`
    /// counts as rounded.
    pub rounded: Vec<Lane>,
}

impl Scope {
    /// The lanes shown as they are.
    #[must_use]
    pub fn full_lanes(&self) -> Vec<Lane> {
        let full = |lane: &Lane| self.lanes.contains(lane) && !self.rounded.contains(lane);
        Lane::ALL.into_iter().filter(full).collect()
    }

    /// The lanes that may be counted.
    pub(super) fn counted_lanes(&self) -> Vec<Lane> {
        let known = |lane: &Lane| self.lanes.contains(lane) || self.rounded.contains(lane);
        Lane::ALL.into_iter().filter(known).collect()
    }
}

/// What to list. Everything that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Records of this group.
    pub group: Option<GroupId>,
    /// Records about this very area, a hamlet or a commune.
    pub area: Option<AreaRef>,
    /// Records of the groups of this commune.
    pub commune: Option<AreaRef>,
    /// Records of this unit, or of none, as they are placed through time.
    pub units: Option<UnitRows>,
    /// Records of this type.
    pub record_type: Option<u16>,
    /// Records in this state.
    pub state: Option<u16>,
    /// Records of this lane.
    pub lane: Option<Lane>,
    /// Records about this day or a later one, in days since 1970.
    pub from_day: Option<i32>,
    /// Records about an earlier day than this one.
    pub until_day: Option<i32>,
    /// Only where the group owes an answer.
    pub unanswered_only: bool,
    /// Only where some field has rivals.
    pub rivals_only: bool,
    /// Records whose words are these. Finds the open lane only.
    pub search: Option<SearchQuery>,
    /// The next page: records created before this index of the log.
    pub before: Option<u64>,
    /// Rows on the page: from 1 to [`LIST_LIMIT_MAX`], or it is brought into that range.
    pub limit: u32,
}

/// One page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Newest first. [`Row::words`] is empty: the index keeps no text.
    pub rows: Vec<Row>,
    /// What to ask as [`ListQuery::before`] for the next page, if there is one.
    pub next: Option<u64>,
}

/// How many records of a rounded lane there are about one day in one commune.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoundedCount {
    /// The day, in days since 1970.
    pub day: i32,
    /// The commune.
    pub commune: AreaRef,
    /// The type of the records.
    pub record_type: u16,
    /// How many, without the withdrawn ones.
    pub count: u64,
}

impl Snapshot<'_> {
    /// One page of what `scope` may see, newest first. Records of rounded lanes are in no list,
    /// because their order alone would tell; see [`Self::rounded_list`].
    ///
    /// # Errors
    /// [`LedgerFault`].
    pub fn list(&self, scope: &Scope, query: &ListQuery) -> Result<Page, LedgerFault> {
        let lanes = listed_lanes(scope, query);
        if lanes.is_empty() {
            return Ok(Page::default());
        }
        let limit = query.limit.clamp(1, LIST_LIMIT_MAX);
        let list = ListSql::of(scope, query, &lanes, limit);
        let read = || -> rusqlite::Result<Vec<Row>> {
            let mut statement = self.connection.prepare_cached(&list.text)?;
            let rows = statement.query_map(params_from_iter(&list.values), row_of)?;
            rows.collect()
        };
        let mut rows = read().map_err(fault)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_row| has_more).map(|row| row.first);
        Ok(Page { rows, next })
    }

    /// How SQLite means to make a list.
    #[cfg(test)]
    pub(super) fn list_steps(&self, scope: &Scope, query: &ListQuery) -> String {
        let list = ListSql::of(scope, query, &listed_lanes(scope, query), query.limit);
        let text = format!("explain query plan {}", list.text);
        let mut statement = self.connection.prepare(&text).unwrap();
        let steps = statement
            .query_map(params_from_iter(&list.values), |row| row.get(3))
            .unwrap();
        let steps: rusqlite::Result<Vec<String>> = steps.collect();
        steps.unwrap().join("; ")
    }

    /// The row of one record, if `scope` may see it. [`Row::words`] is empty.
    ///
    /// # Errors
    /// [`LedgerFault`].
    pub fn row(&self, scope: &Scope, record: RecordId) -> Result<Option<Row>, LedgerFault> {
        let sql = format!("select {COLUMNS} from record_row where record = ?1");
        let read = || -> rusqlite::Result<Option<Row>> {
            self.connection
                .prepare_cached(&sql)?
                .query_row([record.0], row_of)
                .optional()
        };
        let lanes = scope.full_lanes();
        let may_see = |row: &Row| {
            lanes.contains(&row.lane)
                && match scope.area {
                    ScopeArea::Province => true,
                    ScopeArea::Commune(commune) => row.commune == commune,
                    ScopeArea::Group(group) => row.group == group,
                }
        };
        Ok(read().map_err(fault)?.filter(may_see))
    }

    /// How many records of each type there are about the days `from_day <= day < until_day` in
    /// one commune, in all lanes that `scope` knows, the rounded ones too, and without the
    /// withdrawn ones. Ascending by type.
    ///
    /// # Errors
    /// [`LedgerFault`].
    pub fn count_by_type(
        &self,
        scope: &Scope,
        commune: AreaRef,
        from_day: i32,
        until_day: i32,
    ) -> Result<Vec<(u16, u64)>, LedgerFault> {
        let mut values = vec![
            Value::Blob(commune.0.to_vec()),
            Value::Integer(from_day.into()),
            Value::Integer(until_day.into()),
        ];
        let sql = format!(
            "select record_type, count(*) from record_row indexed by record_row_commune_day
             where commune = ? and day >= ? and day < ? and withdrawn = 0 and {} and {}
             group by record_type order by record_type",
            lane_condition(&scope.counted_lanes()),
            area_condition(scope, &mut values),
        );
        let read = || -> rusqlite::Result<Vec<(u16, i64)>> {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params_from_iter(&values), |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
            rows.collect()
        };
        let counts = read().map_err(fault)?.into_iter();
        Ok(counts
            .map(|(record_type, count)| (record_type, count.unsigned_abs()))
            .collect())
    }

    /// The newest day before `until_day` about which there is something in the rounded lanes.
    ///
    /// # Errors
    /// [`LedgerFault`].
    pub fn newest_rounded_day(
        &self,
        scope: &Scope,
        until_day: i32,
    ) -> Result<Option<i32>, LedgerFault> {
        let mut values = vec![Value::Integer(until_day.into())];
        let sql = format!(
            "select day from record_row indexed by record_row_day
             where day < ? and withdrawn = 0 and {} and {} order by day desc limit 1",
            lane_condition(&scope.rounded),
            area_condition(scope, &mut values),
        );
        let read = || -> rusqlite::Result<Option<i32>> {
            self.connection
                .prepare_cached(&sql)?
                .query_row(params_from_iter(&values), |row| row.get(0))
                .optional()
        };
        read().map_err(fault)
    }

    /// What `scope` may know of its rounded lanes about the days `from_day <= day < until_day`:
    /// of `units` only if they are given, newest day first, within a day by commune and type. At
    /// most [`ROUNDED_LIMIT_MAX`] rows; when as many come back, ask for fewer days.
    ///
    /// # Errors
    /// [`LedgerFault`].
    pub fn rounded_list(
        &self,
        scope: &Scope,
        from_day: i32,
        until_day: i32,
        units: Option<&UnitRows>,
    ) -> Result<Vec<RoundedCount>, LedgerFault> {
        let mut values = vec![
            Value::Integer(from_day.into()),
            Value::Integer(until_day.into()),
        ];
        let lanes = lane_condition(&scope.rounded);
        let area = area_condition(scope, &mut values);
        let of_units = match units {
            Some(units) => units.condition(&mut values),
            None => "true".to_owned(),
        };
        let sql = format!(
            "select day, commune, record_type, count(*) from record_row
             indexed by record_row_day
             where day >= ? and day < ? and withdrawn = 0 and {lanes} and {area} and {of_units}
             group by day, commune, record_type
             order by day desc, commune, record_type limit {ROUNDED_LIMIT_MAX}"
        );
        let read = || -> rusqlite::Result<Vec<RoundedCount>> {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params_from_iter(&values), |row| {
                Ok(RoundedCount {
                    day: row.get(0)?,
                    commune: AreaRef(row.get(1)?),
                    record_type: row.get(2)?,
                    count: row.get::<_, i64>(3)?.unsigned_abs(),
                })
            })?;
            rows.collect()
        };
        read().map_err(fault)
    }
}

/// Writes the row and the words of a record over the ones that were there.
pub(super) fn project(connection: &Connection, row: &Row) -> Result<(), LedgerFault> {
    let first = stored(row.first)?;
    let newest = stored(row.newest)?;
    let (words, headline) = if row.lane.is_closed() {
        ("", "")
    } else {
        (row.words.as_str(), row.headline.as_str())
    };
    let write = || -> rusqlite::Result<bool> {
        let before: Option<i64> = connection
            .prepare_cached("select first from record_row where record = ?1")?
            .query_row([row.record.0], |found| found.get(0))
            .optional()?;
        if let Some(before) = before {
            // a new record has no words to remove: to look for them would cost as much as to write
            connection
                .prepare_cached("delete from record_words where rowid = ?1")?
                .execute([before])?;
        }
        if let Some(before) = before.filter(|before| *before != first) {
            connection
                .prepare_cached("delete from record_row where first = ?1")?
                .execute([before])?;
        }
        let written = connection.prepare_cached(UPSERT)?.execute(params![
            first,
            row.record.0,
            row.group.0,
            row.lane.number(),
            row.record_type,
            row.area.0,
            row.commune.0,
            row.device.0,
            row.member,
            row.day,
            row.state,
            row.withdrawn,
            row.rivals,
            row.unanswered,
            newest,
            row.received_at,
            headline,
        ])?;
        if written == 1 && !words.is_empty() {
            connection
                .prepare_cached("insert into record_words (rowid, words) values (?1, ?2)")?
                .execute(params![first, format!("{words}\n{}", marks_of(row))])?;
        }
        Ok(written == 1)
    };
    if write().map_err(fault)? {
        Ok(())
    } else {
        Err(LedgerFault::Failed(format!(
            "entry {} already created another record; rebuild the rows",
            row.first
        )))
    }
}

/// Words that stand in the index beside those of a record, and that nobody writes: where it is and
/// what it is. Rows are compared all the same; marks only keep a search from what is elsewhere.
#[derive(Clone, Copy)]
enum Mark {
    Commune(AreaRef),
    Group(GroupId),
    Area(AreaRef),
    Type(u16),
}

/// Bytes of an id in a mark: two that share them cost a search a row more to look at.
const MARK_BYTES: usize = 8;

impl Mark {
    fn word(self) -> String {
        let of = |kind: char, id: &[u8]| {
            let id = id.get(..MARK_BYTES).unwrap_or(id);
            format!("zx{kind}{}", hex(id))
        };
        match self {
            Self::Commune(area) => of('c', area.as_bytes()),
            Self::Group(group) => of('g', group.as_bytes()),
            Self::Area(area) => of('a', area.as_bytes()),
            Self::Type(number) => format!("zxt{number}"),
        }
    }
}

fn marks_of(row: &Row) -> String {
    [
        Mark::Commune(row.commune),
        Mark::Group(row.group),
        Mark::Area(row.area),
        Mark::Type(row.record_type),
    ]
    .map(Mark::word)
    .join(" ")
}

/// The marks that every record has which a list of this scope can show.
fn marks_wanted(scope: &Scope, query: &ListQuery) -> Vec<Mark> {
    let (mut commune, mut group) = (query.commune, query.group);
    match scope.area {
        ScopeArea::Province => {}
        ScopeArea::Commune(of) => commune = commune.or(Some(of)),
        ScopeArea::Group(of) => group = group.or(Some(of)),
    }
    let marks = [
        commune.map(Mark::Commune),
        group.map(Mark::Group),
        query.area.map(Mark::Area),
        query.record_type.map(Mark::Type),
    ];
    marks.into_iter().flatten().collect()
}

const UPSERT: &str = "
insert into record_row (
    first, record, group_id, lane, record_type, area, commune, device, member, day, state,
    withdrawn, rivals, unanswered, newest, received_at, headline
) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
on conflict (first) do update set
    group_id = excluded.group_id, lane = excluded.lane, record_type = excluded.record_type,
    area = excluded.area, commune = excluded.commune, device = excluded.device,
    member = excluded.member, day = excluded.day, state = excluded.state,
    withdrawn = excluded.withdrawn, rivals = excluded.rivals, unanswered = excluded.unanswered,
    newest = excluded.newest, received_at = excluded.received_at, headline = excluded.headline
where record = excluded.record
";

const COLUMNS: &str = "first, record, group_id, lane, record_type, area, commune, device, member, \
                       day, state, withdrawn, rivals, unanswered, newest, received_at, headline";

fn row_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let lane: u8 = row.get(3)?;
    let lane = Lane::from_number(lane)
        .ok_or_else(|| rusqlite::Error::IntegralValueOutOfRange(3, lane.into()))?;
    Ok(Row {
        first: row.get::<_, i64>(0)?.unsigned_abs(),
        record: RecordId(row.get(1)?),
        group: GroupId(row.get(2)?),
        lane,
        record_type: row.get(4)?,
        area: AreaRef(row.get(5)?),
        commune: AreaRef(row.get(6)?),
        device: KeyId(row.get(7)?),
        member: row.get(8)?,
        day: row.get(9)?,
        state: row.get(10)?,
        withdrawn: row.get(11)?,
        rivals: row.get(12)?,
        unanswered: row.get(13)?,
        newest: row.get::<_, i64>(14)?.unsigned_abs(),
        received_at: row.get(15)?,
        words: String::new(),
        headline: row.get(16)?,
    })
}

fn listed_lanes(scope: &Scope, query: &ListQuery) -> Vec<Lane> {
    let mut lanes = scope.full_lanes();
    lanes.retain(|lane| query.lane.is_none_or(|asked| asked == *lane));
    if query.search.is_some() {
        lanes.retain(|lane| !lane.is_closed());
    }
    lanes
}

/// The lanes are numbers of our own, so they can stand in the text.
pub(super) fn lane_condition(lanes: &[Lane]) -> String {
    let numbers: Vec<String> = lanes.iter().map(|lane| lane.number().to_string()).collect();
    format!("lane in ({})", numbers.join(", "))
}

pub(super) fn area_condition(scope: &Scope, values: &mut Vec<Value>) -> &'static str {
    match scope.area {
        ScopeArea::Province => "true",
        ScopeArea::Commune(commune) => {
            values.push(Value::Blob(commune.0.to_vec()));
            "commune = ?"
        }
        ScopeArea::Group(group) => {
            values.push(Value::Blob(group.0.to_vec()));
            "group_id = ?"
        }
    }
}

/// A list as SQL. Its text depends only on what is asked for, never on a value, so that few
/// statements serve all lists.
struct ListSql {
    text: String,
    values: Vec<Value>,
}

impl ListSql {
    fn of(scope: &Scope, query: &ListQuery, lanes: &[Lane], limit: u32) -> Self {
        let mut values = Vec::new();
        let mut conditions = Vec::new();
        let source = query.search.as_ref().map_or_else(
            || format!("record_row {}", walked_index(scope, query)),
            |search| {
                let mut words = search.fts_expression();
                for mark in marks_wanted(scope, query) {
                    words = format!("{words} AND \"{}\"", mark.word());
                }
                values.push(Value::Text(words));
                conditions.push("record_words match ?".to_owned());
                "record_words cross join record_row on first = record_words.rowid".to_owned()
            },
        );
        let order = if query.search.is_some() {
            "record_words.rowid"
        } else {
            "first"
        };
        let before = query
            .before
            .map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX));
        values.push(Value::Integer(before));
        conditions.push(format!("{order} < ?"));
        conditions.push(lane_condition(lanes));
        if !lanes.iter().any(|lane| !lane.is_closed()) {
            // Said in the words of the index of closed lanes, or it could not be used.
            conditions.push("lane <> 1".to_owned());
        }
        conditions.push(area_condition(scope, &mut values).to_owned());
        let mut equal = |column: &str, value: Option<Value>| {
            if let Some(value) = value {
                conditions.push(format!("{column} ?"));
                values.push(value);
            }
        };
        let blob = |bytes: &[u8]| Value::Blob(bytes.to_vec());
        equal("group_id =", query.group.map(|group| blob(&group.0)));
        equal("area =", query.area.map(|area| blob(&area.0)));
        equal("commune =", query.commune.map(|area| blob(&area.0)));
        equal(
            "record_type =",
            query.record_type.map(|n| Value::Integer(n.into())),
        );
        equal("state =", query.state.map(|n| Value::Integer(n.into())));
        equal(
            "day >=",
            query.from_day.map(|day| Value::Integer(day.into())),
        );
        equal(
            "day <",
            query.until_day.map(|day| Value::Integer(day.into())),
        );
        if let Some(units) = &query.units {
            conditions.push(units.condition(&mut values));
        }
        if query.unanswered_only {
            conditions.push("unanswered = 1".to_owned());
        }
        if query.rivals_only {
            conditions.push("rivals = 1".to_owned());
        }
        values.push(Value::Integer(i64::from(limit).saturating_add(1)));
        let conditions = conditions.join(" and ");
        let text = format!(
            "select {COLUMNS} from {source} where {conditions} order by {order} desc limit ?"
        );
        Self { text, values }
    }
}

/// The index that a list without a search walks: the one that leaves the fewest rows.
fn walked_index(scope: &Scope, query: &ListQuery) -> &'static str {
    let in_group = query.group.is_some() || matches!(scope.area, ScopeArea::Group(_));
    let in_commune = query.commune.is_some() || matches!(scope.area, ScopeArea::Commune(_));
    let few_days = match (query.from_day, query.until_day) {
        (Some(from), Some(until)) => until.saturating_sub(from) <= SORTED_DAYS_MAX,
        (Some(_) | None, Some(_) | None) => false,
    };
    if in_group {
        "indexed by record_row_group"
    } else if query.rivals_only {
        "indexed by record_row_rivals"
    } else if query.unanswered_only {
        "indexed by record_row_unanswered"
    } else if query.area.is_some() {
        "indexed by record_row_area"
    } else if in_commune {
        "indexed by record_row_commune"
    } else if few_days {
        "indexed by record_row_day"
    } else if query.lane.is_some_and(Lane::is_closed) {
        "indexed by record_row_closed"
    } else if query.record_type.is_some() {
        "indexed by record_row_type"
    } else if query.state.is_some() {
        "indexed by record_row_state"
    } else {
        "not indexed"
    }
}
