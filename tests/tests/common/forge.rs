//! A phone that breaks the rules of its own core: it signs what no screen lets through.

use sync_core::chain::{Statement, tip_leaf};
use sync_core::change::{Draft, FullChange, Secret as Salts, Slot};
use sync_core::exchange::{OutRun, Request};
use sync_core::keys::Secret;
use sync_core::replica::Standing;
use sync_core::value::AUTHOR_KEY;

use crate::common::{Line, Phone, Reply, model};

/// The request of a phone that has one change to send, and nothing received: as it would be sent.
pub(crate) fn request_of(phone: &Phone) -> (Request, FullChange) {
    let outgoing = phone.request();
    let opened = Request::open(model(), outgoing.body()).unwrap();
    let mut queued = phone
        .replica
        .changes()
        .filter(|(_, standing)| *standing == Standing::Queued);
    let (full, _) = queued.next().unwrap();
    assert!(queued.next().is_none() && opened.request.claims.len() == 1);
    (opened.request, full.clone())
}

/// The draft from which a change was sealed.
pub(crate) fn draft_of(full: &FullChange) -> Draft {
    let change = &full.change;
    let Salts::Seed(seed) = full.parts.secret else {
        panic!("something of it is erased");
    };
    let plain = change.slots.iter().filter_map(|(key, slot)| match slot {
        Slot::Plain(value) => Some((*key, value.clone())),
        Slot::Part(_) => None,
    });
    Draft {
        at: change.at,
        device: change.device,
        previous: change.previous,
        record: None,
        act: change.act,
        clock_s: change.clock_s,
        mono_s: change.mono_s,
        seen: change.seen,
        heads: change.heads.clone(),
        plain: plain.collect(),
        parts: full.parts.values.clone(),
        seed,
    }
}

/// The phone's request with its one change altered, all of it signed anew by `secret`.
pub(crate) fn altered(phone: &Phone, secret: &Secret, alter: impl FnOnce(&mut Draft)) -> Vec<u8> {
    signed(phone, secret, false, alter)
}

/// The same; with `tips` it shows its tips in full, which a server asks for before it says that a
/// signature is none.
pub(crate) fn signed(
    phone: &Phone,
    secret: &Secret,
    tips: bool,
    alter: impl FnOnce(&mut Draft),
) -> Vec<u8> {
    let (mut request, full) = request_of(phone);
    let mut draft = draft_of(&full);
    alter(&mut draft);
    assert!(draft.parts.contains_key(&AUTHOR_KEY));
    let full = draft.seal();
    let realm = &phone.replica.identity().realm;
    let (at, device) = (full.change.at, request.device);
    let hash = full.change.hash(realm);
    request.tips = tips.then(|| vec![(at.chain, hash)]);
    let leaf = tip_leaf(realm, device, at, &hash);
    let cursors = request.wants.hash(realm, device);
    let statement = Statement::sign(realm, secret, request.nonce, cursors, vec![leaf]);
    request.signature = statement.signature;
    let run = OutRun {
        home: None,
        claim: 0,
        changes: vec![(full, true)],
    };
    request.pack(model(), &[run], vec![at.chain])
}

/// Sends a body as it is.
pub(crate) fn send(line: &Line, body: &[u8]) -> Reply {
    let mut connection = line.open().unwrap();
    connection.ask("/v1/sync", "", body).unwrap()
}
