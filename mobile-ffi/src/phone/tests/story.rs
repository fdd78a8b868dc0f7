//! The days when all goes as it should.

use super::*;
use sync_core::value::FieldKey;

#[test]
fn a_phone_enrols_writes_offline_and_is_confirmed_later() {
    let (mut world, disk) = (World::new(), Disk::default());
    let phone = disk.open(0);
    assert_eq!(phone.groups(), Err(PhoneError::NotEnrolled));
    assert_eq!(phone.wake_at(NOW_S), None);
    assert_eq!(
        phone.enrol_begin("BINHYEN1:A?".to_owned()),
        Err(PhoneError::BadCode)
    );
    assert_eq!(
        phone.enrol_begin("BINHYEN2:AA".to_owned()),
        Err(PhoneError::UpdateApp)
    );

    let code = world.code();
    let step = phone.enrol_begin(code.clone()).unwrap();
    assert_eq!(step.digits.len(), 6);
    assert_eq!(step.ca_der, [1, 2, 3]);
    drop(phone);
    // switched off before the answer: the same code goes on with the same key
    let phone = disk.open(0);
    assert_eq!(phone.enrol_begin(code.clone()).unwrap(), step);
    assert_eq!(
        phone.enrol_finish(403, b"this code has expired\n".to_vec()),
        Err(PhoneError::CodeRefused {
            detail: "this code has expired".to_owned()
        })
    );
    let request = arrival::EnrolRequest::from_bytes(&step.body).unwrap();
    let answer = world.hub.enrol(&mut world.ledger, &request, NOW_S).unwrap();
    phone.enrol_finish(200, answer.to_bytes()).unwrap();
    assert_eq!(phone.enrol_begin(code), Err(PhoneError::AlreadyEnrolled));
    assert_eq!(
        phone.enrol_begin(world.code()),
        Err(PhoneError::AlreadyEnrolled)
    );
    assert_eq!(phone.digits(), Some(step.digits));

    // roles are known at once, names after the confirmation
    let members = phone.members(GROUP.to_string()).unwrap();
    assert_eq!(members.len(), 2);
    assert_eq!(members[0].name, None);
    assert_eq!(members[1].role, "tổ trưởng");
    assert_eq!(phone.groups().unwrap()[0].name, "Tổ an ninh ấp Giữa");

    let record = save(&phone, MEMBER, "Đi tuần quanh chợ");
    assert_eq!(phone.high_water(), 1);
    assert_eq!(phone.waiting().unwrap()[0].why, WaitingWhy::Queued);
    assert_eq!(phone.wake_at(NOW_S), Some(NOW_S));
    let visited = world.sync(&phone);
    assert_eq!(visited.received_now, 0);
    assert_eq!(phone.waiting().unwrap()[0].why, WaitingWhy::NotConfirmed);
    let badge = phone.read(record.clone()).unwrap().badge;
    assert_eq!(badge.phase, Phase::Waiting);
    assert!(!phone.status().confirmed);

    world.confirm(&phone);
    let visited = world.sync(&phone);
    assert_eq!(visited.received_now, 1);
    assert_eq!(phone.waiting(), Ok(vec![]));
    let page = phone.read(record).unwrap();
    assert_eq!(page.badge.phase, Phase::Received);
    assert_eq!(page.missing, []);
    assert_eq!(page.author.as_deref(), Some("Trần Thị Mẫu"));
    let status = phone.status();
    assert!(status.confirmed && !status.closed && status.last_receipt_s.is_some());
    let area = field(&phone, &page.record, "area_id").value.text;
    assert_eq!(area, "địa bàn của Tổ an ninh ấp Giữa");
    world.verify();
}

