//! What officers do: reviews, invitations, phones.

use axum::http::StatusCode;
use sync_core::value::FieldKey;

use crate::http::console::desk::InviteId;

use super::desk::{DIGITS, GROUP, PATROL, WAITING, WRITING};
use super::{Browser, record_path, token_of, value_of};

#[tokio::test]
async fn an_officer_accepts_without_a_reason() {
    let mut browser = Browser::signed_in("chi.huy").await;
    let form = [("act", "accept"), ("reason", "3"), ("text", "left over")];
    let got = browser.review(&record_path(PATROL), &form).await;
    assert_eq!(got.location, format!("{}?done=accept", record_path(PATROL)));
    let (account, input) = browser.desk.state.lock().unwrap().reviews[0].clone();
    assert_eq!(
        (account, input.state, input.reason, input.text),
        (1, Some(6), None, None)
    );
    assert_eq!(input.seen_heads.len(), 2);
    assert!(
        browser
            .get(&got.location)
            .await
            .text
            .contains("Đã xác nhận. Tổ sẽ thấy")
    );
}

#[tokio::test]
async fn an_officer_returns_with_a_reason_and_never_without() {
    let mut browser = Browser::signed_in("chi.huy").await;
    let got = browser
        .review(&record_path(PATROL), &[("act", "return")])
        .await;
    assert_eq!(got.status, StatusCode::UNPROCESSABLE_ENTITY);
    let got = browser
        .review(&record_path(PATROL), &[("act", "return"), ("reason", "77")])
        .await;
    assert_eq!(got.status, StatusCode::BAD_REQUEST);
    assert_eq!(browser.reviews_count(), 0);
    let form = [
        ("act", "return"),
        ("reason", "4"),
        ("text", " Ai đi cùng?\r\nMấy giờ? "),
    ];
    browser.review(&record_path(PATROL), &form).await;
    let (_, input) = browser.desk.state.lock().unwrap().reviews[0].clone();
    assert_eq!((input.state, input.reason), (Some(7), Some(4)));
    assert_eq!(input.text.as_deref(), Some("Ai đi cùng?\nMấy giờ?"));
}

