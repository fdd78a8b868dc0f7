//! The words of the open lane: sample notes as templates, and the dirt that people let pass.

use std::sync::OnceLock;

use icu_normalizer::DecomposingNormalizer;
use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup};

use super::names::HAMLETS;
use super::stream::Stream;

/// Invented notes of the open lane.
const NOTES: &str = include_str!("../../data/open_notes.csv");
/// Texts that must warn before they are sent.
const WARNED: &str = include_str!("../../data/warn_samples.csv");
/// Characters of a note: log-normal with this median and sigma, and no more than the maximum.
const LENGTH_MEDIAN: f64 = 110.0;
const LENGTH_SIGMA: f64 = 0.814;
const LENGTH_MAX: usize = 1_800;
/// Taken apart, a text has up to twice the characters, and a summary holds 2,000.
const DECOMPOSED_MAX: usize = 1_000;
/// Optional summaries that stay empty.
const EMPTY_SHARE: f64 = 0.40;
/// Each kind of dirt, of open-lane records.
const DIRT_SHARE: f64 = 0.003;
/// Of records whose words should not have passed the warning, those that are said again.
const REISSUED_SHARE: f64 = 1.0 / 3.0;

/// The language of a text. It is no field, and nothing sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    /// Vietnamese.
    Vietnamese,
    /// Khmer.
    Khmer,
    /// Both in one note.
    Mixed,
    /// Chinese.
    Chinese,
}

const LANGUAGES: [(Language, f64); 4] = [
    // with the 0.2 % of Cham: nobody here can write or read it
    (Language::Vietnamese, 93.2),
    (Language::Khmer, 5.0),
    (Language::Mixed, 1.4),
    (Language::Chinese, 0.4),
];

/// What is wrong with a record that people sent all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dirt {
    /// A telephone number.
    Telephone,
    /// Twelve digits as of an identity paper.
    Identity,
    /// A number plate.
    Plate,
    /// Somebody's name.
    Name,
    /// Khmer marks in the wrong order.
    KhmerOrder,
    /// Zero-width spaces inside Khmer.
    KhmerSpaces,
    /// Text of an old font, as it looks in Unicode.
    OldFont,
    /// A time of 00:00 that nobody chose.
    Midnight,
    /// A clock in 2042.
    FarClock,
    /// Words that the screen warned of, and that stayed.
    Warned,
    /// The same, said again without them; the old words are erased.
    WarnedSaidAgain,
}

const DIRTS: [Dirt; 10] = [
    Dirt::Telephone,
    Dirt::Identity,
    Dirt::Plate,
    Dirt::Name,
    Dirt::KhmerOrder,
    Dirt::KhmerSpaces,
    Dirt::OldFont,
    Dirt::Midnight,
    Dirt::FarClock,
    Dirt::Warned,
];
const TELEPHONES: [&str; 3] = ["0901 234 567", "0912 345 678", "0987 654 321"];
const IDENTITIES: [&str; 2] = ["000 123 456 789", "000123456789"];
const PLATES: [&str; 3] = ["00-X1 234.56", "00x12345", "00C-123.45"];
const PEOPLE: [&str; 3] = ["anh Ba Tèo", "chị Sáu Nhàn", "anh Út Cọt"];
const OLD_FONT: [&str; 2] = ["Toå töï quaûn ñi tuaàn tra", "tæ tuÇn tra b×nh th\u{AD}êng"];
const CHINESE: [&str; 3] = [
    "晚上九點到十一點巡邏，四人，情況正常。",
    "今晚巡邏三人，路燈壞了一盞，已通知。",
    "提醒住戶晚上鎖門，無特別情況。",
];

struct Note {
    kind: String,
    khmer: bool,
    text: String,
}

fn notes() -> &'static [Note] {
    static ROWS: OnceLock<Vec<Note>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let mut reader = csv::Reader::from_reader(NOTES.as_bytes());
        let rows = reader.records().flatten();
        rows.map(|row| {
            let cell = |at: usize| row.get(at).unwrap_or_default();
            Note {
                kind: cell(1).to_owned(),
                khmer: cell(2) == "km",
                text: cell(4).to_owned(),
            }
        })
        .chain(MORE.iter().map(|(kind, text)| Note {
            kind: (*kind).to_owned(),
            khmer: false,
            text: (*text).to_owned(),
        }))
        .collect()
    })
}

