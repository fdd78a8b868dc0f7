//! A phone is put back to an older copy of itself, or cloned.

use sync_core::change::FullChange;
use sync_core::hub::ledger::{Table, View as _};
use sync_core::log::EntryKind;
use sync_core::replica::Standing;
use sync_core::value::{FieldKey, Value};
use sync_core::vocabulary::Vocabulary;
use tests::sim::{HighWater, SUMMARY, World};

use crate::{LEADER, MEMBER, admitted, every_seed, must, said_once, some_patrols, two_phones};

/// The member's phone is put back to a copy older than what it has written and sent since: the
/// leader's phone, the member's, and those changes.
fn put_back_after_writing(
    world: &mut World,
    high_water: HighWater,
) -> Result<(usize, usize, Vec<FullChange>), String> {
    let (leader, member) = two_phones(world)?;
    some_patrols(world, member, MEMBER, "Cũ")?;
    world.sync(member)?;
    let copy = world.phones[member].clone();
    let since = some_patrols(world, member, MEMBER, "Sau bản sao")?;
    world.sync(member)?;
    world.put_phone_back(member, copy, high_water);
    Ok((leader, member, since))
}

/// The host still knows how much was written: the phone goes on with a chain of its own at once,
/// and nothing has to be said again.
#[test]
fn phone_restored_and_aware_of_it() {
    every_seed(|world| {
        let (leader, member, since) = put_back_after_writing(world, HighWater::Kept)?;
        // the worst moment: people write before the phone has met the server again
        let blind = some_patrols(world, member, MEMBER, "Chưa gặp máy chủ")?;
        for full in &blind {
            must(full.change.at.chain != since[0].change.at.chain, || {
                "it went on with a chain of which it has lost the end".to_owned()
            })?;
        }
        world.sync(member)?;
        world.settle()?;
        must(world.said_again().next().is_none(), || {
            "something had to be said again".to_owned()
        })?;
        for changes in [&since, &blind] {
            admitted(world, changes)?;
            received(world, member, changes)?;
            received(world, leader, changes)?;
        }
        Ok(())
    });
}

/// Nobody knows that the phone was put back, and people write at places that are taken: those stay
/// with what was received, and what was written later is said again.
#[test]
fn phone_restored_and_unaware_of_it() {
    every_seed(|world| {
        let (leader, member, since) = put_back_after_writing(world, HighWater::Lost)?;
        let blind = some_patrols(world, member, MEMBER, "Chưa gặp máy chủ")?;
        must(blind[0].change.at == since[0].change.at, || {
            "no place is taken, so nothing is tried".to_owned()
        })?;
        world.sync(member)?;
        world.settle()?;
        admitted(world, &since)?;
        received(world, member, &since)?;
        let places: Vec<_> = world.said_again().copied().collect();
        for (number, full) in blind.iter().enumerate() {
            must(places.contains(&full.change.at), || {
                format!("{:?} was not said again", full.change.at)
            })?;
            let words = format!("Chưa gặp máy chủ {number}.");
            said_once(world, &words)?;
            for nth in [leader, member] {
                must(world.phones[nth].disk.holds(&words), || {
                    format!("phone {nth} lacks {words:?}")
                })?;
            }
        }
        Ok(())
    });
}

/// The copy holds in its queue what was sent since: it is offered byte for byte, and is there once.
#[test]
fn phone_restored_with_a_queue_that_was_sent_since() {
    every_seed(|world| {
        let (_, member) = two_phones(world)?;
        let queue = some_patrols(world, member, MEMBER, "Trong hàng chờ")?;
        let copy = world.phones[member].clone();
        world.sync(member)?;
        world.put_phone_back(member, copy, HighWater::Kept);
        let next = some_patrols(world, member, MEMBER, "Kế tiếp")?;
        world.sync(member)?;
        world.settle()?;
        admitted(world, &queue)?;
        admitted(world, &next)?;
        received(world, member, &queue)?;
        let entries = world.entries()?;
        let changes = entries.iter().filter(|e| e.leaf.kind == EntryKind::Change);
        must(changes.count() == queue.len() + next.len(), || {
            "a change is in the log more than once".to_owned()
        })?;
        must(world.said_again().next().is_none(), || {
            "something had to be said again".to_owned()
        })
    });
}

