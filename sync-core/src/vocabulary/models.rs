//! The catalogue of model kinds. A kind is neutral: a gate, a club, a light. What a group calls
//! itself is its own text and never a kind.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::Vocabulary;
use super::fault::{Fault, VocabularyFault};
use super::lint::Rules;
use super::sheet::{each_line, read_rows};

/// The built-in catalogue, for [`ModelKinds::parse`].
pub const MODEL_KINDS_CSV: &str = include_str!("data/model_kinds.csv");

const COLUMNS: &[&str] = &["number", "id", "vi", "form", "families"];
/// List of the vocabulary that names the forms of groups.
pub const FORM_LIST: &str = "group_form";
/// List of the vocabulary that names the four selves.
const FAMILY_LIST: &str = "family";
/// List of the vocabulary that names the states of a group's life.
pub const STATE_LIST: &str = "model_state";

/// A kind of model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelKind {
    /// Fixed for ever.
    pub number: u16,
    /// Stable id.
    pub id: String,
    /// Vietnamese label.
    pub vi: String,
    /// Number of its form in [`FORM_LIST`].
    pub form: u16,
    /// Numbers of the selves that it serves.
    pub families: Vec<u16>,
}

/// The catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelKinds {
    kinds: BTreeMap<u16, ModelKind>,
}

impl ModelKinds {
    /// The catalogue that this release was built with.
    #[must_use]
    pub fn builtin() -> &'static Self {
        static BUILTIN: OnceLock<ModelKinds> = OnceLock::new();
        BUILTIN.get_or_init(|| read("model_kinds.csv", MODEL_KINDS_CSV, None).0)
    }

    /// Reads a catalogue, with the schema lint over its words.
    ///
    /// # Errors
    /// All faults, each with its line.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<VocabularyFault>> {
        let (kinds, faults) = read(file, text, Some(Rules::builtin()));
        if faults.is_empty() {
            Ok(kinds)
        } else {
            Err(faults)
        }
    }

    /// All kinds, by number.
    pub fn all(&self) -> impl Iterator<Item = &ModelKind> {
        self.kinds.values()
    }
    /// The kind with this number.
    #[must_use]
    pub fn kind(&self, number: u16) -> Option<&ModelKind> {
        self.kinds.get(&number)
    }
    /// The kind with this id.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<&ModelKind> {
        self.all().find(|kind| kind.id == id)
    }
}

/// Reads a catalogue; with `rules`, their refusals of its words are faults too.
fn read(file: &str, text: &str, rules: Option<&Rules>) -> (ModelKinds, Vec<VocabularyFault>) {
    let vocabulary = Vocabulary::builtin();
    let values = |list: &str| -> Vec<(&str, u16)> {
        let list = vocabulary.list(list);
        let values = list.into_iter().flat_map(|list| &list.values);
        values
            .map(|value| (value.id.as_str(), value.number))
            .collect()
    };
    let (forms, families) = (values(FORM_LIST), values(FAMILY_LIST));
    let mut faults = Vec::new();
    let rows = read_rows(file, text, COLUMNS, &mut faults);
    let kinds = each_line(file, &rows, &mut faults, |line, used| {
        let (number, id) = (line.short_number("number"), line.id("id"));
        used.number(line, "model kind", "", number.into());
        used.id(line, "model kind", "", &id);
        for column in ["id", "vi"] {
            let refusal = rules.and_then(|rules| rules.refusal(line.row.cell(column)));
            if let Some(refusal) = refusal {
                line.fault(Fault::Refused { column, refusal });
            }
        }
        let kind = ModelKind {
            number,
            id,
            vi: line.label("vi"),
            form: line.word("form", &forms).unwrap_or_default(),
            families: line.words("families", &families),
        };
        (number, kind)
    });
    let kinds = kinds.into_iter().collect();
    (ModelKinds { kinds }, faults)
}

/// Whether a group's life may go from one state of [`STATE_LIST`] to another. A group that was
/// there before it was entered begins in any of them; one that ended stays ended.
#[must_use]
pub fn may_follow(from: Option<&str>, to: &str) -> bool {
    let Some(from) = from else {
        return true;
    };
    let next: &[&str] = match from {
        "proposed" => &["pilot", "recognised", "ended"],
        "pilot" => &["reviewed", "recognised", "paused", "ended"],
        "reviewed" => &["pilot", "recognised", "paused", "ended"],
        "recognised" => &["replicating", "maintained", "paused", "ended"],
        "replicating" => &["maintained", "paused", "ended"],
        "maintained" => &["replicating", "paused", "ended"],
        "paused" => &["pilot", "recognised", "replicating", "maintained", "ended"],
        _ => &[],
    };
    next.contains(&to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_sound_and_has_a_kind_of_every_form() {
        let kinds = ModelKinds::parse("m.csv", MODEL_KINDS_CSV).unwrap();
        let forms = Vocabulary::builtin().list(FORM_LIST).unwrap();
        for form in &forms.values {
            assert!(
                kinds.all().any(|kind| kind.form == form.number),
                "{}",
                form.id
            );
        }
        assert_eq!(kinds.by_id("gate").unwrap().families.len(), 2);
    }

    #[test]
    fn a_name_of_people_is_no_kind() {
        let text = format!(
            "{}\n18,people_club,Câu lạc bộ người Khmer,club,\n",
            MODEL_KINDS_CSV.trim_end()
        );
        let faults = ModelKinds::parse("m.csv", &text).unwrap_err();
        assert!(faults.iter().all(|fault| fault.line == 19), "{faults:?}");
        let text = "number,id,vi,form,families\n1,a,A,band,self_pity\n1,b,B,club,\n";
        assert_eq!(ModelKinds::parse("m.csv", text).unwrap_err().len(), 3);
    }

    #[test]
    fn every_state_of_the_list_leads_somewhere_but_the_end() {
        let states = &Vocabulary::builtin().list(STATE_LIST).unwrap().values;
        for from in states {
            let leads = states
                .iter()
                .filter(|to| may_follow(Some(&from.id), &to.id))
                .count();
            assert_eq!(leads == 0, from.id == "ended", "{}", from.id);
            assert!(may_follow(None, &from.id));
            assert!(!may_follow(Some(&from.id), &from.id));
            assert_eq!(may_follow(Some(&from.id), "ended"), from.id != "ended");
            assert!(!may_follow(Some(&from.id), "proposed"));
        }
    }
}
