//! What a server says of itself, and what it must never say: whatever people write, are called or
//! come from. A whole story is played with words that stand nowhere else, and looked for.

use std::fs::{self, File};
use std::net::IpAddr;
use std::process::Stdio;

use serde_json::Value;
use sync_core::invitation::Invitation;

use super::browser::{Browser, officer, value_of};
use super::common::{COMMUNE, Phone, Server, change_last};

/// Fields that a line may have: those of every line, and those of the events.
const FIELDS: [&str; 18] = [
    "timestamp",
    "level",
    "message",
    "target",
    "event",
    "entries",
    "generation",
    "connections_max",
    "accepted",
    "cut",
    "code",
    "allowed",
    "needed",
    "errno",
    "doing",
    "fault",
    "file",
    "line",
];

/// What somebody wrote, is called or knows in the story below.
const WRITTEN: [&str; 13] = [
    "Sếu Đầu Đỏ",
    "Nguyễn Văn An",
    "quan.sat.vien",
    "ruộng lúa mùa nước nổi",
    "đàn trâu",
    "điên điển",
    "vit-troi",
    "canh-chua",
    "lục bình",
    "lu nước",
    "BINHYEN1:",
    "token",
    COMMUNE,
];

/// What is found in a line of what must not be there.
fn leaks(line: &str, canaries: &[String]) -> Vec<String> {
    let folded = line.to_lowercase();
    let said = canaries
        .iter()
        .filter(|canary| folded.contains(&canary.to_lowercase()));
    let mut found: Vec<String> = said.cloned().collect();
    let words = line.split(|c: char| !(c.is_ascii_hexdigit() || ".:".contains(c)));
    let addresses = words.filter_map(|word| {
        let word = word.trim_end_matches([':', '.']);
        let host = word.rsplit_once(':').map_or(
            word,
            |(host, _)| if host.contains('.') { host } else { word },
        );
        host.parse::<IpAddr>().ok().map(|it| it.to_string())
    });
    found.extend(addresses);
    found
}

#[test]
fn what_must_not_be_there_is_found() {
    let canaries = ["Sếu Đầu Đỏ".to_owned(), "a1b2c3".to_owned()];
    for line in [
        "{\"message\":\"sếu đầu đỏ\"}",
        "of device A1B2C3 ",
        "from 127.0.0.1:4711 ",
        "[::1]:443",
        "peer=10.1.2.3",
    ] {
        assert_eq!(leaks(line, &canaries).len(), 1, "{line}");
    }
    let clean = "{\"timestamp\":\"2026-11-24T20:00:00.123456Z\",\"event\":\"started\"}";
    assert_eq!(leaks(clean, &canaries), Vec::<String>::new());
}

#[test]
fn a_whole_story_leaves_no_name_no_word_and_no_address_in_the_log() {
    let home = tempfile::tempdir().unwrap();
    let (data, path) = (home.path().join("data"), home.path().join("events"));
    let args = ["--log", "json", "--log-level", "debug"];
    let events = || {
        Stdio::from(
            File::options()
                .create(true)
                .append(true)
                .open(&path)
                .unwrap(),
        )
    };
    let mut server = Server::telling(&data, &args, events());

    let group = server.group("Tổ Sếu Đầu Đỏ");
    officer(&server, "quan.sat.vien", "commune_officer", COMMUNE);
    let code = server.code(&group);
    let mut phone = server.phone(&group);
    let record = phone.save("gặp đàn trâu bên gốc gáo");
    phone.sync();
    let mut other = server.phone(&group);
    other.sync();
    other.edit(Some(record), "đàn trâu đã về chuồng");
    other.sync();
    let mut browser = Browser::signed_in(&server, "quan.sat.vien");
    let page = browser.get(&format!("/console/record/{record}"));
    assert_eq!(page.status, 200);
    let remark = [
        ("token", value_of(&page.text, "token")),
        ("remark", "nhớ ghi rõ giờ bông điên điển".to_owned()),
    ];
    let remark: Vec<_> = remark.iter().map(|(k, v)| (*k, v.as_str())).collect();
    browser.post(&format!("/console/record/{record}/review"), &remark);
    browser.get("/console/khong-co-trang-nay-vit-troi");
    // what is refused: an invented code, a wrong body, a phone that was taken away
    let mut invented = Invitation::from_text(&code).unwrap();
    invented.token = [7; 16];
    assert!(Phone::enrol(&server, &invented.to_text().unwrap()).is_err());
    server.ask("POST", "/v1/sync", "", "canh-chua-ca-linh".as_bytes());
    let device = other.replica.device().to_string();
    server.run(&["device", "revoke", &device]).ok();
    other.edit(Some(record), "sửa muộn lục bình");
    other.sync();
    server.stop();
    // and what fails: the newest entry cannot be read any more
    change_last(&data, 2, |entry| entry.truncate(3));
    let mut server = Server::telling(&data, &args, events());
    phone.follow(&server);
    phone.save("ghi sau khi hỏng lu nước");
    let body = phone.body();
    phone.connect().ask("POST", "/v1/sync", "", &body);
    server.stop();

    let mut canaries = WRITTEN.map(str::to_owned).to_vec();
    canaries.extend([device[..8].to_owned(), device, group]);
    canaries.push(phone.replica.device().to_string());
    canaries.push(record.to_string());
    canaries.push(data.display().to_string());
    let text = fs::read_to_string(&path).unwrap();
    for line in text.lines() {
        assert_eq!(leaks(line, &canaries), Vec::<String>::new(), "{line}");
        let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        for field in line.as_object().unwrap().keys() {
            assert!(FIELDS.contains(&field.as_str()), "{field} in {line}");
        }
        assert_eq!(line["target"], "binhyen");
    }
    // it did say what it may
    for event in ["started", "command_ran", "failed", "stopped"] {
        let mark = format!("\"event\":\"{event}\"");
        assert!(text.contains(&mark), "no {event} in {text}");
    }
    assert!(text.contains("Damaged(Entry)"), "{text}");
}

#[test]
fn figures_are_shown_to_this_machine_alone() {
    let data = tempfile::tempdir().unwrap();
    for address in ["0.0.0.0:9464", "192.0.2.7:9464", "[::]:9464", "9464"] {
        let told = super::common::command(data.path(), &["serve", "--metrics", address]).fails(2);
        assert!(told.contains("to this machine alone"), "{told}");
        assert!(told.contains("127.0.0.1:9464"), "{told}");
    }
    let founded = fs::read_dir(data.path()).unwrap().count();
    assert_eq!(founded, 0, "a slip of the pen founds no log");
}
