//! Hamlets, groups, members and enrolled phones of a world, put into a directory of data before a
//! server starts there. The acts are those of the commands.

use std::collections::BTreeSet;
use std::path::Path;

use server::office::{Begin, Office};
use sync_core::act::Control;
use sync_core::hub::arrival::{self, EnrolRequest};
use sync_core::hub::facts::{self, Group as GroupFacts};
use sync_core::ids::{GroupId, Realm, sha256};
use sync_core::keys::Secret;
use sync_core::vocabulary::{HAMLET_COLUMNS, HamletImport, UNITS_CSV, UnitTable, Vocabulary};

use super::{Trouble, told};
use crate::generate::World;
use crate::sim::Dice;

/// Seconds for which an invitation of a phone is good: it is used at once.
const CODE_S: i64 = 3_600;

/// A group and its phones as the log knows them.
pub(super) struct Founded {
    pub(super) realm: Realm,
    /// Of each group of the world.
    pub(super) groups: Vec<GroupId>,
    /// Of each phone of the world.
    pub(super) phones: Vec<Secret>,
    /// Size of the log when all of it stood there.
    pub(super) size: u64,
}

/// The hamlets of a world as a file to import.
#[must_use]
pub fn hamlets_csv(world: &World) -> String {
    let lines: BTreeSet<String> = world
        .groups
        .iter()
        .flat_map(|group| {
            let code = &group.commune.code;
            let line = move |name: &str| format!("{name},ấp,{code},2025-07-01,\n");
            group.hamlets.iter().map(move |hamlet| line(&hamlet.name))
        })
        .collect();
    format!(
        "{}\n{}",
        HAMLET_COLUMNS.join(","),
        lines.into_iter().collect::<String>()
    )
}

/// Begins a log in a new directory, for commands that need one.
///
/// # Errors
/// What could not be done.
pub fn begin(data: &Path) -> Result<(), Trouble> {
    let (office, running) = Office::open(data, Begin::Allowed).map_err(told("a new log"))?;
    drop(office);
    running.stop();
    Ok(())
}

/// Founds all of it in `data`, which may hold a log that has begun and nothing else.
pub(super) fn found(data: &Path, world: &World) -> Result<Founded, Trouble> {
    let (office, running) = Office::open(data, Begin::Allowed).map_err(told("the log"))?;
    let founded = put(&office, world);
    drop(office);
    running.stop();
    founded
}

fn put(office: &Office, world: &World) -> Result<Founded, Trouble> {
    let text = hamlets_csv(world);
    let units = UnitTable::parse("units.csv", UNITS_CSV)
        .map_err(|faults| format!("the units: {faults:?}"))?;
    let hamlets = HamletImport::parse("hamlets.csv", &text, &units)
        .map_err(|faults| format!("the hamlets: {faults:?}"))?;
    let control = Control::Areas {
        file: sha256(text.as_bytes()),
        rows: u32::try_from(hamlets.areas.len()).unwrap_or(u32::MAX),
    };
    let (realm, log) = (office.hub().realm(), office.hub().log_key());
    let (world, seed) = (world.clone(), world.seed);
    let done = office.act(move |hub, ledger, acting| {
        ledger.import_areas(&hamlets.areas)?;
        hub.note_office(ledger, acting, control)?;
        let mut dice = Dice::new(seed ^ 0x666f_756e_6465_6421);
        let (mut groups, mut phones) = (Vec::new(), Vec::new());
        for row in &world.groups {
            let group = GroupId(dice.bytes());
            let facts = GroupFacts {
                area: row.area(),
                commune: row.commune.area,
                name: row.name.clone(),
            };
            hub.set_group(ledger, acting, group, facts)?;
            for member in &row.members {
                let role = Vocabulary::builtin().role_by_id(member.role);
                let role = role.map_or(0, |role| role.number);
                hub.add_member(ledger, acting, group, &member.name, role)?;
            }
            for _phone in &row.phones {
                let (token, device) = (dice.bytes(), Secret::from_bytes(&dice.bytes()));
                let expires = acting.now_s + CODE_S;
                hub.invite(ledger, group, Vec::new(), &token, expires)?;
                let request = EnrolRequest::sign(&realm, &device, token);
                hub.enrol(ledger, &request, acting.now_s)?;
                let shown = arrival::digits(&realm, &log, &device.public(), &token);
                hub.confirm(ledger, acting, device.id(), shown)?;
                phones.push(device);
            }
            groups.push(group);
        }
        let size = facts::log_state(ledger)?.size;
        Ok(Founded {
            realm,
            groups,
            phones,
            size,
        })
    });
    done.map_err(|error| format!("the groups: {error:?}"))
}
