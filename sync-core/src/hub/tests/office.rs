//! What an office does beside reviews: areas that change, periods that are closed, groups that take
//! the steps of their life.

use crate::act::{Control, Said};
use crate::calendar::local_day;
use crate::closing::{Closing, ClosingFault, tests::sample};
use crate::hub::facts::{self, Group};
use crate::hub::ledger::Table;
use crate::hub::{LifeFault, LifeStep, Refusal, area_events, closed_periods, life_of};
use crate::ids::{AreaRef, GroupId, Hash32};
use crate::limits::{AREA_EVENTS_BYTES_MAX, AREA_EVENTS_MAX};
use crate::territory::{AreaChange, AreaEvent};
use crate::tests::world::{COMMUNE, GROUP, MEMBER, START_S, World};
use crate::vocabulary::{Period, PeriodCalendars, STATE_LIST, Vocabulary};

fn rows(world: &World, table: Table) -> usize {
    facts::all(&world.ledger, table, &[]).unwrap().len()
}

#[test]
fn area_events_come_back_in_their_order_however_many_entries_they_take() {
    let mut world = World::new();
    let events: Vec<AreaEvent> = (0..300_u16)
        .map(|n| AreaEvent {
            day: 20_300,
            area: AreaRef([(n % 250) as u8; 16]),
            decision: "d".repeat(usize::from(n % 3) * 100),
            change: AreaChange::Recode {
                from: n.to_string(),
                to: format!("9{n}"),
            },
        })
        .collect();
    let row = facts::group(&world.ledger, GROUP).unwrap().unwrap();
    let moved = Group {
        commune: AreaRef([9; 16]),
        ..row
    };
    let given = events.clone();
    let moves = vec![(GROUP, moved.clone())];
    world
        .desk(|hub, ledger, acting| {
            hub.take_area_events(ledger, acting, Hash32([5; 32]), given, moves)
        })
        .unwrap();
    assert_eq!(area_events(&world.ledger).unwrap(), events);
    let bytes: usize = events.iter().map(AreaEvent::bytes_count).sum();
    assert!(events.len() > AREA_EVENTS_MAX && bytes > AREA_EVENTS_BYTES_MAX);
    assert!(rows(&world, Table::AreaEvent) > 2);
    assert_eq!(facts::group(&world.ledger, GROUP).unwrap(), Some(moved));
    world.verify();
}

#[test]
fn a_period_is_closed_once_and_its_figures_stay() {
    let mut world = World::new();
    let today = local_day(START_S);
    let calendar = PeriodCalendars::builtin().default_on(today).unwrap();
    let running = calendar.period_of(today);
    let over = calendar.before(running);
    let closing = |period: Period| Closing {
        area: COMMUNE,
        period,
        ..sample()
    };
    let mut close = |period: Period| {
        let given = closing(period);
        world.desk(|hub, ledger, acting| hub.close_period(ledger, acting, given))
    };
    assert_eq!(
        close(running),
        Err(Refusal::Closing(ClosingFault::NotOver(running.last)))
    );
    assert_eq!(close(over), Ok(()));
    let again = Err(Refusal::Closing(ClosingFault::NotNext(running.first)));
    assert_eq!(close(over), again);
    assert_eq!(close(calendar.before(over)), again);
    let closed = closed_periods(&world.ledger, COMMUNE).unwrap();
    assert_eq!(closed.len(), 1);
    assert_eq!(
        (&closed[0].closing, closed[0].time_s),
        (&closing(over), START_S)
    );
    // of another area nothing was closed
    assert_eq!(closed_periods(&world.ledger, AreaRef([8; 16])).unwrap(), []);
    world.verify();
}

#[test]
fn a_group_takes_the_steps_of_its_life_and_its_phones_are_told() {
    let mut world = World::new();
    let mut phone = world.enrolled(GROUP, &[MEMBER]);
    let today = local_day(START_S);
    let states = Vocabulary::builtin().list(STATE_LIST).unwrap();
    let step = |state: &str, day: i32| LifeStep {
        kind: 5,
        state: states.value_by_id(state).unwrap().number,
        day,
        body: "UBND xã".to_owned(),
        decision: "12/QĐ-UBND".to_owned(),
    };
    let take = |world: &mut World, group: GroupId, step: LifeStep| {
        world.desk(|hub, ledger, acting| hub.step_life(ledger, acting, group, step))
    };
    let refused = |fault| Err(Refusal::Life(fault));
    let begin = step("proposed", today - 90);
    assert_eq!(
        take(&mut world, GroupId([7; 16]), begin.clone()),
        Err(Refusal::NoGroup)
    );
    assert_eq!(take(&mut world, GROUP, begin.clone()), Ok(()));
    let wrong = [
        (step("maintained", today), LifeFault::Follows),
        (begin.clone(), LifeFault::Follows),
        (step("pilot", today + 1), LifeFault::Day(today + 1)),
        (step("pilot", today - 91), LifeFault::Day(today - 91)),
        (
            LifeStep {
                kind: 99,
                ..step("pilot", today)
            },
            LifeFault::Kind(99),
        ),
        (
            LifeStep {
                state: 99,
                ..begin.clone()
            },
            LifeFault::State(99),
        ),
        (
            LifeStep {
                body: "a\nb".to_owned(),
                ..step("pilot", today)
            },
            LifeFault::Words,
        ),
    ];
    for (step, fault) in wrong {
        assert_eq!(
            take(&mut world, GROUP, step.clone()),
            refused(fault),
            "{step:?}"
        );
    }
    let pilot = step("pilot", today);
    assert_eq!(take(&mut world, GROUP, pilot.clone()), Ok(()));
    // a kind that was wrong is put right in the same state
    let gate = LifeStep {
        kind: 9,
        ..pilot.clone()
    };
    assert_eq!(take(&mut world, GROUP, gate.clone()), Ok(()));
    assert_eq!(take(&mut world, GROUP, step("ended", today)), Ok(()));
    assert_eq!(
        take(&mut world, GROUP, step("pilot", today)),
        refused(LifeFault::Follows)
    );
    let lived = [begin, pilot, gate, step("ended", today)];
    assert_eq!(life_of(&world.ledger, GROUP).unwrap(), lived);
    assert_eq!(rows(&world, Table::GroupLife), 4);
    world.settle(&mut phone);
    let heard = phone.replica.controls(GROUP);
    let steps =
        heard.filter(|(_, full)| matches!(full.act.said, Said::Control(Control::GroupLife { .. })));
    assert_eq!(steps.count(), 4);
    world.verify();
}
