//! Does a query name a person? Forms of address are everyday syllables once the accents are off
//! ("cô" is "có", "dì" is "đi", "bà" is "ba"), so the rule looks at what stands around them.
//!
//! - A clear form of address ("anh", "chị", and any that is written with its accents) refuses
//!   unless the next word is one that ordinary phrases have there ("anh em", "cô giáo").
//! - An unclear one ("co", "di"), and a pair ("anh chị", "ông bà", "bà con"), refuses only before
//!   a word that sounds like a name: a birth rank and a name ("ba teo"), or a family name.
//! - A full name refuses without any form of address, see `full_names`.

use super::full_names::full_name;
use super::{fold, plain_tones};

/// Written with its accents each of these is a form of address.
const TITLES: [&str; 16] = [
    "anh", "chị", "ông", "bà", "cô", "chú", "bác", "cậu", "em", "dì", "thím", "mợ", "dượng", "cụ",
    "bé", "thầy",
];
/// Without accents these still mostly are one.
const CLEAR_FOLDED: [&str; 6] = ["anh", "chi", "ong", "ba", "em", "thim"];
/// Without accents these mostly are something else: có, cầu, đi, bắc, chủ, mở, đường, cũ.
const UNCLEAR_FOLDED: [&str; 8] = ["co", "cau", "di", "bac", "chu", "mo", "duong", "cu"];

/// Two forms of address together speak of people in general.
const PAIRS: [(&str, &str); 16] = [
    ("anh", "em"),
    ("anh", "chi"),
    ("chi", "em"),
    ("ong", "ba"),
    ("ba", "con"),
    ("co", "chu"),
    ("co", "bac"),
    ("co", "cau"),
    ("cau", "mo"),
    ("chu", "bac"),
    ("bac", "chu"),
    ("co", "di"),
    ("chu", "thim"),
    ("ba", "me"),
    ("co", "ba"),
    ("em", "be"),
];

/// Before these words "anh", "em", "ba" ... belong to another word or count things.
const NO_TITLE_AFTER: [&str; 30] = [
    "hinh", "tieng", "tre", "dan", "phim", "nuoc", "dien", "ap", "khom", "to", "so", "thu", "lan",
    "kinh", "kenh", "cong", "cau", "hem", "tuyen", "xa", "duong", "lo", "anh", "chup", "chau",
    "hoi", "thang", "quan", "nhanh", "cac",
];

/// What follows a form of address in ordinary phrases, folded. No given name may stand here.
const ORDINARY_AFTER: &str = "\
    em chi con me nguoi ho hoi bo lon gia cao tuoi lao giao y trong si sy be nho hoc to truong \
    pho tram can an tren duoi ngoai cua va la o thi duoc khong da dang se bi cho voi cung xa ap \
    vien phuc neo don ay do nay kia noi ruot nhieu mot phan dan vo chong phu thieu gai trai thuoc";

/// The same where the title, without its accents, is another word: ảnh hưởng, chi tiết, ống nước.
const ORDINARY_UNACCENTED: [(&str, &str); 4] = [
    ("anh", "huong sang chup"),
    ("chi", "tiet tieu phi dao huy nhanh thi co duoc bo hoi doan"),
    ("ong", "nuoc thoat bom cong dan khoi dot chich mat"),
    ("ba", COUNTED),
];

/// Birth ranks serve as names in the south.
const RANKS: [&str; 14] = [
    "hai", "ba", "tu", "nam", "sau", "bay", "tam", "chin", "muoi", "ut", "ca", "hia", "che", "xi",
];

/// After a number word these are counted, so that "co ba nguoi" is no Ba Nguoi.
const COUNTED: &str = "\
    nguoi ho ben lan ngay dem gio tuan thang nam cai chiec nhom xe nha den cong cua canh ca phut \
    met cay tuyen chot doi diem lo duong khach doan vien bao phan chau con em anh chi viec vu \
    buoi cuoc to ap khom cau binh camera loa kenh trieu dong ong ba muoi tram ngan hoc bo luot \
    dieu muc lop phong tru bong khu nay qua lien truoc";

/// Family names that are rarely another word once folded.
const FAMILY_NAMES: [&str; 12] = [
    "nguyen", "tran", "pham", "huynh", "phan", "hoang", "thach", "vo", "bui", "ly", "lam", "le",
];