#[test]
fn forms_are_data() {
    let (mut world, disk) = (World::new(), Disk::default());
    let phone = world.phone(&disk);
    let types = |member| phone.types_for(GROUP.to_string(), member).unwrap();
    let ids = |member| -> Vec<String> { types(member).into_iter().map(|row| row.id).collect() };
    assert!(!ids(MEMBER).contains(&"nil_return".to_owned()));
    assert!(ids(LEADER).contains(&"nil_return".to_owned()));
    assert_eq!(
        phone.types_for(GROUP.to_string(), 77),
        Err(PhoneError::ChooseMember)
    );

    let form = phone.form("patrol".to_owned(), None).unwrap();
    assert_eq!(form.lane.as_deref(), Some("open"));
    let mode = form.fields.iter().find(|field| field.id == "mode").unwrap();
    assert!(mode.required && mode.kind == "choice" && mode.choices.len() == 5);
    assert!(form.fields.iter().all(|field| field.kind != "sealed"));
    assert_eq!(form.withdraw_reasons.len(), 6);

    // the kind decides the lane, so it is asked first
    let first = phone.form("incident".to_owned(), None).unwrap();
    assert_eq!((first.lane, first.fields.len()), (None, 1));
    let fire = phone.form("incident".to_owned(), Some("fire".to_owned()));
    assert_eq!(fire.unwrap().lane.as_deref(), Some("open"));
    let closed = phone.form("incident".to_owned(), Some("child_abuse".to_owned()));
    let closed = closed.unwrap();
    assert_eq!(closed.lane.as_deref(), Some("protected"));
    assert!(closed.fields.iter().all(|field| field.kind != "text"));

    // every field of every open form takes a value that its kind says it takes
    let fault = |values| {
        phone.save(
            GROUP.to_string(),
            MEMBER,
            None,
            "patrol".to_owned(),
            values,
            clock(NOW_S),
        )
    };
    let at = |field: &str, result: Result<SavedRecord, PhoneError>| match result {
        Err(PhoneError::FieldFault { field: at, words }) => {
            assert_eq!(at, field);
            words
        }
        other => panic!("{other:?}"),
    };
    at(
        "members_present",
        fault(vec![number("members_present", "ba")]),
    );
    at(
        "members_present",
        fault(vec![number("members_present", "9999999")]),
    );
    at("mode", fault(vec![choose_one("mode", "rocket")]));
    at("theme", fault(vec![text("theme", "x")]));
    at("summary", fault(vec![text("summary", &"x".repeat(2_001))]));
    at("summary", fault(vec![number("summary", "1")]));
    assert_eq!(fault(vec![]), Err(PhoneError::NothingToSave));
    assert_eq!(phone.status().records, 0);
}

#[test]
fn both_values_stay_until_somebody_chooses() {
    let mut world = World::new();
    let (disk_a, disk_b) = (Disk::default(), Disk::default());
    let (ana, bo) = (world.phone(&disk_a), world.phone(&disk_b));
    let record = save(&ana, MEMBER, "Hai đèn hư");
    world.sync(&ana);
    world.sync(&bo);
    assert_eq!(summary(&bo, &record), "Hai đèn hư");

    edit(&ana, MEMBER, &record, vec![text("summary", "Ba đèn hư")]);
    edit(&bo, LEADER, &record, vec![text("summary", "Bốn đèn hư")]);
    world.sync(&ana);
    world.sync(&bo);
    world.sync(&ana);
    let seen = |phone: &Phone| {
        let field = field(phone, &record, "summary");
        assert_eq!(field.rivals.len(), 1);
        assert_eq!(field.history.len(), 3);
        let mut both = vec![field.value.text, field.rivals[0].text.clone()];
        both.sort();
        both
    };
    assert_eq!(seen(&ana), ["Ba đèn hư", "Bốn đèn hư"]);
    assert_eq!(seen(&ana), seen(&bo));
    assert!(ana.list(ListFilter::default()).unwrap()[0].badge.rivals);

    let told = field(&bo, &record, "summary");
    let ours = std::iter::once(&told.value)
        .chain(&told.rivals)
        .find(|said| said.text == "Ba đèn hư")
        .unwrap();
    assert!(!ours.own);
    let choose = |change: &str| {
        bo.choose(
            record.clone(),
            LEADER,
            "summary".to_owned(),
            0,
            change.to_owned(),
            clock(NOW_S + 90),
        )
    };
    assert_eq!(choose("nothing"), Err(PhoneError::NotAChoice));
    choose(&ours.change).unwrap();
    world.sync(&bo);
    world.sync(&ana);
    for phone in [&ana, &bo] {
        let field = field(phone, &record, "summary");
        assert_eq!(
            (field.value.text.as_str(), field.rivals.len()),
            ("Ba đèn hư", 0)
        );
        assert_eq!(field.history.len(), 4);
    }
    assert_same_after_a_new_start(&ana, &disk_a);
    assert_same_after_a_new_start(&bo, &disk_b);
    world.verify();
}

