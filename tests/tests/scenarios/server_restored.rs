//! The server's disk is lost and an old backup is put in its place.

use sync_core::act::{Control, Said};
use sync_core::change::FullChange;
use sync_core::hub::{ReviewInput, facts};
use sync_core::log::{EntryKind, Leaf};
use sync_core::value::{FieldKey, Value};
use sync_core::vocabulary::Vocabulary;
use tests::sim::{HighWater, PRESENT, SUMMARY, Target, World};

use crate::{LEADER, MEMBER, admitted, every_seed, must, said_once, some_patrols, two_phones};

const ACCEPTED: u16 = 6;

/// A backup an hour, a day, a week and a month old: whatever any phone was told is received, and
/// still has, is in the log again.
#[test]
fn server_restored_from_backups_of_every_age() {
    const HOUR_S: i64 = 3_600;
    const DAY_S: i64 = 24 * HOUR_S;
    for age_s in [HOUR_S, DAY_S, 7 * DAY_S, 30 * DAY_S] {
        every_seed(|world| {
            let (leader, member) = two_phones(world)?;
            let mut said = some_patrols(world, member, MEMBER, "Trước khi sao lưu")?;
            world.sync(member)?;
            world.sync(leader)?;
            let backup = world.ledger.clone();
            // the time since the backup, in eight visits
            for visit in 0..8 {
                world.now_s += age_s / 8;
                let (nth, writer) = if world.dice.chance(50) {
                    (leader, LEADER)
                } else {
                    (member, MEMBER)
                };
                said.extend(some_patrols(world, nth, writer, &format!("Lần {visit}"))?);
                world.sync(nth)?;
            }
            world.sync(leader)?;
            world.sync(member)?;
            for full in &said {
                must(world.was_acknowledged(full), || {
                    format!("{:?} was not acknowledged", full.change.at)
                })?;
            }
            let before = world.generation();
            world.put_server_back(&backup);
            // as `restore` does, or as a server does by itself when a phone shows what it lacks
            if world.dice.chance(50) {
                let begun = world.desk(|hub, ledger, acting| {
                    Ok(hub.new_generation(ledger, acting, 0, u64::MAX)?)
                });
                begun.map_err(|refusal| refusal.to_string())?;
            }
            world.settle()?;
            must(world.generation() == before + 1, || {
                format!("generation {} after {before}", world.generation())
            })?;
            admitted(world, &said)
        });
    }
}

