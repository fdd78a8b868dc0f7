//! The face for the web: each call of [`Phone`], with JSON where a screen wants data.
//!
//! Nothing here waits or writes: after each call the host takes the rows to write from
//! [`WebPhone::unsaved`]. `web/phone.mjs` does so and is what an app should use; this is what it
//! stands on. Numbers are seconds, counts and places in a log: all far below 2^53, so they are
//! ordinary numbers of JavaScript. Errors are thrown as JSON: the error by `name`, with its own
//! fields, beside its `words` for the person.

mod json;
mod said;
mod told;

use wasm_bindgen::prelude::wasm_bindgen;
use zeroize::Zeroizing;

use self::json::{Json, Tell, tell_field};
use self::said::Said;
use crate::store::{SealedRow, SealedStore, StoreKey};
use crate::{Clock, Phone, PhoneError};

/// What a call gives: JSON, or JSON of an error.
type Told = Result<String, String>;

/// An error with its words.
fn fault(error: &PhoneError) -> String {
    let mut json = String::from("{");
    tell_field(&mut json, "error", error);
    tell_field(&mut json, "words", &error.words_vi());
    json.push('}');
    json
}

fn tell<T: Tell>(result: Result<T, PhoneError>) -> Told {
    match result {
        Ok(value) => Ok(json::told(&value)),
        Err(error) => Err(fault(&error)),
    }
}

/// What a host's program says wrongly is its mistake and no news for a screen.
fn read<T: Said>(text: &str) -> Result<T, String> {
    let said = Json::read(text).and_then(|json| T::said(&json));
    said.ok_or_else(|| {
        fault(&PhoneError::StoreFailed {
            detail: "what was said is not the JSON that this call takes".to_owned(),
        })
    })
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "seconds since 1970 as JavaScript counts them; a cast keeps to the range"
)]
fn seconds(time: f64) -> i64 {
    time as i64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts as JavaScript has them; a cast keeps to the range"
)]
fn whole(number: f64) -> u64 {
    number as u64
}

fn clock(wall_s: f64, mono_s: u32) -> Clock {
    Clock {
        wall_s: seconds(wall_s),
        mono_s,
    }
}

/// An error as the phone tells it, for what the host itself finds wrong with its database.
#[wasm_bindgen(js_name = storeFault)]
#[must_use]
pub fn store_fault(name: &str, detail: String) -> String {
    fault(&match name {
        "StorageFull" => PhoneError::StorageFull,
        "StoreInUse" => PhoneError::StoreInUse,
        "StoreDamaged" => PhoneError::StoreDamaged { path: detail },
        "WrongKey" => PhoneError::WrongKey,
        "UpdateApp" => PhoneError::UpdateApp,
        _ => PhoneError::StoreFailed { detail },
    })
}

/// The rows that a host has kept, handed over one by one.
#[wasm_bindgen]
#[derive(Debug, Default)]
pub struct KeptRows(Vec<(Vec<u8>, Vec<u8>)>);

#[wasm_bindgen]
impl KeptRows {
    /// No rows yet.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One row.
    pub fn add(&mut self, name: Vec<u8>, value: Vec<u8>) {
        self.0.push((name, value));
    }
}

/// Rows to write, all in one transaction.
#[wasm_bindgen]
#[derive(Debug)]
pub struct UnsavedRows(Vec<SealedRow>);

#[wasm_bindgen]
impl UnsavedRows {
    /// How many.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn length(&self) -> usize {
        self.0.len()
    }

    /// Name of one.
    #[must_use]
    pub fn name(&self, at: usize) -> Option<Vec<u8>> {
        Some(self.0.get(at)?.name.clone())
    }

    /// What to keep under its name; nothing when the row is to be removed.
    #[must_use]
    pub fn value(&self, at: usize) -> Option<Vec<u8>> {
        self.0.get(at)?.value.clone()
    }
}

/// A visit: the body for `POST /v1/sync`, and the number that goes with its answer.
#[wasm_bindgen]
#[derive(Debug)]
pub struct WebVisit(crate::Visit);