/// Given names that are rarely another word once folded.
const GIVEN_NAMES: [&str; 14] = [
    "huong", "hang", "thuy", "nhung", "trang", "loan", "nga", "ngoc", "tuyet", "linh", "yen",
    "hanh", "teo", "nhan",
];

/// A word of a query.
pub(super) struct Word {
    /// In lower case, with its accents.
    pub(super) accented: String,
    /// As it is compared, without them.
    pub(super) folded: String,
}

/// Whether a query asks for a person by name.
pub(super) fn names_a_person(query: &str) -> bool {
    let words: Vec<Word> = query
        .split(|c: char| !c.is_alphanumeric() && c != '\'')
        .filter(|word| !word.is_empty())
        .map(|word| Word {
            accented: plain_tones(word),
            folded: fold(word),
        })
        .collect();
    let accents_used = words.iter().any(|word| word.accented != word.folded);
    (0..words.len()).any(|at| {
        let tail = words.get(at..).unwrap_or_default();
        let before = at.checked_sub(1).and_then(|at| words.get(at));
        addressed(before, tail, accents_used) || full_name(before, tail)
    })
}

fn addressed(before: Option<&Word>, tail: &[Word], accents_used: bool) -> bool {
    let [title, rest @ ..] = tail else {
        return false;
    };
    let Some(next) = rest.first() else {
        return false;
    };
    let Some(clear) = title_is_clear(title, accents_used) else {
        return false;
    };
    let is_pair = |a: &Word, b: &Word| PAIRS.contains(&(a.folded.as_str(), b.folded.as_str()));
    if before.is_some_and(|word| is_pair(word, title)) {
        return false; // judged with the word before
    }
    if is_pair(title, next) {
        return sounds_like_a_name(rest.get(1..).unwrap_or_default());
    }
    let bare = title.accented == title.folded;
    if bare && before.is_some_and(|word| NO_TITLE_AFTER.contains(&word.folded.as_str())) {
        return false;
    }
    if !clear {
        // Who writes accents and leaves them off two words in a row means these: "con ong bay".
        let other_words = accents_used && bare && title.folded == "ong" && is_bare_rank(next);
        return !other_words && sounds_like_a_name(rest);
    }
    if bare && RANKS.contains(&next.folded.as_str()) && sounds_like_a_name(rest) {
        return true; // "ba nam trau", although "ba nam" may be three years
    }
    let holds = |list: &str| list.split_whitespace().any(|word| word == next.folded);
    let other_word = |(of, list): &(&str, &str)| bare && *of == title.folded && holds(list);
    !holds(ORDINARY_AFTER) && !ORDINARY_UNACCENTED.iter().any(other_word)
}

/// Whether a word is a form of address, and a clear one. Who types accents at all means "chi",
/// "ong" and "ba" as they stand; "anh" and "em" have none to leave off.
fn title_is_clear(title: &Word, accents_used: bool) -> Option<bool> {
    let folded = title.folded.as_str();
    if TITLES.contains(&title.accented.as_str()) {
        return Some(true);
    }
    if title.accented != folded {
        return None;
    }
    if CLEAR_FOLDED.contains(&folded) {
        return Some(!accents_used);
    }
    (!accents_used && UNCLEAR_FOLDED.contains(&folded)).then_some(false)
}

/// A birth rank that has accents and is written without them.
fn is_bare_rank(word: &Word) -> bool {
    word.accented == word.folded
        && RANKS.contains(&word.folded.as_str())
        && !matches!(word.folded.as_str(), "hai" | "ba" | "hia" | "xi")
}

/// A birth rank and a name, a family name and a name, or a given name.
fn sounds_like_a_name(rest: &[Word]) -> bool {
    let [first, more @ ..] = rest else {
        return false;
    };
    let first = first.folded.as_str();
    let counted = |word: &Word| {
        COUNTED
            .split_whitespace()
            .any(|counted| counted == word.folded)
    };
    let followed = more.first().is_some_and(|word| !counted(word));
    (RANKS.contains(&first) && followed)
        || (FAMILY_NAMES.contains(&first) && followed && first != "le" && first != "vo")
        || GIVEN_NAMES.contains(&first)
}
