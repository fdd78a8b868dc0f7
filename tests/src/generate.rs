//! The generator of sample data: one seed and a profile give groups, phones and records, the same
//! on every machine.
//!
//! ```text
//! World::of(profile, seed) -> groups, members, phones
//! World::month(n)          -> what they record in that month, and what becomes of it
//! ```
//!
//! Nobody in it is real, and no hamlet: see `names`. Communes are today's real ones, because a
//! server knows only those of its table of units and hamlets can only be imported into these;
//! each group lies in one that took over an old commune of its old province. Rates, shares and
//! texts follow one specification; [`check`] compares what comes out with it.
//!
//! What BinhYen does not have is not made up here, and left out by name:
//! - photos, and with them the record that is empty but for one; the journal of the festival table;
//! - sealed parts: records of closed lanes have their readable part only;
//! - the worth of a tip, which the police set: [`Planned::tip_value`] is known here and sent
//!   nowhere; the dossiers of commendations: [`commendations`] counts and dates them only;
//! - the state of a group's model (proposed, pilot, recognised ...), and locked periods;
//! - a phone in two groups, which no enrolment allows; devices that restore an old backup, which
//!   the simulation plays; old areas, whose hamlets no server knows;
//! - texts in Cham, which nobody here can read;
//! - a mark `synthetic` in the records: no field of the vocabulary says so. [`json`] writes it
//!   beside each record, and `gen` says "DỮ LIỆU MẪU" above all of them.

mod calendar;
pub mod check;
mod fields;
pub mod json;
mod names;
mod plan;
mod profile;
mod rates;
mod stream;
#[cfg(test)]
mod tests;
mod words;
mod world;

pub use names::{Commune, Hamlet};
pub use plan::{Fate, Planned};
pub use profile::Profile;
pub use words::{Dirt, Language};
pub use world::{Group, Member, Phone, TipValue, World};

/// Changes with whatever changes what comes out.
pub const VERSION: u32 = 1;
/// Stands above every file of it.
pub const WATERMARK: &str = "DỮ LIỆU MẪU";

/// A dossier: nothing but that there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commendation {
    /// The group, by its place.
    pub group: usize,
    /// Whether it is for the whole group.
    pub collective: bool,
    /// Its day, since 1970: 19 August, the end of a year, or the last day.
    pub day: i32,
}

/// The dossiers of a profile.
#[must_use]
pub fn commendations(world: &World) -> Vec<Commendation> {
    let (all, collective) = world.profile.commendations();
    let mut stream = stream::Stream::of(world.seed, stream::Kind::Commendations, 0);
    let days = world.profile.days();
    let (first, _) = calendar::month_of(days.start);
    let (last, _) = calendar::month_of(days.end - 1);
    let mut dates: Vec<i32> = (first..=last)
        .flat_map(|year| [(year, 8, 19), (year, 12, 31)])
        .map(calendar::day_of)
        .filter(|day| days.contains(day))
        .collect();
    dates.push(days.end - 1);
    let for_groups = stream::choose_exactly(&mut stream, all, collective);
    for_groups
        .into_iter()
        .map(|collective| Commendation {
            group: stream.below(world.groups.len()),
            collective,
            day: *stream.pick(&dates),
        })
        .collect()
}
