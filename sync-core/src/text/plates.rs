//! Does a query hold a vehicle's plate, or as much of one as somebody remembered?

use super::{digit_value, fold};

/// Two digits, one or two letters of the series (perhaps with a digit), three digits or more.
/// "20h30" is a time: after h or g it takes four digits to be a plate.
pub(super) fn has_plate(text: &str) -> bool {
    let kept: Vec<char> = text.chars().filter(|c| c.is_alphanumeric()).collect();
    let starts: Vec<usize> = plate_starts(text);
    starts.into_iter().any(|start| {
        let rest: Vec<char> = kept.iter().copied().skip(start).take(12).collect();
        let digit = |at: usize| rest.get(at).is_some_and(|c| digit_value(*c).is_some());
        let letter = |at: usize| rest.get(at).is_some_and(|c| is_series_letter(*c));
        if !(digit(0) && digit(1) && letter(2)) {
            return false;
        }
        let series_end = if letter(3) { 4 } else { 3 };
        let digits = rest
            .iter()
            .skip(series_end)
            .take_while(|c| digit_value(**c).is_some())
            .count();
        let time = rest
            .get(2)
            .is_some_and(|c| matches!(c.to_ascii_lowercase(), 'h' | 'g'));
        digits >= if time { 5 } else { 3 }
    })
}

/// Where, among the letters and digits, a word begins or follows a separator.
fn plate_starts(text: &str) -> Vec<usize> {
    let mut starts = Vec::new();
    let (mut at, mut after_separator) = (0_usize, true);
    for c in text.chars() {
        if !c.is_alphanumeric() {
            after_separator = true;
            continue;
        }
        if after_separator {
            starts.push(at);
        }
        after_separator = false;
        at = at.saturating_add(1);
    }
    starts
}

fn is_series_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || c == 'đ' || c == 'Đ'
}

/// Words for a vehicle; a number of the form of a plate beside one of them is its plate.
const VEHICLES: [&str; 5] = ["xe", "oto", "moto", "bks", "bs"];
/// What may stand between such a word and the plate.
const KINDS: [&str; 22] = [
    "may", "tai", "hoi", "o", "to", "mo", "khach", "ba", "gac", "ban", "ben", "con", "dien", "mau",
    "honda", "wave", "bien", "so", "kiem", "soat", "hieu", "mang",
];
/// How many words back a vehicle is looked for.
const KINDS_IN_A_ROW_MAX: usize = 4;
/// In lower case these are units of measure: "xe 10m", "xe 50cc", "xe 16t".
const UNITS: [&str; 14] = [
    "m", "k", "l", "t", "p", "v", "w", "a", "kg", "km", "cm", "cc", "kw", "ph",
];
/// After h and g a number up to this is an hour.
const HOURS_MAX: u32 = 24;

/// The beginning of a plate, two digits and the letters of the series, beside a word for a vehicle:
/// "xe 51F", "bien so 64F1". Alone it may be a house or a class ("hem 12B").
pub(super) fn has_part_of_plate(text: &str) -> bool {
    let words: Vec<&str> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    (0..words.len()).any(|at| {
        let (before, rest) = words.split_at(at);
        begins_a_plate(rest).is_some_and(|(number, series)| {
            let (vehicle, plate_named) = beside_a_vehicle(before);
            plate_named || (vehicle && !is_measure(number, series))
        })
    })
}

/// Whether the words before speak of a vehicle, and whether of its plate.
fn beside_a_vehicle(before: &[&str]) -> (bool, bool) {
    let mut vehicle = false;
    let mut kinds: Vec<String> = Vec::new();
    for word in before.iter().rev().take(KINDS_IN_A_ROW_MAX) {
        let word = fold(word);
        let known = word.as_str();
        vehicle |= VEHICLES.contains(&known);
        if !VEHICLES.contains(&known) && !KINDS.contains(&known) {
            break;
        }
        kinds.push(word);
    }
    let two = |first: &str, second: &str| {
        let mut pairs = kinds.windows(2);
        // the last word comes first
        pairs.any(|pair| pair == [second, first])
    };
    let named = two("bien", "so") || two("kiem", "soat");
    (vehicle || named || two("o", "to") || two("mo", "to"), named)
}

/// Two digits and the letters of a series: in one word, or in two as in "64 F1" and "51 F".
fn begins_a_plate<'a>(words: &[&'a str]) -> Option<(u32, &'a str)> {
    let word = words.first()?;
    let end = word
        .find(|c| digit_value(c).is_none())
        .unwrap_or(word.len());
    let (digits, series) = word.split_at(end);
    if digits.chars().count() != 2 {
        return None;
    }
    let number = digits.chars().filter_map(digit_value);
    let number = number.fold(0_u32, |sum, digit| {
        sum.saturating_mul(10).saturating_add(digit)
    });
    if !series.is_empty() {
        return is_series(series).then_some((number, series));
    }
    let next = words.get(1)?;
    let letters_count = next.chars().filter(|c| is_series_letter(*c)).count();
    let numbered = next
        .chars()
        .last()
        .is_some_and(|c| digit_value(c).is_some());
    let capital = next.chars().all(char::is_uppercase);
    let apart = letters_count == 1 && (numbered || capital);
    (apart && is_series(next)).then_some((number, next))
}

/// One or two letters, or a letter and a digit.
fn is_series(text: &str) -> bool {
    let mut chars = text.chars();
    let (first, second, third) = (chars.next(), chars.next(), chars.next());
    first.is_some_and(is_series_letter)
        && second.is_none_or(|c| is_series_letter(c) || digit_value(c).is_some())
        && third.is_none()
}

/// "20h", "20h5", "10m", "50cc" and not "51F".
fn is_measure(number: u32, series: &str) -> bool {
    if UNITS.contains(&series) {
        return true;
    }
    number <= HOURS_MAX && (series.starts_with('h') || series.starts_with('g'))
}
