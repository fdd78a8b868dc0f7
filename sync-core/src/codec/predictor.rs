//! What the coder expects of the next byte: PPM, prediction by partial matching, with the
//! inheritance of variant H by D. Shkarin ("PPM: one step to practicality", Data Compression
//! Conference 2002).
//!
//! A context is what stood before, up to [`ORDER`] bytes of it; it counts the bytes that followed.
//! The longest context that was met before is asked first. Where it does not know the byte, the
//! coder escapes to the context one byte shorter, in which the bytes already ruled out no longer
//! count. A context that is met for the first time takes over the counts of the shorter one. How
//! likely an escape is, is learned for contexts that look alike: [`See`] for those with several
//! successors, `bins` for those with one.
//!
//! Contexts and successors lie in two arenas and name each other by index, so that a copy of the
//! whole is a copy of flat memory, and a wrong index could only decode wrongly. The arenas have
//! bounds; a model that reached one is full, and the owner starts anew.

#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "the inner loop of the coder: indexes come from the arenas they point into, which only \
              grow; each sum is bounded by the counts' own bound or said to be so where it stands"
)]

use std::mem::take;

use super::CodecError;

/// How many bytes a context reaches back at most.
const ORDER: u32 = 6;
/// A model with more contexts than this, or more places for successors, is full. The dictionary
/// fills an eighth.
const CONTEXTS_MAX: usize = 1 << 17;
const PLACES_MAX: usize = 1 << 19;

/// A successor that was met this often has its context's counts halved.
const COUNT_MAX: u8 = 124;
/// What a byte's count grows by when it comes.
const STEP: u8 = 4;
/// Probabilities of escapes out of contexts with one successor are in 2^14ths.
pub(super) const BIN_SCALE: u32 = 1 << 14;
/// How slowly they learn: by a 2^7th of what is missing.
const BIN_RATE: u32 = 7;
/// Classes of single successors: by count; and by what stands around.
const BIN_COUNTS: usize = 128;
const BIN_KINDS: usize = 64;
const BIN_ESCAPES_FIRST: [u16; 8] = [
    0x3cdd, 0x1f3f, 0x59bf, 0x48f3, 0x64a1, 0x5abc, 0x6632, 0x6051,
];
/// What an escape weighs in a context that gets its second successor, by the probability that the
/// first one had.
const ESCAPES_BY_BIN: [u8; 16] = [25, 14, 9, 7, 5, 5, 4, 4, 4, 3, 3, 3, 2, 2, 2, 2];
/// Classes of escapes: by how many successors are left; and by what stands around.
const SEE_COUNTS: usize = 25;
const SEE_KINDS: usize = 16;
/// A run of certain bytes begins this far below zero, one more than the order.
const RUN_START: i32 = -ORDER.cast_signed() - 1;

/// No context: the root has no shorter one, a new successor leads nowhere yet.
const NONE: u32 = u32::MAX;
/// Added to a place in the text. A successor leads there until its context is made, which is when
/// it is met again: contexts met once would be most of the memory.
const IN_TEXT: u32 = 1 << 31;
const ROOT: u32 = 0;

/// The class of a number of successors left, less 1: each number up to 3, then ever wider steps.
static SEE_CLASS: [u8; 256] = {
    let mut classes = [0; 256];
    let (mut number, mut class, mut width, mut left) = (0, 0, 1, 1);
    while number < 256 {
        classes[number] = class;
        left -= 1;
        if left == 0 {
            class += 1;
            width += (class > 3) as u8;
            left = width;
        }
        number += 1;
    }
    classes
};

/// A byte that followed a context, how often, and where it leads.
#[derive(Clone, Copy)]
pub(super) struct Successor {
    pub(super) byte: u8,
    pub(super) count: u8,
    /// A context, a place in the text, or nothing.
    next: u32,
}

const VACANT: Successor = Successor {
    byte: 0,
    count: 0,
    next: NONE,
};

