//! An officer at the console of a running server.

use std::collections::BTreeMap;

use sync_core::calendar::read_iso;
use sync_core::ids::RecordId;
use sync_core::value::{FieldKey, Value, WallTime};
use sync_core::vocabulary::{Lane, ValueKind};

use super::browser::{Browser, officer, value_of};
use super::common::{COMMUNE, PROVINCE, Phone, Server, change};

#[test]
fn an_officer_reads_returns_and_the_phone_is_told() {
    let server = Server::new();
    officer(&server, "Trần B", "commune_officer", COMMUNE);
    let group = server.group("Tổ 1");
    let mut phone = server.phone(&group);
    let record = phone.save("từ cầu Kinh Xáng tới chợ");
    phone.sync();

    let mut browser = Browser::signed_in(&server, "Trần B");
    let list = browser.get("/console");
    assert_eq!(list.status, 200);
    assert!(
        list.text.contains("từ cầu Kinh Xáng tới chợ"),
        "{}",
        list.text
    );
    assert!(list.text.contains("Tổ 1"));
    let path = format!("/console/record/{record}");
    let page = browser.get(&path);
    assert_eq!(page.status, 200);
    assert!(page.text.contains("Nguyễn Văn An"), "{}", page.text);
    let (token, heads) = (value_of(&page.text, "token"), value_of(&page.text, "heads"));
    let form = [
        ("token", token.as_str()),
        ("heads", heads.as_str()),
        ("act", "return"),
        ("reason", "1"),
        ("text", "Ghi rõ giờ bắt đầu"),
    ];
    let done = browser.post(&format!("{path}/review"), &form);
    assert_eq!(done.status, 303, "{}", done.text);
    phone.sync();
    let remarks = phone.replica.remarks(record);
    assert_eq!(remarks.len(), 1);
    assert_eq!(remarks[0].words.as_deref(), Some("Ghi rõ giờ bắt đầu"));
    assert_eq!(remarks[0].account_name.as_deref(), Some("Trần B"));

    phone.edit(Some(record), "từ 19 giờ, cầu Kinh Xáng tới chợ");
    phone.sync();
    // the page that the officer still has open is of before
    let form = [
        ("token", token.as_str()),
        ("heads", heads.as_str()),
        ("act", "accept"),
    ];
    let stale = browser.post(&format!("{path}/review"), &form);
    assert_eq!(stale.status, 409, "{}", stale.text);
    let page = browser.get(&path);
    assert!(page.text.contains("Ghi rõ giờ bắt đầu"));
    let heads = value_of(&page.text, "heads");
    let form = [
        ("token", token.as_str()),
        ("heads", heads.as_str()),
        ("act", "accept"),
    ];
    assert_eq!(browser.post(&format!("{path}/review"), &form).status, 303);
    phone.sync();
    assert_eq!(phone.replica.remarks(record).len(), 2);
    assert!(server.verified().contains("2 reviews"));
    assert!(!server.verified().contains("\n0 audit entries"));
}

/// A tip with the first choice that there is.
pub(crate) fn save_tip(phone: &mut Phone) -> RecordId {
    phone.save_as("tip", None, |vocabulary, kind| {
        let field = vocabulary
            .fields_in(kind, Lane::Tip)
            .find(|field| vocabulary.list_of(field.number).is_some() && field.family.is_none())
            .unwrap();
        let list = vocabulary.list_of(field.number).unwrap();
        let first = list.values.first().unwrap().number;
        let many = matches!(field.kind, ValueKind::Choices { .. });
        let value = if many {
            Value::Choices(vec![first])
        } else {
            Value::Choice(first)
        };
        BTreeMap::from([(FieldKey::plain(field.number), value)])
    })
}

