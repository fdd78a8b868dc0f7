//! The world of one seed: what happens, and what must hold when it is over.

use std::collections::{BTreeMap, BTreeSet};

use sync_core::change::{ChangeRef, FullChange};
use sync_core::codec::Model;
use sync_core::hub::ledger::{MemoryLedger, Store as _};
use sync_core::hub::{Acting, Hub, Refusal, facts};
use sync_core::ids::{AreaRef, GroupId, Hash32, KeyId, LogId, OrgId, Realm};
use sync_core::keys::Secret;
use sync_core::vocabulary::Vocabulary;

use crate::sim::readers::Shown;
use crate::sim::{Dice, SimPhone};

const START_S: i64 = 1_793_000_000;
/// Most groups of a world.
const GROUPS_MAX: usize = 3;
/// Roles of the first group's members, by their numbers: leader, two members, mediator.
const FIRST_ROLES: [u16; 4] = [3, 1, 1, 5];
/// Roles that a member of a group can have: the numbers from 1 to this.
const ROLES: usize = 7;

/// What a seed came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Entries of the log.
    pub entries: u64,
    /// Changes admitted.
    pub changes: u64,
    /// Changes set aside.
    pub asides: u64,
    /// Changes that were set aside and that two officers admitted later.
    pub admitted: u64,
    /// Changes whose place was taken and that were said again.
    pub forks: u64,
    /// Times that the server lost entries and began a new generation after its first.
    pub generations: u32,
    /// Fields with rivals.
    pub rivals: u64,
    /// Phones that end with a right in more than one group.
    pub in_two: u64,
    /// Records that were said anew in another group.
    pub moved: u64,
    /// Records whose words a phone let go, counted for each phone.
    pub let_go: u64,
    /// Changes and acts of the log, for each phone, that it was never allowed to see.
    pub hidden: u64,
}

impl std::ops::AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        self.entries += other.entries;
        self.changes += other.changes;
        self.asides += other.asides;
        self.admitted += other.admitted;
        self.forks += other.forks;
        self.generations += other.generations;
        self.rivals += other.rivals;
        self.in_two += other.in_two;
        self.moved += other.moved;
        self.let_go += other.let_go;
        self.hidden += other.hidden;
    }
}

/// Everything of one seed.
#[derive(Debug)]
pub struct World {
    /// Decides everything.
    pub dice: Dice,
    /// The real hub.
    pub hub: Hub,
    /// Its disk.
    pub ledger: MemoryLedger,
    /// The phones.
    pub phones: Vec<SimPhone>,
    /// The groups; the first is the one of the named scenarios.
    pub groups: Vec<GroupId>,
    /// True time.
    pub now_s: i64,
    pub(super) model: Model,
    pub(super) backups: Vec<MemoryLedger>,
    pub(super) delayed: Vec<Vec<u8>>,
    /// Hash of every change that a person saved, by place.
    pub(super) saved: BTreeSet<(ChangeRef, Hash32)>,
    /// Every change that a phone was told is received.
    pub(super) acknowledged: BTreeMap<(ChangeRef, Hash32), FullChange>,
    pub(super) said_again: BTreeSet<ChangeRef>,
    pub(super) copied: bool,
    /// The server was put back to an older copy of its disk.
    pub(super) restored: bool,
    /// Names and remarks that were ever said in a group: each says its group by a letter.
    pub(super) said_in: BTreeMap<GroupId, Vec<String>>,
    /// What each device was allowed to see at the visits whose answers it took.
    pub(super) shown: BTreeMap<KeyId, Shown>,
    /// Records that were said anew in another group.
    pub(super) moved: u64,
    /// Whether a copy on another disk follows: then phones let go what it holds.
    pub(super) keeps_copy: bool,
    /// The copy, as far as it followed.
    pub(super) copy: Option<MemoryLedger>,
}

