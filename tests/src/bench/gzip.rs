//! gzip at level 9, by Python: no crate of this workspace writes gzip, and the figure is only for
//! comparison.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::{Trouble, told};

const SCRIPT: &str = "import gzip, sys
for line in sys.stdin.buffer:
    print(len(gzip.compress(line.rstrip(b'\\n'), 9, mtime=0)))";

/// Bytes of each document, packed. Documents have no line breaks.
pub(super) fn gzip_bytes(documents: &[String]) -> Result<Vec<usize>, Trouble> {
    let mut child = Command::new("python3")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(told("python3"))?;
    let mut text = documents.join("\n");
    text.push('\n');
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(text.as_bytes()).map_err(told("python3"))?;
    }
    let output = child.wait_with_output().map_err(told("python3"))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let lengths: Vec<usize> = printed
        .lines()
        .filter_map(|line| line.parse().ok())
        .collect();
    if lengths.len() == documents.len() {
        Ok(lengths)
    } else {
        Err(format!("python3 gave {} lengths", lengths.len()))
    }
}
