//! What must not happen to a log, tried on the real server: wrong keys, wrong groups, phones that
//! were taken away, requests that come twice, bodies made to hurt, a full disk, a wrong clock.
//!
//! What the server's own stories try already is not tried again here.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot go on in a test must end it"
)]

#[cfg(test)]
#[path = "common/app.rs"]
mod app;
#[cfg(test)]
mod common;
#[cfg(test)]
#[path = "common/forge.rs"]
mod forge;
#[cfg(test)]
#[path = "common/means.rs"]
mod means;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use app::{App, Stopped};
use common::{COMMUNE, Connection, Phone, Reply, Server, field, model, random};
use means::{SmallDisk, certificate_of_two_days};
use mobile_ffi::{PhoneError, ProblemKind};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use sync_core::change::{Act, ChangeRef};
use sync_core::exchange::{OutRun, ProblemCode, Request};
use sync_core::hub::arrival::EnrolAnswer;
use sync_core::hub::facts;
use sync_core::ids::{AreaRef, GroupId, RecordId};
use sync_core::keys::Secret;
use sync_core::log::AsideReason;
use sync_core::replica::{Outgoing, Replica, Standing};
use sync_core::value::{FieldKey, Value};
use sync_core::vocabulary::Vocabulary;

/// Place and admission time of every change that a phone knows, with how it stands.
type Fates = BTreeMap<ChangeRef, (Standing, Option<(u64, i64)>)>;

fn fates(replica: &Replica) -> Fates {
    replica
        .changes()
        .map(|(full, standing)| {
            let at = full.change.at;
            (at, (standing, replica.placed(at)))
        })
        .collect()
}

/// What the phone would know after this answer.
fn fates_after(phone: &Phone, outgoing: &Outgoing, reply: &Reply) -> Fates {
    let mut replica = phone.replica.clone();
    let next = replica.handle_answer(model(), outgoing, &reply.body);
    next.unwrap_or_else(|error| panic!("{error:?}, problem {:?}", reply.problem()));
    fates(&replica)
}

fn problem(code: ProblemCode) -> Option<u8> {
    Some(code.number())
}

/// Records as a phone shows them.
fn shown(phone: &Phone) -> BTreeMap<RecordId, String> {
    let ids = phone.replica.records().map(|(id, ..)| *id);
    ids.map(|id| (id, format!("{:?}", phone.replica.view(id))))
        .collect()
}

fn ca_of(server: &Server) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(server.data.join("tls/ca.crt.pem")).unwrap()
}

#[test]
fn the_same_request_twice_has_the_same_fates_and_admission_times() {
    let mut server = Server::new();
    let group = server.group("Tổ 1");
    let mut phone = server.phone(&group);
    for nth in 0..3 {
        phone.save(None, &format!("vòng {nth}"));
    }
    let outgoing = phone.request();
    let first = forge::send(&phone.line, outgoing.body());
    let told = fates_after(&phone, &outgoing, &first);
    assert_eq!(told.len(), 3);
    assert!(
        told.values()
            .all(|(standing, placed)| { *standing == Standing::Received && placed.is_some() })
    );
    let before = server.verified();
    let state = server.read(|snapshot| facts::log_state(snapshot));

    // A second would show, were the time taken anew.
    thread::sleep(Duration::from_millis(1_100));
    let at_once: Vec<Reply> = thread::scope(|scope| {
        let (line, body) = (&phone.line, outgoing.body());
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(move || forge::send(line, body)))
            .collect();
        threads.into_iter().map(|it| it.join().unwrap()).collect()
    });
    for again in &at_once {
        assert_eq!(fates_after(&phone, &outgoing, again), told);
    }
    server.kill();
    server.restart();
    phone.line.address.clone_from(&server.address);
    let after_a_restart = forge::send(&phone.line, outgoing.body());
    assert_eq!(fates_after(&phone, &outgoing, &after_a_restart), told);
    assert_eq!(server.verified(), before);
    let same = server.read(|snapshot| facts::log_state(snapshot));
    assert_eq!(format!("{same:?}"), format!("{state:?}"));
    phone.take(&outgoing, &after_a_restart).unwrap();
    phone.reload();
    assert_eq!(fates(&phone.replica), told);
    assert_eq!(phone.told, phone.saved);
}

