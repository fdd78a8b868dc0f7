//! What pages show, to whom, and what they refuse to look up.

use axum::http::{StatusCode, header};

use super::desk::{COMMUNE, ENDED, GROUP, KHMER, PATROL, TIP, WRITING};
use super::records::KHMER_TEXT;
use super::{Browser, record_path};
use crate::http::console::desk::{DeskError, InviteId, Placed, UnitsAsked};
use crate::http::console::words::read_day;

#[tokio::test]
async fn every_page_renders_in_both_languages_behind_its_fences() {
    let mut browser = Browser::signed_in("chi.huy").await;
    let invitation = format!("/console/enrol/{}", InviteId([9; 16]));
    let revoke = format!("/console/devices/{GROUP}/{WRITING}/revoke");
    let paths = [
        "/console",
        "/console?lane=tip",
        &record_path(PATROL),
        &record_path(KHMER),
        &record_path(TIP),
        "/console/devices",
        &revoke,
        "/console/enrol",
        &format!("/console/enrol?group={GROUP}"),
        &invitation,
        "/console/period",
        "/console/groups",
        &format!("/console/groups/{GROUP}"),
        "/console/acts",
        &format!("/console/acts/{GROUP}"),
        "/console/no-such-page",
    ];
    for language in ["vi", "en"] {
        browser.speak(language).await;
        for path in paths {
            let got = browser.get(path).await;
            let status = if path.ends_with("no-such-page") {
                StatusCode::NOT_FOUND
            } else {
                StatusCode::OK
            };
            assert_eq!(got.status, status, "{path}: {}", got.text);
            assert!(
                got.text.contains(&format!("<html lang=\"{language}\">")),
                "{path}"
            );
            assert!(!got.text.contains("<script"), "{path}");
            for inline in [
                " style=",
                " onclick=",
                " onload=",
                "javascript:",
                "http://",
                "https://",
            ] {
                let outside = got.text.replace("http://www.w3.org/2000/svg", "");
                assert!(!outside.contains(inline), "{path}: {inline}");
            }
            for (name, word) in [
                ("content-security-policy", "default-src 'none'"),
                ("cache-control", "no-store"),
                ("referrer-policy", "no-referrer"),
                ("x-content-type-options", "nosniff"),
            ] {
                let value = got.headers.get(name).unwrap().to_str().unwrap();
                assert!(value.contains(word), "{path}: {name}");
            }
        }
    }
}

#[tokio::test]
async fn what_people_wrote_is_shown_as_written_and_never_run() {
    let mut browser = Browser::signed_in("chi.huy").await;
    let page = browser.get(&record_path(PATROL)).await.text;
    assert!(page.contains("&#60;script&#62;alert(1)&#60;/script&#62;"));
    assert!(page.contains("&#60;b&#62;Rõ rồi.&#60;/b&#62;"));
    assert!(
        browser
            .get(&record_path(KHMER))
            .await
            .text
            .contains(KHMER_TEXT)
    );
    let list = browser.get("/console").await.text;
    assert!(list.contains(KHMER_TEXT) && list.contains("&#60;script&#62;"));
}

#[tokio::test]
async fn a_record_shows_rivals_history_remarks_and_what_is_missing() {
    let mut browser = Browser::signed_in("chi.huy").await;
    let page = browser.get(&record_path(PATROL)).await.text;
    for text in [
        "Hai máy cùng sửa mục này",
        "Thạch Sóc (2)",
        "5a5a5a5a·41",
        "<code>1233</code>",
        "Tài khoản chi.huy nhập tại bảng điều khiển",
        "Thiếu mục cần điền",
        "tuyến",
        "đã xóa theo yêu cầu",
        "tổ đã trả lời",
    ] {
        assert!(page.contains(text), "{text}");
    }
}

