//! Records in every way in which a record can look.

use sync_core::change::ChangeRef;
use sync_core::ids::{AreaRef, ChainId, KeyId, RecordId};
use sync_core::value::FieldKey;
use sync_core::vocabulary::Lane;

use super::desk::{COMMUNE, GROUP, HAMLET, KHMER, NOW_S, PATROL, TIP, WAITING};
use crate::http::console::desk::*;

const CHAIN_A: ChainId = ChainId([0x5A; 16]);
/// An area that the server does not know.
const NOWHERE: AreaRef = AreaRef([0xCD; 16]);
const CHAIN_B: ChainId = ChainId([0x6B; 16]);

pub(super) fn device(device: KeyId, state: DeviceState) -> DeviceRow {
    DeviceRow {
        device,
        group: GROUP,
        group_name: "Tổ BVANTT ấp Hòa Phuông".to_owned(),
        members: if device == WAITING {
            vec!["Thạch Sóc".to_owned()]
        } else {
            Vec::new()
        },
        state,
        reach: Reach {
            groups: vec!["Tổ BVANTT ấp Hòa Phuông".to_owned()],
            beyond: 2,
        },
    }
}

fn row(record: RecordId, record_type: u16, day: i32, state: u16, headline: &str) -> ListRow {
    ListRow {
        record,
        record_type,
        group_name: "Tổ BVANTT ấp Hòa Phuông".to_owned(),
        area_name: AreaName::known(HAMLET, "Ấp Hòa Phuông"),
        day,
        state,
        withdrawn: false,
        rivals: false,
        unanswered: false,
        received_at_s: NOW_S - 3_600,
        headline: headline.to_owned(),
    }
}

pub(super) fn open_rows() -> Vec<ListRow> {
    let mut patrol = row(
        PATROL,
        1,
        20_700,
        4,
        "Tuần tra tuyến kênh Ba, nhắc hai xuồng neo sai chỗ <script>alert(1)</script>",
    );
    patrol.rivals = true;
    let mut khmer = row(KHMER, 8, 20_699, 7, KHMER_TEXT);
    khmer.unanswered = true;
    let mut visit = row(
        RecordId([6; 16]),
        9,
        20_697,
        6,
        "Thăm 12 hộ, nhắc khóa cửa mùa gặt",
    );
    visit.area_name = AreaName::known(HAMLET, "Ấp Đồng Tháp");
    let mut training = row(RecordId([8; 16]), 19, 20_690, 4, "");
    training.withdrawn = true;
    training.area_name = AreaName::unknown(NOWHERE);
    vec![patrol, khmer, visit, training]
}

pub(super) fn tip_row() -> ListRow {
    row(TIP, 4, 20_700, 4, "")
}

pub(super) const KHMER_TEXT: &str = "ប្រជុំភូមិ អំពីការការពារអគ្គិភ័យ និងសុវត្ថិភាពផ្លូវទឹក មានអ្នកចូលរួម ២៤ នាក់";

fn author(number: u16, name: &str, device: u8) -> Author {
    Author {
        member: Some(number),
        name: Some(name.to_owned()),
        device: KeyId([device; 8]),
    }
}

fn said(text: &str, author: Author, ago_s: i64) -> SaidRow {
    SaidRow {
        value: Some(ValueText::Words(text.to_owned())),
        author,
        clock: PhoneClock {
            s: NOW_S - ago_s,
            is_off: false,
        },
        received_at_s: NOW_S - ago_s + 540,
    }
}

fn at(chain: ChainId, seq: u32) -> ChangeRef {
    ChangeRef { chain, seq }
}

fn field(number: u16, label: &str, said: &SaidRow) -> FieldRow {
    FieldRow {
        key: FieldKey::plain(number),
        label: label.to_owned(),
        said: said.clone(),
        rivals: Vec::new(),
        history: vec![HistoryRow {
            said: said.clone(),
            by: at(CHAIN_A, 41),
            built_on: Vec::new(),
            not_before: 1_204,
            admitted_at: 1_233,
        }],
    }
}

/// A field that two phones set without having seen each other.
fn torn() -> FieldRow {
    let hoa = author(1, "Lý Thị Hoa", 0xB2);
    let soc = author(2, "Thạch Sóc", 0xC3);
    let first = said("4", hoa.clone(), 9_000);
    let second = said("5", soc, 7_200);
    let mut count = field(30, "số người tham gia", &said("6", hoa.clone(), 7_000));
    count.rivals = vec![second.clone()];
    count.history = vec![
        HistoryRow {
            said: first,
            by: at(CHAIN_A, 41),
            built_on: Vec::new(),
            not_before: 1_204,
            admitted_at: 1_233,
        },
        HistoryRow {
            said: second,
            by: at(CHAIN_B, 8),
            built_on: vec![at(CHAIN_A, 41)],
            not_before: 1_210,
            admitted_at: 1_240,
        },
        HistoryRow {
            said: said("6", hoa, 7_000),
            by: at(CHAIN_A, 42),
            built_on: vec![at(CHAIN_A, 41)],
            not_before: 1_233,
            admitted_at: 1_241,
        },
    ];
    count
}

