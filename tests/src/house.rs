//! The rules of the house: what must be absent, and where things may be named.
//!
//! Each rule is a function from what it looks at (the text of the files, or what cargo tells
//! about the crates) to a list of [`Breach`]es. So a test can hand it a made-up crossing and see
//! that it bites, and hand it the real tree and see that nothing bites.

pub mod code;
pub mod crates;
pub mod sources;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A rule was crossed: which one, where, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The name of the rule's function.
    pub rule: &'static str,
    /// A file with its line, or a crate.
    pub place: String,
    /// What stands there, and why it may not.
    pub what: String,
}

impl Breach {
    /// At a place that has no lines.
    #[must_use]
    pub fn new(rule: &'static str, place: &str, what: impl Into<String>) -> Self {
        Self {
            rule,
            place: place.to_owned(),
            what: what.into(),
        }
    }

    /// At a line of a file.
    #[must_use]
    pub fn at(rule: &'static str, source: &Source, line: usize, what: impl Into<String>) -> Self {
        Self {
            rule,
            place: format!("{}:{line}", source.path),
            what: what.into(),
        }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}: {}", self.place, self.rule, self.what)
    }
}

/// A text file of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its path from the top of the repository, with `/`.
    pub path: String,
    /// All that is in it.
    pub text: String,
}

impl Source {
    /// A file by its path and text.
    #[must_use]
    pub fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// Is it Rust, in this folder?
    #[must_use]
    pub fn is_rust_below(&self, folder: &str) -> bool {
        self.path.starts_with(folder) && self.path.ends_with(".rs")
    }

    /// Is all of it compiled for tests only, by the way this workspace names such files?
    #[must_use]
    pub fn is_test_file(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// Is it written by hand for a machine to run?
    #[must_use]
    pub fn is_program(&self) -> bool {
        const ENDINGS: [&str; 12] = [
            "rs", "sh", "mjs", "js", "css", "html", "py", "sql", "kt", "kts", "swift", "c",
        ];
        self.text.starts_with("#!") || self.ending().is_some_and(|it| ENDINGS.contains(&it))
    }

    /// Is it a document or a file of settings?
    #[must_use]
    pub fn is_prose(&self) -> bool {
        self.ending()
            .is_some_and(|it| ["md", "toml", "ftl", "service", "yml"].contains(&it))
    }

    fn ending(&self) -> Option<&str> {
        Path::new(&self.path)
            .extension()
            .and_then(|ending| ending.to_str())
    }
}

/// The top of the repository that this package was built from.
#[must_use]
pub fn repository() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}

/// All text files that are tracked, or would be with the next commit.
///
/// # Errors
/// When git cannot be run here, or a file cannot be read.
pub fn read_sources(repository: &Path) -> io::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in list_files(repository)? {
        let file = repository.join(&path);
        // Named by git but moved away since, or a link: nothing to read.
        if !file
            .symlink_metadata()
            .is_ok_and(|metadata| metadata.is_file())
        {
            continue;
        }
        // What is not UTF-8 is a picture or a vector, and has no lines to judge; its path counts.
        let text = String::from_utf8(std::fs::read(&file)?).unwrap_or_default();
        sources.push(Source { path, text });
    }
    Ok(sources)
}

fn list_files(repository: &Path) -> io::Result<Vec<String>> {
    // A checkout often belongs to another user than the one who runs the tests, and git then
    // refuses to look. It only lists here.
    let output = Command::new("git")
        .args(["-c", "safe.directory=*", "ls-files", "-z"])
        .args(["--cached", "--others", "--exclude-standard"])
        .current_dir(repository)
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ));
    }
    let names = String::from_utf8(output.stdout).map_err(io::Error::other)?;
    let mut paths: Vec<String> = names
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    paths.sort_unstable();
    paths.dedup();
    Ok(paths)
}

/// What cargo tells about the crates as they are built for this machine.
///
/// # Errors
/// When cargo cannot be run here, or says that it failed.
pub fn read_metadata(repository: &Path) -> io::Result<Value> {
    // Only this platform: a machine that built the workspace has no other platform's crates, and
    // asking for them would need the network.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline"])
        .args(["--filter-platform", &platform])
        .current_dir(repository)
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ));
    }
    serde_json::from_slice(&output.stdout).map_err(io::Error::other)
}
