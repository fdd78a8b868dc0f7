//! Groups and the steps of their life: who enters them, and that names stand apart from kinds.

use axum::http::StatusCode;
use sync_core::hub::LifeStep;

use super::desk::{GROUP, HAMLET};
use super::{Browser, token_of};
use crate::http::console::desk::*;

const NAME: &str = "Rủ nhau làm tốt xóm";

pub(super) fn step(state: u16) -> LifeStep {
    LifeStep {
        kind: 5,
        state,
        day: 20_600,
        body: "UBND xã Hòa Tú".to_owned(),
        decision: "12/QĐ-UBND".to_owned(),
    }
}

pub(super) fn row(steps: &[LifeStep]) -> ModelRow {
    ModelRow {
        group: GROUP,
        name: NAME.to_owned(),
        area_name: AreaName::known(HAMLET, "Ấp Hòa Phuông"),
        steps: steps.to_vec(),
    }
}

#[tokio::test]
async fn kinds_are_counted_and_names_only_name_their_group() {
    let mut browser = Browser::signed_in("chi.huy").await;
    let page = browser.get("/console/groups").await.text;
    assert!(
        page.contains(NAME) && page.contains("chưa ghi loại hình"),
        "{page}"
    );
    browser.desk.state.lock().unwrap().steps = vec![step(2), step(4)];
    let page = browser.get("/console/groups").await.text;
    let (_, counts) = page.split_once("id=\"model-counts\"").unwrap();
    let counts = counts.split("</table>").next().unwrap();
    assert!(
        counts.contains("Cổng rào") && counts.contains("công nhận"),
        "{counts}"
    );
    assert!(counts.contains("<td class=\"num\">1</td>") && !counts.contains(NAME));
    assert_eq!(
        page.matches(NAME).count(),
        1,
        "the name stands at its group only"
    );
    let page = browser.get(&format!("/console/groups/{GROUP}")).await.text;
    assert!(
        page.contains("thí điểm") && page.contains("12/QĐ-UBND"),
        "{page}"
    );
    assert!(!page.contains("<form method=\"post\" action=\"/console/groups/"));
    let other = browser
        .get("/console/groups/00000000000000000000000000000000")
        .await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn steps_are_entered_by_those_who_found_groups_or_keep_the_catalogue() {
    let path = format!("/console/groups/{GROUP}");
    for name in ["ubnd", "pv05"] {
        let mut browser = Browser::signed_in(name).await;
        browser.desk.state.lock().unwrap().steps = vec![step(2)];
        let page = browser.get(&path).await.text;
        // from the pilot: reviewed, recognised, paused, ended, and the kind put right
        let (_, states) = page.split_once("name=\"state\"").unwrap();
        let states = states.split("</select>").next().unwrap();
        assert_eq!(states.matches("<option").count(), 6, "{states}");
        assert!(!states.contains("nhân rộng") && !states.contains("đề xuất"));
        let token = token_of(&page);
        let sent = [
            ("token", token.as_str()),
            ("seen", "1"),
            ("kind", "5"),
            ("state", "4"),
            ("day", "01/09/2026"),
            ("body", "UBND xã"),
        ];
        let got = browser.post(&path, &sent).await;
        assert_eq!(got.status, StatusCode::SEE_OTHER, "{}", got.text);
        assert!(
            browser
                .get(&got.location)
                .await
                .text
                .contains("Đã ghi. Tổ thấy")
        );
        let steps = browser.desk.state.lock().unwrap().steps.clone();
        assert_eq!(
            (steps.len(), steps[1].state, steps[1].body.as_str()),
            (2, 4, "UBND xã")
        );
        let again = browser.post(&path, &sent).await;
        assert_eq!(again.status, StatusCode::CONFLICT);
        let sent = [
            ("token", token.as_str()),
            ("kind", "5"),
            ("day", "31/06/2026"),
        ];
        let got = browser.post(&path, &sent).await;
        assert_eq!(got.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(got.text.contains("Bước này chưa ghi được"));
    }
    for name in ["chi.huy", "tu.phap", "giam.sat", "thi.dua"] {
        let mut browser = Browser::signed_in(name).await;
        let page = browser.get("/console").await.text;
        let token = token_of(&page);
        let sent = [("token", token.as_str()), ("kind", "5")];
        let got = browser.post(&path, &sent).await;
        assert_eq!(got.status, StatusCode::FORBIDDEN, "{name}");
    }
}
