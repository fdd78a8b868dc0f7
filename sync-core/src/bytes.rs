//! Reading and writing of fixed layouts.
//!
//! The reader is total: it never panics, never allocates from a declared length, and accepts one
//! encoding of each value only, so that what was hashed can be rebuilt from what was read.

use thiserror::Error;

/// Why bytes could not be read as the structure that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    /// The bytes end before the structure does.
    #[error("the bytes end too early")]
    Truncated,
    /// A variable-length integer is not in its shortest form, or does not fit.
    #[error("a number is not in its only form")]
    Number,
    /// A length or a count is over its named bound.
    #[error("a length is over its bound of {limit}")]
    OverLimit {
        /// The bound, in the unit of what was read (bytes or items).
        limit: usize,
    },
    /// Bytes are left after the end of the structure.
    #[error("bytes are left over")]
    Trailing,
    /// A discriminant has no meaning in this format version.
    #[error("unknown mark {0}")]
    UnknownMark(u8),
    /// Text is not UTF-8, or holds what text must not hold.
    #[error("text is not clean UTF-8")]
    Text,
    /// Items are not in the canonical order, or one stands twice.
    #[error("items are out of their order")]
    Order,
    /// A value is outside its range.
    #[error("a value is out of its range")]
    Range,
}

/// Room that a writer begins with: most keys, rows of numbers and texts under a hash fit, and a
/// vector that grows from nothing is moved five times on the way there.
const ROOM_BYTES: usize = 96;

/// Appends fixed-layout values to a byte vector.
#[derive(Debug, Clone)]
pub struct Writer(Vec<u8>);

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

impl Writer {
    /// An empty writer.
    #[must_use]
    pub fn new() -> Self {
        Self(Vec::with_capacity(ROOM_BYTES))
    }
    /// The bytes written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
    /// The bytes written so far.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
    /// One byte.
    pub fn u8(&mut self, v: u8) -> &mut Self {
        self.0.push(v);
        self
    }
    /// Two bytes, most significant first.
    pub fn u16(&mut self, v: u16) -> &mut Self {
        self.raw(&v.to_be_bytes())
    }
    /// Four bytes, most significant first.
    pub fn u32(&mut self, v: u32) -> &mut Self {
        self.raw(&v.to_be_bytes())
    }
    /// Eight bytes, most significant first.
    pub fn u64(&mut self, v: u64) -> &mut Self {
        self.raw(&v.to_be_bytes())
    }
    /// Eight bytes, two's complement, most significant first.
    pub fn i64(&mut self, v: i64) -> &mut Self {
        self.raw(&v.to_be_bytes())
    }
    /// Bytes as they are; the layout must say how many.
    pub fn raw(&mut self, v: &[u8]) -> &mut Self {
        self.0.extend_from_slice(v);
        self
    }
    /// LEB128, shortest form.
    pub fn varint(&mut self, mut v: u64) -> &mut Self {
        while v >= 0x80 {
            self.0.push(u8::try_from(v & 0x7f).unwrap_or(0) | 0x80);
            v >>= 7;
        }
        self.u8(u8::try_from(v).unwrap_or(0))
    }
    /// A signed number as zigzag LEB128.
    pub fn zigzag(&mut self, v: i64) -> &mut Self {
        self.varint(((v << 1) ^ (v >> 63)).cast_unsigned())
    }
    /// A length as LEB128, then the bytes.
    pub fn block(&mut self, v: &[u8]) -> &mut Self {
        self.count(v.len());
        self.raw(v)
    }
    /// A count as LEB128.
    pub fn count(&mut self, n: usize) -> &mut Self {
        self.varint(u64::try_from(n).unwrap_or(u64::MAX))
    }
}

/// Reads fixed-layout values from the front of a slice.
#[derive(Debug, Clone)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// A reader over all of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// What is left.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }
    /// Succeeds only when nothing is left.
    pub fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Malformed::Trailing)
        }
    }
    /// `n` bytes as they are.
    pub fn raw(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.0.split_at_checked(n).ok_or(Malformed::Truncated)?;
        self.0 = tail;
        Ok(head)
    }
    /// `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, tail) = self
            .0
            .split_first_chunk::<N>()
            .ok_or(Malformed::Truncated)?;
        self.0 = tail;
        Ok(*head)
    }
    /// One byte.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(u8::from_be_bytes(self.array()?))
    }
    /// Two bytes, most significant first.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes(self.array()?))
    }
    /// Four bytes, most significant first.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_be_bytes(self.array()?))
    }
    /// Eight bytes, most significant first.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_be_bytes(self.array()?))
    }
    /// Eight bytes, two's complement.
    pub fn i64(&mut self) -> Result<i64, Malformed> {
        Ok(i64::from_be_bytes(self.array()?))
    }
    /// LEB128 in its shortest form; anything longer is an error.
    pub fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for shift in (0..64u32).step_by(7) {
            let byte = self.u8()?;
            let low = u64::from(byte & 0x7f);
            if shift == 63 && low > 1 {
                return Err(Malformed::Number);
            }
            value |= low << shift;
            if byte & 0x80 == 0 {
                return if byte == 0 && shift > 0 {
                    Err(Malformed::Number)
                } else {
                    Ok(value)
                };
            }
        }
        Err(Malformed::Number)
    }
    /// A LEB128 number that fits a smaller type.
    pub fn small<T: TryFrom<u64>>(&mut self) -> Result<T, Malformed> {
        T::try_from(self.varint()?).map_err(|_out_of_range| Malformed::Range)
    }
    /// A zigzag LEB128 number.
    pub fn zigzag(&mut self) -> Result<i64, Malformed> {
        let v = self.varint()?;
        Ok((v >> 1).cast_signed() ^ (v & 1).cast_signed().wrapping_neg())
    }
    /// A count of items, at most `limit`.
    pub fn count(&mut self, limit: usize) -> Result<usize, Malformed> {
        let n = usize::try_from(self.varint()?)
            .map_err(|_out_of_range| Malformed::OverLimit { limit })?;
        if n > limit {
            Err(Malformed::OverLimit { limit })
        } else {
            Ok(n)
        }
    }
    /// A length of at most `limit`, then that many bytes.
    pub fn block(&mut self, limit: usize) -> Result<&'a [u8], Malformed> {
        let n = self.count(limit)?;
        self.raw(n)
    }
    /// A block that is UTF-8.
    pub fn text(&mut self, limit: usize) -> Result<String, Malformed> {
        let bytes = self.block(limit)?;
        core::str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|_not_utf8| Malformed::Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_form() {
        for v in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut w = Writer::new();
            w.varint(v);
            let bytes = w.into_bytes();
            let mut r = Reader::new(&bytes);
            assert_eq!(r.varint(), Ok(v));
            assert_eq!(r.end(), Ok(()));
        }
        assert_eq!(Reader::new(&[0x80, 0x00]).varint(), Err(Malformed::Number));
        assert_eq!(Reader::new(&[0xff; 10]).varint(), Err(Malformed::Number));
        for v in [0i64, -1, 1, i64::MIN, i64::MAX] {
            let mut w = Writer::new();
            w.zigzag(v);
            assert_eq!(Reader::new(w.as_bytes()).zigzag(), Ok(v));
        }
    }

    #[test]
    fn a_declared_length_takes_no_memory() {
        let mut w = Writer::new();
        w.varint(u64::MAX);
        assert_eq!(
            Reader::new(w.as_bytes()).block(16),
            Err(Malformed::OverLimit { limit: 16 })
        );
    }
}
