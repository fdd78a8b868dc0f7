//! The quarantine desk: reasons in words, words to those who decide only, and two officers.

use axum::http::StatusCode;
use sync_core::change::ChangeRef;
use sync_core::ids::{ChainId, Hash32};
use sync_core::log::AsideReason;
use sync_core::vocabulary::Lane;

use super::desk::{HAMLET, NOW_S, PATROL, WRITING};
use super::{Browser, Got, token_of, value_of};
use crate::http::console::desk::*;
use crate::http::console::quarantine::reason_key;
use crate::http::console::words::Locale;

pub(super) const PROPOSED_AT: u64 = 90;
const CHAIN: ChainId = ChainId([0xC4; 16]);
/// Can be admitted.
pub(super) const HELD: ChangeRef = ChangeRef {
    chain: CHAIN,
    seq: 4,
};
/// Would be refused anyhow.
const STAYS: ChangeRef = ChangeRef {
    chain: CHAIN,
    seq: 5,
};
/// Its words are gone.
const GONE: ChangeRef = ChangeRef {
    chain: CHAIN,
    seq: 6,
};
const WORDS: &str = "Hai vòng quanh chợ <b>";

fn row(at: ChangeRef, reason: AsideReason) -> AsideRow {
    AsideRow {
        at,
        group_name: "Tổ BVANTT ấp Hòa Phuông".to_owned(),
        lane: Lane::Open,
        device: WRITING,
        arrived_s: Some(NOW_S - 600),
        reason: Some(reason),
        is_admissible: reason.is_held(),
        proposal: None,
    }
}

/// Who proposed, and who asks.
type By = Option<(u32, u32)>;

fn proposal(by: By) -> Option<ProposalRow> {
    by.map(|(by, asks)| ProposalRow {
        by: ActBy::Account {
            number: by,
            name: (by == 1).then(|| "chi.huy".to_owned()),
        },
        index: PROPOSED_AT,
        time_s: NOW_S - 60,
        until_s: NOW_S + 86_400,
        is_to_confirm: by != asks,
    })
}

pub(super) fn quarantine_of(cause: Cause, page: Option<&PageKey>, by: By) -> QuarantinePage {
    let reasons = AsideReason::ALL.into_iter().zip(4u32..);
    let mut rows: Vec<AsideRow> = reasons
        .filter(|(reason, _)| Cause::of(*reason) == cause)
        .map(|(reason, seq)| row(ChangeRef { chain: CHAIN, seq }, reason))
        .collect();
    if cause == Cause::Held {
        rows[0].at = HELD;
        rows[0].proposal = proposal(by);
    }
    if cause == Cause::Forked {
        rows = vec![AsideRow {
            arrived_s: None,
            reason: None,
            is_admissible: false,
            ..row(HELD, AsideReason::Role)
        }];
    }
    if page.is_some() {
        rows.clear();
    }
    QuarantinePage {
        rows,
        older: page.is_none().then(|| PageKey::new("77").unwrap()),
    }
}

pub(super) fn held_of(at: ChangeRef, by: By) -> Option<HeldPage> {
    let said = match at {
        HELD => HeldSaid::Words {
            record_type: 1,
            edits: Some(PATROL),
            area_name: AreaName::known(HAMLET, "Ấp Hòa Phuông"),
            author: Author {
                member: Some(2),
                name: Some("Thạch Sóc".to_owned()),
                device: WRITING,
            },
            clock: PhoneClock {
                s: NOW_S - 900,
                is_off: false,
            },
            values: vec![
                (
                    "Tóm tắt".to_owned(),
                    Some(ValueText::Words(WORDS.to_owned())),
                ),
                ("Người có mặt".to_owned(), None),
            ],
        },
        STAYS => HeldSaid::Stays(AsideReason::Sealed),
        GONE => HeldSaid::Gone,
        _ => return None,
    };
    Some(HeldPage {
        row: AsideRow {
            proposal: proposal(by),
            ..row(at, AsideReason::RightLost)
        },
        hash: Hash32([0xAB; 32]),
        said,
    })
}

fn path(at: ChangeRef) -> String {
    format!("/console/quarantine/{}/{}", at.chain, at.seq)
}

/// Sends the form of a held change as its page would, after somebody has looked at it.
async fn send(browser: &mut Browser, page: &str) -> Got {
    let (token, hash) = (token_of(page), value_of(page, "hash"));
    let seen = value_of(page, "seen");
    let form = [
        ("token", token.as_str()),
        ("hash", hash.as_str()),
        ("seen", seen.as_str()),
    ];
    browser.post(&format!("{}/admit", path(HELD)), &form).await
}

