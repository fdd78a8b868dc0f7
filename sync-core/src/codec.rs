//! The compressor for bodies of the exchange.
//!
//! A body is short: one record is some 300 bytes, and a general compressor has barely begun to
//! learn when such a body ends. So the model here has read [a dictionary](DICTIONARY) before the
//! first body comes: notes as patrols write them, invented for this purpose. That reading is done
//! once, in [`Model::primed`]; each body then starts from a copy of the primed state.
//!
//! The coder predicts each bit from several contexts at once, mixes the predictions by weights
//! that it goes on learning, and writes the bit with an arithmetic coder. All of it is integer
//! arithmetic, so that a phone, a browser and the server arrive at the same bytes.
//!
//! What is absent: the coder never takes memory by a number found in the input, never works past
//! the limit its caller names, and carries no checksum. A damaged body may decode to other bytes
//! without an error; whoever unpacks compares hashes before anything is stored.
//!
//! # Format of a packed body
//!
//! The plain length as a varint (LEB128, shortest form), then the coder's bytes, ended by the
//! shortest tail that decides the last bit. The tail has one spelling only: bytes missing and
//! bytes left over are errors.

use std::fmt;

use self::coder::{Decoder, Encoder};
use self::predictor::Predictor;

mod coder;
mod predictor;
mod tables;

/// A body passed through as it is.
pub const CODEC_STORED: u8 = 0;

/// This coder with dictionary 1. The number stands for both: another dictionary, another weight
/// or another rate decodes to other bytes, and needs another number.
pub const CODEC_CM1: u8 = 1;

/// The text the model has read before the first body. It lies in every installation in the clear
/// and is invented throughout.
pub const DICTIONARY: &str = include_str!("codec/dictionary_v1.txt");

/// How many bytes of the declared length are believed before any of them is decoded.
const PLAIN_BYTES_RESERVED_MAX: usize = 4096;

/// The most digits a length takes: 5 times 7 bits hold a `u32`.
const LENGTH_BYTES_MAX: u32 = 5;

/// Why a packed body was not unpacked. The peer that sent it is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The body says it is longer than the caller allows. Nothing was decoded.
    #[error("the packed body declares more than {limit} bytes")]
    TooLarge {
        /// The caller's limit, in bytes of plain text.
        limit: usize,
    },
    /// The body ends before its last byte is decided.
    #[error("the packed body ends too early")]
    Truncated,
    /// Bytes follow the end of the body.
    #[error("bytes follow the end of the packed body")]
    TrailingBytes,
    /// The length or the tail is spelled in a way that the packer never does.
    #[error("the packed body is not in its one canonical spelling")]
    NotCanonical,
}

/// A coder that has read the dictionary. Make one, keep it, share it: packing and unpacking work
/// on a copy of the state, so that no body leaves a trace in another.
#[derive(Clone)]
pub struct Model {
    primed: Predictor,
}

impl fmt::Debug for Model {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Two mebibytes of counters tell a reader nothing.
        formatter
            .debug_struct("Model")
            .field("codec", &CODEC_CM1)
            .finish_non_exhaustive()
    }
}

impl Model {
    /// The model of [`CODEC_CM1`]: dictionary 1, read once.
    #[must_use]
    pub fn primed() -> Self {
        let mut primed = Predictor::new();
        primed.read(DICTIONARY.as_bytes());
        Self { primed }
    }

    /// Packs `plain`. The result decodes with this version of the model only.
    ///
    /// Random bytes (seeds, hashes) cost slightly more than their size: keep them in a stored
    /// section of their own.
    #[must_use]
    pub fn pack(&self, plain: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        write_length(&mut packed, plain.len());
        if plain.is_empty() {
            return packed;
        }
        let mut predictor = self.primed.clone();
        let mut encoder = Encoder::new(packed);
        for &byte in plain {
            for shift in (0..8).rev() {
                let bit = (byte >> shift) & 1 == 1;
                encoder.encode(bit, predictor.predict());
                predictor.learn(bit);
            }
        }
        encoder.finish()
    }