fn remarks() -> Vec<RemarkRow> {
    vec![
        RemarkRow {
            time_s: NOW_S - 4_000,
            account: "chi.huy".to_owned(),
            state: Some(7),
            reason: Some(3),
            field_label: Some("tuyến".to_owned()),
            text: Some("Ghi thêm tuyến nào, cảm ơn tổ.".to_owned()),
            answered: false,
        },
        RemarkRow {
            time_s: NOW_S - 3_000,
            account: "chi.huy".to_owned(),
            state: None,
            reason: None,
            field_label: Some("nội dung".to_owned()),
            text: Some("<b>Rõ rồi.</b>".to_owned()),
            answered: true,
        },
    ]
}

pub(super) fn patrol() -> RecordPage {
    let hoa = author(1, "Lý Thị Hoa", 0xB2);
    let erased = FieldRow {
        said: SaidRow {
            value: None,
            ..said("", hoa.clone(), 9_000)
        },
        ..field(6, "nơi", &said("", hoa.clone(), 9_000))
    };
    let mut counted = field(28, "thời lượng", &said("", hoa.clone(), 9_000));
    counted.said.value = Some(ValueText::Counted {
        number: "120".to_owned(),
        unit: "minutes".to_owned(),
    });
    let mut gone = field(1, "địa bàn", &said("", hoa.clone(), 9_000));
    gone.said.value = Some(ValueText::Area(AreaName {
        ended: Some("2025-07-01".to_owned()),
        ..AreaName::known(NOWHERE, "Ấp Vàm Cũ")
    }));
    let mut later = field(31, "số lượt nhắc nhở", &said("2", hoa.clone(), 8_000));
    later.history[0].built_on = vec![at(CHAIN_A, 41)];
    later.history[0].said.author = author(3, "Trà Vinh Sơn", 0xC3);
    RecordPage {
        record: PATROL,
        record_type: 1,
        lane: Lane::Open,
        group_name: "Tổ BVANTT ấp Hòa Phuông".to_owned(),
        area_name: AreaName::known(HAMLET, "Ấp Hòa Phuông"),
        commune_name: AreaName::known(COMMUNE, "Xã Hòa Tú"),
        author: hoa.clone(),
        clock: PhoneClock {
            s: NOW_S - 9_000,
            is_off: false,
        },
        day: 20_700,
        received_at_s: NOW_S - 8_460,
        state: 4,
        withdrawn: None,
        heads: vec![at(CHAIN_A, 42), at(CHAIN_B, 8)],
        fields: vec![
            field(
                2,
                "từ lúc, đến lúc",
                &said("21:00 – 23:15 04/09/2026", hoa.clone(), 9_000),
            ),
            field(
                5,
                "nội dung",
                &said(
                    "Tuần tra tuyến kênh Ba, nhắc hai xuồng neo sai chỗ.\n<script>alert(1)</script>",
                    hoa,
                    9_000,
                ),
            ),
            torn(),
            erased,
            counted,
            gone,
            later,
        ],
        missing: vec![MissingField {
            key: FieldKey {
                number: 44,
                item: 0xA3,
            },
            label: "tuyến".to_owned(),
        }],
        remarks: remarks(),
    }
}

pub(super) fn tip() -> RecordPage {
    RecordPage {
        record: TIP,
        record_type: 4,
        lane: Lane::Tip,
        area_name: AreaName::known(COMMUNE, "Xã Hòa Tú"),
        fields: vec![field(
            61,
            "loại tin",
            &said(
                "Khai thác cát trái phép",
                author(1, "Lý Thị Hoa", 0xB2),
                9_000,
            ),
        )],
        missing: Vec::new(),
        remarks: Vec::new(),
        heads: vec![at(CHAIN_B, 3)],
        ..patrol()
    }
}

pub(super) fn khmer() -> RecordPage {
    RecordPage {
        record: KHMER,
        record_type: 8,
        state: 7,
        fields: vec![field(
            5,
            "nội dung",
            &said(KHMER_TEXT, author(2, "Thạch Sóc", 0xC3), 90_000),
        )],
        clock: PhoneClock { s: 0, is_off: true },
        missing: Vec::new(),
        withdrawn: Some(4),
        ..patrol()
    }
}
