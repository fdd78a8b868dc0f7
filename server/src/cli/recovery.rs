//! `offline-key`, `backup`, `restore`, `drill`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{NO_DATA, NOT_DONE, NotDone, Outcome, contents, verdict};
use crate::now_s;
use crate::office::Office;
use crate::recovery::RecoveryError;
use crate::recovery::backup::{KEEP_LOG_DAYS, KEEP_PARTS_DAYS, Keep, back_up};
use crate::recovery::restore::{self, Parts, Restored};
use crate::recovery::seal::{Identities, Recipient, make_key};

/// Faults that are printed.
const FAULTS_MAX: usize = 20;

#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub(super) struct OfflineKeyArgs {
    /// The file to write the secret half to; it must not be there. Keep it, and a second copy,
    /// away from this machine: without it no backup opens.
    #[arg(required_unless_present = "public")]
    pub(super) file: Option<PathBuf>,
    /// The public half of a key that you have already, instead of making one.
    #[arg(long, value_name = "age1...", conflicts_with = "file")]
    pub(super) public: Option<String>,
}

#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub(super) struct BackupArgs {
    /// The file to write, which must not be there; or a directory, where it is named by the time.
    /// Its parts go beside it.
    pub(super) file: PathBuf,
    /// In a directory: drop the parts of older backups after so many days.
    #[arg(long, value_name = "DAYS", default_value_t = KEEP_PARTS_DAYS)]
    keep_parts: u32,
    /// In a directory: drop the rest of older backups after so many days.
    #[arg(long, value_name = "DAYS", default_value_t = KEEP_LOG_DAYS)]
    keep_log: u32,
}

#[derive(Debug, Clone, Args)]
pub(super) struct RestoreArgs {
    /// A backup, with its parts beside it, or the directory of a copy.
    from: PathBuf,
    /// The file of the offline key.
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    /// Give up the parts: names, notes and whatever else can be erased are then gone for good.
    #[arg(long)]
    without_parts: bool,
}

#[derive(Debug, Clone, Args)]
pub(super) struct DrillArgs {
    #[command(flatten)]
    restore: RestoreArgs,
    /// Where the data lies in the clear for as long as the drill takes.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
}

impl From<RecoveryError> for NotDone {
    fn from(error: RecoveryError) -> Self {
        Self(error.to_string())
    }
}

/// Makes the key where the command is given, never in the server.
pub(super) fn prepare_key(args: &mut OfflineKeyArgs) -> Result<(), NotDone> {
    if let Some(file) = &args.file {
        args.public = Some(make_key(file)?);
    }
    Ok(())
}

pub(super) fn keep_key(office: &Office, args: &OfflineKeyArgs) -> Result<Outcome, NotDone> {
    let public = args.public.as_deref().unwrap_or_default().trim();
    Recipient::parse(public)?;
    let mut settings = office.settings();
    let before = settings.offline_key.replace(public.to_owned());
    let kept = office.change_settings(settings);
    kept.map_err(|why| NotDone(why.to_string()))?;
    let mut text = format!("backups are sealed to {public} from now on");
    if let Some(file) = &args.file {
        text.push_str(&format!(
            "\n{} opens them, and nothing else does: take it off this machine, keep two copies, \
             and try one with `drill`",
            file.display()
        ));
    }
    if before.is_some_and(|before| before != public) {
        text.push_str(
            "\nbackups made before still need the key of before: keep it as long as them",
        );
    }
    Ok(Outcome::done(text))
}

pub(super) fn backup(office: &Office, args: &BackupArgs) -> Result<Outcome, NotDone> {
    let keep = Keep {
        log_days: args.keep_log,
        parts_days: args.keep_parts,
    };
    let written = back_up(office, &args.file, keep)?;
    office
        .note_backup(now_s())
        .map_err(|why| NotDone(format!("the backup is made, but {why}")))?;
    let mut text = format!("{}\n{}", written.log.display(), written.parts.display());
    for path in &written.dropped {
        text.push_str(&format!("\ndropped: {}", path.display()));
    }
    Ok(Outcome::done(text))
}

/// Restores into the directory of the data, where no server may be.
pub(super) fn restore(data: &Path, args: &RestoreArgs) -> Outcome {
    let done = args
        .keys()
        .and_then(|keys| restore::restore(&args.from, &keys, data, args.parts()));
    match done {
        Ok(restored) => {
            let mut outcome = report(&restored);
            outcome.text.push_str(&format!(
                "\n{} is ready: start `binhyen --data {0} serve`. What came after the backup comes \
                 back with the phones",
                data.display()
            ));
            outcome
        }
        Err(why) => Outcome::failed(NO_DATA, why.to_string()),
    }
}

/// Restores into a scratch directory and leaves nothing behind.
pub(super) fn drill(args: &DrillArgs) -> Outcome {
    let began = Instant::now();
    let scratch = args.scratch.clone().unwrap_or_else(std::env::temp_dir);
    let done = args
        .restore
        .keys()
        .and_then(|keys| restore::drill(&args.restore.from, &keys, &scratch, args.restore.parts()));
    match done {
        Ok(restored) => {
            let mut outcome = report(&restored);
            outcome.text.push_str(&format!(
                "\nthe drill took {:.1} seconds, and nothing of it is left in {}",
                began.elapsed().as_secs_f64(),
                scratch.display()
            ));
            outcome
        }
        Err(why) => Outcome::failed(NOT_DONE, why.to_string()),
    }
}

impl RestoreArgs {
    fn keys(&self) -> Result<Identities, RecoveryError> {
        Identities::load(&self.identity)
    }

    fn parts(&self) -> Parts {
        if self.without_parts {
            Parts::Without
        } else {
            Parts::Beside
        }
    }
}

fn report(restored: &Restored) -> Outcome {
    let found = &restored.report;
    let mut text = format!(
        "{} entries, the newest {}: {}\ngeneration {} begins after them",
        restored.size,
        restored.newest_s.map_or_else(|| "of never".to_owned(), age),
        contents(found),
        restored.generation,
    );
    if restored.without_parts > 0 {
        text.push_str(&format!(
            "\n{} entries are without names, notes and what else could be erased",
            restored.without_parts
        ));
    }
    let mut faults: Vec<String> = found
        .faults
        .iter()
        .map(|fault| fault.what.clone())
        .collect();
    faults.extend(restored.damage.clone());
    verdict(text, &faults, FAULTS_MAX, "try another backup too")
}

/// How long ago something was, in the largest unit that is not 0.
fn age(at_s: i64) -> String {
    let seconds = now_s().saturating_sub(at_s).max(0);
    let (count, unit) = match seconds {
        0..120 => (seconds, "seconds"),
        120..7_200 => (seconds / 60, "minutes"),
        7_200..172_800 => (seconds / 3_600, "hours"),
        _ => (seconds / 86_400, "days"),
    };
    format!("{count} {unit} old")
}
