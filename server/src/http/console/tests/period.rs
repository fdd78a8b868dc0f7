//! The figures of a period: what is shown of them, and that closing needs a role and a yes.

use axum::http::StatusCode;
use sync_core::vocabulary::{RoleScope, Vocabulary};

use super::Browser;
use super::desk::{COMMUNE, HAMLET};
use super::token_of;
use crate::http::console::desk::*;
use crate::http::console::words::read_day;

fn pair(on_time: Option<u64>, late: Option<u64>) -> Pair {
    Pair { on_time, late }
}

/// A commune with patrols in a hamlet and in none; or a province that withholds.
pub(super) fn page_of(officer: &Officer, closed: bool) -> PeriodPage {
    let vocabulary = Vocabulary::builtin();
    let number = |id: &str| vocabulary.record_type_by_id(id).unwrap().number;
    let unit = |name: AreaName, placed, pair| UnitFigures { name, placed, pair };
    let patrols = Figures {
        units: vec![
            unit(
                AreaName::known(HAMLET, "Ấp Hòa Phuông"),
                true,
                pair(Some(1_204), Some(2)),
            ),
            unit(AreaName::unknown(COMMUNE), false, pair(Some(1), Some(0))),
        ],
        sum: pair(Some(1_205), Some(2)),
    };
    let above = officer.scope(vocabulary) == RoleScope::Province;
    let tips = (!above || closed).then(|| Figures {
        units: vec![unit(
            AreaName::known(COMMUNE, "Xã Hòa Tú"),
            true,
            pair(Some(31), None),
        )],
        sum: pair(Some(37), None),
    });
    PeriodPage {
        step: if closed {
            PeriodStep::Closed(1_788_500_000)
        } else {
            PeriodStep::Next
        },
        may_close: officer.closes_periods(vocabulary) && !closed,
        types: vec![
            TypeFigures {
                record_type: number("patrol"),
                figures: Some(patrols),
            },
            TypeFigures {
                record_type: number("tip"),
                figures: tips,
            },
        ],
    }
}

