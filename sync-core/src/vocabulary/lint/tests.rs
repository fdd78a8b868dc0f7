use super::*;

fn refused(label: &str) -> Option<String> {
    Rules::builtin()
        .refusal(label)
        .map(|refusal| format!("{} ({})", refusal.reason, refusal.term))
}

#[test]
fn every_rule_is_read() {
    let lines = include_str!("../data/lint_rules.csv").lines().count() - 1;
    let rules = Rules::builtin();
    assert_eq!(rules.terms.len() + rules.exceptions.len(), lines);
}

#[test]
fn the_examples_are_refused_and_passed() {
    let mut reader = csv::Reader::from_reader(include_str!("../data/refusals.csv").as_bytes());
    let mut wrong = Vec::new();
    let mut counts = (0, 0);
    for row in reader.records() {
        let row = row.unwrap();
        let (term, why, expect) = (&row[0], &row[2], &row[3]);
        let found = Rules::builtin().refusal(term);
        match expect {
            "refuse" => counts.0 += 1,
            _ => counts.1 += 1,
        }
        match (expect, &found) {
            ("refuse", Some(refusal)) if refusal.reason == why => {}
            ("pass", None) => {}
            _ => wrong.push(format!("{term} ({why}): {found:?}")),
        }
    }
    assert_eq!(counts, (180, 49));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Forms that stand in no list: plurals, compounds, humps, capitals, accents off.
#[test]
fn further_forms_are_refused() {
    let passed: Vec<_> = FURTHER_FORMS
        .iter()
        .filter(|label| refused(label).is_none())
        .collect();
    assert!(passed.is_empty(), "{passed:?}");
}

#[test]
fn innocents_pass() {
    let wrong: Vec<_> = INNOCENTS
        .iter()
        .filter_map(|l| refused(l).map(|why| (l, why)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

const FURTHER_FORMS: &[&str] = &[
    "dong ho",
    "health_status",
    "wantedList",
    "top_tippers",
    "Đảng",
    "họ hàng",
    "党派",
    "ethnicities",
    "EthnicGroups",
    "ETHNIC_CODE",
    "memberEthnicity",
    "minorities",
    "races",
    "raceCode",
    "racialGroup",
    "religions",
    "ReligionID",
    "religious_affiliation",
    "memberReligion",
    "denominations",
    "placesOfWorship",
    "clans",
    "clanName",
    "ClanGroups",
    "politicalOpinions",
    "partyMembershipNo",
    "member_of_party",
    "diagnoses",
    "diagnosisCode",
    "HIVStatus",
    "hivPositive",
    "mentalIllnesses",
    "fingerPrints",
    "userFingerprints",
    "faceEmbeddings",
    "voicePrints",
    "irisScans",
    "nationalId",
    "nationalids",
    "idCardNumber",
    "PassportNumbers",
    "searchPersons",
    "personSearches",
    "people_finder_find_people",
    "plateLookups",
    "lookup_by_plate",
    "watchLists",
    "watchlist",
    "blacklist",
    "householdFiles",
    "household_profile",
    "exPrisonerRosters",
    "criminalRecords",
    "sealedSubject",
    "sealed.persons",
    "suspects",
    "suspectName",
    "offenders",
    "residences",
    "residencyStatus",
    "rumours",
    "rumors",
    "tipRankings",
    "rank_of_members",
    "tipsPerGroup",
    "tipQuotas",
    "leaderboards",
    "informants",
    "informantPhone",
    "tipChannels",
    "militiaTeams",
    "self-defense group",
    "orderNumbers",
    "operationPlans",
    "secretCollaborators",
    "gpsTracks",
    "GPSPoints",
    "heatmaps",
    "motherTongues",
    "recordLanguage",
    "familyTrees",
    "facebookAccounts",
    "sexualOrientation",
    "DÂN TỘC",
    "danToc",
    "dan_toc_thieu_so",
    "dantoc",
    "Nguoi Khmer",
    "NGƯỜI CHĂM",
    "nguoi_hoa",
    "tonGiao",
    "TON GIAO",
    "tín đồ các đạo",
    "theo dao",
    "Đạo",
    "dong toc",
    "quan diem chinh tri",
    "dang vien",
    "chan doan benh",
    "nguoi nghien",
    "vanTay",
    "so cccd",
    "soCanCuoc",
    "so ho khau",
    "tra cuu bien so",
    "DoiTuong",
    "doituong",
    "ly lich",
    "tien an",
    "tội phạm",
    "nghi can",
    "tam tru",
    "nguoi bao tin",
    "xep hang nguon tin",
    "đội tự vệ",
    "ban do",
    "tieng me de",
    "Thành phần tôn giáo",
    "hoà hảo",
    "ជនជាតិ\u{200B}ភាគតិច",
    "លេខ អត្តសញ្ញាណ",
    "少數民族",
    "宗教信仰",
    "指紋資料",
    "嫌疑人名单",
];

const INNOCENTS: &[&str] = &[
    "traffic_races",
    "boatRace",
    "trace",
    "traceId",
    "embrace",
    "regional_office",
    "regions",
    "cleanups",
    "interfaces",
    "surface_area",
    "template_lookup_table",
    "incident_kind",
    "person count",
    "persons_helped",
    "personsHelped",
    "missingPerson",
    "missing_persons",
    "household_visit",
    "households",
    "secretary",
    "tip_category",
    "tip_outcome",
    "tips",
    "members_present",
    "party_wall",
    "third party",
    "joint_with",
    "militia",
    "order by date",
    "sortOrder",
    "reorder",
    "police_receipt_no",
    "language",
    "UI language",
    "residents",
    "president",
    "Hoà giải",
    "hoa giai",
    "hoà giải viên",
    "tổ hòa giải",
    "to hoa giai",
    "người hòa giải",
    "trồng hoa dọc lộ",
    "trong hoa",
    "chăm sóc",
    "cham soc nguoi gia",
    "va chạm giao thông",
    "va cham",
    "chưa có bình",
    "chua co binh",
    "con dao",
    "dao pha lúa",
    "đào kinh",
    "đồng hồ nước",
    "dong nuoc",
    "nguồn tin",
    "nguon tin",
    "tự quản",
    "tu quan",
    "tự phòng",
    "tự bảo vệ",
    "tu bao ve",
    "phòng, chống tội phạm",
    "họp dân",
    "hop dan",
    "dân phòng",
    "người dân báo",
    "nghi trùng",
    "sai phạm",
    "đạo đức",
    "biển báo",
    "giấy tờ",
    "hàng cấm",
    "quê hương",
    "người mất tích",
    "lost_child",
    "self_harm",
    "subject",
    "target_units",
    "lineage",
    "gas",
    "status",
    "ប្រជាជន",
    "សាលា",
    "居民",
    "線索",
    "kinh (kênh)",
    "tuần tra",
    "kế hoạch tháng",
    "được điều động",
    "dân quân",
];
