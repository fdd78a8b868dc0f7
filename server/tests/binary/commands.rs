//! Every command once as it should be and once as it should not, beside a running server and
//! without one.

use std::fs;
use std::path::Path;

use sync_core::act::act_chain;
use sync_core::bytes::Reader;
use sync_core::change::ChangeRef;
use sync_core::hub::{EntryProof, GrowthProof, SignedHead};
use sync_core::ids::{ChainId, Feed, Hash32, Realm};
use sync_core::keys::PublicKey;
use sync_core::log::{EntryKind, Head, Leaf};

use super::common::{COMMUNE, PROVINCE, Server, command, command_with};

#[test]
fn areas_are_found_and_imported_with_every_fault_told() {
    let server = Server::new();
    let found = server.run(&["area", "find", "cai khe"]).ok();
    assert!(
        found.contains("31120") && found.contains("Cái Khế"),
        "{found}"
    );
    server.run(&["area", "find", "zzzz"]).fails(1);

    let file = server.data.join("../hamlets.csv");
    let good = "name,kind,parent_code,valid_from,decision_no\n\
        Giồng Me,ấp,31120,2026-01-01,12/QĐ\nKinh Giữa,ấp,31120,2026-01-01,\n";
    fs::write(&file, good).unwrap();
    let file = file.to_str().unwrap();
    assert!(
        server
            .run(&["area", "import", file])
            .ok()
            .starts_with("2 hamlets")
    );
    server
        .run(&["group", "add", "Tổ ấp Giồng Me", "--area", "Giồng Me"])
        .ok();
    let groups = server.run(&["group", "list"]).ok();
    assert!(groups.contains("(ấp Giồng Me, phường Cái Khế)"), "{groups}");

    fs::write(
        file,
        format!("{good}Giồng Me,ấp,31120,2026-02-30,\n,xóm,1,x,\n"),
    )
    .unwrap();
    let told = server.run(&["area", "import", file]).fails(1);
    assert!(
        told.contains("line 4:") && told.contains("line 5:"),
        "{told}"
    );
    assert!(told.contains("nothing was imported"), "{told}");
    let told = server.run(&["area", "import", "no-such-file.csv"]).fails(1);
    assert!(told.contains("there is no such file"), "{told}");
    assert!(
        server.verified().contains("3 control entries"),
        "import, group, beginning"
    );
}

#[test]
fn a_list_from_a_spreadsheet_is_read_or_named_for_what_it_is() {
    let server = Server::new();
    let file = server.data.join("../hamlets.csv");
    let text = "name,kind,parent_code,valid_from,decision_no\nẤp Giữa,ấp,31120,2026-01-01,\n";
    let import = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        server.run(&["area", "import", file.to_str().unwrap()])
    };
    let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let marked = format!("\u{feff}{text}");
    let wide: [Vec<u8>; 4] = [little(&marked), big(&marked), little(text), big(text)];
    for bytes in wide {
        let told = import(&bytes).fails(1);
        assert!(told.contains("UTF-16"), "{told}");
        assert!(told.contains("CSV UTF-8"), "{told}");
    }
    let told = import(b"name,kind,parent_code,valid_from,decision_no\n\xc2p Gi\xf5a,").fails(1);
    assert!(told.contains("line 2 is not in UTF-8"), "{told}");
    assert!(told.contains("CSV UTF-8"), "{told}");
    let taken = import(marked.as_bytes()).ok();
    assert!(taken.starts_with("1 hamlet taken"), "{taken}");
    assert!(
        server
            .run(&["area", "find", "giua"])
            .ok()
            .contains("Ấp Giữa")
    );
}

#[test]
fn what_the_system_refuses_is_told_with_its_path_and_what_to_do() {
    let server = Server::new();
    let group = server.group("Tổ 1");
    let missing = server.data.join("../nope/x");
    let path = missing.to_str().unwrap();
    let says = |told: &str, words: &str| {
        assert!(told.contains(words), "{told}");
        assert!(!told.contains("os error"), "{told}");
    };
    let key = server.data.join("../offline.key");
    server.run(&["offline-key", key.to_str().unwrap()]).ok();
    for asked in ["backup", "offline-key"] {
        let told = server.run(&[asked, path]).fails(1);
        says(&told, "nope/x");
        says(&told, "cannot be written: there is no directory");
    }
    let ran = server.run(&["enrol", "--group", &group, "--svg", path]);
    let printed = ran.out.clone();
    let told = ran.fails(1);
    says(&told, "nope/x cannot be written: there is no directory");
    assert!(told.contains("printed here is good"), "{told}");
    assert!(printed.contains("BINHYEN1:"), "{printed}");
    let told = command(&missing, &["group", "list"]).fails(3);
    says(&told, "holds no data of a server");
    let serve = |data: &str| command(Path::new(data), &["serve", "--listen", "127.0.0.1:0"]);
    says(&serve("/proc/x").fails(3), "nothing can be made in /proc");
    says(
        &serve("/etc/passwd").fails(3),
        "/etc/passwd cannot be used: it is no directory",
    );
    let inside = command(Path::new("/etc/passwd"), &["group", "list"]);
    says(&inside.fails(3), "is a file and no directory");
}