#[derive(Clone, Copy)]
struct Context {
    /// Where its successors begin, the likeliest roughly first.
    first: u32,
    /// What the counts of its successors and of the escape add up to; unused with one successor.
    total: u32,
    /// The context one byte shorter.
    shorter: u32,
    /// How many successors there are, and the power of two of places that are theirs.
    successors: u16,
    room: u8,
}

impl Context {
    fn places(&self) -> std::ops::Range<usize> {
        let first = self.first as usize;
        first..first + usize::from(self.successors)
    }
}

/// A probability of escapes that contexts alike share: a sum, how much of it is one escape, and
/// how soon that changes.
#[derive(Clone, Copy)]
struct See {
    sum: u16,
    shift: u8,
    left: u8,
}

/// The bytes that longer contexts have ruled out.
#[derive(Clone, Copy)]
struct RuledOut {
    turns: [u8; 256],
    turn: u8,
}

impl RuledOut {
    fn has(&self, byte: u8) -> bool {
        self.turns[usize::from(byte)] == self.turn
    }

    fn add(&mut self, byte: u8) {
        self.turns[usize::from(byte)] = self.turn;
    }

    fn clear(&mut self) {
        self.turn = self.turn.wrapping_add(1);
        if self.turn == 0 {
            self.turns = [0; 256];
            self.turn = 1;
        }
    }
}

/// Who says which of the choices it is: the byte to be packed, or the packed body.
pub(super) trait Chooser {
    /// Which of these, by the number it comes with; `None` escapes. `total` has the escape in it.
    fn choose(
        &mut self,
        among: impl Iterator<Item = (usize, Successor)>,
        total: u32,
    ) -> Result<Option<usize>, CodecError>;

    /// Whether it is this one, which has so many of [`BIN_SCALE`] shares.
    fn is(&mut self, byte: u8, shares: u32) -> Result<bool, CodecError>;
}

/// The whole state. A copy of it goes on as the original would.
#[derive(Clone)]
pub(super) struct Predictor {
    contexts: Vec<Context>,
    places: Vec<Successor>,
    /// Places that were left for more room, by the power of two.
    vacant: [Vec<u32>; 9],
    text: Vec<u8>,
    /// The end of the text; what lies behind it is written over.
    text_end: usize,

    /// The context that coded the last byte, and the longest that stands before the next.
    here: u32,
    longest: u32,
    /// How many orders below the full one `here` is.
    fallen: u32,
    /// Where the last byte's successor lies.
    found: usize,
    /// Whether the last byte was the expected one.
    expected: bool,
    /// How long expected bytes have been coming.
    run: i32,
    /// What an escape weighs in a context that gets its second successor.
    escape_first: u32,
    /// [`high`] of the byte before.
    high: usize,
    bins: [[u16; BIN_KINDS]; BIN_COUNTS],
    sees: [[See; SEE_KINDS]; SEE_COUNTS],
    ruled_out: RuledOut,
}

/// Letters and what follows them in UTF-8 behave unlike spaces, digits and small numbers.
fn high(byte: u8) -> usize {
    usize::from(byte >= 0x40)
}

fn bin_class(successors: u16) -> usize {
    match successors {
        0 | 1 => 0,
        2 => 2,
        3..=11 => 4,
        _ => 6,
    }
}

impl Predictor {
    /// One that has seen nothing.
    pub(super) fn new() -> Self {
        let bin = |count: usize, kind: usize| {
            BIN_SCALE as u16 - BIN_ESCAPES_FIRST[kind & 7] / (count as u16 + 2)
        };
        let see = |class: usize| See {
            sum: (5 * class as u16 + 10) << 3,
            shift: 3,
            left: 4,
        };
        Self {
            contexts: vec![Context {
                first: 0,
                total: 257,
                shorter: NONE,
                successors: 256,
                room: 8,
            }],
            places: (0..=255)
                .map(|byte| Successor {
                    byte,
                    count: 1,
                    next: NONE,
                })
                .collect(),
            vacant: Default::default(),
            text: Vec::new(),
            text_end: 0,
            here: ROOT,
            longest: ROOT,
            fallen: ORDER,
            found: 0,
            expected: false,
            run: RUN_START,
            escape_first: 0,
            high: 0,
            bins: std::array::from_fn(|count| std::array::from_fn(|kind| bin(count, kind))),
            sees: std::array::from_fn(|class| [see(class); SEE_KINDS]),
            ruled_out: RuledOut {
                turns: [0; 256],
                turn: 0,
            },
        }
    }

