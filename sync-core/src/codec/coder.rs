//! The range coder: an interval of 32-bit numbers that every choice makes narrower.
//!
//! Both sides keep the same interval, so the decoder knows which tail the encoder wrote, and can
//! tell a body that was cut short or drawn out from a whole one.

use super::CodecError;

/// The interval is kept at least this wide, so that each share of a choice holds many numbers: the
/// shares of one choice add up to less than 2^16.
const WIDTH_MIN: u32 = 1 << 24;

/// The numbers that all choices so far leave open: from `low`, `width` of them. The upper end may
/// lie beyond 2^32; then the bytes before are one more, read as one number.
#[derive(Clone, Copy, Debug)]
struct Interval {
    low: u32,
    width: u32,
}

impl Interval {
    const WHOLE: Self = Self {
        low: 0,
        width: u32::MAX,
    };

    /// How many numbers one of `total` shares holds; what division leaves over is never used.
    fn share(self, total: u32) -> u32 {
        self.width.checked_div(total).unwrap_or(1).max(1)
    }

    /// Keeps `size` shares from the one at `start`. Tells whether the low end passed 2^32.
    fn narrow(&mut self, share: u32, start: u32, size: u32) -> bool {
        let (low, carried) = self.low.overflowing_add(share.wrapping_mul(start));
        self.low = low;
        self.width = share.wrapping_mul(size);
        carried
    }

    /// Takes out the leading byte once the interval has become narrow.
    fn shift(&mut self) -> Option<u8> {
        if self.width >= WIDTH_MIN {
            return None;
        }
        let [leading, ..] = self.low.to_be_bytes();
        self.low <<= 8;
        self.width <<= 8;
        Some(leading)
    }

    /// The fewest bytes that, with zeros after them, name a number inside, and whether that
    /// number lies beyond 2^32.
    fn tail(self) -> ([u8; 4], usize, bool) {
        let (low, end) = (
            u64::from(self.low),
            u64::from(self.low).saturating_add(self.width.into()),
        );
        for (length, step) in [(0, 1_u64 << 32), (1, 1 << 24), (2, 1 << 16), (3, 1 << 8)] {
            let number = low.next_multiple_of(step);
            if number < end {
                let [.., a, b, c, d] = number.to_be_bytes();
                return ([a, b, c, d], length, number >> 32 != 0);
            }
        }
        (self.low.to_be_bytes(), 4, false)
    }
}

/// Writes choices, each by shares that its reader will know too.
#[derive(Debug)]
pub(super) struct Encoder {
    interval: Interval,
    packed: Vec<u8>,
}

impl Encoder {
    /// Goes on behind what `packed` already holds.
    pub(super) fn new(packed: Vec<u8>) -> Self {
        Self {
            interval: Interval::WHOLE,
            packed,
        }
    }

    /// One more for the bytes so far, read as one number. What they stand for is below 1, so it
    /// never reaches what was there before the first of them.
    fn carry(&mut self) {
        for byte in self.packed.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
    }

    /// The choice that has `size` of `total` shares, behind `start` of them.
    pub(super) fn encode(&mut self, start: u32, size: u32, total: u32) {
        let share = self.interval.share(total);
        if self.interval.narrow(share, start, size) {
            self.carry();
        }
        while let Some(byte) = self.interval.shift() {
            self.packed.push(byte);
        }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let (tail, length, carried) = self.interval.tail();
        if carried {
            self.carry();
        }
        self.packed.extend(tail.iter().take(length));
        self.packed
    }
}

/// Reads choices back. Behind the last byte it reads zeros, as the encoder's tail expects.
#[derive(Debug)]
pub(super) struct Decoder<'a> {
    interval: Interval,
    /// The number that the body names, by its distance from the low end.
    offset: u32,
    /// Bytes that have not entered the number.
    ahead: std::slice::Iter<'a, u8>,
    /// How many bytes of the number lie behind the end of the body.
    missing_bytes: usize,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(coded: &'a [u8]) -> Self {
        let mut decoder = Self {
            interval: Interval::WHOLE,
            offset: 0,
            ahead: coded.iter(),
            missing_bytes: 0,
        };
        for _ in 0..4 {
            decoder.advance();
        }
        decoder
    }

    fn advance(&mut self) {
        let byte = self.ahead.next().copied().unwrap_or_else(|| {
            self.missing_bytes = self.missing_bytes.saturating_add(1);
            0
        });
        self.offset = (self.offset << 8) | u32::from(byte);
    }

    /// In which of `total` shares the number lies. [`Decoder::take`] goes on from there.
    pub(super) fn place(&self, total: u32) -> Result<u32, CodecError> {
        let share = self.interval.share(total);
        let place = self.offset.checked_div(share).unwrap_or(u32::MAX);
        if place < total {
            return Ok(place);
        }
        // What division leaves over belongs to no share.
        Err(if self.missing_bytes > 0 {
            CodecError::Truncated
        } else {
            CodecError::NotCanonical
        })
    }

    /// The choice was the one with `size` of `total` shares, behind `start` of them.
    pub(super) fn take(&mut self, start: u32, size: u32, total: u32) -> Result<(), CodecError> {
        let share = self.interval.share(total);
        self.offset = self.offset.wrapping_sub(share.wrapping_mul(start));
        self.interval.narrow(share, start, size);
        while self.interval.shift().is_some() {
            self.advance();
            // The byte shifted out was never there.
            if self.missing_bytes > 4 {
                return Err(CodecError::Truncated);
            }
        }
        Ok(())
    }

    /// After the last choice: is what remains the tail that the encoder writes here?
    pub(super) fn finish(self) -> Result<(), CodecError> {
        let (tail, length, _) = self.interval.tail();
        let present = 4_usize.saturating_sub(self.missing_bytes);
        if !self.ahead.as_slice().is_empty() || present > length {
            return Err(CodecError::TrailingBytes);
        }
        if present < length {
            return Err(CodecError::Truncated);
        }
        if self.interval.low.wrapping_add(self.offset).to_be_bytes() != tail {
            return Err(CodecError::NotCanonical);
        }
        Ok(())
    }
}
