//! Visits over a link that loses, repeats, cuts and holds back, and the server at its end.

use sync_core::exchange::{Problem, ProblemCode};
use sync_core::hub::{Acting, Stop, facts};
use sync_core::replica::{AnswerError, Outgoing, Standing};

use crate::sim::World;

impl World {
    /// A phone visits. `rough`: the link loses, repeats and cuts.
    ///
    /// # Errors
    /// What must not happen on any link.
    pub fn visit(&mut self, nth: usize, rough: bool) -> Result<bool, String> {
        if self.phones[nth].gone {
            return Ok(false);
        }
        let budget = if rough {
            200 + self.dice.below(4_000)
        } else {
            60_000
        };
        let kib = if rough && self.dice.chance(30) { 1 } else { 0 };
        let outgoing = self.phones[nth]
            .replica
            .poll_request(&self.model, budget, kib);
        let Ok(outgoing) = outgoing else {
            return Ok(false);
        };
        if rough {
            let body = outgoing.body().to_vec();
            match self.dice.below(10) {
                0 => return Ok(true), // lost on the way up
                1 => {
                    let cut = self.dice.below(body.len());
                    self.serve(&body[..cut])?;
                    return Ok(true);
                }
                2 => {
                    self.delayed.push(body);
                    return Ok(true);
                }
                3 => {
                    self.serve(&body)?; // the first copy's answer is lost
                }
                _ => {}
            }
        }
        let answer = self.serve(outgoing.body())?;
        self.deliver(nth, &outgoing, answer, rough)
    }

    fn deliver(
        &mut self,
        nth: usize,
        outgoing: &Outgoing,
        answer: Vec<u8>,
        rough: bool,
    ) -> Result<bool, String> {
        if rough && self.dice.chance(10) {
            return Ok(true); // lost on the way down
        }
        self.note_readable(nth)?;
        let mut said = Vec::new();
        if rough && self.dice.chance(10) {
            let cut = self.dice.below(answer.len());
            let phone = &mut self.phones[nth];
            let taken = phone.take(
                &self.model,
                (outgoing, &answer[..cut]),
                self.now_s,
                rough,
                &mut self.dice,
                &mut said,
            );
            return match taken {
                Ok(_) if cut > 3 => Err("an answer that was cut off was taken".to_owned()),
                Ok(_) | Err(_) => Ok(true),
            };
        }
        let phone = &mut self.phones[nth];
        let taken = phone.take(
            &self.model,
            (outgoing, &answer),
            self.now_s,
            rough,
            &mut self.dice,
            &mut said,
        );
        let next = match taken {
            Ok(next) => next,
            Err(error) => {
                return self.explain(nth, &error);
            }
        };
        for (old, full) in said {
            self.said_again.insert(old);
            let hash = full.change.hash(&self.hub.realm());
            self.saved.insert((full.change.at, hash));
        }
        self.note_acknowledged(nth);
        self.holds_what_it_may(nth)?;
        Ok(next.again)
    }

    /// Which problems an honest phone may meet.
    fn explain(&self, nth: usize, error: &AnswerError) -> Result<bool, String> {
        match error {
            // a late answer of a server that was restored since
            AnswerError::Older => Ok(true),
            // a phone that was restored or cloned, or whose server was: it pulls all of it again
            AnswerError::Forged | AnswerError::Unreadable(_) if self.copied || self.restored => {
                Ok(true)
            }
            // enrolled after the backup, with nothing to show for it: an officer enrols it again
            AnswerError::Problem(Problem {
                code: Some(ProblemCode::UnknownDevice),
                ..
            }) if self.restored => Ok(false),
            AnswerError::Unreadable(_)
            | AnswerError::Forged
            | AnswerError::Unsound(_)
            | AnswerError::Problem(_) => Err(format!(
                "phone {nth} could not take an honest answer: {error}"
            )),
        }
    }

    fn note_acknowledged(&mut self, nth: usize) {
        let phone = &self.phones[nth];
        let device = phone.identity.device.id();
        for (full, standing) in phone.replica.changes() {
            if standing == Standing::Received && full.change.device == device {
                let hash = full.change.hash(&self.hub.realm());
                self.acknowledged
                    .entry((full.change.at, hash))
                    .or_insert_with(|| full.clone());
            }
        }
    }

    /// The server answers a body, exactly as the binary does.
    pub(super) fn serve(&mut self, body: &[u8]) -> Result<Vec<u8>, String> {
        match self.serve_or_stop(body) {
            Ok(answer) => Ok(answer),
            Err(stop) if stop.code == ProblemCode::Failed => Err(stop.detail),
            Err(stop) => Ok(Problem::pack(stop.code, &stop.detail)),
        }
    }

    fn serve_or_stop(&mut self, body: &[u8]) -> Result<Vec<u8>, Stop> {
        let arrived = self.hub.open(&self.model, body)?;
        if arrived.brings_back() {
            let acting = Acting {
                account: 0,
                name: "",
                now_s: self.now_s,
                random: self.dice.bytes(),
            };
            self.hub.take_back(&mut self.ledger, &arrived, &acting)?;
        }
        let verified = self.hub.verify_visit(&self.ledger, &arrived)?;
        let told = match self.hub.look(&verified) {
            Some(told) => told,
            None => self
                .hub
                .admit_all(&mut self.ledger, &[&verified], self.now_s)?
                .remove(0),
        };
        let answer = self
            .hub
            .answer(&self.model, &self.ledger, &verified, &told, self.now_s)?;
        Ok(answer)
    }

    /// A request that the network held back arrives at last; its phone is not waiting any more.
    pub(super) fn deliver_late(&mut self) -> Result<(), String> {
        if self.delayed.is_empty() {
            return Ok(());
        }
        let late = self.dice.below(self.delayed.len());
        let body = self.delayed.swap_remove(late);
        self.serve(&body).map(|_| ())
    }

    /// Everybody visits over a good link until nobody has anything left to say.
    ///
    /// # Errors
    /// Somebody is stuck.
    pub fn settle(&mut self) -> Result<(), String> {
        let mut size = 0;
        for round in 0..60 {
            let mut busy = false;
            for nth in 0..self.phones.len() {
                self.admit_again(nth)
                    .map_err(|refusal| refusal.to_string())?;
                for _ in 0..40 {
                    if !self.visit(nth, false)? {
                        break;
                    }
                    busy = true;
                }
            }
            let grown = facts::log_state(&self.ledger).map_or(0, |state| state.size);
            if !busy && round > 2 && grown == size {
                return Ok(());
            }
            size = grown;
        }
        Err("the phones never came to rest".to_owned())
    }
}