#[wasm_bindgen]
impl WebVisit {
    /// Names the visit, for its answer.
    #[wasm_bindgen(getter)]
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "visits of one start of the app")]
    pub fn id(&self) -> f64 {
        self.0.id as f64
    }

    /// The body.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        self.0.body.clone()
    }
}

/// A [`Phone`] over rows that the host keeps. The calls are those of `Phone`, which tells them.
#[wasm_bindgen]
#[derive(Debug)]
pub struct WebPhone {
    phone: Phone,
    store: SealedStore,
}

#[wasm_bindgen]
impl WebPhone {
    /// Opens the store that these rows are; `place` names it in errors, `put_aside` where a
    /// damaged one was put before.
    ///
    /// # Errors
    /// As of `Phone::open`, and nothing is to be written.
    pub fn open(
        rows: KeptRows,
        store_key: Vec<u8>,
        place: String,
        high_water: f64,
        put_aside: Option<String>,
        now_s: f64,
    ) -> Result<Self, String> {
        let bytes = Zeroizing::new(store_key);
        let key = StoreKey::from_slice(&bytes).ok_or_else(|| fault(&PhoneError::WrongKey))?;
        let store = SealedStore::open(&key, rows.0)
            .map_err(|error| fault(&PhoneError::of_store(error, &place)))?;
        let boxed = Box::new(store.clone());
        let (high_water, now_s) = (whole(high_water), seconds(now_s));
        let phone = Phone::over(boxed, place, high_water, put_aside, now_s)
            .map_err(|error| fault(&error))?;
        Ok(Self { phone, store })
    }

    /// What the last call changed, to be written before anything else is done.
    #[must_use]
    pub fn unsaved(&self) -> UnsavedRows {
        UnsavedRows(self.store.take_unsaved())
    }

    // --- start and enrol ---------------------------------------------------------------------

    /// `Phone::status`.
    pub fn status(&self) -> Told {
        Ok(json::told(&self.phone.status()))
    }

    /// `Phone::server`.
    pub fn server(&self) -> Told {
        Ok(json::told(&self.phone.server()))
    }