#[test]
fn a_remark_at_a_field_is_answered() {
    let (mut world, disk) = (World::new(), Disk::default());
    let phone = world.phone(&disk);
    let record = save(&phone, LEADER, "Nhắc quán bớt ồn");
    world.sync(&phone);
    let place = Vocabulary::builtin().field_by_id(1, "place_text").unwrap();
    world.review(ReviewInput {
        record: record_id(&record).unwrap(),
        field: Some(FieldKey::plain(place.number)),
        state: Some(7),
        reason: Some(2),
        words: Some("Quán nào?".to_owned()),
        ..ReviewInput::default()
    });
    world.sync(&phone);
    let page = phone.read(record.clone()).unwrap();
    let remark = &page.remarks[0];
    assert_eq!(remark.field.as_deref(), Some("place_text"));
    assert_eq!(remark.state.as_deref(), Some("trả lại"));
    assert_eq!(remark.reason.as_deref(), Some("thiếu địa điểm"));
    assert_eq!(remark.words.as_deref(), Some("Quán nào?"));
    assert_eq!(remark.officer, "Cán bộ Mẫu");
    assert!(remark.asks && page.badge.unanswered);
    let unanswered = ListFilter {
        unanswered_only: true,
        ..ListFilter::default()
    };
    assert_eq!(phone.list(unanswered.clone()).unwrap().len(), 1);

    let answer = vec![text("place_text", "Quán cạnh bến đò")];
    edit(&phone, LEADER, &record, answer);
    assert!(!phone.read(record).unwrap().badge.unanswered);
    world.sync(&phone);
    assert_eq!(phone.list(unanswered), Ok(vec![]));
    let row = world.ledger.rows().next().unwrap();
    assert!(!row.unanswered, "the console sees the answer");
    assert_same_after_a_new_start(&phone, &disk);
    world.verify();
}

#[test]
fn a_record_is_withdrawn_or_said_anew_in_its_right_place() {
    let (mut world, disk) = (World::new(), Disk::default());
    let phone = world.phone(&disk);
    let record = save(&phone, LEADER, "Trực ở cổng chào");
    let withdraw =
        |reason: &str| phone.withdraw(record.clone(), LEADER, reason.to_owned(), clock(NOW_S));
    assert!(matches!(
        withdraw("because"),
        Err(PhoneError::FieldFault { .. })
    ));
    let reissue = |to: &str, kind: Option<&str>| {
        phone.reissue(
            record.clone(),
            LEADER,
            GROUP.to_string(),
            LEADER,
            to.to_owned(),
            kind.map(str::to_owned),
            "wrong_type".to_owned(),
            clock(NOW_S),
        )
    };
    assert_eq!(reissue("incident", None), Err(PhoneError::ChooseType));
    let new = reissue("duty_shift", None).unwrap();
    assert!(new.old_withdrawn);
    // what only a patrol has is said, not squeezed in
    assert!(
        new.dropped.contains(&"cách đi".to_owned()),
        "{:?}",
        new.dropped
    );
    assert_eq!(withdraw("mistaken"), Err(PhoneError::AlreadyWithdrawn));
    world.sync(&phone);
    let page = phone.read(new.record.clone()).unwrap();
    assert_eq!(page.type_id, "duty_shift");
    assert_eq!(
        field(&phone, &new.record, "links.corrects").value.text,
        record
    );
    assert_eq!(summary(&phone, &new.record), "Trực ở cổng chào");
    let old = phone.read(record.clone()).unwrap();
    assert_eq!(old.withdrawn.as_deref(), Some("sai loại"));
    assert_eq!(old.badge.withdrawn.as_deref(), Some("sai loại"));
    assert_eq!(
        field(&phone, &record, "links.corrected_by").value.text,
        new.record
    );
    assert_eq!(phone.waiting(), Ok(vec![]));

    // into a closed lane: no words go along, the commune in place of the hamlet
    let other = save(&phone, LEADER, "Có tiếng trẻ khóc");
    let closed = phone
        .reissue(
            other.clone(),
            LEADER,
            GROUP.to_string(),
            LEADER,
            "incident".to_owned(),
            Some("child_abuse".to_owned()),
            "wrong_type".to_owned(),
            clock(NOW_S),
        )
        .unwrap();
    world.sync(&phone);
    assert_eq!(phone.waiting(), Ok(vec![]));
    let page = phone.read(closed.record).unwrap();
    assert_eq!(page.lane, "protected");
    assert!(
        page.fields
            .iter()
            .all(|field| !field.value.text.contains("khóc"))
    );
    let old = phone.read(other).unwrap();
    assert!(
        old.fields
            .iter()
            .all(|field| field.id != "links.corrected_by")
    );
    assert_same_after_a_new_start(&phone, &disk);
    world.verify();
}

