//! What was done at the desk: every kind of act in words, and who may read it.

use axum::http::StatusCode;
use sync_core::ids::KeyId;
use sync_core::vocabulary::{Lane, RoleScope, Vocabulary};

use super::Browser;
use super::desk::{COMMUNE, GROUP, HAMLET, NOW_S, PATROL, WAITING, WRITING};
use crate::http::console::desk::*;

fn erased(of: ErasedOf) -> Done {
    let silent = |device, is_revoked, last_seen_s| SilentPhone {
        device,
        is_revoked,
        last_seen_s,
    };
    Done::Erased {
        of,
        fields: 2,
        heard: vec![WRITING],
        silent: vec![
            silent(WAITING, false, Some(NOW_S - 7_200)),
            silent(LOST, true, None),
        ],
    }
}

fn done_to_the_group(knows: bool) -> Vec<Done> {
    let someone = |number, name: &str| Someone {
        number,
        name: knows.then(|| name.to_owned()),
    };
    let first = || someone(1, "Lý Thị Hoa");
    vec![
        erased(ErasedOf::Record {
            record: Some(PATROL),
            lane: Lane::Open,
        }),
        erased(ErasedOf::Name),
        erased(ErasedOf::Remark),
        erased(ErasedOf::Unknown),
        Done::HeldAdmitted,
        Done::HeldProposed,
        Done::DeviceRevoked { device: WRITING },
        Done::DeviceEnrolled {
            device: WRITING,
            members: vec![someone(2, "Thạch Sóc <b>")],
        },
        Done::MemberEnded { who: first() },
        Done::RoleChanged {
            who: first(),
            role: 3,
        },
        Done::MemberAdded {
            who: first(),
            role: 1,
        },
        Done::GroupChanged {
            name: GROUP_NAME.to_owned(),
            area: AreaName::known(HAMLET, "Ấp Hòa Phuông"),
        },
    ]
}

fn done_to_the_log() -> Vec<Done> {
    vec![
        Done::AccountSet {
            number: 4,
            name: Some("da.nghi".to_owned()),
            role: 8,
            area: AreaName::known(COMMUNE, "Xã Hòa Tú"),
            active: false,
        },
        Done::AccountSet {
            number: 9,
            name: None,
            role: 12,
            area: AreaName::unknown(COMMUNE),
            active: true,
        },
        Done::AreasTaken { rows: 57 },
        Done::AreasChanged { events: 3 },
        Done::LifeStep {
            step: super::models::step(4),
        },
        Done::PeriodClosed {
            area: AreaName::known(COMMUNE, "Xã Hòa Tú"),
            first: 20_680,
            last: 20_710,
        },
        Done::VocabularySet { version: 2 },
        Done::Restored,
    ]
}

const LOST: KeyId = KeyId([0xC3; 8]);
const GROUP_NAME: &str = "Tổ BVANTT ấp Hòa Phuông";

/// As many acts as there are kinds of them, and one older page.
pub(super) fn acts_of(officer: &Officer, of: ActsOf, below: Option<u64>) -> ActsPage {
    let knows = officer.scope(Vocabulary::builtin()) == RoleScope::Commune;
    let done = match (of, below) {
        (_, Some(_)) => vec![Done::GroupFounded {
            name: GROUP_NAME.to_owned(),
            area: AreaName::known(HAMLET, "Ấp Hòa Phuông"),
        }],
        (ActsOf::Group(_), None) => done_to_the_group(knows),
        (ActsOf::Log, None) => done_to_the_log(),
    };
    let row = |(nth, done): (u64, Done)| ActRow {
        time_s: NOW_S - 3_600,
        by: match nth {
            0 => ActBy::CommandLine,
            1 => ActBy::Account {
                number: 7,
                name: None,
            },
            _ => ActBy::Account {
                number: 1,
                name: Some("chi.huy".to_owned()),
            },
        },
        done,
    };
    ActsPage {
        group_name: matches!(of, ActsOf::Group(_)).then(|| GROUP_NAME.to_owned()),
        rows: (0..).zip(done).map(row).collect(),
        older: below.is_none().then_some(40),
    }
}

