//! The message files: nothing is said that one of them cannot say.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fluent_bundle::FluentResource;
use sync_core::vocabulary::{Lane, ReasonUse, Vocabulary};

const FILES: [(&str, &str); 2] = [
    ("vi", include_str!("../../../../locales/vi/console.ftl")),
    ("en", include_str!("../../../../locales/en/console.ftl")),
];

fn keys(source: &str) -> BTreeSet<String> {
    let resource = FluentResource::try_new(source.to_owned()).expect("it can be read");
    let lines = resource.source().lines();
    let found: Vec<String> = lines
        .filter(|line| line.starts_with(|c: char| c.is_ascii_alphabetic()))
        .filter_map(|line| line.split_once(" ="))
        .map(|(key, _)| key.to_owned())
        .collect();
    assert_eq!(resource.entries().filter(is_message).count(), found.len());
    let set: BTreeSet<String> = found.iter().cloned().collect();
    assert_eq!(set.len(), found.len(), "a key stands twice");
    set
}

fn is_message(entry: &impl std::fmt::Debug) -> bool {
    format!("{entry:?}").starts_with("Message")
}

fn files_under(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                files.push(path);
            }
        }
    }
    files
}

/// All words in quotes that look like a message key: lower case, with a hyphen or asked for by `t`.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2)
}

/// Keys that templates and code ask for.
fn used() -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for file in files_under("templates/console", ".html") {
        let text = std::fs::read_to_string(&file).unwrap();
        for call in ["f.t(\"", "f.with(\""] {
            let asked = text.split(call).skip(1);
            used.extend(
                asked
                    .filter_map(|rest| rest.split('"').next())
                    .map(str::to_owned),
            );
        }
    }
    let known = keys(FILES[0].1);
    for file in files_under("src/http/console", ".rs") {
        if file.to_string_lossy().contains("tests") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        for call in [".t(\"", "locale.with(\"", "self.with(\""] {
            let asked = text.split(call).skip(1);
            used.extend(
                asked
                    .filter_map(|rest| rest.split('"').next())
                    .map(str::to_owned),
            );
        }
        // keys that pass through a table: their families are named here
        let families = ["error-", "done-", "search-", "list-"];
        let named = quoted(&text).filter(|word| families.iter().any(|f| word.starts_with(f)));
        used.extend(named.map(str::to_owned));
        used.extend(
            quoted(&text)
                .filter(|word| known.contains(*word))
                .map(str::to_owned),
        );
    }
    used
}

#[test]
fn both_languages_have_the_same_keys() {
    assert_eq!(keys(FILES[0].1), keys(FILES[1].1));
}

#[test]
fn what_is_asked_for_is_there_and_what_is_there_is_asked_for() {
    let known = keys(FILES[0].1);
    let used = used();
    assert!(used.len() > 100, "the search for keys finds none");
    let missing: Vec<_> = used.difference(&known).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
    let idle: Vec<_> = known
        .difference(&used)
        .filter(|key| !key.starts_with("vocab-"))
        .collect();
    assert!(idle.is_empty(), "nobody asks for: {idle:?}");
}

#[test]
fn every_argument_of_a_message_is_the_same_in_both_languages() {
    let arguments = |source: &str| -> BTreeSet<(String, String)> {
        let of = |line: &str| {
            let (key, text) = line.split_once(" =")?;
            let names = text
                .split("{$")
                .skip(1)
                .filter_map(|rest| rest.split('}').next());
            Some(
                names
                    .map(|name| (key.to_owned(), name.to_owned()))
                    .collect::<Vec<_>>(),
            )
        };
        source.lines().filter_map(of).flatten().collect()
    };
    assert_eq!(arguments(FILES[0].1), arguments(FILES[1].1));
}

#[test]
fn the_vocabulary_of_this_release_has_labels_in_both_languages() {
    let vocabulary = Vocabulary::builtin();
    let mut wanted = BTreeSet::new();
    let mut want = |kind: &str, id: &str| drop(wanted.replace(format!("vocab-{kind}-{id}")));
    vocabulary
        .record_types()
        .for_each(|row| want("type", &row.id));
    vocabulary.states().for_each(|row| want("state", &row.id));
    vocabulary.roles().for_each(|row| want("role", &row.id));
    let units = vocabulary
        .fields()
        .filter_map(|field| field.unit.as_deref());
    // money is written with its unit; of things that are counted the label says what they are
    for unit in units.filter(|unit| !["count", "vnd"].contains(unit)) {
        want("unit", unit);
        want("unit", &format!("{unit}-one"));
    }
    for lane in Lane::ALL {
        want("lane", lane.id());
        for (kind, used_for) in [
            ("return", ReasonUse::Return),
            ("withdraw", ReasonUse::Withdraw),
        ] {
            vocabulary
                .reasons(used_for, lane)
                .for_each(|row| want(kind, &row.id));
        }
    }
    for (language, source) in FILES {
        let known = keys(source);
        let missing: Vec<_> = wanted.difference(&known).collect();
        assert!(missing.is_empty(), "{language}: {missing:?}");
    }
}