    /// Goes on from here as `other` would, in the memory it has: fresh memory for each body would
    /// cost more than most bodies do.
    pub(super) fn copy_from(&mut self, other: &Self) {
        let (mut contexts, mut places) = (take(&mut self.contexts), take(&mut self.places));
        let (mut vacant, mut text) = (take(&mut self.vacant), take(&mut self.text));
        contexts.clone_from(&other.contexts);
        places.clone_from(&other.places);
        vacant.clone_from(&other.vacant);
        text.clone_from(&other.text);
        *self = Self {
            contexts,
            places,
            vacant,
            text,
            ..*other
        };
    }

    /// Whether it took all the memory that it may. One byte more does no harm.
    pub(super) fn is_full(&self) -> bool {
        self.contexts.len() > CONTEXTS_MAX || self.places.len() > PLACES_MAX
    }

    /// Whether it takes so much memory that it should not be kept.
    pub(super) fn is_large(&self) -> bool {
        self.contexts.len() > CONTEXTS_MAX / 4 || self.places.len() > PLACES_MAX / 4
    }

    fn context(&self, index: u32) -> &Context {
        &self.contexts[index as usize]
    }

    /// Lets `chooser` say the next byte, and learns it.
    ///
    /// # Errors
    /// Those of the chooser; the model is of no use afterwards.
    pub(super) fn next<C: Chooser>(&mut self, chooser: &mut C) -> Result<u8, CodecError> {
        let before = self.places[self.found].byte;
        self.high = high(before);
        self.ruled_out.clear();
        let told = if self.context(self.here).successors == 1 {
            self.ask_one(chooser)?
        } else {
            self.ask_first(chooser)?
        };
        if !told {
            self.expected = false;
            while !self.ask_shorter(chooser)? {}
        }
        let Successor { byte, next, .. } = self.places[self.found];
        let next = if self.fallen == 0 && next < IN_TEXT {
            next
        } else {
            self.extend()
        };
        self.here = next;
        self.longest = next;
        Ok(byte)
    }

    fn ask_one<C: Chooser>(&mut self, chooser: &mut C) -> Result<bool, CodecError> {
        let context = *self.context(self.here);
        let at = context.first as usize;
        let one = self.places[at];
        let kind = usize::from(self.expected)
            + bin_class(self.context(context.shorter).successors)
            + 8 * self.high
            + 16 * high(one.byte)
            + 32 * usize::from(self.run < 0);
        let bin = &mut self.bins[usize::from(one.count) - 1][kind];
        let shares = u32::from(*bin);
        let part = ((shares + (1 << (BIN_RATE - 2))) >> BIN_RATE) as u16;
        if chooser.is(one.byte, shares)? {
            *bin += (1 << BIN_RATE) - part;
            self.found = at;
            let count = &mut self.places[at].count;
            *count += u8::from(usize::from(*count) < BIN_COUNTS);
            self.expected = true;
            self.run += 1;
            return Ok(true);
        }
        *bin -= part;
        self.escape_first = ESCAPES_BY_BIN[usize::from(*bin >> 10) & 15].into();
        self.ruled_out.add(one.byte);
        Ok(false)
    }

