//! What is printed: headings, sentences, checks, and how many passed.

use std::io::Write as _;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Longest line, in characters; notes are longer.
const LINE_CHARS_MAX: usize = 96;

/// The one who tells.
#[derive(Debug)]
pub(super) struct Teller {
    began: Instant,
    act: u32,
    passed: u32,
    failed: u32,
}

impl Teller {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            act: 0,
            passed: 0,
            failed: 0,
        }
    }

    /// A heading.
    pub(super) fn act(&mut self, title: &str) {
        self.act += 1;
        line(&format!("\n{}. {title}", self.act));
    }

    /// A sentence.
    pub(super) fn say(&self, text: &str) {
        line(&format!("   {text}"));
    }

    /// What somebody reads on a screen.
    pub(super) fn show(&self, who: &str, text: &str) {
        let all = format!("   [{who}] {text}");
        line(&shortened(&all));
    }

    /// A sentence that is true or not.
    pub(super) fn check(&mut self, holds: bool, text: &str) {
        if holds {
            self.passed += 1;
            line(&format!("   ✓ {text}"));
        } else {
            self.failed += 1;
            line(&format!("   ✗ {text}"));
        }
    }

    /// Prints the counts; whether all passed.
    pub(super) fn counts(&self) -> bool {
        let seconds = self.began.elapsed().as_secs_f64();
        line(&format!("\nThe story took {seconds:.1} s."));
        line(&format!("{} passed, {} failed", self.passed, self.failed));
        self.failed == 0
    }
}

fn shortened(text: &str) -> String {
    let text = text.replace('\n', " ");
    if text.chars().count() <= LINE_CHARS_MAX {
        return text;
    }
    let mut short: String = text.chars().take(LINE_CHARS_MAX - 1).collect();
    short.push('…');
    short
}

/// One line on standard output.
pub(super) fn line(text: &str) {
    // Nobody to tell is no reason to leave children behind.
    drop(writeln!(std::io::stdout(), "{text}"));
}

/// One line on standard error.
pub(super) fn complain(text: &str) {
    drop(writeln!(std::io::stderr(), "demo: {text}"));
}

/// Ends the process when the story hangs. Phones and keeper see their input close and end too.
#[derive(Debug)]
pub(super) struct Watch {
    _over: Sender<()>,
}

impl Watch {
    pub(super) fn start(limit: Duration) -> Self {
        let (over, told) = channel();
        thread::spawn(move || {
            if told.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                complain(&format!("not done after {} s, so it ends", limit.as_secs()));
                end(1);
            }
        });
        Self { _over: over }
    }
}

/// Ends this process at once.
#[expect(
    clippy::exit,
    reason = "what is on the disk counts, and children end when their input closes"
)]
pub(super) fn end(code: i32) -> ! {
    std::process::exit(code)
}
