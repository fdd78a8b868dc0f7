//! A small world for tests: one log, two groups, phones that hold the real replica, and a hand that
//! writes changes and requests which no replica would.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::chain::{Statement, chain_id, tip_leaf};
use crate::change::{Act, ChangeRef, Draft, FullChange};
use crate::codec::Model;
use crate::exchange::{
    Fate, FeedSet, GroupClaim, OutRun, ProblemCode, Request, TipClaim, Wants, prefix_of,
};
use crate::hub::arrival::{EnrolRequest, candidate};
use crate::hub::facts;
use crate::hub::ledger::{LedgerFault, MemoryLedger};
use crate::hub::{Acting, Hub, Refusal, Stop, Verified};
use crate::ids::{
    AreaRef, ChainId, GroupId, Hash32, InstallationNonce, KeyId, LogId, Logbook, OrgId, ReadNonce,
    Realm, RecordId, sha256,
};
use crate::keys::Secret;
use crate::log::Receipt;
use crate::replica::{AnswerError, Edit, Identity, Next, Outgoing, Replica, StoreOp};
use crate::value::{AUTHOR_KEY, FieldKey, Value};
use crate::vocabulary::{Lane, Vocabulary};

pub(crate) const REALM: Realm = Realm {
    org: OrgId([1; 16]),
    log: LogId([2; 16]),
};
/// Server time at which every world begins.
pub(crate) const START_S: i64 = 1_793_000_000;
pub(crate) const GROUP: GroupId = GroupId([0xA1; 16]);
pub(crate) const OTHER_GROUP: GroupId = GroupId([0xB2; 16]);
pub(crate) const COMMUNE: AreaRef = AreaRef([4; 16]);

pub(crate) const PATROL: u16 = 1;
pub(crate) const TIP: u16 = 4;
pub(crate) const MEDIATION: u16 = 6;
pub(crate) const SUMMARY: FieldKey = FieldKey::plain(5);
pub(crate) const PRESENT: FieldKey = FieldKey::plain(24);
pub(crate) const TIP_CATEGORY: FieldKey = FieldKey::plain(44);
pub(crate) const MEDIATION_MODE: FieldKey = FieldKey::plain(63);

/// Members of the first group by number: leader, member, mediator.
pub(crate) const LEADER: u16 = 1;
pub(crate) const MEMBER: u16 = 2;
pub(crate) const MEDIATOR: u16 = 3;

/// The key of every world's log.
pub(crate) fn log() -> Secret {
    Secret::from_bytes(&[7; 32])
}

static MODEL: LazyLock<Model> = LazyLock::new(Model::primed);

/// The coder, primed once for all tests.
pub(crate) fn model() -> &'static Model {
    &MODEL
}

pub(crate) fn text(words: &str) -> Value {
    Value::Text(words.to_owned())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes that are the same in every run.
pub(crate) fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut nth = 0u64;
    while bytes.len() < count {
        let block = [seed.to_be_bytes(), nth.to_be_bytes()].concat();
        bytes.extend_from_slice(sha256(&block).as_bytes());
        nth = nth.wrapping_add(1);
    }
    bytes.truncate(count);
    bytes
}

#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) hub: Hub,
    pub(crate) ledger: MemoryLedger,
    pub(crate) now_s: i64,
    draws: u64,
}

/// A phone: the real replica over rows that outlive it.
#[derive(Debug, Clone)]
pub(crate) struct Phone {
    pub(crate) identity: Identity,
    pub(crate) rows: BTreeMap<(u8, Vec<u8>), Vec<u8>>,
    pub(crate) replica: Replica,
}

/// What a visit came to.
#[derive(Debug, Clone)]
pub(crate) struct Delivered {
    pub(crate) verified: Verified,
    pub(crate) fates: Vec<Fate>,
    pub(crate) body: Vec<u8>,
}

