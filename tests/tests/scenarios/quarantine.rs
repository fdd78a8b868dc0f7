//! Two officers admit what was held.

use sync_core::change::FullChange;
use sync_core::hub::{Admitting, Refusal};
use sync_core::log::AsideReason;
use sync_core::replica::Standing;
use sync_core::vocabulary::Vocabulary;
use tests::sim::World;

use crate::{LEADER, MEMBER, admitted, aside, every_seed, must, some_patrols, two_phones};

/// The officers of the commune, by number and name.
const OFFICERS: [(u32, &str); 2] = [(1, "cax.thu"), (2, "cax.lan")];

fn admit(world: &mut World, officer: (u32, &str), full: &FullChange) -> Result<Admitting, Refusal> {
    let (at, hash) = (full.change.at, full.change.hash(&world.hub.realm()));
    world.desk_as(officer, |hub, ledger, acting| {
        hub.admit(ledger, acting, at, &hash)
    })
}

fn by_two(world: &mut World, full: &FullChange) -> Result<(), String> {
    for officer in OFFICERS {
        admit(world, officer, full).map_err(|refusal| refusal.to_string())?;
    }
    Ok(())
}

/// A volunteer's phone was revoked while it was on its way back with an afternoon's work. The
/// officers know whose work it was and let it in; the rest of the group sees it from then on.
#[test]
fn late_work_of_a_revoked_phone() {
    every_seed(|world| {
        let (leader, member) = two_phones(world)?;
        let own = some_patrols(world, member, MEMBER, "Trước đó")?;
        for nth in [member, leader] {
            world.sync(nth)?;
        }
        let mut late = some_patrols(world, member, MEMBER, "Trên đường về")?;
        let record = own[0].change.record;
        late.push(world.reword(member, MEMBER, record, "Sửa trên đường về.")?);
        late.push(world.reword(member, MEMBER, record, "Sửa lần nữa.")?);
        let device = world.phones[member].identity.device.id();
        world
            .desk(|hub, ledger, acting| hub.revoke(ledger, acting, device))
            .map_err(|refusal| refusal.to_string())?;
        world.sync(member)?;
        aside(world, &late, AsideReason::Revoked)?;
        let last = late.last().ok_or("nothing was written")?.clone();
        let early = admit(world, OFFICERS[0], &last);
        must(
            early == Err(Refusal::StaysAside(AsideReason::FollowsAside)),
            || format!("{early:?}"),
        )?;

        // a part of it, in the order in which it was written
        let count = 1 + world.dice.below(late.len());
        for full in &late[..count] {
            by_two(world, full)?;
            let again = admit(world, OFFICERS[0], full);
            must(again == Err(Refusal::NotAside), || format!("{again:?}"))?;
        }
        world.settle()?;
        admitted(world, &late[..count])?;
        aside(world, &late[count..], AsideReason::Revoked)?;
        for full in &late[..count] {
            let shown = world.phones[leader].replica.standing(full.change.at);
            must(shown == Some(Standing::Received), || format!("{shown:?}"))?;
        }
        let shown = world.shown(leader, record);
        let wanted = match late.len() - count {
            0 => "Sửa lần nữa.",
            1 => "Sửa trên đường về.",
            _ => "Trước đó 0.",
        };
        must(shown.as_deref() == Some(wanted), || format!("{shown:?}"))
    });
}

/// A membership ended while its last work was under way; the officers let that in. Then the server
/// loses its disk, sometimes with the held change, sometimes only with its admission.
#[test]
fn admitted_and_server_restored() {
    every_seed(|world| {
        let both = world.join(&[LEADER, MEMBER], Vocabulary::builtin())?;
        let leader = world.join(&[LEADER], Vocabulary::builtin())?;
        let group = world.group();
        world
            .desk(|hub, ledger, acting| hub.end_member(ledger, acting, group, MEMBER))
            .map_err(|refusal| refusal.to_string())?;
        world.sync(leader)?;
        let mut backup = world.ledger.clone();
        let held = some_patrols(world, both, MEMBER, "Việc cuối")?;
        world.sync(both)?;
        aside(world, &held, AsideReason::RightLost)?;
        world.sync(leader)?;
        if world.dice.chance(50) {
            backup = world.ledger.clone();
        }
        for full in &held {
            by_two(world, full)?;
        }
        for nth in [both, leader] {
            world.sync(nth)?;
        }
        admitted(world, &held)?;

        world.put_server_back(&backup);
        let first = if world.dice.chance(50) { both } else { leader };
        world.sync(first)?;
        world.settle()?;
        admitted(world, &held)?;
        for nth in [both, leader] {
            for full in &held {
                let shown = world.phones[nth].replica.standing(full.change.at);
                must(shown == Some(Standing::Received), || {
                    format!("{:?} is {shown:?} on phone {nth}", full.change.at)
                })?;
            }
        }
        Ok(())
    });
}
