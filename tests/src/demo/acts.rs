//! The day as it should be: opening, enrolment, work, visits, an edit by two, a remark.

use super::browser::Browser;
use super::handset::{Handset, field, text, values};
use super::records::PHONES;
use super::road::nowhere;
use super::world::{OFFICER, World};
use super::{Fault, Outcome};

/// The commune, by its name among the built-in units. The hamlets in it are invented.
const COMMUNE: &str = "Hòa Tú";
const PROVINCE: &str = "Cần Thơ";
const HAMLETS: [&str; 2] = ["Giồng Me", "Xóm Rẫy Dừa"];
/// Groups, each with who uses the phones: name and role.
const GROUPS: [(&str, [(&str, &str); 2]); 2] = [
    (
        "Tổ an ninh trật tự ấp Giồng Me",
        [("Nguyễn Văn Mẫu", "leader"), ("Trần Thị Mẫu", "deputy")],
    ),
    (
        "Tổ tự quản ấp Xóm Rẫy Dừa",
        [("Lê Văn Mẫu", "leader"), ("Phạm Thị Mẫu", "member")],
    ),
];
/// What each phone keeps for later acts.
const FOR_LATER: [usize; PHONES] = [4, 2, 3, 0];

/// The server, areas, groups, members, an officer.
pub(super) fn opening(world: &mut World) -> Outcome<()> {
    world.tell.act("A server on an empty directory");
    let home = world.home.display().to_string();
    world.tell.say(&format!("directory of everything: {home}"));
    world.server = world.keeper.start(world.server)?;
    let server = world.server;
    world
        .tell
        .say(&format!("binhyen serve: listening on https://{server}"));
    let found = world.desk.run(&["area", "find", COMMUNE])?;
    let line = found.lines().find(|line| line.contains(PROVINCE));
    let line = line.ok_or_else(|| Fault::new("the commune is not among the units"))?;
    let code = line
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned();
    let place = line.rsplit("  ").next().unwrap_or_default();
    world
        .tell
        .say(&format!("binhyen area find: {code} is {place}"));
    let mut list = "name,kind,parent_code,valid_from,decision_no\n".to_owned();
    for hamlet in HAMLETS {
        list.push_str(&format!("{hamlet},ấp,{code},2025-07-01,\n"));
    }
    let list = world.file("hamlets.csv", &list)?.display().to_string();
    world.desk.run(&["area", "import", &list])?;
    for ((name, members), hamlet) in GROUPS.iter().zip(HAMLETS) {
        let group = world.desk.run(&["group", "add", name, "--area", hamlet])?;
        for (member, role) in members {
            let add = ["member", "add", member, "--group", &group, "--role", role];
            world.desk.run(&add)?;
        }
        world.tell.say(&format!("group with two members: {name}"));
        world.groups.push(group);
    }
    world.add_officer("commune_officer", &code)?;
    let sound = world.desk.verify()?.sound;
    world.tell.check(sound, "the new log verifies");
    Ok(())
}

/// Four phones, each a process with a store of its own; six digits are compared.
pub(super) fn enrolment(world: &mut World) -> Outcome<()> {
    world.tell.act("Four phones ask to be enrolled");
    world
        .tell
        .say("Each scans a QR code. The code lets nobody in: phone and server show six");
    world
        .tell
        .say("digits, and an officer compares them with eyes.");
    for number in 0..PHONES {
        let (at, member) = (number / 2, number % 2 + 1);
        let (_, members) = GROUPS.get(at).ok_or_else(|| Fault::new("no such group"))?;
        let (who, _) = members
            .get(member - 1)
            .ok_or_else(|| Fault::new("nobody"))?;
        let group = world.group(at)?;
        let name = format!("phone {}", number + 1);
        let home = world.home.join(format!("phone-{}", number + 1));
        let mut phone = Handset::new(home, &name, u16::try_from(member)?)?;
        let printed = world.desk.run(&["enrol", "--group", &group])?;
        let code = printed.lines().find(|line| line.starts_with("BINHYEN1:"));
        let code = code.ok_or_else(|| Fault::new("no code was printed"))?;
        let (group_name, digits) = phone.enrol(code)?;
        world
            .tell
            .show(&name, &format!("{group_name}: {digits}  ({who})"));
        world.phones.push(phone);
        confirm(world, number, &digits)?;
    }
    world.sync_all(&[0, 1, 2, 3])?;
    let mut confirmed = 0;
    for phone in &mut world.phones {
        confirmed += usize::from(phone.status()?.confirmed);
    }
    world
        .tell
        .check(confirmed == PHONES, "all four know that they are confirmed");
    // The handshake of a visit that brings nothing tells later acts where to cut.
    world.empty = Some(world.sync(0)?);
    Ok(())
}

