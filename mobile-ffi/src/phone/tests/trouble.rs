//! The days when something breaks: nothing is lost, and the screen can say what is the matter.

use super::*;
use sync_core::exchange::ProblemCode;

#[test]
fn a_full_phone_saves_nothing_and_goes_on() {
    let (mut world, disk) = (World::new(), Disk::default());
    let phone = world.phone(&disk);
    disk.fill();
    let result = phone.save(
        GROUP.to_string(),
        MEMBER,
        None,
        "patrol".to_owned(),
        patrol("Không lưu được"),
        clock(NOW_S),
    );
    assert_eq!(result, Err(PhoneError::StorageFull));
    assert_eq!(phone.status().records, 0);
    let record = save(&phone, MEMBER, "Lưu được");
    // full again when the answer comes: it is not taken, and the next one brings the same
    let visit = phone.request(4_000, 0).unwrap();
    let body = world.answer(&visit.body);
    disk.fill();
    let result = phone.response(visit.id, 200, body, NOW_S);
    assert_eq!(result, Err(PhoneError::StorageFull));
    assert_eq!(phone.waiting().unwrap().len(), 1);
    let problem = phone.last_problem().unwrap();
    assert_eq!(problem.kind, ProblemKind::StorageFull);
    world.sync(&phone);
    assert_eq!(phone.waiting(), Ok(vec![]));
    assert_eq!(phone.last_problem(), None);
    assert_eq!(summary(&disk.open(1), &record), "Lưu được");
    world.verify();
}

#[test]
fn an_answer_cut_or_damaged_anywhere_changes_nothing() {
    let (mut world, disk) = (World::new(), Disk::default());
    let phone = world.phone(&disk);
    for n in 0..5 {
        save(&phone, LEADER, &format!("Tuần tra lần {n}"));
    }
    let whole = {
        let visit = phone.request(4_000, 0).unwrap();
        let body = world.answer(&visit.body);
        phone
            .visit_failed(visit.id, VisitFailure::Timeout, NOW_S)
            .unwrap();
        body
    };
    let before = phone.waiting().unwrap();
    for at in (0..whole.len()).step_by(97).chain([whole.len() - 1]) {
        let mut changed = whole.clone();
        changed[at] ^= 0x20;
        for body in [whole[..at].to_vec(), changed] {
            // the same statement again: the server answers as it did
            let visit = phone.request(4_000, 0).unwrap();
            let error = phone.response(visit.id, 200, body, NOW_S).unwrap_err();
            assert!(
                matches!(error, PhoneError::BadAnswer | PhoneError::Forged),
                "at {at}: {error:?}"
            );
            assert_eq!(phone.waiting().unwrap(), before);
        }
    }
    world.sync(&phone);
    assert_eq!(phone.waiting(), Ok(vec![]));
    world.verify();
}

#[test]
fn an_answer_is_taken_once() {
    let (mut world, disk) = (World::new(), Disk::default());
    let phone = world.phone(&disk);
    save(&phone, MEMBER, "Đi tuần");
    let visit = phone.request(4_000, 0).unwrap();
    assert_eq!(phone.request(4_000, 0), Err(PhoneError::VisitOpen));
    let body = world.answer(&visit.body);
    // the server hears the same request twice: same state, and either answer is good
    let again = world.answer(&visit.body);
    let first = phone.response(visit.id, 200, again, NOW_S).unwrap();
    assert_eq!(first.received_now, 1);
    let second = phone.response(visit.id, 200, body.clone(), NOW_S);
    assert_eq!(second, Err(PhoneError::VisitOver));
    // and as the answer to another visit it is not believed
    let visit = phone.request(4_000, 0).unwrap();
    let third = phone.response(visit.id, 200, body, NOW_S);
    assert!(third.is_err(), "{third:?}");
    assert_eq!(phone.status().records, 1);
    world.sync(&phone);
    world.verify();
}

