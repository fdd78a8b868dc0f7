//! The compressor for bodies of the exchange.
//!
//! A body is short: one record is some 300 bytes, and a general compressor has barely begun to
//! learn when such a body ends. So the model here has read [a dictionary](DICTIONARY) before the
//! first body comes: notes as patrols write them, invented for this purpose; and then the rows of a
//! few requests that bring such notes, which teach it the layout of the wire. That reading is done
//! once, in [`Model::primed`]; each body then starts from a copy of the primed state.
//!
//! The coder foresees each byte from what stood before it, the longest context that it knows first
//! (prediction by partial matching), and writes it with a range coder. All of it is integer
//! arithmetic, so that a phone, a browser and the server arrive at the same bytes. Mixing many
//! predictions bit by bit would save some 6 % of a visit of twenty records and cost ten times the
//! processor.
//!
//! What is absent: the coder never takes memory by a number found in the input, never works past
//! the limit its caller names, and carries no checksum. A damaged body may decode to other bytes
//! without an error; whoever unpacks compares hashes before anything is stored.
//!
//! # Format of a packed body
//!
//! The plain length as a varint (LEB128, shortest form), then the coder's bytes, ended by the
//! shortest tail that decides the last bit. The tail has one spelling only: bytes left
//! over are an error, and so are bytes missing, unless what is left happens to be what another
//! text of the same length packs to. The section around a body carries its packed length.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use self::coder::{Decoder, Encoder};
use self::predictor::{BIN_SCALE, Chooser, Predictor, Successor};

mod coder;
mod predictor;

/// A body passed through as it is.
pub const CODEC_STORED: u8 = 0;

/// This coder with dictionary 1 and rows 1. The number stands for all of it: another dictionary,
/// another weight or another rate decodes to other bytes, and needs another number.
pub const CODEC_PPM1: u8 = 1;

/// The text the model has read before the first body. It lies in every installation in the clear
/// and is invented throughout.
pub const DICTIONARY: &str = include_str!("codec/dictionary_v1.txt");

/// Rows of requests that bring one record each, made of the dictionary's sentences: one request a
/// line, in hex.
const SAMPLE_ROWS: &str = include_str!("codec/rows_v1.txt");

/// How many states are kept for later bodies, of some 0.6 MiB each.
const SPARES_MAX: usize = 4;

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
    /// The body ends before its last byte is decided. Most bodies cut short end here; a few decode
    /// to another text of the same length.
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
    primed: Arc<Predictor>,
    /// What bodies are done with, for the next ones.
    spares: Arc<Mutex<Vec<Predictor>>>,
}

impl fmt::Debug for Model {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Half a mebibyte of counts tells a reader nothing.
        formatter
            .debug_struct("Model")
            .field("codec", &CODEC_PPM1)
            .finish_non_exhaustive()
    }
}

impl Model {
    /// The model of [`CODEC_PPM1`]: dictionary 1 and rows 1, read once.
    #[must_use]
    pub fn primed() -> Self {
        let mut primed = Predictor::new();
        read(&mut primed, DICTIONARY.as_bytes());
        for line in SAMPLE_ROWS.lines() {
            read(&mut primed, &bytes_of_hex(line));
        }
        Self::of(primed)
    }

    fn of(primed: Predictor) -> Self {
        Self {
            primed: Arc::new(primed),
            spares: Arc::default(),
        }
    }

    /// Works on a copy of the primed state.
    fn with_copy<T>(&self, work: impl FnOnce(&mut Predictor) -> T) -> T {
        let spares = || self.spares.lock().unwrap_or_else(PoisonError::into_inner);
        let spare = spares().pop();
        let mut predictor = match spare {
            Some(mut spare) => {
                spare.copy_from(&self.primed);
                spare
            }
            None => Predictor::clone(&self.primed),
        };
        let done = work(&mut predictor);
        let mut spares = spares();
        if spares.len() < SPARES_MAX && !predictor.is_large() {
            spares.push(predictor);
        }
        done
    }

    /// Starts anew once the model may grow no further.
    fn renew(&self, predictor: &mut Predictor) {
        if predictor.is_full() {
            predictor.copy_from(&self.primed);
        }
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
        let mut packing = Packing {
            encoder: Encoder::new(packed),
            byte: 0,
        };
        self.with_copy(|predictor| {
            for &byte in plain {
                self.renew(predictor);
                packing.byte = byte;
                // a packer's choices never fail
                let _same = predictor.next(&mut packing);
            }
        });
        packing.encoder.finish()
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
        let mut unpacking = Unpacking {
            decoder: Decoder::new(coded),
        };
        let mut plain = Vec::with_capacity(plain_bytes.min(PLAIN_BYTES_RESERVED_MAX));
        self.with_copy(|predictor| {
            for _ in 0..plain_bytes {
                self.renew(predictor);
                plain.push(predictor.next(&mut unpacking)?);
            }
            Ok(())
        })?;
        unpacking.decoder.finish()?;
        Ok(plain)
    }
}

