//! What officers ask: the store's own functions with what people fill in.

use std::collections::BTreeMap;
use std::path::Path;

use server::store::{DATABASE_NAME, ListQuery, Readers, Scope, ScopeArea, Snapshot};
use sync_core::hub::facts;
use sync_core::hub::ledger::LedgerFault;
use sync_core::ids::{AreaRef, GroupId};
use sync_core::text::search_query;
use sync_core::vocabulary::{Lane, Vocabulary};

use crate::bench::{Trouble, told};
use crate::generate::World;
use crate::sim::Dice;

/// Rows on a page of the console.
const PAGE_ROWS: u32 = 50;
/// Different values of each question.
const VARIANTS: usize = 40;

/// Common and rare words, with accents, without, in Khmer.
const WORDS: [(&str, &str); 8] = [
    ("common words", "tuần tra"),
    ("common words without accents", "binh thuong"),
    ("rarer words", "bản lề yếu"),
    ("words of one type", "xuồng lật"),
    ("words that stand nowhere", "khinh khí cầu"),
    ("many words", "tổ người tuyến lộ nhựa cầu sắt"),
    ("Khmer", "ស្ថានភាពធម្មតា"),
    ("a place", "giồng ổi sẻ"),
];

/// Types of records, common and rare.
const TYPES: [&str; 5] = ["patrol", "rescue", "training", "meeting", "incident"];

/// What a list is asked for.
#[derive(Clone, Copy)]
enum Filter {
    Nothing,
    Deep,
    Type,
    TypeDeep,
    Returned,
    Group,
    Commune,
    Hamlet,
    Month,
    MonthOfType,
    Unanswered,
    Rivals,
    Tips,
}

const OF_PROVINCE: [(&str, Filter); 12] = [
    ("the newest", Filter::Nothing),
    ("a deep page", Filter::Deep),
    ("one type", Filter::Type),
    ("one type, deep", Filter::TypeDeep),
    ("returned", Filter::Returned),
    ("one group, deep", Filter::Group),
    ("one commune", Filter::Commune),
    ("one hamlet", Filter::Hamlet),
    ("a month", Filter::Month),
    ("a month of one type", Filter::MonthOfType),
    ("unanswered", Filter::Unanswered),
    ("with rivals", Filter::Rivals),
];
const OF_COMMUNE: [(&str, Filter); 5] = [
    ("a commune's newest", Filter::Nothing),
    ("a commune's tips", Filter::Tips),
    ("a commune's month", Filter::Month),
    ("a commune's type", Filter::Type),
    ("a commune's returned", Filter::Returned),
];

/// What kind of question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    List,
    Count,
    Search,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Count => "count",
            Self::Search => "search",
        }
    }
}

enum Asked {
    List(ListQuery),
    Count(AreaRef, i32, i32),
    Rounded(i32, i32),
}

/// A question.
pub(super) struct Question {
    name: &'static str,
    scope: Scope,
    asked: Asked,
}

impl Question {
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn kind(&self) -> Kind {
        match &self.asked {
            Asked::List(query) if query.search.is_some() => Kind::Search,
            Asked::List(_) | Asked::Rounded(..) => Kind::List,
            Asked::Count(..) => Kind::Count,
        }
    }

    /// Asks it, and gives how many rows came.
    pub(super) fn ask(&self, readers: &Readers) -> Result<usize, Trouble> {
        let answered = readers.read(|snapshot| self.answer(snapshot));
        answered.map_err(told(self.name))
    }

    fn answer(&self, snapshot: &Snapshot<'_>) -> Result<usize, LedgerFault> {
        Ok(match &self.asked {
            Asked::List(query) => snapshot.list(&self.scope, query)?.rows.len(),
            Asked::Count(commune, from, until) => snapshot
                .count_by_type(&self.scope, *commune, *from, *until)?
                .len(),
            Asked::Rounded(from, until) => snapshot
                .rounded_list(&self.scope, *from, *until, None)?
                .len(),
        })
    }

    /// All of them, with values drawn from the world.
    pub(super) fn all(world: &World, data: &Path) -> Result<Vec<Self>, Trouble> {
        let readers = Readers::open(&data.join(DATABASE_NAME), 1).map_err(told("a reader"))?;
        let (size, groups) = readers
            .read(|snapshot| {
                let size = facts::log_state(snapshot)?.size;
                let groups: Vec<GroupId> = facts::groups(snapshot, &[])?
                    .into_iter()
                    .map(|(id, _)| id)
                    .collect();
                Ok((size, groups))
            })
            .map_err(told("the groups"))?;
        let mut all = Asking {
            world,
            dice: Dice::new(world.seed ^ 0x7175_6573),
            size,
            groups,
            questions: Vec::new(),
        };
        for _ in 0..VARIANTS {
            all.lists();
            all.counts();
            all.searches()?;
        }
        Ok(all.questions)
    }
}

struct Asking<'a> {
    world: &'a World,
    dice: Dice,
    size: u64,
    groups: Vec<GroupId>,
    questions: Vec<Question>,
}

