//! A large server in place of the day: its log is filled in this process, then the server starts.

use super::browser::Browser;
use super::world::{OFFICER, World};
use super::{Fault, Outcome};
use crate::fill::{Progress, begin, load};
use crate::generate::{self, Profile};

/// Fills a directory and starts the server on it.
pub(super) fn build(world: &mut World, profile: Profile, seed: u64) -> Outcome<()> {
    let sample = generate::World::of(profile, seed);
    world.tell.act(&format!(
        "{} groups and {} phones: the sample {profile}, {}",
        sample.groups.len(),
        sample.phones.len(),
        generate::WATERMARK,
    ));
    world
        .tell
        .say("Nobody in it is real. Each record is signed by a phone and admitted by the hub;");
    world
        .tell
        .say("its day is that of the sample, and it is received today.");
    let first = sample.groups.first();
    let commune = first
        .ok_or_else(|| Fault::new("the sample has no group"))?
        .commune
        .clone();
    begin(&world.data()).map_err(Fault::new)?;
    world.add_officer("commune_officer", &commune.code)?;
    let mut progress = Progress::begin();
    let loaded = load(&world.data(), &sample, |part, records| {
        progress.at(part, records);
    })
    .map_err(Fault::new)?;
    world.tell.say(&format!(
        "{} records, {} edits, {} visits, {} returned, {} erased; {} entries in the log",
        loaded.records, loaded.edits, loaded.visits, loaded.returned, loaded.erased, loaded.entries
    ));
    world.restart()?;
    let mut browser = Browser::new(world.server, &world.ca())?;
    browser.sign_in(OFFICER, &world.password.clone())?;
    let page = browser.get("/console")?;
    let shown = page.status == 200 && page.text().contains(&commune.name);
    world.tell.check(
        shown,
        &format!("the console lists the records of {}", commune.name),
    );
    Ok(())
}