#[test]
fn a_neighbour_sees_nothing_and_the_province_only_the_rounded_tip() {
    let server = Server::new();
    officer(&server, "Láng giềng", "commune_officer", "31147");
    officer(&server, "Tỉnh", "province_reviewer", PROVINCE);
    let group = server.group("Tổ 1");
    let mut phone = server.phone(&group);
    let record = phone.save("từ cầu tới chợ");
    let tip = save_tip(&mut phone);
    phone.sync();
    assert!(
        server.verified().contains("2 changes,"),
        "{}",
        server.verified()
    );

    let mut neighbour = Browser::signed_in(&server, "Láng giềng");
    assert!(!neighbour.get("/console").text.contains("từ cầu tới chợ"));
    assert_eq!(
        neighbour.get(&format!("/console/record/{record}")).status,
        404
    );
    let mut province = Browser::signed_in(&server, "Tỉnh");
    assert!(province.get("/console").text.contains("từ cầu tới chợ"));
    assert_eq!(
        province.get(&format!("/console/record/{record}")).status,
        200
    );
    assert_eq!(province.get(&format!("/console/record/{tip}")).status, 404);
    let tips = province.get("/console?lane=tip");
    assert_eq!(tips.status, 200);
    assert!(tips.text.contains("Cái Khế"), "{}", tips.text);
    for hidden in [
        tip.to_string(),
        "Nguyễn Văn An".to_owned(),
        "Tổ 1".to_owned(),
    ] {
        assert!(!tips.text.contains(&hidden), "{hidden}");
    }

    server.run(&["officer", "disable", "Tỉnh"]).ok();
    assert_eq!(province.get("/console").status, 303, "signed out at once");
}

#[test]
fn the_page_of_a_record_says_areas_units_and_wrong_clocks_in_words() {
    let mut server = Server::new();
    officer(&server, "Trần B", "commune_officer", COMMUNE);
    let group = server.group("Tổ 1");
    let mut phone = server.phone(&group);
    phone.sync();
    // it has seen the log of today, and claims to write in 1970
    phone.clock_s = 0;
    let nowhere = sync_core::ids::AreaRef([0xAB; 16]);
    let record = phone.save_as("patrol", None, |vocabulary, kind| {
        let number = |id: &str| {
            let mut fields = vocabulary.fields_in(kind, Lane::Open);
            FieldKey::plain(fields.find(|field| field.id == id).unwrap().number)
        };
        BTreeMap::from([
            (number("area_id"), Value::Area(nowhere)),
            (number("members_present"), Value::Number(3)),
        ])
    });
    phone.sync();
    phone.clock_s = i64::from(u32::MAX);
    let later = phone.save("viết từ năm 2106");
    phone.sync();

    let mut browser = Browser::signed_in(&server, "Trần B");
    let path = format!("/console/record/{record}");
    for path in [path.as_str(), "/console"] {
        let page = browser.get(path).text;
        assert!(page.contains("Địa bàn không rõ (mã abababab)"), "{page}");
        assert!(!page.contains("ababababab"), "{page}");
    }
    let page = browser.get(&path).text;
    assert!(page.contains(">3 người<"), "{page}");
    let told = "giờ máy 07:00 01/01/1970 (đồng hồ máy sai)";
    assert!(page.contains(told), "{page}");
    let page = browser.get(&format!("/console/record/{later}")).text;
    assert!(page.contains("2106 (đồng hồ máy sai)"), "{page}");

    // the commune ends: its records stay, and say so
    let commune = page_area(&browser.get("/console").text);
    assert_eq!(server.stop(), 0);
    let ends = format!("update area set valid_to = '2026-01-01' where code = '{COMMUNE}'");
    change(&server.data, &ends);
    server.restart();
    browser.follow(&server);
    let list = browser.get("/console").text;
    let told = format!("{commune} (không còn từ 01/01/2026)");
    assert!(list.contains(&told), "{told}: {list}");
}

/// The officer's own area, as the head of the page names it.
fn page_area(page: &str) -> String {
    let (_, rest) = page.split_once("· <bdi>").unwrap();
    rest.split('<').next().unwrap().to_owned()
}

#[test]
fn a_record_of_a_phone_whose_clock_is_right_says_nothing_of_it() {
    let server = Server::new();
    officer(&server, "Trần B", "commune_officer", COMMUNE);
    let group = server.group("Tổ 1");
    let mut phone = server.phone(&group);
    phone.sync();
    phone.clock_s = server::now_s();
    let record = phone.save("từ cầu tới chợ");
    phone.sync();
    let page = Browser::signed_in(&server, "Trần B").get(&format!("/console/record/{record}"));
    assert!(page.text.contains("giờ máy ") && !page.text.contains("đồng hồ máy sai"));
}

