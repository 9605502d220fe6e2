//! Queries registries through the OCI distribution protocol.
//!
//! Independent of any builder. An image counts as absent only if the registry says so (404); anything else
//! that is not an answer is "unknown". A few threads query many references at once, and if none of them has had an
//! answer within the limit for one, the rest is unknown too. Credentials come from Docker's configuration; they are
//! looked up when a registry first requests them, and sent only to that registry and to the token server that it names.

mod artifact;
mod auth;
mod claim;
mod client;
mod connections;
#[cfg(test)]
mod fuzz;
mod login;
mod mirrors;
mod pull;
mod records;
mod refusal;
mod resolve;
mod retag;
mod round;
mod transfer;

use std::time::Duration;

use super::reference::Reference;
pub(in crate::backend) use super::web::TransferError;
use crate::asking::Asker;
use crate::backend::{Existence, Wanted};
pub use claim::Claimant;
pub(crate) use claim::{Attempt, Claim, ClaimError, Place, Seen};
use client::{Client, LookupError};
pub(crate) use connections::Connections;
pub(crate) use login::{Access, Login};
pub(crate) use mirrors::places;
pub(in crate::backend) use pull::Pull;
pub use records::Memory;
pub(crate) use records::{Keeping, Memo, Recall};
pub(crate) use resolve::resolve;
pub(in crate::backend) use retag::retag;
use round::ask_all;
pub(in crate::backend) use transfer::{SMALL, Transfer};

/// Time limit for answers that are useful only if they come soon.
const HASTE: Duration = Duration::from_secs(3);

/// The existence of each of these references, in order; the key is the value of the image's label `label`.
pub(crate) fn exists(
    references: &[Wanted<'_>],
    label: &str,
    access: &Access,
    asker: Asker<'_>,
) -> Vec<Existence> {
    let label = label.to_owned();
    let question = move |client: &Client, reference: &Reference, platforms: &Vec<String>| {
        let found = client.inquiry(reference).image(&label)?;
        Ok(Existence::present(
            found.label,
            found.digest,
            None,
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

/// The digest of a reference in its registry, if the registry answers within a few seconds: for callers that can do
/// without.
pub(crate) fn digest(reference: &str, access: &Access) -> Option<String> {
    let reference = Reference::read(reference)?;
    let limit = HASTE.min(access.limits.answer);
    Client::hasty(access, limit.into())
        .inquiry(&reference)
        .digest()
        .ok()
}

/// Whether a registry is spoken to without encryption.
pub(crate) fn is_plain(host: &str, access: &Access) -> bool {
    let limit = access.limits.answer();
    Client::hasty(access, limit)
        .origin(host)
        .starts_with("http:")
}

/// Whether the registry accepts a connection and then sends nothing. `false` if it cannot be reached from here, since a
/// daemon elsewhere might still reach it.
pub(crate) fn is_silent(host: &str, access: &Access) -> bool {
    Client::hasty(access, access.limits.answer()).is_silent(host)
}

/// The error message for a silent registry.
pub(crate) fn silent_words(host: &str, access: &Access) -> String {
    let limit = access.limits.idle();
    format!(
        "registry `{host}` accepts connections but does not answer: it sent nothing for {limit}"
    )
}

#[cfg(test)]
mod tests;