    /// Asks a context with several successors, before any byte was ruled out.
    fn ask_first<C: Chooser>(&mut self, chooser: &mut C) -> Result<bool, CodecError> {
        let context = *self.context(self.here);
        let among = self.places[context.places()].iter().copied().enumerate();
        let Some(nth) = chooser.choose(among, context.total)? else {
            self.rule_out(context);
            return Ok(false);
        };
        self.found = context.first as usize + nth;
        if nth == 0 {
            self.expected = 2 * u32::from(self.places[self.found].count) > context.total;
            self.run += i32::from(self.expected);
            self.count_found();
            self.halve_at_bound();
            return Ok(true);
        }
        self.expected = false;
        self.count_found();
        if self.places[self.found].count > self.places[self.found - 1].count {
            self.places.swap(self.found, self.found - 1);
            self.found -= 1;
            self.halve_at_bound();
        }
        Ok(true)
    }

    /// Escapes to the next shorter context that knows more bytes, and asks that. The root knows
    /// all, so it is never escaped from.
    fn ask_shorter<C: Chooser>(&mut self, chooser: &mut C) -> Result<bool, CodecError> {
        let known = self.context(self.here).successors;
        loop {
            self.fallen += 1;
            self.here = self.context(self.here).shorter;
            if self.here == NONE {
                // Only an escape from a context that knows all bytes, which no packer writes.
                return Err(CodecError::NotCanonical);
            }
            if self.context(self.here).successors != known {
                break;
            }
        }
        let context = *self.context(self.here);
        let among = &self.places[context.places()];
        let (mut left, mut left_count, mut sum) = ([0_u8; 256], 0_usize, 0_u32);
        for (nth, next) in among.iter().enumerate() {
            // without a branch, since none could be foreseen
            let is_left = !self.ruled_out.has(next.byte);
            left[left_count] = nth as u8;
            left_count += usize::from(is_left);
            sum += u32::from(next.count) * u32::from(is_left);
        }
        let see = self.see(context, known);
        let escape = see.map_or(0, |(class, kind)| {
            let see = &mut self.sees[class][kind];
            let escape = see.sum >> see.shift;
            see.sum -= escape;
            u32::from(escape.max(1))
        });
        let left = left[..left_count].iter().map(|&nth| usize::from(nth));
        let chosen = chooser.choose(left.map(|nth| (nth, among[nth])), sum + escape)?;
        if let Some((class, kind)) = see {
            let see = &mut self.sees[class][kind];
            if chosen.is_none() {
                see.sum = see.sum.wrapping_add((sum + escape) as u16);
            } else if see.shift < BIN_RATE as u8 {
                see.left -= 1;
                if see.left == 0 {
                    see.sum = see.sum.wrapping_shl(1);
                    see.left = (3_u32 << see.shift) as u8;
                    see.shift += 1;
                }
            }
        }
        let Some(nth) = chosen else {
            self.rule_out(context);
            return Ok(false);
        };
        self.found = context.first as usize + nth;
        self.count_found();
        self.halve_at_bound();
        self.run = RUN_START;
        Ok(true)
    }

    /// Which contexts this one, of whose successors `known` are ruled out, escapes like.
    fn see(&self, context: Context, known: u16) -> Option<(usize, usize)> {
        if context.shorter == NONE {
            return None;
        }
        let successors = context.successors;
        let left = successors.saturating_sub(known).max(1);
        let shorter = self.context(context.shorter).successors;
        let more = shorter.saturating_sub(successors);
        let kind = usize::from(left < more)
            + 2 * usize::from(context.total < 11 * u32::from(successors))
            + 4 * usize::from(known > left)
            + 8 * self.high;
        Some((SEE_CLASS[usize::from(left) - 1].into(), kind))
    }

    fn rule_out(&mut self, context: Context) {
        for next in &self.places[context.places()] {
            self.ruled_out.add(next.byte);
        }
    }

    fn count_found(&mut self) {
        self.places[self.found].count += STEP;
        self.contexts[self.here as usize].total += u32::from(STEP);
    }

