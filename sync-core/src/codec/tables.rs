//! Two curves, built by the compiler in whole numbers so that no platform rounds them otherwise.
//!
//! Predictions are mixed on the logistic scale: `stretch(p)` is the natural logarithm of
//! `p / (1 - p)`, in 256ths, and [`squash`] goes back.

#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "constant loops run by the compiler, which refuses an overflow or a bad index; the \
              two lookups clamp or mask their index"
)]

/// The ends of the logistic scale: 8 natural units each way.
pub(super) const STRETCH_MAX: i32 = 2047;

/// e to the power of 1/256, in 2^32ths.
const GROWTH: u128 = 4_311_777_323;

static SQUASH: [u16; 4096] = squash_table();
static STRETCH: [i16; 4096] = stretch_table();

/// The probability, in 65536ths, of a point of the logistic scale; never 0.
#[inline]
pub(super) fn squash(point: i32) -> u16 {
    SQUASH[(point.clamp(-STRETCH_MAX, STRETCH_MAX) + 2048) as usize & 4095]
}

/// The point of the logistic scale for a probability in 65536ths.
#[inline]
pub(super) fn stretch(probability: u16) -> i32 {
    STRETCH[(probability >> 4) as usize & 4095] as i32
}

const fn squash_table() -> [u16; 4096] {
    let mut table = [0_u16; 4096];
    let mut odds: u128 = 1 << 32;
    let mut point = 0;
    while point < 2048 {
        let above = ((odds << 16) / (odds + (1 << 32))) as u16;
        table[2048 + point] = above;
        // The curve is its own mirror image; 65536 itself does not fit and is not needed.
        table[2048 - point] = (65_536 - above as u32) as u16;
        odds = (odds * GROWTH) >> 32;
        point += 1;
    }
    table[0] = table[1];
    table
}

const fn stretch_table() -> [i16; 4096] {
    let squashed = squash_table();
    let mut table = [0_i16; 4096];
    let mut point = 1;
    let mut index = 0;
    while index < 4096 {
        let probability = (index * 16 + 8) as u16;
        while point < 4095 && squashed[point] < probability {
            point += 1;
        }
        table[index] = point as i16 - 2048;
        index += 1;
    }
    table
}
