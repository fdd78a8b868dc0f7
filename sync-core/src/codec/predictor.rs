//! What the coder expects of the next bit.
//!
//! Several small experts each look at the bits that followed their own context before: the last
//! byte or two, the last three letters, the syllable so far, the same with the syllable before it
//! (a Vietnamese word is most often two of them), the kinds of the last bytes, which is what rows
//! of numbers repeat. A letter counts as one unit whatever its length in UTF-8, so that three
//! letters of Khmer reach as far as three letters without accents. A match finder adds what
//! followed the longest repetition. Mixers weigh all of that by how well each did lately, and a
//! last stage corrects what they get wrong as a habit.
//!
//! Which experts there are was found by taking each one out: an expert that saved nothing on notes
//! it had not read is not here.

#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "the inner loop of the coder: every index is masked to its table's size or below a \
              constant, hashes wrap on purpose, and each sum is bounded by clamped factors"
)]

use super::tables::{STRETCH_MAX, squash, stretch};

/// Experts that look into the table of slots.
const EXPERTS: usize = 8;
/// Each expert says two things: what such a history led to elsewhere, and what it saw itself.
const OPINIONS: usize = 2;
/// The experts, the match finder, one constant; filled up to a multiple of 4.
const INPUTS: usize = 20;
/// 2 MiB in all. The dictionary fills two fifths of it.
const SLOTS_BITS: u32 = 19;
const HISTORY_STATES: usize = 1024;
const POSITIONS_BITS: u32 = 14;
/// The match finder looks for a repetition of at least this many bytes.
const MATCH_BYTES_MIN: u32 = 5;
const MATCH_LENGTHS: usize = 32;
/// How many sets of weights are asked for each bit.
const MIXERS: usize = 3;
const SETS: usize = 256;
const REFINER_STEPS: usize = 33;
const REFINER_CONTEXTS_BITS: u32 = 12;

const MIX_RATE: i32 = 6;
const FINAL_RATE: i32 = 2;
const MAP_LIMIT: u32 = 255;

/// 1 / (n + 1.5), in 65536ths: the step after n sights.
static SHARES: [i32; 1024] = {
    let mut shares = [0; 1024];
    let mut seen = 0;
    while seen < 1024 {
        shares[seen] = 131_072 / (2 * seen as i32 + 3);
        seen += 1;
    }
    shares
};

#[inline]
fn share(distance: i32, seen: u32) -> i32 {
    ((i64::from(distance) * i64::from(SHARES[seen as usize & 1023])) >> 16) as i32
}

/// A probability that learns: 22 bits of it above, how often it was asked in the lower 10.
#[derive(Clone, Copy)]
struct Counter(u32);

impl Counter {
    const fn even() -> Self {
        Self(1 << 31)
    }

    fn one(self) -> u16 {
        (self.0 >> 16) as u16
    }

    fn learn(&mut self, bit: bool, limit: u32) {
        let seen = self.0 & 1023;
        let probability = (self.0 >> 10) as i32;
        let target = if bit { (1 << 22) - 1 } else { 0 };
        let step = share(target - probability, seen);
        let next = seen + u32::from(seen < limit);
        self.0 = (((probability + step) as u32) << 10) | next;
    }
}

/// What one context saw: how many zeros and ones (each up to 15), the last two bits, a
/// probability of its own, and a few bits to tell contexts apart.
#[derive(Clone, Copy)]
struct Slot(u32);

impl Slot {
    const fn fresh(check: u32) -> Self {
        Self((check << 22) | (2048 << 10))
    }

    fn check(self) -> u32 {
        self.0 >> 22
    }

    fn history(self) -> usize {
        (self.0 & 1023) as usize
    }

    fn one(self) -> u16 {
        ((self.0 >> 10) as u16 & 4095) << 4 | 8
    }

    fn seen(self) -> u32 {
        (self.0 & 15) + (self.0 >> 4 & 15)
    }

    fn learn(&mut self, bit: bool) {
        let (mut zeros, mut ones) = (self.0 & 15, self.0 >> 4 & 15);
        let seen = zeros + ones;
        let (same, other) = if bit {
            (&mut ones, &mut zeros)
        } else {
            (&mut zeros, &mut ones)
        };
        *same = (*same + 1).min(15);
        if *other > 2 {
            *other = (*other + 2) / 2;
        }
        let last = (self.0 >> 8 & 3) << 1 & 3 | u32::from(bit);
        let probability = (self.0 >> 10 & 4095) as i32;
        let target = if bit { 4095 } else { 0 };
        let moved = probability + share(target - probability, seen.min(12));
        self.0 = self.0 & 0xffc0_0000 | (moved as u32 & 4095) << 10 | last << 8 | ones << 4 | zeros;
    }
}