fn confirm(world: &mut World, number: usize, digits: &str) -> Outcome<()> {
    let listed = world.desk.run(&["device", "list"])?;
    let waits = format!("waits, digits {digits}");
    let line = listed.lines().find(|line| line.contains(&waits));
    let device = line.and_then(|line| line.split_whitespace().next());
    let Some(device) = device.map(str::to_owned) else {
        return Err(Fault::new("the server shows other digits than the phone"));
    };
    if number == 0 {
        let other = if digits == "000000" {
            "000001"
        } else {
            "000000"
        };
        let (code, _, _) = world.desk.try_run(&["device", "confirm", &device, other])?;
        world.tell.check(code != 0, "six other digits are refused");
    }
    world.desk.run(&["device", "confirm", &device, digits])?;
    world.devices.push(device);
    Ok(())
}

/// Everybody works; there is no network.
pub(super) fn offline(world: &mut World) -> Outcome<()> {
    world.tell.act("A day without a network");
    let nowhere = nowhere()?;
    for number in 0..PHONES {
        let (kept, all) = (FOR_LATER.get(number), world.work.get(number));
        let count = all.map_or(0, |list| list.len() - kept.copied().unwrap_or(0));
        world.write(number, count)?;
        let name = world.name(number);
        let phone = world.phone(number)?;
        let visit = phone.visit(nowhere)?;
        let status = phone.status()?;
        let shown = format!("{} waiting. {}", status.queued, visit.words);
        world.tell.show(&name, &shown);
        let all_wait = !visit.well && status.queued == count as u64;
        world.tell.check(
            all_wait,
            &format!("{count} records are on {name}, and nowhere else"),
        );
    }
    let written = world
        .written
        .iter()
        .filter(|row| !row.draft.words().is_empty());
    for row in written.step_by(9) {
        let name = world.name(row.phone);
        world.tell.show(&name, row.draft.words());
    }
    let phone = world.phone(1)?;
    let before = phone.status()?.queued;
    phone.off_and_on()?;
    let after = phone.status()?.queued;
    let text = format!("phone 2 was switched off by force; its {after} are still there");
    world.tell.check(before == after, &text);
    Ok(())
}

/// All visit twice, so that each has what the others sent.
pub(super) fn everyone_visits(world: &mut World) -> Outcome<()> {
    world.tell.act("The network is back");
    for number in 0..PHONES {
        let visited = world.sync(number)?;
        let (name, received) = (world.name(number), visited.received);
        let (up, down) = (visited.up, visited.down);
        world.tell.show(
            &name,
            &format!("{received} received; {up} bytes up, {down} down, TLS and all"),
        );
    }
    world.sync_all(&[0, 1, 2])?;
    for (one, other) in [(0, 1), (2, 3)] {
        let a = world.phone(one)?.list("open")?;
        let b = world.phone(other)?.list("open")?;
        for row in a.iter().take(2) {
            world.tell.show(&world.name(other), &row.headline);
        }
        let (one, other) = (world.name(one), world.name(other));
        let text = format!("{one} and {other} show the same {} open records", a.len());
        world.tell.check(a == b, &text);
    }
    let own = world.phone(0)?.list("tip")?;
    let others = world.phone(1)?.list("tip")?;
    let apart = !own.is_empty() && others.iter().all(|row| !own.contains(row));
    world.tell.check(
        apart,
        "a tip of phone 1 is not on phone 2: a closed lane stays closed",
    );
    let first = world.phone(0)?.list("open")?;
    let second = world.phone(2)?.list("open")?;
    let apart = first.iter().all(|row| !second.contains(row));
    world
        .tell
        .check(apart, "no phone holds a record of the other group");
    Ok(())
}

const LAMPS: &str = "tuan tra 20h30";
const BY_LEADER: &str = "Tuần tra 20h30 đến 23h, 3 người; đèn đường số 7 và số 9 bị hư.";
const BY_DEPUTY: &str = "Tuần tra 20h30 đến 23h, 3 người; đèn số 7 hư, đã báo điện lực.";