#[test]
fn what_is_wrong_with_a_name_is_said() {
    let server = Server::new();
    let group = server.group("Tổ 1");
    for (name, says) in [
        (" ", "is empty"),
        (&"ố".repeat(134), "402 bytes"),
        ("Tổ\u{7}2", "U+0007"),
        ("Tổ\n2", "more than one line"),
    ] {
        for args in [
            ["group", "add", name, "--area", COMMUNE],
            ["member", "add", name, "--group", &group],
        ] {
            let told = server.run(&args).fails(1);
            assert!(told.contains(says), "{told}");
        }
        let officer = ["officer", "add", name, "--role", "commune_officer"];
        let told = server
            .run(&[&officer[..], &["--area", COMMUNE]].concat())
            .fails(1);
        assert!(told.contains(says), "{told}");
    }
}

#[test]
fn a_second_group_of_one_name_is_meant_or_refused() {
    let server = Server::new();
    let first = server.group("Tổ 1");
    let add = |args: &[&str]| server.run(&[&["group", "add"], args].concat());
    let told = add(&["tổ 1 ", "--area", COMMUNE]).fails(1);
    assert!(
        told.contains(&first) && told.contains("--same-name"),
        "{told}"
    );
    let hamlets = server.data.join("../hamlets.csv");
    let text = "name,kind,parent_code,valid_from,decision_no\nGiồng Me,ấp,31120,2026-01-01,\n";
    fs::write(&hamlets, text).unwrap();
    server
        .run(&["area", "import", hamlets.to_str().unwrap()])
        .ok();
    add(&["Tổ 1", "--area", "Giồng Me"]).ok();
    let second = add(&["Tổ 1", "--area", COMMUNE, "--same-name"]).ok();
    assert_ne!(first, second);
    assert_eq!(server.run(&["group", "list"]).ok().lines().count(), 3);
}

#[test]
fn a_code_for_a_group_of_nobody_is_refused() {
    let server = Server::new();
    let add = ["group", "add", "Tổ 9", "--area", COMMUNE];
    let group = server.run(&add).ok();
    let enrol = || server.run(&["enrol", "--group", &group]);
    let told = enrol().fails(1);
    assert!(
        told.contains(&format!("`member add NAME --group {group}`")),
        "{told}"
    );
    server.run(&["member", "add", "A", "--group", &group]).ok();
    enrol().ok();
    server.run(&["member", "end", "1", "--group", &group]).ok();
    assert!(enrol().fails(1).contains("has no members now"));
}

#[test]
fn groups_and_members_come_and_go() {
    let server = Server::new();
    let group = server.group("Tổ 1");
    let told = server
        .run(&["group", "add", "Tổ 2", "--area", PROVINCE])
        .fails(1);
    assert!(told.contains("is a province"), "{told}");
    let told = server
        .run(&["group", "add", "Tổ 2", "--area", "99999"])
        .fails(1);
    assert!(told.contains("area find"), "{told}");
    server
        .run(&["group", "add", " ", "--area", COMMUNE])
        .fails(1);

    let member = |args: &[&str]| server.run(&[&["member"], args].concat());
    assert_eq!(member(&["add", "Lê Thị Bé", "--group", "tổ 1"]).ok(), "2");
    let told = member(&["add", "X", "--group", &group, "--role", "commune_officer"]).fails(1);
    assert!(told.contains("hamlet_head"), "the roles are named: {told}");
    member(&["add", "X", "--group", "ffff0000"]).fails(1);
    member(&["end", "2", "--group", &group[..8]]).ok();
    let told = member(&["end", "2", "--group", &group]).fails(1);
    assert!(told.contains("no member 2"), "{told}");
    let list = member(&["list", "--group", &group]).ok();
    assert!(list.contains("1  Nguyễn Văn An  (leader)"), "{list}");
    assert!(list.contains("2  Lê Thị Bé  (ended)"), "{list}");
    assert_eq!(member(&["add", "Y", "--group", &group]).ok(), "3");
    member(&["add", "Y"]).fails(2);
}

