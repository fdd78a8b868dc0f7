//! The days that a village must never notice, each by its name: forced at its worst moment, for
//! several seeds, and followed by every oracle of the simulation.

#[path = "scenarios/copies.rs"]
mod copies;
#[path = "scenarios/groups.rs"]
mod groups;
#[path = "scenarios/old_vocabulary.rs"]
mod old_vocabulary;
#[path = "scenarios/quarantine.rs"]
mod quarantine;
#[path = "scenarios/rights.rs"]
mod rights;
#[path = "scenarios/server_restored.rs"]
mod server_restored;

use sync_core::change::FullChange;
use sync_core::log::AsideReason;
use sync_core::vocabulary::Vocabulary;
use tests::sim::{Outcome, Verdict, World};

/// Seeds of each story. A seed draws how much is written and who comes first.
const SEEDS: u64 = 30;

/// The member who is the leader of the group.
const LEADER: u16 = 1;
/// A member who edits the own records only.
const MEMBER: u16 = 2;

/// Tells a story once for each seed, lets the world come to rest, and checks every oracle.
fn every_seed(story: impl Fn(&mut World) -> Result<(), String>) {
    let mut failed = Vec::new();
    for seed in 0..SEEDS {
        let mut world = World::without_phones(seed);
        let told = story(&mut world).and_then(|()| rest(&mut world).map(|_| ()));
        if let Err(what) = told {
            failed.push(format!("seed {seed}: {what}"));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Everybody visits until nobody has anything to say, and all that must hold is looked at.
fn rest(world: &mut World) -> Result<Outcome, String> {
    world.settle()?;
    world.check()
}

fn must(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// The phone of the leader and that of a member, who cannot edit what the leader wrote.
fn two_phones(world: &mut World) -> Result<(usize, usize), String> {
    let leader = world.join(&[LEADER], Vocabulary::builtin())?;
    let member = world.join(&[MEMBER], Vocabulary::builtin())?;
    Ok((leader, member))
}

/// A few patrols of one phone, their words beginning with `what`.
fn some_patrols(
    world: &mut World,
    nth: usize,
    member: u16,
    what: &str,
) -> Result<Vec<FullChange>, String> {
    let count = 1 + world.dice.below(4);
    (0..count)
        .map(|number| world.patrol(nth, member, &format!("{what} {number}.")))
        .collect()
}

/// Each of these changes counts.
fn admitted(world: &World, changes: &[FullChange]) -> Result<(), String> {
    changes
        .iter()
        .try_for_each(|full| became(world, full, Some(Verdict::Admitted)))
}

/// Each of these changes was set aside for this reason.
fn aside(world: &World, changes: &[FullChange], reason: AsideReason) -> Result<(), String> {
    changes
        .iter()
        .try_for_each(|full| became(world, full, Some(Verdict::Aside(reason))))
}

fn became(world: &World, full: &FullChange, wanted: Option<Verdict>) -> Result<(), String> {
    let found = world.verdict(full);
    must(found == wanted, || {
        format!("{:?} is {found:?}, not {wanted:?}", full.change.at)
    })
}

/// The log says these words in one change, no more and no less.
fn said_once(world: &World, words: &str) -> Result<(), String> {
    let found = world.said(words)?;
    must(found.len() == 1, || {
        format!("{words:?} stands at {found:?}")
    })
}
