//! The day as it is: a link that is cut, a wrong clock, a lost phone, a server without power.

use super::records::Draft;
use super::road::{Cut, Road};
use super::world::World;
use super::{Fault, Outcome};

/// So far into a request.
const INTO_REQUEST: u64 = 40;
/// So far before the end of the shortest answer.
const BEFORE_END: u64 = 60;
/// What a phone without a battery shows: three minutes after midnight, 1 January 1970.
const NINETEEN_SEVENTY_S: i64 = 180;
/// A receipt is never older than this project.
const LATER_THAN_S: i64 = 1_700_000_000;

/// Where a request is under way, and where an answer is.
fn places(world: &World) -> Outcome<(Cut, Cut)> {
    let empty = world.empty.as_ref();
    let empty = empty.ok_or_else(|| Fault::new("no visit was measured"))?;
    let down = empty.down.saturating_sub(BEFORE_END);
    Ok((Cut::Up(empty.up + INTO_REQUEST), Cut::Down(down)))
}

/// One visit of phone 1 ends in the request, another in the answer.
pub(super) fn cut_link(world: &mut World) -> Outcome<()> {
    world.tell.act("A link is cut half-way");
    let (in_request, in_answer) = places(world)?;
    let before = world.desk.verify()?.changes;
    let waiting = world.phone(0)?.status()?.queued;
    world
        .tell
        .say(&format!("Phone 1 has {waiting} records to send."));
    for (cut, where_it_is, on_server) in [
        (Cut::Up(100), "in the first greeting", 0),
        (in_request, "in the request", 0),
        (in_answer, "in the answer", waiting),
    ] {
        let mut road = Road::open(world.server, cut)?;
        let phone = world.phone(0)?;
        phone.set_out(road.address)?;
        road.reached()?;
        road.close();
        let visit = phone.visited()?;
        let queued = phone.status()?.queued;
        let there = world.desk.verify()?.changes - before;
        world.tell.show("phone 1", &visit.words);
        let holds = !visit.well && queued == waiting && there == on_server;
        let text = format!("cut {where_it_is}: the server has {there}, the phone keeps {queued}");
        world.tell.check(holds, &text);
    }
    let visit = world.sync(0)?;
    let queued = world.phone(0)?.status()?.queued;
    let there = world.desk.verify()?.changes - before;
    let once = there == waiting && queued == 0 && visit.received == waiting;
    world
        .tell
        .show("phone 1", &format!("{} received", visit.received));
    world.tell.check(
        once,
        &format!("the next visit settles it: {there} on the server, none twice"),
    );
    Ok(())
}

/// A phone whose clock says 1970.
pub(super) fn wrong_clock(world: &mut World) -> Outcome<()> {
    world.tell.act("A phone whose clock says 1970");
    world.phone(2)?.set_clock(Some(NINETEEN_SEVENTY_S))?;
    let record = world.write(2, 1)?;
    let visit = world.sync(2)?;
    let words = world.written.last().map(|row| row.draft.words().to_owned());
    world.tell.show("phone 3", &words.unwrap_or_default());
    let text_tls = "TLS and the server take it: nothing is refused for a clock";
    world.tell.check(visit.received == 1, text_tls);
    world.phone(2)?.set_clock(None)?;
    world.sync(3)?;
    let page = world.phone(3)?.show(&record)?;
    let at = |name: &str| page.get(name).and_then(serde_json::Value::as_i64);
    let written = at("written_s") == Some(NINETEEN_SEVENTY_S);
    let received = at("received_s").is_some_and(|time| time > LATER_THAN_S);
    let told = "phone 4 shows both times: 1970 as written, the server's as received";
    world.tell.check(written && received, told);
    let newest = world.phone(3)?.list("open")?;
    let first = newest.first().is_some_and(|row| row.record == record);
    world.tell.check(
        first,
        "it is first in the list: the log orders, not the clocks",
    );
    Ok(())
}

/// What phone 4 writes and does not send before it is revoked.
const LATE: [&str; 2] = ["Ghi trước khi mất máy.", "Người nhặt được máy ghi thêm."];

