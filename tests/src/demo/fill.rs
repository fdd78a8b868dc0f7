//! After the day: the server is filled with sample data, by phones over the network.
//!
//! These phones are whole replicas with keys of their own, enrolled by a code and six digits like
//! any other. They pull what their group says, keep every receipt, and live in the memory of this
//! process: what a disk does to a phone is what the day before shows. Their clocks show the days
//! of the sample; the server's own clock shows today, and that is when it received all of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use rustls::ClientConfig;
use sync_core::change::ChangeRef;
use sync_core::codec::Model;
use sync_core::hub::arrival::{EnrolAnswer, EnrolRequest, digits};
use sync_core::ids::{GroupId, RecordId};
use sync_core::invitation::Invitation;
use sync_core::keys::Secret;
use sync_core::replica::{Edit, Identity, Replica, Standing, StoreOp};
use sync_core::value::Value;
use sync_core::vocabulary::Vocabulary;

use super::web::{Link, Reply, WallClock, trust};
use super::world::World;
use super::{Fault, Outcome};
use crate::fill::{Handle, Progress, Round, Rounds, Save, hamlets_csv};
use crate::generate::{self, Profile};
use crate::sim::Dice;

/// Days between two visits of a phone: a quarter of a year then has some fourteen, and a device
/// may come sixty times at once.
const ROUND_DAYS: u32 = 7;
const ROUND_DAYS_OF_A_YEAR: u32 = 30;
/// Longest visit.
const VISIT_MAX: Duration = Duration::from_secs(20);
/// Plenty: a visit carries all that waits.
const BUDGET_BYTES: usize = 256 * 1024;
/// Visits until nothing more waits, and tries of one that comes too often.
const VISITS_MAX: u32 = 40;
const TRIES_MAX: u32 = 10;

/// A phone of the sample.
struct Phone {
    replica: Replica,
    group: GroupId,
    host: String,
    config: Arc<ClientConfig>,
}

/// A record that a phone saved.
#[derive(Clone, Copy)]
struct Made {
    record: RecordId,
    at: ChangeRef,
}

/// What was filled in.
#[derive(Default)]
struct Counts {
    records: u64,
    edits: u64,
    returned: u64,
    erased: u64,
}

/// Fills the running server with a profile.
pub(super) fn fill(world: &mut World, profile: Profile, seed: u64) -> Outcome<()> {
    let sample = generate::World::of(profile, seed);
    let title = format!(
        "{} more groups and {} phones: the sample {profile}, {}",
        sample.groups.len(),
        sample.phones.len(),
        generate::WATERMARK,
    );
    world.tell.act(&title);
    world
        .tell
        .say("Nobody in it is real. Its days are those of the sample; it is received today.");
    let before = world.desk.verify()?.changes;
    let mut phones = found(world, &sample)?;
    let server = world.server;
    let days = if profile == Profile::Demo {
        ROUND_DAYS
    } else {
        ROUND_DAYS_OF_A_YEAR
    };
    let mut counts = Counts::default();
    let mut made = BTreeMap::new();
    let mut progress = Progress::begin();
    for round in Rounds::new(&sample, days) {
        let done = round.done;
        one_round(world, &mut phones, &mut made, round, &mut counts)?;
        progress.at(done, counts.records);
    }
    for phone in &mut phones {
        phone.sync(server)?;
    }
    let Counts {
        records,
        edits,
        returned,
        erased,
    } = counts;
    world.tell.say(&format!(
        "{records} records and {edits} edits; {returned} returned by the officer, {erased} erased"
    ));
    let unsettled: usize = phones
        .iter()
        .map(|phone| phone.replica.unsettled().count())
        .sum();
    let receipts = phones
        .iter()
        .filter(|phone| phone.replica.receipt().is_some())
        .count();
    let all = unsettled == 0 && receipts == phones.len();
    world.tell.check(
        all,
        "every phone has the server's receipt for all that it saved",
    );
    let verified = world.desk.verify()?;
    world.tell.check(verified.sound, "verify passes");
    let exact = verified.changes == before + records + edits;
    world.tell.check(
        exact,
        "the log has each of them once, also what was sent twice",
    );
    let page = world.browser()?.get("/console?lane=open")?;
    let shown = page.status == 200 && page.text().contains("ấp");
    world.tell.check(shown, "the console lists them");
    Ok(())
}

