//! Groups and enrolled phones, put into a new directory of data before a server starts there.
//!
//! The acts are those of the commands; they go through one transaction, because each command
//! alone would wait for the disk some hundreds of times.

use std::path::Path;

use server::office::{Begin, Office};
use sync_core::hub::arrival::{self, EnrolRequest};
use sync_core::hub::facts::Group;
use sync_core::ids::{AreaRef, GroupId};
use sync_core::keys::Secret;
use sync_core::replica::Identity;
use sync_core::vocabulary::Vocabulary;

use super::phone::Phone;
use super::{Trouble, told};
use crate::sim::Dice;

/// A code is good for longer than any benchmark runs.
const CODE_S: i64 = 86_400;
/// A group as they are: one who leads, two who go along.
const MEMBERS: [(&str, &str); 3] = [
    ("Lê Văn Tám", "leader"),
    ("Trần Thị Út", "member"),
    ("Danh Sà Rinh", "member"),
];

/// Founds groups with confirmed phones in `data`, which it makes. Phones stand group by group.
pub(super) fn found(
    data: &Path,
    groups: usize,
    phones_each: usize,
    seed: u64,
) -> Result<Vec<Phone>, Trouble> {
    let (office, running) = Office::open(data, Begin::Allowed).map_err(told("a new log"))?;
    let (realm, log) = (office.hub().realm(), office.hub().log_key());
    let mut roles = Vec::new();
    for (name, role) in MEMBERS {
        let role = Vocabulary::builtin().role_by_id(role);
        roles.push((name, role.ok_or("a role is missing")?.number));
    }
    let founded = office.act(move |hub, ledger, acting| {
        let mut dice = Dice::new(seed ^ 0x666f_756e);
        let mut enrolled = Vec::new();
        for nth in 0..groups {
            let (group, area) = (GroupId(dice.bytes()), AreaRef(dice.bytes()));
            let row = Group {
                area,
                commune: AreaRef(dice.bytes()),
                name: format!("Tổ {}", nth + 1),
            };
            hub.set_group(ledger, acting, group, row)?;
            for (name, role) in &roles {
                hub.add_member(ledger, acting, group, name, *role)?;
            }
            for _ in 0..phones_each {
                let (token, device) = (dice.bytes(), Secret::from_bytes(&dice.bytes()));
                let expires = acting.now_s + CODE_S;
                hub.invite(ledger, group, Vec::new(), &token, expires)?;
                let request = EnrolRequest::sign(&realm, &device, token);
                let answer = hub.enrol(ledger, &request, acting.now_s)?;
                let shown = arrival::digits(&realm, &log, &device.public(), &token);
                hub.confirm(ledger, acting, device.id(), shown)?;
                enrolled.push((device, answer, area, Dice::new(dice.draw())));
            }
        }
        Ok(enrolled)
    });
    drop(office);
    running.stop();
    founded
        .map_err(|error| format!("the groups: {error:?}"))?
        .into_iter()
        .map(|(device, answer, area, dice)| {
            let identity = Identity { realm, log, device };
            Phone::enrolled(identity, &answer, area, dice)
        })
        .collect()
}
