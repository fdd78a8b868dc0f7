//! Areas that change: a file of events is taken whole or not at all, groups move with their areas,
//! and what became of each can be asked.

use std::fs;

use std::collections::BTreeMap;

use sync_core::act::{Control, Said};
use sync_core::calendar::read_iso;
use sync_core::ids::AreaRef;
use sync_core::value::{FieldKey, Value, WallTime};

use super::browser::{Browser, officer, value_of};
use super::common::{COMMUNE, PROVINCE, Phone, Ran, Server};

const HEAD: &str = "date,event,area,into,name,kind,decision_no\n";

/// A server with two hamlets in COMMUNE and a group in the first.
fn with_hamlets() -> (Server, String) {
    let server = Server::new();
    let hamlets = server.data.join("../hamlets.csv");
    let text = format!(
        "name,kind,parent_code,valid_from,decision_no\n\
         Giồng Me,ấp,{COMMUNE},2026-01-01,12/QĐ\nKinh Giữa,ấp,{COMMUNE},2026-01-01,\n"
    );
    fs::write(&hamlets, text).unwrap();
    server
        .run(&["area", "import", hamlets.to_str().unwrap()])
        .ok();
    server
        .run(&["group", "add", "Tổ Giồng Me", "--area", "Giồng Me"])
        .ok();
    server
        .run(&["group", "add", "Tổ phường", "--area", COMMUNE])
        .ok();
    let found = server.run(&["area", "find", "Giồng Me"]).ok();
    let hamlet = found.split_whitespace().nth(1).unwrap().to_owned();
    (server, hamlet)
}

fn events(server: &Server, lines: &str) -> Ran {
    let file = server.data.join("../events.csv");
    fs::write(&file, format!("{HEAD}{lines}")).unwrap();
    server.run(&["area", "events", file.to_str().unwrap()])
}

#[test]
fn a_merger_takes_hamlets_and_groups_along() {
    let (server, hamlet) = with_hamlets();
    let told = events(
        &server,
        &format!(
            "2026-03-01,merge,{COMMUNE},31135,,,12/NQ\n2026-03-02,rename,31135,,Tân Lập,xã,\n"
        ),
    )
    .ok();
    assert!(told.starts_with("4 events taken"), "{told}");
    assert!(told.contains("2 groups moved"), "{told}");
    let groups = server.run(&["group", "list"]).ok();
    assert!(groups.contains("(ấp Giồng Me, xã Tân Lập)"), "{groups}");
    assert!(groups.contains("Tổ phường  (xã Tân Lập)"), "{groups}");

    let resolve = |area: &str, from: &str, to: &str| {
        server
            .run(&["area", "resolve", area, "--from", from, "--to", to])
            .ok()
    };
    let after = resolve(COMMUNE, "2026-02-01", "2026-04-01");
    assert!(
        after.contains("on 2026-04-01: 31135") && after.contains("xã Tân Lập"),
        "{after}"
    );
    let before = resolve("31135", "2026-04-01", "2026-02-01");
    assert!(before.contains("one of 2"), "{before}");
    assert!(resolve(&hamlet, "2026-02-01", "2026-04-01").contains("ấp Giồng Me"));
    // the list of hamlets once more changes nothing of it
    let hamlets = server.data.join("../hamlets.csv");
    server
        .run(&["area", "import", hamlets.to_str().unwrap()])
        .ok();
    let found = server.run(&["area", "find", "Giồng Me"]).ok();
    assert!(found.contains("xã Tân Lập"), "{found}");
    assert!(server.verified().contains("the log is sound"));
    let rebuilt = server.run(&["rebuild"]).ok();
    assert!(rebuilt.contains("as it was"), "{rebuilt}");
}

