//! Coming in, staying in, and forms that are of no session.

use axum::http::StatusCode;

use super::desk::{PASSWORD, PATROL};
use super::{Browser, CLOCK, clock, encoded, record_path, token_of, value_of};
use crate::http::console::{FORM_BYTES_MAX, SESSION_SECONDS};

#[tokio::test]
async fn signing_in_gives_a_cookie_that_nothing_else_can_use() {
    let mut browser = Browser::new();
    let got = browser.sign_in("chi.huy", PASSWORD).await;
    assert_eq!(
        (got.status, got.location.as_str()),
        (StatusCode::SEE_OTHER, "/console")
    );
    let cookie = got
        .cookies
        .iter()
        .find(|line| line.starts_with("__Host-binhyen="))
        .unwrap();
    for word in ["Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(word), "{cookie}");
    }
    let text = browser
        .cookies
        .iter()
        .find(|(name, _)| name == "__Host-binhyen")
        .unwrap()
        .1
        .clone();
    let kept = browser.desk.state.lock().unwrap().sessions[0].0;
    assert_ne!(text.as_bytes(), kept, "only a hash is kept");
    let list = browser.get("/console").await;
    assert_eq!(list.status, StatusCode::OK);
    assert!(list.text.contains("chi.huy"));
}

#[tokio::test]
async fn whatever_is_wrong_the_answer_is_the_same() {
    let mut texts = Vec::new();
    for (name, password) in [
        ("chi.huy", "not the password"),
        ("nobody", PASSWORD),
        ("", ""),
        ("da.nghi", PASSWORD),
    ] {
        let mut browser = Browser::new();
        let began = std::time::Instant::now();
        let got = browser.sign_in(name, password).await;
        assert!(
            began.elapsed().as_millis() >= 350,
            "{name} was answered early"
        );
        assert_eq!(got.status, StatusCode::FORBIDDEN);
        assert!(
            !got.cookies
                .iter()
                .any(|line| line.starts_with("__Host-binhyen="))
        );
        let token = value_of(&got.text, "token");
        texts.push(
            got.text
                .replace(&token, "")
                .replace(&format!("value=\"{name}\""), "value=\"\""),
        );
    }
    texts.dedup();
    assert_eq!(texts.len(), 1);
}

#[tokio::test]
async fn tries_are_slowed_down_and_never_locked_out() {
    let mut browser = Browser::new();
    for _ in 0..3 {
        CLOCK.set(clock() + 60);
        assert_eq!(
            browser.sign_in("chi.huy", "wrong").await.status,
            StatusCode::FORBIDDEN
        );
    }
    CLOCK.set(clock() + 7); // the third failure asks for eight seconds
    assert_eq!(
        browser.sign_in("chi.huy", PASSWORD).await.status,
        StatusCode::FORBIDDEN
    );
    CLOCK.set(clock() + 1);
    assert_eq!(
        browser.sign_in("chi.huy", PASSWORD).await.status,
        StatusCode::SEE_OTHER
    );
    let state = browser.desk.state.lock().unwrap();
    assert_eq!(
        (state.accounts[0].failures, state.accounts[0].not_before_s),
        (0, 0)
    );
}

#[tokio::test]
async fn without_a_session_every_page_leads_to_the_sign_in() {
    let mut browser = Browser::new();
    for path in [
        "/console",
        "/console/devices",
        "/console/enrol",
        "/console/no-such",
        &record_path(PATROL),
    ] {
        let got = browser.get(path).await;
        assert_eq!(
            (got.status, got.location.as_str()),
            (StatusCode::SEE_OTHER, "/console/sign-in")
        );
    }
    let got = browser
        .post(
            &format!("{}/review", record_path(PATROL)),
            &[("act", "accept")],
        )
        .await;
    assert_eq!(got.location, "/console/sign-in");
    assert!(browser.desk.calls().is_empty());
}

