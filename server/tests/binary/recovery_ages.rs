//! Thirty days of a group, and four sealed backups from them: thirty days, seven days, a day and an
//! hour old when the disk is lost. Each is restored, the phones come, and nothing is missing that a
//! phone was told is received.
//!
//! The server of those days believes that it is then: Debian's libfaketime stands between it and
//! the machine's clock. The product knows nothing of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use server::now_s;
use server::store::{DATABASE_NAME, Readers};
use sync_core::act::{FullAct, Review};
use sync_core::change::{ChangeRef, FullChange};
use sync_core::hub::facts;
use sync_core::ids::RecordId;
use sync_core::log::{AsideReason, EntryKind};
use sync_core::replica::{RemarkInfo, Standing};

use super::browser::{Browser, officer, value_of};
use super::common::{COMMUNE, Phone, Server, command, program};
use super::console::save_tip;
use super::recovery::with_key;

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;

/// When the backups are made, before the disk is lost.
const BACKUPS: [i64; 4] = [30 * DAY_S, 7 * DAY_S, DAY_S, HOUR_S];
/// When people write and phones come.
const VISITS: [i64; 9] = [
    30 * DAY_S,
    22 * DAY_S,
    14 * DAY_S,
    7 * DAY_S,
    3 * DAY_S,
    DAY_S,
    6 * HOUR_S,
    HOUR_S,
    HOUR_S / 4,
];
/// When a second member comes, and a third phone, and when that phone is lost to its group.
const MEMBER_COMES: i64 = 14 * DAY_S;
const GUEST_COMES: i64 = 3 * DAY_S;
const GUEST_GOES: i64 = 6 * HOUR_S;
/// When words of the first record are erased.
const ERASED: i64 = 7 * DAY_S;
/// How much later a slow machine may be.
const SLOW_S: i64 = HOUR_S;

/// The program, so many seconds ago.
fn program_then(ago_s: i64) -> Command {
    let library = fake_clock();
    let mut program = program();
    program
        .env("LD_PRELOAD", library)
        .env("FAKETIME", format!("-{ago_s}"))
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    program
}

fn fake_clock() -> PathBuf {
    let found = fs::read_dir("/usr/lib").unwrap().find_map(|entry| {
        let path = entry.unwrap().path().join("faketime/libfaketimeMT.so.1");
        path.exists().then_some(path)
    });
    found.expect("please install the Debian package libfaketime")
}

/// What phones hold of the log, at the moment when its disk is lost.
#[derive(Default)]
struct Held {
    changes: BTreeMap<ChangeRef, (FullChange, Option<AsideReason>)>,
    controls: Vec<FullAct>,
    remarks: Vec<(RecordId, RemarkInfo)>,
}

impl Held {
    fn by<'a>(phones: impl Iterator<Item = &'a Phone>) -> Self {
        let mut held = Self::default();
        for phone in phones {
            for (full, standing) in phone.replica.changes() {
                let aside = match standing {
                    Standing::Received => None,
                    Standing::Aside(reason) => Some(reason),
                    other @ (Standing::Queued | Standing::Waiting | Standing::Forked) => {
                        panic!("{:?} is {other:?}", full.change.at)
                    }
                };
                held.changes.insert(full.change.at, (full.clone(), aside));
            }
            let controls = phone.replica.controls(phone.group);
            held.controls.extend(controls.map(|(_, full)| full.clone()));
            for (id, ..) in phone.replica.records() {
                let remarks = phone.replica.remarks(*id).into_iter();
                held.remarks.extend(remarks.map(|remark| (*id, remark)));
            }
        }
        held
    }
}

/// All that a log holds, as it lies on the disk.
#[derive(Default)]
struct Log {
    /// When the newest entry came that no restore has made.
    newest_s: i64,
    changes: BTreeMap<ChangeRef, FullChange>,
    asides: BTreeMap<ChangeRef, AsideReason>,
    acts: Vec<FullAct>,
}