/// Hamlets, groups, members and phones, by the commands.
fn found(world: &World, sample: &generate::World) -> Outcome<Vec<Phone>> {
    let list = world.file("sample-hamlets.csv", &hamlets_csv(sample))?;
    world
        .desk
        .run(&["area", "import", &list.display().to_string()])?;
    let mut dice = Dice::new(sample.seed ^ 0x7068_6f6e_6573);
    let mut phones = Vec::new();
    for group in &sample.groups {
        let area = group.area().to_string();
        let add = ["group", "add", &group.name, "--area", &area, "--same-name"];
        let id = world.desk.run(&add)?;
        for member in &group.members {
            let add = [
                "member",
                "add",
                &member.name,
                "--group",
                &id,
                "--role",
                member.role,
            ];
            world.desk.run(&add)?;
        }
        for _phone in &group.phones {
            phones.push(enrol(world, &id, &mut dice)?);
        }
    }
    let server = world.server;
    for phone in &mut phones {
        phone.sync(server)?;
    }
    Ok(phones)
}

fn enrol(world: &World, group: &str, dice: &mut Dice) -> Outcome<Phone> {
    let printed = world.desk.run(&["enrol", "--group", group])?;
    let code = printed.lines().find(|line| line.starts_with("BINHYEN1:"));
    let code = code.ok_or_else(|| Fault::new("no code was printed"))?;
    let code = Invitation::from_text(code)?;
    let device = Secret::from_bytes(&dice.bytes());
    let shown = digits(&code.realm, &code.log, &device.public(), &code.token);
    let request = EnrolRequest::sign(&code.realm, &device, code.token);
    let (host, config) = (
        world.server.ip().to_string(),
        trust(&code.ca_der, WallClock::right())?,
    );
    let reply = post(
        world.server,
        &host,
        &config,
        "/v1/enrol",
        &request.to_bytes(),
    )?;
    let answer = EnrolAnswer::from_bytes(&reply.body)
        .map_err(|odd| Fault::new(format!("the answer to an enrolment: {odd}")))?;
    let id = device.id().to_string();
    world
        .desk
        .run(&["device", "confirm", &id, &format!("{shown:06}")])?;
    let vocabulary = Vocabulary::builtin();
    let ops = Replica::enrolled(vocabulary, &answer);
    let rows = ops.into_iter().filter_map(|op| match op {
        StoreOp::Put { table, key, value } => Some((table, key, value)),
        StoreOp::Delete { .. } => None,
    });
    let identity = Identity {
        realm: code.realm,
        log: code.log,
        device,
    };
    Ok(Phone {
        replica: Replica::load(identity, vocabulary.clone(), rows, 0)?,
        group: answer.group,
        host,
        config,
    })
}

fn one_round(
    world: &mut World,
    phones: &mut [Phone],
    made: &mut BTreeMap<Handle, Made>,
    round: Round,
    counts: &mut Counts,
) -> Outcome<()> {
    let server = world.server;
    // who edits what another phone wrote must have pulled it, and not yet the other's edit
    for phone in &round.foreign {
        phones[*phone].sync(server)?;
    }
    for (phone, saves) in &round.saves {
        for save in saves {
            let done = phones[*phone].save(save, made)?;
            if save.creates.is_some() {
                made.insert(save.handle, done);
                counts.records += 1;
            } else {
                counts.edits += 1;
            }
        }
    }
    for phone in round.saves.keys() {
        let again = round.resent.contains(phone);
        phones[*phone].bring(server, again)?;
    }
    let of = |handle: &Handle| {
        let found = made.get(handle);
        found
            .copied()
            .ok_or_else(|| Fault::new("a record is not there"))
    };
    for row in &round.returns {
        let (record, reason) = (of(&row.handle)?.record.to_string(), row.reason.to_string());
        let fields = [("act", "return"), ("reason", reason.as_str())];
        world.browser()?.review(&record, &fields)?;
        counts.returned += 1;
    }
    for row in &round.scraps {
        let at = of(&row.handle)?.at;
        let (at, field) = (
            format!("{}:{}", at.chain, at.seq),
            row.field.number.to_string(),
        );
        world.desk.run(&["erase", &at, &field, "--keep-files"])?;
        counts.erased += 1;
    }
    Ok(())
}