/// Where the shares of a yes lie, which has so many of [`BIN_SCALE`], or those of a no; and how many
/// they are.
fn shares_of(is: bool, shares: u32) -> (u32, u32) {
    if is {
        (0, shares)
    } else {
        (shares, BIN_SCALE.saturating_sub(shares))
    }
}

/// Says what it is told, and writes it.
struct Packing {
    encoder: Encoder,
    byte: u8,
}

impl Chooser for Packing {
    fn choose(
        &mut self,
        among: impl Iterator<Item = (usize, Successor)>,
        total: u32,
    ) -> Result<Option<usize>, CodecError> {
        let mut start = 0_u32;
        for (nth, next) in among {
            let size = u32::from(next.count);
            if next.byte == self.byte {
                self.encoder.encode(start, size, total);
                return Ok(Some(nth));
            }
            start = start.saturating_add(size);
        }
        self.encoder
            .encode(start, total.saturating_sub(start), total);
        Ok(None)
    }

    fn is(&mut self, byte: u8, shares: u32) -> Result<bool, CodecError> {
        let is = self.byte == byte;
        let (start, size) = shares_of(is, shares);
        self.encoder.encode(start, size, BIN_SCALE);
        Ok(is)
    }
}

/// Says what a packed body says.
struct Unpacking<'a> {
    decoder: Decoder<'a>,
}

impl Chooser for Unpacking<'_> {
    fn choose(
        &mut self,
        among: impl Iterator<Item = (usize, Successor)>,
        total: u32,
    ) -> Result<Option<usize>, CodecError> {
        let place = self.decoder.place(total)?;
        let mut start = 0_u32;
        for (nth, next) in among {
            let size = u32::from(next.count);
            let end = start.saturating_add(size);
            if place < end {
                self.decoder.take(start, size, total)?;
                return Ok(Some(nth));
            }
            start = end;
        }
        self.decoder
            .take(start, total.saturating_sub(start), total)?;
        Ok(None)
    }

    fn is(&mut self, _byte: u8, shares: u32) -> Result<bool, CodecError> {
        let is = self.decoder.place(BIN_SCALE)? < shares;
        let (start, size) = shares_of(is, shares);
        self.decoder.take(start, size, BIN_SCALE)?;
        Ok(is)
    }
}

/// Says what it is told.
struct Reading(u8);

impl Chooser for Reading {
    fn choose(
        &mut self,
        mut among: impl Iterator<Item = (usize, Successor)>,
        _total: u32,
    ) -> Result<Option<usize>, CodecError> {
        Ok(among
            .find(|(_, next)| next.byte == self.0)
            .map(|(nth, _)| nth))
    }

    fn is(&mut self, byte: u8, _shares: u32) -> Result<bool, CodecError> {
        Ok(self.0 == byte)
    }
}

/// Teaches a model a text without coding it.
fn read(predictor: &mut Predictor, text: &[u8]) {
    for &byte in text {
        // a reader's choices never fail
        let _same = predictor.next(&mut Reading(byte));
    }
}