#[test]
fn a_refused_change_is_shown_with_its_words_and_blocks_nothing() {
    let mut world = World::new();
    let (disk_a, disk_b) = (Disk::default(), Disk::default());
    let (ana, bo) = (world.phone(&disk_a), world.phone(&disk_b));
    let of_other = save(&bo, LEADER, "Của tổ trưởng");
    world.sync(&bo);
    let record = save(&ana, MEMBER, "Của tổ viên");
    world.sync(&ana);
    // who may not edit what others wrote hears it before anything is saved
    let values = vec![text("summary", "Sửa của người khác")];
    let told = ana.answer(of_other, MEMBER, values, clock(NOW_S + 60));
    assert_eq!(told, Err(PhoneError::NoRight));
    // the role was taken from the member while the phone was away
    world
        .act(|hub, ledger, acting| hub.end_member(ledger, acting, GROUP, MEMBER))
        .unwrap();
    edit(
        &ana,
        MEMBER,
        &record,
        vec![text("summary", "Sửa lúc không còn quyền")],
    );
    let lost = save(&ana, MEMBER, "Ghi lúc không còn quyền");
    let good = save(&ana, LEADER, "Mục tốt");
    let visited = world.sync(&ana);
    assert_eq!((visited.received_now, visited.refused_now), (1, 2));
    let waiting = ana.waiting().unwrap();
    assert_eq!(waiting.len(), 2);
    for row in &waiting {
        assert!(matches!(row.why, WaitingWhy::Refused | WaitingWhy::Held));
        assert!(!row.words.is_empty() && !row.said.is_empty());
    }
    let kept = waiting.iter().find(|row| row.record == lost).unwrap();
    assert_eq!(kept.label, "Tuần tra");
    let said = kept
        .said
        .iter()
        .find(|row| row.label == "nội dung")
        .unwrap();
    assert_eq!(said.text, "Ghi lúc không còn quyền");
    let badge = ana.read(record.clone()).unwrap().badge;
    assert_eq!(badge.refused.len(), 1);
    assert_eq!(ana.read(good).unwrap().badge.phase, Phase::Received);
    assert_eq!(summary(&ana, &record), "Của tổ viên");
    assert_same_after_a_new_start(&ana, &disk_a);
    world.verify();
}

#[test]
fn a_phone_restored_from_an_old_copy_loses_nothing() {
    let (mut world, disk) = (World::new(), Disk::default());
    let phone = world.phone(&disk);
    let first = save(&phone, MEMBER, "Trước bản sao");
    world.sync(&phone);
    let copy = disk.copy();
    let second = save(&phone, MEMBER, "Sau bản sao");
    world.sync(&phone);
    let high_water = phone.high_water();
    drop(phone);

    let phone = copy.open(high_water);
    let third = save(&phone, MEMBER, "Sau khi khôi phục");
    let visited = world.sync(&phone);
    assert_eq!((visited.said_again, visited.received_now), (0, 2));
    for (record, words) in [
        (&first, "Trước bản sao"),
        (&second, "Sau bản sao"),
        (&third, "Sau khi khôi phục"),
    ] {
        assert_eq!(summary(&phone, record), words);
    }
    assert_eq!(phone.waiting(), Ok(vec![]));
    // what `high_water` says now is good for the next start, although it is less than before
    let phone = copy.open(phone.high_water());
    save(&phone, MEMBER, "Thêm");
    world.sync(&phone);
    assert_eq!(phone.status().records, 4);
    assert_same_after_a_new_start(&phone, &copy);
    world.verify();
}

#[test]
fn of_two_copies_of_a_phone_the_slower_says_its_words_again() {
    let (mut world, disk) = (World::new(), Disk::default());
    let phone = world.phone(&disk);
    save(&phone, MEMBER, "Chung");
    world.sync(&phone);
    let (copy, high_water) = (disk.copy(), phone.high_water());
    let clone = copy.open(high_water);

    save(&phone, MEMBER, "Bản gốc");
    let record = save(&clone, MEMBER, "Bản sao, mục mới");
    edit(
        &clone,
        MEMBER,
        &record,
        vec![text("summary", "Bản sao, đã sửa")],
    );
    world.sync(&phone);
    let visited = world.sync(&clone);
    assert_eq!(visited.said_again, 2);
    assert_eq!(clone.waiting(), Ok(vec![]));
    world.sync(&phone);
    let mut words = [headlines(&phone), headlines(&clone)];
    for lines in &mut words {
        lines.sort();
        assert_eq!(lines, &["Bản gốc", "Bản sao, đã sửa", "Chung"]);
    }
    assert_same_after_a_new_start(&phone, &disk);
    assert_same_after_a_new_start(&clone, &copy);
    world.verify();
}