impl World {
    /// A world with one to three groups and a few phones, most of them confirmed.
    ///
    /// # Panics
    /// When the very first steps fail: then nothing works.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut world = Self::without_phones(seed);
        world.keeps_copy = seed.is_multiple_of(3);
        for _ in 0..world.dice.below(GROUPS_MAX) {
            let roles: Vec<u16> = (0..2 + world.dice.below(4)).map(|_| world.role()).collect();
            world.found(&roles);
        }
        let count = 2 + world.dice.below(3);
        for nth in 0..count {
            let first = world.groups[0];
            let (group, members) = match nth {
                0 => (first, vec![1]),
                1 => (first, vec![2, 3]),
                _ => (world.any_group(), vec![]),
            };
            let enrolled = world.enrol(group, members);
            assert_eq!(enrolled, Ok(()), "a phone can be enrolled");
        }
        if world.groups.len() > 1 && world.dice.chance(60) {
            let count = 1 + world.dice.below(2);
            let enrolled = world.enrol_in_two(count);
            assert_eq!(enrolled, Ok(()), "a phone can be in two groups");
        }
        world
    }

    /// A world with one group and four members: a leader, two members, a mediator. No phone yet.
    ///
    /// # Panics
    /// When the very first steps fail: then nothing works.
    #[must_use]
    pub fn without_phones(seed: u64) -> Self {
        let realm = Realm {
            org: OrgId([1; 16]),
            log: LogId([2; 16]),
        };
        let mut world = Self {
            dice: Dice::new(seed),
            hub: new_hub(realm, Vocabulary::builtin()),
            ledger: MemoryLedger::default(),
            phones: Vec::new(),
            groups: Vec::new(),
            now_s: START_S,
            model: shared_model(),
            backups: Vec::new(),
            delayed: Vec::new(),
            saved: BTreeSet::new(),
            acknowledged: BTreeMap::new(),
            said_again: BTreeSet::new(),
            copied: false,
            restored: false,
            said_in: BTreeMap::new(),
            shown: BTreeMap::new(),
            moved: 0,
            keeps_copy: false,
            copy: None,
        };
        let begun =
            world.desk(|hub, ledger, acting| Ok(hub.begin_log(ledger, acting).map(|_| ())?));
        assert_eq!(begun, Ok(()), "a log can be begun");
        world.found(&FIRST_ROLES);
        world
    }

    /// Founds a group with members of these roles.
    ///
    /// # Panics
    /// When it cannot be founded: then nothing works.
    pub fn found(&mut self, roles: &[u16]) -> GroupId {
        let group = GroupId(self.dice.bytes());
        self.groups.push(group);
        let named = self.name_group(group, 0);
        assert_eq!(named, Ok(()), "a group can be founded");
        for role in roles {
            let added = self.add_member(group, *role);
            assert_eq!(added, Ok(()), "a group can have members");
        }
        group
    }

    /// Founds a group, or gives it another name and another place.
    ///
    /// # Errors
    /// What the hub refuses.
    pub fn name_group(&mut self, group: GroupId, place: u8) -> Result<(), Refusal> {
        let name = self.word(group, "Tổ");
        let row = facts::Group {
            area: AreaRef([16 + place; 16]),
            commune: AreaRef([32 + place / 2; 16]),
            name,
        };
        self.desk(|hub, ledger, acting| hub.set_group(ledger, acting, group, row))
    }

    /// A group has one member more.
    ///
    /// # Errors
    /// What the hub refuses.
    pub(super) fn add_member(&mut self, group: GroupId, role: u16) -> Result<(), Refusal> {
        let name = self.word(group, "Nguyễn Văn");
        self.desk(|hub, ledger, acting| {
            hub.add_member(ledger, acting, group, &name, role)
                .map(|_| ())
        })
    }

    /// Words that are said in this group and in no other, and that nobody says twice.
    pub(super) fn word(&mut self, group: GroupId, what: &str) -> String {
        let letter = match self.groups.iter().position(|known| *known == group) {
            Some(0) => 'A',
            Some(1) => 'B',
            _ => 'C',
        };
        let said = self.said_in.entry(group).or_default();
        let word = format!("{what} {letter}{}", said.len());
        said.push(word.clone());
        word
    }

    /// The first group: that of the named scenarios.
    #[must_use]
    pub fn group(&self) -> GroupId {
        self.groups[0]
    }

    pub(super) fn any_group(&mut self) -> GroupId {
        let nth = self.dice.below(self.groups.len());
        self.groups[nth]
    }

    /// A role that a member of a group can have.
    pub(super) fn role(&mut self) -> u16 {
        u16::try_from(1 + self.dice.below(ROLES)).unwrap_or(1)
    }

    /// Runs an act of the desk in a transaction of its own.
    ///
    /// # Errors
    /// What the hub refuses.
    pub fn desk<T>(
        &mut self,
        work: impl FnOnce(&Hub, &mut MemoryLedger, &Acting<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.desk_as((1, "cax.thu"), work)
    }

    /// The same, of this account.
    ///
    /// # Errors
    /// What the hub refuses.
    pub fn desk_as<T>(
        &mut self,
        (account, name): (u32, &str),
        work: impl FnOnce(&Hub, &mut MemoryLedger, &Acting<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let acting = Acting {
            account,
            name,
            now_s: self.now_s,
            random: self.dice.bytes(),
        };
        let hub = &self.hub;
        let mut refused = None;
        let done = self.ledger.transact(|ledger| {
            match work(hub, ledger, &acting) {
                Ok(done) => Ok(Some(done)),
                Err(refusal) => {
                    refused = Some(refusal);
                    // an error undoes what the act had begun
                    Err(sync_core::hub::ledger::LedgerFault::Failed(String::new()))
                }
            }
        });
        match (done, refused) {
            (Ok(Some(done)), _) => Ok(done),
            (_, Some(refusal)) => Err(refusal),
            (Ok(None), None) => Err(Refusal::Nothing),
            (Err(fault), None) => Err(Refusal::Store(fault)),
        }
    }
}

/// A hub with the keys that all worlds share.
pub(super) fn new_hub(realm: Realm, vocabulary: &Vocabulary) -> Hub {
    Hub::new(
        realm,
        Secret::from_bytes(&[7; 32]),
        [9; 32],
        vocabulary.clone(),
    )
}

/// Priming takes a while, so all worlds share one model.
fn shared_model() -> Model {
    static MODEL: std::sync::OnceLock<Model> = std::sync::OnceLock::new();
    MODEL.get_or_init(Model::primed).clone()
}