#[test]
fn lists_are_newest_first_in_pages_and_searched_by_words() {
    let (mut world, disk) = (World::new(), Disk::default());
    let phone = world.phone(&disk);
    for n in 0..7 {
        save(&phone, LEADER, &format!("Tuần tra chợ lần {n}"));
        world.sync(&phone);
    }
    save(&phone, LEADER, "Nhắc nhở đốt rác");
    let all = headlines(&phone);
    assert_eq!(all[0], "Nhắc nhở đốt rác");
    assert_eq!(all[1], "Tuần tra chợ lần 6");
    assert_eq!(all.len(), 8);
    let mut paged = Vec::new();
    let mut before = None;
    loop {
        let rows = phone
            .list(ListFilter {
                limit: 3,
                before: before.clone(),
                ..ListFilter::default()
            })
            .unwrap();
        let Some(last) = rows.last() else { break };
        before = Some(last.record.clone());
        paged.extend(rows.into_iter().map(|row| row.headline));
    }
    assert_eq!(paged, all);

    let found = |words: &str| phone.search(words.to_owned(), 0).map(|rows| rows.len());
    assert_eq!(found("tuan tra"), Ok(7));
    assert_eq!(found("ĐỐT RÁC"), Ok(1));
    assert_eq!(found("rac tuan"), Ok(0));
    for refused in ["tuần", "0901 234 567", "anh Tèo ở đâu", "65A 123.45"] {
        let error = found(refused).unwrap_err();
        assert!(!error.words_vi().is_empty());
        assert!(
            matches!(error, PhoneError::SearchRefused { .. }),
            "{refused}"
        );
    }
    let closed = ListFilter {
        lane: Some("tip".to_owned()),
        ..ListFilter::default()
    };
    assert_eq!(phone.list(closed), Ok(vec![]));
}

#[test]
fn five_hundred_records_open_again() {
    let (mut world, disk) = (World::new(), Disk::default());
    let phone = world.phone(&disk);
    for n in 0..500 {
        save(&phone, LEADER, &format!("Tuần tra {n}"));
    }
    world.sync(&phone);
    assert_eq!(phone.waiting(), Ok(vec![]));
    let high_water = phone.high_water();
    let before = headlines(&phone);
    drop(phone);
    let began = std::time::Instant::now();
    let phone = disk.open(high_water);
    assert_eq!(headlines(&phone), before);
    assert_eq!(phone.status().records, 500);
    println!("opened and listed in {:?}", began.elapsed());
    assert!(!world.sync(&phone).again);
    world.verify();
}