/// The whole state. A copy of it goes on as the original would.
#[derive(Clone)]
pub(super) struct Predictor {
    slots: Vec<Slot>,
    maps: Vec<Counter>,
    weights: Vec<[i32; INPUTS]>,
    final_weights: Vec<[i32; MIXERS]>,
    /// Rows of probabilities: 256 by the bits so far, the others by the byte before as well.
    refiners: Vec<[u16; REFINER_STEPS]>,

    /// All bytes so far, the dictionary included.
    past: Vec<u8>,
    positions: Vec<u32>,
    match_maps: Vec<Counter>,
    /// Where the expected byte lies in `past`; meaningful while `match_bytes` is not 0.
    match_at: usize,
    match_bytes: usize,

    /// The bits of the byte under way behind a leading 1.
    partial: u32,
    bits_count: u32,
    text: TextState,
    hashes: [u32; EXPERTS],

    slot_at: [usize; EXPERTS],
    inputs: [i32; INPUTS],
    sets: [usize; MIXERS],
    mixed: [i32; MIXERS],
    mixed_points: [i32; MIXERS],
    final_set: usize,
    final_point: i32,
    /// The mixers' error over the byte under way, and a running mean of it over the last bytes.
    missed: u32,
    surprise: u32,
    refine_at: [(usize, usize); 2],
}

/// The contexts of the text, kept up byte by byte.
#[derive(Clone, Default)]
struct TextState {
    /// The last eight bytes, the newest lowest.
    last_bytes: u64,
    /// Hashes of the last three letters, the newest first; that one may be under way.
    letters: [u32; 3],
    /// How many bytes the newest letter still waits for.
    letter_bytes_missing: u32,
    syllable: u32,
    syllable_before: u32,
}

fn hash(a: u32, b: u32) -> u32 {
    let mixed = a.wrapping_mul(0x9e37_79b1) ^ b.wrapping_mul(0x85eb_ca6b).rotate_left(15);
    (mixed ^ mixed >> 15).wrapping_mul(0x2c1b_3c6d)
}

impl TextState {
    fn byte(&mut self, byte: u8) {
        self.last_bytes = self.last_bytes << 8 | u64::from(byte);
        if byte & 0xc0 == 0x80 && self.letter_bytes_missing > 0 {
            self.letter_bytes_missing -= 1;
            self.letters[0] = hash(self.letters[0], u32::from(byte));
        } else {
            self.letters.rotate_right(1);
            self.letters[0] = hash(u32::from(byte), 1);
            self.letter_bytes_missing = match byte {
                0xc2..=0xdf => 1,
                0xe0..=0xef => 2,
                0xf0..=0xf4 => 3,
                _ => 0,
            };
        }
        if byte.is_ascii_alphabetic() || byte >= 0x80 {
            self.syllable = hash(self.syllable, u32::from(byte.to_ascii_lowercase()));
        } else if byte.is_ascii_digit() {
            // Numbers differ from note to note, what stands around them does not.
            self.syllable = 1;
        } else if self.syllable != 0 {
            self.syllable_before = self.syllable;
            self.syllable = 0;
        }
    }

    fn hashes(&self) -> [u32; EXPERTS] {
        let last = |count: u32| (self.last_bytes & ((1_u64 << (8 * count)) - 1)) as u32;
        let letters = self
            .letters
            .iter()
            .fold(0, |sum, &letter| hash(sum, letter));
        let before = self.syllable_before;
        let class = |shift: u32| byte_class((self.last_bytes >> shift) as u8);
        [
            0,
            last(1),
            last(2),
            letters,
            hash(self.syllable, last(1)),
            hash(self.syllable, before),
            hash(class(0) << 8 | class(8) << 4 | class(16), last(2) >> 8),
            hash(last(3) >> 8, class(0)),
        ]
    }
}

fn byte_class(byte: u8) -> u32 {
    match byte {
        0..=0x1f => 0,
        b' ' => 1,
        b'0'..=b'9' => 2,
        b'a'..=b'z' => 3,
        b'A'..=b'Z' => 4,
        0x21..=0x7f => 5,
        0x80..=0xbf => 6,
        0xc0..=0xff => 7,
    }
}

