//! Areas that change: a file of events is taken whole or not at all, groups move with their areas,
//! and what became of each can be asked.

use std::fs;

use super::common::{COMMUNE, Server};

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

fn events(server: &Server, lines: &str) -> super::common::Ran {
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
