//! Phones against the real hub, in one process: no socket, a store in memory that can be copied,
//! filled up and read again, as the disk of a phone can.

mod keeping;
mod story;
mod trouble;

use std::sync::{Arc, Mutex};

use sync_core::exchange::Problem as WireProblem;
use sync_core::hub::facts;
use sync_core::hub::ledger::MemoryLedger;
use sync_core::hub::{Acting, Hub, ReviewInput, Stop, arrival};
use sync_core::ids::{AreaRef, GroupId, LogId, OrgId, Realm};
use sync_core::invitation::Invitation;
use sync_core::keys::Secret;

use super::*;
use crate::store::{MemoryStore, Op, StoreError, Visit as StoreVisit};

const GROUP: GroupId = GroupId([7; 16]);
const HAMLET: AreaRef = AreaRef([1; 16]);
const COMMUNE: AreaRef = AreaRef([2; 16]);
const MEMBER: u16 = 1;
const LEADER: u16 = 2;
const NOW_S: i64 = 1_795_000_000;

/// The disk of a phone: its clone is the same disk.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<MemoryStore>>);

impl Disk {
    /// What a backup would hold.
    fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().unwrap().clone())))
    }
    fn holds(&self, words: &str) -> bool {
        let store = self.0.lock().unwrap();
        let mut found = false;
        for table in 0..=u8::MAX {
            let seen = store.scan(table, &mut |_, value| {
                found |= value.windows(words.len()).any(|at| at == words.as_bytes());
                Ok(())
            });
            seen.unwrap();
        }
        found
    }
    fn fill(&self) {
        let mut store = self.0.lock().unwrap();
        store.fail_next_apply(StoreError::StorageFull);
    }
    fn open(&self, high_water: u64) -> Phone {
        self.open_at(high_water, NOW_S)
    }
    fn open_at(&self, high_water: u64, now_s: i64) -> Phone {
        let store = Box::new(self.clone());
        Phone::over(store, "disk".to_owned(), high_water, None, now_s).unwrap()
    }
}