/// Two phones edit one record without knowing of each other.
pub(super) fn two_edit_one_record(world: &mut World) -> Outcome<()> {
    world.tell.act("Two phones edit one record");
    let record = world.note(LAMPS)?;
    world.phone(0)?.edit(&record, "summary", BY_LEADER)?;
    world.phone(1)?.edit(&record, "summary", BY_DEPUTY)?;
    world.tell.show("phone 1", BY_LEADER);
    world.tell.show("phone 2", BY_DEPUTY);
    world.tell.say("Both were offline. Then both visit.");
    world.sync_all(&[0, 1, 0])?;
    let mut shown = Vec::new();
    for number in [0, 1] {
        let page = world.phone(number)?.show(&record)?;
        let at = field(&page, "summary")?.clone();
        let said: Vec<String> = values(&at)
            .into_iter()
            .map(|row| text(row, "text"))
            .collect();
        shown.push(said);
    }
    let both = shown.iter().all(|said| {
        said.len() == 2
            && said.iter().any(|s| s == BY_LEADER)
            && said.iter().any(|s| s == BY_DEPUTY)
    });
    world
        .tell
        .check(both, "both values stand side by side, on both phones");
    let same = shown.first() == shown.last();
    world.tell.check(same, "both phones put the same one first");
    let page = world.phone(0)?.show(&record)?;
    let at = field(&page, "summary")?.clone();
    let chosen = values(&at)
        .into_iter()
        .find(|row| text(row, "text") == BY_DEPUTY);
    let change = chosen.map(|row| text(row, "change"));
    let change = change.ok_or_else(|| Fault::new("there is nothing to choose"))?;
    world.phone(0)?.choose(&record, "summary", &change)?;
    world.sync_all(&[0, 1])?;
    let mut alone = true;
    for number in [0, 1] {
        let page = world.phone(number)?.show(&record)?;
        let at = field(&page, "summary")?;
        alone &= values(at).len() == 1 && text(at, "text") == BY_DEPUTY;
    }
    world
        .tell
        .show("phone 1", "the leader chooses the second one");
    world.tell.check(
        alone,
        "it stands alone on both; nothing that was said is lost",
    );
    Ok(())
}

const NORMAL: &str = "Tuần tra 22h–0h";
const QUESTION: &str = "Xin ghi rõ tuyến tuần tra.";
const ANSWER: &str = "Lộ nhựa, từ cầu sắt tới chợ";

/// An officer asks, the phone answers, the officer is content.
pub(super) fn a_remark_returns(world: &mut World) -> Outcome<()> {
    world
        .tell
        .act("A remark returns to the phone and is answered");
    let record = world.note(NORMAL)?;
    let password = world.password.clone();
    let mut browser = Browser::new(world.server, &world.ca())?;
    browser.sign_in(OFFICER, &password)?;
    let list = browser.get("/console")?.text();
    let (_, page) = browser.record(&record)?;
    let reads = list.contains("Tuần tra") && page.contains(NORMAL);
    world.tell.check(
        reads,
        "the officer signs in at the console and reads the record",
    );
    // reason 2 is "thiếu địa điểm": a place is missing
    let back = [("act", "return"), ("reason", "2"), ("text", QUESTION)];
    browser.review(&record, &back)?;
    world.browser = Some(browser);
    world.tell.show("console", &format!("returned: {QUESTION}"));
    world.sync_all(&[0, 1])?;
    let mut told = true;
    for number in [0, 1] {
        let page = world.phone(number)?.show(&record)?;
        let remark = page.pointer("/remarks/0").cloned().unwrap_or_default();
        told &= text(&remark, "words") == QUESTION;
        told &= page.get("unanswered") == Some(&true.into());
        let (state, reason) = (text(&remark, "state"), text(&remark, "reason"));
        let shown = format!("{state}, {reason}: {}", text(&remark, "words"));
        world.tell.show(&world.name(number), &shown);
    }
    world
        .tell
        .check(told, "the remark is on both phones of the group");
    world.phone(1)?.edit(&record, "route_text", ANSWER)?;
    world.tell.show("phone 2", &format!("answers: {ANSWER}"));
    world.sync(1)?;
    let (_, page) = world.browser()?.record(&record)?;
    world
        .tell
        .check(page.contains(ANSWER), "the answer is at the console");
    world.browser()?.review(&record, &[("act", "accept")])?;
    world.sync_all(&[0, 1])?;
    let page = world.phone(0)?.show(&record)?;
    let state = text(&page, "state");
    world.tell.show("phone 1", &state);
    let content = state == "đã xác nhận" && page.get("unanswered") == Some(&false.into());
    world
        .tell
        .check(content, "the officer accepts it, and the phones say so");
    Ok(())
}