#[test]
fn a_split_moves_nobody_by_guess() {
    let (server, hamlet) = with_hamlets();
    let told = events(
        &server,
        &format!("2026-03-01,split,{COMMUNE},31135|31150,,,12/NQ\n"),
    )
    .ok();
    assert!(told.contains("0 groups moved"), "{told}");
    assert_eq!(told.matches("`group move` it").count(), 2, "{told}");
    // the hamlet is placed, and its group with it; the other is moved by hand
    let told = events(&server, &format!("2026-03-01,reparent,{hamlet},31150,,,\n")).ok();
    assert!(told.contains("1 group moved"), "{told}");
    let moved = server
        .run(&["group", "move", "Tổ phường", "--area", "31135"])
        .ok();
    assert!(moved.contains("phường Ninh Kiều"), "{moved}");
    let resolved = server
        .run(&["area", "resolve", COMMUNE, "--from", "2026-02-01"])
        .ok();
    assert!(resolved.contains("one of 2"), "{resolved}");
    let counted = server
        .run(&["count", "--from", "2026-01-01", "--to", "2026-12-31"])
        .ok();
    assert!(counted.contains("no records"), "{counted}");
    assert!(
        server.verified().contains("\n1 audit entries"),
        "a count is a reading"
    );
    assert!(server.verified().contains("the log is sound"));
}

#[test]
fn faults_of_a_file_of_events_are_all_told_and_nothing_is_taken() {
    let (server, _hamlet) = with_hamlets();
    let before = server.verified();
    let lines = format!(
        "2026-03-01,merge,{COMMUNE},{COMMUNE},,,\n\
         2026-03-32,merge,{COMMUNE},31135,,,\n\
         2126-03-01,merge,{COMMUNE},31135,,,\n\
         2026-03-01,swap,{COMMUNE},31135,,,\n\
         2026-03-01,merge,99999,31135,,,\n\
         2026-03-01,merge,{COMMUNE}\n\
         2026-03-01,rename,{COMMUNE},,Tân Lập,làng,\n\
         2026-03-01,rename,{COMMUNE},,Cái Khế,,\n\
         2026-03-02,merge,{COMMUNE},31135,,,\n"
    );
    let told = events(&server, &lines).fails(1);
    for (line, words) in [
        (2, "targets"),
        (3, "not a day"),
        (4, "still to come"),
        (5, "not known; write merge"),
        (6, "no area had the code 99999"),
        (7, "cells"),
        (8, "kind \"làng\""),
        (9, "nothing would change"),
    ] {
        let found = told
            .lines()
            .find(|told| told.contains(&format!("line {line}:")));
        assert!(
            found.is_some_and(|told| told.contains(words)),
            "{line}: {told}"
        );
    }
    assert!(!told.contains("line 10:"), "{told}");
    assert_eq!(server.verified(), before);
    events(&server, "").fails(1);
}

/// A patrol of a day in an area, with its route in words.
fn save_at(phone: &mut Phone, day: &str, area: Option<AreaRef>, words: &str) {
    phone.save_as("patrol", None, |vocabulary, kind| {
        let key = |id| FieldKey::plain(vocabulary.field_by_id(kind, id).unwrap().number);
        let from = WallTime {
            minutes: read_iso(day).unwrap() * 1_440 + 20 * 60,
            offset: 420,
        };
        let mut values = BTreeMap::from([
            (key("occurred"), Value::Interval(from, None)),
            (key("route_text"), Value::Text(words.to_owned())),
        ]);
        values.extend(area.map(|area| (key("area_id"), Value::Area(area))));
        values
    });
    phone.sync();
}

