//! Rules over the text of the files.

use super::code::{Code, line_of, names_below, words};
use super::{Breach, Source};

/// A file above this asks for a second noun.
pub const LINES_NEAR: usize = 600;
/// A file above this is refused.
pub const LINES_MAX: usize = 800;

/// What may stand at the top of the repository.
const TOP_LEVEL: [&str; 17] = [
    ".ci",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "clippy.toml",
    "deny.toml",
    "deploy",
    "mobile-ffi",
    "rustfmt.toml",
    "server",
    "sync-core",
    "tests",
];

/// Words that sync-core has no use for, with what it uses instead.
const CORE_WORDS: [(&str, &str); 5] = [
    ("SystemTime", "time is an argument"),
    ("Instant", "time is an argument"),
    ("async", "the core waits for nothing"),
    ("await", "the core waits for nothing"),
    ("getrandom", "random bytes are an argument"),
];
const CORE_ORDER: [(&str, &str); 2] = [
    ("HashMap", "iteration order must replay: BTreeMap"),
    ("HashSet", "iteration order must replay: BTreeSet"),
];
/// Modules of std that sync-core has no use for.
const CORE_MODULES: [(&str, &str); 5] = [
    ("io", "the core reads and writes nothing"),
    ("net", "the core opens nothing"),
    ("thread", "the caller owns threads"),
    ("process", "the core starts nothing"),
    ("os", "the core knows no system"),
];
/// The same, but the core's own tests may read vectors and a seed.
const CORE_MODULES_OUTSIDE_TESTS: [(&str, &str); 2] = [
    ("fs", "the core opens nothing"),
    ("env", "configuration is an argument"),
];

/// sync-core names no clock, file, socket, thread, chance, or order that does not replay.
#[must_use]
pub fn core_is_pure(sources: &[Source]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for source in sources
        .iter()
        .filter(|source| source.is_rust_below("sync-core/src/"))
    {
        let code = Code::of(&source.text);
        let (product, tests) = if source.is_test_file() {
            (String::new(), code.bare.clone())
        } else {
            (code.product(), code.tests())
        };
        for (at, what) in impure(&product, true)
            .into_iter()
            .chain(impure(&tests, false))
        {
            breaches.push(Breach::at(
                "core_is_pure",
                source,
                line_of(&code.bare, at),
                what,
            ));
        }
    }
    breaches
}

fn impure(bare: &str, is_product: bool) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut look_for = |list: &[(&str, &str)]| {
        for (word, why) in list {
            found.extend(words(bare, word).map(|at| (at, format!("{word}: {why}"))));
        }
    };
    look_for(&CORE_WORDS);
    if is_product {
        look_for(&CORE_ORDER);
    }
    let outside_tests = CORE_MODULES_OUTSIDE_TESTS.iter().filter(|_| is_product);
    let modules: Vec<_> = CORE_MODULES.iter().chain(outside_tests).collect();
    for (at, name) in names_below(bare, "std") {
        let banned = modules.iter().find(|(module, _)| *module == name);
        found.extend(banned.map(|(module, why)| (at, format!("std::{module}: {why}"))));
    }
    for (at, name) in names_below(bare, "rand") {
        found.push((at, format!("rand::{name}: random bytes are an argument")));
    }
    found
}

/// SQL and its library are written in the stores and nowhere else.
#[must_use]
pub fn sql_only_in_stores(sources: &[Source]) -> Vec<Breach> {
    const RULE: &str = "sql_only_in_stores";
    let mut breaches = Vec::new();
    for source in sources.iter().filter(|source| !is_store(&source.path)) {
        let path = source.path.as_str();
        if path.ends_with(".sql") {
            breaches.push(Breach::at(
                RULE,
                source,
                1,
                "a file of SQL outside the stores",
            ));
        }
        if !["sync-core/src/", "server/src/", "mobile-ffi/src/"]
            .iter()
            .any(|folder| source.is_rust_below(folder))
        {
            continue;
        }
        let code = Code::of(&source.text);
        for at in words(&code.bare, "rusqlite") {
            let line = line_of(&code.bare, at);
            breaches.push(Breach::at(
                RULE,
                source,
                line,
                "rusqlite outside the stores",
            ));
        }
        for (line, _) in code.strings.iter().filter(|(_, inside)| is_sql(inside)) {
            breaches.push(Breach::at(
                RULE,
                source,
                *line,
                "a statement outside the stores",
            ));
        }
    }
    breaches
}

