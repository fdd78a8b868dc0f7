//! Two thousand short seeds of the simulation. Millions: `sim --count`; by name: `scenarios.rs`.

use std::sync::atomic::{AtomicU64, Ordering};

use tests::sim::{Outcome, run};

const SEEDS: u64 = 2_000;
const STEPS: u32 = 40;

/// Runs the seeds on two threads and fails with the first that does not hold.
#[test]
fn two_thousand_short_seeds_hold() {
    let next = AtomicU64::new(0);
    let work = || {
        let (mut total, mut failed) = (Outcome::default(), Vec::new());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= SEEDS {
                return (total, failed);
            }
            match run(seed, STEPS) {
                Ok(outcome) => total += outcome,
                Err(what) => failed.push(format!("seed {seed}: {what}")),
            }
        }
    };
    let (first, second) = std::thread::scope(|scope| {
        let other = scope.spawn(work);
        let here = work();
        (here, other.join().expect("a seed does not panic"))
    });
    let failed: Vec<String> = first.1.into_iter().chain(second.1).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    let sum = |of: fn(&Outcome) -> u64| of(&first.0) + of(&second.0);
    // seeds that meet nothing would prove nothing
    assert!(sum(|o| o.changes) > 10_000, "too few changes");
    assert!(sum(|o| o.asides) > 500, "nothing was ever refused");
    assert!(sum(|o| o.admitted) > 20, "nothing held was ever admitted");
    assert!(sum(|o| o.forks) > 50, "nothing was ever forked");
    assert!(sum(|o| o.rivals) > 100, "nobody ever disagreed");
    assert!(sum(|o| u64::from(o.generations)) > 20, "no server was lost");
    assert!(sum(|o| o.in_two) > 500, "no phone was in two groups");
    assert!(sum(|o| o.moved) > 100, "nothing was said anew elsewhere");
    assert!(sum(|o| o.let_go) > 500, "no phone let anything go");
    assert!(sum(|o| o.hidden) > 10_000, "there was nothing to leak");
}
