//! Phones at a running server: what is told, what is kept, what is refused.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use sync_core::exchange::ProblemCode;
use sync_core::replica::Standing;

use super::common::{self, Phone, Server};

fn standings(phone: &Phone) -> Vec<Standing> {
    phone
        .replica
        .changes()
        .map(|(_, standing)| standing)
        .collect()
}

#[test]
fn a_record_goes_up_waits_is_let_in_and_reaches_the_other_phone() {
    let server = Server::new();
    let group = server.group("Tổ bảo vệ an ninh trật tự ấp 1");
    let mut first = Phone::enrol(&server, &server.code(&group)).unwrap();
    first.save("từ cầu Kinh Xáng tới chợ");
    first.sync();
    assert_eq!(standings(&first), [Standing::Waiting]);
    assert!(server.verified().contains("0 changes,"), "not in the log");

    let list = server.run(&["device", "list"]).ok();
    let digits = format!("{:06}", first.digits);
    assert!(list.contains(&format!("waits, digits {digits}")), "{list}");
    let device = first.replica.device().to_string();
    let wrong = format!("{:06}", (first.digits + 1) % 1_000_000);
    let told = server.run(&["device", "confirm", &device, &wrong]).fails(1);
    assert!(told.contains("do not confirm this device"), "{told}");
    server
        .run(&["device", "confirm", &device[..6], &digits])
        .ok();
    assert!(server.verified().contains("1 changes,"));

    first.sync();
    assert_eq!(standings(&first), [Standing::Received]);
    let mut second = server.phone(&group);
    second.sync();
    assert_eq!(second.replica.records().count(), 1);
    let record = *second.replica.records().next().unwrap().0;
    second.edit(Some(record), "từ cầu Kinh Xáng tới trường");
    second.sync();
    first.sync();
    let shown = first.replica.view(record).unwrap();
    assert_eq!(
        shown.field("route_text").unwrap().value.text,
        "từ cầu Kinh Xáng tới trường"
    );
    assert!(server.verified().contains("the log is sound"));
}

#[test]
fn a_visit_with_nothing_new_is_small() {
    let server = Server::new();
    let group = server.group("Tổ 1");
    let mut phone = server.phone(&group);
    phone.save("một vòng quanh ấp");
    phone.sync();
    let mut connection = phone.connect();
    let up = phone.body().len();
    let reply = phone.visit(&mut connection);
    assert!(up + reply.body.len() < 300, "{up} + {}", reply.body.len());
    assert!(reply.head.len() <= 130, "{}", reply.head);
    for absent in ["date", "server", "content-type"] {
        assert!(!reply.head.contains(absent), "{}", reply.head);
    }
    // the connection stays, and so does the next answer's size
    assert_eq!(phone.visit(&mut connection).status, 200);
}

#[test]
fn what_was_received_survives_a_kill_and_a_restart() {
    let mut server = Server::new();
    let group = server.group("Tổ 1");
    let mut phone = server.phone(&group);
    for nth in 0..20 {
        phone.save(&format!("vòng {nth}"));
    }
    phone.sync();
    let before = server.verified();
    server.kill();
    server.restart();
    assert_eq!(server.verified(), before);
    phone.follow(&server);
    phone.reload();
    phone.save("sau khi mất điện");
    phone.sync();
    assert!(standings(&phone).iter().all(|s| *s == Standing::Received));
    assert_eq!(server.stop(), 0);
    assert!(
        common::command(&server.data, &["verify"])
            .ok()
            .contains("21 changes")
    );
    let rebuilt = common::command(&server.data, &["rebuild"]).ok();
    assert!(rebuilt.contains("as it was"), "{rebuilt}");
}

