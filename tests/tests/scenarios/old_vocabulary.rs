//! Phones and the server are of different releases, and so have different vocabularies.

use sync_core::change::FullChange;
use sync_core::hub::facts;
use sync_core::ids::RecordId;
use sync_core::log::AsideReason;
use sync_core::replica::SaveError;
use sync_core::value::{FieldKey, Value};
use sync_core::vocabulary::{BUILTIN_FILES, Vocabulary};
use tests::sim::{PATROL, PRESENT, SUMMARY, Target, Verdict, World};

use crate::{LEADER, MEMBER, admitted, aside, became, every_seed, must, rest, some_patrols};

/// Number of the type that only the newer vocabulary has.
const BRIDGE_CHECK: u16 = 900;
/// Number of the field of patrols that only the newer vocabulary has.
const WEATHER: u16 = 900;
/// Number of the field of patrols by how one goes.
const MODE: u16 = 25;
/// Number of the way to go that only the newer vocabulary has.
const BY_FERRY: u16 = 900;

/// The built-in vocabulary a release later: one type, one field and one list value more.
pub(crate) fn newer() -> Result<Vocabulary, String> {
    let mut files: Vec<(&str, String)> = BUILTIN_FILES
        .iter()
        .map(|(name, text)| (*name, (*text).to_owned()))
        .collect();
    for (name, text) in &mut files {
        let line = match *name {
            "version.csv" => {
                *text = "version\n".to_owned();
                (Vocabulary::builtin().version() + 1).to_string()
            }
            "types.csv" => format!("{BRIDGE_CHECK},bridge_check,Kiểm tra cầu,open,,"),
            "fields.csv" => format!(
                "{WEATHER},patrol,weather_note,thời tiết,O,,,text,,200,,yes,active,no,,member,,,"
            ),
            "lists.csv" => format!("travel_mode,{BY_FERRY},by_ferry,đi phà,"),
            _ => continue,
        };
        text.push_str(&line);
        text.push('\n');
    }
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    Vocabulary::load(&files).map_err(|faults| format!("{faults:?}"))
}

pub(crate) fn weather(words: &str) -> (u16, Value) {
    (WEATHER, Value::Text(words.to_owned()))
}

/// What a phone shows at a field of a record: its id, its words, and whether it knows the field.
fn field_of(
    world: &World,
    nth: usize,
    record: RecordId,
    number: u16,
) -> Option<(String, String, bool)> {
    let view = world.phones[nth].replica.view(record)?;
    let field = view
        .fields
        .iter()
        .find(|field| field.key == FieldKey::plain(number))?;
    Some((field.id.clone(), field.value.text.clone(), field.known))
}

/// A server and a phone of the newer release, a phone that nobody updated, and two records in which
/// the newer phone says what the old one has no word for.
struct Releases {
    newer: Vocabulary,
    new: usize,
    old: usize,
    /// A patrol with the new field and the new list value.
    record: RecordId,
    /// A record of the new type.
    bridge: RecordId,
}

fn releases(world: &mut World) -> Result<Releases, String> {
    let newer = newer()?;
    world.update_hub(&newer);
    let new = world.join(&[MEMBER], &newer)?;
    let old = world.join(&[LEADER], Vocabulary::builtin())?;
    let plain = world.patrol(new, MEMBER, "Chỗ ai cũng hiểu.")?;
    let record = plain.change.record;
    let values = [weather("Mưa to."), (MODE, Value::Choice(BY_FERRY))];
    let told = put(world, new, MEMBER, Target::Of(record), &values)?;
    let new_type = Target::New(BRIDGE_CHECK);
    let bridge = put(world, new, MEMBER, new_type, &[summary("Cầu yếu.")])?;
    world.sync(new)?;
    world.sync(old)?;
    let bridge_record = bridge.change.record;
    admitted(world, &[plain, told, bridge])?;
    Ok(Releases {
        newer,
        new,
        old,
        record,
        bridge: bridge_record,
    })
}

pub(crate) fn put(
    world: &mut World,
    nth: usize,
    member: u16,
    target: Target,
    values: &[(u16, Value)],
) -> Result<FullChange, String> {
    world
        .put(nth, member, target, values)
        .map_err(|error| format!("phone {nth}: {error}"))
}

