//! The end: do all agree?

use std::collections::BTreeSet;

use super::Outcome;
use super::handset::Row;
use super::records::{RECORDS, WITH_WORDS};
use super::world::World;

/// Lanes of the vocabulary.
const LANES: [&str; 4] = ["open", "tip", "mediation", "protected"];
/// Edits beside the records: two at once, a choice, an answer.
const EDITS: u64 = 4;
/// Records that are held.
const HELD: usize = 2;
/// Characters of a note that are looked for at the console.
const PREFIX_CHARS: usize = 16;

/// Everybody visits once more; everything is compared.
pub(super) fn all_agree(world: &mut World) -> Outcome<()> {
    world.tell.act("Do all agree?");
    world.sync_all(&[0, 1, 2, 0, 1, 2])?;
    let before = open_lists(world)?;
    for phone in &mut world.phones {
        phone.off_and_on()?;
    }
    let lists = open_lists(world)?;
    world.tell.check(
        before == lists,
        "switched off and on again, every phone shows the same",
    );
    let [first, second, third, fourth] = &lists[..] else {
        return Err(super::Fault::new("a phone is missing"));
    };
    let text = format!(
        "phones 1 and 2: the same {} open records, word for word",
        first.len()
    );
    world
        .tell
        .check(first == second && !first.is_empty(), &text);
    let same = |row: &Row| {
        let mut on_third = third.iter();
        on_third.any(|other| other.record == row.record && other.headline == row.headline)
    };
    let shared = fourth.iter().filter(|row| same(row)).count();
    let text = format!("phone 4, revoked: its own {shared}, as phone 3 shows them");
    let own = shared == fourth.len() && shared > 0;
    world.tell.check(own, &text);
    let all = records_in_log(world)?;
    let text = format!(
        "{} records in all, {WITH_WORDS} of them notes with words",
        all.len()
    );
    world.tell.check(all.len() == RECORDS, &text);
    let (found, hidden) = at_console(world)?;
    let text = format!("the console shows {found} of them, with their words");
    world
        .tell
        .check(found + hidden == RECORDS && hidden > 0, &text);
    let text = format!("and {hidden} mediations not: they are for the justice officer");
    world.tell.check(hidden == 2, &text);
    let verified = world.desk.verify()?;
    for line in verified.said.lines() {
        world.tell.show("binhyen verify", line);
    }
    world.tell.check(verified.sound, "verify passes");
    let exact = verified.changes == RECORDS as u64 + EDITS && verified.asides == HELD as u64;
    let text = format!("{RECORDS} records and {EDITS} edits are in the log, {HELD} are held");
    world.tell.check(exact, &text);
    let (code, said, _) = world.desk.try_run(&["rebuild"])?;
    world.tell.show("binhyen rebuild", said.trim_end());
    world
        .tell
        .check(code == 0, "all that the console shows follows from the log");
    counts(world, verified.entries)
}

fn open_lists(world: &mut World) -> Outcome<Vec<Vec<Row>>> {
    let mut lists = Vec::new();
    for phone in &mut world.phones {
        lists.push(phone.list("open")?);
    }
    Ok(lists)
}

/// Names of all records that any phone shows; what is held is in no list.
fn records_in_log(world: &mut World) -> Outcome<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for phone in &mut world.phones {
        for lane in LANES {
            all.extend(phone.list(lane)?.into_iter().map(|row| row.record));
        }
    }
    Ok(all)
}

/// How many records of the sample the officer can read, words and all, and how many not.
fn at_console(world: &mut World) -> Outcome<(usize, usize)> {
    let rows: Vec<(String, String)> = world
        .written
        .iter()
        .map(|row| (row.record.clone(), beginning(row.draft.words())))
        .collect();
    let (mut found, mut hidden) = (0, 0);
    for (record, words) in rows {
        let (status, page) = world.browser()?.record(&record)?;
        found += usize::from(status == 200 && page.contains(&words));
        hidden += usize::from(status == 404);
    }
    Ok((found, hidden))
}

/// Up to the first character that a page writes otherwise.
fn beginning(words: &str) -> String {
    let plain = words.chars().take_while(|c| !"\"'&<>".contains(*c));
    plain.take(PREFIX_CHARS).collect()
}

fn counts(world: &mut World, entries: u64) -> Outcome<()> {
    let mut shown = Vec::new();
    for phone in &mut world.phones {
        let records = phone.status()?.records;
        shown.push(format!("{} {records}", phone.name));
    }
    world.tell.say(&format!(
        "Records: {}. Log: {entries} entries.",
        shown.join(", ")
    ));
    Ok(())
}
