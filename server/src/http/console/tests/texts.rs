//! The message files: nothing is said that one of them cannot say.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fluent_bundle::FluentResource;
use sync_core::vocabulary::{Lane, ModelKinds, PeriodCalendars, ReasonUse, STATE_LIST, Vocabulary};

use crate::http::console::words::Locale;

const FILES: [(&str, &str); 2] = [
    ("vi", include_str!("../../../../locales/vi/console.ftl")),
    ("en", include_str!("../../../../locales/en/console.ftl")),
];

/// Languages that speak only the page of a period.
const PARTIAL: [(&str, &str); 3] = [
    ("km", include_str!("../../../../locales/km/console.ftl")),
    (
        "zh-Hant",
        include_str!("../../../../locales/zh-Hant/console.ftl"),
    ),
    (
        "zh-Hans",
        include_str!("../../../../locales/zh-Hans/console.ftl"),
    ),
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
        for call in ["f.t(\"", "f.with(\"", "f.vi(\""] {
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
    PeriodCalendars::builtin()
        .all()
        .for_each(|row| want("calendar", &row.id));
    let life = vocabulary.list(STATE_LIST).unwrap();
    life.values.iter().for_each(|row| want("life", &row.id));
    ModelKinds::builtin()
        .all()
        .for_each(|row| want("model", &row.id));
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

/// What the page of a period says, frame and types of records included.
fn of_a_period() -> BTreeSet<String> {
    let mut wanted = BTreeSet::new();
    for text in [
        include_str!("../../../../templates/console/base.html"),
        include_str!("../../../../templates/console/period.html"),
        include_str!("../period.rs"),
    ] {
        for call in [".t(\"", ".with(\"", ".vi(\""] {
            let asked = text.split(call).skip(1);
            wanted.extend(
                asked
                    .filter_map(|rest| rest.split('"').next())
                    .map(str::to_owned),
            );
        }
    }
    let vocabulary = Vocabulary::builtin();
    wanted.extend(
        vocabulary
            .record_types()
            .map(|row| format!("vocab-type-{}", row.id)),
    );
    let calendars = PeriodCalendars::builtin();
    wanted.extend(
        calendars
            .all()
            .map(|row| format!("vocab-calendar-{}", row.id)),
    );
    wanted.extend(["area-unknown", "area-ended"].map(str::to_owned));
    wanted
}

fn gaps(source: &str, wanted: &BTreeSet<String>) -> Vec<String> {
    let known = keys(source);
    wanted.difference(&known).cloned().collect()
}

#[test]
fn the_page_of_a_period_is_complete_in_every_language() {
    let wanted = of_a_period();
    assert!(
        wanted.len() > 60,
        "the search for keys finds too few: {wanted:?}"
    );
    let vi = keys(FILES[0].1);
    for (language, source) in FILES.into_iter().chain(PARTIAL) {
        assert_eq!(gaps(source, &wanted), Vec::<String>::new(), "{language}");
        let beyond: Vec<_> = keys(source).difference(&vi).cloned().collect();
        assert!(
            beyond.is_empty(),
            "{language} says what Vietnamese does not: {beyond:?}"
        );
    }
    // a gap is found
    let without: String = PARTIAL[0]
        .1
        .lines()
        .filter(|l| !l.starts_with("period-late "))
        .fold(String::new(), |text, line| text + line + "\n");
    assert_eq!(gaps(&without, &wanted), ["period-late"]);
}

#[test]
fn every_argument_of_a_translation_is_that_of_the_vietnamese() {
    let arguments = |source: &str, key: &str| -> BTreeSet<String> {
        let line = source
            .lines()
            .find(|line| line.split(" =").next() == Some(key));
        let names = line.unwrap_or_default().split("{$").skip(1);
        names
            .filter_map(|rest| rest.split('}').next())
            .map(str::to_owned)
            .collect()
    };
    for (language, source) in PARTIAL {
        for key in keys(source) {
            let (own, vi) = (arguments(source, &key), arguments(FILES[0].1, &key));
            assert_eq!(own, vi, "{language}: {key}");
        }
    }
}

#[test]
fn who_has_read_a_translation_stands_in_the_data() {
    let review = include_str!("../../../../locales/review.csv");
    for locale in Locale::ALL {
        let lines = review
            .lines()
            .filter(|line| line.split(',').next() == Some(locale.tag()));
        assert_eq!(
            lines.filter(|line| line.contains(",*,")).count(),
            1,
            "{}",
            locale.tag()
        );
        assert_eq!(locale.is_reviewed("period-late"), !locale.is_partial());
    }
    for line in review.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let [language, key, state] = cells.as_slice() else {
            panic!("{line}");
        };
        assert!(Locale::from_tag(language).is_some(), "{line}");
        assert!(*key == "*" || keys(FILES[0].1).contains(*key), "{line}");
        assert!(
            ["ok", "pending-officer-read", "machine-unreviewed"].contains(state),
            "{line}"
        );
    }
}