impl Asking<'_> {
    fn province() -> Scope {
        Scope {
            area: ScopeArea::Province,
            lanes: vec![Lane::Open, Lane::Tip, Lane::Protected],
            rounded: vec![Lane::Tip, Lane::Protected],
        }
    }

    fn commune_scope(commune: AreaRef) -> Scope {
        Scope {
            area: ScopeArea::Commune(commune),
            lanes: vec![Lane::Open, Lane::Tip, Lane::Protected],
            rounded: Vec::new(),
        }
    }

    fn push(&mut self, name: &'static str, scope: Scope, query: ListQuery) {
        let query = ListQuery {
            limit: PAGE_ROWS,
            ..query
        };
        self.questions.push(Question {
            name,
            scope,
            asked: Asked::List(query),
        });
    }

    /// Somewhere in the log.
    fn deep(&mut self) -> Option<u64> {
        Some(u64::try_from(self.dice.below(usize::try_from(self.size).unwrap_or(1))).unwrap_or(0))
    }

    fn day(&mut self) -> i32 {
        let days = self.world.profile.days();
        let span = usize::try_from(days.end - days.start).unwrap_or(1);
        days.start + i32::try_from(self.dice.below(span)).unwrap_or(0)
    }

    fn group(&mut self) -> (AreaRef, AreaRef) {
        let nth = self.dice.below(self.world.groups.len());
        let group = &self.world.groups[nth];
        (group.commune.area, group.area())
    }

    /// One thing that is asked for, by another value each time.
    fn filter(&mut self, what: Filter) -> ListQuery {
        let vocabulary = Vocabulary::builtin();
        let mut query = ListQuery {
            lane: Some(Lane::Open),
            ..ListQuery::default()
        };
        match what {
            Filter::Nothing => {}
            Filter::Deep => query.before = self.deep(),
            Filter::Type => {
                let id = TYPES[self.dice.below(TYPES.len())];
                query.record_type = vocabulary.record_type_by_id(id).map(|row| row.number);
            }
            Filter::Returned => {
                query.state = vocabulary.state_by_id("returned").map(|state| state.number);
            }
            Filter::Group => {
                query.group = Some(self.groups[self.dice.below(self.groups.len())]);
                query.before = self.deep();
            }
            Filter::Commune => query.commune = Some(self.group().0),
            Filter::Hamlet => query.area = Some(self.group().1),
            Filter::Month => {
                let day = self.day();
                (query.from_day, query.until_day) = (Some(day), Some(day + 30));
            }
            Filter::MonthOfType => {
                let month = self.filter(Filter::Month);
                query = self.filter(Filter::Type);
                (query.from_day, query.until_day) = (month.from_day, month.until_day);
            }
            Filter::TypeDeep => {
                query = self.filter(Filter::Type);
                query.before = self.deep();
            }
            Filter::Unanswered => query.unanswered_only = true,
            Filter::Rivals => query.rivals_only = true,
            Filter::Tips => query.lane = Some(Lane::Tip),
        }
        query
    }

    fn lists(&mut self) {
        for (name, what) in OF_PROVINCE {
            let query = self.filter(what);
            self.push(name, Self::province(), query);
        }
        for (name, what) in OF_COMMUNE {
            let (commune, query) = (self.group().0, self.filter(what));
            self.push(name, Self::commune_scope(commune), query);
        }
        let day = self.day();
        self.questions.push(Question {
            name: "closed lanes of a week, rounded",
            scope: Self::province(),
            asked: Asked::Rounded(day, day + 7),
        });
    }

    fn counts(&mut self) {
        let (commune, day) = (self.group().0, self.day());
        for (name, days) in [("a month", 30), ("a quarter", 91), ("a year", 365)] {
            for scope in [Self::province(), Self::commune_scope(commune)] {
                self.questions.push(Question {
                    name,
                    scope,
                    asked: Asked::Count(commune, day, day + days),
                });
            }
        }
    }

    fn searches(&mut self) -> Result<(), Trouble> {
        let commune = self.group().0;
        let deep = self.deep();
        for (name, words) in WORDS {
            let search = search_query(words).map_err(|why| format!("{words}: {why:?}"))?;
            let query = ListQuery {
                lane: Some(Lane::Open),
                search: Some(search),
                ..ListQuery::default()
            };
            self.push(name, Self::province(), query.clone());
            self.push(
                name,
                Self::province(),
                ListQuery {
                    before: deep,
                    ..query.clone()
                },
            );
            let record_type = Vocabulary::builtin().record_type_by_id("rescue");
            let record_type = record_type.map(|row| row.number);
            self.push(
                name,
                Self::province(),
                ListQuery {
                    record_type,
                    ..query.clone()
                },
            );
            self.push(name, Self::commune_scope(commune), query);
        }
        Ok(())
    }
}

/// Pages of the console: whose, the commune's officer (0) or the province's (1), and where.
pub(super) fn pages(world: &World, busiest: &str) -> Vec<(usize, String)> {
    let mut dice = Dice::new(world.seed ^ 0x6164_6472);
    let mut all = Vec::new();
    let commune = world
        .groups
        .iter()
        .find(|group| group.commune.code == busiest);
    let types: BTreeMap<&str, u16> = Vocabulary::builtin()
        .record_types()
        .map(|row| (row.id.as_str(), row.number))
        .collect();
    let patrol = types.get("patrol").copied().unwrap_or(1);
    for _ in 0..VARIANTS {
        let group = &world.groups[dice.below(world.groups.len())];
        let month = dice.below(12) + 1;
        let year = 2019 + dice.below(5);
        let period = format!("from=01/{month:02}/{year}&to=28/{month:02}/{year}");
        for who in [0, 1] {
            let area = match who {
                0 => commune.map(|group| group.area()).unwrap_or_default(),
                _ => group.commune.area,
            };
            all.push((who, "/console".to_owned()));
            all.push((who, format!("/console?lane=open&area={area}")));
            all.push((who, format!("/console?lane=open&type={patrol}")));
            all.push((who, format!("/console?lane=open&{period}")));
            all.push((who, "/console?lane=open&state=7".to_owned()));
            all.push((who, "/console?lane=open&q=tu%E1%BA%A7n%20tra".to_owned()));
            all.push((who, "/console?lane=open&q=binh%20thuong%20tuyen".to_owned()));
            all.push((who, format!("/console?lane=tip&{period}")));
            all.push((who, "/console?lane=tip".to_owned()));
        }
    }
    all
}