#[test]
fn what_the_desk_did_is_read_by_the_commune_and_by_nobody_beside_it() {
    let server = Server::new();
    officer(&server, "Trần B", "commune_chief", COMMUNE);
    officer(&server, "Láng giềng", "commune_officer", "31147");
    officer(&server, "Tỉnh", "province_reviewer", PROVINCE);
    officer(&server, "Tư pháp", "justice_officer", COMMUNE);
    let group = server.group("Tổ 1");
    let mut phone = server.phone(&group);
    let tip = save_tip(&mut phone);
    phone.sync();
    let record = phone.save("nhà ông Tư, ấp Giữa");
    phone.sync();
    let mut browser = Browser::signed_in(&server, "Trần B");
    let path = format!("/console/acts/{group}");
    let page = browser.get(&path);
    assert_eq!(page.status, 200);
    for words in ["Lập tổ", "Thêm thành viên", "Nguyễn Văn An (1)", "Cấp máy"] {
        assert!(page.text.contains(words), "{words}: {}", page.text);
    }

    for of in [record, tip] {
        let change = phone.replica.record(of).unwrap().1.creator();
        let name = format!("{}:{}", change.chain, change.seq);
        server.run(&["erase", &name, "author"]).ok();
    }
    server.run(&["member", "end", "1", "--group", &group]).ok();
    let page = browser.get(&path).text;
    assert!(page.contains("Thành viên thôi tham gia"), "{page}");
    assert!(
        page.contains(&format!("/console/record/{record}\">Xóa nội dung")),
        "{page}"
    );
    assert!(
        page.contains(&format!("/console/record/{tip}\">Xóa nội dung")),
        "{page}"
    );

    // the phone has yet to say that it erased them
    assert_eq!(page.matches("chưa báo đã xóa").count(), 2, "{page}");
    phone.sync();
    phone.sync();
    let page = browser.get(&path).text;
    assert_eq!(page.matches("đã xóa trên máy").count(), 2, "{page}");
    assert!(!page.contains("chưa báo đã xóa"), "{page}");

    // who does not read the tip lane whole does not learn that there is a tip
    for name in ["Tư pháp", "Tỉnh"] {
        let page = Browser::signed_in(&server, name).get(&path).text;
        assert!(page.contains("Thêm thành viên"), "{name}: {page}");
        assert!(
            !page.contains(&tip.to_string()) && !page.contains("Nguồn tin"),
            "{name}: {page}"
        );
    }
    let page = browser.get("/console/acts").text;
    assert!(
        page.contains("Dùng danh mục") && page.contains("Tỉnh"),
        "{page}"
    );
    assert!(
        !page.contains("Láng giềng"),
        "an account of another commune: {page}"
    );
    let mut neighbour = Browser::signed_in(&server, "Láng giềng");
    assert_eq!(neighbour.get(&path).status, 404);
    assert!(!neighbour.get("/console/acts").text.contains("Trần B"));
}

/// A patrol of a day, with its route in words.
fn save_on(phone: &mut Phone, day: &str) {
    phone.save_as("patrol", None, |vocabulary, kind| {
        let number = |id| vocabulary.field_by_id(kind, id).unwrap().number;
        let minutes = read_iso(day).unwrap() * 1_440 + 20 * 60;
        let from = WallTime {
            minutes,
            offset: 420,
        };
        BTreeMap::from([(
            FieldKey::plain(number("occurred")),
            Value::Interval(from, None),
        )])
    });
    phone.sync();
}

