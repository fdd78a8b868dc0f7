//! The loader: phones in one thread, the hub in another, a round of visits in between.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use server::keys::{self, LOG_KEY_NAME};
use server::store::SqliteStore;
use sync_core::codec::Model;
use sync_core::exchange::Home;
use sync_core::hub::ledger::{Store as _, Table, View as _};
use sync_core::hub::{Acting, Hub, Refusal, ReviewInput, Verified, facts};
use sync_core::ids::InstallationNonce;
use sync_core::value::FieldKey;
use sync_core::vocabulary::Vocabulary;

use super::founding::{Founded, found};
use super::lean::{Lean, Made};
use super::schedule::{Handle, Round, Rounds};
use super::{Trouble, told};
use crate::generate::World;
use crate::sim::Dice;

/// Days between two visits of a phone.
const ROUND_DAYS: u32 = 15;
/// Visits in one transaction.
const VISITS_EACH: usize = 128;
/// Rounds that wait for the hub.
const ROUNDS_AHEAD: usize = 2;
/// Account of the officer who returns records; the directory must have it already.
const OFFICER: (u32, &str) = (1, "can-bo-mau");

/// What was filled in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Loaded {
    /// Entries of the log.
    pub entries: u64,
    /// Records that phones created.
    pub records: u64,
    /// Edits: withdrawals, corrections, edits by two at once.
    pub edits: u64,
    /// Visits.
    pub visits: u64,
    /// Records that an officer returned.
    pub returned: u64,
    /// Records whose words were erased.
    pub erased: u64,
}

/// What a round brings to the hub.
struct Brought {
    /// Bodies in waves: of one phone, the second goes in after the first.
    waves: Vec<Vec<Vec<u8>>>,
    resent: Vec<Vec<u8>>,
    returns: Vec<(Made, u16)>,
    scraps: Vec<(Made, FieldKey)>,
    records: u64,
    edits: u64,
    done: f64,
}

/// Fills a directory, which has an officer and no group.
///
/// # Errors
/// What could not be done; what is there then is a whole log, as far as it came.
pub fn load(data: &Path, world: &World, mut at: impl FnMut(f64, u64)) -> Result<Loaded, Trouble> {
    let founded = found(data, world)?;
    let hub = keys::load(&data.join(LOG_KEY_NAME)).map_err(told("the key"))?;
    let hub = hub.ok_or("there is no key")?;
    let (store, _) = SqliteStore::open(data).map_err(told("the store"))?;
    let (send, receive) = sync_channel(ROUNDS_AHEAD);
    thread::scope(|scope| {
        let phones = scope.spawn(move || bring(world, &founded, &send));
        let taken = take(&hub, store, receive, &mut at);
        let brought = phones.join().map_err(|_panic| "the phones' thread ended")?;
        // the hub's trouble is why the phones could not go on
        let loaded = taken?;
        brought?;
        Ok(loaded)
    })
}

fn bring(world: &World, founded: &Founded, send: &SyncSender<Brought>) -> Result<(), Trouble> {
    let mut dice = Dice::new(world.seed ^ 0x696e_7374_616c_6c21);
    let mut phones: Vec<Lean> = world
        .phones
        .iter()
        .zip(&founded.phones)
        .map(|(row, secret)| {
            let group = &world.groups[row.group];
            let home = Home {
                area: group.area(),
                commune: group.commune.area,
            };
            let id = founded.groups[row.group];
            Lean::new(
                secret.clone(),
                id,
                home,
                InstallationNonce(dice.bytes()),
                founded.size,
            )
        })
        .collect();
    let mut made: BTreeMap<Handle, Made> = BTreeMap::new();
    let mut older = BTreeSet::new();
    for round in Rounds::new(world, ROUND_DAYS) {
        let brought = one_round(&mut phones, founded, round, &mut made)?;
        // a record is asked for in its own round and in the next
        let now: BTreeSet<Handle> = made.keys().copied().collect();
        made.retain(|handle, _| !older.contains(handle));
        older = now;
        if send.send(brought).is_err() {
            return Ok(()); // the hub ended, and says why
        }
    }
    Ok(())
}