impl World {
    /// A log with two groups; the first has a leader, a member and a mediator.
    pub(crate) fn new() -> Self {
        let vocabulary = Vocabulary::builtin().clone();
        let hub = Hub::new(REALM, log(), [9; 32], vocabulary);
        let mut world = Self {
            hub,
            ledger: MemoryLedger::default(),
            now_s: START_S,
            draws: 0,
        };
        let founded = world.desk(|hub, ledger, acting| {
            hub.begin_log(ledger, acting)?;
            for group in [GROUP, OTHER_GROUP] {
                let row = facts::Group {
                    area: AreaRef([3; 16]),
                    commune: COMMUNE,
                    name: "Tổ bảo vệ an ninh trật tự ấp 3".to_owned(),
                };
                hub.set_group(ledger, acting, group, row)?;
                for role in [3, 1, 5] {
                    hub.add_member(ledger, acting, group, "Trần Thị Mẫu", role)?;
                }
            }
            Ok(())
        });
        assert_eq!(founded, Ok(()), "a group can be founded");
        world
    }

    /// The next bytes that nobody used before; the same in every run.
    pub(crate) fn random(&mut self) -> [u8; 32] {
        self.draws = self.draws.wrapping_add(1);
        sha256(&self.draws.to_be_bytes()).0
    }