#[tokio::test]
async fn an_area_that_ended_or_is_unknown_is_said_in_words() {
    let mut browser = Browser::signed_in("chi.huy").await;
    let list = browser.get("/console").await.text;
    assert!(list.contains("Địa bàn không rõ (mã cdcdcdcd)"));
    assert!(!list.contains("cdcdcdcdcd"), "no id in hex");
    let page = browser.get(&record_path(PATROL)).await.text;
    assert!(page.contains("Ấp Vàm Cũ (không còn từ 01/07/2025)"));
    browser.speak("en").await;
    let list = browser.get("/console").await.text;
    assert!(list.contains("Unknown area (code cdcdcdcd)"));
    let page = browser.get(&record_path(PATROL)).await.text;
    assert!(page.contains("Ấp Vàm Cũ (no longer exists since 01/07/2025)"));
}

#[tokio::test]
async fn a_number_stands_with_its_unit() {
    let mut browser = Browser::signed_in("chi.huy").await;
    let page = browser.get(&record_path(PATROL)).await.text;
    assert!(page.contains(">120 phút<"));
    browser.speak("en").await;
    let page = browser.get(&record_path(PATROL)).await.text;
    assert!(page.contains(">120 minutes<"));
}

#[tokio::test]
async fn history_stands_only_where_something_was_edited() {
    let mut browser = Browser::signed_in("chi.huy").await;
    let page = browser.get(&record_path(PATROL)).await.text;
    let (_, main) = page.split_once("<main").unwrap();
    assert_eq!(main.matches("<summary>").count(), 1);
    assert!(page.contains("Lịch sử (3)") && !page.contains("Lịch sử (1)"));
    // what somebody added later still says who did
    assert_eq!(page.matches("ghi thêm sau:").count(), 1);
    assert!(page.contains("Trà Vinh Sơn (3)"));
}

#[tokio::test]
async fn a_phone_clock_that_cannot_be_right_is_called_wrong() {
    let mut browser = Browser::signed_in("chi.huy").await;
    let page = browser.get(&record_path(KHMER)).await.text;
    assert!(page.contains("giờ máy 07:00 01/01/1970 (đồng hồ máy sai)"));
    let page = browser.get(&record_path(PATROL)).await.text;
    assert!(page.contains("giờ máy ") && !page.contains("đồng hồ máy sai"));
}

#[tokio::test]
async fn every_reading_asks_the_desk_which_writes_the_entry_first() {
    let mut browser = Browser::signed_in("chi.huy").await;
    browser.get("/console").await;
    browser.get(&record_path(PATROL)).await;
    browser.get("/console/devices").await;
    let calls = browser.desk.calls();
    assert_eq!(
        calls,
        [
            "audit list",
            "list",
            "audit record",
            "record",
            "audit devices",
            "devices"
        ]
    );
}

#[tokio::test]
async fn closed_lanes_have_no_words_no_search_and_their_own_reasons() {
    let mut browser = Browser::signed_in("chi.huy").await;
    let page = browser.get(&record_path(TIP)).await.text;
    assert!(!page.contains("<textarea") && !page.contains("name=\"text\""));
    assert!(page.contains("Mời gặp trực tiếp") && !page.contains("Nội dung chưa rõ"));
    let open = browser.get(&record_path(PATROL)).await.text;
    assert!(open.contains("<textarea") && !open.contains("Mời gặp trực tiếp"));
    let list = browser.get("/console?lane=tip&q=tuan+tra").await.text;
    assert!(!list.contains("name=\"q\""));
    assert_eq!(browser.last_filter().search, None);
}

