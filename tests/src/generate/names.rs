//! Everything that has a name: invented hamlets, groups, members. Communes are real, because the
//! server knows only those of its table of units.

use std::collections::BTreeMap;

use sync_core::ids::AreaRef;
use sync_core::vocabulary::{AreaId, UNITS_BEFORE_CSV, UNITS_CSV, UnitTable};

use super::stream::Stream;

/// Hamlets begin on the day on which today's communes began.
pub(super) const HAMLETS_FROM: &str = "2025-07-01";

/// Invented hamlets.
pub(super) const HAMLETS: [&str; 40] = [
    "Giồng Me",
    "Kinh Sáu Thước",
    "Xóm Rẫy Dừa",
    "Rạch Cỏ Bàng",
    "Giồng Ổi Sẻ",
    "Bàu Sậy Vàng",
    "Kinh Chín Nhịp",
    "Xẻo Mắm Nhỏ",
    "Lung Sen Trắng",
    "Gò Trâm Bầu Đôi",
    "Vàm Lá Dừng",
    "Mương Đào Xéo",
    "Xóm Lò Gốm Cũ",
    "Cồn Bần Ổi",
    "Láng Cò Trắng",
    "Bờ Đìa Lớn",
    "Rạch Ô Môi Nghiêng",
    "Kinh Ba Vạc",
    "Giồng Thốt Lốt",
    "Xóm Chòi Vịt",
    "Đìa Gạch Tôm",
    "Bàu Năn Khô",
    "Kinh Nước Lợ",
    "Cù Lao Ké Nhỏ",
    "Rạch Bình Bát",
    "Xẻo Đước Già",
    "Giồng Dưa Gang",
    "Mương Bốn Khúc",
    "Lung Bông Súng",
    "Vàm Trấu Nổi",
    "Xóm Cầu Ván",
    "Gò Me Nước",
    "Kinh Đường Trâu",
    "Bờ Xáng Múc",
    "Cồn Lau Trắng",
    "Láng Năng Ngọt",
    "Rạch Chà Là Cong",
    "Xẻo Vông Đỏ",
    "Giồng Khoai Mỡ",
    "Đìa Sáu Khoảnh",
];
const FAMILY: [&str; 12] = [
    "Nguyễn", "Trần", "Lê", "Phạm", "Huỳnh", "Võ", "Đặng", "Bùi", "Hồ", "Ngô", "Dương", "Lý",
];
const MIDDLE: [&str; 6] = ["Văn", "Thị", "Hữu", "Ngọc", "Minh", "Thanh"];
/// Proper names of models are made of two words: 118 of the pairs, the first ones.
const PROPER_FIRST: [&str; 12] = [
    "Ánh đèn",
    "Tiếng kẻng",
    "Cổng làng",
    "Dòng kinh",
    "Hàng dừa",
    "Bến nước",
    "Đêm yên",
    "Xóm nhỏ",
    "Mái lá",
    "Cầu ván",
    "Vành đai",
    "Ngọn đuốc",
];
const PROPER_SECOND: [&str; 10] = [
    "bình yên",
    "xanh",
    "chung tay",
    "ba cùng",
    "sáng sớm",
    "nghĩa tình",
    "vững vàng",
    "tự giác",
    "gắn bó",
    "an lành",
];
/// Invented names of models.
pub(super) const PROPER_NAMES: usize = 118;
/// Neutral kinds of models.
pub(super) const MODEL_KINDS: usize = 24;

/// A name of the list, by its rank.
pub(super) fn proper_name(rank: usize) -> String {
    let rank = rank % PROPER_NAMES;
    let second = PROPER_SECOND[rank / PROPER_FIRST.len()];
    format!("{} {second}", PROPER_FIRST[rank % PROPER_FIRST.len()])
}

/// A member's name, which nobody can take for a real one.
pub(super) fn member_name(stream: &mut Stream, number: usize) -> String {
    let (family, middle) = (stream.pick(&FAMILY), stream.pick(&MIDDLE));
    format!("{family} {middle} Mẫu {number:02}")
}

/// A hamlet of a commune.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hamlet {
    /// Its invented name.
    pub name: String,
    /// As the server names it after the import.
    pub area: AreaRef,
}

/// A commune of today.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Commune {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// As the server names it.
    pub area: AreaRef,
}

impl Commune {
    /// A hamlet in it.
    #[must_use]
    pub fn hamlet(&self, name: &str) -> Hamlet {
        let id = AreaId::of_hamlet(AreaId::from_bytes(self.area.0), name, HAMLETS_FROM);
        Hamlet {
            name: name.to_owned(),
            area: AreaRef(*id.bytes()),
        }
    }
}

/// Today's communes by the old province that each came from, each as often as old communes went
/// into it.
pub(super) fn communes() -> BTreeMap<String, Vec<Commune>> {
    let Ok(units) = UnitTable::parse("units.csv", UNITS_CSV) else {
        return BTreeMap::new();
    };
    let mut all: BTreeMap<String, Vec<Commune>> = BTreeMap::new();
    let mut provinces: BTreeMap<String, String> = BTreeMap::new();
    // level, code, name, kind, district, province, codes of the communes that took it over
    let mut reader = csv::Reader::from_reader(UNITS_BEFORE_CSV.as_bytes());
    for row in reader.records().flatten() {
        let cell = |at: usize| row.get(at).unwrap_or_default();
        if cell(0) == "province" {
            provinces.insert(cell(1).to_owned(), cell(2).to_owned());
            continue;
        }
        let Some(province) = provinces.get(cell(5)) else {
            continue;
        };
        for code in cell(6).split('|') {
            if let Some(found) = units.commune(code) {
                all.entry(province.clone()).or_default().push(Commune {
                    code: code.to_owned(),
                    name: found.name.clone(),
                    area: AreaRef(*found.id.bytes()),
                });
            }
        }
    }
    all
}
