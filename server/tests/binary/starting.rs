//! How a server starts, what keeps it from starting, and what a command says where there is none.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use super::common::{self, Ran, Server, change, change_last, command};

/// Starts a server that must not start.
fn refused(data: &Path, args: &[&str]) -> Ran {
    command(data, &[&["serve"], args].concat())
}

#[test]
fn help_says_what_there_is_and_nonsense_is_told_apart() {
    let help = common::program().arg("--help").output().unwrap();
    assert!(help.status.success());
    let text = String::from_utf8(help.stdout).unwrap();
    for word in [
        "serve",
        "area",
        "group",
        "member",
        "officer",
        "enrol",
        "device",
        "quarantine",
        "erase",
        "verify",
        "rebuild",
        "backup",
        "proof",
    ] {
        assert!(text.contains(word), "{word}");
    }
    let data = tempfile::tempdir().unwrap();
    command(data.path(), &["nonsense"]).fails(2);
    command(data.path(), &["serve", "--listen", "nowhere"]).fails(2);
    let founded = fs::read_dir(data.path()).unwrap().count();
    assert_eq!(founded, 0, "a slip of the pen founds no log");
    command(data.path(), &["serve", "--public-url", "http://x"]).fails(2);
    command(data.path(), &["serve", "--cert", "x"]).fails(2);
    let without = common::program().arg("verify").output().unwrap();
    assert_eq!(without.status.code(), Some(2));
}

#[test]
fn a_command_makes_no_log_where_there_is_none() {
    let data = tempfile::tempdir().unwrap();
    let told = command(data.path(), &["group", "list"]).fails(3);
    assert!(told.contains("binhyen serve"), "{told}");
    assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0);
    command(&data.path().join("absent"), &["verify"]).fails(3);
}

#[test]
fn a_start_makes_what_it_needs_and_the_next_finds_it() {
    let mut server = Server::new();
    let ca = server.ca();
    let key = fs::read(server.data.join("log.key")).unwrap();
    assert_eq!(key.len(), 96);
    assert_eq!(server.ask("GET", "/healthz", "", b"").status, 200);
    server.kill();
    assert!(server.data.join("admin.sock").exists(), "a leftover");
    server.restart();
    assert_eq!(server.ca(), ca);
    assert_eq!(fs::read(server.data.join("log.key")).unwrap(), key);
    assert_eq!(server.ask("GET", "/healthz", "", b"").status, 200);
    assert_eq!(server.stop(), 0);
}

#[test]
fn two_servers_cannot_have_one_log_or_one_port() {
    let server = Server::new();
    let told = refused(&server.data, &["--listen", "127.0.0.1:0"]).fails(3);
    assert!(told.contains("another server runs"), "{told}");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let other = tempfile::tempdir().unwrap();
    let told = refused(other.path(), &["--listen", &address.to_string()]).fails(1);
    assert!(told.contains(&address.port().to_string()), "{told}");
    assert!(told.contains("--listen"), "{told}");
}

#[test]
fn a_newer_database_is_refused_and_left_alone() {
    let mut server = Server::new();
    server.group("Tổ 1");
    server.stop();
    change(&server.data, "pragma user_version = 4000");
    let before = fs::read(server.data.join("binhyen.db")).unwrap();
    let told = refused(&server.data, &["--listen", "127.0.0.1:0"]).fails(3);
    assert!(told.contains("4000") && told.contains("newer"), "{told}");
    server.run(&["verify"]).fails(3);
    assert!(fs::read(server.data.join("binhyen.db")).unwrap() == before);
}

#[test]
fn a_log_without_its_key_or_with_anothers_does_not_go_on() {
    let mut server = Server::new();
    server.group("Tổ 1");
    server.stop();
    let key = server.data.join("log.key");
    let good = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    let told = refused(&server.data, &["--listen", "127.0.0.1:0"]).fails(3);
    assert!(told.contains("log.key is missing"), "{told}");
    assert!(!key.exists(), "no new key is made for an old log");
    let mut other = good.clone();
    other[3] ^= 1;
    fs::write(&key, &other).unwrap();
    let told = server.run(&["verify"]).fails(3);
    assert!(told.contains("not the key of this log"), "{told}");
    fs::write(&key, &good[..95]).unwrap();
    assert!(server.run(&["verify"]).fails(3).contains("95 bytes"));
    fs::write(&key, &good).unwrap();
    server.run(&["verify"]).ok();
}

#[test]
fn a_log_that_was_tampered_with_does_not_verify() {
    let mut server = Server::new();
    let group = server.group("Tổ 1");
    let mut phone = server.phone(&group);
    phone.save("một vòng");
    phone.sync();
    server.stop();
    assert!(server.verified().contains("the log is sound"));
    // one byte of the admission time of the newest entry
    change_last(&server.data, 2, |entry| entry[84] ^= 1);
    let ran = server.run(&["verify"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("fault: "), "{ran:?}");
    assert!(ran.err.contains("found: stop the server"), "{ran:?}");
    change_last(&server.data, 2, |entry| entry[84] ^= 1);
    server.run(&["verify"]).ok();
    change(&server.data, "delete from derived where t = 41");
    let told = server.run(&["rebuild"]).fails(1);
    assert!(told.contains("Group"), "{told}");
    assert!(server.run(&["rebuild"]).ok().contains("as it was"));
}

#[test]
fn a_certificate_from_elsewhere_is_served_and_not_pinned() {
    let other = Server::new();
    let data = tempfile::tempdir().unwrap();
    let file = |name: &str| other.data.join("tls").join(name);
    let (certificate, key) = (file("server.crt.pem"), file("server.key.pem"));
    let server = Server::at(
        &data.path().join("data"),
        &[
            "--cert",
            certificate.to_str().unwrap(),
            "--key",
            key.to_str().unwrap(),
        ],
    );
    let mut connection = common::Connection::open(&server.address, other.ca());
    assert_eq!(connection.ask("GET", "/healthz", "", b"").status, 200);
    assert!(!server.data.join("tls").exists());
    let group = server.group("Tổ 1");
    let code = sync_core::invitation::Invitation::from_text(&server.code(&group)).unwrap();
    assert!(code.ca_der.is_empty());
    let told = refused(
        &data.path().join("second"),
        &[
            "--listen",
            "127.0.0.1:0",
            "--cert",
            "absent.pem",
            "--key",
            "absent.pem",
        ],
    );
    assert!(told.fails(3).contains("absent.pem"));
}
