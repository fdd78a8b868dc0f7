//! The server is killed a hundred times, each time at another moment of an exchange, while phones
//! come all the time. Whatever a phone was told is received must be in the log.
//!
//! One phone is led by hand, so that the kill falls before its exchange, into its upload, into
//! the commit and into the answer. The others come on their own and meet the kills anywhere.
#![expect(
    clippy::unwrap_used,
    reason = "what cannot go on in a test must end it"
)]

#[cfg(test)]
mod common;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use common::{Phone, Server, head_of};
use sync_core::change::ChangeRef;
use sync_core::hub::facts;
use sync_core::ids::{Hash32, RecordId};
use tests::sim::Dice;

const KILLS: usize = 100;
const OTHERS: u64 = 3;
const SEED: u64 = 20_261_124;
/// The hundred kills end earlier on a machine that is this slow, rather than never.
const TIME_MAX: Duration = Duration::from_secs(240);

/// What all phones are told from outside.
struct Outside {
    address: Mutex<String>,
    over: AtomicBool,
}

/// Where in an exchange the kill falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    Before,
    Upload,
    Commit,
    Answer,
}

const MOMENTS: [Moment; 4] = [
    Moment::Before,
    Moment::Upload,
    Moment::Commit,
    Moment::Answer,
];

/// What became of changes whose exchange was cut and of which the phone was told nothing.
#[derive(Debug, Default)]
struct Untold {
    in_log: u32,
    not_in_log: u32,
}

fn write(phone: &mut Phone, dice: &mut Dice, words: &str) {
    let known: Vec<RecordId> = phone.replica.records().map(|(id, ..)| *id).collect();
    let record = dice.pick(&known).copied().filter(|_| dice.chance(30));
    phone.save(record, words);
}

/// A phone that comes all the time until the end.
fn come(mut phone: Phone, nth: u64, outside: Arc<Outside>) -> JoinHandle<Phone> {
    thread::spawn(move || {
        let mut dice = Dice::new(SEED ^ nth);
        let mut round = 0;
        while !outside.over.load(Ordering::Relaxed) {
            round += 1;
            write(&mut phone, &mut dice, &format!("máy {nth} vòng {round}"));
            phone
                .line
                .address
                .clone_from(&outside.address.lock().unwrap());
            // A broken line costs nothing: what is queued goes up with the next visit.
            drop(phone.sync());
            if dice.chance(5) {
                phone.reload();
            }
            let pause = 5 + dice.below(40);
            thread::sleep(Duration::from_millis(u64::try_from(pause).unwrap()));
        }
        phone
    })
}

fn pause(dice: &mut Dice, up_to: Duration) {
    let micros = usize::try_from(up_to.as_micros()).unwrap();
    let drawn = u64::try_from(dice.below(micros.max(1))).unwrap();
    thread::sleep(Duration::from_micros(drawn));
}

/// One exchange of the led phone, with the kill at this moment of it.
fn exchange(phone: &mut Phone, server: &mut Server, at: Moment, whole: Duration, dice: &mut Dice) {
    let outgoing = phone.request();
    let body = outgoing.body();
    let mut connection = phone.connect().unwrap();
    let head = head_of("/v1/sync", "", body.len());
    match at {
        Moment::Before => pause(dice, whole),
        Moment::Upload => {
            let cut = dice.below(body.len());
            connection.send(&head).unwrap();
            connection.send(&body[..cut]).unwrap();
            pause(dice, whole);
        }
        Moment::Commit => {
            connection.send(&[head.as_slice(), body].concat()).unwrap();
            pause(dice, whole);
        }
        Moment::Answer => {
            connection.send(&[head.as_slice(), body].concat()).unwrap();
            let reply = connection.read();
            server.kill();
            // Every other answer is lost although it came.
            if dice.chance(50) {
                phone.take(&outgoing, &reply.unwrap()).unwrap();
            }
            return;
        }
    }
    server.kill();
    if at == Moment::Commit
        && let Ok(reply) = connection.read()
    {
        phone.take(&outgoing, &reply).unwrap();
    }
}

/// Whether the log has this change, as it was saved.
fn in_log(server: &Server, at: ChangeRef) -> Option<Hash32> {
    let place = server.read(|snapshot| facts::place(snapshot, at));
    place.map(|place| {
        assert_eq!(place.aside, None, "{at:?} was set aside");
        place.hash
    })
}

fn assert_told_is_there(server: &Server, phone: &Phone) {
    for (at, hash) in &phone.told {
        assert_eq!(in_log(server, *at).as_ref(), Some(hash), "told, and gone");
    }
}