    /// `Phone::high_water`.
    #[wasm_bindgen(js_name = highWater)]
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "changes of one phone")]
    pub fn high_water(&self) -> f64 {
        self.phone.high_water() as f64
    }

    /// `Phone::digits`.
    #[must_use]
    pub fn digits(&self) -> Option<String> {
        self.phone.digits()
    }

    /// `Phone::enrol_begin`.
    #[wasm_bindgen(js_name = enrolBegin)]
    pub fn enrol_begin(&self, qr_text: String) -> Told {
        tell(self.phone.enrol_begin(qr_text))
    }

    /// `Phone::enrol_finish`.
    #[wasm_bindgen(js_name = enrolFinish)]
    pub fn enrol_finish(&self, status: u16, body: Vec<u8>) -> Told {
        tell(self.phone.enrol_finish(status, body))
    }

    // --- forms ---------------------------------------------------------------------------------

    /// `Phone::groups`.
    pub fn groups(&self) -> Told {
        tell(self.phone.groups())
    }

    /// `Phone::members`.
    pub fn members(&self, group: String) -> Told {
        tell(self.phone.members(group))
    }

    /// `Phone::types_for`.
    #[wasm_bindgen(js_name = typesFor)]
    pub fn types_for(&self, group: String, member: u16) -> Told {
        tell(self.phone.types_for(group, member))
    }

    /// `Phone::form`.
    pub fn form(&self, type_id: String, kind: Option<String>) -> Told {
        tell(self.phone.form(type_id, kind))
    }

    /// `Phone::new_item`.
    #[wasm_bindgen(js_name = newItem)]
    pub fn new_item(&self) -> Told {
        tell(self.phone.new_item())
    }

    // --- write ---------------------------------------------------------------------------------

    /// `Phone::save`; `values` is a JSON array of `FieldInput`.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is one answer of the screen"
    )]
    pub fn save(
        &self,
        group: String,
        member: u16,
        record: Option<String>,
        type_id: String,
        values: &str,
        wall_s: f64,
        mono_s: u32,
    ) -> Told {
        let (values, clock) = (read(values)?, clock(wall_s, mono_s));
        tell(
            self.phone
                .save(group, member, record, type_id, values, clock),
        )
    }

    /// `Phone::answer`.
    pub fn answer(
        &self,
        record: String,
        member: u16,
        values: &str,
        wall_s: f64,
        mono_s: u32,
    ) -> Told {
        let (values, clock) = (read(values)?, clock(wall_s, mono_s));
        tell(self.phone.answer(record, member, values, clock))
    }

    /// `Phone::choose`.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is one answer of the screen"
    )]
    pub fn choose(
        &self,
        record: String,
        member: u16,
        field: String,
        item: u32,
        change: String,
        wall_s: f64,
        mono_s: u32,
    ) -> Told {
        let clock = clock(wall_s, mono_s);
        tell(
            self.phone
                .choose(record, member, field, item, change, clock),
        )
    }

    /// `Phone::withdraw`.
    pub fn withdraw(
        &self,
        record: String,
        member: u16,
        reason: String,
        wall_s: f64,
        mono_s: u32,
    ) -> Told {
        tell(
            self.phone
                .withdraw(record, member, reason, clock(wall_s, mono_s)),
        )
    }

    /// `Phone::reissue`.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is one answer of the screen"
    )]
    pub fn reissue(
        &self,
        record: String,
        member: u16,
        to_group: String,
        to_member: u16,
        to_type: String,
        kind: Option<String>,
        reason: String,
        wall_s: f64,
        mono_s: u32,
    ) -> Told {
        let clock = clock(wall_s, mono_s);
        tell(self.phone.reissue(
            record, member, to_group, to_member, to_type, kind, reason, clock,
        ))
    }

    // --- read ----------------------------------------------------------------------------------

    /// `Phone::list`; `filter` is JSON of `ListFilter`, all of whose fields may be absent.
    pub fn list(&self, filter: &str) -> Told {
        tell(self.phone.list(read(filter)?))
    }

    /// `Phone::search`.
    pub fn search(&self, text: String, limit: u32) -> Told {
        tell(self.phone.search(text, limit))
    }

    /// `Phone::read`.
    pub fn read(&self, record: String) -> Told {
        tell(self.phone.read(record))
    }

    /// `Phone::waiting`.
    pub fn waiting(&self) -> Told {
        tell(self.phone.waiting())
    }

    /// `Phone::group_acts`, newest first, below an index if one is given.
    #[wasm_bindgen(js_name = groupActs)]
    pub fn group_acts(&self, group: String, before: Option<f64>, limit: u32) -> Told {
        tell(self.phone.acts(&group, before.map(whole), limit))
    }

    // --- visits --------------------------------------------------------------------------------

    /// `Phone::wake_at`, in seconds.
    #[wasm_bindgen(js_name = wakeAt)]
    pub fn wake_at(&self, now_s: f64) -> Told {
        Ok(json::told(&self.phone.wake_at(seconds(now_s))))
    }

    /// `Phone::last_problem`.
    #[wasm_bindgen(js_name = lastProblem)]
    pub fn last_problem(&self) -> Told {
        Ok(json::told(&self.phone.last_problem()))
    }

    /// `Phone::request`.
    pub fn request(&self, budget_bytes: u32, answer_kib: u16) -> Result<WebVisit, String> {
        let visit = self.phone.request(budget_bytes, answer_kib);
        visit.map(WebVisit).map_err(|error| fault(&error))
    }

    /// `Phone::response`.
    pub fn response(&self, visit: f64, status: u16, body: Vec<u8>, now_s: f64) -> Told {
        let (visit, now_s) = (whole(visit), seconds(now_s));
        tell(self.phone.response(visit, status, body, now_s))
    }

    /// `Phone::visit_failed`; `failure` is JSON of `VisitFailure`.
    #[wasm_bindgen(js_name = visitFailed)]
    pub fn visit_failed(&self, visit: f64, failure: &str, now_s: f64) -> Told {
        let (visit, failure, now_s) = (whole(visit), read(failure)?, seconds(now_s));
        tell(self.phone.visit_failed(visit, failure, now_s))
    }
}
