//! What the operating system refused about a file, in words that say what to do.

use std::io::{self, ErrorKind};
use std::path::Path;

/// What was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// A file was to be read.
    Read,
    /// A file was to be made or written.
    Write,
    /// A directory, or a file in it, was to be used.
    Use,
}

/// Which path, what failed, what to do.
pub(crate) fn refused(doing: Doing, path: &Path, cause: &io::Error) -> String {
    let done = match doing {
        Doing::Read => "read",
        Doing::Write => "written",
        Doing::Use => "used",
    };
    let why = why(doing, path, cause);
    format!("{} cannot be {done}: {why}", path.display())
}

fn why(doing: Doing, path: &Path, cause: &io::Error) -> String {
    let fixed = match (cause.kind(), doing) {
        (ErrorKind::NotFound, Doing::Read) => "there is no such file: look at the name",
        (ErrorKind::NotFound, Doing::Write | Doing::Use) => return no_place(path),
        (ErrorKind::PermissionDenied, _) => {
            "this user may not: run this as the user of the server, or choose another place"
        }
        (ErrorKind::AlreadyExists, Doing::Use) => "it is no directory: choose another name",
        (ErrorKind::AlreadyExists, _) => "it is there already: choose another name",
        (ErrorKind::IsADirectory, _) => "it is a directory: name a file",
        (ErrorKind::NotADirectory, _) => {
            "a part of this path is a file and no directory: choose another"
        }
        (ErrorKind::StorageFull | ErrorKind::QuotaExceeded, _) => "the disk is full: make room",
        (ErrorKind::ReadOnlyFilesystem, _) => {
            "its disk can be read only: choose another place, or make it writable"
        }
        // said by ourselves, with what to do
        (ErrorKind::Unsupported, _) => return cause.to_string(),
        _ => return format!("{cause}; look at the disk, and at who may use it"),
    };
    fixed.to_owned()
}

/// "No such file or directory" of something that was to be made speaks of where it was to be.
fn no_place(path: &Path) -> String {
    let parent = path.parent().filter(|at| !at.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    if parent.is_dir() {
        format!(
            "nothing can be made in {}: choose another place",
            parent.display()
        )
    } else {
        format!(
            "there is no directory {}: make it, or choose another place",
            parent.display()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_told_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let told = |doing, path: &Path, kind: ErrorKind| refused(doing, path, &kind.into());
        for (doing, path, kind, says) in [
            (
                Doing::Write,
                file.join("x"),
                ErrorKind::NotADirectory,
                "is a file",
            ),
            (
                Doing::Write,
                dir.path().join("a/b"),
                ErrorKind::NotFound,
                "there is no directory",
            ),
            (
                Doing::Use,
                dir.path().join("a"),
                ErrorKind::NotFound,
                "nothing can be made in",
            ),
            (
                Doing::Read,
                dir.path().join("a"),
                ErrorKind::NotFound,
                "no such file",
            ),
            (
                Doing::Write,
                file.clone(),
                ErrorKind::AlreadyExists,
                "there already",
            ),
            (
                Doing::Use,
                file.clone(),
                ErrorKind::AlreadyExists,
                "no directory",
            ),
            (
                Doing::Read,
                dir.path().into(),
                ErrorKind::IsADirectory,
                "name a file",
            ),
            (
                Doing::Use,
                file.clone(),
                ErrorKind::PermissionDenied,
                "run this as",
            ),
            (
                Doing::Use,
                file.clone(),
                ErrorKind::StorageFull,
                "make room",
            ),
            (
                Doing::Use,
                file.clone(),
                ErrorKind::TimedOut,
                "look at the disk",
            ),
        ] {
            let line = told(doing, &path, kind);
            assert!(line.starts_with(path.to_str().unwrap()), "{line}");
            assert!(line.contains(says), "{line}");
            assert!(!line.contains("os error"), "{line}");
        }
        let named = refused(Doing::Write, Path::new("x/y"), &ErrorKind::NotFound.into());
        assert!(named.contains("no directory x:"), "{named}");
    }
}