#[test]
fn officers_get_a_password_once_and_a_place_that_fits() {
    let server = Server::new();
    let officer = |args: &[&str]| server.run(&[&["officer"], args].concat());
    let printed = officer(&[
        "add",
        "Trần B",
        "--role",
        "commune_officer",
        "--area",
        COMMUNE,
    ])
    .ok();
    assert!(printed.starts_with("account 1\npassword "), "{printed}");
    let told = officer(&[
        "add",
        "tran b",
        "--role",
        "commune_officer",
        "--area",
        COMMUNE,
    ])
    .fails(1);
    assert!(told.contains("choose another name"), "{told}");
    let told = officer(&["add", "C", "--role", "commune_officer", "--area", PROVINCE]).fails(1);
    assert!(told.contains("five digits"), "{told}");
    let told = officer(&["add", "C", "--role", "province_reviewer"]).fails(1);
    assert!(told.contains("--area"), "{told}");
    officer(&["add", "C", "--role", "member", "--area", COMMUNE]).fails(1);
    let short = command_with(
        &server.data,
        &[
            "officer",
            "add",
            "C",
            "--role",
            "auditor",
            "--password-stdin",
        ],
        "short\n",
    );
    assert!(short.fails(1).contains("12 characters"));
    let args = [
        "officer",
        "add",
        "Giám sát",
        "--role",
        "auditor",
        "--password-stdin",
    ];
    let added = command_with(&server.data, &args, "một mật khẩu đủ dài\n").ok();
    assert_eq!(added, "account 2", "a given password is not printed");
    officer(&["disable", "Trần B"]).ok();
    assert!(officer(&["list"]).ok().contains("closed"));
    officer(&["enable", "Trần B"]).ok();
    assert!(officer(&["reset", "Trần B"]).ok().contains("password "));
    officer(&["reset", "Ai đó"]).fails(1);
    // one entry of the log for each of them
    assert!(
        server.verified().starts_with("6 entries"),
        "{}",
        server.verified()
    );
}

#[test]
fn codes_need_an_address_and_members_that_are_there() {
    let mut server = Server::new();
    let group = server.group("Tổ 1");
    let picture = server.data.join("../code.svg");
    let enrol = |server: &Server, args: &[&str]| {
        server.run(&[&["enrol", "--group", &group], args].concat())
    };
    let svg = picture.to_str().unwrap();
    enrol(&server, &["--member", "1", "--days", "1", "--svg", svg]).ok();
    assert!(fs::read_to_string(&picture).unwrap().contains("<svg"));
    assert!(
        enrol(&server, &["--member", "9"])
            .fails(1)
            .contains("no member 9")
    );
    enrol(&server, &["--url", "http://127.0.0.1:1"]).fails(1);
    enrol(&server, &["--days", "0"]).fails(2);
    server.stop();

    let every = Server::at(&server.data, &["--listen", "0.0.0.0:0"]);
    let told = enrol(&every, &[]).fails(1);
    assert!(told.contains("--public-url"), "{told}");
    enrol(&every, &["--url", "https://10.1.2.3:8443"]).ok();
}

#[test]
fn what_is_erased_is_gone_from_the_files_and_the_log_still_verifies() {
    let server = Server::new();
    let group = server.group("Tổ 1");
    let mut phone = server.phone(&group);
    let canary = "cangiongmexa7731";
    let record = phone.save(&format!("gặp {canary} ở cầu"));
    phone.sync();
    let holds = || {
        fs::read_dir(&server.data).unwrap().any(|entry| {
            let bytes = fs::read(entry.unwrap().path()).unwrap_or_default();
            bytes.windows(canary.len()).any(|w| w == canary.as_bytes())
        })
    };
    assert!(holds());
    let at = phone.replica.record(record).unwrap().1.creator();
    let place = format!("{}:{}", at.chain, at.seq);
    server.run(&["erase", &place, "no_such_field"]).fails(1);
    server.run(&["erase", "nonsense", "route_text"]).fails(1);
    server.run(&["erase", "ffffffff:1", "route_text"]).fails(1);
    let (identity, feed) = (phone.replica.identity(), Feed::Group(phone.group));
    let act = act_chain(&identity.realm, identity.log.id(), feed, 1);
    let told = server.run(&["erase", &format!("{act}:2"), "2"]).fails(1);
    assert!(told.contains("is an act"), "{told}");
    let short = format!("{}:{}", &at.chain.to_string()[..8], at.seq);
    let said = server.run(&["erase", &short, "route_text"]).ok();
    assert!(said.contains("writing stood still"), "{said}");
    assert!(!holds(), "the word is still in a file");
    let told = server.run(&["erase", &place, "route_text"]).fails(1);
    assert!(told.contains("none of these fields"), "{told}");
    assert!(server.verified().contains("1 changes with erased values"));
    phone.sync();
    let shown = phone.replica.view(record).unwrap();
    assert_eq!(shown.field("route_text").unwrap().value.value, None);
}

