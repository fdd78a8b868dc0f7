//! The normalization forms of Unicode (UAX #15) and what is a combining mark, in one place.
//!
//! The tables are those of ICU4X: as tries they weigh 27 kB less on the way to a phone of
//! the web than tables of hashes do.

use std::borrow::Cow;

use icu_normalizer::{
    ComposingNormalizer, ComposingNormalizerBorrowed, DecomposingNormalizer,
    DecomposingNormalizerBorrowed,
};
use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup};

const NFC: ComposingNormalizerBorrowed<'static> = ComposingNormalizer::new_nfc();
const NFKC: ComposingNormalizerBorrowed<'static> = ComposingNormalizer::new_nfkc();
const NFD: DecomposingNormalizerBorrowed<'static> = DecomposingNormalizer::new_nfd();

/// Canonically composed.
pub(crate) fn nfc(text: &str) -> Cow<'_, str> {
    NFC.normalize(text)
}

/// Whether a text is canonically composed already.
pub(crate) fn is_nfc(text: &str) -> bool {
    NFC.is_normalized(text)
}

/// Composed, with wide, circled and other disguised forms as their plain ones: for what is
/// compared or refused, never for what is kept.
pub(crate) fn nfkc(text: &str) -> Cow<'_, str> {
    NFKC.normalize(text)
}

/// Canonically decomposed: letters and their accents apart.
pub(crate) fn nfd(text: &str) -> Cow<'_, str> {
    NFD.normalize(text)
}

/// Whether a character is a mark on the one before it (general category M).
pub(crate) fn is_mark(c: char) -> bool {
    GeneralCategoryGroup::Mark.contains(CodePointMapData::<GeneralCategory>::new().get(c))
}