/// Phones bring back what the backup lacks: changes, an officer's word, an enrolment, an erasure;
/// and what was under way when the disk died is there once.
#[test]
fn server_restored_from_an_old_backup() {
    every_seed(|world| {
        let (leader, member) = two_phones(world)?;
        let old = some_patrols(world, member, MEMBER, "Trước khi sao lưu")?;
        world.sync(member)?;
        world.sync(leader)?;
        let backup = world.ledger.clone();

        // everything of here on is lost with the disk
        let mut lost = some_patrols(world, leader, LEADER, "Sau khi sao lưu")?;
        lost.push(world.reword(leader, LEADER, old[0].change.record, "Tổ trưởng sửa lại.")?);
        let guest = world.join(&[], Vocabulary::builtin())?;
        lost.extend(some_patrols(world, guest, LEADER, "Máy mới")?);
        world.sync(guest)?;
        world.sync(leader)?;
        let reviewed = lost[0].change.record;
        accept(world, &lost[0])?;
        let erased = "Trước khi sao lưu 0.";
        erase(world, &old[0])?;
        for nth in [leader, member, guest] {
            world.sync(nth)?;
        }
        for full in &lost {
            must(world.was_acknowledged(full), || {
                format!("{:?} was not acknowledged", full.change.at)
            })?;
        }
        let leaves = leaves_of(world, &lost)?;
        // one visit has landed and nobody was told, and one edit is on a phone only
        let landed = world.patrol(member, MEMBER, "Đã tới máy chủ, chưa ai biết.")?;
        let letter = world.letter(member)?;
        world.arrive(&letter)?;
        let queued = world.patrol(leader, LEADER, "Còn trên máy.")?;
        must(world.server_holds("Sau khi sao lưu 0.")?, || {
            "nothing is there to be lost".to_owned()
        })?;

        let before = world.generation();
        world.put_server_back(&backup);
        must(world.server_holds(erased)?, || {
            "the backup holds no erased words".to_owned()
        })?;
        let first = world.dice.below(3);
        for turn in 0..3 {
            world.sync((first + turn) % 3)?;
        }
        let device = world.phones[guest].identity.device.id();
        let known = facts::device_key(&world.ledger, device).ok().flatten();
        must(known.is_some(), || {
            "the phone enrolled since is not known again".to_owned()
        })?;
        world.settle()?;

        must(world.generation() == before + 1, || {
            format!("generation {} after {before}", world.generation())
        })?;
        admitted(world, &old)?;
        lost.extend([landed, queued]);
        admitted(world, &lost)?;
        // what had been admitted comes back as it was, all else is of the new generation
        must(leaves_of(world, &lost[..leaves.len()])? == leaves, || {
            "what was admitted once has other leaves now".to_owned()
        })?;
        let state = facts::log_state(&world.ledger).map_err(|fault| fault.to_string())?;
        for entry in world.entries()? {
            let is_old = entry.index < state.generation_start || leaves.contains(&entry.leaf);
            let expected = if is_old { before } else { before + 1 };
            must(entry.leaf.generation == expected, || {
                format!("entry {} is of another generation", entry.index)
            })?;
        }
        said_once(world, "Đã tới máy chủ, chưa ai biết.")?;
        said_once(world, "Còn trên máy.")?;
        let row = world.ledger.rows().find(|row| row.record == reviewed);
        must(row.is_some_and(|row| row.state == ACCEPTED), || {
            "the officer's word did not come back".to_owned()
        })?;
        must(!world.server_holds(erased)?, || {
            "what was erased came back with the backup".to_owned()
        })
    });
}

/// The leaves of these changes, in their order.
fn leaves_of(world: &World, changes: &[FullChange]) -> Result<Vec<Leaf>, String> {
    let entries = world.entries()?;
    let leaf = |full: &FullChange| {
        let mut all = entries.iter().map(|entry| entry.leaf);
        all.find(|leaf| leaf.at == full.change.at)
            .ok_or_else(|| format!("{:?} is not in the log", full.change.at))
    };
    changes.iter().map(leaf).collect()
}

/// The restored server grows past the head that a phone holds before that phone comes: two
/// histories under one generation. All of the log is compared from its beginning.
#[test]
fn server_restored_and_grown_past_what_a_phone_saw() {
    every_seed(|world| {
        let (leader, member) = two_phones(world)?;
        let old = some_patrols(world, leader, LEADER, "Trước")?;
        world.sync(leader)?;
        world.sync(member)?;
        let backup = world.ledger.clone();
        let lost = some_patrols(world, leader, LEADER, "Mất")?;
        world.sync(leader)?;
        let size = facts::log_state(&world.ledger).map_or(0, |state| state.size);

        let before = world.generation();
        world.put_server_back(&backup);
        // the member's phone has seen no more than the backup holds: to it nothing is wrong
        let mut grown = Vec::new();
        while facts::log_state(&world.ledger).map_or(0, |state| state.size) <= size {
            grown.extend(some_patrols(world, member, MEMBER, "Mọc thêm")?);
            world.sync(member)?;
        }
        must(world.generation() == before, || {
            "a phone that lost nothing began a generation".to_owned()
        })?;
        world.sync(leader)?;
        world.settle()?;

        let state = facts::log_state(&world.ledger).map_err(|fault| fault.to_string())?;
        must(
            (state.generation, state.generation_start) == (before + 1, 0),
            || format!("generation {} {}", state.generation, state.generation_start),
        )?;
        for changes in [old, lost, grown] {
            admitted(world, &changes)?;
            for full in &changes {
                for nth in [leader, member] {
                    let shown = world.shown(nth, full.change.record);
                    must(shown.is_some(), || format!("phone {nth} lacks a record"))?;
                }
            }
        }
        Ok(())
    });
}