impl Predictor {
    /// One that has seen nothing.
    pub(super) fn new() -> Self {
        let row: [u16; REFINER_STEPS] =
            std::array::from_fn(|step| squash((step as i32 - 16) * 128));
        let mut new = Self {
            slots: vec![Slot::fresh(0); 1 << SLOTS_BITS],
            maps: vec![Counter::even(); EXPERTS * HISTORY_STATES],
            weights: vec![[8_000; INPUTS]; MIXERS * SETS],
            final_weights: vec![[21_845; MIXERS]; SETS],
            refiners: vec![row; 256 + (1 << REFINER_CONTEXTS_BITS)],
            past: Vec::new(),
            positions: vec![0; 1 << POSITIONS_BITS],
            match_maps: vec![Counter::even(); MATCH_LENGTHS * 2],
            match_at: 0,
            match_bytes: 0,
            partial: 1,
            bits_count: 0,
            text: TextState::default(),
            hashes: [0; EXPERTS],
            slot_at: [0; EXPERTS],
            inputs: [0; INPUTS],
            sets: [0; MIXERS],
            mixed: [0; MIXERS],
            mixed_points: [0; MIXERS],
            final_set: 0,
            final_point: 0,
            missed: 0,
            surprise: 0,
            refine_at: [(0, 0); 2],
        };
        new.start_byte();
        new
    }

    /// Learns a text without coding it.
    pub(super) fn read(&mut self, text: &[u8]) {
        for &byte in text {
            for shift in (0..8).rev() {
                self.predict();
                self.learn(byte >> shift & 1 == 1);
            }
        }
    }

    /// The probability that the next bit is a 1, in 65536ths: never 0, never certain. Each call
    /// is followed by one of [`Predictor::learn`].
    pub(super) fn predict(&mut self) -> u16 {
        let known = self.ask_experts();
        self.ask_match();
        self.inputs[EXPERTS * OPINIONS + 1] = 256;
        self.choose_sets(known);
        self.mix();
        self.refine()
    }

    /// Takes in the bit that came.
    pub(super) fn learn(&mut self, bit: bool) {
        self.learn_refiners(bit);
        self.learn_weights(bit);
        self.learn_match(bit);
        self.learn_experts(bit);
        self.partial = self.partial << 1 | u32::from(bit);
        self.bits_count += 1;
        if self.bits_count == 8 {
            let byte = self.partial as u8;
            self.partial = 1;
            self.bits_count = 0;
            self.text.byte(byte);
            self.surprise = (self.surprise * 3 + self.missed) / 4;
            self.missed = 0;
            self.past.push(byte);
            self.find_match();
            self.start_byte();
        }
    }

    fn start_byte(&mut self) {
        for (index, context) in self.text.hashes().into_iter().enumerate() {
            self.hashes[index] = hash(context, index as u32 + 1);
        }
    }

    /// Returns how many experts have met their context before.
    fn ask_experts(&mut self) -> usize {
        let mut known = 0;
        for expert in 0..EXPERTS {
            let place = hash(self.hashes[expert], self.partial);
            let check = place & 1023;
            let at = (place >> (32 - SLOTS_BITS)) as usize;
            // Two places for each context; the one that saw less gives way.
            let at = if self.slots[at].check() == check {
                at
            } else if self.slots[at ^ 1].check() == check
                || self.slots[at ^ 1].seen() < self.slots[at].seen()
            {
                at ^ 1
            } else {
                at
            };
            if self.slots[at].check() != check {
                self.slots[at] = Slot::fresh(check);
            }
            self.slot_at[expert] = at;
            let slot = self.slots[at];
            let opinions = &mut self.inputs[expert * OPINIONS..(expert + 1) * OPINIONS];
            if slot.seen() == 0 {
                opinions.fill(0);
                continue;
            }
            known += 1;
            let counted = self.maps[expert * HISTORY_STATES + slot.history()].one();
            opinions[0] = stretch(counted);
            opinions[1] = stretch(slot.one()) >> 1;
        }
        known
    }

    fn learn_experts(&mut self, bit: bool) {
        for expert in 0..EXPERTS {
            let slot = &mut self.slots[self.slot_at[expert]];
            self.maps[expert * HISTORY_STATES + slot.history()].learn(bit, MAP_LIMIT);
            slot.learn(bit);
        }
    }

    /// The bit that the match expects, while the bits so far agree with it.
    fn expected_bit(&self) -> Option<bool> {
        let byte = u32::from(*self.past.get(self.match_at)?) | 256;
        let agrees = byte >> (8 - self.bits_count) == self.partial;
        (self.match_bytes > 0 && agrees).then_some(byte >> (7 - self.bits_count) & 1 == 1)
    }

    fn match_map(&self, expected: bool) -> usize {
        self.match_bytes.min(MATCH_LENGTHS - 1) * 2 + usize::from(expected)
    }

    fn ask_match(&mut self) {
        let expected = self.expected_bit();
        self.inputs[EXPERTS * OPINIONS] =
            expected.map_or(0, |bit| stretch(self.match_maps[self.match_map(bit)].one()));
    }