    /// Unpacks what [`Model::pack`] made, if it is at most `plain_bytes_max` bytes long.
    ///
    /// # Errors
    ///
    /// [`CodecError`], for bytes that `pack` would not have written. Most damage is not noticed
    /// here, see the module's head.
    pub fn unpack(&self, packed: &[u8], plain_bytes_max: usize) -> Result<Vec<u8>, CodecError> {
        let (plain_bytes, coded) = read_length(packed)?;
        if plain_bytes > plain_bytes_max {
            return Err(CodecError::TooLarge {
                limit: plain_bytes_max,
            });
        }
        if plain_bytes == 0 {
            return if coded.is_empty() {
                Ok(Vec::new())
            } else {
                Err(CodecError::TrailingBytes)
            };
        }
        let mut predictor = self.primed.clone();
        let mut decoder = Decoder::new(coded);
        let mut plain = Vec::with_capacity(plain_bytes.min(PLAIN_BYTES_RESERVED_MAX));
        for _ in 0..plain_bytes {
            let mut byte = 0_u8;
            for _ in 0..8 {
                let bit = decoder.decode(predictor.predict())?;
                predictor.learn(bit);
                byte = (byte << 1) | u8::from(bit);
            }
            plain.push(byte);
        }
        decoder.finish()?;
        Ok(plain)
    }
}

/// Seven bits a byte, the lowest first; the high bit says that more follow.
fn write_length(packed: &mut Vec<u8>, length: usize) {
    let mut rest = length;
    while rest > 0x7f {
        packed.push(u8::try_from(rest & 0x7f).unwrap_or_default() | 0x80);
        rest >>= 7;
    }
    packed.push(u8::try_from(rest).unwrap_or_default());
}

/// The declared length and what follows it.
fn read_length(packed: &[u8]) -> Result<(usize, &[u8]), CodecError> {
    let mut length = 0_u64;
    let mut rest = packed;
    for digit in 0..LENGTH_BYTES_MAX {
        let (&byte, after) = rest.split_first().ok_or(CodecError::Truncated)?;
        rest = after;
        length |= u64::from(byte & 0x7f) << digit.saturating_mul(7);
        if byte & 0x80 == 0 {
            // A last digit of zero would be a second spelling of a shorter length.
            if byte == 0 && digit > 0 {
                return Err(CodecError::NotCanonical);
            }
            // On a phone of 32 bits a length that does not fit is beyond any limit.
            return Ok((usize::try_from(length).unwrap_or(usize::MAX), rest));
        }
    }
    Err(CodecError::NotCanonical)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "Tối 20h ba người đi vòng bờ kinh, nhắc hai nhà tắt loa, không có gì lạ.";

    #[test]
    fn what_is_packed_comes_back_and_a_cut_is_an_error() {
        let model = Model::primed();
        let noise: Vec<u8> = (0..600u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        for plain in [&b""[..], b"a", SAMPLE.as_bytes(), &noise] {
            let packed = model.pack(plain);
            assert_eq!(model.unpack(&packed, 4_096).unwrap(), plain);
            for cut in 0..packed.len() {
                // A cut may leave fewer bits than the coder needs, never the same text.
                assert_ne!(
                    model.unpack(&packed[..cut], 4_096).ok().as_deref(),
                    Some(plain)
                );
            }
            if !plain.is_empty() {
                assert!(
                    model.unpack(&packed, plain.len() - 1).is_err(),
                    "over the caller's limit"
                );
            }
        }
        assert!(
            model.pack(SAMPLE.as_bytes()).len() * 2 < SAMPLE.len(),
            "the dictionary helps"
        );
    }

    #[test]
    fn garbage_never_panics() {
        let model = Model::primed();
        let mut state = 1u64;
        for _ in 0..200 {
            let bytes: Vec<u8> = (0..40)
                .map(|_| {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    (state >> 56) as u8
                })
                .collect();
            if let Ok(plain) = model.unpack(&bytes, 2_048) {
                assert!(plain.len() <= 2_048);
            }
        }
    }
}