#[test]
fn a_wrong_key_is_refused_and_the_log_is_as_it_was() {
    let server = Server::new();
    let group = server.group("Tổ 1");
    let other = server.phone(&group);
    let mut phone = server.phone(&group);
    phone.save(None, "một vòng");
    let before = server.verified();
    let stranger = Secret::from_bytes(&random());

    for (tips, code) in [
        (false, ProblemCode::ShowTips),
        (true, ProblemCode::Signature),
    ] {
        let body = forge::signed(&phone, &stranger, tips, |_| {});
        assert_eq!(forge::send(&phone.line, &body).problem(), problem(code));
    }

    // A name that is not the signer's: another phone's, then one that nobody has.
    let (request, full) = forge::request_of(&phone);
    let hash = full.change.hash(&phone.replica.identity().realm);
    for (device, code) in [
        (other.replica.device(), ProblemCode::Signature),
        (stranger.id(), ProblemCode::UnknownDevice),
    ] {
        let named = Request {
            device,
            tips: Some(vec![(full.change.at.chain, hash)]),
            ..request.clone()
        };
        let run = OutRun {
            home: None,
            claim: 0,
            changes: vec![(full.clone(), true)],
        };
        let body = named.pack(model(), &[run], vec![full.change.at.chain]);
        assert_eq!(forge::send(&phone.line, &body).problem(), problem(code));
    }
    assert_eq!(server.verified(), before);
    phone.sync().unwrap();
    assert_eq!(phone.told, phone.saved, "the right key is taken after all");
}

#[test]
fn a_code_that_this_server_never_made_enrols_nobody() {
    let (server, elsewhere) = (Server::new(), Server::new());
    let group = server.group("Tổ 1");
    let foreign = elsewhere.code(&elsewhere.group("Tổ khác"));
    let before = server.verified();
    assert_eq!(Phone::enrol(&server, &foreign).err().unwrap().status, 403);
    let mut invented = sync_core::invitation::Invitation::from_text(&server.code(&group)).unwrap();
    invented.token = [7; 16];
    let text = invented.to_text().unwrap();
    assert_eq!(Phone::enrol(&server, &text).err().unwrap().status, 403);
    assert_eq!(server.verified(), before);
    let listed = server.run(&["device", "list"]).ok();
    assert!(!listed.contains("waits"), "{listed}");
}

/// The device of `phone`, with rows that say it is in `group` as its leader.
fn pretender(phone: &Phone, group: GroupId) -> Replica {
    let answer = EnrolAnswer {
        group,
        members: vec![(1, 3)],
        time_s: 0,
    };
    let rows = Replica::enrolled(Vocabulary::builtin(), &answer);
    let rows = rows.into_iter().map(|op| match op {
        sync_core::replica::StoreOp::Put { table, key, value } => (table, key, value),
        sync_core::replica::StoreOp::Delete { .. } => panic!("nothing to delete"),
    });
    let identity = phone.replica.identity().clone();
    Replica::load(identity, Vocabulary::builtin().clone(), rows, 0).unwrap()
}

#[test]
fn a_group_that_the_phone_is_not_in_gets_an_aside_entry_and_nothing_else() {
    let server = Server::new();
    let mut at_home = server.phone(&server.group("Tổ 1"));
    let mut there = server.phone(&server.group("Tổ 2"));
    let theirs = there.save(None, "từ cầu tới chợ");
    there.sync().unwrap();
    let before = shown(&there);
    let heads = there.replica.record(theirs).unwrap().1.heads();
    let device = at_home.replica.identity().device.clone();
    // A record of its own there, and an edit of one of theirs.
    for edits in [false, true] {
        at_home.replica = pretender(&at_home, there.group);
        at_home.group = there.group;
        at_home.save(None, "không phải tổ này");
        let outgoing = at_home.request();
        let body = if edits {
            forge::altered(&at_home, &device, |draft| {
                draft.record = Some(theirs);
                draft.act = Act::Edit;
                draft.heads.clone_from(&heads);
            })
        } else {
            outgoing.body().to_vec()
        };
        let reply = forge::send(&at_home.line, &body);
        assert_eq!((reply.status, reply.problem()), (200, None));
        drop(
            at_home
                .replica
                .handle_answer(model(), &outgoing, &reply.body),
        );
        assert!(at_home.replica.record(theirs).is_none(), "it read theirs");
    }
    let verified = server.verified();
    assert!(verified.contains("1 changes, 2 set aside"), "{verified}");
    let told = server.run(&["quarantine", "list"]).ok();
    let count = told.matches("was never enrolled in this group").count();
    assert_eq!(count, 2, "{told}");
    there.sync().unwrap();
    assert!(shown(&there) == before, "their records are as they were");
    assert!(server.run(&["rebuild"]).ok().contains("as it was"));
}