/// Two phones with one key write at the same places, then both go on. Who comes second says it
/// again on a new chain; the second signed change stays as evidence.
#[test]
fn phone_cloned() {
    every_seed(|world| {
        let (leader, one) = two_phones(world)?;
        let shared = world.patrol(one, MEMBER, "Ghi trước khi sao máy.")?;
        world.sync(one)?;
        let other = world.copy_phone(one);
        let record = shared.change.record;
        let edits = [
            world.reword(one, MEMBER, record, "Bản một viết lại.")?,
            world.reword(other, MEMBER, record, "Bản hai viết lại.")?,
        ];
        must(edits[0].change.at == edits[1].change.at, || {
            "the two copies do not meet at one place".to_owned()
        })?;
        some_patrols(world, one, MEMBER, "Bản một")?;
        some_patrols(world, other, MEMBER, "Bản hai")?;
        let swapped = world.dice.chance(50);
        let (first, second) = if swapped { (other, one) } else { (one, other) };
        world.sync(first)?;
        // written before the second copy knows, and after the first has the place
        world.patrol(first, MEMBER, "Bản thứ nhất viết tiếp.")?;
        world.patrol(second, MEMBER, "Bản thứ hai viết tiếp.")?;
        world.sync(second)?;
        world.sync(first)?;
        world.settle()?;

        let winner = usize::from(swapped);
        admitted(world, &edits[winner..=winner])?;
        let loser = &edits[1 - winner];
        must(world.verdict(loser).is_none(), || {
            "both changes stand at one place".to_owned()
        })?;
        for words in [
            "Bản một viết lại.",
            "Bản hai viết lại.",
            "Bản thứ nhất viết tiếp.",
            "Bản thứ hai viết tiếp.",
            "Bản một 0.",
            "Bản hai 0.",
        ] {
            said_once(world, words)?;
            for nth in [leader, one, other] {
                must(world.phones[nth].disk.holds(words), || {
                    format!("phone {nth} lacks {words:?}")
                })?;
            }
        }
        let again = world.said(if swapped {
            "Bản một viết lại."
        } else {
            "Bản hai viết lại."
        })?;
        must(again[0].chain != loser.change.at.chain, || {
            "it was said again on the chain that is forked".to_owned()
        })?;
        let kept = world
            .ledger
            .scan(Table::Quarantine, b"fork", b"forl", usize::MAX)
            .map_err(|fault| fault.to_string())?;
        must(!kept.is_empty(), || {
            "the evidence of the fork is not kept".to_owned()
        })?;
        // a clash that nobody has settled is shown to everybody
        for nth in [leader, one, other] {
            let view = world.phones[nth].replica.view(record);
            must(view.is_some_and(|view| view.has_rivals()), || {
                format!("phone {nth} hides one of the two edits")
            })?;
        }
        Ok(())
    });
}

/// A phone holds these changes and was told that they are in the log.
fn received(world: &World, nth: usize, changes: &[FullChange]) -> Result<(), String> {
    for full in changes {
        let found = world.phones[nth].replica.standing(full.change.at);
        must(found == Some(Standing::Received), || {
            format!("on phone {nth} {:?} is {found:?}", full.change.at)
        })?;
    }
    Ok(())
}

/// A phone that has two chains in a logbook is cloned, both write, and the server loses its disk. It
/// gets all back from the one; to the other it tells of the fork in the same answer. What the fork
/// is not about is there once, and on both.
#[test]
fn phone_cloned_and_server_restored() {
    every_seed(|world| {
        let one = world.join(&[LEADER], Vocabulary::builtin())?;
        let mut all = some_patrols(world, one, LEADER, "Trước bản sao lưu")?;
        world.sync(one)?;
        let backup = world.ledger.clone();
        let older = world.phones[one].clone();
        all.extend(some_patrols(world, one, LEADER, "Trước khi mất")?);
        world.sync(one)?;
        // put back and aware of it: what it writes from now on goes on a second chain
        world.put_phone_back(one, older, HighWater::Kept);
        world.sync(one)?;
        all.extend(some_patrols(world, one, LEADER, "Chuỗi thứ hai")?);
        world.sync(one)?;
        let other = world.copy_phone(one);
        all.extend(some_patrols(world, one, LEADER, "Của máy này")?);
        let forked = some_patrols(world, other, LEADER, "Của bản sao")?;
        let end = |changes: &[FullChange]| changes.last().map(|full| full.change.at.chain);
        must(end(&all) == end(&forked), || {
            "the story has no fork".to_owned()
        })?;
        world.sync(one)?;
        world.put_server_back(&backup);
        world.sync(one)?;
        world.sync(other)?;
        world.settle()?;
        admitted(world, &all)?;
        for full in all.iter().chain(&forked) {
            let Some(Value::Text(words)) = full.value(FieldKey::plain(SUMMARY)) else {
                return Err("a patrol has no words".to_owned());
            };
            said_once(world, words)?;
        }
        for full in &all {
            for nth in [one, other] {
                let shown = world.shown(nth, full.change.record);
                must(shown.is_some(), || {
                    format!("phone {nth} lost {:?}", full.change.at)
                })?;
            }
        }
        Ok(())
    });
}
