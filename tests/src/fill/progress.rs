//! How far it is: a bar on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

const BAR_CHARS: usize = 30;
/// A bar moves no more often.
const BAR_EVERY: Duration = Duration::from_millis(200);
/// Without a terminal a line is written after so much of the whole.
const LINE_EVERY_PERCENT: usize = 10;

/// Something that takes long.
#[derive(Debug)]
pub struct Progress {
    began: Instant,
    on_terminal: bool,
    shown: Option<Instant>,
    percent: usize,
}

impl Default for Progress {
    fn default() -> Self {
        Self::begin()
    }
}

impl Progress {
    /// It begins now. What it says goes to standard error.
    #[must_use]
    pub fn begin() -> Self {
        Self {
            began: Instant::now(),
            on_terminal: std::io::stderr().is_terminal(),
            shown: None,
            percent: 0,
        }
    }

    /// So much of it is done, from 0 to 1, and that is so many records.
    pub fn at(&mut self, part: f64, records: u64) {
        let part = part.clamp(0.0, 1.0);
        let percent = (part * 100.0) as usize;
        let spent = self.began.elapsed().as_secs_f64();
        let left = if part > 0.0 {
            spent / part - spent
        } else {
            0.0
        };
        let says =
            format!("{percent:>3} %  {records} records, {spent:.0} s, about {left:.0} s more");
        if self.on_terminal {
            if self.shown.is_some_and(|at| at.elapsed() < BAR_EVERY) && percent < 100 {
                return;
            }
            self.shown = Some(Instant::now());
            let full = percent * BAR_CHARS / 100;
            let (full, rest) = ("#".repeat(full), ".".repeat(BAR_CHARS - full));
            // nobody to tell is no reason to stop
            drop(write!(std::io::stderr(), "\r   [{full}{rest}] {says}   "));
            if percent == 100 {
                drop(writeln!(std::io::stderr()));
            }
        } else if percent >= self.percent + LINE_EVERY_PERCENT {
            self.percent = percent - percent % LINE_EVERY_PERCENT;
            drop(writeln!(std::io::stderr(), "   {says}"));
        }
    }
}
