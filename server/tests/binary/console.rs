//! An officer at the console of a running server.

use super::common::{COMMUNE, Connection, PROVINCE, Phone, Server, command_with};

const PASSWORD: &str = "ruộng lúa mùa nước nổi";

/// A browser with its cookies.
struct Browser {
    connection: Connection,
    cookies: Vec<(String, String)>,
}

struct Got {
    status: u16,
    location: String,
    text: String,
}

impl Browser {
    fn signed_in(server: &Server, name: &str) -> Self {
        let mut browser = Self {
            connection: server.connect(),
            cookies: Vec::new(),
        };
        let page = browser.get("/console/sign-in");
        let token = value_of(&page.text, "token");
        let form = [
            ("token", token.as_str()),
            ("name", name),
            ("password", PASSWORD),
        ];
        let got = browser.post("/console/sign-in", &form);
        assert_eq!(
            (got.status, got.location.as_str()),
            (303, "/console"),
            "{}",
            got.text
        );
        browser
    }

    fn get(&mut self, path: &str) -> Got {
        self.send("GET", path, "", "")
    }

    fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Got {
        let pairs: Vec<String> = form
            .iter()
            .map(|(name, value)| format!("{}={}", escaped(name), escaped(value)))
            .collect();
        let kind = "content-type: application/x-www-form-urlencoded\r\n";
        self.send("POST", path, kind, &pairs.join("&"))
    }

    fn send(&mut self, method: &str, path: &str, head: &str, body: &str) -> Got {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let head = format!("{head}cookie: {}\r\n", cookies.join("; "));
        let reply = self.connection.ask(method, path, &head, body.as_bytes());
        let mut location = String::new();
        for line in reply.head.lines() {
            match line.split_once(": ") {
                Some(("set-cookie", value)) => {
                    let (name, value) = value.split(';').next().unwrap().split_once('=').unwrap();
                    self.cookies.retain(|(known, _)| known != name);
                    self.cookies.push((name.to_owned(), value.to_owned()));
                }
                Some(("location", value)) => location = value.to_owned(),
                Some(_) | None => {}
            }
        }
        Got {
            status: reply.status,
            location,
            text: reply.text(),
        }
    }
}

fn escaped(text: &str) -> String {
    text.bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

fn value_of(page: &str, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    let (_, rest) = page
        .split_once(&mark)
        .unwrap_or_else(|| panic!("no {name} in {page}"));
    rest.split('"').next().unwrap().to_owned()
}

fn officer(server: &Server, name: &str, role: &str, area: &str) {
    let args = [
        "officer",
        "add",
        name,
        "--role",
        role,
        "--area",
        area,
        "--password-stdin",
    ];
    command_with(&server.data, &args, PASSWORD).ok();
}

#[test]
fn an_officer_reads_returns_and_the_phone_is_told() {
    let server = Server::new();
    officer(&server, "Trần B", "commune_officer", COMMUNE);
    let group = server.group("Tổ 1");
    let mut phone = server.phone(&group);
    let record = phone.save("từ cầu Kinh Xáng tới chợ");
    phone.sync();

    let mut browser = Browser::signed_in(&server, "Trần B");
    let list = browser.get("/console");
    assert_eq!(list.status, 200);
    assert!(
        list.text.contains("từ cầu Kinh Xáng tới chợ"),
        "{}",
        list.text
    );
    assert!(list.text.contains("Tổ 1"));
    let path = format!("/console/record/{record}");
    let page = browser.get(&path);
    assert_eq!(page.status, 200);
    assert!(page.text.contains("Nguyễn Văn An"), "{}", page.text);
    let (token, heads) = (value_of(&page.text, "token"), value_of(&page.text, "heads"));
    let form = [
        ("token", token.as_str()),
        ("heads", heads.as_str()),
        ("act", "return"),
        ("reason", "1"),
        ("text", "Ghi rõ giờ bắt đầu"),
    ];
    let done = browser.post(&format!("{path}/review"), &form);
    assert_eq!(done.status, 303, "{}", done.text);
    phone.sync();
    let remarks = phone.replica.remarks(record);
    assert_eq!(remarks.len(), 1);
    assert_eq!(remarks[0].words.as_deref(), Some("Ghi rõ giờ bắt đầu"));
    assert_eq!(remarks[0].account_name.as_deref(), Some("Trần B"));

    phone.edit(Some(record), "từ 19 giờ, cầu Kinh Xáng tới chợ");
    phone.sync();
    // the page that the officer still has open is of before
    let form = [
        ("token", token.as_str()),
        ("heads", heads.as_str()),
        ("act", "accept"),
    ];
    let stale = browser.post(&format!("{path}/review"), &form);
    assert_eq!(stale.status, 409, "{}", stale.text);
    let page = browser.get(&path);
    assert!(page.text.contains("Ghi rõ giờ bắt đầu"));
    let heads = value_of(&page.text, "heads");
    let form = [
        ("token", token.as_str()),
        ("heads", heads.as_str()),
        ("act", "accept"),
    ];
    assert_eq!(browser.post(&format!("{path}/review"), &form).status, 303);
    phone.sync();
    assert_eq!(phone.replica.remarks(record).len(), 2);
    assert!(server.verified().contains("2 reviews"));
    assert!(!server.verified().contains("\n0 audit entries"));
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
    let shown = browser.get(&made.location);
    let (_, rest) = shown.text.split_once("BINHYEN1:").unwrap();
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c)));
    let code = format!("BINHYEN1:{}", &rest[..end.unwrap()]);
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
    assert_eq!(browser.get(&revoke).status, 200);
    let form = [("token", token.as_str())];
    assert_eq!(browser.post(&revoke, &form).status, 303);
    phone.sync();
    assert!(phone.replica.is_closed());
}

