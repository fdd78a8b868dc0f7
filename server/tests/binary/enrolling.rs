//! Phones at the console: invited, let in, turned away, taken away.

use super::browser::{Browser, Got, officer, value_of};
use super::common::{COMMUNE, Phone, Server, code_of};

/// The code that stands on a page.
fn code_on(page: &str) -> Option<String> {
    let (_, rest) = page.split_once("BINHYEN1:")?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c)))?;
    Some(format!("BINHYEN1:{}", &rest[..end]))
}

/// Makes an invitation for a group.
fn invite(browser: &mut Browser, group: &str) -> Got {
    let page = browser.get(&format!("/console/enrol?group={group}"));
    let token = value_of(&page.text, "token");
    let form = [("token", token.as_str()), ("group", group)];
    browser.post("/console/enrol", &form)
}

#[test]
fn a_phone_is_enrolled_at_the_console_and_taken_away_again() {
    let server = Server::new();
    officer(&server, "Trần B", "commune_officer", COMMUNE);
    let group = server.group("Tổ 1");
    let mut browser = Browser::signed_in(&server, "Trần B");
    let page = browser.get(&format!("/console/enrol?group={group}"));
    let token = value_of(&page.text, "token");
    let form = [
        ("token", token.as_str()),
        ("group", group.as_str()),
        ("member", "1"),
    ];
    let made = browser.post("/console/enrol", &form);
    assert_eq!(made.status, 303, "{}", made.text);
    let code = code_on(&browser.get(&made.location).text).unwrap();
    let mut phone = Phone::enrol(&server, &code).unwrap();
    phone.save("chờ xác nhận");
    phone.sync();
    assert!(
        !browser.get(&made.location).text.contains("BINHYEN1:"),
        "it was used"
    );

    let device = phone.replica.device();
    let digits = format!("{:06}", phone.digits);
    let listed = browser.get("/console/devices");
    assert!(
        listed.text.contains(&device.to_string()[..8]),
        "{}",
        listed.text
    );
    assert!(
        !listed.text.contains(&digits),
        "the officer must look at the phone"
    );
    let confirm = format!("/console/devices/{group}/{device}/confirm");
    let wrong = format!("{:06}", (phone.digits + 1) % 1_000_000);
    let form = [("token", token.as_str()), ("digits", wrong.as_str())];
    assert_ne!(browser.post(&confirm, &form).status, 303);
    let form = [("token", token.as_str()), ("digits", digits.as_str())];
    let done = browser.post(&confirm, &form);
    assert_eq!(done.status, 303, "{}", done.text);
    phone.sync();
    assert!(phone.replica.is_confirmed());
    let revoke = format!("/console/devices/{group}/{device}/revoke");
    let page = browser.get(&revoke).text;
    assert!(page.contains("<li><bdi>Tổ 1</bdi></li>"), "{page}");
    assert!(!page.contains("ngoài địa bàn"), "{page}");
    let form = [("token", token.as_str()), ("groups", "2")];
    assert_eq!(browser.post(&revoke, &form).status, 409);
    let form = [("token", token.as_str()), ("groups", "1")];
    assert_eq!(browser.post(&revoke, &form).status, 303);
    phone.sync();
    assert!(phone.replica.is_closed());
}

#[test]
fn a_code_of_the_console_outlives_the_server_and_is_its_makers_alone() {
    let mut server = Server::new();
    officer(&server, "Trần B", "commune_officer", COMMUNE);
    officer(&server, "Lê C", "commune_officer", COMMUNE);
    let group = server.group("Tổ 1");
    let mut browser = Browser::signed_in(&server, "Trần B");
    let made = invite(&mut browser, &group);
    assert_eq!(made.status, 303, "{}", made.text);
    server.kill();
    server.restart();

    // the session outlives it too
    browser.follow(&server);
    let shown = browser.get(&made.location);
    assert_eq!(shown.status, 200, "{}", shown.text);
    let code = code_on(&shown.text).unwrap();
    let mut phone = Phone::enrol(&server, &code).unwrap();
    let digits = format!("{:06}", phone.digits);
    let shown = browser.get(&made.location).text;
    assert!(code_on(&shown).is_none() && shown.contains("đang chờ xác nhận"));
    let confirm = format!(
        "/console/devices/{group}/{}/confirm",
        phone.replica.device()
    );
    let token = value_of(&shown, "token");
    let form = [("token", token.as_str()), ("digits", digits.as_str())];
    assert_eq!(browser.post(&confirm, &form).status, 303);
    phone.sync();
    assert!(phone.replica.is_confirmed());
    assert!(
        browser
            .get(&made.location)
            .text
            .contains("đã được xác nhận")
    );

    let mut other = Browser::signed_in(&server, "Lê C");
    assert_eq!(other.get(&made.location).status, 404);
    // a code of the command line is made in the same way, and good once as well
    let code = code_of(&server.run(&["enrol", "--group", &group]).ok());
    assert!(Phone::enrol(&server, &code).is_ok());
    assert!(Phone::enrol(&server, &code).is_err());
}

#[test]
fn a_refused_phone_is_called_so_and_can_be_let_in_after_a_mistake() {
    let server = Server::new();
    officer(&server, "Trần B", "commune_officer", COMMUNE);
    let group = server.group("Tổ 1");
    let phone = Phone::enrol(&server, &server.code(&group)).unwrap();
    let device = phone.replica.device().to_string();
    let mut browser = Browser::signed_in(&server, "Trần B");
    let token = value_of(&browser.get("/console/devices").text, "token");
    let path = format!("/console/devices/{group}/{device}");
    let form = [("token", token.as_str())];
    assert_eq!(browser.post(&format!("{path}/refuse"), &form).status, 303);
    let page = browser.get("/console/devices").text;
    assert!(page.contains("từ chối lúc") && page.contains("Không có máy nào đang chờ"));
    assert!(page.contains(&device[..8]), "{page}");
    let list = server.run(&["device", "list"]).ok();
    assert!(list.contains(&format!("{device}  refused")), "{list}");
    assert!(!list.contains("waits"), "{list}");

    let digits = format!("{:06}", phone.digits);
    let form = [("token", token.as_str()), ("digits", digits.as_str())];
    assert_eq!(browser.post(&format!("{path}/confirm"), &form).status, 303);
    let list = server.run(&["device", "list"]).ok();
    assert!(list.contains(&format!("{device}  enrolled")), "{list}");
    let told = server.run(&["device", "revoke", &device]).ok();
    assert!(told.contains("in all its groups: Tổ 1"), "{told}");
}

#[test]
fn without_an_address_for_phones_the_console_makes_no_code_and_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let mut server = Server::at(&home.path().join("data"), &["--listen", "0.0.0.0:0"]);
    let (_, port) = server.address.rsplit_once(':').unwrap();
    server.address = format!("127.0.0.1:{port}");
    officer(&server, "Trần B", "commune_officer", COMMUNE);
    let group = server.group("Tổ 1");
    let mut browser = Browser::signed_in(&server, "Trần B");
    let page = browser.get(&format!("/console/enrol?group={group}"));
    assert_eq!(page.status, 200);
    assert!(page.text.contains("--public-url"), "{}", page.text);
    // a form that was open before says the same
    let token = value_of(&page.text, "token");
    let form = [("token", token.as_str()), ("group", group.as_str())];
    let made = browser.post("/console/enrol", &form);
    assert_eq!(made.status, 409);
    assert!(made.text.contains("--public-url"), "{}", made.text);
    let told = server.run(&["enrol", "--group", &group]).fails(1);
    assert!(told.contains("--public-url"), "{told}");
}