    /// Halves all counts of `here` once that of the last byte is over the bound. Successors that
    /// come down to nothing are forgotten.
    fn halve_at_bound(&mut self) {
        if self.places[self.found].count <= COUNT_MAX {
            return;
        }
        let context = &mut self.contexts[self.here as usize];
        let first = context.first as usize;
        let all = &mut self.places[context.places()];
        all[..=self.found - first].rotate_right(1);
        self.found = first;
        let sum = |all: &[Successor]| all.iter().map(|next| u32::from(next.count)).sum::<u32>();
        let mut escape = context.total.saturating_sub(sum(all));
        all[0].count += STEP;
        // Rounded up, unless the longest context was the one that knew.
        let rounding = u8::from(self.fallen != 0);
        for nth in 0..all.len() {
            all[nth].count = (all[nth].count + rounding) >> 1;
            let mut at = nth;
            while at > 0 && all[at].count > all[at - 1].count {
                all.swap(at, at - 1);
                at -= 1;
            }
        }
        let kept = all.iter().take_while(|next| next.count > 0).count();
        escape += (all.len() - kept) as u32;
        context.successors = kept as u16;
        if kept == 1 {
            while escape > 1 {
                all[0].count -= all[0].count >> 1;
                escape >>= 1;
            }
            return;
        }
        context.total = sum(all) + escape - (escape >> 1);
    }

    /// Where in a context a byte stands. It stands in all contexts shorter than one that has it;
    /// else the first place is as good as any.
    fn place_of(&self, context: u32, byte: u8) -> usize {
        let context = self.context(context);
        let among = &self.places[context.places()];
        let nth = among.iter().position(|next| next.byte == byte);
        context.first as usize + nth.unwrap_or_default()
    }

    /// Enters the last byte into the contexts that did not know it. Returns the longest context for
    /// the next.
    fn extend(&mut self) -> u32 {
        self.count_in_shorter();
        let found = self.places[self.found];
        if self.fallen == 0 {
            let next = self.inherit(false);
            self.places[self.found].next = next;
            return next;
        }
        if self.text_end < self.text.len() {
            self.text[self.text_end] = found.byte;
        } else {
            self.text.push(found.byte);
        }
        self.text_end += 1;
        let mut leads_to = IN_TEXT | self.text_end as u32;
        let mut next = found.next;
        if next == NONE {
            self.places[self.found].next = leads_to;
            next = self.here;
        } else {
            if next >= IN_TEXT {
                next = self.inherit(true);
            }
            self.fallen -= 1;
            if self.fallen == 0 {
                leads_to = next;
                self.text_end -= usize::from(self.longest != self.here);
            }
        }
        self.enter(found, leads_to);
        next
    }

    /// A byte that is not yet frequent counts in the next shorter context as well.
    fn count_in_shorter(&mut self) {
        let found = self.places[self.found];
        let shorter = self.context(self.here).shorter;
        if found.count >= COUNT_MAX / 4 || shorter == NONE {
            return;
        }
        let mut at = self.place_of(shorter, found.byte);
        let context = &mut self.contexts[shorter as usize];
        if context.successors == 1 {
            self.places[at].count += u8::from(self.places[at].count < 32);
            return;
        }
        if at > context.first as usize && self.places[at].count >= self.places[at - 1].count {
            self.places.swap(at, at - 1);
            at -= 1;
        }
        if self.places[at].count < COUNT_MAX - 9 {
            self.places[at].count += 2;
            context.total += 2;
        }
    }