#[tokio::test]
async fn above_the_commune_closed_lanes_are_day_commune_and_type() {
    let mut browser = Browser::signed_in("pv05").await;
    let page = browser.get("/console?lane=tip").await.text;
    assert!(page.contains("Xã Hòa Tú") && page.contains("Nguồn tin"));
    assert!(!page.contains("/console/record/") && !page.contains("name=\"group\""));
    assert!(!page.contains("name=\"state\"") && !page.contains("BVANTT"));
    let got = browser.get(&record_path(TIP)).await;
    assert_eq!(got.status, StatusCode::NOT_FOUND);
    let got = browser.get("/console?lane=tip&state=4").await;
    assert!(got.text.contains("Điều kiện lọc không đọc được"));
    // the province remarks in the open lane, but the state is the commune's to set
    let page = browser.get(&record_path(PATROL)).await.text;
    assert!(page.contains("value=\"remark\"") && !page.contains("value=\"accept\""));
    assert_eq!(
        browser.get("/console/devices").await.status,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn lanes_follow_the_role() {
    let mut browser = Browser::signed_in("tu.phap").await;
    browser.get("/console").await;
    assert_eq!(browser.last_filter().lane.id(), "mediation");
    assert_eq!(
        browser.get("/console?lane=tip").await.status,
        StatusCode::FORBIDDEN
    );
    let mut browser = Browser::signed_in("giam.sat").await;
    let page = browser.get("/console").await;
    assert!(page.text.contains("không xem từng mục"));
    assert!(browser.desk.calls().is_empty());
}

#[tokio::test]
async fn search_finds_without_accents_and_refuses_to_look_up_people() {
    let mut browser = Browser::signed_in("chi.huy").await;
    let page = browser.get("/console?q=tuan+tra").await.text;
    assert!(page.contains("Tuần tra tuyến kênh Ba") && !page.contains("Thăm 12 hộ"));
    let page = browser.get("/console?q=dong+thap").await.text;
    assert!(page.contains("Thăm 12 hộ") && page.contains("Ấp Đồng Tháp"));
    assert!(!page.contains("Tuần tra tuyến kênh Ba"));
    browser.desk.forget_calls();
    for (query, words) in [
        ("tuan", "Gõ ít nhất hai chữ"),
        ("so+0901234567+nay", "Không tìm theo số dài"),
        ("xe+83-F1+234.56", "Không tìm theo biển số"),
        ("anh+T%C3%A8o", "Không tìm theo tên người"),
    ] {
        let got = browser.get(&format!("/console?q={query}")).await;
        assert!(got.text.contains(words), "{query}");
        assert!(!got.text.contains("<table"), "{query}");
    }
    assert!(
        browser.desk.calls().is_empty(),
        "what is refused is not read"
    );
}

#[tokio::test]
async fn a_list_is_asked_for_by_the_units_of_the_time_or_of_today() {
    let mut browser = Browser::signed_in("chi.huy").await;
    let page = browser.get("/console?lane=open").await.text;
    assert!(page.contains("name=\"units\"") && !page.contains("Hòa Tú 1"));
    assert!(!page.contains("value=\"none\""));
    let page = browser
        .get(&format!("/console?lane=open&area={COMMUNE}"))
        .await;
    assert!(page.text.contains("Đơn vị hôm nay"));
    assert_eq!(browser.last_filter().placed, Placed::Now(COMMUNE));
    let page = browser
        .get(&format!("/console?lane=open&units=then&area={ENDED}"))
        .await
        .text;
    assert!(
        page.contains("Xã Hòa Tú 1 (không còn từ 01/07/2025)"),
        "{page}"
    );
    assert!(page.contains("Chưa xếp được vào đơn vị nào"));
    assert_eq!(
        browser.last_filter().placed,
        Placed::In(UnitsAsked::Then, ENDED)
    );
    let (_, link) = page.split_once("rel=\"next\" href=\"").unwrap();
    assert!(link.split('"').next().unwrap().contains("units=then"));
    browser
        .get("/console?lane=open&units=today&area=none")
        .await;
    assert_eq!(
        browser.last_filter().placed,
        Placed::Nowhere(UnitsAsked::Today)
    );
    browser.get("/console?lane=open&units=today").await;
    assert_eq!(browser.last_filter().placed, Placed::Anywhere);
    for wrong in ["units=later", "area=none", "units=then&area=31120"] {
        let page = browser
            .get(&format!("/console?lane=open&{wrong}"))
            .await
            .text;
        assert!(page.contains("Điều kiện lọc không đọc được"), "{wrong}");
    }
}

#[tokio::test]
async fn a_list_is_filtered_and_goes_on_with_the_filter() {
    let mut browser = Browser::signed_in("chi.huy").await;
    let page = browser
        .get(&format!(
            "/console?lane=open&type=1&state=4&from=15/08/2026&to=2026-09-14&group={GROUP}"
        ))
        .await
        .text;
    let filter = browser.last_filter();
    assert_eq!(
        (filter.record_type, filter.state, filter.group),
        (Some(1), Some(4), Some(GROUP))
    );
    assert_eq!(filter.from_day, read_day("2026-08-15"));
    assert_eq!(filter.to_day, read_day("14/09/2026"));
    let (_, link) = page.split_once("rel=\"next\" href=\"").unwrap();
    let link = link.split('"').next().unwrap().replace("&#38;", "&");
    assert!(
        link.contains("page=20690.311") && link.contains("from=15%2F08%2F2026"),
        "{link}"
    );
    browser.get(&link).await;
    let next = browser.last_filter();
    assert_eq!(
        next.page.as_ref().map(|key| key.as_str()),
        Some("20690.311")
    );
    assert_eq!(
        (next.record_type, next.from_day),
        (filter.record_type, filter.from_day)
    );

    browser.desk.forget_calls();
    let page = browser.get("/console?from=31/02/2026").await.text;
    assert!(page.contains("Ngày chưa đúng") && page.contains("value=\"31/02/2026\""));
    let page = browser
        .get("/console?from=05/09/2026&to=04/09/2026")
        .await
        .text;
    assert!(page.contains("phải trước hoặc trùng") && page.contains("aria-invalid"));
    let page = browser.get("/console?area=everywhere").await.text;
    assert!(page.contains("Điều kiện lọc không đọc được"));
    assert!(browser.desk.calls().is_empty());
}

#[tokio::test]
async fn an_address_that_leads_nowhere_says_so_in_words() {
    let mut browser = Browser::signed_in("chi.huy").await;
    for path in [
        "/console/no-such-page",
        "/console?lane=everything",
        // a form's address, opened again after the form was sent
        &format!("{}/review", record_path(PATROL)),
    ] {
        let got = browser.get(path).await;
        assert!(got.status.is_client_error(), "{path}");
        assert!(got.text.contains("Về danh sách và tìm lại"), "{path}");
    }
}

#[tokio::test]
async fn an_empty_list_says_whether_a_filter_made_it_so() {
    let mut browser = Browser::signed_in("chi.huy").await;
    browser.desk.state.lock().unwrap().is_empty = true;
    let page = browser.get("/console").await.text;
    assert!(page.contains("Khi điện thoại của tổ đồng bộ"));
    let page = browser.get("/console?type=1").await.text;
    assert!(page.contains("Bỏ bớt điều kiện lọc"));
}

#[tokio::test]
async fn the_style_sheet_may_be_kept_and_is_found_by_its_content() {
    let mut browser = Browser::new();
    let page = browser.get("/console/sign-in").await.text;
    let (_, link) = page.split_once("rel=\"stylesheet\" href=\"").unwrap();
    let got = browser.get(link.split('"').next().unwrap()).await;
    assert_eq!(got.status, StatusCode::OK);
    assert!(
        got.headers[header::CACHE_CONTROL]
            .to_str()
            .unwrap()
            .contains("immutable")
    );
    assert_eq!(got.headers[header::CONTENT_TYPE], "text/css; charset=utf-8");
}

#[test]
fn every_answer_of_the_desk_has_its_words() {
    use crate::http::console::page::{Frame, Place, Trouble};
    use crate::http::console::words::Locale;
    for locale in Locale::ALL {
        for error in [
            DeskError::NotFound,
            DeskError::NotAllowed,
            DeskError::Stale,
            DeskError::Invalid,
            DeskError::WrongDigits,
            DeskError::NotWaiting,
            DeskError::NoAddress,
            DeskError::Busy,
            DeskError::StorageFull,
            DeskError::Failed,
        ] {
            let frame = Frame {
                locale,
                officer: None,
                token: String::new(),
                here: String::new(),
                place: Place::Elsewhere,
            };
            let got = crate::http::console::page::trouble(frame, Trouble::from(error), "/console");
            assert!(got.status().is_client_error() || got.status().is_server_error());
        }
    }
}