/// Pairs that are no hex, of which a test finds none, are passed over.
fn bytes_of_hex(line: &str) -> Vec<u8> {
    let digits = line.as_bytes().chunks_exact(2);
    digits
        .filter_map(|pair| u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
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
    use std::sync::LazyLock;

    use super::*;

    const NOTE: &str = "Tối nay tổ đi một vòng quanh chợ ấp, đèn trước trạm y tế đã sáng lại.";

    static MODEL: LazyLock<Model> = LazyLock::new(Model::primed);

    /// Bytes that look random and are the same in every run.
    fn noise(seed: u64, count: usize) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0]
        };
        (0..count).map(|_| next()).collect()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn what_was_packed_comes_back() {
        let rows: Vec<u8> = (0..40_u8)
            .flat_map(|row| [1, row, 2, 0xff, row / 3, 0])
            .collect();
        let mut bodies = vec![Vec::new(), NOTE.as_bytes().to_vec(), rows, noise(1, 1500)];
        bodies.extend((0..=255).map(|byte| vec![byte]));
        bodies.push(NOTE.repeat(20).into_bytes());
        bodies.push("ប្រគល់វេនឱ្យក្រុមបន្ទាប់ហើយ".as_bytes().to_vec());
        bodies.push(vec![0; 1000]);
        for body in bodies {
            let packed = MODEL.pack(&body);
            assert_eq!(MODEL.unpack(&packed, body.len()), Ok(body));
        }
    }

    #[test]
    fn the_format_does_not_drift() {
        // A change here is a new codec number and a new dictionary file, never a new expectation.
        assert_eq!(hex(&MODEL.pack(b"")), "00");
        assert_eq!(
            hex(&MODEL.pack(NOTE.as_bytes())),
            "5fb5d3a7ec86b1b1bdfe0ac8e33e60a336ab34ab2725"
        );
        assert_eq!(
            hex(&MODEL.pack(&noise(7, 24))),
            "18efade8ed0c8edccc02a2ceb56fb01cca14805791eb3ed18dc4b15ca4e7"
        );
    }

    #[test]
    fn a_note_packs_well_and_noise_hardly_grows() {
        assert!(MODEL.pack(NOTE.as_bytes()).len() * 3 < NOTE.len());
        let packed = MODEL.pack(&noise(3, 8000)).len();
        assert!(packed < 8000 + 8000 / 12, "{packed}");
    }

    #[test]
    fn a_body_cut_short_is_noticed_unless_it_is_another_whole_body() {
        let plain = NOTE.repeat(2);
        let packed = MODEL.pack(plain.as_bytes());
        let mut noticed = 0;
        for length in 0..packed.len() {
            match MODEL.unpack(&packed[..length], 1000) {
                Err(error) => {
                    assert_eq!(error, CodecError::Truncated);
                    noticed += 1;
                }
                // Without spare bits some short body is what another text packs to.
                Ok(other) => assert_eq!(MODEL.pack(&other), packed[..length]),
            }
        }
        assert!(
            noticed * 10 >= packed.len() * 9,
            "{noticed} of {}",
            packed.len()
        );
    }

    #[test]
    fn bytes_left_over_are_an_error() {
        for body in [&b""[..], b"a", NOTE.as_bytes()] {
            for extra in [0, 1, 0xff] {
                let mut packed = MODEL.pack(body);
                packed.push(extra);
                assert_eq!(MODEL.unpack(&packed, 1000), Err(CodecError::TrailingBytes));
            }
        }
    }

    #[test]
    fn the_tail_has_one_spelling() {
        let mut packed = MODEL.pack(NOTE.as_bytes());
        let last = packed.last_mut().unwrap();
        *last = last.wrapping_add(1);
        assert!(MODEL.unpack(&packed, 1000) != Ok(NOTE.as_bytes().to_vec()));
        assert_eq!(
            MODEL.unpack(&[0x81, 0x00, 0x00], 1000),
            Err(CodecError::NotCanonical)
        );
        assert_eq!(
            MODEL.unpack(&[0xff; 9], 1000),
            Err(CodecError::NotCanonical)
        );
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_any_work() {
        let packed = MODEL.pack(NOTE.as_bytes());
        let limit = NOTE.len() - 1;
        assert_eq!(
            MODEL.unpack(&packed, limit),
            Err(CodecError::TooLarge { limit })
        );
        let huge = [0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3];
        assert_eq!(
            MODEL.unpack(&huge, 65_536),
            Err(CodecError::TooLarge { limit: 65_536 })
        );
    }

    #[test]
    fn bytes_from_strangers_never_panic() {
        for seed in 0..400_u32 {
            let mut packed = noise(u64::from(seed), 2 + (seed as usize * 7) % 60);
            // Half of them declare a length that is believed.
            if seed % 2 == 0 {
                packed[0] &= 0x7f;
            }
            if let Ok(plain) = MODEL.unpack(&packed, 300) {
                assert_eq!(
                    MODEL.pack(&plain),
                    packed,
                    "one body, one spelling; seed {seed}"
                );
            }
        }
        let packed = MODEL.pack(NOTE.as_bytes());
        for place in 0..packed.len() {
            let mut damaged = packed.clone();
            damaged[place] ^= 0x10;
            // Most damage shows as other text; what must not be is a panic or the same text.
            assert_ne!(MODEL.unpack(&damaged, 300), Ok(NOTE.as_bytes().to_vec()));
        }
    }

    #[test]
    fn a_model_that_is_full_starts_anew_on_both_sides() {
        let plain = noise(11, 300_000);
        let mut predictor = Predictor::clone(&MODEL.primed);
        let renewals = plain.iter().filter(|&&byte| {
            let full = predictor.is_full();
            MODEL.renew(&mut predictor);
            read(&mut predictor, &[byte]);
            full
        });
        assert!(renewals.count() > 0);
        let packed = MODEL.pack(&plain);
        assert_eq!(MODEL.unpack(&packed, plain.len()), Ok(plain));
    }

    #[test]
    fn long_bodies_from_strangers_never_panic() {
        for seed in 0..40 {
            let mut packed = vec![0xff, 0xff, 0x03];
            // noise, and noise that says the likeliest or the least likely thing now and then
            packed.extend(noise(seed, 3000).into_iter().map(|byte| match seed % 3 {
                0 => byte,
                1 => byte & 0x11,
                _ => byte | 0xee,
            }));
            let _whatever = MODEL.unpack(&packed, 65_536);
        }
    }

    #[test]
    fn one_body_leaves_no_trace_in_the_next() {
        let before = MODEL.pack(NOTE.as_bytes());
        let _other = MODEL.pack(&noise(5, 500));
        assert_eq!(MODEL.pack(NOTE.as_bytes()), before);
    }

    #[test]
    fn the_sample_rows_are_hex_and_make_their_like_cheaper() {
        let mut unread = Predictor::new();
        read(&mut unread, DICTIONARY.as_bytes());
        let unread = Model::of(unread);
        let (mut with, mut without) = (0, 0);
        for line in SAMPLE_ROWS.lines() {
            let rows = bytes_of_hex(line);
            assert_eq!(hex(&rows), line);
            with += MODEL.pack(&rows).len();
            without += unread.pack(&rows).len();
        }
        assert!(with * 2 < without, "{with} {without}");
    }
}