#[tokio::test]
async fn figures_stand_by_unit_with_what_came_late_apart() {
    let mut browser = Browser::signed_in("chi.huy").await;
    let page = browser.get("/console/period").await.text;
    for shown in [
        "Số liệu kỳ 09/2026",
        "15/08/2026 – 14/09/2026",
        "Bổ sung kỳ trước",
        "Ấp Hòa Phuông",
        "1\u{202F}204",
        "chưa xếp được vào đơn vị nào",
        "Chốt kỳ này",
        "chưa xác định độ mật",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let asked = browser.desk.state.lock().unwrap().periods[0];
    assert_eq!((asked.calendar, asked.units), (1, UnitsAsked::Today));
    let page = browser
        .get("/console/period?calendar=2&day=03/01/2026&units=then")
        .await
        .text;
    assert!(page.contains("01/01/2026 – 31/01/2026"), "{page}");
    assert!(
        page.contains("calendar=2&#38;day=2025-12-01&#38;units=then"),
        "{page}"
    );
    assert!(page.contains("calendar=2&#38;day=2026-02-01&#38;units=then"));
    let asked = browser.desk.state.lock().unwrap().periods[1];
    assert_eq!(asked.period.first, read_day("01/01/2026").unwrap());
    assert_eq!(asked.units, UnitsAsked::Then);
    for wrong in [
        "calendar=77",
        "day=31/06/2026",
        "units=now",
        "calendar=x",
        "day=01/01/1975",
    ] {
        let got = browser.get(&format!("/console/period?{wrong}")).await;
        assert_eq!(got.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
}

#[tokio::test]
async fn above_the_commune_small_figures_wait_for_the_closing_and_are_withheld() {
    let mut browser = Browser::signed_in("pv05").await;
    let page = browser.get("/console/period").await.text;
    assert!(page.contains("Chỉ hiện sau khi tỉnh chốt kỳ"), "{page}");
    assert!(!page.contains("Chốt kỳ này"));
    browser.desk.state.lock().unwrap().closed = true;
    let page = browser.get("/console/period").await.text;
    assert!(page.contains("<td class=\"num\">–</td>"), "{page}");
    assert!(page.contains("số dưới 5") && page.contains("Đã chốt lúc"));
}

#[tokio::test]
async fn a_period_is_closed_by_the_chief_with_a_yes_and_by_nobody_else() {
    let mut browser = Browser::signed_in("chi.huy").await;
    let page = browser.get("/console/period?day=20/08/2026").await.text;
    let token = token_of(&page);
    let path = "/console/period/close";
    let form = |sure: &'static str| {
        vec![
            ("token", token.clone()),
            ("calendar", "1".to_owned()),
            ("day", "15/08/2026".to_owned()),
            ("sure", sure.to_owned()),
        ]
    };
    let sent = form("");
    let sent: Vec<(&str, &str)> = sent.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let got = browser.post(path, &sent).await;
    assert_eq!(got.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        got.text.contains("Chưa đánh dấu đã xem bảng"),
        "{}",
        got.text
    );
    assert!(!browser.desk.calls().contains(&"close_period".to_owned()));
    let sent = form("yes");
    let sent: Vec<(&str, &str)> = sent.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let got = browser.post(path, &sent).await;
    assert_eq!(got.status, StatusCode::SEE_OTHER);
    let page = browser.get(&got.location).await.text;
    assert!(
        page.contains("Đã chốt kỳ.") && !page.contains("Chốt kỳ này"),
        "{page}"
    );
    let again = browser.post(path, &sent).await;
    assert_eq!(again.status, StatusCode::CONFLICT);

    for name in ["pv05", "tu.phap"] {
        let mut browser = Browser::signed_in(name).await;
        let page = browser.get("/console/period").await.text;
        let token = token_of(&page);
        let sent = [("token", token.as_str()), ("sure", "yes")];
        let got = browser.post(path, &sent).await;
        assert_eq!(got.status, StatusCode::FORBIDDEN, "{name}");
        assert!(!browser.desk.calls().contains(&"close_period".to_owned()));
    }
    for name in ["giam.sat", "thi.dua"] {
        let mut browser = Browser::signed_in(name).await;
        let got = browser.get("/console/period").await;
        assert_eq!(got.status, StatusCode::FORBIDDEN, "{name}");
        assert!(!got.text.contains("href=\"/console/period\""), "{name}");
    }
}

#[tokio::test]
async fn a_translation_that_nobody_read_says_so_and_what_binds_stands_in_vietnamese_too() {
    let mut browser = Browser::signed_in("chi.huy").await;
    let binds = "Sau khi chốt, bảng này giữ nguyên mãi";
    let mark = "Bản dịch chưa được duyệt";
    for (language, late) in [
        ("vi", "Bổ sung kỳ trước"),
        ("en", "Late, of earlier periods"),
        ("km", "បន្ថែមពីគ្រាមុន"),
        ("zh-Hant", "補報前期"),
        ("zh-Hans", "补报前期"),
    ] {
        browser.speak(language).await;
        let page = browser.get("/console/period").await.text;
        assert!(
            page.contains(&format!("<html lang=\"{language}\">")),
            "{page}"
        );
        assert!(page.contains(late), "{language}: {page}");
        let unread = !["vi", "en"].contains(&language);
        assert_eq!(page.contains(mark), unread, "{language}");
        assert_eq!(
            page.contains(binds),
            unread || language == "vi",
            "{language}"
        );
        // the state's words are Vietnamese in every language
        assert!(page.contains("Độc lập - Tự do - Hạnh phúc"));
    }
    // a page that the language does not speak is Vietnamese, and says so to a reader aloud
    let page = browser.get("/console").await.text;
    assert!(
        page.contains("<html lang=\"vi\">") && page.contains("Nội dung"),
        "{page}"
    );
}