impl Store for Disk {
    fn apply(&mut self, batch: &[Op]) -> Result<(), StoreError> {
        self.0.lock().unwrap().apply(batch)
    }
    fn get(&self, table: u8, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.lock().unwrap().get(table, key)
    }
    fn scan(&self, table: u8, visit: &mut StoreVisit<'_>) -> Result<(), StoreError> {
        self.0.lock().unwrap().scan(table, visit)
    }
    fn compact(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// One server with one group of a member and a leader.
struct World {
    hub: Hub,
    ledger: MemoryLedger,
    now_s: i64,
    drawn: u8,
}

impl World {
    fn new() -> Self {
        let realm = Realm {
            org: OrgId([3; 16]),
            log: LogId([4; 16]),
        };
        let hub = Hub::new(
            realm,
            Secret::from_bytes(&[5; 32]),
            [6; 32],
            Vocabulary::builtin().clone(),
        );
        let mut world = Self {
            hub,
            ledger: MemoryLedger::default(),
            now_s: NOW_S,
            drawn: 0,
        };
        let row = facts::Group {
            area: HAMLET,
            commune: COMMUNE,
            name: "Tổ an ninh ấp Giữa".to_owned(),
        };
        world.act(|hub, ledger, acting| {
            hub.begin_log(ledger, acting).unwrap();
            hub.set_group(ledger, acting, GROUP, row).unwrap();
            let member = hub.add_member(ledger, acting, GROUP, "Trần Thị Mẫu", 1);
            let leader = hub.add_member(ledger, acting, GROUP, "Nguyễn Văn Mẫu", 3);
            assert_eq!((member, leader), (Ok(MEMBER), Ok(LEADER)));
        });
        world
    }

    fn act<T>(&mut self, act: impl FnOnce(&Hub, &mut MemoryLedger, &Acting<'_>) -> T) -> T {
        self.now_s += 60;
        self.drawn += 1;
        let acting = Acting {
            account: 9,
            name: "Cán bộ Mẫu",
            now_s: self.now_s,
            random: [self.drawn; 32],
        };
        act(&self.hub, &mut self.ledger, &acting)
    }

    /// The text of a QR code for a new phone.
    fn code(&mut self) -> String {
        self.drawn += 1;
        let token = [self.drawn; 16];
        let expires_s = self.now_s + 3_600;
        self.hub
            .invite(&mut self.ledger, GROUP, vec![], &token, expires_s)
            .unwrap();
        Invitation {
            url: "https://binhyen.example:8443".to_owned(),
            realm: self.hub.realm(),
            log: self.hub.log_key(),
            ca_der: vec![1, 2, 3],
            token,
            group: GROUP,
            group_name: "Tổ an ninh ấp Giữa".to_owned(),
            time_s: self.now_s,
            vocabulary: Vocabulary::builtin().version(),
        }
        .to_text()
        .unwrap()
    }

    fn enrol(&mut self, disk: &Disk) -> Phone {
        let code = self.code();
        let phone = disk.open(0);
        let step = phone.enrol_begin(code).unwrap();
        let request = arrival::EnrolRequest::from_bytes(&step.body).unwrap();
        let answer = self
            .hub
            .enrol(&mut self.ledger, &request, self.now_s)
            .unwrap();
        phone.enrol_finish(200, answer.to_bytes()).unwrap();
        phone
    }

    fn confirm(&mut self, phone: &Phone) {
        let shown = phone.digits().unwrap().parse().unwrap();
        let device = phone.lock().replica().unwrap().device();
        self.act(|hub, ledger, acting| hub.confirm(ledger, acting, device, shown))
            .unwrap();
    }

    /// A phone that was enrolled, confirmed, and has heard of it.
    fn phone(&mut self, disk: &Disk) -> Phone {
        let phone = self.enrol(disk);
        self.confirm(&phone);
        self.sync(&phone);
        phone
    }

    /// The body of the answer to a body.
    fn answer(&mut self, body: &[u8]) -> Vec<u8> {
        match self.try_answer(body) {
            Ok(answer) => answer,
            Err(stop) => WireProblem::pack(stop.code, &stop.detail),
        }
    }

    fn try_answer(&mut self, body: &[u8]) -> Result<Vec<u8>, Stop> {
        self.now_s += 1;
        let now_s = self.now_s;
        let arrived = self.hub.open(model(), body)?;
        let verified = self.hub.verify_visit(&self.ledger, &arrived)?;
        let told = match self.hub.look(&verified) {
            Some(told) => told,
            None => self
                .hub
                .admit_all(&mut self.ledger, &[&verified], now_s)?
                .remove(0),
        };
        Ok(self
            .hub
            .answer(model(), &self.ledger, &verified, &told, now_s)?)
    }

    fn visit(&mut self, phone: &Phone) -> Result<Visited, PhoneError> {
        let visit = phone.request(4_000, 0)?;
        let body = self.answer(&visit.body);
        phone.response(visit.id, 200, body, self.now_s)
    }

    /// Visits until nothing more waits.
    fn sync(&mut self, phone: &Phone) -> Visited {
        let mut all = self.visit(phone).unwrap();
        for _ in 0..20 {
            if !all.again {
                return all;
            }
            let next = self.visit(phone).unwrap();
            all.received_now += next.received_now;
            all.refused_now += next.refused_now;
            all.said_again += next.said_again;
            all.again = next.again;
            all.touched.extend(next.touched);
        }
        panic!("the visits have no end: {all:?}");
    }

    fn review(&mut self, input: ReviewInput) {
        self.act(|hub, ledger, acting| hub.review(ledger, acting, input))
            .unwrap();
    }

    fn verify(&self) {
        let report = self.hub.verify_log(&self.ledger).unwrap();
        assert_eq!(report.faults, [], "the log verifies");
    }
}

fn clock(wall_s: i64) -> Clock {
    Clock {
        wall_s,
        mono_s: 100,
    }
}

fn input(field: &str, value: InputValue) -> FieldInput {
    FieldInput {
        field: field.to_owned(),
        item: 0,
        value,
    }
}

fn text(field: &str, text: &str) -> FieldInput {
    let text = text.to_owned();
    input(field, InputValue::Text { text })
}

fn number(field: &str, text: &str) -> FieldInput {
    let text = text.to_owned();
    input(field, InputValue::Number { text })
}

fn choose_one(field: &str, id: &str) -> FieldInput {
    input(field, InputValue::Choice { id: id.to_owned() })
}

fn time(hour: u8) -> TimeInput {
    let day = DayInput {
        year: 2026,
        month: 11,
        day: 20,
    };
    TimeInput {
        day,
        hour,
        minute: 30,
        offset_minutes: 420,
    }
}

/// All that a patrol is asked for.
fn patrol(summary: &str) -> Vec<FieldInput> {
    let interval = InputValue::Interval {
        start: time(20),
        end: Some(time(22)),
    };
    let findings = InputValue::Choices {
        ids: vec!["noise".to_owned(), "light_out".to_owned()],
    };
    vec![
        input(
            "area_id",
            InputValue::Area {
                id: HAMLET.to_string(),
            },
        ),
        input("occurred", interval),
        number("members_present", "៣"),
        choose_one("mode", "walk"),
        input("findings", findings),
        text("summary", summary),
    ]
}

fn save(phone: &Phone, member: u16, summary: &str) -> String {
    let group = GROUP.to_string();
    phone
        .save(
            group,
            member,
            None,
            "patrol".to_owned(),
            patrol(summary),
            clock(NOW_S),
        )
        .unwrap()
        .record
}

fn edit(phone: &Phone, member: u16, record: &str, values: Vec<FieldInput>) {
    phone
        .answer(record.to_owned(), member, values, clock(NOW_S + 60))
        .unwrap();
}

fn field(phone: &Phone, record: &str, id: &str) -> PageField {
    let page = phone.read(record.to_owned()).unwrap();
    let found = page.fields.into_iter().find(|field| field.id == id);
    found.unwrap_or_else(|| panic!("no field {id}"))
}

fn summary(phone: &Phone, record: &str) -> String {
    field(phone, record, "summary").value.text
}

/// What a phone shows after a new start is what it showed before.
fn assert_same_after_a_new_start(phone: &Phone, disk: &Disk) {
    let again = disk.open(phone.high_water());
    let rows = phone.list(ListFilter::default()).unwrap();
    assert_eq!(again.list(ListFilter::default()).unwrap(), rows);
    assert_eq!(again.waiting(), phone.waiting());
    assert_eq!(again.groups(), phone.groups());
    let group = GROUP.to_string();
    assert_eq!(again.members(group.clone()), phone.members(group));
    assert_eq!(again.status(), phone.status());
    for row in rows {
        let record = row.record;
        assert_eq!(again.read(record.clone()), phone.read(record));
    }
}

fn headlines(phone: &Phone) -> Vec<String> {
    let rows = phone.list(ListFilter::default()).unwrap();
    rows.into_iter().map(|row| row.headline).collect()
}