#[tokio::test]
async fn every_reason_is_said_in_words_and_no_list_shows_what_somebody_wrote() {
    let mut browser = Browser::signed_in("chi.huy").await;
    for language in ["vi", "en"] {
        browser.speak(language).await;
        let locale = Locale::from_tag(language).unwrap();
        let mut all = String::new();
        for cause in Cause::ALL {
            let path = format!("/console/quarantine?cause={}", cause.id());
            all.push_str(&browser.get(&path).await.text);
        }
        for reason in AsideReason::ALL {
            let words = locale.t(reason_key(reason)).replace('\'', "&#39;");
            assert!(all.contains(&words), "{words}");
        }
        assert!(all.contains(&locale.t("aside-forked")));
        assert!(!all.contains("quanh chợ") && !all.contains("Thạch Sóc"));
    }
    let older = "/console/quarantine?cause=late&page=77";
    browser.speak("vi").await;
    let page = browser.get("/console/quarantine?cause=late").await.text;
    assert!(page.contains(&older.replace('&', "&amp;")));
    let page = browser.get(older).await.text;
    assert!(page.contains("Không có thay đổi nào"), "{page}");
    let calls = browser.desk.calls();
    let at = |name: &str| calls.iter().position(|call| call == name);
    assert!(at("audit quarantine") < at("quarantine"), "{calls:?}");
}

#[tokio::test]
async fn one_proposes_and_another_confirms() {
    let mut first = Browser::signed_in("chi.huy").await;
    let page = first.get(&path(HELD)).await.text;
    for words in [
        "Hai vòng quanh chợ &#60;b&#62;",
        "Thạch Sóc (2)",
        "đã xóa theo yêu cầu",
        "Đề nghị nhận",
        "Quyền ghi còn lúc ghi",
        &format!("/console/record/{PATROL}"),
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let got = send(&mut first, &page).await;
    assert_eq!(got.location, "/console/quarantine?done=propose");
    let list = first.get("/console/quarantine?done=propose").await.text;
    assert!(list.contains("Đã có đề nghị nhận: tài khoản chi.huy"));
    // the form once more, as from another tab
    let again = send(&mut first, &page).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    let own = first.get(&path(HELD)).await.text;
    assert!(own.contains("Phải có một cán bộ khác") && !own.contains("name=\"seen\""));
    // and with what stands there now
    let forged = page.replace("name=\"seen\" value=\"\"", "name=\"seen\" value=\"90\"");
    let got = send(&mut first, &forged).await;
    assert_eq!(got.status, StatusCode::CONFLICT);
    assert!(got.text.contains("Cần một cán bộ khác xác nhận"));
    assert!(!first.desk.state.lock().unwrap().admitted);

    first.cookies.clear();
    let got = first.sign_in("pho.lan", super::PASSWORD).await;
    assert_eq!(got.status, StatusCode::SEE_OTHER);
    let page = first.get(&path(HELD)).await.text;
    assert!(page.contains("Xác nhận và nhận vào sổ"));
    let got = send(&mut first, &page).await;
    assert_eq!(got.location, "/console/quarantine?done=admit");
    let got = send(&mut first, &page).await;
    assert!(got.text.contains("Thay đổi này đã tính vào sổ"));
}

#[tokio::test]
async fn what_cannot_be_admitted_says_why_and_shows_no_words() {
    let mut browser = Browser::signed_in("chi.huy").await;
    for (at, words) in [
        (STAYS, "Có nội dung ở phần niêm kín"),
        (GONE, "không còn trên máy chủ"),
    ] {
        let page = browser.get(&path(at)).await.text;
        assert!(page.contains(words), "{page}");
        assert!(!page.contains("name=\"hash\"") && !page.contains("quanh chợ"));
    }
}

#[tokio::test]
async fn who_decides_nothing_sees_no_quarantine() {
    for name in ["pv05", "giam.sat"] {
        let mut browser = Browser::signed_in(name).await;
        for address in ["/console/quarantine".to_owned(), path(HELD)] {
            let got = browser.get(&address).await;
            assert_eq!(got.status, StatusCode::FORBIDDEN, "{name} {address}");
        }
        let page = browser.get("/console").await.text;
        assert!(!page.contains("/console/quarantine"));
        let calls = browser.desk.calls();
        assert!(
            !calls.iter().any(|c| c == "quarantine" || c == "held"),
            "{calls:?}"
        );
    }
}

#[tokio::test]
async fn a_form_from_elsewhere_or_without_its_fields_admits_nothing() {
    let mut browser = Browser::signed_in("chi.huy").await;
    let page = browser.get(&path(HELD)).await.text;
    let address = format!("{}/admit", path(HELD));
    let (token, hash) = (token_of(&page), value_of(&page, "hash"));
    for (form, status) in [
        (
            vec![("token", "x"), ("hash", hash.as_str()), ("seen", "")],
            StatusCode::FORBIDDEN,
        ),
        (
            vec![("token", token.as_str()), ("seen", "")],
            StatusCode::BAD_REQUEST,
        ),
        (
            vec![("token", token.as_str()), ("hash", hash.as_str())],
            StatusCode::BAD_REQUEST,
        ),
        (
            vec![
                ("token", token.as_str()),
                ("hash", hash.as_str()),
                ("seen", "-1"),
            ],
            StatusCode::BAD_REQUEST,
        ),
    ] {
        let got = browser.post(&address, &form).await;
        assert_eq!(got.status, status, "{form:?}");
    }
    assert!(!browser.desk.calls().contains(&"admit".to_owned()));
    for address in [
        "/console/quarantine?cause=all",
        "/console/quarantine?page=%20%21",
        "/console/quarantine/zz/1",
        "/console/quarantine/c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4/99",
    ] {
        let got = browser.get(address).await;
        assert_eq!(got.status, StatusCode::NOT_FOUND, "{address}");
    }
}