#[tokio::test]
async fn a_remark_is_pinned_to_a_field_and_says_something() {
    let mut browser = Browser::signed_in("chi.huy").await;
    for form in [
        &[("act", "remark"), ("text", "Ở đâu?")][..],
        &[("act", "remark"), ("field", "44.a3")][..],
        &[
            ("act", "remark"),
            ("field", "44.a3"),
            ("text", "\u{202E}ngược"),
        ][..],
        &[
            ("act", "remark"),
            ("field", "44.a3"),
            ("text", &"dài ".repeat(200)),
        ][..],
    ] {
        let got = browser.review(&record_path(PATROL), form).await;
        assert_eq!(got.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let form = [
        ("act", "remark"),
        ("field", "44.a3"),
        ("text", "Tuyến nào?"),
    ];
    browser.review(&record_path(PATROL), &form).await;
    let (_, input) = browser.desk.state.lock().unwrap().reviews[0].clone();
    assert_eq!(
        input.field,
        Some(FieldKey {
            number: 44,
            item: 0xA3
        })
    );
    assert_eq!((input.state, browser.reviews_count()), (None, 1));
}

#[tokio::test]
async fn a_record_that_changed_meanwhile_is_looked_at_again() {
    let mut browser = Browser::signed_in("chi.huy").await;
    let token = browser.token().await;
    let heads = format!("{}.1", "5a".repeat(16));
    let form = [
        ("token", token.as_str()),
        ("heads", &heads),
        ("act", "accept"),
    ];
    let got = browser
        .post(&format!("{}/review", record_path(PATROL)), &form)
        .await;
    assert_eq!(got.status, StatusCode::CONFLICT);
    assert!(got.text.contains(&record_path(PATROL)), "the way back");
}

#[tokio::test]
async fn a_phone_is_enrolled_by_the_digits_it_shows() {
    let mut browser = Browser::signed_in("chi.huy").await;
    let page = browser
        .get(&format!("/console/enrol?group={GROUP}"))
        .await
        .text;
    let token = token_of(&page);
    let group = GROUP.to_string();
    let form = [
        ("token", token.as_str()),
        ("group", &group),
        ("member", "2"),
        ("member", "1"),
    ];
    let got = browser.post("/console/enrol", &form).await;
    assert_eq!(
        browser.desk.state.lock().unwrap().invited,
        [(GROUP, vec![1, 2])]
    );
    let page = browser.get(&got.location).await.text;
    assert!(page.contains("<svg") && page.contains("BINHYEN1:") && page.contains("Dùng một lần"));
    assert!(!page.contains(DIGITS), "the digits stand on the phone only");

    let confirm = format!("/console/devices/{GROUP}/{WAITING}/confirm");
    for (digits, status) in [
        ("12345", StatusCode::UNPROCESSABLE_ENTITY),
        ("111111", StatusCode::UNPROCESSABLE_ENTITY),
        ("៤៨២ ៩១៣", StatusCode::SEE_OTHER),
    ] {
        let got = browser
            .post(&confirm, &[("token", &token), ("digits", digits)])
            .await;
        assert_eq!(got.status, status, "{digits}");
    }
    assert!(browser.desk.calls().contains(&"confirm_device".to_owned()));
}

#[tokio::test]
async fn a_phone_is_revoked_in_two_steps() {
    let mut browser = Browser::signed_in("chi.huy").await;
    let path = format!("/console/devices/{GROUP}/{WRITING}/revoke");
    let page = browser.get(&path).await.text;
    assert!(
        !browser.desk.state.lock().unwrap().revoked,
        "looking revokes nothing"
    );
    // the group by name, those outside of the scope by number
    assert!(page.contains("<li><bdi>Tổ BVANTT ấp Hòa Phuông</bdi></li>"));
    assert!(page.contains("2 tổ ngoài địa bàn của anh/chị"));
    let token = token_of(&page);
    for (groups, status) in [("", StatusCode::BAD_REQUEST), ("1", StatusCode::CONFLICT)] {
        let form = [("token", token.as_str()), ("groups", groups)];
        assert_eq!(browser.post(&path, &form).await.status, status);
        assert!(!browser.desk.state.lock().unwrap().revoked);
    }
    let groups = value_of(&page, "groups");
    let form = [("token", token.as_str()), ("groups", groups.as_str())];
    let got = browser.post(&path, &form).await;
    assert_eq!(got.location, "/console/devices?done=revoke");
    assert!(browser.desk.state.lock().unwrap().revoked);
    assert_eq!(browser.get(&path).await.status, StatusCode::NOT_FOUND);

    let refuse = format!("/console/devices/{GROUP}/{WAITING}/refuse");
    let token = browser.token().await;
    let got = browser.post(&refuse, &[("token", &token)]).await;
    assert_eq!(got.location, "/console/devices?done=refuse");
    let page = browser.get(&got.location).await.text;
    assert!(page.contains("từ chối lúc 16:19 05/09/2026"), "{page}");
    assert!(!page.contains(&refuse), "it is refused once");
    // a mistake can be put right, by the same digits
    let confirm = format!("/console/devices/{GROUP}/{WAITING}/confirm");
    assert!(page.contains(&confirm));
}

#[tokio::test]
async fn a_code_says_what_became_of_it() {
    let mut browser = Browser::signed_in("chi.huy").await;
    let path = format!("/console/enrol/{}", InviteId([9; 16]));
    let page = browser.get(&path).await.text;
    assert!(page.contains("<svg") && page.contains("Chưa có máy nào quét mã"));
    assert!(page.contains("tìm máy chủ tại 127.0.0.1:8443"));
    assert!(page.contains("chỉ dùng được ngay trên máy chủ này"));
    browser.desk.state.lock().unwrap().scanned = true;
    let page = browser.get(&path).await.text;
    assert!(!page.contains("<svg") && page.contains("đang chờ xác nhận"));
    assert!(page.contains("name=\"digits\""));
    browser.desk.state.lock().unwrap().pending_decided = true;
    let page = browser.get(&path).await.text;
    assert!(page.contains("đã được xác nhận") && !page.contains("name=\"digits\""));
    browser.desk.state.lock().unwrap().refused = true;
    let page = browser.get(&path).await.text;
    assert!(page.contains("bị từ chối") && page.contains("Tạo mã mới"));
}

#[tokio::test]
async fn without_an_address_for_phones_the_page_says_what_to_do_and_makes_no_code() {
    let mut browser = Browser::signed_in("chi.huy").await;
    browser.desk.state.lock().unwrap().has_address = false;
    let got = browser.get(&format!("/console/enrol?group={GROUP}")).await;
    assert_eq!(got.status, StatusCode::OK);
    assert!(got.text.contains("--public-url") && got.text.contains("Chưa tạo được mã"));
    assert!(!got.text.contains("name=\"group\""));
    let path = format!("/console/enrol/{}", InviteId([9; 16]));
    let got = browser.get(&path).await;
    assert_eq!(got.status, StatusCode::CONFLICT);
    assert!(got.text.contains("--public-url") && !got.text.contains("<svg"));
}
