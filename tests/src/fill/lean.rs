//! A phone that knows its own chains and no more: it brings and never pulls. What it says is
//! sealed and signed as by any other.

use std::collections::BTreeMap;

use sync_core::chain::{Statement, chain_id, tip_leaf};
use sync_core::change::{Act, ChangeRef, Draft, FullChange};
use sync_core::exchange::{FeedSet, GroupClaim, Home, OutRun, Request, TipClaim, Wants, prefix_of};
use sync_core::ids::{
    ChainId, GroupId, Hash32, InstallationNonce, Logbook, ReadNonce, Realm, RecordId,
};
use sync_core::keys::Secret;
use sync_core::limits::{REQUEST_BYTES_MAX, REQUEST_CHANGES_MAX};
use sync_core::value::{AUTHOR_KEY, FieldKey, Value};
use sync_core::vocabulary::{Lane, Vocabulary};

use super::schedule::Save;
use super::{Trouble, told};

/// A body is begun anew before it is full.
const BODY_BYTES_MAX: usize = REQUEST_BYTES_MAX / 2;

/// A record that was saved: its name, its lane, and the change that created it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made {
    pub(super) record: RecordId,
    pub(super) lane: Lane,
    pub(super) at: ChangeRef,
}

#[derive(Debug)]
struct Chain {
    lane: Lane,
    seq: u32,
    hash: Hash32,
    /// Brought up to here.
    known: u32,
    fresh: Vec<FullChange>,
}

/// The phone.
#[derive(Debug)]
pub(super) struct Lean {
    secret: Secret,
    group: GroupId,
    home: Home,
    installation: InstallationNonce,
    /// Size of the log that it has seen: that of the founding.
    seen: u64,
    chains: BTreeMap<ChainId, Chain>,
}

impl Lean {
    pub(super) fn new(
        secret: Secret,
        group: GroupId,
        home: Home,
        installation: InstallationNonce,
        seen: u64,
    ) -> Self {
        Self {
            secret,
            group,
            home,
            installation,
            seen,
            chains: BTreeMap::new(),
        }
    }

    /// Saves a change; `of` is the record that it edits.
    pub(super) fn save(
        &mut self,
        realm: &Realm,
        save: &Save,
        of: Option<Made>,
        links: impl IntoIterator<Item = (FieldKey, RecordId)>,
    ) -> Result<Made, Trouble> {
        let vocabulary = Vocabulary::builtin();
        let mut values = save.values.clone();
        values.extend(
            links
                .into_iter()
                .map(|(field, record)| (field, Value::Links(vec![record]))),
        );
        let lane = match (of, save.creates) {
            (Some(made), _) => made.lane,
            (None, Some(record_type)) => lane_of(vocabulary, record_type, &values)?,
            (None, None) => return Err("an edit of no record".to_owned()),
        };
        let logbook = Logbook {
            group: self.group,
            lane,
        };
        let id = chain_id(realm, &self.secret.public(), self.installation, logbook);
        let chain = self.chains.entry(id).or_insert(Chain {
            lane,
            seq: 0,
            hash: Hash32::default(),
            known: 0,
            fresh: Vec::new(),
        });
        let is_part = |number: u16| vocabulary.field(number).is_some_and(|field| field.part);
        let (mut parts, plain): (BTreeMap<_, _>, BTreeMap<_, _>) =
            values.into_iter().partition(|(key, _)| is_part(key.number));
        parts.insert(AUTHOR_KEY, Value::Number(u64::from(save.member)));
        let seed = save.random.first_chunk().copied().unwrap_or_default();
        let at = ChangeRef {
            chain: id,
            seq: chain.seq + 1,
        };
        let full = Draft {
            at,
            device: self.secret.id(),
            previous: chain.hash,
            record: of.map(|made| made.record),
            act: match save.creates {
                Some(record_type) => Act::Create {
                    record_type,
                    vocabulary: vocabulary.version(),
                },
                None => Act::Edit,
            },
            clock_s: save.clock_s,
            mono_s: chain.seq.saturating_mul(600),
            seen: self.seen,
            heads: of.map(|made| made.at).into_iter().collect(),
            plain,
            parts,
            seed,
        }
        .seal();
        full.check().map_err(told("a change"))?;
        chain.seq = at.seq;
        chain.hash = full.change.hash(realm);
        let record = full.change.record;
        chain.fresh.push(full);
        Ok(Made { record, lane, at })
    }

