//! Does a query hold a full name: a family name, a middle name and a given name, with accents or
//! without, in capitals or not?
//!
//! Without accents nearly every family name is an ordinary syllable too: "trần" is "tràn" (to
//! overflow), "lê" is "lễ" (a festival), "lý" is "xử lý" (to deal with). So no family name decides
//! alone; it takes one of the middle names that it does not make a word with. A word that is written
//! with its accents must have those of the name: "quản lý vận tải" holds no "văn".

use super::names::Word;
use super::plain_tones;

/// "Văn" and "Thị" stand in most names, and after these families in few other phrases.
const FAMILIES: [&str; 15] = [
    "nguyễn", "trần", "phạm", "huỳnh", "phan", "hoàng", "thạch", "võ", "bùi", "lý", "lâm", "lê",
    "trịnh", "kim", "triệu",
];

/// These are hardly anything else, so what follows "văn" and "thị" after them is a given name.
const CLEAR_FAMILIES: [&str; 3] = ["nguyễn", "huỳnh", "thạch"];

/// With other families these make a word of "van" or "thi": văn hóa, vấn đề, thi đua, thị trường.
const VAN_WORDS: &str = "hoa nghe ban de chuyen";
const THI_WORDS: &str = "dua dau cong truong xa the";

/// Other middle names, each family with those that it makes no ordinary word with. Left out are
/// "phân hữu cơ", "tràn đục", "lễ quốc khánh", "vợ mình" and the like.
const MIDDLES: [(&str, &str); 11] = [
    (
        "nguyễn",
        "hữu đức minh ngọc quốc xuân hồng kim bích đình thanh",
    ),
    ("huỳnh", "hữu đức minh ngọc quốc xuân hồng kim bích đình"),
    ("trần", "hữu minh ngọc quốc xuân hồng kim bích"),
    ("phạm", "hữu đức minh ngọc quốc xuân hồng"),
    ("lê", "hữu minh ngọc"),
    ("bùi", "hữu đức minh ngọc quốc xuân"),
    ("võ", "hữu ngọc quốc xuân"),
    ("phan", "ngọc xuân"),
    ("hoàng", "hữu đức ngọc quốc xuân"),
    ("lý", "hữu ngọc"),
    ("lâm", "hữu ngọc"),
];

/// What is no given name after these, and makes a word instead: tràn quốc lộ, nguyên thanh tra.
const MIDDLE_WORDS: &str = "lo gia te tra toan vien pho nien ly dong";

/// Two syllables that belong together, so the second is no family name.
const BOUND: [(&str, &str); 30] = [
    ("quan", "ly"),
    ("xu", "ly"),
    ("dia", "ly"),
    ("phap", "ly"),
    ("tam", "ly"),
    ("thanh", "ly"),
    ("dai", "ly"),
    ("hop", "ly"),
    ("vi", "pham"),
    ("toi", "pham"),
    ("san", "pham"),
    ("thuc", "pham"),
    ("tinh", "nguyen"),
    ("tu", "nguyen"),
    ("tai", "nguyen"),
    ("phu", "huynh"),
    ("thanh", "phan"),
    ("mot", "phan"),
    ("gop", "phan"),
    ("nghi", "le"),
    ("ty", "le"),
    ("dieu", "le"),
    ("mat", "tran"),
    ("nuoc", "tran"),
    ("ngap", "tran"),
    ("viec", "lam"),
    ("quy", "trinh"),
    ("chuong", "trinh"),
    ("cong", "trinh"),
    ("lich", "trinh"),
];

/// Communes, roads and schools bear names of people, and are searched for.
const PLACES: [&str; 7] = ["xa", "phuong", "tran", "duong", "pho", "truong", "cau"];

/// "Nguyễn Văn Mẫu", "tran thi thu mau", "nguyen huu a": the middle names give it away.
pub(super) fn full_name(before: Option<&Word>, tail: &[Word]) -> bool {
    let [family, middle, given, ..] = tail else {
        return false;
    };
    let bound = |word: &Word| BOUND.contains(&(word.folded.as_str(), family.folded.as_str()));
    if before.is_some_and(bound) || !given.folded.chars().all(char::is_alphabetic) {
        return false;
    }
    let is_any = |names: &[&str]| names.iter().any(|name| family.is(name));
    let given_is = |words: &str| words.split(' ').any(|word| word == given.folded);
    if is_any(&FAMILIES) {
        let clear = is_any(&CLEAR_FAMILIES);
        if middle.is("văn") {
            return clear || !given_is(VAN_WORDS);
        }
        if middle.is("thị") {
            return clear || !given_is(THI_WORDS);
        }
    }
    if before.is_some_and(|word| PLACES.contains(&word.folded.as_str())) {
        return false;
    }
    let names = |(name, middles): &(&str, &str)| {
        family.is(name) && middles.split(' ').any(|name| middle.is(name))
    };
    MIDDLES.iter().any(names) && !given_is(MIDDLE_WORDS)
}

impl Word {
    /// Whether it is this name, with its accents or with none.
    fn is(&self, name: &str) -> bool {
        let folded = super::fold(name);
        self.folded == folded && (self.accented == folded || self.accented == plain_tones(name))
    }
}