/// Notes for types that the sample has none of.
const MORE: [(&str, &str); 10] = [
    (
        "duty_shift",
        "Trực tại cổng rào từ 18h tới 23h, 3 người, xe cộ qua lại bình thường. Bóng đèn số 2 chập chờn.",
    ),
    (
        "duty_shift",
        "Ca trực yên, nhắc 4 xe chạy nhanh giảm tốc độ trước cổng trường.",
    ),
    (
        "checkpoint",
        "Chốt đầu lộ 2 ca, 6 lượt người, hướng dẫn bà con đi lối vòng. Nước uống và đèn pin đủ dùng.",
    ),
    (
        "checkpoint",
        "Trực chốt ban đêm, kiểm soát 15 lượt xe ra vào, không có gì bất thường.",
    ),
    (
        "rescue",
        "Xuồng lật giữa kinh, tổ đưa 2 người vào bờ an toàn, gọi 115 kiểm tra sức khỏe. Xuồng đã kéo lên.",
    ),
    (
        "rescue",
        "Giông tốc mái, tổ giúp dọn 5 tấm tôn và đưa đồ đạc tới nhà văn hóa ấp.",
    ),
    (
        "mobilised",
        "Hỗ trợ ấp kế bên nửa ngày, 4 người, về lúc 17h. Đường sá đã thông.",
    ),
    (
        "training",
        "Học sơ cứu và dập lửa bằng bình bột, 12 người dự, ai cũng được thực hành 1 lần.",
    ),
    (
        "suggestion",
        "Đoạn cua đầu kinh tối, đã có 2 vụ va quẹt nhẹ. Xin lắp đèn và kẻ vạch.",
    ),
    (
        "nil_return",
        "Tuần qua không có việc gì, tổ vẫn đi đủ 3 buổi theo lịch.",
    ),
];

/// What a text is, beside its words.
pub(super) struct Said {
    pub(super) text: Option<String>,
    pub(super) language: Option<Language>,
    pub(super) dirt: Option<Dirt>,
}

/// The words of a record of the open lane.
pub(super) fn say(stream: &mut Stream, record_type: &str, is_asked_for: bool) -> Said {
    let mut dirt = None;
    for kind in DIRTS {
        if stream.happens(DIRT_SHARE) {
            dirt = Some(kind);
        }
    }
    if dirt == Some(Dirt::Warned) && stream.happens(REISSUED_SHARE) {
        dirt = Some(Dirt::WarnedSaidAgain);
    }
    let needs_words = !matches!(dirt, None | Some(Dirt::Midnight | Dirt::FarClock));
    if !needs_words && !is_asked_for && stream.happens(EMPTY_SHARE) {
        return Said {
            text: None,
            language: None,
            dirt,
        };
    }
    let weights: Vec<f64> = LANGUAGES.iter().map(|(_, share)| *share).collect();
    let mut language = LANGUAGES[stream.weighted(&weights)].0;
    if matches!(dirt, Some(Dirt::KhmerOrder | Dirt::KhmerSpaces)) {
        language = Language::Khmer;
    }
    let length = stream.log_normal(LENGTH_MEDIAN, LENGTH_SIGMA) as usize;
    let length = length.clamp(12, LENGTH_MAX);
    let text = match language {
        Language::Vietnamese => {
            let text = joined(stream, record_type, false, length);
            written(stream, text)
        }
        Language::Khmer => joined(stream, record_type, true, length),
        Language::Mixed => {
            let half = joined(stream, record_type, false, length / 2);
            format!("{half} {}", joined(stream, record_type, true, length / 2))
        }
        Language::Chinese => (*stream.pick(&CHINESE)).to_owned(),
    };
    Said {
        text: Some(dirtied(stream, text, dirt)),
        language: Some(language),
        dirt,
    }
}

/// The same without what must not be there.
pub(super) fn said_again(stream: &mut Stream, record_type: &str) -> String {
    joined(stream, record_type, false, LENGTH_MEDIAN as usize)
}

/// Templates of the type, or of a patrol where it has none in Khmer, up to a length.
fn joined(stream: &mut Stream, record_type: &str, khmer: bool, length: usize) -> String {
    let of_type = |kind: &str| -> Vec<&Note> {
        let same = |note: &&Note| note.khmer == khmer && note.kind == kind;
        notes().iter().filter(same).collect()
    };
    let mut templates = of_type(record_type);
    if templates.is_empty() {
        templates = of_type("patrol");
    }
    let mut text = String::new();
    while text.chars().count() < length {
        if !text.is_empty() {
            text.push(' ');
        }
        let template = *stream.pick(&templates);
        text.push_str(&filled(stream, &template.text));
    }
    shortened(&text, length)
}

/// Up to the last word that fits.
fn shortened(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let cut: String = text.chars().take(length).collect();
    match cut.rsplit_once(' ') {
        Some((words, _)) if !words.is_empty() => words.trim_end_matches([',', ';']).to_owned(),
        Some(_) | None => cut,
    }
}