impl Log {
    fn of(data: &Path) -> Self {
        let readers = Readers::open(&data.join(DATABASE_NAME), 1).unwrap();
        let read = readers.read(|view| {
            let mut log = Self::default();
            for index in 0..facts::log_state(view)?.size {
                let entry = facts::entry(view, index)?.unwrap();
                if entry.leaf.generation == 1 {
                    log.newest_s = entry.leaf.admitted_at;
                }
                match entry.leaf.kind {
                    EntryKind::Change => {
                        let full = facts::full_change(view, index)?.unwrap();
                        log.changes.insert(full.change.at, full);
                    }
                    EntryKind::Aside => {
                        log.asides.insert(entry.leaf.at, entry.aside.unwrap().1);
                    }
                    EntryKind::Review | EntryKind::Control => {
                        log.acts.push(facts::full_act(view, index)?.unwrap());
                    }
                }
            }
            Ok(log)
        });
        read.unwrap()
    }

    /// What a phone holds and this log does not, or not with all its words.
    fn lacks(&self, held: &Held) -> Vec<String> {
        let mut lacking = Vec::new();
        for (at, (full, aside)) in &held.changes {
            let here = match aside {
                None => self.changes.get(at) == Some(full),
                Some(reason) => self.asides.get(at) == Some(reason),
            };
            if !here {
                lacking.push(format!("{at:?} {:?}", full.parts.values));
            }
        }
        let controls = held.controls.iter();
        let controls = controls.filter(|full| !self.acts.contains(full));
        lacking.extend(controls.map(|full| format!("{:?}", full.act.said)));
        for (record, remark) in &held.remarks {
            let said = self.acts.iter().any(|full| {
                full.review()
                    .is_some_and(|review| review.record == *record && is_it(full, review, remark))
            });
            if !said {
                lacking.push(format!("{remark:?}"));
            }
        }
        lacking
    }
}

fn is_it(full: &FullAct, review: &Review, remark: &RemarkInfo) -> bool {
    full.act.time_s == remark.time_s
        && full.words(sync_core::act::TEXT_PART) == remark.words.as_deref()
        && full.words(sync_core::act::ACCOUNT_PART) == remark.account_name.as_deref()
        && (review.state, review.reason, review.field)
            == (remark.state, remark.reason, remark.field)
}

/// A group over thirty days.
struct Month {
    server: Server,
    group: String,
    key: String,
    phones: Vec<Phone>,
    first: RecordId,
}

impl Month {
    fn begins() -> Self {
        let mut server = Server::new();
        // a new one on the same empty directory: the certificates are of then, too
        server.kill();
        fs::remove_dir_all(&server.data).unwrap();
        server.restart_by(program_then(VISITS[0] + HOUR_S), &[]);
        officer(&server, "Trần B", "commune_officer", COMMUNE);
        let key = with_key(&server);
        let group = server.group("Tổ 1");
        let mut phones = vec![server.phone(&group), server.phone(&group)];
        let first = phones[0].save("ngày đầu");
        phones[0].sync();
        Self {
            server,
            group,
            key,
            phones,
            first,
        }
    }

    /// People write and phones come, so long before the disk is lost.
    fn day(&mut self, ago_s: i64) {
        self.server.kill();
        self.server.restart_by(program_then(ago_s), &[]);
        match ago_s {
            MEMBER_COMES => {
                let group = ["--group", &self.group];
                let args = [&["member", "add", "Phạm Văn C"], &group[..]].concat();
                self.server.run(&args).ok();
            }
            GUEST_COMES => self.phones.push(self.server.phone(&self.group)),
            ERASED => self.erase(),
            GUEST_GOES => {
                let guest = self.phones[2].replica.device().to_string();
                self.server.run(&["device", "revoke", &guest]).ok();
            }
            _ => {}
        }
        let mut said = Vec::new();
        for (nth, phone) in self.phones.iter_mut().enumerate() {
            phone.follow(&self.server);
            phone.clock_s = now_s() - ago_s;
            if nth < 2 || ago_s >= GUEST_GOES {
                said.push(phone.save(&format!("máy {nth}, {ago_s} giây trước")));
            }
        }
        save_tip(&mut self.phones[0]);
        self.phones[1].sync();
        self.phones[1].edit(Some(self.first), &format!("sửa {ago_s} giây trước"));
        self.all_come();
        self.remark(said[0], &format!("nhận xét {ago_s}"));
        self.all_come();
    }