/// Phone 4 is lost with two records that it had not sent.
pub(super) fn lost_phone(world: &mut World) -> Outcome<()> {
    world.tell.act("A phone is lost and revoked");
    let before = world.phone(3)?.list("open")?.len();
    let mut late = Vec::new();
    for words in LATE {
        late.push(world.phone(3)?.save(&Draft::patrol(words))?);
        world.tell.show("phone 4", words);
    }
    let device = world.devices.get(3).cloned().unwrap_or_default();
    world.desk.run(&["device", "revoke", &device])?;
    let told = "binhyen device revoke. Only then does phone 4 find a network again.";
    world.tell.say(told);
    let asides = world.desk.verify()?.asides;
    world.sync(3)?;
    let status = world.phone(3)?.status()?;
    for words in status.waiting.iter().take(1) {
        world.tell.show("phone 4", words);
    }
    let closed = "phone 4 knows that it is closed";
    world.tell.check(status.closed, closed);
    let listed = world.desk.run(&["quarantine", "list"])?;
    let held = listed.lines().filter(|line| line.contains(&device)).count();
    let verified = world.desk.verify()?;
    let two = held == 2 && verified.asides == asides + 2 && status.waiting.len() == 2;
    let text = "its two late records are held for an officer, and not lost";
    world.tell.check(two, text);
    let own = world.written.iter().filter(|row| row.phone == 3);
    let mut own: Vec<String> = own.map(|row| row.record.clone()).collect();
    own.extend(late.iter().cloned());
    let after = world.phone(3)?.list("open")?;
    let only_own = after.len() < before && after.iter().all(|row| own.contains(&row.record));
    let text = format!("of {before} open records it shows {}: its own", after.len());
    world.tell.check(only_own, &text);
    world.sync(2)?;
    let others = world.phone(2)?.list("open")?;
    let clean = others.iter().all(|row| !late.contains(&row.record));
    let text = "phone 3 goes on, and sees neither of the two";
    world.tell.check(clean, text);
    Ok(())
}

/// The power fails between visits, in a request, in an answer.
pub(super) fn server_killed(world: &mut World) -> Outcome<()> {
    world
        .tell
        .act("The server is killed (SIGKILL), three times");
    let began = world.desk.verify()?.changes;
    world.keeper.kill()?;
    for (phone, count) in [(0, 2), (1, 2), (2, 2)] {
        world.write(phone, count)?;
    }
    let server = world.server;
    let visit = world.phone(0)?.visit(server)?;
    world.tell.show("phone 1", &visit.words);
    world
        .tell
        .check(!visit.well, "between two visits: phones write on");
    world.restart()?;
    let received = world.sync(0)?.received + world.sync(1)?.received + world.sync(2)?.received;
    world.tell.check(
        received == 6,
        "the server is back: their six records are received",
    );
    let (in_request, in_answer) = places(world)?;
    killed_at(world, in_request, "in the middle of a request", 0)?;
    killed_at(world, in_answer, "in the middle of an answer", 1)?;
    let there = world.desk.verify()?.changes - began;
    world.tell.check(
        there == 8,
        "eight records written meanwhile, eight in the log",
    );
    Ok(())
}

/// Kills the server at this place of a visit of phone 1, which brings one record.
fn killed_at(world: &mut World, cut: Cut, place: &str, in_log: u64) -> Outcome<()> {
    let before = world.desk.verify()?.changes;
    world.write(0, 1)?;
    let mut road = Road::open(world.server, cut)?;
    world.phone(0)?.set_out(road.address)?;
    road.reached()?;
    world.keeper.kill()?;
    road.close();
    let visit = world.phone(0)?.visited()?;
    world.tell.show("phone 1", &visit.words);
    world.restart()?;
    let verified = world.desk.verify()?;
    let there = verified.changes - before;
    let holds = !visit.well && verified.sound && there == in_log;
    let text = format!("{place}: the log is sound and has {there} of 1");
    world.tell.check(holds, &text);
    let again = world.sync(0)?;
    let there = world.desk.verify()?.changes - before;
    let once = again.received == 1 && there == 1;
    world
        .tell
        .check(once, "the next visit: received, and in the log once");
    Ok(())
}
