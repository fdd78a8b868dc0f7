//! What is left when the server's disk is lost: sealed backups, the copy on another disk, and what
//! the phones still have.

use std::fs;
use std::path::{Path, PathBuf};

use super::browser::{Browser, officer};
use super::common::{COMMUNE, Phone, Ran, Server, command};

/// A server with an offline key, and the file of that key, away from the data.
pub(crate) fn with_key(server: &Server) -> String {
    let file = server.beside("offline.key");
    let said = server.run(&["offline-key", &file]).ok();
    assert!(
        said.contains("age1") && said.contains("nothing else does"),
        "{said}"
    );
    file
}

fn holds(path: &Path, word: &str) -> bool {
    if path.is_dir() {
        return fs::read_dir(path)
            .unwrap()
            .any(|entry| holds(&entry.unwrap().path(), word));
    }
    let bytes = fs::read(path).unwrap_or_default();
    bytes.windows(word.len()).any(|at| at == word.as_bytes())
}

fn restore(from: &str, data: &Path, key: &str, more: &[&str]) -> Ran {
    let args = [&["restore", from, "--identity", key], more].concat();
    command(data, &args)
}

/// Puts restored data where the lost server had its own, and starts it again for the same phones.
fn put_in_place(server: &mut Server, restored: &Path, phones: &mut [&mut Phone]) {
    server.kill();
    let lost = with_ending(&server.data, ".lost");
    fs::rename(&server.data, lost).unwrap();
    fs::rename(restored, &server.data).unwrap();
    server.restart();
    for phone in phones {
        phone.follow(server);
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn is_shown(server: &Server, words: &str) -> bool {
    Browser::signed_in(server, "Trần B")
        .get("/console")
        .text
        .contains(words)
}

#[test]
fn a_lost_disk_comes_back_from_a_sealed_backup_and_from_the_phones() {
    let mut server = Server::new();
    officer(&server, "Trần B", "commune_officer", COMMUNE);
    let group = server.group("Tổ 1");
    let mut phone = server.phone(&group);
    phone.save("canarytruocbansao");
    phone.sync();
    let backup = server.beside("a.backup");
    let told = server.run(&["backup", &backup]).fails(1);
    assert!(told.contains("offline-key FILE"), "{told}");
    let key = with_key(&server);
    server.run(&["backup", &backup]).ok();
    let told = server.run(&["backup", &backup]).fails(1);
    assert!(told.contains("is there already"), "{told}");
    for path in [backup.clone(), format!("{backup}.parts")] {
        assert!(!holds(Path::new(&path), "canarytruocbansao"), "{path}");
    }
    assert!(
        !server.data.join("backup.making").exists(),
        "nothing is left in the clear"
    );

    // received, and on no backup
    let later = phone.save("canarysaubansao");
    phone.sync();
    let mut other = server.phone(&group);
    other.sync();

    let drill = command(&server.data, &["drill", &backup, "--identity", &key]).ok();
    assert!(
        drill.contains("the log is sound") && drill.contains("nothing of it is left"),
        "{drill}"
    );
    let told = restore(&backup, &server.data, &key, &[]).fails(3);
    assert!(told.contains("is not empty"), "{told}");
    let data = PathBuf::from(server.beside("restored"));
    let said = restore(&backup, &data, &key, &[]).ok();
    assert!(
        said.contains("generation 2 begins") && said.contains("the log is sound"),
        "{said}"
    );
    put_in_place(&mut server, &data, &mut [&mut phone, &mut other]);
    assert!(is_shown(&server, "canarytruocbansao"));
    assert!(!is_shown(&server, "canarysaubansao"), "the control");
    phone.sync();
    other.sync();
    assert!(is_shown(&server, "canarysaubansao"));
    assert!(other.replica.record(later).is_some());
    assert!(server.verified().contains("the log is sound"));
    phone.save("vàghitiếp");
    phone.sync();
    assert!(is_shown(&server, "vàghitiếp"));
}

#[test]
fn a_copy_on_another_disk_loses_nothing_although_no_phone_is_left() {
    let mut server = Server::new();
    officer(&server, "Trần B", "commune_officer", COMMUNE);
    let group = server.group("Tổ 1");
    let mut phone = server.phone(&group);
    let copy = server.beside("copy");
    server.stop();
    let start = |args: &[&str]| command(&server.data, &[&["serve"], args].concat());
    let told = start(&["--standby", &copy]).fails(3);
    assert!(
        told.contains("offline-key FILE") || told.contains("same disk"),
        "{told}"
    );
    let key = with_key(&server);
    let told = start(&["--standby", &copy]).fails(3);
    assert!(told.contains("same disk"), "{told}");
    server.restart_with(&["--standby", &copy, "--standby-same-disk"]);
    phone.follow(&server);

    let record = phone.save("canarytrenhaidia");
    let safe = |phone: &mut Phone| {
        phone.sync();
        phone.replica.badge(record).safe
    };
    let began = std::time::Instant::now();
    while !safe(&mut phone) {
        assert!(began.elapsed().as_secs() < 30, "the copy does not follow");
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    assert!(!holds(&Path::new(&copy).join("keys.age"), "settings"));
    // what is erased here is gone from every file of the copy
    let other = phone.save("canarybixoa");
    phone.sync();
    let erased = phone.replica.record(other).unwrap().1.creator();
    server
        .run(&[
            "erase",
            &format!("{}:{}", erased.chain, erased.seq),
            "route_text",
        ])
        .ok();
    let began = std::time::Instant::now();
    while holds(Path::new(&copy), "canarybixoa") {
        assert!(began.elapsed().as_secs() < 30, "the copy still has it");
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    assert!(holds(Path::new(&copy), "canarytrenhaidia"), "the control");
    // the disk, and with it the phone that wrote
    server.kill();
    let mut another = phone; // the log's own receipts are all that it is kept for
    let data = PathBuf::from(server.beside("restored"));
    let said = restore(&copy, &data, &key, &[]).ok();
    assert!(said.contains("the log is sound"), "{said}");
    put_in_place(&mut server, &data, &mut [&mut another]);
    assert!(is_shown(&server, "canarytrenhaidia"));
    // what the old copy has, the restored log contains; so it is followed again
    another.sync();
    assert!(server.verified().contains("the log is sound"));
}

#[test]
fn a_copy_that_knows_more_than_the_data_is_not_overwritten() {
    let mut server = Server::new();
    let group = server.group("Tổ 1");
    let mut phone = server.phone(&group);
    let key = with_key(&server);
    let (copy, backup) = (server.beside("copy"), server.beside("a.backup"));
    server.stop();
    server.restart_with(&["--standby", &copy, "--standby-same-disk"]);
    phone.follow(&server);
    server.run(&["backup", &backup]).ok();
    phone.save("chỉ bản sao có");
    phone.sync();
    server.stop(); // the copy follows once more
    let data = PathBuf::from(server.beside("restored"));
    restore(&backup, &data, &key, &[]).ok();
    let told = command(&data, &["serve", "--listen", "127.0.0.1:0"]).fails(3);
    assert!(
        told.contains("entries that this log lacks") && told.contains("restore"),
        "{told}"
    );
    let data = PathBuf::from(server.beside("from-copy"));
    assert!(restore(&copy, &data, &key, &[]).ok().contains("1 changes"));
}

/// Waits until the copy has confirmed the record, or never does.
fn is_safe(phone: &mut Phone, record: sync_core::ids::RecordId, tries: u32) -> bool {
    for _ in 0..tries {
        phone.sync();
        if phone.replica.badge(record).safe {
            return true;
        }
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    false
}

/// Tries that are enough for the longest pause between two looks at a copy.
const LONG: u32 = 300;

#[test]
fn a_copy_whose_disk_is_away_keeps_no_village_waiting() {
    let mut server = Server::new();
    let group = server.group("Tổ 1");
    let mut phone = server.phone(&group);
    with_key(&server);
    let copy = server.beside("copy");
    let start = ["--standby", &copy, "--standby-same-disk"];
    server.stop();
    server.restart_with(&start);
    phone.follow(&server);
    let first = phone.save("trên hai đĩa");
    assert!(is_safe(&mut phone, first, LONG));
    server.stop();

    // its mount point, empty; a file in its place; and what lies there is no database
    let (away, place) = (server.beside("away"), Path::new(&copy));
    fs::rename(&copy, &away).unwrap();
    fs::create_dir(&copy).unwrap();
    server.restart_with(&start);
    phone.follow(&server);
    let second = phone.save("trên một đĩa");
    assert!(!is_safe(&mut phone, second, 5), "an empty mount point");
    assert!(phone.replica.badge(first).safe, "where it was confirmed");
    let told = server.verified();
    assert!(told.contains("does not follow"), "{told}");
    let laid = fs::read_dir(&copy).unwrap().count();
    assert_eq!(laid, 0, "nothing is begun where the disk is not");
    server.stop();
    fs::remove_dir(&copy).unwrap();
    fs::write(&copy, "một tệp").unwrap();
    server.restart_with(&start);
    phone.follow(&server);
    assert!(!is_safe(&mut phone, second, 3), "a file in its place");
    server.stop();
    fs::remove_file(&copy).unwrap();
    fs::create_dir(&copy).unwrap();
    fs::write(place.join("binhyen.db"), "không phải cơ sở dữ liệu").unwrap();
    server.restart_with(&start);
    phone.follow(&server);
    assert!(!is_safe(&mut phone, second, 3), "no database");

    // the disk comes back while the server runs
    fs::remove_dir_all(&copy).unwrap();
    fs::rename(&away, &copy).unwrap();
    assert!(is_safe(&mut phone, second, LONG));
    let told = server.verified();
    assert!(!told.contains("does not follow"), "{told}");
    assert!(told.contains("has confirmed"), "{told}");
    // without the operator's word nothing begins anew, and with it something does
    server.stop();
    fs::remove_dir_all(&copy).unwrap();
    server.restart_with(&start);
    phone.follow(&server);
    let third = phone.save("sau khi mất bản sao");
    assert!(!is_safe(&mut phone, third, 3));
    server.stop();
    server.restart_with(&["--no-standby"]);
    server.stop();
    server.restart_with(&start);
    phone.follow(&server);
    assert!(is_safe(&mut phone, third, LONG));
    let again = server.beside("khác");
    server.stop();
    fs::write(&again, "một tệp").unwrap();
    let other = ["serve", "--standby", &again, "--standby-same-disk"];
    command(&server.data, &other).fails(3);
}

#[test]
fn a_copy_that_was_on_another_disk_is_not_begun_on_that_of_the_data() {
    let mut server = Server::new();
    let group = server.group("Tổ 1");
    let mut phone = server.phone(&group);
    with_key(&server);
    let copy = server.beside("copy");
    server.stop();
    server.restart_with(&["--standby", &copy, "--standby-same-disk"]);
    phone.follow(&server);
    let first = phone.save("đã an toàn");
    assert!(is_safe(&mut phone, first, LONG));
    server.stop();
    // without the operator's word it lies on the disk of the data: as if that of the copy were away
    server.restart_with(&["--standby", &copy]);
    phone.follow(&server);
    let second = phone.save("chưa an toàn");
    assert!(!is_safe(&mut phone, second, 5));
    assert!(phone.replica.badge(first).safe);
    assert!(server.verified().contains("does not follow"));
}

#[test]
fn without_its_parts_a_backup_is_the_evidence_and_no_names() {
    let server = Server::new();
    officer(&server, "Trần B", "commune_officer", COMMUNE);
    let group = server.group("Tổ 1");
    let mut phone = server.phone(&group);
    phone.save("canaryphanrieng");
    phone.sync();
    let key = with_key(&server);
    let backup = server.beside("a.backup");
    server.run(&["backup", &backup]).ok();
    fs::remove_file(format!("{backup}.parts")).unwrap();
    let data = PathBuf::from(server.beside("restored"));
    let told = restore(&backup, &data, &key, &[]).fails(3);
    assert!(told.contains("--without-parts") && !data.exists(), "{told}");
    let said = restore(&backup, &data, &key, &["--without-parts"]).ok();
    assert!(
        said.contains("the log is sound") && said.contains("without names"),
        "{said}"
    );
    assert!(!holds(&data, "canaryphanrieng") && !holds(&data, "Nguyễn Văn An"));
}

#[test]
fn a_wrong_key_a_cut_file_and_a_foreign_archive_restore_nothing() {
    let server = Server::new();
    let key = with_key(&server);
    let backup = server.beside("a.backup");
    server.run(&["backup", &backup]).ok();
    let data = PathBuf::from(server.beside("restored"));
    let other = server.beside("other.key");
    server.run(&["offline-key", &other]).ok();
    let told = restore(&backup, &data, &other, &[]).fails(3);
    assert!(told.contains("does not open with this key"), "{told}");
    let told = restore("nope", &data, &key, &[]).fails(3);
    assert!(
        told.contains("nope cannot be read: there is no such file"),
        "{told}"
    );
    let told = restore(&backup, &data, &backup, &[]).fails(3);
    assert!(told.contains("holds no offline key"), "{told}");
    let whole = fs::read(&backup).unwrap();
    for cut in [0, 10, 200, whole.len() / 2, whole.len() - 1] {
        fs::write(&backup, &whole[..cut]).unwrap();
        restore(&backup, &data, &key, &[]).fails(3);
        assert!(!data.exists(), "cut at {cut}");
    }
    // parts where the log belongs
    fs::copy(format!("{backup}.parts"), &backup).unwrap();
    let told = restore(&backup, &data, &key, &[]).fails(3);
    assert!(
        told.contains("no backup of ours holds") && !data.exists(),
        "{told}"
    );
}

#[test]
fn parts_of_old_backups_go_first_and_the_newest_backup_never() {
    let server = Server::new();
    with_key(&server);
    let place = server.beside("backups");
    fs::create_dir(&place).unwrap();
    let aged = |name: &str, days: u64| {
        let path = Path::new(&place).join(name);
        fs::write(&path, "x").unwrap();
        let then = std::time::SystemTime::now() - std::time::Duration::from_secs(days * 86_400);
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(then).unwrap();
    };
    for (name, days) in [
        ("binhyen-1.age", 500),
        ("binhyen-2.age", 60),
        ("binhyen-3.age", 20),
    ] {
        aged(name, days);
        aged(&format!("{name}.parts"), days);
    }
    aged("notes.txt", 5_000);
    let said = server.run(&["backup", &place]).ok();
    let mut left: Vec<String> = fs::read_dir(&place)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.len() < 20)
        .collect();
    left.sort();
    let kept = [
        "binhyen-2.age",
        "binhyen-3.age",
        "binhyen-3.age.parts",
        "notes.txt",
    ];
    assert_eq!(left, kept, "{said}");
    assert_eq!(said.matches("dropped:").count(), 3, "{said}");
    // even when nothing may be kept
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let said = server.run(&["backup", &place, "--keep-log", "0", "--keep-parts", "0"]);
    let said = said.ok();
    let mut newest: Vec<&str> = said.lines().take(2).collect();
    newest.push("notes.txt");
    let left = fs::read_dir(&place).unwrap().count();
    assert_eq!(left, newest.len(), "{said}");
    assert!(
        newest[..2].iter().all(|path| Path::new(path).exists()),
        "{said}"
    );
}

#[test]
fn a_server_restored_from_an_older_backup_gets_back_what_phones_have() {
    let server = Server::new();
    let group = server.group("Tổ 1");
    let mut phone = server.phone(&group);
    phone.save("trước bản sao");
    phone.sync();
    let (key, backup) = (with_key(&server), server.beside("a.backup"));
    server.run(&["backup", &backup]).ok();
    // lost: a record, a member and the device of a second phone
    phone.save("sau bản sao");
    server
        .run(&["member", "add", "Phạm Văn C", "--group", &group])
        .ok();
    let mut second = server.phone(&group);
    second.save("máy thứ hai");
    second.sync();
    phone.sync();

    let restored = PathBuf::from(server.beside("restored"));
    restore(&backup, &restored, &key, &[]).ok();
    let again = Server::at(&restored, &[]);
    phone.follow(&again);
    second.follow(&again);
    phone.sync();
    second.sync();
    phone.sync();
    second.sync();
    assert_eq!(phone.replica.records().count(), 3);
    assert_eq!(second.replica.records().count(), 3);
    let members = again.run(&["member", "list", "--group", &group]).ok();
    assert!(members.contains("Phạm Văn C"), "{members}");
    assert!(
        again.verified().contains("3 changes,"),
        "{}",
        again.verified()
    );
}