    fn learn_match(&mut self, bit: bool) {
        if let Some(expected) = self.expected_bit() {
            let map = self.match_map(expected);
            self.match_maps[map].learn(bit, MAP_LIMIT);
            if expected != bit {
                self.match_bytes = 0;
            }
        }
    }

    fn find_match(&mut self) {
        if self.match_bytes > 0 {
            self.match_at += 1;
            self.match_bytes = (self.match_bytes + 1).min(65_535);
        }
        let key = self.text.last_bytes & ((1 << (8 * MATCH_BYTES_MIN)) - 1);
        let place = hash(key as u32, (key >> 32) as u32) >> (32 - POSITIONS_BITS);
        let candidate = self.positions[place as usize] as usize;
        if self.match_bytes == 0 && candidate > 0 {
            let earlier = self.past[..candidate].iter().rev();
            let same = earlier
                .zip(self.past.iter().rev())
                .take(32)
                .take_while(|(a, b)| a == b);
            let length = same.count();
            if length >= MATCH_BYTES_MIN as usize {
                self.match_at = candidate;
                self.match_bytes = length;
            }
        }
        self.positions[place as usize] = self.past.len() as u32;
    }

    fn choose_sets(&mut self, known: usize) {
        let class = byte_class(self.text.last_bytes as u8) as usize;
        // Some 40,000 a step tell notes, rows of numbers and random bytes apart.
        let surprise = (self.surprise as usize / 40_000).min(7);
        self.sets = [
            self.partial as usize,
            class * 8 + self.bits_count as usize,
            known,
        ];
        self.final_set = surprise;
    }

    fn mix(&mut self) {
        for mixer in 0..MIXERS {
            let point = weigh(&self.weights[mixer * SETS + self.sets[mixer]], &self.inputs);
            self.mixed_points[mixer] = point;
            self.mixed[mixer] = i32::from(squash(point));
        }
        self.final_point = weigh(&self.final_weights[self.final_set], &self.mixed_points);
    }

    fn learn_weights(&mut self, bit: bool) {
        let target = if bit { 65_535 } else { 0 };
        for mixer in 0..MIXERS {
            let error = (target - self.mixed[mixer]) * MIX_RATE;
            train(
                &mut self.weights[mixer * SETS + self.sets[mixer]],
                &self.inputs,
                error,
            );
        }
        let missed = target - i32::from(squash(self.final_point));
        self.missed += missed.unsigned_abs();
        train(
            &mut self.final_weights[self.final_set],
            &self.mixed_points,
            missed * FINAL_RATE,
        );
    }

    /// Corrects the mixers' word by what came of the same word in the same place before.
    fn refine(&mut self) -> u16 {
        let place = (self.final_point + 2048) as usize;
        let (step, part) = (place >> 7, place as i32 & 127);
        let newest = self.text.last_bytes as u32 & 255;
        let contexts = [
            self.partial as usize & 255,
            256 + (hash(newest << 8 | self.partial, 77) >> (32 - REFINER_CONTEXTS_BITS)) as usize,
        ];
        let mut sum = 0;
        for (at, context) in self.refine_at.iter_mut().zip(contexts) {
            let row = &self.refiners[context];
            sum += (i32::from(row[step]) * (128 - part) + i32::from(row[step + 1]) * part) >> 7;
            *at = (context, step + usize::from(part >= 64));
        }
        (sum >> 1).clamp(24, 65_535 - 24) as u16
    }

    fn learn_refiners(&mut self, bit: bool) {
        let target = if bit { 65_535 } else { 0 };
        for (context, step) in self.refine_at {
            let refiner = &mut self.refiners[context][step];
            let refined = i32::from(*refiner);
            *refiner = (refined + ((target - refined) >> 6)) as u16;
        }
    }
}

/// Factors are below 2^20 and 2^12, so that no product and no sum leaves 32 bits.
fn weigh<const COUNT: usize>(weights: &[i32; COUNT], inputs: &[i32; COUNT]) -> i32 {
    let products = weights
        .iter()
        .zip(inputs)
        .map(|(&weight, &input)| weight.wrapping_mul(input) >> 8);
    let sum = products.fold(0_i32, i32::wrapping_add);
    (sum >> 8).clamp(-STRETCH_MAX, STRETCH_MAX)
}

fn train<const COUNT: usize>(weights: &mut [i32; COUNT], inputs: &[i32; COUNT], error: i32) {
    let error = error >> 4;
    for (weight, &input) in weights.iter_mut().zip(inputs) {
        let change = input.wrapping_mul(error).wrapping_add(1 << 13) >> 14;
        *weight = weight.wrapping_add(change).clamp(-524_288, 524_287);
    }
}