#[test]
fn a_revoked_phone_reads_nothing_more_and_its_late_writes_are_held() {
    let server = Server::new();
    let group = server.group("Tổ 1");
    let (mut gone, mut stays) = (server.phone(&group), server.phone(&group));
    let shared = stays.save(None, "trước khi thu hồi");
    stays.sync().unwrap();
    gone.sync().unwrap();
    let device = gone.replica.device().to_string();
    server.run(&["device", "revoke", &device]).ok();

    let secret = stays.save(None, "chỉ cho người còn lại");
    stays.sync().unwrap();
    let before = shown(&stays);
    gone.save(Some(shared), "sửa muộn");
    let late = gone.save(None, "ghi muộn");
    gone.sync().unwrap();
    assert!(gone.replica.is_closed());
    assert!(gone.replica.record(secret).is_none(), "it reads no more");
    let held = Standing::Aside(AsideReason::Revoked);
    let late_ones = fates(&gone.replica);
    let own = gone.saved.keys().map(|at| late_ones[at].0);
    assert!(
        own.clone().all(|standing| standing == held),
        "{:?}",
        own.collect::<Vec<_>>()
    );

    stays.sync().unwrap();
    assert!(shown(&stays) == before, "no record was changed");
    assert!(stays.replica.record(late).is_none());
    let verified = server.verified();
    assert!(verified.contains("2 changes, 2 set aside"), "{verified}");
    let told = server.run(&["quarantine", "list"]).ok();
    assert_eq!(told.matches("held: the phone was revoked").count(), 2);
    assert!(server.run(&["rebuild"]).ok().contains("as it was"));
}

#[test]
fn text_that_cannot_be_shown_is_refused_on_the_phone_and_behind_it() {
    const TOO_LONG: usize = 5;
    let server = Server::new();
    let group = server.group("Tổ 1");
    let app = App::new(&server, &group, ca_of(&server));
    let mut reader = server.phone(&group);
    let route = field("patrol", "route_text");
    let texts = [
        "một\0hai".to_owned(),
        "đọc \u{202E}ngược".to_owned(),
        "cách \u{2066}ly".to_owned(),
        format!("a{}", "\u{0301}".repeat(900)),
        "\u{FFFE}".to_owned(),
        "a".repeat(2_001),
    ];
    for (nth, text) in texts.iter().enumerate() {
        let told = app.save(text).unwrap_err();
        let PhoneError::FieldFault { field, words } = told else {
            panic!("{told:?}");
        };
        assert!(field == "summary" && !words.is_empty());

        // a phone without those checks
        let mut hostile = server.phone(&group);
        hostile.save(None, "một");
        let key = hostile.replica.identity().device.clone();
        let body = forge::altered(&hostile, &key, |draft| {
            let value = Value::Text(text.clone());
            assert!(draft.parts.insert(route, value).is_some());
        });
        let reply = forge::send(&hostile.line, &body);
        let verified = server.verified();
        if nth == TOO_LONG {
            assert_eq!(reply.problem(), None);
            assert!(verified.contains("0 changes, 1 set aside"), "{verified}");
        } else {
            // no bytes that say this are a change at all
            assert_eq!(reply.problem(), problem(ProblemCode::Malformed), "{text:?}");
            assert!(verified.contains("0 changes, 0 set aside"), "{verified}");
        }
    }
    let told = server.run(&["quarantine", "list"]).ok();
    assert!(told.contains("none of the vocabulary's"), "{told}");
    reader.sync().unwrap();
    assert_eq!(reader.replica.records().count(), 0);
}

