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
mod resolve;
mod round;

use std::time::Duration;

use super::reference::Reference;
use crate::asking::Asker;
use crate::backend::{Existence, Wanted};
use client::{Client, LookupError};
pub(crate) use login::{Access, Login};
pub(crate) use resolve::resolve;
use round::ask_all;

/// How long an answer may take that is of use only if it comes soon.
const HASTE: Duration = Duration::from_secs(3);

/// What exists of these references, in their order; the key is the value of the image's label `label`.
pub(crate) fn exists(
    references: &[Wanted<'_>],
    label: &str,
    access: &Access,
    asker: Asker<'_>,
) -> Vec<Existence> {
    let label = label.to_owned();
    let question = move |client: &Client, reference: &Reference, platforms: &[String]| {
        let found = client.inquiry(reference).image(&label)?;
        Ok(Existence::present(
            found.label,
            found.digest,
            &found.platforms,
            platforms,
        ))
    };
    let wanted = references.iter();
    let wanted = wanted.map(|wanted| (wanted.reference.to_owned(), wanted.platforms.to_vec()));
    let answers = ask_all(wanted.collect(), question, access, asker);
    let existence = |answer: Result<Existence, LookupError>| match answer {
        Ok(existence) => existence,
        Err(LookupError::Absent) => Existence::Absent,
        Err(LookupError::Unknown(why)) => Existence::Unknown { why },
    };
    answers.into_iter().map(existence).collect()
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

#[cfg(test)]
mod tests;