#[tokio::test]
async fn the_commune_reads_in_words_who_did_what_to_a_group() {
    let mut browser = Browser::signed_in("chi.huy").await;
    let path = format!("/console/acts/{GROUP}");
    let page = browser.get(&path).await.text;
    for words in [
        "Việc quản trị: <bdi>Tổ BVANTT ấp Hòa Phuông</bdi>",
        "Thêm thành viên",
        "<bdi>Lý Thị Hoa (1)</bdi> · <bdi>Tổ viên</bdi>",
        "Đổi vai trò của thành viên",
        "Thành viên thôi tham gia",
        "Cấp máy",
        "Thạch Sóc &#60;b&#62; (2)",
        "Thu hồi máy",
        "Nhận một thay đổi đang giữ, hai cán bộ đồng ý",
        "Đề nghị nhận một thay đổi đang giữ, chờ cán bộ thứ hai",
        "Xóa tên theo yêu cầu",
        "đã xóa trên máy: b2b2b2b2",
        "máy a1a1a1a1 chưa báo đã xóa · lần cuối",
        "máy c3c3c3c3 đã thu hồi, không còn nhận lệnh xóa",
        "Xóa lời nhận xét theo yêu cầu",
        "Đổi tên hoặc địa bàn của tổ",
        "tài khoản chi.huy",
        "tài khoản 7",
        "Quản trị hệ thống (dòng lệnh)",
        &format!("<a href=\"/console/record/{PATROL}\">Xóa nội dung của một mục theo yêu cầu</a>"),
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let older = format!("{path}?below=40");
    assert!(page.contains(&format!("href=\"{older}\"")));
    let page = browser.get(&older).await.text;
    assert!(page.contains("Lập tổ") && !page.contains("rel=\"next\""));
    assert!(browser.get("/console/devices").await.text.contains(&path));
}

#[tokio::test]
async fn acts_about_the_whole_log_stand_with_the_groups_of_the_commune() {
    let mut browser = Browser::signed_in("chi.huy").await;
    browser.desk.forget_calls();
    let page = browser.get("/console/acts").await.text;
    for words in [
        "Khóa tài khoản",
        "<bdi>da.nghi</bdi> · <bdi>Công an phụ trách ấp</bdi> · <bdi>Xã Hòa Tú</bdi>",
        "Lập hoặc sửa tài khoản",
        "Nhập danh sách địa bàn",
        "57 dòng",
        "Phục hồi sổ từ bản sao lưu",
        "Dùng danh mục",
        &format!("/console/acts/{GROUP}"),
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let calls = browser.desk.calls();
    let at = |name: &str| calls.iter().position(|call| call == name);
    assert!(at("audit acts") < at("acts"), "{calls:?}");
}

#[tokio::test]
async fn above_the_commune_no_member_is_named_and_who_only_audits_sees_nothing() {
    let mut province = Browser::signed_in("pv05").await;
    let page = province.get(&format!("/console/acts/{GROUP}")).await.text;
    assert!(page.contains("thành viên số 1") && !page.contains("Lý Thị Hoa"));
    let page = province.get("/console/acts").await.text;
    assert!(
        !page.contains(&format!("/console/acts/{GROUP}")),
        "thousands of groups"
    );
    let mut auditor = Browser::signed_in("giam.sat").await;
    let got = auditor.get("/console/acts").await;
    assert_eq!(got.status, StatusCode::FORBIDDEN);
    assert!(!auditor.get("/console").await.text.contains("/console/acts"));
}

#[tokio::test]
async fn what_is_no_group_or_no_index_is_no_page() {
    let mut browser = Browser::signed_in("chi.huy").await;
    for path in [
        "/console/acts/zz",
        "/console/acts/08080808080808080808080808080808",
        "/console/acts?below=-1",
    ] {
        let got = browser.get(path).await;
        assert_eq!(got.status, StatusCode::NOT_FOUND, "{path}");
    }
}
