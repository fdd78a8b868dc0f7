//! Attacks on the hub, each named by its case: what is refused leaves the ledger as it was, what is
//! set aside leaves its hash and its bytes in quarantine, and what is expressed differently than the
//! device signed it is not taken at all.

mod admission;
mod arrival;
mod erasure;
mod letting_go;
mod office;
mod quarantine;
mod restore;
mod standby;
mod visits;

use std::collections::BTreeMap;

use crate::change::{ChangeRef, FullChange, Secret};
use crate::exchange::{Answer, AnswerFacts, Fate, Outcome, Reply};
use crate::hub::facts;
use crate::hub::ledger::{MemoryLedger, Table, View as _};
use crate::ids::{Hash32, RecordId};
use crate::log::AsideReason;
use crate::tests::world::{Delivered, GROUP, LEADER, MEMBER, Phone, REALM, World, model};

/// What a reader without a replica knows of its own changes.
#[derive(Debug, Default)]
struct Own(BTreeMap<ChangeRef, (Hash32, RecordId)>);

impl Own {
    fn of(changes: &[&FullChange]) -> Self {
        let known = changes.iter().map(|full| {
            let change = &full.change;
            (change.at, (change.hash(&REALM), change.record))
        });
        Self(known.collect())
    }
}

impl AnswerFacts for Own {
    fn hash_at(&self, at: ChangeRef) -> Option<Hash32> {
        self.0.get(&at).map(|(hash, _)| *hash)
    }
    fn record_of(&self, at: ChangeRef) -> Option<RecordId> {
        self.0.get(&at).map(|(_, record)| *record)
    }
}

/// A member's phone, the leader's, and a record of the member on both, received.
fn received(words: &str) -> (World, Phone, Phone, FullChange) {
    let mut world = World::new();
    let mut author = world.enrolled(GROUP, &[MEMBER]);
    let mut reader = world.enrolled(GROUP, &[LEADER]);
    world.settle(&mut author);
    let full = world.patrol(&mut author, MEMBER, words);
    world.settle(&mut author);
    world.settle(&mut reader);
    (world, author, reader, full)
}

/// The seed of a change of which nothing was erased.
fn seed_of(full: &FullChange) -> [u8; 16] {
    match &full.parts.secret {
        Secret::Seed(seed) => *seed,
        Secret::Salts(_) => panic!("nothing was erased yet"),
    }
}

/// Tables of the rows of a phone that hold these bytes.
fn rows_with(phone: &Phone, canary: &[u8]) -> Vec<u8> {
    let holds = |bytes: &[u8]| bytes.windows(canary.len()).any(|w| w == canary);
    let rows = phone.rows.iter();
    rows.filter(|(_, value)| holds(value))
        .map(|((table, _), _)| *table)
        .collect()
}

/// The answer as its phone reads it.
fn answer_of(world: &World, delivered: &Delivered, own: &Own) -> Answer {
    let ground = delivered.verified.ground(&world.hub);
    match Reply::read(model(), &delivered.body, &ground, own).unwrap() {
        Reply::Answer(answer, _) => *answer,
        Reply::Problem(problem) => panic!("{problem:?}"),
    }
}

/// The one fate of a visit that brought one run.
fn fate(delivered: &Delivered) -> &Fate {
    let [fate] = delivered.fates.as_slice() else {
        panic!("{:?}", delivered.fates);
    };
    fate
}

/// Why the one change of a body was set aside; `None` when it was admitted.
fn aside(world: &mut World, body: &[u8]) -> Option<AsideReason> {
    let delivered = world.deliver(body).unwrap();
    let fate = fate(&delivered);
    assert_eq!(fate.outcome, Outcome::Received, "{fate:?}");
    world.verify();
    fate.asides.first().map(|(_, reason)| *reason)
}

/// Every row of a ledger that holds these bytes, by its table.
fn tables_with(ledger: &MemoryLedger, canary: &[u8]) -> Vec<Table> {
    let mut found = Vec::new();
    for table in Table::ALL {
        for (key, value) in ledger.scan(*table, &[], &[0xff; 80], usize::MAX).unwrap() {
            let holds = |bytes: &[u8]| bytes.windows(canary.len()).any(|w| w == canary);
            if holds(&key) || holds(&value) {
                found.push(*table);
            }
        }
    }
    found
}

/// Kind and feed of the newest entry.
fn newest(world: &World) -> facts::Entry {
    facts::entry(&world.ledger, world.size().saturating_sub(1))
        .unwrap()
        .unwrap()
}