#[test]
fn commands_work_without_a_server_too() {
    let mut server = Server::new();
    let group = server.group("Tổ 1");
    assert_eq!(server.stop(), 0);
    assert!(!server.data.join("admin.sock").exists());
    server
        .run(&["member", "add", "Lê B", "--group", &group])
        .ok();
    server.run(&["enrol", "--group", &group]).ok();
    assert!(
        server
            .run(&["device", "list"])
            .ok()
            .contains("no phones yet")
    );
    assert!(server.run(&["quarantine", "list"]).ok().contains("nothing"));
    assert!(server.run(&["rebuild"]).ok().contains("as it was"));
    server
        .run(&["device", "confirm", "abcd", "000000"])
        .fails(1);
    server.run(&["device", "refuse", "abcd"]).fails(1);
    server.run(&["device", "revoke", "abcd"]).fails(1);
}

/// What `proof` printed, read by one who has nothing else.
struct Printed(Vec<(String, String)>);

impl Printed {
    fn of(server: &Server, words: &[&str]) -> Self {
        let text = server.run(words).ok();
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        Self(
            lines
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }
    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.0.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.as_str())
    }
    fn text(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_else(|| panic!("no {name}"))
    }
    fn number<T: std::str::FromStr>(&self, name: &str) -> T {
        let number = self.text(name).parse();
        number.unwrap_or_else(|_| panic!("{name} is no number"))
    }
    fn hash(&self, name: &str) -> Hash32 {
        Hash32::from_hex(self.text(name)).unwrap()
    }
    fn bytes(&self, name: &str) -> Vec<u8> {
        let digits = self.text(name).as_bytes().chunks(2);
        digits
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }
    fn path(&self) -> Vec<Hash32> {
        self.all("node")
            .map(|hex| Hash32::from_hex(hex).unwrap())
            .collect()
    }
    fn head(&self) -> SignedHead {
        SignedHead {
            head: Head {
                generation: self.number("head_generation"),
                generation_start: self.number("head_generation_start"),
                size: self.number("head_size"),
                safe_size: self.number("head_safe_size"),
                root: self.hash("head_root"),
                time_s: self.number("head_time"),
            },
            signature: self.bytes("head_signature").try_into().unwrap(),
        }
    }
    fn realm(&self) -> Realm {
        let mut bytes = self.bytes("org");
        bytes.extend(self.bytes("log"));
        let mut r = Reader::new(&bytes);
        Realm {
            org: sync_core::ids::OrgId::read(&mut r).unwrap(),
            log: sync_core::ids::LogId::read(&mut r).unwrap(),
        }
    }
    fn key(&self) -> PublicKey {
        PublicKey(self.bytes("log_key").try_into().unwrap())
    }
}

#[test]
fn a_proof_can_be_checked_by_one_who_has_the_logs_key_only() {
    let server = Server::new();
    for name in ["Tổ 1", "Tổ 2", "Tổ 3"] {
        server.group(name);
    }
    let printed = Printed::of(&server, &["proof", "entry", "2"]);
    let (chain, seq) = printed.text("place").split_once(':').unwrap();
    let leaf = Leaf {
        kind: EntryKind::from_number(printed.number("kind")).unwrap(),
        feed: Feed::read(&mut Reader::new(&printed.bytes("feed"))).unwrap(),
        at: ChangeRef {
            chain: ChainId::from_hex(chain).unwrap(),
            seq: seq.parse().unwrap(),
        },
        entry: printed.hash("entry_hash"),
        admitted_at: printed.number("admitted_at"),
        generation: printed.number("generation"),
    };
    let proof = EntryProof {
        index: printed.number("index"),
        leaf,
        path: printed.path(),
        head: printed.head(),
    };
    let (realm, key) = (printed.realm(), printed.key());
    assert!(proof.holds(&realm, &key));
    assert_eq!(printed.hash("leaf_hash"), leaf.hash(&realm, key.id()));
    let mut other = proof.clone();
    other.leaf.admitted_at += 1;
    assert!(!other.holds(&realm, &key));
    let mut other = proof;
    other.head.head.time_s += 1;
    assert!(!other.holds(&realm, &key));
    let by_place = Printed::of(&server, &["proof", "entry", printed.text("place")]);
    assert_eq!(by_place.text("index"), "2");

    let printed = Printed::of(&server, &["proof", "growth", "2"]);
    let proof = GrowthProof {
        size: printed.number("from_size"),
        root: printed.hash("from_root"),
        path: printed.path(),
        head: printed.head(),
    };
    assert!(proof.holds(&realm, &key));
    let mut other = proof;
    other.root.0[0] ^= 1;
    assert!(!other.holds(&realm, &key));

    let told = server.run(&["proof", "entry", "9999"]).fails(1);
    assert!(told.contains("no entry"), "{told}");
    for size in ["0", "9999"] {
        let told = server.run(&["proof", "growth", size]).fails(1);
        assert!(told.contains("verify"), "{told}");
    }
    let told = server.run(&["proof", "entry", "here"]).fails(1);
    assert!(told.contains("CHAIN:SEQ"), "{told}");
}