#[test]
fn whatever_was_told_received_is_there_after_a_kill_in_the_middle() {
    let mut server = Server::new();
    let group = server.group("Tổ 1");
    let phone = Arc::new(Mutex::new(server.phone(&group)));
    let writing = Arc::clone(&phone);
    let thread = thread::spawn(move || {
        // ends by the connection that breaks
        for nth in 0..10_000 {
            let mut phone = writing.lock().unwrap();
            phone.save(&format!("vòng {nth}"));
            phone.sync();
            drop(phone);
            thread::sleep(Duration::from_millis(40));
        }
    });
    thread::sleep(Duration::from_millis(700));
    server.kill();
    assert!(thread.join().is_err());
    server.restart();
    let mut phone = phone.lock().unwrap_or_else(PoisonError::into_inner);
    let received = standings(&phone)
        .into_iter()
        .filter(|standing| *standing == Standing::Received)
        .count();
    assert!(received > 0);
    let verified = server.verified();
    let in_log: usize = verified
        .split(" changes,")
        .next()
        .and_then(|head| head.rsplit(' ').next())
        .unwrap()
        .parse()
        .unwrap();
    assert!(in_log >= received, "{received} were received: {verified}");
    phone.follow(&server);
    phone.reload();
    phone.sync();
    assert!(standings(&phone).iter().all(|s| *s == Standing::Received));
}

#[test]
fn a_code_is_good_once_and_a_refusal_leaves_the_log_as_it_was() {
    let server = Server::new();
    let group = server.group("Tổ 1");
    let code = server.code(&group);
    let before = server.verified();
    let first = Phone::enrol(&server, &code).unwrap();
    // the same phone again, after an answer that got lost
    Phone::enrol_with(&server, &code, first.secret.clone()).unwrap();
    let refused = Phone::enrol(&server, &code).err().unwrap();
    assert_eq!(refused.status, 403);
    assert!(
        refused.text().contains("used already"),
        "{}",
        refused.text()
    );

    let mut other = first.request.clone();
    other.token = [7; 16];
    let refused = server.ask("POST", "/v1/enrol", "", &other.to_bytes());
    assert_eq!(refused.status, 403);
    assert!(
        refused.text().contains("not sound"),
        "the signature covers the token"
    );
    let known = Phone::enrol_with(&server, &server.code(&group), first.secret);
    assert_eq!(known.err().unwrap().status, 409);
    assert_eq!(server.verified(), before);
}

#[test]
fn an_expired_code_is_refused_and_leaves_the_log_as_it_was() {
    let mut server = Server::new();
    let group = server.group("Tổ 1");
    let code = server.code(&group);
    let before = server.verified();
    server.stop();
    // the time until which it is good stands after the group; a clock cannot be turned here
    common::change_last(&server.data, 10, |invite| invite[16..24].fill(0));
    let address = server.address.clone();
    let server = Server::at(&server.data, &["--listen", &address]);
    let refused = Phone::enrol(&server, &code).err().unwrap();
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("expired"), "{}", refused.text());
    assert_eq!(server.verified(), before);
}

#[test]
fn a_refused_and_a_revoked_phone_are_told_so() {
    let server = Server::new();
    let group = server.group("Tổ 1");
    let mut phone = Phone::enrol(&server, &server.code(&group)).unwrap();
    let device = phone.replica.device().to_string();
    server.run(&["device", "refuse", &device]).ok();
    phone.save("không ai nhận");
    phone.sync_once();
    assert_eq!(standings(&phone), [Standing::Queued]);

    let mut second = server.phone(&group);
    second.save("trước");
    second.sync();
    let device = second.replica.device().to_string();
    server.run(&["device", "revoke", &device]).ok();
    second.save("sau");
    second.sync();
    assert!(second.replica.is_closed());
    let list = server.run(&["quarantine", "list"]).ok();
    assert!(list.contains("held: the phone was revoked"), "{list}");
    assert!(server.verified().contains("1 set aside"));
}