fn accept(world: &mut World, full: &FullChange) -> Result<(), String> {
    let input = ReviewInput {
        record: full.change.record,
        state: Some(ACCEPTED),
        ..ReviewInput::default()
    };
    world
        .desk(|hub, ledger, acting| hub.review(ledger, acting, input).map(|_| ()))
        .map_err(|refusal| refusal.to_string())
}

/// An officer erases the words of a change.
fn erase(world: &mut World, full: &FullChange) -> Result<(), String> {
    let at = full.change.at;
    let keys = vec![FieldKey::plain(SUMMARY)];
    world
        .desk(|hub, ledger, acting| hub.erase(ledger, acting, at, keys))
        .map_err(|refusal| refusal.to_string())
}

/// A value that was erased is gone from the server's disk and from every phone's; all that was
/// signed still verifies, and what builds on it goes on.
#[test]
fn erased_part() {
    every_seed(|world| {
        let (leader, member) = two_phones(world)?;
        let late = world.join(&[3], Vocabulary::builtin())?;
        let words = "Bà Tư ở cuối xóm vay tiền của ông Sáu.";
        let told = world.patrol(member, MEMBER, words)?;
        for nth in [member, leader, late] {
            world.sync(nth)?;
            must(world.phones[nth].disk.holds(words), || {
                format!("phone {nth} never had the words")
            })?;
        }
        // a copy of the author's phone lies in a drawer, an edit waits on the leader's, and the
        // third phone loses its right to read before it could hear of the erasure
        let drawer = world.phones[member].clone();
        let count = [(PRESENT, Value::Number(5))];
        let record = told.change.record;
        let edit = world
            .put(leader, LEADER, Target::Of(record), &count)
            .map_err(|error| error.to_string())?;
        let backup = world.ledger.clone();
        let group = world.group();
        world
            .desk(|hub, ledger, acting| hub.end_member(ledger, acting, group, 3))
            .map_err(|refusal| refusal.to_string())?;
        erase(world, &told)?;
        must(!world.server_holds(words)?, || {
            "the words are still on the server".to_owned()
        })?;
        let after = some_patrols(world, member, MEMBER, "Sau khi xóa")?;
        world.settle()?;
        gone(world, words)?;

        // the drawer is opened, and later the server is put back to before the erasure
        let high_water = if world.dice.chance(50) {
            HighWater::Kept
        } else {
            HighWater::Lost
        };
        world.put_phone_back(member, drawer, high_water);
        world.settle()?;
        gone(world, words)?;
        world.put_server_back(&backup);
        must(world.server_holds(words)?, || {
            "the backup holds no erased words".to_owned()
        })?;
        world.settle()?;
        gone(world, words)?;

        admitted(world, &[told, edit])?;
        admitted(world, &after)?;
        for nth in [leader, member] {
            let view = world.phones[nth].replica.view(record);
            let value = view
                .as_ref()
                .and_then(|view| view.field("summary"))
                .map(|field| field.value.value.clone());
            must(value == Some(None), || {
                format!("phone {nth} shows {value:?} where words were erased")
            })?;
        }
        let erasures = world.entries()?.into_iter().filter(|entry| {
            entry.leaf.kind == EntryKind::Control
                && facts::full_act(&world.ledger, entry.index)
                    .ok()
                    .flatten()
                    .is_some_and(|full| {
                        matches!(full.act.said, Said::Control(Control::Erase { .. }))
                    })
        });
        must(erasures.count() == 1, || {
            "the erasure came back more than once".to_owned()
        })
    });
}

fn gone(world: &World, words: &str) -> Result<(), String> {
    must(!world.server_holds(words)?, || {
        "the words are on the server again".to_owned()
    })?;
    for (nth, phone) in world.phones.iter().enumerate() {
        must(!phone.disk.holds(words), || {
            format!("phone {nth} holds the words")
        })?;
    }
    Ok(())
}