#[test]
fn a_record_of_before_the_split_is_listed_and_counted_by_both_kinds_of_units() {
    let server = Server::new();
    officer(&server, "PV", "province_reviewer", PROVINCE);
    let found = server.run(&["area", "find", "Thái Bình Trung"]).ok();
    let old = found
        .lines()
        .find(|line| line.contains("(until 2025-07-01)"))
        .unwrap();
    assert!(old.contains("xã Thái Bình Trung, tỉnh Long An"), "{old}");
    let old = old.split_whitespace().nth(1).unwrap().to_owned();
    let group = server
        .run(&["group", "add", "Tổ cũ", "--area", &old])
        .ok()
        .trim()
        .to_owned();
    let add = ["member", "add", "Nguyễn Văn An", "--group", &group];
    server.run(&add).ok();
    let area = AreaRef::from_hex(&old.replace('-', "")).unwrap();
    let mut phone = server.phone(&group);
    save_at(&mut phone, "2025-06-20", Some(area), "qua ba ấp trước kia");
    // one that says no area is where the group was
    save_at(&mut phone, "2025-06-21", None, "quanh chợ");
    // the group is moved by hand; what its record names stays as it was
    server
        .run(&["group", "move", &group, "--area", "27757"])
        .ok();

    let mut browser = Browser::signed_in(&server, "PV");
    let mut shows = |query: &str| {
        let page = browser.get(&format!("/console?lane=open&{query}"));
        assert_eq!(page.status, 200, "{query}");
        let both = ["qua ba ấp trước kia", "quanh chợ"].map(|words| page.text.contains(words));
        assert_eq!(both[0], both[1], "{query}");
        both[0]
    };
    assert!(shows("units=today&area=none") && !shows("units=then&area=none"));
    assert!(shows(&format!("units=then&area={area}")));
    assert!(!shows(&format!("units=today&area={area}")));
    let count = |units: &str| {
        let days = ["--from", "2025-06-15", "--to", "2025-07-14"];
        server
            .run(&[&["count", "--units", units][..], &days].concat())
            .ok()
    };
    let today = count("today");
    assert!(
        today.contains("not placed: 27772") && today.contains("one of 3 units"),
        "{today}"
    );
    let then = count("then");
    assert!(
        then.contains("xã Thái Bình Trung") && !then.contains("not placed"),
        "{then}"
    );
    assert!(then.contains("2  patrol"), "{then}");
}

#[test]
fn the_committee_takes_a_group_through_its_life_and_the_group_hears_of_it() {
    let server = Server::new();
    officer(&server, "Ủy ban", "commune_pc", COMMUNE);
    officer(&server, "Trưởng", "commune_chief", COMMUNE);
    officer(&server, "Láng giềng", "commune_pc", "31147");
    let group = server.group("Tổ cổng rào");
    let mut phone = server.phone(&group);
    let path = format!("/console/groups/{group}");
    let mut committee = Browser::signed_in(&server, "Ủy ban");
    let page = committee.get(&path);
    assert!(page.text.contains("chưa ghi loại hình"), "{}", page.text);
    let token = value_of(&page.text, "token");
    let step = |state: &'static str, seen: &'static str| {
        [
            ("token", token.clone()),
            ("seen", seen.to_owned()),
            ("kind", "5".to_owned()),
            ("state", state.to_owned()),
            ("day", "02/03/2026".to_owned()),
            ("body", "UBND phường".to_owned()),
            ("decision", "12/QĐ-UBND".to_owned()),
        ]
    };
    let mut send = |state, seen| {
        let form = step(state, seen);
        let form: Vec<(&str, &str)> = form.iter().map(|(key, value)| (*key, &**value)).collect();
        committee.post(&path, &form).status
    };
    assert_eq!(send("2", "0"), 303);
    assert_eq!(send("4", "0"), 409, "somebody was faster");
    assert_eq!(send("6", "1"), 422, "a pilot is not maintained at once");
    assert_eq!(send("4", "1"), 303);
    let mut chief = Browser::signed_in(&server, "Trưởng");
    let list = chief.get("/console/groups").text;
    assert!(list.contains("Cổng rào · công nhận, 02/03/2026"), "{list}");
    let acts = chief.get(&format!("/console/acts/{group}")).text;
    assert!(
        acts.contains("Ghi bước của mô hình") && acts.contains("Ủy ban"),
        "{acts}"
    );
    let mut neighbour = Browser::signed_in(&server, "Láng giềng");
    assert_eq!(neighbour.get(&path).status, 404);
    phone.sync();
    assert_eq!(
        phone
            .replica
            .controls(phone.group)
            .filter(|(_, full)| {
                matches!(full.act.said, Said::Control(Control::GroupLife { .. }))
            })
            .count(),
        2
    );
    assert!(server.verified().contains("the log is sound"));
    assert!(server.run(&["rebuild"]).ok().contains("as it was"));
}