    /// An act of the desk; what is refused leaves nothing behind.
    pub(crate) fn desk<T>(
        &mut self,
        work: impl FnOnce(&Hub, &mut MemoryLedger, &Acting<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.desk_as((1, "cax.thu"), work)
    }

    /// The same, of this account.
    pub(crate) fn desk_as<T>(
        &mut self,
        (account, name): (u32, &str),
        work: impl FnOnce(&Hub, &mut MemoryLedger, &Acting<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let acting = Acting {
            account,
            name,
            now_s: self.now_s,
            random: self.random(),
        };
        let mut ledger = self.ledger.clone();
        let done = work(&self.hub, &mut ledger, &acting)?;
        self.ledger = ledger;
        Ok(done)
    }

    /// An invitation and a request to enrol; nobody has confirmed the phone yet.
    pub(crate) fn pending(&mut self, group: GroupId, members: &[u16]) -> Phone {
        let device = Secret::from_bytes(&self.random());
        let token = crate::ids::first16(&Hash32(self.random()));
        let request = EnrolRequest::sign(&REALM, &device, token);
        let now_s = self.now_s;
        let members = members.to_vec();
        let answer = self.desk(|hub, ledger, _| {
            hub.invite(ledger, group, members, &token, now_s.saturating_add(86_400))?;
            hub.enrol(ledger, &request, now_s)
        });
        let identity = Identity {
            realm: REALM,
            log: self.hub.log_key(),
            device,
        };
        let ops = Replica::enrolled(self.hub.vocabulary(), &answer.unwrap());
        let mut phone = Phone {
            replica: Replica::load(identity.clone(), Vocabulary::builtin().clone(), [], 0).unwrap(),
            identity,
            rows: BTreeMap::new(),
        };
        phone.apply(&ops);
        phone.restart(0);
        phone
    }

    /// A confirmed phone of these members.
    pub(crate) fn enrolled(&mut self, group: GroupId, members: &[u16]) -> Phone {
        let phone = self.pending(group, members);
        self.confirm(&phone);
        phone
    }

    pub(crate) fn confirm(&mut self, phone: &Phone) {
        let device = phone.id();
        let digits = candidate(&self.ledger, device).unwrap().unwrap().digits;
        let done = self.desk(|hub, ledger, acting| hub.confirm(ledger, acting, device, digits));
        assert_eq!(done, Ok(()));
    }

    /// A body on its way through the hub, as a server does it.
    pub(crate) fn deliver(&mut self, body: &[u8]) -> Result<Delivered, Stop> {
        let arrived = self.hub.open(model(), body)?;
        if arrived.brings_back() {
            let acting = Acting {
                account: 0,
                name: "",
                now_s: self.now_s,
                random: self.random(),
            };
            let mut ledger = self.ledger.clone();
            self.hub.take_back(&mut ledger, &arrived, &acting)?;
            self.ledger = ledger;
        }
        let verified = self.hub.verify_visit(&self.ledger, &arrived)?;
        let told = match self.hub.look(&verified) {
            Some(told) => told,
            None => self
                .hub
                .admit_all(&mut self.ledger, &[&verified], self.now_s)?
                .remove(0),
        };
        let body = self
            .hub
            .answer(model(), &self.ledger, &verified, &told, self.now_s)?;
        Ok(Delivered {
            verified,
            fates: told.fates().to_vec(),
            body,
        })
    }

    /// What the phone is told when a body is refused; nothing in the log may have changed.
    pub(crate) fn refused(&mut self, body: &[u8]) -> Option<ProblemCode> {
        let before = self.ledger.clone();
        let code = self.deliver(body).err().map(|stop| stop.code);
        if code.is_some() {
            assert!(
                self.ledger == before,
                "a refused request changed the ledger"
            );
        }
        code
    }

    /// One round trip of a phone.
    pub(crate) fn visit(&mut self, phone: &mut Phone) -> Result<Next, AnswerError> {
        let outgoing = phone.poll();
        let body = match self.deliver(outgoing.body()) {
            Ok(delivered) => delivered.body,
            Err(stop) => crate::exchange::Problem::pack(stop.code, &stop.detail),
        };
        phone.take(&outgoing, &body)
    }

    /// Round trips until nothing more waits on either side.
    pub(crate) fn settle(&mut self, phone: &mut Phone) {
        for _ in 0..20 {
            if !self.visit(phone).unwrap().again {
                return;
            }
        }
        panic!("the phone does not come to rest");
    }

    /// Saves an edit on a phone.
    pub(crate) fn save(&mut self, phone: &mut Phone, edit: &Edit) -> FullChange {
        let random = self.random();
        let job = phone
            .replica
            .save(edit, self.now_s.saturating_sub(60), 77, &random)
            .unwrap();
        phone.apply(job.ops());
        let full = job.change().clone();
        phone.replica.handle_appended(job).unwrap();
        full
    }

    /// A patrol with a note, saved on a phone.
    pub(crate) fn patrol(&mut self, phone: &mut Phone, member: u16, note: &str) -> FullChange {
        let values = [(PRESENT, Value::Number(4)), (SUMMARY, text(note))];
        self.save(phone, &creation(GROUP, member, PATROL, values))
    }

    pub(crate) fn size(&self) -> u64 {
        facts::log_state(&self.ledger).unwrap().size
    }

    /// The whole log holds.
    pub(crate) fn verify(&self) {
        let report = self.hub.verify_log(&self.ledger).unwrap();
        assert_eq!(report.faults, []);
    }
}

/// An edit that creates a record.
pub(crate) fn creation(
    group: GroupId,
    member: u16,
    record_type: u16,
    values: impl IntoIterator<Item = (FieldKey, Value)>,
) -> Edit {
    Edit {
        group,
        member,
        record: None,
        record_type,
        values: values.into_iter().collect(),
    }
}

/// An edit of a record.
pub(crate) fn correction(
    member: u16,
    record: RecordId,
    values: impl IntoIterator<Item = (FieldKey, Value)>,
) -> Edit {
    Edit {
        record: Some(record),
        ..creation(GROUP, member, 0, values)
    }
}

impl Phone {
    pub(crate) fn id(&self) -> KeyId {
        self.identity.device.id()
    }
    pub(crate) fn apply(&mut self, ops: &[StoreOp]) {
        for op in ops {
            match op {
                StoreOp::Put { table, key, value } => {
                    self.rows.insert((*table, key.clone()), value.clone());
                }
                StoreOp::Delete { table, key } => {
                    self.rows.remove(&(*table, key.clone()));
                }
            }
        }
    }
    /// The app begins again from its rows.
    pub(crate) fn restart(&mut self, high_water: u64) {
        let rows = self
            .rows
            .iter()
            .map(|((table, key), value)| (*table, key.clone(), value.clone()));
        let vocabulary = Vocabulary::builtin().clone();
        self.replica = Replica::load(self.identity.clone(), vocabulary, rows, high_water).unwrap();
    }
    pub(crate) fn poll(&self) -> Outgoing {
        self.replica.poll_request(model(), 64 * 1024, 0).unwrap()
    }
    pub(crate) fn take(&mut self, outgoing: &Outgoing, body: &[u8]) -> Result<Next, AnswerError> {
        let next = self.replica.handle_answer(model(), outgoing, body)?;
        self.apply(&next.ops);
        Ok(next)
    }
    /// A hand that holds this phone's key, on a chain of an installation of its own.
    pub(crate) fn hand(&self, lane: Lane) -> Hand {
        Hand::new(self.identity.device.clone(), GROUP, lane)
    }
}

/// Writes changes on one chain and requests that carry them, by hand and without any check.
#[derive(Debug, Clone)]
pub(crate) struct Hand {
    pub(crate) secret: Secret,
    pub(crate) realm: Realm,
    pub(crate) installation: InstallationNonce,
    pub(crate) logbook: Logbook,
    pub(crate) seq: u32,
    pub(crate) previous: Hash32,
}

impl Hand {
    pub(crate) fn new(secret: Secret, group: GroupId, lane: Lane) -> Self {
        Self {
            secret,
            realm: REALM,
            installation: InstallationNonce([0x77; 16]),
            logbook: Logbook { group, lane },
            seq: 0,
            previous: Hash32::default(),
        }
    }
    pub(crate) fn chain(&self) -> ChainId {
        let key = self.secret.public();
        chain_id(&self.realm, &key, self.installation, self.logbook)
    }
    /// Place of the next change.
    pub(crate) fn at(&self) -> ChangeRef {
        ChangeRef {
            chain: self.chain(),
            seq: self.seq.saturating_add(1),
        }
    }
    /// What a creation at the next place is made of.
    pub(crate) fn draft(&self, record_type: u16) -> Draft {
        let seed = crate::ids::first16(&sha256(&[self.chain().as_bytes(), &[9][..]].concat()));
        Draft {
            at: self.at(),
            device: self.secret.id(),
            previous: self.previous,
            record: None,
            act: Act::Create {
                record_type,
                vocabulary: 1,
            },
            clock_s: START_S,
            mono_s: 5,
            seen: 1,
            heads: Vec::new(),
            plain: BTreeMap::new(),
            parts: BTreeMap::from([(AUTHOR_KEY, Value::Number(u64::from(MEMBER)))]),
            seed,
        }
    }
    /// What an edit at the next place is made of.
    pub(crate) fn edit(&self, record: RecordId, heads: Vec<ChangeRef>) -> Draft {
        Draft {
            record: Some(record),
            act: Act::Edit,
            heads,
            ..self.draft(0)
        }
    }
    /// A patrol at the next place.
    pub(crate) fn patrol(&self) -> Draft {
        let mut draft = self.draft(PATROL);
        draft.plain.insert(PRESENT, Value::Number(3));
        draft
    }
    /// Moves on to the place after a change.
    pub(crate) fn wrote(&mut self, full: &FullChange) {
        self.seq = full.change.at.seq;
        self.previous = full.change.hash(&self.realm);
    }
    /// A letter that carries these changes of a chain which the server does not know yet.
    pub(crate) fn letter(&self, changes: Vec<FullChange>) -> Letter {
        let last = changes.last().unwrap();
        let tip = (
            last.change.at.chain,
            last.change.at.seq,
            last.change.hash(&self.realm),
        );
        let claim = TipClaim::New {
            installation: self.installation,
            group: 0,
            lane: self.logbook.lane,
            seq: tip.1,
        };
        Letter {
            secret: self.secret.clone(),
            realm: self.realm,
            nonce: ReadNonce::default(),
            wants: wants(self.logbook.group),
            claims: vec![(claim, tip.0, tip.2)],
            explicit: false,
            head: None,
            acts: Vec::new(),
            proofs: Vec::new(),
            runs: vec![OutRun {
                claim: 0,
                home: None,
                changes: changes.into_iter().map(|full| (full, false)).collect(),
            }],
        }
    }
    /// The body that carries one change which names its record.
    pub(crate) fn body(&self, full: FullChange) -> Vec<u8> {
        let mut letter = self.letter(vec![full]);
        letter.runs[0].changes[0].1 = true;
        letter.body()
    }
}

/// What a phone asks for that has seen nothing.
pub(crate) fn wants(group: GroupId) -> Wants {
    Wants {
        digest: 0,
        generation: 0,
        size: 0,
        root: [0; 4],
        cursor: 0,
        behind: Vec::new(),
        groups: vec![GroupClaim {
            prefix: prefix_of(&group.0),
            feeds: FeedSet::of(&[Lane::Open]),
        }],
        budget_kib: 0,
        afresh: false,
    }
}

/// A request before it is signed.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) secret: Secret,
    pub(crate) realm: Realm,
    pub(crate) nonce: ReadNonce,
    pub(crate) wants: Wants,
    pub(crate) claims: Vec<(TipClaim, ChainId, Hash32)>,
    /// Whether chain and hash of each tip are sent in full.
    pub(crate) explicit: bool,
    pub(crate) head: Option<Receipt>,
    pub(crate) acts: Vec<crate::act::FullAct>,
    pub(crate) proofs: Vec<crate::exchange::Proof>,
    pub(crate) runs: Vec<OutRun>,
}

impl Letter {
    /// Without anything to bring.
    pub(crate) fn idle(secret: &Secret, group: GroupId) -> Self {
        Self {
            secret: secret.clone(),
            realm: REALM,
            nonce: ReadNonce::default(),
            wants: wants(group),
            claims: Vec::new(),
            explicit: false,
            head: None,
            acts: Vec::new(),
            proofs: Vec::new(),
            runs: Vec::new(),
        }
    }
    pub(crate) fn request(&self) -> Request {
        let device = self.secret.id();
        let leaves = self.claims.iter().map(|(claim, chain, hash)| {
            let (chain, seq) = (*chain, claim.seq());
            tip_leaf(&self.realm, device, ChangeRef { chain, seq }, hash)
        });
        let cursors = self.wants.hash(&self.realm, device);
        let signed = Statement::sign(
            &self.realm,
            &self.secret,
            self.nonce,
            cursors,
            leaves.collect(),
        );
        let tips = self.claims.iter().map(|(_, chain, hash)| (*chain, *hash));
        Request {
            device,
            nonce: self.nonce,
            signature: signed.signature,
            wants: self.wants.clone(),
            claims: self.claims.iter().map(|(claim, ..)| *claim).collect(),
            tips: self.explicit.then(|| tips.collect()),
            head: self.head.clone(),
            acts: self.acts.clone(),
            proofs: self.proofs.clone(),
        }
    }
    pub(crate) fn body(&self) -> Vec<u8> {
        let chains = self.claims.iter().map(|(_, chain, _)| *chain).collect();
        self.request().pack(model(), &self.runs, chains)
    }
}

/// A store whose disk fails when it is to commit: the work was done, and none of it is kept.
#[derive(Debug)]
pub(crate) struct FailingDisk(pub(crate) MemoryLedger);

impl crate::hub::ledger::Store for FailingDisk {
    type Ledger<'a> = MemoryLedger;
    fn transact<T>(
        &mut self,
        work: impl FnOnce(&mut MemoryLedger) -> Result<T, LedgerFault>,
    ) -> Result<T, LedgerFault> {
        work(&mut self.0.clone())?;
        Err(LedgerFault::Full)
    }
}
