//! A browser at the console of a running server.

use super::common::{Connection, Server, command_with};

const PASSWORD: &str = "ruộng lúa mùa nước nổi";

/// A browser with its cookies.
pub(crate) struct Browser {
    connection: Connection,
    cookies: Vec<(String, String)>,
}

pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) location: String,
    pub(crate) text: String,
}

impl Browser {
    pub(crate) fn signed_in(server: &Server, name: &str) -> Self {
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

    /// Goes to where the server came back.
    pub(crate) fn follow(&mut self, server: &Server) {
        self.connection = server.connect();
    }

    pub(crate) fn get(&mut self, path: &str) -> Got {
        self.send("GET", path, "", "")
    }

    pub(crate) fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Got {
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

pub(crate) fn value_of(page: &str, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    let (_, rest) = page
        .split_once(&mark)
        .unwrap_or_else(|| panic!("no {name} in {page}"));
    rest.split('"').next().unwrap().to_owned()
}

pub(crate) fn officer(server: &Server, name: &str, role: &str, area: &str) {
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