#[test]
fn a_neighbour_sees_nothing_and_the_province_only_the_rounded_tip() {
    let server = Server::new();
    officer(&server, "Láng giềng", "commune_officer", "31147");
    officer(&server, "Tỉnh", "province_reviewer", PROVINCE);
    let group = server.group("Tổ 1");
    let mut phone = server.phone(&group);
    let record = phone.save("từ cầu tới chợ");
    let tip = phone.save_as("tip", None, |vocabulary, kind| {
        let mut values = std::collections::BTreeMap::new();
        let field = vocabulary
            .fields_in(kind, sync_core::vocabulary::Lane::Tip)
            .find(|field| vocabulary.list_of(field.number).is_some() && field.family.is_none())
            .unwrap();
        let list = vocabulary.list_of(field.number).unwrap();
        let first = list.values.first().unwrap().number;
        let many = matches!(field.kind, sync_core::vocabulary::ValueKind::Choices { .. });
        let value = if many {
            sync_core::value::Value::Choices(vec![first])
        } else {
            sync_core::value::Value::Choice(first)
        };
        values.insert(sync_core::value::FieldKey::plain(field.number), value);
        values
    });
    phone.sync();
    assert!(
        server.verified().contains("2 changes,"),
        "{}",
        server.verified()
    );

    let mut neighbour = Browser::signed_in(&server, "Láng giềng");
    assert!(!neighbour.get("/console").text.contains("từ cầu tới chợ"));
    assert_eq!(
        neighbour.get(&format!("/console/record/{record}")).status,
        404
    );
    let mut province = Browser::signed_in(&server, "Tỉnh");
    assert!(province.get("/console").text.contains("từ cầu tới chợ"));
    assert_eq!(
        province.get(&format!("/console/record/{record}")).status,
        200
    );
    assert_eq!(province.get(&format!("/console/record/{tip}")).status, 404);
    let tips = province.get("/console?lane=tip");
    assert_eq!(tips.status, 200);
    assert!(tips.text.contains("Cái Khế"), "{}", tips.text);
    for hidden in [
        tip.to_string(),
        "Nguyễn Văn An".to_owned(),
        "Tổ 1".to_owned(),
    ] {
        assert!(!tips.text.contains(&hidden), "{hidden}");
    }

    server.run(&["officer", "disable", "Tỉnh"]).ok();
    assert_eq!(province.get("/console").status, 303, "signed out at once");
}
