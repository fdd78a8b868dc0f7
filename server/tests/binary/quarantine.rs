//! What came late from a revoked phone, at the desk of a running server.

use sync_core::ids::RecordId;
use sync_core::replica::Standing;

use super::browser::{Browser, officer, value_of};
use super::common::{COMMUNE, PROVINCE, Phone, Server};

const WORDS: &str = "từ chợ nổi tới bến đò";

/// A record that came after its phone had been revoked.
fn late(server: &Server, group: &str, words: &str) -> (Phone, RecordId) {
    let mut phone = server.phone(group);
    phone.sync();
    let record = phone.save(words);
    let device = phone.replica.device().to_string();
    server.run(&["device", "revoke", &device]).ok();
    phone.sync();
    (phone, record)
}

fn place_of(phone: &Phone) -> (String, String) {
    let (full, standing) = phone.replica.unsettled().next().unwrap();
    assert!(matches!(standing, Standing::Aside(_)), "{standing:?}");
    let at = full.change.at;
    let page = format!("/console/quarantine/{}/{}", at.chain, at.seq);
    (page, format!("{}:{}", at.chain, at.seq))
}

/// Sends the form as it stands on a page.
fn send(browser: &mut Browser, path: &str, page: &str) -> (u16, String) {
    let of = |name: &str| value_of(page, name);
    let (token, hash, seen) = (of("token"), of("hash"), of("seen"));
    let form = [
        ("token", token.as_str()),
        ("hash", hash.as_str()),
        ("seen", seen.as_str()),
    ];
    let done = browser.post(&format!("{path}/admit"), &form);
    (done.status, done.text)
}

#[test]
fn two_officers_let_in_what_a_revoked_phone_brought_late() {
    let server = Server::new();
    officer(&server, "Trần B", "commune_chief", COMMUNE);
    officer(&server, "Lê C", "commune_officer", COMMUNE);
    officer(&server, "Láng giềng", "commune_officer", "31147");
    officer(&server, "Tỉnh", "province_reviewer", PROVINCE);
    officer(&server, "Tư pháp", "justice_officer", COMMUNE);
    let group = server.group("Tổ 1");
    let mut reader = server.phone(&group);
    let (phone, record) = late(&server, &group, WORDS);
    let (path, _) = place_of(&phone);

    let mut first = Browser::signed_in(&server, "Trần B");
    let list = first.get("/console/quarantine?cause=late").text;
    assert!(list.contains(&path) && list.contains("Tổ 1"), "{list}");
    assert!(
        !list.contains(WORDS) && !list.contains("Nguyễn Văn An"),
        "{list}"
    );
    assert!(!first.get("/console/quarantine").text.contains(&path));
    let page = first.get(&path).text;
    assert!(
        page.contains(WORDS) && page.contains("Nguyễn Văn An"),
        "{page}"
    );
    let (status, text) = send(&mut first, &path, &page);
    assert_eq!(status, 303, "{text}");
    // the same officer from another browser, with what stands there now, and with the old form
    let mut again = Browser::signed_in(&server, "Trần B");
    let own = again.get(&path).text;
    assert!(!own.contains("name=\"hash\""), "{own}");
    let token = value_of(&own, "token");
    let mut second = Browser::signed_in(&server, "Lê C");
    let index = value_of(&second.get(&path).text, "seen");
    for (seen, why) in [
        (index.as_str(), "Cần một cán bộ khác"),
        ("", "vừa thay đổi"),
    ] {
        let forged = page
            .replace(
                "name=\"seen\" value=\"\"",
                &format!("name=\"seen\" value=\"{seen}\""),
            )
            .replace(&value_of(&page, "token"), &token);
        let (status, text) = send(&mut again, &path, &forged);
        assert_eq!(status, 409, "{text}");
        assert!(text.contains(why), "{why}: {text}");
    }
    assert!(!first.get("/console").text.contains(WORDS));

    // to others it is not there, and a form of theirs does nothing
    for (name, status) in [("Láng giềng", 404), ("Tỉnh", 403)] {
        let mut other = Browser::signed_in(&server, name);
        assert_eq!(other.get(&path).status, status, "{name}");
        let token = value_of(&other.get("/console").text, "token");
        let forged = page.replace(&value_of(&page, "token"), &token);
        assert_eq!(send(&mut other, &path, &forged).0, status, "{name}");
    }
    let mut justice = Browser::signed_in(&server, "Tư pháp");
    let lists = justice.get("/console/quarantine?cause=late");
    assert!(!lists.text.contains(&path), "another lane: {}", lists.text);

    let list = second.get("/console/quarantine?cause=late").text;
    assert!(list.contains("tài khoản Trần B"), "{list}");
    let page = second.get(&path).text;
    let (status, text) = send(&mut second, &path, &page);
    assert_eq!(status, 303, "{text}");
    let (status, _) = send(&mut second, &path, &page);
    assert_eq!(status, 409, "admitted twice");
    assert!(second.get("/console").text.contains(WORDS));
    assert_eq!(second.get(&format!("/console/record/{record}")).status, 200);
    assert_eq!(second.get(&path).status, 404);
    let acts = second.get(&format!("/console/acts/{group}")).text;
    for words in ["chờ cán bộ thứ hai", "hai cán bộ đồng ý"] {
        assert!(acts.contains(words), "{words}: {acts}");
    }
    reader.sync();
    assert!(reader.replica.record(record).is_some());
    let verified = server.verified();
    assert!(verified.contains("1 set aside"), "{verified}");
    assert!(
        server
            .run(&["quarantine", "list"])
            .ok()
            .contains("nothing is in quarantine")
    );
}

#[test]
fn the_command_line_proposes_and_it_still_takes_two_officers() {
    let mut server = Server::new();
    officer(&server, "Trần B", "commune_chief", COMMUNE);
    officer(&server, "Lê C", "commune_officer", COMMUNE);
    let group = server.group("Tổ 1");
    let (phone, _) = late(&server, &group, WORDS);
    let (path, name) = place_of(&phone);
    let told = server.run(&["quarantine", "admit", &name]).ok();
    assert!(told.contains("proposed; two officers"), "{told}");
    let list = server.run(&["quarantine", "list"]).ok();
    assert!(list.contains("proposed from the command line"), "{list}");
    let again = server.run(&["quarantine", "admit", &name]).fails(1);
    assert!(again.contains("a second officer"), "{again}");
    let nothing = server.run(&["quarantine", "admit", "abcdef12:9"]).fails(1);
    assert!(nothing.contains("no"), "{nothing}");
    // what was proposed outlives a restart
    assert_eq!(server.stop(), 0);
    server.restart();
    let mut browser = Browser::signed_in(&server, "Lê C");
    let page = browser.get(&path).text;
    assert!(page.contains("Quản trị hệ thống (dòng lệnh)"), "{page}");
    let (status, text) = send(&mut browser, &path, &page);
    assert_eq!(status, 303, "{text}");
    assert!(!browser.get("/console").text.contains(WORDS));
    let page = browser.get(&path).text;
    assert!(!page.contains("name=\"hash\""), "one officer twice: {page}");
    let mut second = Browser::signed_in(&server, "Trần B");
    let page = second.get(&path).text;
    let (status, text) = send(&mut second, &path, &page);
    assert_eq!(status, 303, "{text}");
    assert!(second.get("/console").text.contains(WORDS));
    let counted = server.run(&["quarantine", "admit", &name]).fails(1);
    assert!(counted.contains("counts already"), "{counted}");
    server.verified();
}
