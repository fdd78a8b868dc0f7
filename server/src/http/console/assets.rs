//! The style sheet and the icon. They are part of the binary and hold nothing of anybody, so they
//! alone may be kept by the browser; their address changes with their content.

use std::sync::OnceLock;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use sync_core::ids::sha256;

use super::page::short;

const STYLE: &str = include_str!("../../../assets/console.css");
const ICON: &str = include_str!("../../../assets/icon.svg");
const KEEP: &str = "public, max-age=31536000, immutable";

/// The style sheet's address, with a mark of its content.
pub(super) fn style_address() -> &'static str {
    static ADDRESS: OnceLock<String> = OnceLock::new();
    ADDRESS.get_or_init(|| {
        let mark = short(&sha256(STYLE.as_bytes()).to_string());
        format!("/console/console.css?v={mark}")
    })
}

pub(super) async fn style() -> Response {
    let headers = [
        (CONTENT_TYPE, "text/css; charset=utf-8"),
        (CACHE_CONTROL, KEEP),
    ];
    (headers, STYLE).into_response()
}

pub(super) async fn icon() -> Response {
    let headers = [(CONTENT_TYPE, "image/svg+xml"), (CACHE_CONTROL, KEEP)];
    (headers, ICON).into_response()
}