fn is_store(path: &str) -> bool {
    ["server/src/store", "mobile-ffi/src/store"]
        .iter()
        .any(|store| {
            path.strip_prefix(store)
                .is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
        })
        || ["server/migrations/", "mobile-ffi/migrations/"]
            .iter()
            .any(|it| path.starts_with(it))
}

/// A statement begins with its verb, all in one case: prose on a screen begins "Select".
fn is_sql(literal: &str) -> bool {
    const VERBS: [(&str, &str); 14] = [
        ("select ", " from "),
        ("insert ", "into "),
        ("replace into ", ""),
        ("update ", " set "),
        ("delete from ", ""),
        ("create table ", ""),
        ("create index ", ""),
        ("create unique ", "index "),
        ("create virtual ", "table "),
        ("create trigger ", ""),
        ("alter table ", ""),
        ("drop table ", ""),
        ("pragma ", ""),
        ("begin immediate", ""),
    ];
    let line = literal.split_whitespace().collect::<Vec<_>>().join(" ");
    let lower = line.to_ascii_lowercase();
    VERBS.iter().any(|(verb, then)| {
        let one_case = line.starts_with(verb) || line.starts_with(&verb.to_ascii_uppercase());
        one_case && lower.contains(then)
    })
}

/// http asks the others; nobody asks http but the place where the server is put together.
#[must_use]
pub fn nothing_imports_http(sources: &[Source]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for source in sources
        .iter()
        .filter(|source| source.is_rust_below("server/src/"))
    {
        let inside = source.path.strip_prefix("server/src/").unwrap_or_default();
        let exempt = ["main.rs", "lib.rs", "cli.rs", "http.rs"].contains(&inside)
            || ["http/", "cli/"]
                .iter()
                .any(|folder| inside.starts_with(folder));
        if exempt {
            continue;
        }
        let bare = Code::of(&source.text).bare;
        // A file directly in src/ reaches http by `super` as well.
        let roots = if inside.contains('/') {
            &["crate"][..]
        } else {
            &["crate", "super"][..]
        };
        for (at, name) in roots.iter().flat_map(|root| names_below(&bare, root)) {
            if name == "http" {
                let line = line_of(&bare, at);
                breaches.push(Breach::at(
                    "nothing_imports_http",
                    source,
                    line,
                    "names http",
                ));
            }
        }
    }
    breaches
}

/// Events are written by `log.rs` of the server and by nothing else: there they are of closed kinds,
/// and elsewhere a sentence could hold whatever somebody wrote. (Clippy refuses `println!` and its
/// like in all of the server.)
#[must_use]
pub fn only_log_writes_events(sources: &[Source]) -> Vec<Breach> {
    const RULE: &str = "only_log_writes_events";
    const LOG: &str = "server/src/log.rs";
    let mut breaches = Vec::new();
    for source in sources.iter().filter(|source| {
        source.is_rust_below("server/src/") && source.path != LOG && !source.is_test_file()
    }) {
        let bare = Code::of(&source.text).product();
        let libraries = ["tracing", "tracing_subscriber"].into_iter();
        let named = libraries.flat_map(|name| words(&bare, name).map(move |at| (at, name)));
        // What goes to standard error outside of the command line is an event.
        let inside = source.path.strip_prefix("server/src/").unwrap_or_default();
        let speaks = inside == "cli.rs" || inside.starts_with("cli/");
        let stderr = words(&bare, "stderr").map(|at| (at, "stderr"));
        let stderr = stderr.filter(|_| !speaks);
        for (at, name) in named.chain(stderr) {
            let line = line_of(&bare, at);
            let what = format!("{name}: an event is a kind of {LOG}");
            breaches.push(Breach::at(RULE, source, line, what));
        }
    }
    breaches
}

/// Only the agreed entries stand at the top of the repository.
#[must_use]
pub fn top_level_is_agreed(sources: &[Source]) -> Vec<Breach> {
    let mut entries: Vec<&str> = sources
        .iter()
        .filter_map(|source| source.path.split('/').next())
        .collect();
    entries.sort_unstable();
    entries.dedup();
    entries
        .into_iter()
        .filter(|entry| !TOP_LEVEL.contains(entry))
        .map(|entry| Breach::new("top_level_is_agreed", entry, "is not an agreed entry"))
        .collect()
}

/// No source file has more than [`LINES_MAX`] lines.
#[must_use]
pub fn files_are_short(sources: &[Source]) -> Vec<Breach> {
    long_files(sources, LINES_MAX)
}