/// How long one exchange takes here, so that the kills spread over all of it.
fn measured(phone: &mut Phone) -> Duration {
    let mut total = Duration::ZERO;
    const TIMES: u32 = 8;
    for nth in 0..TIMES {
        phone.save(None, &format!("đo {nth}"));
        let outgoing = phone.request();
        let mut connection = phone.connect().unwrap();
        let began = Instant::now();
        let reply = connection.ask("/v1/sync", "", outgoing.body()).unwrap();
        total += began.elapsed();
        phone.take(&outgoing, &reply).unwrap();
    }
    total / TIMES
}

/// Every record as it is shown.
fn shown(phone: &Phone) -> BTreeMap<RecordId, String> {
    let ids = phone.replica.records().map(|(id, ..)| *id);
    ids.map(|id| (id, format!("{:?}", phone.replica.view(id))))
        .collect()
}

fn settle(server: &Server, phones: &mut [Phone]) {
    for _ in 0..2 {
        for phone in phones.iter_mut() {
            phone.line.address.clone_from(&server.address);
            phone.reload();
            phone.sync().unwrap();
        }
    }
}

#[test]
fn nothing_acknowledged_is_missing_after_a_hundred_kills() {
    let began = Instant::now();
    let mut server = Server::new();
    let group = server.group("Tổ bảo vệ an ninh trật tự ấp 1");
    let mut led = server.phone(&group);
    let whole = measured(&mut led) * 2;
    let outside = Arc::new(Outside {
        address: Mutex::new(server.address.clone()),
        over: AtomicBool::new(false),
    });
    let others: Vec<JoinHandle<Phone>> = (0..OTHERS)
        .map(|nth| come(server.phone(&group), nth, Arc::clone(&outside)))
        .collect();

    let mut dice = Dice::new(SEED);
    let mut untold: BTreeMap<Moment, Untold> = BTreeMap::new();
    for nth in 0..KILLS {
        assert!(
            began.elapsed() < TIME_MAX,
            "only {nth} kills in {TIME_MAX:?}"
        );
        let at = MOMENTS[nth % MOMENTS.len()];
        pause(&mut dice, Duration::from_millis(150));
        for _ in 0..=dice.below(3) {
            write(&mut led, &mut dice, &format!("lần {nth}"));
        }
        exchange(&mut led, &mut server, at, whole, &mut dice);
        server.restart();
        outside.address.lock().unwrap().clone_from(&server.address);
        led.line.address.clone_from(&server.address);
        assert_told_is_there(&server, &led);
        for (change, hash) in &led.saved {
            if led.told.contains_key(change) {
                continue;
            }
            let tally = untold.entry(at).or_default();
            match in_log(&server, *change) {
                Some(found) => {
                    assert_eq!(found, *hash);
                    tally.in_log += 1;
                }
                None => tally.not_in_log += 1,
            }
        }
        if dice.chance(20) {
            led.reload();
        }
        led.sync().unwrap();
    }
    outside.over.store(true, Ordering::Relaxed);
    let joined = others.into_iter().map(|thread| thread.join().unwrap());
    let mut phones: Vec<Phone> = std::iter::once(led).chain(joined).collect();
    for phone in &phones {
        assert_told_is_there(&server, phone);
    }
    settle(&server, &mut phones);

    let first = shown(&phones[0]);
    let mut saved = 0;
    for phone in &phones {
        assert_eq!(phone.told, phone.saved, "all of it is received now");
        assert_told_is_there(&server, phone);
        assert!(shown(phone) == first, "the phones show the same");
        saved += phone.saved.len();
    }
    let verified = server.verified();
    assert!(
        verified.contains(&format!("{saved} changes, 0 set aside")),
        "{saved} were saved, each once: {verified}"
    );
    let rebuilt = server.run(&["rebuild"]).ok();
    assert!(rebuilt.contains("as it was"), "{rebuilt}");
    println!(
        "{KILLS} kills, {saved} changes, one exchange {:?}, untold: {untold:?}, {:?} in all",
        whole / 2,
        began.elapsed()
    );
    // The kills did fall where they were meant to.
    assert_eq!(untold[&Moment::Before].in_log, 0);
    assert_eq!(untold[&Moment::Upload].in_log, 0);
    assert!(untold[&Moment::Commit].not_in_log > 0, "{untold:?}");
    assert!(untold[&Moment::Answer].in_log > 0, "{untold:?}");
    assert_eq!(untold[&Moment::Answer].not_in_log, 0);
}