/// Numbers become others of the same length, places others of the list.
fn filled(stream: &mut Stream, template: &str) -> String {
    let mut text = String::with_capacity(template.len());
    let mut characters = template.chars().peekable();
    while let Some(c) = characters.next() {
        let zero = match c {
            '0'..='9' => '0',
            '០'..='៩' => '០',
            _ => {
                text.push(c);
                continue;
            }
        };
        let mut digits = vec![c as u32 - zero as u32];
        while let Some(next) = characters
            .peek()
            .filter(|n| (**n as u32).wrapping_sub(zero as u32) < 10)
        {
            digits.push(*next as u32 - zero as u32);
            characters.next();
        }
        push_other_number(stream, &mut text, &digits, zero);
    }
    if text.contains("Kinh Sáu Thước") || text.contains("kinh Sáu Thước") {
        let hamlet = stream.pick(&HAMLETS);
        text = text
            .replace("kinh Sáu Thước", hamlet)
            .replace("Kinh Sáu Thước", hamlet);
    }
    text
}

/// Numbers that people call stay, and so do those of decrees; one that could be an hour or a
/// minute stays one.
fn push_other_number(stream: &mut Stream, text: &mut String, digits: &[u32], zero: char) {
    let old = digits.iter().fold(0, |sum, digit| sum * 10 + digit);
    let new = match (digits.len(), old) {
        (3.., _) => old,
        (_, 0..=9) => (old + stream.below(4) as u32).min(9),
        (_, 10..=23) => 10 + stream.below(14) as u32,
        _ => 24 + stream.below(32) as u32,
    };
    let written = format!("{new:0width$}", width = digits.len());
    for digit in written.chars() {
        let value = digit as u32 - u32::from(b'0');
        text.extend(char::from_u32(zero as u32 + value));
    }
}

fn is_mark(c: char) -> bool {
    GeneralCategoryGroup::Mark.contains(CodePointMapData::<GeneralCategory>::new().get(c))
}

/// As Vietnamese comes from phones: mostly well written.
fn written(stream: &mut Stream, text: String) -> String {
    let manner = stream.unit();
    if manner < 0.09 {
        let apart = DecomposingNormalizer::new_nfd().normalize(&text);
        let accents = '\u{0300}'..='\u{036F}';
        let bare: String = apart.chars().filter(|c| !accents.contains(c)).collect();
        bare.replace('đ', "d").replace('Đ', "D")
    } else if manner < 0.13 && text.chars().count() <= DECOMPOSED_MAX {
        DecomposingNormalizer::new_nfd()
            .normalize(&text)
            .into_owned()
    } else if manner < 0.16 {
        text.replace("không", "ko")
            .replace("được", "dc")
            .replace("với", "vs")
    } else if manner < 0.165 {
        format!("{text} 👍")
    } else {
        text
    }
}

fn dirtied(stream: &mut Stream, text: String, dirt: Option<Dirt>) -> String {
    match dirt {
        Some(Dirt::Telephone) => format!("{text} Liên hệ {}.", stream.pick(&TELEPHONES)),
        Some(Dirt::Identity) => format!("{text} Giấy tờ số {}.", stream.pick(&IDENTITIES)),
        Some(Dirt::Plate) => format!("{text} Xe {}.", stream.pick(&PLATES)),
        Some(Dirt::Name) => format!("{text} Có {} phụ.", stream.pick(&PEOPLE)),
        Some(Dirt::OldFont) => format!("{} {text}", stream.pick(&OLD_FONT)),
        // the vowel before the subscript
        Some(Dirt::KhmerOrder) => text.replace("្ប្រ", "្រ្ប").replace("្រុ", "ុ្រ"),
        Some(Dirt::KhmerSpaces) => {
            let mut spaced = String::new();
            for (nth, c) in text.chars().enumerate() {
                if nth % 9 == 8 && !is_mark(c) {
                    spaced.push('\u{200B}');
                }
                spaced.push(c);
            }
            spaced
        }
        Some(Dirt::Warned | Dirt::WarnedSaidAgain) => (*stream.pick(&warned())).to_owned(),
        Some(Dirt::Midnight | Dirt::FarClock) | None => text,
    }
}

/// Who shelters where, how somebody is described, matter of a closed lane.
fn warned() -> Vec<&'static str> {
    static ROWS: OnceLock<Vec<String>> = OnceLock::new();
    let rows = ROWS.get_or_init(|| {
        let mut reader = csv::Reader::from_reader(WARNED.as_bytes());
        let rows = reader.records().flatten();
        rows.filter(|row| {
            let why = row.get(2).unwrap_or_default();
            ["shelter", "ethnicity_religion", "closed_lane"]
                .iter()
                .any(|kind| why.contains(kind))
        })
        .map(|row| row.get(0).unwrap_or_default().to_owned())
        .collect()
    });
    rows.iter().map(String::as_str).collect()
}
