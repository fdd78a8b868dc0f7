//! Rules over what depends on what, as `cargo metadata --format-version 1` tells it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Breach;

/// Which workspace crate may name which other one.
const DIRECTIONS: [(&str, &[&str]); 4] = [
    ("sync-core", &[]),
    ("mobile-ffi", &["sync-core"]),
    ("server", &["sync-core"]),
    ("tests", &["sync-core", "mobile-ffi", "server"]),
];

/// Crates that only some of ours may name, of whatever kind the dependency is.
const OWNERS: [(&str, &[&str], &str); 3] = [
    ("tokio", &["server", "tests"], "no runtime below the server"),
    (
        "automerge",
        &["sync-core", "tests"],
        "only sync-core names automerge",
    ),
    ("rusqlite", &["server", "mobile-ffi"], "no SQL in sync-core"),
];

/// Crates that may not come into ours from anywhere, however deep.
const KEPT_OUT: [(&str, &[&str], &str); 2] = [
    (
        "sync-core",
        &[
            "tokio",
            "hyper",
            "rusqlite",
            "rustls",
            "socket2",
            "mio",
            "async-std",
            "smol",
        ],
        "the core waits for nothing and opens nothing",
    ),
    (
        "mobile-ffi",
        &["tokio", "hyper", "rustls", "async-std", "smol"],
        "the host owns the socket",
    ),
];

/// Our crates depend on one another in the agreed directions only.
#[must_use]
pub fn directions(metadata: &Value) -> Vec<Breach> {
    let ours = members(metadata);
    let mut breaches = Vec::new();
    for (name, package) in &ours {
        let Some((_, allowed)) = DIRECTIONS.iter().find(|(of, _)| of == name) else {
            breaches.push(Breach::new(
                "directions",
                name,
                "is not one of the agreed crates",
            ));
            continue;
        };
        for dependency in dependencies(package) {
            if ours.contains_key(dependency) && !allowed.contains(&dependency) {
                let what = format!("depends on {dependency}");
                breaches.push(Breach::new("directions", name, what));
            }
        }
    }
    breaches
}

/// tokio, automerge and rusqlite are named by their owners only.
#[must_use]
pub fn owners(metadata: &Value) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (name, package) in members(metadata) {
        for dependency in dependencies(package) {
            for (owned, owners, why) in OWNERS {
                if dependency == owned && !owners.contains(&name) {
                    breaches.push(Breach::new("owners", name, format!("names {owned}: {why}")));
                }
            }
        }
    }
    breaches
}

/// Nothing that waits or opens comes into the core or the phone library, however deep.
#[must_use]
pub fn closures(metadata: &Value) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (name, kept_out, why) in KEPT_OUT {
        let closure = closure(metadata, name);
        // A closure of nothing would pass every rule: the crate has been renamed or is gone.
        if closure.is_empty() {
            breaches.push(Breach::new("closures", name, "is not in the metadata"));
        }
        for crate_name in kept_out
            .iter()
            .filter(|kept_out| closure.contains(**kept_out))
        {
            breaches.push(Breach::new(
                "closures",
                name,
                format!("brings {crate_name}: {why}"),
            ));
        }
    }
    breaches
}

fn members(metadata: &Value) -> BTreeMap<&str, &Value> {
    let ids = list(&metadata["workspace_members"]);
    let of_ours = |package: &&Value| ids.contains(&package["id"]);
    list(&metadata["packages"])
        .iter()
        .filter(of_ours)
        .map(|it| (text(&it["name"]), it))
        .collect()
}

/// The crates that a package names directly, of every kind.
fn dependencies(package: &Value) -> BTreeSet<&str> {
    list(&package["dependencies"])
        .iter()
        .map(|dependency| text(&dependency["name"]))
        .collect()
}

/// The names of all that is linked with a crate, itself included.
fn closure<'a>(metadata: &'a Value, name: &str) -> BTreeSet<&'a str> {
    let names: BTreeMap<&str, &str> = list(&metadata["packages"])
        .iter()
        .map(|package| (text(&package["id"]), text(&package["name"])))
        .collect();
    let nodes: BTreeMap<&str, &Value> = list(&metadata["resolve"]["nodes"])
        .iter()
        .map(|node| (text(&node["id"]), node))
        .collect();
    let mut seen = BTreeSet::new();
    let mut open: Vec<&str> = members(metadata)
        .get(name)
        .map(|package| text(&package["id"]))
        .into_iter()
        .collect();
    while let Some(id) = open.pop() {
        if seen.insert(id) {
            open.extend(nodes.get(id).into_iter().flat_map(|node| linked(node)));
        }
    }
    seen.iter()
        .filter_map(|id| names.get(id).copied())
        .collect()
}

/// Build scripts run on the builder's machine and test crates in tests: neither is linked.
fn linked(node: &Value) -> impl Iterator<Item = &str> {
    let is_normal = |dependency: &&Value| {
        list(&dependency["dep_kinds"])
            .iter()
            .any(|kind| kind["kind"].is_null())
    };
    list(&node["deps"])
        .iter()
        .filter(is_normal)
        .map(|dependency| text(&dependency["pkg"]))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
