//! The real tree keeps the rules of the house, and every rule bites when it is crossed.
#![expect(
    clippy::expect_used,
    reason = "a tree that cannot be read must not look like a good one"
)]

use serde_json::{Value, json};
use tests::house::code::{Code, names_below};
use tests::house::{Breach, Source, crates, read_metadata, read_sources, repository, sources};

type SourceRule = fn(&[Source]) -> Vec<Breach>;
type CrateRule = fn(&Value) -> Vec<Breach>;

fn kept_by_sources(rule: SourceRule) {
    let tree = read_sources(&repository()).expect("git lists the files of this repository");
    assert!(
        tree.len() > 20,
        "a tree of {} files keeps any rule",
        tree.len()
    );
    none(&rule(&tree));
}

fn kept_by_crates(rule: CrateRule) {
    none(&rule(
        &read_metadata(&repository()).expect("cargo knows this workspace"),
    ));
}

fn none(breaches: &[Breach]) {
    let lines: Vec<String> = breaches.iter().map(ToString::to_string).collect();
    assert!(
        lines.is_empty(),
        "{} breaches:\n{}",
        lines.len(),
        lines.join("\n")
    );
}

/// The rule finds exactly these places in a tree of this one file.
fn bites(rule: SourceRule, path: &str, text: &str, places: &[&str]) {
    let found = rule(&[Source::new(path, text)]);
    let found: Vec<&str> = found.iter().map(|breach| breach.place.as_str()).collect();
    assert_eq!(found, places, "in {path}:\n{text}");
}

fn spares(rule: SourceRule, path: &str, text: &str) {
    bites(rule, path, text, &[]);
}

// --- sync-core is pure -----------------------------------------------------------------------

#[test]
fn core_is_pure() {
    kept_by_sources(sources::core_is_pure);
}

#[test]
fn core_is_pure_bites() {
    let rule = sources::core_is_pure;
    let path = "sync-core/src/hub.rs";
    let at_2 = ["sync-core/src/hub.rs:2"];
    for line in [
        "fn now() -> SystemTime { todo!() }",
        "let t = std::time::Instant::now();",
        "let t = std::fs::read(p);",
        "use std::{collections::BTreeMap, fs};",
        "use std::net::TcpStream;",
        "use std::io::Write;",
        "let t = std::thread::spawn(run);",
        "let t = std::env::var(\"SEED\");",
        "async fn pull() {}",
        "use std::collections::HashMap;",
        "use std::collections::{BTreeSet, HashSet};",
        "let t = rand::random::<u8>();",
        "getrandom::fill(&mut bytes);",
    ] {
        bites(rule, path, &format!("\n{line}\n"), &at_2);
    }
    spares(
        rule,
        path,
        "// A HashMap would not replay.\n/* std::fs */ const A: &str = \"Instant\";\n",
    );
    spares(
        rule,
        path,
        "use std::{collections::BTreeMap, fmt};\nlet operand = 1;\n",
    );
    spares(
        rule,
        "server/src/hub.rs",
        "use std::collections::HashMap;\n",
    );
}

#[test]
fn core_tests_may_read_vectors_but_know_no_clock() {
    let rule = sources::core_is_pure;
    let reads = "use std::{collections::HashSet, fs};";
    let clock = "fn t() { SystemTime::now(); }";
    let module = |line: &str| format!("#[cfg(test)]\nmod tests {{\n{line}\n}}\n");
    spares(rule, "sync-core/src/log.rs", &module(reads));
    spares(rule, "sync-core/src/log/tests.rs", reads);
    bites(
        rule,
        "sync-core/src/log.rs",
        &module(clock),
        &["sync-core/src/log.rs:3"],
    );
    bites(
        rule,
        "sync-core/src/log/tests.rs",
        clock,
        &["sync-core/src/log/tests.rs:1"],
    );
    let after = format!("{}{reads}\n", module("fn t() {}"));
    let twice = ["sync-core/src/log.rs:5", "sync-core/src/log.rs:5"];
    bites(rule, "sync-core/src/log.rs", &after, &twice);
}

// --- what the server says of itself ------------------------------------------------------------

#[test]
fn only_log_writes_events() {
    kept_by_sources(sources::only_log_writes_events);
}