    fn all_come(&mut self) {
        for phone in &mut self.phones {
            phone.sync();
        }
    }

    fn remark(&self, record: RecordId, words: &str) {
        let mut browser = Browser::signed_in(&self.server, "Trần B");
        let path = format!("/console/record/{record}");
        let page = browser.get(&path).text;
        let (token, heads) = (value_of(&page, "token"), value_of(&page, "heads"));
        let form = [
            ("token", token.as_str()),
            ("heads", heads.as_str()),
            ("act", "return"),
            ("reason", "1"),
            ("text", words),
        ];
        let done = browser.post(&format!("{path}/review"), &form);
        assert_eq!(done.status, 303, "{}", done.text);
    }

    fn erase(&self) {
        let (_, record) = self.phones[0].replica.record(self.first).unwrap();
        let at = record.creator();
        let change = format!("{}:{}", at.chain, at.seq);
        self.server.run(&["erase", &change, "route_text"]).ok();
    }
}

#[test]
fn backups_of_an_hour_to_thirty_days_lose_nothing_that_phones_hold() {
    let mut month = Month::begins();
    let mut backups = Vec::new();
    for ago_s in VISITS {
        month.day(ago_s);
        if BACKUPS.contains(&ago_s) {
            let file = month.server.beside(&format!("{ago_s}.backup"));
            month.server.run(&["backup", &file]).ok();
            backups.push((ago_s, file));
        }
    }
    assert_eq!(backups.len(), BACKUPS.len());
    let held = Held::by(month.phones.iter());
    let asides = held.changes.values().filter(|(_, aside)| aside.is_some());
    assert_eq!(asides.count(), 1, "of the phone that was revoked");
    assert_eq!(held.remarks.len(), VISITS.len() * 2, "on both phones");
    let whole = Log::of(&month.server.data);
    assert_eq!(whole.lacks(&held), [""; 0]);
    month.server.kill();
    fs::remove_dir_all(&month.server.data).unwrap();
    for (ago_s, backup) in backups {
        comes_back(&month, ago_s, &backup, &held);
    }
}

/// From one backup, and from the phones as they were when the disk was lost.
fn comes_back(month: &Month, ago_s: i64, backup: &str, held: &Held) {
    let data = PathBuf::from(month.server.beside(&format!("restored-{ago_s}")));
    let said = command(&data, &["restore", backup, "--identity", &month.key]).ok();
    assert!(said.contains("generation 2 begins"), "{said}");
    let restored = Log::of(&data);
    let age_s = now_s() - restored.newest_s;
    assert!(
        (ago_s..ago_s + SLOW_S).contains(&age_s),
        "a backup of {ago_s} seconds is {age_s} old"
    );
    assert!(!restored.lacks(held).is_empty(), "the control");

    let server = Server::at(&data, &[]);
    let mut phones: Vec<Phone> = month.phones.iter().map(Phone::copy).collect();
    for _round in 0..2 {
        for phone in &mut phones {
            phone.follow(&server);
            phone.sync();
        }
    }
    let whole = Log::of(&data);
    assert_eq!(whole.lacks(held), [""; 0], "a backup of {ago_s} seconds");
    assert!(server.verified().ends_with("the log is sound"));
    for (phone, before) in phones.iter().zip(&month.phones) {
        assert!(!phone.replica.has_queued());
        let shown = |phone: &Phone| phone.replica.records().count();
        assert_eq!(shown(phone), shown(before));
    }
    // and it goes on
    let again = phones[0].save("ghi tiếp");
    phones[0].sync();
    phones[1].sync();
    assert!(phones[1].replica.record(again).is_some());
}