#[test]
fn a_fork_that_finds_no_room_is_said_again_later() {
    let (mut world, disk) = (World::new(), Disk::default());
    let phone = world.phone(&disk);
    save(&phone, MEMBER, "Chung");
    world.sync(&phone);
    let copy = disk.copy();
    let clone = copy.open(phone.high_water());
    save(&phone, MEMBER, "Bản gốc");
    save(&clone, MEMBER, "Bản sao");
    world.sync(&phone);
    let visit = clone.request(4_000, 0).unwrap();
    let body = world.answer(&visit.body);
    clone.response(visit.id, 200, body, NOW_S).unwrap();
    drop(clone);
    // switched off at once, and started again from what is on the disk
    let clone = copy.open(0);
    assert!(clone.waiting().unwrap().len() <= 1);
    world.sync(&clone);
    assert_eq!(clone.waiting(), Ok(vec![]));
    let mut lines = headlines(&clone);
    lines.sort();
    assert_eq!(lines, ["Bản gốc", "Bản sao", "Chung"]);
    world.verify();
}

#[test]
fn a_revoked_phone_comes_to_rest_with_what_it_could_not_send() {
    let (mut world, disk) = (World::new(), Disk::default());
    let phone = world.phone(&disk);
    for n in 0..5 {
        save(&phone, MEMBER, &format!("Tuần tra lần {n}"));
    }
    let tip = vec![choose_one("category", "gambling")];
    let group = GROUP.to_string();
    phone
        .save(group, MEMBER, None, "tip".to_owned(), tip, clock(NOW_S))
        .unwrap();
    let device = phone.lock().replica().unwrap().device();
    world
        .act(|hub, ledger, acting| hub.revoke(ledger, acting, device))
        .unwrap();
    let mut visits = 0;
    loop {
        // so little at once that the second logbook waits for the next visit
        let visit = phone.request(1, 0).unwrap();
        let body = world.answer(&visit.body);
        let done = phone.response(visit.id, 200, body, world.now_s).unwrap();
        visits += 1;
        if !done.again {
            break;
        }
        assert!(visits < 30, "it never rests");
    }
    assert!(phone.status().closed);
    let waiting = phone.waiting().unwrap();
    assert_eq!(waiting.len(), 6, "nothing is lost");
    assert!(phone.wake_at(world.now_s).unwrap() > world.now_s + 1_000);
    world.verify();
}

#[test]
fn a_visit_that_was_given_up_is_no_problem_and_loses_nothing() {
    let (mut world, disk) = (World::new(), Disk::default());
    let phone = world.phone(&disk);
    save(&phone, MEMBER, "Người dùng rời màn hình");
    let visit = phone.request(4_000, 0).unwrap();
    let late = world.answer(&visit.body);
    phone
        .visit_failed(visit.id, VisitFailure::GivenUp, NOW_S)
        .unwrap();
    assert_eq!(phone.last_problem(), None);
    assert_eq!(phone.wake_at(world.now_s), Some(world.now_s));
    assert_eq!(
        phone.response(visit.id, 200, late, NOW_S),
        Err(PhoneError::VisitOver)
    );
    assert_eq!(phone.waiting().unwrap().len(), 1);
    world.sync(&phone);
    assert_eq!(phone.waiting(), Ok(vec![]));
    world.verify();
}

