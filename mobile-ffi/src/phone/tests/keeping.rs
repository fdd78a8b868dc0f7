//! What is safe on the server leaves the phone by the rule, with no step of a person.

use sync_core::replica::KEEP_DAYS;

use super::*;

const CANARY: &str = "CANARY vòng quanh chợ";
const KEEP_S: i64 = KEEP_DAYS as i64 * 86_400;

fn make_safe(world: &mut World) {
    let now_s = world.now_s;
    let size = facts::log_state(&world.ledger).unwrap().size;
    world.hub.note_safe(&mut world.ledger, size, now_s).unwrap();
}

#[test]
fn a_record_leaves_ninety_days_after_it_was_received() {
    let (mut world, disk) = (World::new(), Disk::default());
    let phone = world.phone(&disk);
    let record = save(&phone, MEMBER, CANARY);
    world.sync(&phone);
    world.now_s += KEEP_S;
    world.sync(&phone);
    assert!(disk.holds(CANARY), "no copy has it");
    make_safe(&mut world);
    let young = save(&phone, MEMBER, "vòng mới");
    // on the next answer, and the screen hears of it
    let told = world.visit(&phone).unwrap();
    assert!(told.touched.contains(&record) && !disk.holds(CANARY));
    world.sync(&phone);
    let rows = phone.list(ListFilter::default()).unwrap();
    let listed: Vec<&str> = rows.iter().map(|row| row.record.as_str()).collect();
    assert_eq!(listed, [young.as_str()]);
    assert_eq!(phone.status().records, 1);
    assert_eq!(phone.read(record.clone()), Err(PhoneError::RecordNotHere));
    let again = phone.answer(record, MEMBER, vec![text("summary", "x")], clock(0));
    let refused = again.unwrap_err();
    assert_eq!(refused, PhoneError::RecordLetGo);
    assert!(!refused.words_vi().is_empty());
    assert_same_after_a_new_start(&phone, &disk);
    world.verify();
}

#[test]
fn a_phone_that_lay_in_a_drawer_lets_go_when_it_is_opened() {
    let (mut world, disk) = (World::new(), Disk::default());
    let phone = world.phone(&disk);
    let record = save(&phone, MEMBER, CANARY);
    world.sync(&phone);
    make_safe(&mut world);
    world.sync(&phone);
    let (high_water, due_s) = (phone.high_water(), world.now_s + KEEP_S);
    drop(phone);
    let open_at = |now_s| disk.open_at(high_water, now_s);
    assert_eq!(open_at(due_s - 2 * KEEP_S).status().records, 1);
    assert!(disk.holds(CANARY), "the control");
    // no room for it: it stays whole, and leaves the next time
    disk.fill();
    let full = open_at(due_s);
    assert!(full.read(record).is_ok() && disk.holds(CANARY));
    drop(full);
    assert_eq!(open_at(due_s).status().records, 0);
    assert!(!disk.holds(CANARY));
}

#[test]
fn of_a_tip_the_line_stays_for_what_officers_say() {
    let (mut world, disk) = (World::new(), Disk::default());
    let phone = world.phone(&disk);
    let values = vec![choose_one("category", "gambling")];
    let saved = phone.save(
        GROUP.to_string(),
        MEMBER,
        None,
        "tip".to_owned(),
        values,
        clock(NOW_S),
    );
    let record = saved.unwrap().record;
    world.sync(&phone);
    assert_eq!(phone.read(record.clone()).unwrap().fields.len(), 1);
    make_safe(&mut world);
    world.sync(&phone);
    let review = ReviewInput {
        record: record_id(&record).unwrap(),
        state: Some(7),
        reason: Some(3),
        ..ReviewInput::default()
    };
    world.review(review);
    world.sync(&phone);
    let page = phone.read(record.clone()).unwrap();
    assert!(page.fields.is_empty() && page.missing.is_empty());
    assert_eq!(page.remarks.len(), 1);
    let rows = phone.list(ListFilter::default()).unwrap();
    let [row] = rows.as_slice() else {
        panic!("{rows:?}");
    };
    assert_eq!((row.type_id.as_str(), row.headline.as_str()), ("tip", ""));
    assert!(row.day.is_none() && row.badge.unanswered && row.badge.state.is_some());
    let values = vec![choose_one("category", "drugs")];
    let edit = phone.answer(record.clone(), MEMBER, values, clock(0));
    assert_eq!(edit.unwrap_err(), PhoneError::RecordLetGo);
    let group = GROUP.to_string();
    let (reason, to) = ("wrong_type".to_owned(), "patrol".to_owned());
    let anew = phone.reissue(
        record.clone(),
        MEMBER,
        group,
        MEMBER,
        to,
        None,
        reason.clone(),
        clock(0),
    );
    assert_eq!(anew.unwrap_err(), PhoneError::RecordLetGo);
    phone
        .withdraw(record.clone(), MEMBER, reason, clock(0))
        .unwrap();
    world.sync(&phone);
    let page = phone.read(record).unwrap();
    assert!(page.withdrawn.is_some() && !page.badge.unanswered);
    world.verify();
}