#[test]
fn a_megabyte_of_combining_marks_goes_nowhere() {
    let server = Server::new();
    let group = server.group("Tổ 1");
    let marks = format!("a{}", "\u{0301}".repeat(512 * 1024));
    let app = App::new(&server, &group, ca_of(&server));
    assert!(matches!(
        app.save(&marks),
        Err(PhoneError::FieldFault { .. } | PhoneError::TooMuch)
    ));
    let mut hostile = server.phone(&group);
    hostile.save(None, "một");
    let key = hostile.replica.identity().device.clone();
    let route = field("patrol", "route_text");
    let before = server.verified();
    let body = forge::altered(&hostile, &key, |draft| {
        draft.parts.insert(route, Value::Text(marks));
    });
    let reply = forge::send(&hostile.line, &body);
    assert!(reply.problem().is_some(), "{} bytes were taken", body.len());
    assert_eq!(server.verified(), before);
    hostile.sync().unwrap();
    assert_eq!(hostile.told, hostile.saved);
}

/// Most memory that the server had so far, in KiB.
fn memory_kib(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let word = line.and_then(|line| line.split_whitespace().nth(1));
    word.unwrap().parse().unwrap()
}

#[test]
fn a_body_that_unpacks_to_too_much_is_refused_and_others_are_served() {
    const SENDERS: usize = 64;
    let server = Server::new();
    let group = server.group("Tổ 1");
    let mut phone = server.phone(&group);
    phone.save(None, "một");
    let mut good = server.phone(&group);
    good.save(None, "vẫn gửi được");
    let before = memory_kib(&server);
    // version, codec, an empty raw section; then a length, seven bits a byte
    let begin = [1, 1, 0];
    let claims: [&[u8]; 3] = [
        &[0x81, 0x80, 0x40],
        &[0xff; 9],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    ];
    let mut bodies: Vec<Vec<u8>> = claims
        .iter()
        .map(|claim| [&begin[..], claim, &[0; 64]].concat())
        .collect();
    // the most that is unpacked at all, in a few bytes
    let most = model().pack(&vec![0; 1024 * 1024]);
    assert!(most.len() < 8 * 1024, "{}", most.len());
    bodies.push([&begin[..], &most].concat());
    for body in &bodies {
        assert!(forge::send(&phone.line, body).problem().is_some());
    }
    let began = Instant::now();
    thread::scope(|scope| {
        let (line, body) = (&phone.line, bodies[3].as_slice());
        for _ in 0..SENDERS {
            scope.spawn(move || forge::send(line, body));
        }
        good.sync().unwrap();
    });
    let took = began.elapsed();
    assert!(took < Duration::from_secs(60), "{took:?}");
    let after = memory_kib(&server);
    assert!(after < before + 256 * 1024, "{before} KiB, then {after}");
    println!(
        "{SENDERS} bombs of {} bytes: {took:?}, {before} KiB, then {after}",
        most.len()
    );
    assert_eq!(good.told, good.saved);
    phone.sync().unwrap();
    assert_eq!(phone.told, phone.saved);
    assert!(server.verified().contains("2 changes, 0 set aside"));
}

#[test]
fn an_area_that_no_longer_exists_is_accepted_and_shown() {
    let server = Server::new();
    let group = server.group("Tổ 1");
    let (mut phone, mut other) = (server.phone(&group), server.phone(&group));
    let key = field("patrol", "area_id");
    let record = phone.save_values(None, &[(key, Value::Area(AreaRef([0xAB; 16])))]);
    phone.sync().unwrap();
    assert_eq!(phone.told, phone.saved);
    other.sync().unwrap();
    for it in [&phone, &other] {
        let view = it.replica.view(record).unwrap();
        let area = view.field("area_id").unwrap();
        assert!(!area.value.text.is_empty(), "{area:?}");
    }
    let row = server
        .read(|snapshot| facts::record(snapshot, record))
        .unwrap();
    assert_eq!(row.0.group, phone.group);
    assert!(server.verified().contains("1 changes, 0 set aside"));
    assert!(
        server
            .run(&["area", "find", "Cái Khế"])
            .ok()
            .contains(COMMUNE)
    );
}