#[test]
fn only_log_writes_events_bites() {
    let rule = sources::only_log_writes_events;
    let path = "server/src/http/device.rs";
    let at_2 = ["server/src/http/device.rs:2"];
    for line in [
        "tracing::info!(\"{name}\");",
        "use tracing::{info, warn};",
        "use tracing_subscriber::fmt;",
        "drop(writeln!(std::io::stderr(), \"{text}\"));",
    ] {
        bites(rule, path, &format!("\n{line}\n"), &at_2);
    }
    spares(
        rule,
        path,
        "// tracing says it\nlog::tell(Event::NoCode);\n",
    );
    spares(rule, "server/src/log.rs", "use tracing::info;\n");
    spares(
        rule,
        "server/src/cli.rs",
        "writeln!(std::io::stderr(), \"why\");\n",
    );
    spares(
        rule,
        path,
        "#[cfg(test)]\nmod tests {\n println!(\"1\");\n}\n",
    );
}

// --- who depends on whom ---------------------------------------------------------------------

/// Metadata of a workspace where `from` depends on `to` in this way, and nothing else does.
fn workspace_with(from: &str, to: &str, kind: Option<&str>) -> Value {
    let ours = ["sync-core", "mobile-ffi", "server", "tests"];
    let mut names = ours.to_vec();
    for name in [from, to] {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let packages: Vec<Value> = names
        .iter()
        .map(|name| {
            let needs = if *name == from {
                json!([{ "name": to, "kind": kind }])
            } else {
                json!([])
            };
            json!({ "name": name, "id": name, "dependencies": needs })
        })
        .collect();
    let nodes: Vec<Value> = names
        .iter()
        .map(|name| {
            let needs = if *name == from {
                json!([{ "name": to, "pkg": to, "dep_kinds": [{ "kind": kind }] }])
            } else {
                json!([])
            };
            json!({ "id": name, "deps": needs })
        })
        .collect();
    json!({ "packages": packages, "workspace_members": ours, "resolve": { "nodes": nodes } })
}

fn places(breaches: &[Breach]) -> Vec<&str> {
    breaches
        .iter()
        .map(|breach| breach.place.as_str())
        .collect()
}

#[test]
fn directions() {
    kept_by_crates(crates::directions);
}

#[test]
fn directions_bite() {
    for (from, to) in [
        ("sync-core", "server"),
        ("sync-core", "mobile-ffi"),
        ("mobile-ffi", "server"),
        ("server", "mobile-ffi"),
        ("server", "tests"),
    ] {
        for kind in [None, Some("dev"), Some("build")] {
            let found = crates::directions(&workspace_with(from, to, kind));
            assert_eq!(places(&found), [from], "{from} -> {to}");
        }
    }
    none(&crates::directions(&workspace_with(
        "tests", "server", None,
    )));
    none(&crates::directions(&workspace_with(
        "server",
        "sync-core",
        None,
    )));
    let mut fifth = workspace_with("common", "sync-core", None);
    fifth["workspace_members"] = json!(["sync-core", "mobile-ffi", "server", "tests", "common"]);
    assert_eq!(places(&crates::directions(&fifth)), ["common"]);
}

#[test]
fn owners() {
    kept_by_crates(crates::owners);
}

#[test]
fn owners_bite() {
    for (from, to) in [
        ("sync-core", "tokio"),
        ("mobile-ffi", "tokio"),
        ("server", "automerge"),
        ("mobile-ffi", "automerge"),
        ("sync-core", "rusqlite"),
        ("tests", "rusqlite"),
    ] {
        let found = crates::owners(&workspace_with(from, to, Some("dev")));
        assert_eq!(places(&found), [from], "{from} -> {to}");
    }
    none(&crates::owners(&workspace_with("server", "tokio", None)));
    none(&crates::owners(&workspace_with(
        "sync-core",
        "automerge",
        None,
    )));
}

#[test]
fn closures() {
    kept_by_crates(crates::closures);
}

#[test]
fn closures_bite() {
    for banned in ["tokio", "hyper", "rusqlite", "rustls"] {
        let found = crates::closures(&workspace_with("sync-core", banned, None));
        assert_eq!(places(&found), ["sync-core"], "{banned}");
        // By way of a crate in between, it is as much there.
        let mut deep = workspace_with("between", banned, None);
        deep["resolve"]["nodes"][0]["deps"] =
            json!([{ "pkg": "between", "dep_kinds": [{ "kind": null }] }]);
        assert_eq!(
            places(&crates::closures(&deep)),
            ["sync-core"],
            "{banned} from afar"
        );
        none(&crates::closures(&workspace_with(
            "sync-core",
            banned,
            Some("dev"),
        )));
    }
    let found = crates::closures(&workspace_with("mobile-ffi", "tokio", None));
    assert_eq!(places(&found), ["mobile-ffi"]);
    assert_eq!(
        places(&crates::closures(&json!({}))),
        ["sync-core", "mobile-ffi"]
    );
}

// --- where things are named ------------------------------------------------------------------

#[test]
fn sql_only_in_stores() {
    kept_by_sources(sources::sql_only_in_stores);
}

#[test]
fn sql_only_in_stores_bites() {
    let rule = sources::sql_only_in_stores;
    let path = "server/src/http/list.rs";
    let at_1 = ["server/src/http/list.rs:1"];
    for line in [
        "use rusqlite::Connection;",
        "let q = \"select id from record where area = ?1\";",
        "let q = \"SELECT id FROM record\";",
        "let q = r#\"\n    insert or ignore\n    into entry values (?1)\"#;",
        "let q = \"update device set state = 2\";",
        "let q = format!(\"delete from {table}\");",
        "let q = \"create table part (id blob) strict\";",
        "let q = \"pragma journal_mode = wal\";",
    ] {
        bites(rule, path, line, &at_1);
        spares(rule, "server/src/store/list.rs", line);
        spares(rule, "mobile-ffi/src/store.rs", line);
    }
    bites(
        rule,
        "mobile-ffi/src/phone.rs",
        "use rusqlite::Row;",
        &["mobile-ffi/src/phone.rs:1"],
    );
    bites(
        rule,
        "mobile-ffi/src/store_lock.rs",
        "use rusqlite::Row;",
        &["mobile-ffi/src/store_lock.rs:1"],
    );
    bites(
        rule,
        "server/assets/a.sql",
        "vacuum;",
        &["server/assets/a.sql:1"],
    );
    spares(rule, "server/migrations/0001.sql", "create table a (b);");
    spares(
        rule,
        path,
        "// select id from record\nlet q = \"Select a lane from the list\";",
    );
}

#[test]
fn nothing_imports_http() {
    kept_by_sources(sources::nothing_imports_http);
}

#[test]
fn nothing_imports_http_bites() {
    let rule = sources::nothing_imports_http;
    for line in [
        "use crate::http::Page;",
        "use crate::{auth, http};",
        "fn f(p: crate::http::Page) {}",
    ] {
        bites(
            rule,
            "server/src/store/rows.rs",
            line,
            &["server/src/store/rows.rs:1"],
        );
        spares(rule, "server/src/http/list.rs", line);
        spares(rule, "server/src/main.rs", line);
        spares(rule, "server/src/cli/serve.rs", line);
    }
    bites(
        rule,
        "server/src/hub.rs",
        "use super::http;",
        &["server/src/hub.rs:1"],
    );
    spares(
        rule,
        "server/src/hub.rs",
        "use http::StatusCode; // not crate::http\nuse hyper::http;",
    );
    spares(
        rule,
        "server/src/hub.rs",
        "use crate::{auth::{http, Session}, store};",
    );
}

// --- the shape of the tree -------------------------------------------------------------------

#[test]
fn top_level_is_agreed() {
    kept_by_sources(sources::top_level_is_agreed);
}

#[test]
fn top_level_is_agreed_bites() {
    let rule = sources::top_level_is_agreed;
    bites(rule, "docs/NOTES.md", "", &["docs"]);
    bites(rule, "notes.txt", "", &["notes.txt"]);
    spares(rule, "server/NOTES.md", "");
}

#[test]
fn files_are_short() {
    let tree = read_sources(&repository()).expect("git lists the files of this repository");
    for near in sources::long_files(&tree, sources::LINES_NEAR) {
        println!("asks for a second noun: {near}");
    }
    kept_by_sources(sources::files_are_short);
}

#[test]
fn files_are_short_bites() {
    let rule = sources::files_are_short;
    bites(
        rule,
        "server/src/a.rs",
        &"\n".repeat(801),
        &["server/src/a.rs"],
    );
    bites(
        rule,
        "tests/run",
        &format!("#!/bin/sh{}", "\n".repeat(801)),
        &["tests/run"],
    );
    spares(rule, "server/src/a.rs", &"\n".repeat(800));
    spares(rule, "tests/corpus/a.txt", &"\n".repeat(9_000));
}

#[test]
fn names_no_place() {
    kept_by_sources(sources::names_no_place);
}

#[test]
fn names_no_place_bites() {
    let rule = sources::names_no_place;
    let at_2 = ["README.md:2"];
    bites(
        rule,
        "README.md",
        concat!("\nsee https://static.crates", ".io/x\n"),
        &at_2,
    );
    bites(
        rule,
        "README.md",
        concat!("\nnpm --registry https://registry.npm", "js.org\n"),
        &at_2,
    );
    bites(rule, "README.md", concat!("\ncd /ro", "ot/x\n"), &at_2);
    bites(rule, "README.md", concat!("\npath=/wo", "rk/x\n"), &at_2);
    spares(
        rule,
        "README.md",
        concat!("\n../wo", "rk/x and https://example.test/wo", "rk/x\n"),
    );
    spares(
        rule,
        "Cargo.lock",
        concat!(
            "source = \"registry+https://github.com/x/crates",
            ".io-index\""
        ),
    );
}

#[test]
fn nothing_left_lying() {
    kept_by_sources(sources::nothing_left_lying);
}

#[test]
fn nothing_left_lying_bites() {
    let rule = sources::nothing_left_lying;
    let path = "server/src/a.rs";
    let at_2 = ["server/src/a.rs:2"];
    bites(rule, path, concat!("\n// TO", "DO: later\n"), &at_2);
    bites(rule, path, concat!("\n/* FIX", "ME */\n"), &at_2);
    bites(rule, path, "\n#[ignore]\nfn a() {}\n", &at_2);
    bites(rule, path, "\n#[ignore = \"slow\"]\nfn a() {}\n", &at_2);
    bites(rule, path, "\n#[allow(dead_code)]\nfn a() {}\n", &at_2);
    bites(rule, path, "\n#![allow(dead_code)]\n", &at_2);
    bites(rule, path, "\n#[expect(dead_code)]\nfn a() {}\n", &at_2);
    bites(
        rule,
        path,
        "\n#[cfg_attr(test, allow(dead_code))]\nfn a() {}\n",
        &at_2,
    );
    spares(
        rule,
        path,
        "#[allow(\n    dead_code,\n    reason = \"why\"\n)]\nfn a() {}\n",
    );
    spares(
        rule,
        path,
        "#[test]\nfn a() { let ignore = \"#[allow(x)]\"; }\n",
    );
}

// --- the reader of Rust ----------------------------------------------------------------------

#[test]
fn code_keeps_lines_and_drops_words() {
    let text = "let a = \"x // y\"; // HashMap\nlet b = r#\"in \"side\"\nmore\"#; /* a /* b */\nc */ let d = '\"'; let e: &'static str = \"\\\"q\";\nf('\\'', '\\u{41}', b\"z\", r\"\\\");\n";
    let code = Code::of(text);
    assert_eq!(code.bare.lines().count(), text.lines().count());
    for gone in ["HashMap", "side", "more", "x //", "q", "41", "z"] {
        assert!(!code.bare.contains(gone), "{gone} in {}", code.bare);
    }
    for kept in ["let a", "let b", "let d", "let e: &'static str", "f("] {
        assert!(code.bare.contains(kept), "{kept} in {}", code.bare);
    }
    let strings: Vec<(usize, &str)> = code
        .strings
        .iter()
        .map(|(line, inside)| (*line, inside.as_str()))
        .collect();
    let expected = [
        (1, "x // y"),
        (2, "in \"side\"\nmore"),
        (4, "\\\"q"),
        (5, "z"),
        (5, "\\"),
    ];
    assert_eq!(strings, expected);
}

#[test]
fn code_finds_names_in_groups() {
    let names = |text| -> Vec<String> {
        names_below(text, "std")
            .into_iter()
            .map(|(_, name)| name.to_owned())
            .collect()
    };
    assert_eq!(
        names("use std::{collections::{BTreeMap, HashMap}, fs as files, env};"),
        ["collections", "fs", "env"]
    );
    assert_eq!(
        names("std::fs::read(p); my_std::net::x(); std :: y"),
        ["fs"]
    );
}