/// A phone that nobody updated, among newer ones: it keeps and shows what it does not know, its
/// edits take nothing away, and once it is updated all of it has its name.
#[test]
fn old_phone_among_newer_ones() {
    every_seed(|world| {
        let Releases {
            newer,
            new,
            old,
            record,
            bridge,
        } = releases(world)?;
        let shown = field_of(world, old, record, WEATHER);
        let expected = Some((format!("field.{WEATHER}"), "Mưa to.".to_owned(), false));
        must(shown == expected, || {
            format!("the old phone shows {shown:?}")
        })?;
        must(
            world.shown(old, bridge).as_deref() == Some("Cầu yếu."),
            || "the old phone lacks a record of a type it does not know".to_owned(),
        )?;

        // it writes what it knows, while the new phone goes on with what it does not know
        let edit = world.reword(old, LEADER, record, "Tổ trưởng viết lại.")?;
        let more = put(
            world,
            new,
            MEMBER,
            Target::Of(record),
            &[weather("Mưa nhỏ.")],
        )?;
        let firsts = if world.dice.chance(50) {
            [old, new]
        } else {
            [new, old]
        };
        for nth in firsts {
            world.sync(nth)?;
        }
        admitted(world, &[edit, more])?;
        rest(world)?;
        let shown = field_of(world, old, record, WEATHER);
        must(
            shown.is_some_and(|(_, text, _)| text == "Mưa nhỏ."),
            || "an edit by an old phone took away what it does not know".to_owned(),
        )?;
        must(
            world.shown(new, record).as_deref() == Some("Tổ trưởng viết lại."),
            || "the edit of the old phone is not shown".to_owned(),
        )?;

        world.update_phone(old, &newer);
        let shown = field_of(world, old, record, WEATHER);
        let expected = Some(("weather_note".to_owned(), "Mưa nhỏ.".to_owned(), true));
        must(shown == expected, || {
            format!("the updated phone shows {shown:?}")
        })?;
        let view = world.phones[old].replica.view(bridge);
        must(
            view.is_some_and(|view| view.type_id == "bridge_check"),
            || "the updated phone does not know the type".to_owned(),
        )?;
        let last = put(world, old, LEADER, Target::Of(record), &[weather("Tạnh.")])?;
        world.sync(old)?;
        admitted(world, &[last])
    });
}

/// An old phone refuses to save what it has no word for, before anybody is asked.
#[test]
fn old_phone_writes_nothing_it_has_no_word_for() {
    every_seed(|world| {
        let there = releases(world)?;
        let (old, record) = (there.old, Target::Of(there.record));
        for (target, values, refusal) in [
            (record, weather("Nắng."), SaveError::NoInput(WEATHER)),
            (
                Target::New(BRIDGE_CHECK),
                summary("Cầu."),
                SaveError::NoType,
            ),
            (
                Target::Of(there.bridge),
                summary("Cầu."),
                SaveError::NoInput(SUMMARY),
            ),
        ] {
            let saved = world.put(old, LEADER, target, core::slice::from_ref(&values));
            must(saved.as_ref() == Err(&refusal), || format!("{saved:?}"))?;
            // the newer phone saves the very same
            put(world, there.new, MEMBER, target, &[values])?;
        }
        Ok(())
    });
}

/// A phone that was updated before its server: what the server has no word for is refused and
/// stays on the phone, all else counts.
#[test]
fn newer_phone_before_its_server() {
    every_seed(|world| {
        let newer = newer()?;
        let new = world.join(&[MEMBER], &newer)?;
        let old = world.join(&[LEADER], Vocabulary::builtin())?;
        let plain = world.patrol(new, MEMBER, "Chỗ ai cũng hiểu.")?;
        let record = plain.change.record;
        let refused = [
            put(
                world,
                new,
                MEMBER,
                Target::Of(record),
                &[weather("Gió lớn.")],
            )?,
            put(
                world,
                new,
                MEMBER,
                Target::New(BRIDGE_CHECK),
                &[summary("Cầu gãy.")],
            )?,
            put(
                world,
                new,
                MEMBER,
                Target::New(PATROL),
                &[(MODE, Value::Choice(BY_FERRY))],
            )?,
        ];
        let follows = world.reword(new, MEMBER, record, "Viết sau chữ lạ.")?;
        let mut fine = some_patrols(world, new, MEMBER, "Vẫn hiểu được")?;
        fine.push(plain);
        world.sync(new)?;
        world.sync(old)?;
        admitted(world, &fine)?;
        aside(world, &refused, AsideReason::Vocabulary)?;
        became(
            world,
            &follows,
            Some(Verdict::Aside(AsideReason::FollowsAside)),
        )?;
        must(world.said("Gió lớn.")?.is_empty(), || {
            "the log says what the server has no word for".to_owned()
        })?;
        must(!world.phones[old].disk.holds("Gió lớn."), || {
            "refused words reached another phone".to_owned()
        })?;
        must(world.phones[new].disk.holds("Gió lớn."), || {
            "the person's words left the phone".to_owned()
        })?;
        rest(world)?;

        // the server is updated: it reads its log as before, and what is said now counts
        world.update_hub(&newer);
        rest(world)?;
        aside(world, &refused, AsideReason::Vocabulary)?;
        let values = [weather("Gió nhẹ."), (PRESENT, Value::Number(4))];
        let again = put(world, new, MEMBER, Target::New(PATROL), &values)?;
        world.sync(new)?;
        world.sync(old)?;
        admitted(world, core::slice::from_ref(&again))?;
        let version = facts::record(&world.ledger, again.change.record)
            .ok()
            .flatten()
            .map(|(_, record)| record.vocabulary());
        must(version == Some(newer.version()), || format!("{version:?}"))?;
        let shown = field_of(world, old, again.change.record, WEATHER);
        must(
            shown.is_some_and(|(_, text, known)| text == "Gió nhẹ." && !known),
            || "the old phone lacks the new field".to_owned(),
        )
    });
}

fn summary(words: &str) -> (u16, Value) {
    (SUMMARY, Value::Text(words.to_owned()))
}
