//! Figures with their spread, as lines for a person or as one JSON object a line.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

/// What a figure must not pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// It is printed only.
    None,
    /// The median is at most this.
    AtMost(f64),
    /// The median is at most the first; the second is aimed at.
    Aim(f64, f64),
}

/// One key of a scenario with all its samples.
#[derive(Debug, Clone)]
pub struct Figure {
    /// Its name, as in JSON.
    pub key: &'static str,
    /// In the order in which they were taken.
    pub samples: Vec<f64>,
    /// What it must reach.
    pub bound: Bound,
}

/// Figures taken together.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What was measured.
    pub figures: Vec<Figure>,
}

/// All that one benchmark gave.
#[derive(Debug, Clone)]
pub struct Report {
    /// Name of the benchmark.
    pub bench: &'static str,
    /// Seed of the first repetition.
    pub seed: u64,
    /// SHA-256 of the file of notes.
    pub corpus: String,
    /// What a reader has to know of this run.
    pub remarks: Vec<String>,
    /// In the order in which they are printed.
    pub scenarios: Vec<Scenario>,
}

impl Figure {
    /// The middle one; of an even number the mean of the two in the middle.
    #[must_use]
    pub fn median(&self) -> f64 {
        let mut sorted = self.samples.clone();
        sorted.sort_by(f64::total_cmp);
        let half = sorted.len() / 2;
        match (sorted.get(half), sorted.len() % 2) {
            (None, _) => f64::NAN,
            (Some(middle), 1) => *middle,
            (Some(upper), _) => f64::midpoint(sorted[half - 1], *upper),
        }
    }

    /// Smallest and largest.
    #[must_use]
    pub fn spread(&self) -> (f64, f64) {
        let smallest = self.samples.iter().copied().fold(f64::INFINITY, f64::min);
        let largest = self.samples.iter().copied();
        (smallest, largest.fold(f64::NEG_INFINITY, f64::max))
    }

    /// Whether the median is within the bound; `None` without one.
    #[must_use]
    pub fn is_met(&self) -> Option<bool> {
        match self.bound {
            Bound::None => None,
            Bound::AtMost(most) | Bound::Aim(most, _) => Some(self.median() <= most),
        }
    }

    fn verdict(&self) -> String {
        let met = match self.is_met() {
            None => return String::new(),
            Some(true) => "met",
            Some(false) => "MISSED",
        };
        match self.bound {
            Bound::Aim(most, aim) => format!("<= {most} (aim {aim}): {met}"),
            Bound::AtMost(most) => format!("<= {most}: {met}"),
            Bound::None => String::new(),
        }
    }
}

impl Scenario {
    /// One without figures.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            figures: Vec::new(),
        }
    }

    /// Gives a key its bound; keys are printed in the order in which they come first.
    #[must_use]
    pub fn with(mut self, key: &'static str, bound: Bound) -> Self {
        self.figures.push(Figure {
            key,
            samples: Vec::new(),
            bound,
        });
        self
    }

    /// Adds a sample.
    pub fn add(&mut self, key: &'static str, sample: f64) {
        if let Some(figure) = self.figures.iter_mut().find(|figure| figure.key == key) {
            figure.samples.push(sample);
            return;
        }
        self.figures.push(Figure {
            key,
            samples: vec![sample],
            bound: Bound::None,
        });
    }

    fn measured(&self) -> impl Iterator<Item = &Figure> {
        self.figures.iter().filter(|f| !f.samples.is_empty())
    }
}

impl Report {
    /// For a person.
    #[must_use]
    pub fn lines(&self) -> String {
        let mut text = format!(
            "{}: seed {}, corpus sha256 {}\n",
            self.bench, self.seed, self.corpus
        );
        for remark in &self.remarks {
            // writing to a string cannot fail
            let _written = writeln!(text, "  {remark}");
        }
        let _written = writeln!(
            text,
            "{:<13} {:<28} {:>9} {:>9} {:>9} {:>4}  reach",
            "scenario", "figure", "median", "min", "max", "n"
        );
        for scenario in &self.scenarios {
            for figure in scenario.measured() {
                let (smallest, largest) = figure.spread();
                let _written = writeln!(
                    text,
                    "{:<13} {:<28} {:>9} {:>9} {:>9} {:>4}  {}",
                    scenario.name,
                    figure.key,
                    short(figure.median()),
                    short(smallest),
                    short(largest),
                    figure.samples.len(),
                    figure.verdict(),
                );
            }
        }
        text
    }

    /// For a program: one object a line. Each key holds the median; `spread` holds the smallest
    /// and the largest, `met` says which bounds were kept.
    #[must_use]
    pub fn json(&self) -> String {
        let mut text = String::new();
        for scenario in &self.scenarios {
            let (mut line, mut spread, mut met) = (Map::new(), Map::new(), Map::new());
            line.insert("bench".to_owned(), json!(self.bench));
            line.insert("scenario".to_owned(), json!(scenario.name));
            line.insert("seed".to_owned(), json!(self.seed));
            line.insert("corpus".to_owned(), json!(self.corpus));
            let mut samples = 0;
            for figure in scenario.measured() {
                let key = figure.key.to_owned();
                let (smallest, largest) = figure.spread();
                samples = samples.max(figure.samples.len());
                line.insert(key.clone(), number(figure.median()));
                spread.insert(key.clone(), json!([number(smallest), number(largest)]));
                if let Some(is_met) = figure.is_met() {
                    met.insert(key, json!(is_met));
                }
            }
            line.insert("samples".to_owned(), json!(samples));
            line.insert("spread".to_owned(), Value::Object(spread));
            line.insert("met".to_owned(), Value::Object(met));
            let _written = writeln!(text, "{}", Value::Object(line));
        }
        text
    }
}

/// Two digits behind the point where they say something.
fn short(value: f64) -> String {
    if value.fract().abs() < 0.005 {
        format!("{value:.0}")
    } else if value.abs() < 100.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.1}")
    }
}

fn number(value: f64) -> Value {
    json!((value * 1_000.0).round() / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(samples: &[f64], bound: Bound) -> Figure {
        Figure {
            key: "key",
            samples: samples.to_vec(),
            bound,
        }
    }

    #[test]
    fn the_median_decides() {
        let odd = figure(&[9.0, 1.0, 2.0], Bound::AtMost(2.0));
        assert_eq!((odd.median(), odd.spread()), (2.0, (1.0, 9.0)));
        assert_eq!(odd.is_met(), Some(true));
        let even = figure(&[1.0, 4.0], Bound::Aim(2.0, 1.0));
        assert_eq!((even.median(), even.is_met()), (2.5, Some(false)));
        assert_eq!(figure(&[1.0], Bound::None).is_met(), None);
    }

    #[test]
    fn a_line_of_json_has_the_keys_of_its_scenario() {
        let mut scenario = Scenario::new("idle_500").with("body_up", Bound::AtMost(130.0));
        scenario.add("body_up", 119.0);
        scenario.add("round_trips", 1.0);
        let report = Report {
            bench: "wire",
            seed: 1,
            corpus: "c".to_owned(),
            remarks: Vec::new(),
            scenarios: vec![scenario],
        };
        let line: Value = serde_json::from_str(report.json().trim_end()).unwrap();
        assert_eq!(line["bench"], "wire");
        assert_eq!(line["scenario"], "idle_500");
        assert_eq!(line["body_up"], 119.0);
        assert_eq!(line["met"], json!({ "body_up": true }));
        assert!(report.lines().contains("<= 130: met"));
    }
}
