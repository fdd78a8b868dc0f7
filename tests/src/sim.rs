//! Simulation by seed: several phones and one hub, all of them the real machines, over a link that
//! loses, repeats, reorders and cuts. One integer decides everything, so a failure replays.

mod check;
mod day;
mod dice;
mod enrolment;
mod leaks;
mod link;
mod phone;
mod readers;
mod script;
mod values;
mod world;

pub use dice::Dice;
pub use phone::{Disk, SimPhone};
pub use script::{HighWater, PATROL, PRESENT, SUMMARY, Target, Verdict};
pub use world::{Outcome, World};

/// Runs one seed to its end and checks every oracle.
///
/// # Errors
/// What does not hold, in words.
pub fn run(seed: u64, steps: u32) -> Result<Outcome, String> {
    let mut world = World::new(seed);
    for _ in 0..steps {
        world.step()?;
    }
    if world.dice.chance(50) {
        world.settle()?;
        world.clear_the_desk()?;
    }
    world.settle()?;
    world.check()
}