fn one_round(
    phones: &mut [Lean],
    founded: &Founded,
    round: Round,
    made: &mut BTreeMap<Handle, Made>,
) -> Result<Brought, Trouble> {
    let (mut records, mut edits) = (0, 0);
    let mut brought = Brought {
        waves: Vec::new(),
        resent: Vec::new(),
        returns: Vec::new(),
        scraps: Vec::new(),
        records: 0,
        edits: 0,
        done: round.done,
    };
    for (phone, saves) in &round.saves {
        let lean = &mut phones[*phone];
        for save in saves {
            let of = made
                .get(&save.handle)
                .copied()
                .filter(|_| save.creates.is_none());
            let links: Option<Vec<_>> = save
                .links
                .iter()
                .map(|(field, handle)| Some((*field, made.get(handle)?.record)))
                .collect();
            let links = links.ok_or("a link to a record that is not there")?;
            let done = lean.save(&founded.realm, save, of, links)?;
            if save.creates.is_some() {
                made.insert(save.handle, done);
                records += 1;
            } else {
                edits += 1;
            }
        }
        let bodies = lean.visits(&founded.realm);
        if round.resent.contains(phone) {
            brought.resent.extend(bodies.last().cloned());
        }
        for (nth, body) in bodies.into_iter().enumerate() {
            if brought.waves.len() == nth {
                brought.waves.push(Vec::new());
            }
            brought.waves[nth].push(body);
        }
    }
    let of = |handle: &Handle| made.get(handle).copied().ok_or("a record is not there");
    for row in &round.returns {
        brought.returns.push((of(&row.handle)?, row.reason));
    }
    for row in &round.scraps {
        brought.scraps.push((of(&row.handle)?, row.field));
    }
    (brought.records, brought.edits) = (records, edits);
    Ok(brought)
}

fn take(
    hub: &Hub,
    mut store: SqliteStore,
    rounds: Receiver<Brought>,
    at: &mut impl FnMut(f64, u64),
) -> Result<Loaded, Trouble> {
    let model = Model::primed();
    let mut loaded = Loaded::default();
    for round in rounds {
        for wave in &round.waves {
            for bodies in wave.chunks(VISITS_EACH) {
                admit(hub, &model, &mut store, bodies)?;
                loaded.visits += bodies.len() as u64;
            }
        }
        let aside = store.scan(Table::Quarantine, &[], &[0xff; 16], 1);
        if !aside.map_err(told("the quarantine"))?.is_empty() {
            return Err("a change was set aside; see `binhyen quarantine list`".to_owned());
        }
        let before = size(&store)?;
        admit(hub, &model, &mut store, &round.resent)?;
        if size(&store)? != before {
            return Err("what was sent twice is in the log twice".to_owned());
        }
        loaded.records += round.records;
        loaded.edits += round.edits;
        loaded.returned += round.returns.len() as u64;
        loaded.erased += round.scraps.len() as u64;
        desk(hub, &mut store, &round)?;
        at(round.done, loaded.records);
    }
    loaded.entries = size(&store)?;
    Ok(loaded)
}

fn size(store: &SqliteStore) -> Result<u64, Trouble> {
    Ok(facts::log_state(store).map_err(told("the log"))?.size)
}

/// Visits of different phones, in one transaction.
fn admit(
    hub: &Hub,
    model: &Model,
    store: &mut SqliteStore,
    bodies: &[Vec<u8>],
) -> Result<(), Trouble> {
    let mut visits: Vec<Verified> = Vec::with_capacity(bodies.len());
    for body in bodies {
        let stopped = |stop: sync_core::hub::Stop| format!("{:?}: {}", stop.code, stop.detail);
        let arrived = hub.open(model, body).map_err(stopped)?;
        visits.push(hub.verify_visit(store, &arrived).map_err(stopped)?);
    }
    let all: Vec<&Verified> = visits.iter().collect();
    let told_of = hub
        .admit_all(store, &all, server::now_s())
        .map_err(told("admitting"))?;
    (told_of.len() == bodies.len())
        .then_some(())
        .ok_or_else(|| "nothing was told".to_owned())
}

/// What officers did about a round: records returned, words erased.
fn desk(hub: &Hub, store: &mut SqliteStore, round: &Brought) -> Result<(), Trouble> {
    if round.returns.is_empty() && round.scraps.is_empty() {
        return Ok(());
    }
    let returned = Vocabulary::builtin()
        .state_by_id("returned")
        .map(|state| state.number);
    let mut dice = Dice::new(server::now_s().unsigned_abs() ^ round.records);
    let mut refused: Option<Refusal> = None;
    store
        .transact(|ledger| {
            let mut acting = || Acting {
                account: OFFICER.0,
                name: OFFICER.1,
                now_s: server::now_s(),
                random: dice.bytes(),
            };
            let mut keep = |done: Result<(), Refusal>| refused = refused.take().or(done.err());
            for (made, reason) in &round.returns {
                let input = ReviewInput {
                    record: made.record,
                    heads: vec![made.at],
                    state: returned,
                    reason: Some(*reason),
                    ..ReviewInput::default()
                };
                keep(hub.review(ledger, &acting(), input).map(|_index| ()));
            }
            for (made, field) in &round.scraps {
                keep(hub.erase(ledger, &acting(), made.at, vec![*field]));
            }
            Ok(())
        })
        .map_err(told("the desk"))?;
    refused.map_or(Ok(()), |why| Err(format!("the desk refused: {why}")))
}