#[test]
fn what_is_no_request_gets_a_clear_answer_and_the_server_lives() {
    let server = Server::new();
    let group = server.group("Tổ 1");
    let mut phone = server.phone(&group);
    phone.save("một");
    let body = phone.body();
    let problem = |head: &str, body: &[u8]| {
        let reply = server.ask("POST", "/v1/sync", head, body);
        (reply.status, reply.problem())
    };
    let code = |code: ProblemCode| Some(code.number());
    assert_eq!(problem("", b""), (200, code(ProblemCode::Malformed)));
    assert_eq!(problem("", &[1; 100]), (200, code(ProblemCode::Malformed)));
    let mut newer = body.clone();
    newer[0] = 77;
    assert_eq!(problem("", &newer), (200, code(ProblemCode::Upgrade)));
    for at in (2..body.len()).step_by(7) {
        let mut other = body.clone();
        other[at] ^= 0x40;
        let (status, problem) = problem("", &other);
        assert_eq!(status, 200);
        assert!(problem.is_some(), "byte {at} was changed and nobody saw it");
    }
    for end in (0..body.len()).step_by(11) {
        assert!(problem("", &body[..end]).1.is_some(), "cut at {end}");
    }
    let large = vec![0; 256 * 1024 + 1];
    assert_eq!(problem("", &large), (413, code(ProblemCode::TooLarge)));
    let typed = |kind: &str| problem(&format!("content-type: {kind}\r\n"), &body).0;
    assert_eq!(typed("application/json"), 415);
    assert_eq!(typed("application/octet-stream"), 200);
    let reply = server.ask("POST", "/v1/enrol", "", b"garbage");
    assert_eq!(reply.status, 400);
    assert_eq!(server.ask("POST", "/v1/enrol", "", &[0; 2_000]).status, 413);
    let told = |method: &str, path: &str, body: &[u8]| {
        let reply = server.ask(method, path, "", body);
        (reply.status, reply.text())
    };
    let other_method = told("GET", "/v1/sync", b"");
    assert_eq!(other_method.0, 405);
    assert!(
        other_method.1.contains("with POST only"),
        "{other_method:?}"
    );
    assert_eq!(told("DELETE", "/v1/enrol", b""), other_method);
    let by_get = told("POST", "/healthz", b"");
    assert!(
        by_get.0 == 405 && by_get.1.contains("GET only"),
        "{by_get:?}"
    );
    let nothing = told("GET", "/nothing", b"");
    assert!(
        nothing.0 == 404 && nothing.1.contains("/v1/sync"),
        "{nothing:?}"
    );
    assert_eq!(told("POST", "/nothing", &[0; 300_000]), nothing);
    assert_eq!(told("POST", "/", b"lost").0, 303);

    // no length, one piece after the other
    let mut connection = server.connect();
    connection.send(b"POST /v1/sync HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    connection.send(b"3\r\nabc\r\n0\r\n\r\n");
    assert_eq!(connection.read().problem(), code(ProblemCode::Upgrade));

    // far more than a body may have: all of it is sent before the answer is looked at
    let mut connection = server.connect();
    connection.send(b"POST /v1/sync HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    let chunk = [b"10000\r\n".as_slice(), &[7; 0x1_0000], b"\r\n"].concat();
    for _ in 0..128 {
        connection.send(&chunk);
    }
    let reply = connection.read();
    assert_eq!(reply.status, 413, "{}", reply.head);
    assert_eq!(reply.problem(), code(ProblemCode::TooLarge));

    assert_eq!(server.ask("GET", "/healthz", "", b"").text(), "ok\n");
    phone.sync();
    assert!(server.verified().contains("the log is sound"));
}

#[test]
fn plain_http_is_told_where_the_port_is() {
    let server = Server::new();
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("this port speaks TLS"), "{answer}");
    assert_eq!(server.ask("GET", "/healthz", "", b"").text(), "ok\n");
}

#[test]
fn a_phone_that_comes_too_often_is_told_to_wait_and_no_other_is() {
    let server = Server::new();
    let group = server.group("Tổ 1");
    let mut phone = server.phone(&group);
    let mut other = server.phone(&group);
    phone.sync();
    let body = phone.body();
    let mut connection = phone.connect();
    let mut refused = None;
    for _ in 0..70 {
        let reply = connection.ask("POST", "/v1/sync", "", &body);
        if reply.status == 429 {
            refused = Some(reply);
            break;
        }
    }
    let refused = refused.unwrap();
    assert_eq!(refused.problem(), Some(ProblemCode::Later.number()));
    assert!(refused.head.contains("retry-after: "), "{}", refused.head);
    other.sync();
}

#[test]
fn many_phones_at_once_share_the_disk_and_all_are_received() {
    let server = Server::new();
    let group = server.group("Tổ 1");
    let phones: Vec<Phone> = (0..8).map(|_| server.phone(&group)).collect();
    let threads: Vec<_> = phones
        .into_iter()
        .map(|mut phone| {
            thread::spawn(move || {
                for nth in 0..5 {
                    phone.save(&format!("vòng {nth}"));
                    phone.sync();
                }
                phone
            })
        })
        .collect();
    let mut phones: Vec<Phone> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    for phone in &mut phones {
        phone.sync();
        assert_eq!(phone.replica.records().count(), 40);
    }
    assert!(server.verified().contains("40 changes,"));
}