#[test]
fn a_closed_period_never_changes_and_what_is_late_counts_in_the_next() {
    let server = Server::new();
    officer(&server, "Trưởng", "commune_chief", COMMUNE);
    officer(&server, "Cán bộ", "commune_officer", COMMUNE);
    let group = server.group("Tổ 1");
    let mut phone = server.phone(&group);
    save_on(&mut phone, "2026-01-20");
    save_on(&mut phone, "2026-02-16");

    let mut chief = Browser::signed_in(&server, "Trưởng");
    let january = "/console/period?calendar=1&day=2026-01-15";
    let march = "/console/period?calendar=1&day=2026-02-15";
    // this period and the late column of the only hamlet, then of the sum
    let figures = |page: &str| -> Vec<String> {
        let cells = page.split("<td class=\"num\">").skip(1);
        cells
            .filter_map(|cell| cell.split('<').next())
            .map(str::to_owned)
            .collect()
    };
    let page = chief.get(january);
    assert_eq!(figures(&page.text), ["1", "0", "1", "0"], "{}", page.text);
    let token = value_of(&page.text, "token");
    let form = [
        ("token", token.as_str()),
        ("calendar", "1"),
        ("day", "15/01/2026"),
        ("sure", "yes"),
    ];
    assert_eq!(chief.post("/console/period/close", &form).status, 303);
    assert_eq!(chief.post("/console/period/close", &form).status, 409);
    save_on(&mut phone, "2026-01-21");
    save_on(&mut phone, "2026-02-17");
    let page = chief.get(january);
    assert!(page.text.contains("Đã chốt lúc"), "{}", page.text);
    assert_eq!(figures(&page.text), ["1", "0", "1", "0"]);
    assert_eq!(figures(&chief.get(march).text), ["2", "1", "2", "1"]);
    // a later one is closed only after those before it
    let form = [form[0], form[1], ("day", "15/04/2026"), form[3]];
    assert_eq!(chief.post("/console/period/close", &form).status, 409);
    // the other role sees the same, and closes nothing
    let mut other = Browser::signed_in(&server, "Cán bộ");
    let page = other.get(march);
    assert_eq!(figures(&page.text), ["2", "1", "2", "1"]);
    assert!(!page.text.contains("/console/period/close"));
    assert!(chief.get("/console/acts").text.contains("Chốt kỳ báo cáo"));
    assert!(server.verified().contains("the log is sound"));
    assert!(server.run(&["rebuild"]).ok().contains("as it was"));
    assert_eq!(figures(&chief.get(january).text), ["1", "0", "1", "0"]);
}

#[test]
fn the_province_sees_small_figures_of_no_open_period_and_of_a_closed_one_none() {
    let server = Server::new();
    officer(&server, "Lãnh đạo", "province_lead", PROVINCE);
    officer(&server, "Trưởng", "commune_chief", COMMUNE);
    let group = server.group("Tổ 1");
    let mut phone = server.phone(&group);
    for day in 1..=6 {
        save_on(&mut phone, &format!("2026-02-0{day}"));
    }
    phone.save_as("tip", None, |vocabulary, kind| {
        let number = |id| vocabulary.field_by_id(kind, id).unwrap().number;
        let day = Value::Day(read_iso("2026-02-03").unwrap());
        BTreeMap::from([
            (FieldKey::plain(number("category")), Value::Choice(1)),
            (FieldKey::plain(number("day")), day),
        ])
    });
    phone.sync();
    let path = "/console/period?calendar=1&day=2026-02-14";
    // what stands under the heading of a type
    let section = |page: &str, label: &str| -> String {
        let (_, rest) = page.split_once(&format!(">{label}</th>")).unwrap();
        rest.split("</tbody>").next().unwrap().to_owned()
    };
    let mut chief = Browser::signed_in(&server, "Trưởng");
    let tips = section(&chief.get(path).text, "Nguồn tin");
    assert!(tips.contains("<td class=\"num\">1</td>"), "{tips}");

    let mut lead = Browser::signed_in(&server, "Lãnh đạo");
    let page = lead.get(path);
    let patrols = section(&page.text, "Tuần tra");
    assert!(patrols.contains("<td class=\"num\">6</td>"), "{patrols}");
    for guarded in ["Nguồn tin", "Vụ việc", "Hòa giải", "An sinh xã hội"] {
        let told = section(&page.text, guarded);
        assert!(told.contains("Chỉ hiện sau khi tỉnh chốt kỳ"), "{told}");
    }
    let form = [
        ("token", &*value_of(&page.text, "token")),
        ("calendar", "1"),
        ("day", "14/02/2026"),
        ("sure", "yes"),
    ];
    assert_eq!(lead.post("/console/period/close", &form).status, 303);
    let page = lead.get(path);
    assert!(section(&page.text, "Tuần tra").contains("<td class=\"num\">6</td>"));
    // one tip in one of many communes: neither it nor its commune nor the sum is told, and a type
    // of which there is nothing looks the same
    let told = section(&page.text, "Nguồn tin");
    assert_eq!(
        told.matches("<td class=\"num\">–</td>").count(),
        2,
        "{told}"
    );
    assert!(!told.contains("Cái Khế"), "{told}");
    assert_eq!(told, section(&page.text, "Hòa giải"));
    // the commune closes for itself, and sees its own whole
    let tips = section(&chief.get(path).text, "Nguồn tin");
    assert!(tips.contains("<td class=\"num\">1</td>"), "{tips}");
}
