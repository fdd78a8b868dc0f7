//! `proof`: what anybody can check without this server.

use std::fmt::{Display, Write as _};

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use sync_core::hub::{SignedHead, facts};
use sync_core::ids::Hash32;

use super::{NotDone, Outcome, find};
use crate::office::Office;
use crate::{hex, now_s};

#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
pub(super) enum ProofCommand {
    /// Proves that an entry is in the log, by the tree, without a word of what it says.
    Entry {
        /// Its index, or a change: its chain (or the beginning of it), a colon, and its number.
        #[arg(value_name = "INDEX|CHAIN:SEQ")]
        entry: String,
    },
    /// Proves that the log of an earlier size is the beginning of the log now.
    Growth {
        /// The earlier size, as a head or a receipt names it.
        size: u64,
    },
}

pub(super) fn run(office: &Office, command: &ProofCommand) -> Result<Outcome, NotDone> {
    match command {
        ProofCommand::Entry { entry } => prove_entry(office, entry),
        ProofCommand::Growth { size } => prove_growth(office, *size),
    }
}

fn prove_entry(office: &Office, entry: &str) -> Result<Outcome, NotDone> {
    let index = match entry.parse() {
        Ok(index) => index,
        Err(_no_number) => {
            let at = find::change(office, entry)?;
            let place = office.read(|snapshot| facts::place(snapshot, at))?;
            let place = place.ok_or_else(|| NotDone::new("there is no such change in the log"))?;
            place.index
        }
    };
    let hub = office.hub();
    let proof = office.read(|snapshot| hub.prove_entry(snapshot, index, now_s()))?;
    let proof = proof.ok_or_else(|| NotDone::new("the log has no entry of this index"))?;
    let leaf = proof.leaf;
    let mut lines = Lines::default();
    lines.line("proof", "entry");
    lines.line("index", index);
    lines.line("kind", leaf.kind.number());
    lines.line("feed", hex(&leaf.feed.to_bytes()));
    lines.line("place", format_args!("{}:{}", leaf.at.chain, leaf.at.seq));
    lines.line("entry_hash", leaf.entry);
    lines.line("admitted_at", leaf.admitted_at);
    lines.line("generation", leaf.generation);
    lines.line("leaf_hash", leaf.hash(&hub.realm(), hub.log_key().id()));
    lines.path(&proof.path);
    lines.head(office, &proof.head);
    Ok(Outcome::done(lines.0))
}

fn prove_growth(office: &Office, size: u64) -> Result<Outcome, NotDone> {
    let hub = office.hub();
    let proof = office.read(|snapshot| hub.prove_growth(snapshot, size, now_s()))?;
    let proof = proof.ok_or_else(|| {
        NotDone::new("name a size from 1 to the size of the log, which `verify` tells")
    })?;
    let mut lines = Lines::default();
    lines.line("proof", "growth");
    lines.line("from_size", size);
    lines.line("from_root", proof.root);
    lines.path(&proof.path);
    lines.head(office, &proof.head);
    Ok(Outcome::done(lines.0))
}

/// A name and a value on each line.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, name: &str, value: impl Display) {
        let _infallible = writeln!(self.0, "{name} {value}");
    }

    fn path(&mut self, path: &[Hash32]) {
        for node in path {
            self.line("node", node);
        }
    }

    fn head(&mut self, office: &Office, signed: &SignedHead) {
        let (head, hub) = (signed.head, office.hub());
        self.line("head_generation", head.generation);
        self.line("head_generation_start", head.generation_start);
        self.line("head_size", head.size);
        self.line("head_safe_size", head.safe_size);
        self.line("head_root", head.root);
        self.line("head_time", head.time_s);
        self.line("head_signature", hex(&signed.signature));
        self.line("org", hub.realm().org);
        self.line("log", hub.realm().log);
        self.line("log_key", hex(&hub.log_key().0));
    }
}
