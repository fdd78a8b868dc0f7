//! The arithmetic coder: a range of 32-bit numbers that every bit makes narrower.
//!
//! Both sides keep the same range, so the decoder knows which tail the encoder wrote, and can
//! tell a body that was cut short or drawn out from a whole one.

use super::CodecError;

/// The range that all bits so far leave open, both ends included.
#[derive(Clone, Copy, Debug)]
struct Range {
    low: u32,
    high: u32,
}

impl Range {
    const WHOLE: Self = Self {
        low: 0,
        high: u32::MAX,
    };

    /// The last number that stands for a 1. `one` is the probability of a 1 in 65536ths, and
    /// never 0 or 65536, so that both halves hold at least one number.
    fn split(self, one: u16) -> u32 {
        let width = u64::from(self.high.wrapping_sub(self.low));
        let part = width.wrapping_mul(u64::from(one)) >> 16;
        self.low
            .wrapping_add(u32::try_from(part).unwrap_or(u32::MAX))
    }

    fn narrow(&mut self, bit: bool, middle: u32) {
        if bit {
            self.high = middle;
        } else {
            self.low = middle.wrapping_add(1);
        }
    }

    /// Takes out the leading byte once both ends agree on it.
    fn shift(&mut self) -> Option<u8> {
        let [leading, ..] = self.low.to_be_bytes();
        if (self.low ^ self.high) >> 24 != 0 {
            return None;
        }
        self.low <<= 8;
        self.high = (self.high << 8) | 0xff;
        Some(leading)
    }

    /// The fewest bytes that, with zeros after them, name a number inside the range.
    fn tail(self) -> ([u8; 4], usize) {
        for (length, zeros) in [(0, 32_u32), (1, 24), (2, 16), (3, 8)] {
            let mask = u32::MAX
                .checked_shr(32_u32.wrapping_sub(zeros))
                .unwrap_or(0);
            // The least multiple of that many zero bits at or above the low end.
            let Some(raised) = self.low.checked_add(mask) else {
                continue;
            };
            let number = raised & !mask;
            if number <= self.high {
                return (number.to_be_bytes(), length);
            }
        }
        (self.low.to_be_bytes(), 4)
    }
}

/// Writes bits, each with the probability its reader will also expect.
#[derive(Debug)]
pub(super) struct Encoder {
    range: Range,
    packed: Vec<u8>,
}

impl Encoder {
    /// Goes on behind what `packed` already holds.
    pub(super) fn new(packed: Vec<u8>) -> Self {
        Self {
            range: Range::WHOLE,
            packed,
        }
    }

    pub(super) fn encode(&mut self, bit: bool, one: u16) {
        let middle = self.range.split(one);
        self.range.narrow(bit, middle);
        while let Some(byte) = self.range.shift() {
            self.packed.push(byte);
        }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let (tail, length) = self.range.tail();
        self.packed.extend(tail.iter().take(length));
        self.packed
    }
}

/// Reads bits back. Behind the last byte it reads zeros, as the encoder's tail expects.
#[derive(Debug)]
pub(super) struct Decoder<'a> {
    range: Range,
    /// The four bytes that the range now speaks of.
    window: u32,
    /// Bytes that have not entered the window.
    ahead: std::slice::Iter<'a, u8>,
    /// How many bytes of the window lie behind the end of the body.
    missing_bytes: usize,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(coded: &'a [u8]) -> Self {
        let mut decoder = Self {
            range: Range::WHOLE,
            window: 0,
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
        self.window = (self.window << 8) | u32::from(byte);
    }

    pub(super) fn decode(&mut self, one: u16) -> Result<bool, CodecError> {
        let middle = self.range.split(one);
        let bit = self.window <= middle;
        self.range.narrow(bit, middle);
        while self.range.shift().is_some() {
            self.advance();
            // The byte shifted out was never there.
            if self.missing_bytes > 4 {
                return Err(CodecError::Truncated);
            }
        }
        Ok(bit)
    }

    /// After the last bit: is what remains the tail that the encoder writes here?
    pub(super) fn finish(self) -> Result<(), CodecError> {
        let (tail, length) = self.range.tail();
        let present = 4_usize.saturating_sub(self.missing_bytes);
        if !self.ahead.as_slice().is_empty() || present > length {
            return Err(CodecError::TrailingBytes);
        }
        if present < length {
            return Err(CodecError::Truncated);
        }
        if self.window.to_be_bytes() != tail {
            return Err(CodecError::NotCanonical);
        }
        Ok(())
    }
}