    /// The bodies that bring all that was saved: one, unless that is more than one may hold.
    pub(super) fn visits(&mut self, realm: &Realm) -> Vec<Vec<u8>> {
        let mut bodies = Vec::new();
        while self.chains.values().any(|chain| !chain.fresh.is_empty()) {
            bodies.push(self.visit(realm));
        }
        bodies
    }

    fn visit(&mut self, realm: &Realm) -> Vec<u8> {
        let device = self.secret.id();
        let (mut count, mut bytes) = (0, 0);
        let (mut claims, mut runs, mut leaves, mut names) = (vec![], vec![], vec![], vec![]);
        for (id, chain) in &mut self.chains {
            let fits = |full: &FullChange| {
                count += 1;
                bytes += full.to_bytes().len();
                count <= REQUEST_CHANGES_MAX && (count == 1 || bytes <= BODY_BYTES_MAX)
            };
            let taken = chain
                .fresh
                .iter()
                .map(fits)
                .take_while(|fits| *fits)
                .count();
            let changes: Vec<FullChange> = chain.fresh.drain(..taken).collect();
            let tip = chain.known + taken as u32;
            if tip == 0 {
                continue; // nothing of it was ever brought
            }
            claims.push(match chain.known {
                0 => TipClaim::New {
                    installation: self.installation,
                    group: 0,
                    lane: chain.lane,
                    seq: tip,
                },
                _ => TipClaim::Known {
                    prefix: prefix_of(&id.0),
                    seq: tip,
                },
            });
            // the newest brought is the tip, unless some of it waits for the next body
            let hash = match (changes.last(), chain.fresh.first()) {
                (_, Some(next)) => next.change.previous,
                (Some(_) | None, None) => chain.hash,
            };
            leaves.push(tip_leaf(
                realm,
                device,
                ChangeRef {
                    chain: *id,
                    seq: tip,
                },
                &hash,
            ));
            if !changes.is_empty() {
                runs.push(OutRun {
                    claim: names.len(),
                    home: Some(self.home),
                    // what an edit builds on may be another phone's
                    changes: changes.into_iter().map(|full| (full, true)).collect(),
                });
            }
            names.push(*id);
            chain.known = tip;
        }
        let wants = self.wants();
        let nonce = ReadNonce::default();
        let cursors = wants.hash(realm, device);
        let statement = Statement::sign(realm, &self.secret, nonce, cursors, leaves);
        let request = Request {
            device,
            nonce,
            signature: statement.signature,
            wants,
            claims,
            tips: None,
            head: None,
            acts: Vec::new(),
            proofs: Vec::new(),
        };
        request.store(&runs, names)
    }

    /// Nothing: it pulls nothing, and names its group so that new chains can be.
    fn wants(&self) -> Wants {
        Wants {
            digest: 0,
            generation: 0,
            size: 0,
            root: [0; 4],
            cursor: 0,
            behind: Vec::new(),
            groups: vec![GroupClaim {
                prefix: prefix_of(&self.group.0),
                feeds: FeedSet::default(),
            }],
            budget_kib: 0,
            afresh: false,
        }
    }
}

fn lane_of(
    vocabulary: &Vocabulary,
    record_type: u16,
    values: &BTreeMap<FieldKey, Value>,
) -> Result<Lane, Trouble> {
    let kind = vocabulary
        .field_by_id(record_type, "kind")
        .and_then(|field| match values.get(&FieldKey::plain(field.number)) {
            Some(Value::Choice(kind)) => Some(*kind),
            Some(_) | None => None,
        });
    let lane = vocabulary.lane_of(record_type, kind);
    lane.ok_or_else(|| format!("a record of type {record_type} has no lane"))
}