fn model() -> &'static Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL.get_or_init(Model::primed)
}

impl Phone {
    fn save(&mut self, save: &Save, made: &BTreeMap<Handle, Made>) -> Outcome<Made> {
        let of = |handle: &Handle| {
            let found = made.get(handle).map(|made| made.record);
            found.ok_or_else(|| Fault::new("a record is not there"))
        };
        let mut values = save.values.clone();
        for (field, handle) in &save.links {
            values.insert(*field, Value::Links(vec![of(handle)?]));
        }
        let edit = Edit {
            group: self.group,
            member: save.member,
            record: match save.creates {
                Some(_) => None,
                None => Some(of(&save.handle)?),
            },
            record_type: save.creates.unwrap_or_default(),
            values,
        };
        let mono_s = u32::try_from(save.clock_s.rem_euclid(1 << 31)).unwrap_or(0);
        let job = self
            .replica
            .save(&edit, save.clock_s, mono_s, &save.random)?;
        let done = Made {
            record: job.record(),
            at: job.change().change.at,
        };
        self.replica.handle_appended(job)?;
        Ok(done)
    }

    /// Brings what waits and pulls what is there.
    fn sync(&mut self, server: SocketAddr) -> Outcome<()> {
        self.bring(server, false)
    }

    /// The same; `again`: the first request is sent a second time, byte for byte, as after an
    /// answer that got lost.
    fn bring(&mut self, server: SocketAddr, again: bool) -> Outcome<()> {
        let mut again = again;
        for _ in 0..VISITS_MAX {
            let outgoing = self.replica.poll_request(model(), BUDGET_BYTES, 0)?;
            let ask = || {
                post(
                    server,
                    &self.host,
                    &self.config,
                    "/v1/sync",
                    outgoing.body(),
                )
            };
            if std::mem::take(&mut again) {
                ask()?;
            }
            let reply = ask()?;
            let next = self
                .replica
                .handle_answer(model(), &outgoing, &reply.body)?;
            let aside = |standing: &Standing| matches!(standing, Standing::Aside(_));
            if let Some((full, standing)) = self
                .replica
                .unsettled()
                .find(|(_, standing)| aside(standing))
            {
                let at = full.change.at;
                let why = format!("{}:{} was set aside: {standing:?}", at.chain, at.seq);
                return Err(Fault::new(why));
            }
            if !next.again {
                return Ok(());
            }
        }
        Err(Fault::new("a phone never comes to an end"))
    }
}

/// One request; a server that says that it comes too often is asked again later.
fn post(
    server: SocketAddr,
    host: &str,
    config: &Arc<ClientConfig>,
    path: &str,
    body: &[u8],
) -> Outcome<Reply> {
    for _ in 0..TRIES_MAX {
        let mut link = Link::open(server, host, Arc::clone(config), VISIT_MAX)?;
        let reply = link.ask("POST", path, "", body)?;
        match reply.status {
            200 => return Ok(reply),
            429 => {
                let wait = reply
                    .header("retry-after")
                    .and_then(|text| text.parse().ok());
                thread::sleep(Duration::from_secs(wait.unwrap_or(1)));
            }
            status => return Err(Fault::new(format!("{path}: the server answers {status}"))),
        }
    }
    Err(Fault::new(format!("{path}: the server has no time")))
}
