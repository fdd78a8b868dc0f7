use std::collections::{BTreeMap, BTreeSet};

use super::*;

const PROBLEMS: [ProblemCode; 10] = [
    ProblemCode::Upgrade,
    ProblemCode::Malformed,
    ProblemCode::TooLarge,
    ProblemCode::UnknownDevice,
    ProblemCode::Signature,
    ProblemCode::ShowTips,
    ProblemCode::ShowHead,
    ProblemCode::DiskFull,
    ProblemCode::Later,
    ProblemCode::Failed,
];

const FULL: Standing = Standing {
    entries: 12,
    safe_entries: Some(9),
    generation: 2,
    database_bytes: 4_096,
    free_bytes: 1 << 40,
    standby_free_bytes: Some(1 << 30),
    backup_s: 1_795_000_000,
};

/// A server on which everything has happened.
fn after_everything() -> Metrics {
    let metrics = Metrics::new();
    for code in PROBLEMS {
        metrics.visit(VisitEnd::Problem(code));
    }
    for end in [
        VisitEnd::Answered,
        VisitEnd::TooOften,
        VisitEnd::BusyBodies,
        VisitEnd::BusyWriter,
        VisitEnd::Cut,
        VisitEnd::MediaType,
        VisitEnd::Refused,
    ] {
        metrics.visit(end);
    }
    for reason in AsideReason::ALL {
        metrics.entry(EntryKind::Aside, Some(reason));
    }
    for kind in [EntryKind::Change, EntryKind::Review, EntryKind::Control] {
        metrics.entry(kind, None);
    }
    metrics.fates(&[Fate {
        claim: 0,
        through: 1,
        outcome: Outcome::Received,
        asides: Vec::new(),
    }]);
    for route in ROUTES {
        metrics.request(Some(route), 404);
    }
    metrics.request(Some("/an/invented/route"), 999);
    metrics.request(None, 0);
    metrics.shed(Shed::Room);
    metrics.handshake(HandshakeEnd::Resumed);
    metrics.enrolment(EnrolEnd::Asked);
    metrics.accepted();
    metrics.bytes_came(7);
    metrics.bytes_went(9);
    metrics.batch(3);
    metrics.commit(Duration::from_millis(3));
    metrics
}

/// Name, labels and value of each sample; every line must be one, or a comment of the format.
fn samples(text: &str) -> Vec<(String, BTreeMap<String, String>, f64)> {
    let mut found = Vec::new();
    assert!(text.ends_with("# EOF\n"), "no end: {text}");
    for line in text.lines().filter(|line| !line.starts_with("# ")) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').unwrap()),
            None => (series, ""),
        };
        let labels = labels.split("\",").filter(|label| !label.is_empty());
        let labels = labels.map(|label| {
            let (key, value) = label.split_once("=\"").unwrap();
            (key.to_owned(), value.trim_end_matches('"').to_owned())
        });
        found.push((name.to_owned(), labels.collect(), value.parse().unwrap()));
    }
    found
}

fn closed_lists() -> BTreeMap<&'static str, BTreeSet<String>> {
    let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let ends = BATCH_BUCKETS.iter().chain(&COMMIT_BUCKETS);
    let mut ends: BTreeSet<String> = ends.map(|end| format!("{end:?}")).collect();
    ends.insert("+Inf".to_owned());
    let outcomes = [&VISITS[..], &ENROLMENTS, &CHAINS, &HANDSHAKES].concat();
    BTreeMap::from([
        ("outcome", set(&outcomes)),
        ("kind", set(&KINDS)),
        ("reason", set(&ASIDES)),
        ("direction", set(&DIRECTIONS)),
        ("route", set(&ROUTES)),
        ("class", set(&CLASSES)),
        ("cause", set(&SHED)),
        ("disk", set(&DISKS)),
        ("version", set(&[env!("CARGO_PKG_VERSION")])),
        ("le", ends),
    ])
}

#[test]
fn every_label_and_word_comes_from_a_closed_list() {
    let lists = closed_lists();
    for metrics in [Metrics::new(), after_everything()] {
        let found = samples(&metrics.text(&FULL));
        assert!(found.len() > 100, "{} samples", found.len());
        for (name, labels, _) in &found {
            assert!(name.starts_with("binhyen_"), "{name}");
            for (key, word) in labels {
                let list = lists.get(key.as_str());
                let list = list.unwrap_or_else(|| panic!("{name}: the label {key}"));
                assert!(list.contains(word), "{name}: {key} is {word}");
            }
        }
    }
}

#[test]
fn what_happened_is_counted_where_it_belongs() {
    let metrics = after_everything();
    let found = samples(&metrics.text(&FULL));
    let value = |name: &str, key: &str, word: &str| {
        let hit = found.iter().find(|(its, labels, _)| {
            its == name && (key.is_empty() || labels.get(key).is_some_and(|it| it == word))
        });
        hit.unwrap_or_else(|| panic!("no {name} {key} {word}")).2
    };
    for reason in ASIDES {
        let count = value("binhyen_changes_aside_total", "reason", reason);
        assert!(count == 1.0, "{reason}: {count}");
    }
    for word in VISITS {
        let count = value("binhyen_visits_total", "outcome", word);
        assert!(count >= 1.0, "{word}: {count}");
    }
    for (name, key, word, expected) in [
        ("binhyen_entries_added_total", "kind", "aside", 14.0),
        ("binhyen_http_bytes_total", "direction", "in", 7.0),
        ("binhyen_http_bytes_total", "direction", "out", 9.0),
        ("binhyen_connections_shed_total", "cause", "room", 1.0),
        ("binhyen_handshakes_total", "outcome", "resumed", 1.0),
        ("binhyen_standby_lag_entries", "", "", 3.0),
        ("binhyen_log_entries", "", "", 12.0),
        ("binhyen_commit_visits_count", "", "", 1.0),
        ("binhyen_commit_seconds_count", "", "", 1.0),
        ("binhyen_connections_open", "", "", 1.0),
        (
            "binhyen_disk_free_bytes",
            "disk",
            "standby",
            1_073_741_824.0,
        ),
    ] {
        let count = value(name, key, word);
        assert!(count == expected, "{name} {key} {word}: {count}");
    }
}

#[test]
fn every_page_of_the_console_is_counted_by_its_own_route() {
    let source = include_str!("../http/console.rs");
    let routes: Vec<&str> = source
        .split(".route(")
        .skip(1)
        .filter_map(|call| call.split('"').nth(1))
        .collect();
    assert!(routes.len() > 20, "{routes:?}");
    for route in routes {
        assert!(ROUTES.contains(&route), "{route}");
    }
}