#[test]
fn a_failed_visit_says_why_and_when_to_try_again() {
    let (mut world, disk) = (World::new(), Disk::default());
    let phone = world.phone(&disk);
    let idle = phone.wake_at(world.now_s).unwrap() - world.now_s;
    assert!((60_000..=86_400).contains(&idle), "once a day: {idle}");
    save(&phone, MEMBER, "Chờ gửi");
    assert_eq!(phone.wake_at(world.now_s), Some(world.now_s));
    let mut pauses = Vec::new();
    for failure in [
        VisitFailure::NoNetwork,
        VisitFailure::Timeout,
        VisitFailure::TlsOther,
        VisitFailure::HttpStatus,
        VisitFailure::TlsClock,
    ] {
        let visit = phone.request(4_000, 0).unwrap();
        phone.visit_failed(visit.id, failure, NOW_S).unwrap();
        assert_eq!(
            phone.visit_failed(visit.id, failure, NOW_S),
            Err(PhoneError::VisitOver)
        );
        pauses.push(phone.wake_at(NOW_S).unwrap() - NOW_S);
    }
    assert!((22..=30).contains(&pauses[0]), "{pauses:?}");
    assert!(pauses.is_sorted());
    assert!((360..=480).contains(&pauses[4]), "{pauses:?}");
    // a clock that was set back does not make it wait for ever
    assert!(phone.wake_at(NOW_S - 100_000_000).unwrap() < NOW_S - 99_990_000);
    let problem = phone.last_problem().unwrap();
    assert_eq!(problem.kind, ProblemKind::TlsClock);
    assert!(problem.words.starts_with("Giờ trên máy có thể sai"));

    for (code, status, error, kind) in [
        (
            ProblemCode::Later,
            429,
            PhoneError::Later,
            ProblemKind::Later,
        ),
        (
            ProblemCode::DiskFull,
            200,
            PhoneError::ServerFull,
            ProblemKind::ServerFull,
        ),
        (
            ProblemCode::Upgrade,
            200,
            PhoneError::UpdateApp,
            ProblemKind::UpdateApp,
        ),
        (
            ProblemCode::TooLarge,
            413,
            PhoneError::TooMuch,
            ProblemKind::Later,
        ),
    ] {
        let visit = phone.request(4_000, 0).unwrap();
        let body = WireProblem::pack(code, "no");
        assert_eq!(phone.response(visit.id, status, body, NOW_S), Err(error));
        assert_eq!(phone.last_problem().unwrap().kind, kind);
    }
    // the page of a hotel's network
    let visit = phone.request(4_000, 0).unwrap();
    let page = b"<html>Welcome".to_vec();
    assert_eq!(
        phone.response(visit.id, 302, page, NOW_S),
        Err(PhoneError::HttpStatus { status: 302 })
    );
    world.sync(&phone);
    assert_eq!(phone.last_problem(), None);
    world.verify();
}

#[test]
fn the_store_on_the_disk_keeps_all_of_it() {
    let mut world = World::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("phone.store").display().to_string();
    let key = vec![8; 32];
    let open = |high_water| Phone::open(path.clone(), key.clone(), high_water, NOW_S);
    let phone = open(0).unwrap();
    assert_eq!(open(0).unwrap_err(), PhoneError::StoreInUse);
    let step = phone.enrol_begin(world.code()).unwrap();
    let request = arrival::EnrolRequest::from_bytes(&step.body).unwrap();
    let answer = world.hub.enrol(&mut world.ledger, &request, NOW_S).unwrap();
    phone.enrol_finish(200, answer.to_bytes()).unwrap();
    world.confirm(&phone);
    let record = save(&phone, MEMBER, "Câu này không nằm trần trong tệp");
    world.sync(&phone);
    let high_water = phone.high_water();
    drop(phone);
    for name in std::fs::read_dir(directory.path()).unwrap() {
        let bytes = std::fs::read(name.unwrap().path()).unwrap();
        let plain = "không nằm trần".as_bytes();
        assert!(!bytes.windows(plain.len()).any(|window| window == plain));
    }
    let wrong = Phone::open(path.clone(), vec![9; 32], high_water, NOW_S);
    assert_eq!(wrong.unwrap_err(), PhoneError::WrongKey);
    let phone = open(high_water).unwrap();
    assert_eq!(summary(&phone, &record), "Câu này không nằm trần trong tệp");
    drop(phone);
    // damaged: put aside, never deleted, and the phone says so
    std::fs::write(&path, vec![7; 9_000]).unwrap();
    let phone = open(high_water).unwrap();
    let aside = phone.status().put_aside.unwrap();
    assert_eq!(std::fs::read(&aside).unwrap(), vec![7; 9_000]);
    assert!(!phone.status().enrolled);
    drop(phone);
    let phone = Phone::start_anew(path.clone(), key.clone(), NOW_S).unwrap();
    let second = phone.status().put_aside.unwrap();
    assert!(std::fs::exists(&second).unwrap() && second != aside);
}