#[tokio::test]
async fn a_session_ends_by_time_by_leaving_and_with_its_account() {
    let mut browser = Browser::signed_in("chi.huy").await;
    let token = browser.token().await;
    let got = browser
        .post("/console/sign-out", &[("token", &token)])
        .await;
    assert_eq!(got.location, "/console/sign-in");
    assert!(browser.desk.state.lock().unwrap().sessions.is_empty());

    let mut browser = Browser::signed_in("chi.huy").await;
    let token = browser.token().await;
    CLOCK.set(clock() + SESSION_SECONDS);
    let got = browser.get("/console").await;
    assert_eq!(got.location, "/console/sign-in?why=ended");
    let page = browser.get(&got.location).await.text;
    assert!(page.contains("Phiên làm việc đã kết thúc. Vui lòng đăng nhập lại."));
    // what was typed meanwhile is lost, and the page says so
    let form = [("token", token.as_str()), ("act", "accept")];
    let path = format!("{}/review", record_path(PATROL));
    let got = browser.post(&path, &form).await;
    assert_eq!(got.location, "/console/sign-in?why=unsent");
    assert_eq!(browser.reviews_count(), 0);
    let page = browser.get(&got.location).await.text;
    assert!(page.contains("nội dung vừa gửi chưa được ghi"));

    let mut browser = Browser::signed_in("chi.huy").await;
    browser.desk.state.lock().unwrap().accounts[0].active = false;
    let got = browser.get("/console").await;
    assert_eq!(got.location, "/console/sign-in?why=ended");
}

#[tokio::test]
async fn a_form_without_its_token_or_from_elsewhere_does_nothing() {
    let mut browser = Browser::signed_in("chi.huy").await;
    let path = record_path(PATROL);
    let page = browser.get(&path).await;
    let (token, heads) = (token_of(&page.text), value_of(&page.text, "heads"));
    let url = format!("{path}/review");
    let accept = [("heads", heads.as_str()), ("act", "accept")];
    assert_eq!(
        browser.post(&url, &accept).await.status,
        StatusCode::FORBIDDEN
    );
    let wrong = [("token", "AAAAAAAAAAAAAAAAAAAAAA"), accept[0], accept[1]];
    assert_eq!(
        browser.post(&url, &wrong).await.status,
        StatusCode::FORBIDDEN
    );

    let good = [("token", token.as_str()), accept[0], accept[1]];
    for (name, value) in [
        ("origin", "https://elsewhere.example"),
        ("origin", "http://console.example"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let request = browser
            .form_request(&url, &good)
            .header(name, value)
            .body(encoded(&good));
        assert_eq!(
            browser.send(request.unwrap()).await.status,
            StatusCode::FORBIDDEN,
            "{value}"
        );
    }
    assert_eq!(browser.reviews_count(), 0);

    // our own referrer policy makes browsers say "null"; the token decides then
    for (name, value) in [
        ("origin", "null"),
        ("origin", "https://console.example"),
        ("sec-fetch-site", "same-origin"),
    ] {
        let request = browser
            .form_request(&url, &good)
            .header(name, value)
            .body(encoded(&good));
        assert_eq!(
            browser.send(request.unwrap()).await.status,
            StatusCode::SEE_OTHER,
            "{value}"
        );
    }
    assert_eq!(browser.reviews_count(), 3);
}

#[tokio::test]
async fn a_form_that_is_too_long_is_not_read() {
    let mut browser = Browser::signed_in("chi.huy").await;
    let token = browser.token().await;
    let long = "a".repeat(FORM_BYTES_MAX);
    let got = browser
        .post("/console/language", &[("token", &token), ("back", &long)])
        .await;
    assert_eq!(got.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_language_switch_leads_nowhere_else() {
    let mut browser = Browser::signed_in("chi.huy").await;
    for back in [
        "https://elsewhere.example/",
        "//elsewhere.example",
        "/console.elsewhere",
        "/console\\x",
    ] {
        let token = browser.token().await;
        let form = [
            ("token", token.as_str()),
            ("language", "en"),
            ("back", back),
        ];
        assert_eq!(
            browser.post("/console/language", &form).await.location,
            "/console",
            "{back}"
        );
    }
    assert!(
        browser
            .get("/console")
            .await
            .text
            .contains("<html lang=\"en\">")
    );
}