/// The source files that have more than `lines_max` lines.
#[must_use]
pub fn long_files(sources: &[Source], lines_max: usize) -> Vec<Breach> {
    sources
        .iter()
        .filter(|source| source.is_program())
        .map(|source| (source, source.text.lines().count()))
        .filter(|(_, lines)| *lines > lines_max)
        .map(|(source, lines)| {
            Breach::new("files_are_short", &source.path, format!("{lines} lines"))
        })
        .collect()
}

/// No address of a registry and no path of somebody's machine: both hold for one place only.
#[must_use]
pub fn names_no_place(sources: &[Source]) -> Vec<Breach> {
    const RULE: &str = "names_no_place";
    // Put together here, so that this file does not hold what it refuses.
    let hosts = [
        concat!("crates", ".io"),
        concat!("npm", "js.org"),
        concat!("npm", "js.com"),
        concat!("py", "pi.org"),
        concat!("python", "hosted.org"),
        concat!("debian", ".org"),
        concat!("repo1", ".maven.org"),
        concat!("maven", ".apache.org"),
        concat!("proxy", ".golang.org"),
    ];
    let roots = [
        concat!("/ro", "ot/"),
        concat!("/wo", "rk/"),
        concat!("/ho", "me/"),
        concat!("/Us", "ers/"),
    ];
    let mut breaches = Vec::new();
    // cargo writes where each crate came from into its lock, and reads it back: no choice there.
    for source in sources.iter().filter(|source| source.path != "Cargo.lock") {
        for (number, line) in (1..).zip(source.text.lines()) {
            for host in hosts.iter().filter(|host| line.contains(**host)) {
                breaches.push(Breach::at(
                    RULE,
                    source,
                    number,
                    format!("a registry: {host}"),
                ));
            }
            for root in roots.iter().filter(|root| begins_a_path(line, root)) {
                breaches.push(Breach::at(
                    RULE,
                    source,
                    number,
                    format!("a machine path: {root}"),
                ));
            }
        }
    }
    breaches
}

/// A root counts where a path begins; within a longer address or after `..` it is another thing.
fn begins_a_path(line: &str, root: &str) -> bool {
    line.match_indices(root).any(|(at, _)| {
        let before = line.get(..at).and_then(|head| head.chars().next_back());
        !before.is_some_and(|char| char.is_alphanumeric() || "._-}~".contains(char))
    })
}

/// Nothing is left lying: no marks for later, no test that is switched off, no exception without
/// its reason.
#[must_use]
pub fn nothing_left_lying(sources: &[Source]) -> Vec<Breach> {
    const RULE: &str = "nothing_left_lying";
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("HA", "CK"),
    ];
    let mut breaches = Vec::new();
    for source in sources
        .iter()
        .filter(|source| source.is_program() || source.is_prose())
    {
        for mark in marks {
            for at in words(&source.text, mark) {
                let line = line_of(&source.text, at);
                breaches.push(Breach::at(
                    RULE,
                    source,
                    line,
                    format!("a mark for later: {mark}"),
                ));
            }
        }
        if source.path.ends_with(".rs") {
            breaches.extend(loose_attributes(source, RULE));
        }
    }
    breaches
}

fn loose_attributes(source: &Source, rule: &'static str) -> Vec<Breach> {
    let bare = Code::of(&source.text).bare;
    let mut breaches = Vec::new();
    for (at, _) in bare.match_indices("#[").chain(bare.match_indices("#![")) {
        let attribute = attribute_at(bare.get(at..).unwrap_or_default());
        let has = |word: &str| words(attribute, word).next().is_some();
        let line = line_of(&bare, at);
        if has("ignore") && !has("doc") {
            breaches.push(Breach::at(
                rule,
                source,
                line,
                "a test that is switched off",
            ));
        }
        if (has("allow") || has("expect")) && !has("reason") {
            breaches.push(Breach::at(
                rule,
                source,
                line,
                "an exception without its reason",
            ));
        }
    }
    breaches
}

/// From its opening to the bracket that closes it.
fn attribute_at(text: &str) -> &str {
    let mut depth = 0_usize;
    for (at, char) in text.char_indices() {
        match char {
            '[' => depth += 1,
            ']' if depth <= 1 => return text.get(..=at).unwrap_or(text),
            ']' => depth -= 1,
            _ => {}
        }
    }
    text
}
