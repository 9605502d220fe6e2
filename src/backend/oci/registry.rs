//! Asks registries what they have, by the OCI distribution protocol.
//!
//! Reads only; knows no builder. The choices made: "not there" only on the registry's word (404), everything else that is no
//! answer is "unknown"; many references are asked for at once by a few threads; credentials are Docker's, looked up
//! when a registry first wants some, and go to nobody but the registry and the token server that it names.

mod auth;
mod client;
#[cfg(test)]
mod fuzz;

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::reference::Reference;
use crate::backend::{Existence, Wanted};
pub(in crate::backend) use auth::login;
use client::{Client, Trouble};

/// Registries begin to refuse whom asks for more at once.
const THREADS: usize = 16;

/// What exists of these references, in their order; the key is the value of the image's label `label`.
#[must_use]
pub(crate) fn exists(references: &[Wanted<'_>], label: &str) -> Vec<Existence> {
    if references.is_empty() {
        return Vec::new();
    }
    let client = Client::patient();
    let next = AtomicUsize::new(0);
    let found = Mutex::new(vec![None; references.len()]);
    let work = || {
        while let Some((at, wanted)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            references.get(at).map(|wanted| (at, wanted))
        } {
            let one = exists_one(&client, wanted, label);
            found.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(one);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..references.len().min(THREADS) {
            scope.spawn(work);
        }
        work();
    });
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    let each = found.into_iter();
    each.map(|one| one.expect("every place was filled"))
        .collect()
}

/// The digest of what a registry has by this reference, if it says so within a few seconds: for those who can do without.
#[must_use]
pub(crate) fn digest(reference: &str) -> Option<String> {
    let reference = Reference::read(reference)?;
    Client::hasty().digest(&reference).ok()
}

fn exists_one(client: &Client, wanted: &Wanted<'_>, label: &str) -> Existence {
    let text = wanted.reference;
    let Some(reference) = Reference::read(text) else {
        return Existence::Unknown {
            why: format!("`{text}` is no reference"),
        };
    };
    match client.image(&reference, label) {
        Ok(found) => Existence::present(
            found.label,
            found.digest,
            &found.platforms,
            wanted.platforms,
        ),
        Err(Trouble::Absent) => Existence::Absent,
        Err(Trouble::Unknown(why)) => Existence::Unknown { why },
    }
}

#[cfg(test)]
mod tests;