    /// Adds the byte to each context from the longest down to the one that knew it, with the count
    /// that it has there by proportion.
    fn enter(&mut self, found: Successor, leads_to: u32) {
        let known = *self.context(self.here);
        let alike = u32::from(known.successors);
        let count = u32::from(found.count);
        let others = known.total.saturating_sub(alike + count - 1);
        let mut index = self.longest;
        while index != self.here {
            let mut context = *self.context(index);
            let here = u32::from(context.successors);
            if here == 1 {
                let first = &mut self.places[context.first as usize].count;
                *first = if *first < COUNT_MAX / 4 - 1 {
                    *first * 2
                } else {
                    COUNT_MAX - 4
                };
                context.total = u32::from(*first) + self.escape_first + u32::from(alike > 3);
            } else {
                context.total += u32::from(2 * here < alike)
                    + 2 * u32::from(4 * here <= alike && context.total <= 8 * here);
            }
            let own = 2 * count * (context.total + 6);
            let sum = others + context.total;
            let count = if own < 6 * sum {
                context.total += 3;
                1 + u8::from(own > sum) + u8::from(own >= 4 * sum)
            } else {
                let many = [9, 12, 15].into_iter().filter(|times| own >= times * sum);
                let count = 4 + many.count() as u8;
                context.total += u32::from(count);
                count
            };
            self.add(&mut context, found.byte, count, leads_to);
            self.contexts[index as usize] = context;
            index = context.shorter;
        }
    }

    /// Adds a successor behind the others; when their places are full, all move to twice as many.
    fn add(&mut self, context: &mut Context, byte: u8, count: u8, next: u32) {
        let successors = usize::from(context.successors);
        if successors == 1 << context.room {
            let old = context.first;
            context.first = self.take_places(context.room + 1);
            self.places.copy_within(
                old as usize..old as usize + successors,
                context.first as usize,
            );
            self.vacant[usize::from(context.room)].push(old);
            context.room += 1;
        }
        self.places[context.first as usize + successors] = Successor { byte, count, next };
        context.successors += 1;
    }

    /// So many places, as a power of two of at most 256.
    fn take_places(&mut self, room: u8) -> u32 {
        self.vacant[usize::from(room)].pop().unwrap_or_else(|| {
            let first = self.places.len();
            self.places.resize(first + (1 << room), VACANT);
            first as u32
        })
    }

    /// Makes the contexts that the last byte leads to from here and from the shorter contexts,
    /// until one leads to a context that is there. Each begins with the one byte that the text has
    /// there, and with the count that the shorter context gives it by proportion. Returns the
    /// longest of them.
    fn inherit(&mut self, from_here: bool) -> u32 {
        let found = self.places[self.found];
        let place = found.next;
        let mut waiting = [0; ORDER as usize + 1];
        let mut count = 0;
        if from_here {
            waiting[0] = self.found;
            count = 1;
        }
        let mut shortest = self.here;
        while self.context(shortest).shorter != NONE {
            shortest = self.context(shortest).shorter;
            let at = self.place_of(shortest, found.byte);
            let next = self.places[at].next;
            if next != place {
                shortest = next;
                break;
            }
            waiting[count] = at;
            count += 1;
        }
        let byte = self.text.get((place & !IN_TEXT) as usize);
        let byte = byte.copied().unwrap_or_default();
        let first_count = self.inherited_count(shortest, byte);
        for &at in waiting[..count].iter().rev() {
            let first = self.take_places(0);
            self.places[first as usize] = Successor {
                byte,
                count: first_count,
                next: place.wrapping_add(1),
            };
            let index = self.contexts.len() as u32;
            self.contexts.push(Context {
                first,
                total: 0,
                shorter: shortest,
                successors: 1,
                room: 0,
            });
            self.places[at].next = index;
            shortest = index;
        }
        shortest
    }

    fn inherited_count(&self, shorter: u32, byte: u8) -> u8 {
        let context = self.context(shorter);
        let own = self.places[self.place_of(shorter, byte)].count;
        if context.successors == 1 {
            return own;
        }
        let own = u32::from(own) - 1;
        let others = context
            .total
            .saturating_sub(u32::from(context.successors) + own)
            .max(1);
        let more = if 2 * own <= others {
            u32::from(5 * own > others)
        } else {
            (2 * own + 3 * others - 1) / (2 * others)
        };
        1 + more as u8
    }
}
