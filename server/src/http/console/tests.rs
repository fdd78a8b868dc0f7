//! Stories at the console, through the router as a browser would send them.

mod acting;
mod acts;
mod desk;
mod models;
mod period;
mod quarantine;
mod reading;
mod records;
mod signing_in;
mod texts;

use std::cell::Cell;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use http_body_util::BodyExt as _;
use tower_service::Service as _;

use super::desk::ListFilter;
use desk::{NOW_S, PASSWORD, TestDesk};

thread_local! {
    /// The clock of one test: each runs on a thread of its own.
    static CLOCK: Cell<i64> = const { Cell::new(NOW_S) };
}

fn clock() -> i64 {
    CLOCK.get()
}

/// What came back.
struct Got {
    status: StatusCode,
    location: String,
    cookies: Vec<String>,
    headers: axum::http::HeaderMap,
    text: String,
}

/// A browser: it keeps its cookies, and nothing else.
struct Browser {
    app: Router,
    desk: Arc<TestDesk>,
    cookies: Vec<(String, String)>,
}

impl Browser {
    fn new() -> Self {
        let desk = Arc::new(TestDesk::new());
        Self {
            app: super::router(Arc::clone(&desk), clock),
            desk,
            cookies: Vec::new(),
        }
    }

    async fn signed_in(name: &str) -> Self {
        let mut browser = Self::new();
        let got = browser.sign_in(name, PASSWORD).await;
        assert_eq!(
            (got.status, got.location.as_str()),
            (StatusCode::SEE_OTHER, "/console")
        );
        browser.desk.forget_calls();
        browser
    }

    async fn sign_in(&mut self, name: &str, password: &str) -> Got {
        let page = self.get("/console/sign-in").await;
        let token = token_of(&page.text);
        let form = [
            ("token", token.as_str()),
            ("name", name),
            ("password", password),
        ];
        self.post("/console/sign-in", &form).await
    }

    fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "console.example")
            .header(header::COOKIE, cookies.join("; "))
    }

    async fn get(&mut self, path: &str) -> Got {
        let request = self.request("GET", path).body(Body::empty()).unwrap();
        self.send(request).await
    }

    async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Got {
        let request = self.form_request(path, form).body(encoded(form)).unwrap();
        self.send(request).await
    }

    fn form_request(&self, path: &str, _form: &[(&str, &str)]) -> axum::http::request::Builder {
        self.request("POST", path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
    }

    async fn send(&mut self, request: Request<Body>) -> Got {
        let response: Response = self.app.call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = |name: header::HeaderName| {
            parts
                .headers
                .get(name)
                .map_or("", |v| v.to_str().unwrap())
                .to_owned()
        };
        let cookies: Vec<String> = parts
            .headers
            .get_all(header::SET_COOKIE)
            .iter()
            .map(|line| line.to_str().unwrap().to_owned())
            .collect();
        for line in &cookies {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(kept, _)| kept != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
        Got {
            status: parts.status,
            location: text(header::LOCATION),
            cookies,
            text: String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap(),
            headers: parts.headers,
        }
    }

    /// Changes the language of the pages.
    async fn speak(&mut self, language: &str) {
        let token = self.token().await;
        let form = [
            ("token", token.as_str()),
            ("language", language),
            ("back", "/console/devices"),
        ];
        let got = self.post("/console/language", &form).await;
        assert_eq!(got.location, "/console/devices");
    }

    /// The token of the session's forms.
    async fn token(&mut self) -> String {
        token_of(&self.get("/console/enrol").await.text)
    }

    /// Sends an officer's review of a record as its page would.
    async fn review(&mut self, path: &str, form: &[(&str, &str)]) -> Got {
        let page = self.get(path).await;
        let (token, heads) = (token_of(&page.text), value_of(&page.text, "heads"));
        let mut all = vec![("token", token.as_str()), ("heads", heads.as_str())];
        all.extend_from_slice(form);
        self.post(&format!("{path}/review"), &all).await
    }

    fn reviews_count(&self) -> usize {
        self.desk.state.lock().unwrap().reviews.len()
    }

    fn last_filter(&self) -> ListFilter {
        self.desk
            .state
            .lock()
            .unwrap()
            .filters
            .last()
            .unwrap()
            .clone()
    }
}

fn encoded(form: &[(&str, &str)]) -> Body {
    let plus = |text: &str| -> String {
        let byte = |b: u8| {
            if b.is_ascii_alphanumeric() {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        };
        text.bytes().map(byte).collect()
    };
    let pairs: Vec<String> = form
        .iter()
        .map(|(k, v)| format!("{}={}", plus(k), plus(v)))
        .collect();
    Body::from(pairs.join("&"))
}

fn value_of(page: &str, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    let (_, rest) = page
        .split_once(&mark)
        .unwrap_or_else(|| panic!("no {name} in {page}"));
    rest.split('"').next().unwrap().to_owned()
}

fn token_of(page: &str) -> String {
    value_of(page, "token")
}

fn record_path(record: sync_core::ids::RecordId) -> String {
    format!("/console/record/{record}")
}
