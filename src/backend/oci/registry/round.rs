//! Queries registries about many references at once, with a few threads.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};

use super::client::{Client, LookupError};
use super::connections::CONNECTIONS;
use super::login::Access;
use crate::asking::{Asker, GivenUp};
use crate::backend::oci::reference::Reference;

/// A round of queries, each for a reference and what the question is about.
struct Round<W, Q> {
    client: Client,
    question: Q,
    wanted: Vec<(String, W)>,
    next: AtomicUsize,
}

/// Queries all references at once; the results are in their order.
pub(super) fn ask_all<T: Send + 'static, W: Send + Sync + 'static>(
    wanted: Vec<(String, W)>,
    question: impl Fn(&Client, &Reference, &W) -> Result<T, LookupError> + Send + Sync + 'static,
    access: &Access,
    asker: Asker<'_>,
) -> Vec<Result<T, LookupError>> {
    if wanted.is_empty() {
        return Vec::new();
    }
    let patience = asker.ask(whom(&wanted), access.limits.answer());
    let round = Arc::new(Round {
        client: Client::patient(access),
        question,
        wanted,
        next: AtomicUsize::new(0),
    });
    let (answers, answered) = mpsc::channel();
    for _ in 0..round.wanted.len().min(CONNECTIONS) {
        let (round, answers) = (Arc::clone(&round), answers.clone());
        // Never joined: a thread blocked in a system call ends by its own limit.
        std::thread::spawn(move || round.ask(&answers));
    }
    drop(answers);
    let mut found: Vec<_> = round.wanted.iter().map(|_| None).collect();
    let given_up = loop {
        match patience.receive(&answered) {
            Ok(Some((at, one))) => {
                // Failures are not signs of life.
                if !matches!(one, Err(LookupError::Unknown(_))) {
                    patience.heard().now();
                }
                found[at] = Some(one);
            }
            Ok(None) => break GivenUp::Cancelled,
            Err(given_up) => break given_up,
        }
    };
    let each = found.into_iter().zip(&round.wanted);
    each.map(|(found, (reference, _))| {
        found.unwrap_or_else(|| Err(unanswered(reference, given_up)))
    })
    .collect()
}

impl<W, Q> Round<W, Q> {
    /// Makes queries until none are left, or until the receiver is gone.
    fn ask<T>(&self, answers: &Sender<(usize, Result<T, LookupError>)>)
    where
        Q: Fn(&Client, &Reference, &W) -> Result<T, LookupError>,
    {
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let Some((text, what)) = self.wanted.get(at) else {
                return;
            };
            let one = match Reference::read(text) {
                Some(reference) => (self.question)(&self.client, &reference, what),
                None => Err(LookupError::Unknown(format!("`{text}` is not a reference"))),
            };
            if answers.send((at, one)).is_err() {
                return;
            }
        }
    }
}

/// The registries of these references, for messages.
fn whom<W>(references: &[(String, W)]) -> String {
    let hosts = references.iter().filter_map(|(reference, _)| {
        let reference = Reference::read(reference)?;
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

fn unanswered(reference: &str, given_up: GivenUp) -> LookupError {
    let host = Reference::read(reference).map_or_else(String::new, |read| read.host);
    LookupError::Unknown(format!("registry `{host}`: {given_up}"))
}