#[test]
fn a_full_disk_is_told_to_the_phone_and_the_same_change_is_received_later() {
    let home = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mounted(&home.path().join("disk"));
    let server = Server::at(&disk.0.join("data"), &[]);
    let group = server.group("Tổ 1");
    let app = App::new(&server, &group, ca_of(&server));
    let mut reader = server.phone(&group);
    let early = app.save("khi còn chỗ").unwrap();
    assert_eq!(app.visit().unwrap().unwrap().received_now, 1);
    let code = server.code(&group);
    let before = server.verified();

    disk.fill();
    // The log's file may have pages to spare: what fits is received, and soon nothing fits.
    let mut saved = vec![early];
    let full = (0..400).find_map(|nth| {
        saved.push(
            app.save(&format!("lần {nth} {}", "nước lớn ".repeat(200)))
                .unwrap(),
        );
        app.visit().unwrap().err()
    });
    assert_eq!(full, Some(PhoneError::ServerFull));
    assert_eq!(
        app.phone.last_problem().unwrap().kind,
        ProblemKind::ServerFull
    );
    assert!(app.told().starts_with("Máy chủ hết chỗ"), "{}", app.told());
    assert!(!app.phone.waiting().unwrap().is_empty(), "nothing is lost");
    // Reading goes on, for officers and for phones.
    reader.sync().unwrap();
    assert!(reader.replica.records().count() > 0);
    let list = server.run(&["group", "list"]).ok();
    assert!(list.contains("Tổ 1"), "{list}");
    assert_eq!(Phone::enrol(&server, &code).err().unwrap().status, 503);
    assert_eq!(app.visit().unwrap(), Err(PhoneError::ServerFull));
    let still = app.phone.waiting().unwrap().len();

    disk.make_room();
    let visited = app.visit().unwrap().unwrap();
    assert_eq!(usize::try_from(visited.received_now).unwrap(), still);
    assert!(app.phone.last_problem().is_none() && app.phone.waiting().unwrap().is_empty());
    let verified = server.verified();
    let expected = format!("{} changes, 0 set aside", saved.len());
    assert!(verified.contains(&expected), "{before}\n{verified}");
    assert!(
        Phone::enrol(&server, &code).is_ok(),
        "the code is still good"
    );
    drop(server);
}

const YEAR_1970: u64 = 1_000;
const YEAR_2100: u64 = 4_102_444_800;

#[test]
fn a_clock_outside_a_bought_certificate_is_told_in_words() {
    let home = tempfile::tempdir().unwrap();
    let (certificate, key, ca) = certificate_of_two_days(home.path());
    let files = [
        "--cert",
        certificate.to_str().unwrap(),
        "--key",
        key.to_str().unwrap(),
    ];
    let server = Server::at(&home.path().join("data"), &files);
    let group = server.group("Tổ 1");
    let mut app = App::new(&server, &group, ca);
    assert!(
        app.phone.server().unwrap().ca_der.is_empty(),
        "nothing is pinned"
    );
    app.save("máy hết pin").unwrap();
    let before = server.verified();
    let right = Arc::clone(&app.clock);
    for wrong in [YEAR_1970, YEAR_2100] {
        app.clock = Arc::new(Stopped(wrong));
        assert!(app.visit().is_none());
        let problem = app.phone.last_problem().unwrap();
        assert_eq!(problem.kind, ProblemKind::TlsClock);
        assert!(
            problem.words.starts_with("Giờ trên máy có thể sai"),
            "{problem:?}"
        );
        assert_eq!(app.phone.waiting().unwrap().len(), 1, "nothing is lost");
    }
    assert_eq!(server.verified(), before);
    app.clock = right;
    assert_eq!(app.visit().unwrap().unwrap().received_now, 1);
    assert!(app.phone.last_problem().is_none());
}

#[test]
fn no_clock_fails_the_servers_own_certificate() {
    let server = Server::new();
    for clock in [YEAR_1970, YEAR_2100] {
        let clock = Arc::new(Stopped(clock));
        let opened = Connection::open_at(&server.address, &ca_of(&server), clock);
        assert!(opened.is_ok(), "{:?}", opened.err());
    }
}

#[test]
fn an_author_who_is_nobody_is_set_aside() {
    let server = Server::new();
    let group = server.group("Tổ 1");
    let mut hostile = server.phone(&group);
    hostile.save(None, "một");
    let key = hostile.replica.identity().device.clone();
    let author: FieldKey = sync_core::value::AUTHOR_KEY;
    let body = forge::altered(&hostile, &key, |draft| {
        draft.parts.insert(author, Value::Number(77));
    });
    assert_eq!(forge::send(&hostile.line, &body).status, 200);
    let verified = server.verified();
    assert!(verified.contains("0 changes, 1 set aside"), "{verified}");
}
