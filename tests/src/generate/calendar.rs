//! Days, months and what the year does to the work.

use std::ops::Range;

/// Days of 28, 29 and 30 of the last lunar month come before these first days of a lunar year.
const TET: [(i32, u32, u32); 10] = [
    (2018, 2, 16),
    (2019, 2, 5),
    (2020, 1, 25),
    (2021, 2, 12),
    (2022, 2, 1),
    (2023, 1, 22),
    (2024, 2, 10),
    (2025, 1, 29),
    (2026, 2, 17),
    (2027, 2, 6),
];
/// The boat races of Sóc Trăng: full moon of the tenth lunar month.
const BOAT_RACES: [(i32, u32, u32); 9] = [
    (2018, 11, 22),
    (2019, 11, 11),
    (2020, 11, 29),
    (2021, 11, 18),
    (2022, 11, 8),
    (2023, 11, 27),
    (2024, 11, 15),
    (2025, 12, 4),
    (2026, 11, 23),
];
const WEEKEND: f64 = 1.25;

/// Days since 1970-01-01 of a date.
pub(super) fn day_of((year, month, day): (i32, u32, u32)) -> i32 {
    let shifted = i64::from(year) - i64::from(month <= 2);
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((i64::from(month) + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    let days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    i32::try_from(era * 146_097 + days - 719_468).unwrap_or(0)
}

/// Year and month of a day.
pub(super) fn month_of(day: i32) -> (i32, u32) {
    let (mut year, mut month) = (1970 + day / 366, 1);
    while day_of(next((year, month))) <= day {
        (year, month) = next_month((year, month));
    }
    (year, month)
}

fn next_month((year, month): (i32, u32)) -> (i32, u32) {
    if month == 12 {
        (year + 1, 1)
    } else {
        (year, month + 1)
    }
}

fn next(month: (i32, u32)) -> (i32, u32, u32) {
    let (year, month) = next_month(month);
    (year, month, 1)
}

/// One month of a profile, or the part of it that the profile covers.
#[derive(Debug, Clone)]
pub(super) struct Month {
    pub(super) year: i32,
    /// 1 to 12.
    pub(super) number: u32,
    pub(super) days: Range<i32>,
    /// How much of the month that is.
    pub(super) part: f64,
}

/// The months from one day to another, which is not among them.
pub(super) fn months(days: &Range<i32>) -> Vec<Month> {
    let mut months = Vec::new();
    let mut at = month_of(days.start);
    while day_of((at.0, at.1, 1)) < days.end {
        let (first, after) = (day_of((at.0, at.1, 1)), day_of(next(at)));
        let covered = first.max(days.start)..after.min(days.end);
        // half a month is half a month, whether it has 14 days or 15
        let whole = f64::from(after - first);
        let part = (f64::from(covered.end - covered.start) / whole * 2.0).round() / 2.0;
        months.push(Month {
            year: at.0,
            number: at.1,
            days: covered,
            part,
        });
        at = next_month(at);
    }
    months
}

const PATROL: [f64; 12] = [
    1.25, 1.30, 0.95, 1.05, 0.95, 0.95, 1.0, 1.1, 1.0, 1.0, 1.05, 1.15,
];
const TIP: [f64; 12] = [
    1.2, 1.1, 0.95, 1.05, 0.95, 0.95, 1.0, 1.1, 0.95, 0.95, 1.0, 1.15,
];
const OUTREACH: [f64; 12] = [0.9, 0.7, 0.9, 1.1, 0.9, 0.9, 1.4, 1.8, 1.0, 0.9, 1.0, 1.0];

impl Month {
    /// June to October 2021.
    pub(super) fn is_covid(&self) -> bool {
        self.year == 2021 && (6..=10).contains(&self.number)
    }

    /// September to November.
    pub(super) fn is_flood(&self) -> bool {
        (9..=11).contains(&self.number)
    }

    /// What this month does to a type: the season and the epidemic. Whoever uses it divides by
    /// the mean.
    pub(super) fn factor(&self, record_type: &str) -> f64 {
        let at = usize::try_from(self.number).unwrap_or(1) - 1;
        let covid = self.is_covid();
        match record_type {
            "patrol" => PATROL[at],
            "tip" => TIP[at] * if covid { 0.8 } else { 1.0 },
            "outreach" => OUTREACH[at] * if covid { 0.3 } else { 1.0 },
            "meeting" if covid => 0.15,
            "checkpoint" => f64::from(u8::from(covid)),
            _ => 1.0,
        }
    }

    /// Weight of each day for a type: the end of the week, and the peaks.
    pub(super) fn day_weights(&self, record_type: &str, in_soc_trang: bool) -> Vec<f64> {
        let tet = |day: i32| {
            TET.iter()
                .any(|date| (1..=3).contains(&(day_of(*date) - day)))
        };
        let race = |day: i32| BOAT_RACES.iter().any(|date| day_of(*date) == day);
        let weigh = |day: i32| {
            // 1970-01-01 was a Thursday
            let weekend = matches!(day.rem_euclid(7), 1..=3);
            let of_week = if weekend { WEEKEND } else { 1.0 };
            let peak = match record_type {
                "patrol" if tet(day) => 2.5,
                "outreach" if day == day_of((self.year, 8, 19)) => 4.0,
                "event_guard" if in_soc_trang && race(day) => 6.0,
                _ => 1.0,
            };
            of_week * peak
        };
        self.days.clone().map(weigh).collect()
    }
}

/// Hour and minute at which something of a type begins, and minutes that it takes.
pub(super) fn hours(record_type: &str, stream: &mut super::stream::Stream) -> (u64, u64) {
    let minute = stream.within(0, 11) * 5;
    let hour = match record_type {
        "patrol" => match stream.weighted(&[10.0, 28.0, 27.0, 18.0, 8.0, 9.0]) {
            5 => stream.within(0, 4),
            nth => 19 + nth as u64,
        },
        "handover" => *stream.pick(&[6, 18]),
        "duty_shift" => stream.within(17, 22),
        _ => stream.within(7, 17),
    };
    let minute = if record_type == "handover" { 0 } else { minute };
    let takes = match record_type {
        "patrol" | "traffic_support" => stream.within(40, 190),
        "duty_shift" | "event_guard" | "checkpoint" => stream.within(180, 600),
        "handover" => 10,
        _ => stream.within(20, 150),
    };
    (hour * 60 + minute, takes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_months_are_those_of_the_calendar() {
        assert_eq!(day_of((1970, 1, 1)), 0);
        assert_eq!(day_of((2024, 8, 15)), 19_950);
        assert_eq!(month_of(day_of((2024, 2, 29))), (2024, 2));
        assert_eq!(month_of(day_of((2023, 12, 31))), (2023, 12));
        let seed = months(&(day_of((2018, 1, 1))..day_of((2024, 8, 16))));
        let sum: f64 = seed.iter().map(|month| month.part).sum();
        assert_eq!((seed.len(), sum), (80, 79.5));
    }

    #[test]
    fn the_three_days_up_to_tet_and_the_weekend_weigh_more() {
        let months = months(&(day_of((2024, 2, 1))..day_of((2024, 3, 1))));
        let weights = months[0].day_weights("patrol", false);
        // 7 to 9 February: Wednesday to Friday
        assert_eq!(weights[5..9], [1.0, 2.5, 2.5, 2.5 * WEEKEND]);
    }
}
