//! Streams of chance. Each thing draws from its own, keyed by (seed, kind of thing, index), so
//! that a new kind of record changes no other.
//!
//! `ln` and `exp` are made of additions, multiplications and divisions, which IEEE 754 rounds
//! alike everywhere; those of a system's library differ in the last bit, and with it a seed would
//! give other records on another machine.

use crate::sim::Dice;

/// What draws.
#[derive(Debug, Clone, Copy)]
#[repr(u64)]
pub(super) enum Kind {
    /// Order of founding.
    Founding = 1,
    /// One group.
    Group = 2,
    /// One phone.
    Phone = 3,
    /// Phones of all groups together.
    Phones = 4,
    /// How active one group is.
    Activity = 5,
    /// Whether a group is silent in a month.
    Silence = 6,
    /// Which group and month a tip falls to.
    Tips = 7,
    /// What the commune police make of each tip.
    Values = 8,
    /// How many records of a type; the type is added.
    Count = 0x100,
    /// One record of a type; the type is added.
    Record = 0x200,
    /// Its words; the type is added.
    Words = 0x300,
    /// What becomes of it; the type is added.
    Fate = 0x400,
    /// The dossiers.
    Commendations = 9,
    /// A phone's clock until the next time it is set.
    Clock = 10,
}

/// A stream.
#[derive(Debug, Clone)]
pub(super) struct Stream(Dice);

impl Stream {
    /// The stream of one thing.
    pub(super) fn of(seed: u64, kind: Kind, index: u64) -> Self {
        Self::of_type(seed, kind, 0, index)
    }

    /// The stream of one thing of a record type.
    pub(super) fn of_type(seed: u64, kind: Kind, record_type: u16, index: u64) -> Self {
        let kind = (kind as u64).wrapping_add(u64::from(record_type));
        let mut mixed = Dice::new(seed);
        let mut key = Dice::new(mixed.draw() ^ kind.wrapping_mul(0x9e6c_63d0_876a_3f6b));
        Self(Dice::new(
            key.draw() ^ index.wrapping_mul(0xd6e8_feb8_6659_fd93),
        ))
    }

    pub(super) fn draw(&mut self) -> u64 {
        self.0.draw()
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        self.0.bytes()
    }

    /// A number below `bound`, which is at least 1.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound)
    }

    /// A number from `low` to `high`, both among them.
    pub(super) fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.draw() % (high.saturating_sub(low) + 1)
    }

    /// One of these, which are not empty.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// At least 0, below 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with this probability.
    pub(super) fn happens(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// The place of one of these weights, in proportion to them.
    pub(super) fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut left = self.unit() * weights.iter().sum::<f64>();
        for (place, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return place;
            }
        }
        // rounding may leave a rest behind the last weight
        weights
            .iter()
            .rposition(|weight| *weight > 0.0)
            .unwrap_or(0)
    }

    /// Poisson with this mean, which is small here: some tens at most.
    pub(super) fn poisson(&mut self, mean: f64) -> u64 {
        let floor = exp(-mean);
        let (mut product, mut count) = (self.unit(), 0);
        while product > floor {
            product *= self.unit();
            count += 1;
        }
        count
    }

    /// Gamma of shape 2 with mean 1.
    pub(super) fn gamma_2(&mut self) -> f64 {
        let product = (1.0 - self.unit()) * (1.0 - self.unit());
        -ln(product) / 2.0
    }

    /// Log-normal with this median and sigma. The normal is a sum of twelve, which ends at six
    /// sigma; the bounds of what it is used for come sooner.
    pub(super) fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        let normal: f64 = (0..12).map(|_| self.unit()).sum::<f64>() - 6.0;
        median * exp(sigma * normal)
    }

    /// Log-uniform from `low` to `high`.
    pub(super) fn log_uniform(&mut self, low: f64, high: f64) -> f64 {
        low * exp(self.unit() * ln(high / low))
    }

    /// Puts these in another order.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }
}

/// Of `all` things in a row, exactly `chosen` are taken, each as likely as any other.
pub(super) fn choose_exactly(stream: &mut Stream, all: usize, chosen: usize) -> Vec<bool> {
    let mut left = chosen.min(all);
    (0..all)
        .map(|nth| {
            let takes = stream.below(all - nth) < left;
            left -= usize::from(takes);
            takes
        })
        .collect()
}

/// A positive number to a power.
pub(super) fn power(base: f64, exponent: f64) -> f64 {
    exp(exponent * ln(base))
}

/// The natural logarithm of a positive number.
fn ln(x: f64) -> f64 {
    let (mut mantissa, mut halvings) = (x, 0.0);
    while mantissa > 1.5 {
        mantissa /= 2.0;
        halvings += 1.0;
    }
    while mantissa < 0.75 {
        mantissa *= 2.0;
        halvings -= 1.0;
    }
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let (mut power, mut sum) = (t, 0.0);
    for nth in 0..20 {
        sum += power / f64::from(2 * nth + 1);
        power *= t * t;
    }
    2.0 * sum + halvings * std::f64::consts::LN_2
}

fn exp(x: f64) -> f64 {
    // e^x = (e^(x / 64))^64, and the small one by its series
    let small = x / 64.0;
    let (mut term, mut sum) = (1.0, 1.0);
    for nth in 1..20 {
        term *= small / f64::from(nth);
        sum += term;
    }
    for _ in 0..6 {
        sum *= sum;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithm_and_exponential_are_right() {
        for x in [1e-9, 0.1, 0.75, 1.0, 1.5, 7.0, 5e6] {
            assert!(
                (ln(x) - f64::ln(x)).abs() < 1e-12 * (1.0 + f64::ln(x).abs()),
                "ln {x}"
            );
        }
        for x in [-30.0, -1.0, 0.0, 0.3, 9.0] {
            assert!((exp(x) / f64::exp(x) - 1.0).abs() < 1e-12, "exp {x}");
        }
    }

    #[test]
    fn draws_have_their_means() {
        let mut stream = Stream::of(1, Kind::Group, 0);
        let mean = |of: &mut dyn FnMut() -> f64| (0..40_000).map(|_| of()).sum::<f64>() / 4e4;
        let poisson = mean(&mut || stream.poisson(3.5) as f64);
        assert!((poisson - 3.5).abs() < 0.05, "{poisson}");
        let gamma = mean(&mut || stream.gamma_2());
        assert!((gamma - 1.0).abs() < 0.02, "{gamma}");
        let above = mean(&mut || f64::from(u8::from(stream.log_normal(9.0, 0.907) > 40.0)));
        assert!((above - 0.05).abs() < 0.005, "{above}");
        let taken = choose_exactly(&mut stream, 1_000, 37);
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 37);
    }

    #[test]
    fn each_thing_has_its_own_stream() {
        let first = |kind, index| Stream::of(7, kind, index).draw();
        assert_eq!(first(Kind::Group, 3), first(Kind::Group, 3));
        assert_ne!(first(Kind::Group, 3), first(Kind::Group, 4));
        assert_ne!(first(Kind::Group, 3), first(Kind::Phone, 3));
        assert_ne!(Stream::of(8, Kind::Group, 3).draw(), first(Kind::Group, 3));
    }
}
