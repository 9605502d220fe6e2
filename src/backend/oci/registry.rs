//! Asks registries what they have, by the OCI distribution protocol.
//!
//! Reads only; knows no builder. Something is absent only if the registry says so (404); everything else that is not an answer is
//! "unknown". A few threads ask for many references at once, and when none of them has had an answer within the limit for one,
//! the rest is unknown too. Credentials are Docker's, looked up when a registry first requests them, and sent to nobody but the
//! registry and the token server that it names.

mod auth;
mod client;
#[cfg(test)]
mod fuzz;
mod login;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use super::reference::Reference;
use crate::asking::{Asker, GivenUp};
use crate::backend::{Existence, Wanted};
use client::{Client, LookupError};
pub(crate) use login::{Access, Login};

/// Registries begin to refuse whom asks for more at once.
const THREADS: usize = 16;

/// How long an answer may take that is of use only if it comes soon.
const HASTE: Duration = Duration::from_secs(3);

struct Round {
    client: Client,
    label: String,
    wanted: Vec<(String, Vec<String>)>,
    next: AtomicUsize,
}

/// What exists of these references, in their order; the key is the value of the image's label `label`.
pub(crate) fn exists(
    references: &[Wanted<'_>],
    label: &str,
    access: &Access,
    asker: Asker<'_>,
) -> Vec<Existence> {
    if references.is_empty() {
        return Vec::new();
    }
    let round = Arc::new(Round {
        client: Client::patient(access),
        label: label.to_owned(),
        wanted: references
            .iter()
            .map(|wanted| (wanted.reference.to_owned(), wanted.platforms.to_vec()))
            .collect(),
        next: AtomicUsize::new(0),
    });
    let question = asker.ask(whom(references), access.limits.answer());
    let (answers, answered) = mpsc::channel();
    for _ in 0..references.len().min(THREADS) {
        let (round, answers) = (Arc::clone(&round), answers.clone());
        // Not waited for at the end: one that is blocked in the system ends by its own limit.
        std::thread::spawn(move || round.ask(&answers));
    }
    drop(answers);
    let mut found = vec![None; references.len()];
    let given_up = loop {
        match question.receive(&answered) {
            Ok(Some((at, one))) => {
                // Failures are no sign of life.
                if !matches!(one, Existence::Unknown { .. }) {
                    question.heard().now();
                }
                found[at] = Some(one);
            }
            Ok(None) => break GivenUp::Cancelled,
            Err(given_up) => break given_up,
        }
    };
    let each = found.into_iter().zip(references);
    each.map(|(found, wanted)| found.unwrap_or_else(|| unanswered(wanted.reference, given_up)))
        .collect()
}

impl Round {
    /// Asks until nothing is left to ask, or nobody listens any more.
    fn ask(&self, answers: &Sender<(usize, Existence)>) {
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let Some((reference, platforms)) = self.wanted.get(at) else {
                return;
            };
            let one = exists_one(&self.client, reference, platforms, &self.label);
            if answers.send((at, one)).is_err() {
                return;
            }
        }
    }
}

/// The registries of these references, as the screen says them.
fn whom(references: &[Wanted<'_>]) -> String {
    let hosts = references.iter().filter_map(|wanted| {
        let reference = Reference::read(wanted.reference)?;
        Some(format!("`{}`", reference.host))
    });
    let hosts: BTreeSet<String> = hosts.collect();
    let word = if hosts.len() == 1 {
        "registry"
    } else {
        "registries"
    };
    let hosts: Vec<String> = hosts.into_iter().collect();
    format!("{word} {}", hosts.join(", "))
}

fn unanswered(reference: &str, given_up: GivenUp) -> Existence {
    let host = Reference::read(reference).map_or_else(String::new, |read| read.host);
    let why = format!("registry `{host}`: {given_up}");
    Existence::Unknown { why }
}

/// The digest of what a registry has by this reference, if it says so within a few seconds: for those who can do without.
pub(crate) fn digest(reference: &str, access: &Access) -> Option<String> {
    let reference = Reference::read(reference)?;
    let limit = HASTE.min(access.limits.answer);
    Client::hasty(access, limit.into())
        .inquiry(&reference)
        .digest()
        .ok()
}

/// Whether the registry of a reference takes a connection and then says nothing. Where it cannot be reached from here, as
/// when a daemon elsewhere can, nobody knows.
pub(crate) fn is_silent(host: &str, access: &Access) -> bool {
    Client::hasty(access, access.limits.answer()).is_silent(host)
}

/// What that means for whoever waits for it.
pub(crate) fn silent_words(host: &str, access: &Access) -> String {
    let limit = access.limits.idle();
    format!(
        "registry `{host}` takes connections and does not answer: nothing was heard for {limit}"
    )
}

fn exists_one(client: &Client, text: &str, platforms: &[String], label: &str) -> Existence {
    let Some(reference) = Reference::read(text) else {
        return Existence::Unknown {
            why: format!("`{text}` is not a reference"),
        };
    };
    match client.inquiry(&reference).image(label) {
        Ok(found) => Existence::present(found.label, found.digest, &found.platforms, platforms),
        Err(LookupError::Absent) => Existence::Absent,
        Err(LookupError::Unknown(why)) => Existence::Unknown { why },
    }
}

#[cfg(test)]
mod tests;
