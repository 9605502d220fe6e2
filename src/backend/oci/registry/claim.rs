//! A claim on an image in its registry: a small artifact beside the image that says that a run is building it, so that other
//! runs wait for the image instead of building it too.
//!
//! Registries have no compare-and-swap. So a claim is written, and read back once whoever wrote at the same time must have
//! finished: the last writer has it. Nobody compares clocks: a claim says how long it lasts unless it is renewed, and its
//! readers measure for how long they have seen no change. See `docs/design/claims.md`.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;

use super::artifact::{Artifact, NewArtifact, Ready};
use super::client::Client;
use super::login::Access;
use super::transfer::Transfer;
use crate::backend::oci::name::Digest;
use crate::backend::oci::reference::Reference;
use crate::backend::oci::web::TransferError;
use crate::cancel::Cancel;

/// The artifact type of claims.
const KIND: &str = "application/vnd.imgspec.claim.v1";

/// The run that has the claim.
const OWNER: &str = "dev.imgspec.claim.owner";

/// For how many seconds the claim lasts unless it is renewed; 0 once it is released.
const SECONDS: &str = "dev.imgspec.claim.seconds";

/// What a renewal changes.
const BEAT: &str = "dev.imgspec.claim.beat";

/// The reference of the image, for people.
const OF: &str = "dev.imgspec.claim.of";

/// When it was made, for people.
const CREATED: &str = "org.opencontainers.image.created";

/// How many different contents the renewals of a claim have: readers see each change, and few manifests are left where nothing
/// can be deleted.
const BEATS: u32 = 4;

/// The longest lifetime that is believed: claims are written by others.
const LONGEST: Duration = Duration::from_mins(10);

/// How long to wait before a claim is read back: within this range, four times as long as writing it took, so that a run has
/// to be that much slower to claim the same image unseen.
const SETTLING: RangeInclusive<Duration> = Duration::from_millis(250)..=Duration::from_secs(2);

/// Why a claim could not be made or looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClaimError {
    #[error("interrupted")]
    Cancelled,
    /// The registry will not take claims.
    #[error("{0}")]
    Refused(String),
    /// It may work another time.
    #[error("{0}")]
    Failed(String),
}

impl From<TransferError> for ClaimError {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Cancelled => Self::Cancelled,
            TransferError::Final(why) => Self::Refused(why),
            error => Self::Failed(error.to_string()),
        }
    }
}

type Result<T> = std::result::Result<T, ClaimError>;

/// Makes the claims of one run.
pub struct Claimant {
    client: Arc<Client>,
    /// Random, so that it names neither machine nor user.
    owner: String,
    /// The registries that delete nothing.
    keeping: Mutex<BTreeSet<String>>,
}

/// Where the claim on an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The image.
    image: Reference,
    /// The claim's tag in the same repository.
    tag: String,
    reference: String,
}

/// A claim of this run.
#[derive(Debug)]
pub(crate) struct Claim {
    place: Place,
    lifetime: Duration,
    created: String,
    beat: u32,
    /// The digest of its current content.
    digest: Digest,
    /// The digests of all contents that it had.
    written: BTreeSet<Digest>,
}

/// A claim as a registry shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The digest of its content: another one after each renewal.
    pub(crate) digest: Digest,
    /// How long it lasts without a change; zero if it is released.
    pub(crate) lifetime: Duration,
    is_own: bool,
}

/// The outcome of an attempt.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// The claim is written, and counts if it is still there after this time.
    Written(Box<Claim>, Duration),
    /// Another run has it.
    Taken(Seen),
}

impl Place {
    /// The place for the image that this reference is to name, made of this key; `None` if it is not a valid reference.
    pub(crate) fn of(reference: &str, key: &str) -> Option<Self> {
        let image = Reference::read(reference)?;
        // Not the image's tag, which may be that of many keys.
        let hash = blake3::hash(format!("{reference}\n{key}").as_bytes());
        Some(Self {
            image,
            tag: format!("claim-{}", &hash.to_hex()[..32]),
            reference: reference.to_owned(),
        })
    }

    /// The registry's host.
    pub(crate) fn host(&self) -> &str {
        &self.image.host
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.image.repository, self.tag)
    }
}

impl Claim {
    pub(crate) fn lifetime(&self) -> Duration {
        self.lifetime
    }
}

impl Claimant {
    /// A claimant that is nobody else.
    pub(in crate::backend) fn new(access: &Access) -> Self {
        // Keyed by the system's randomness.
        let half = |part: u8| RandomState::new().hash_one(part);
        Self {
            client: Arc::new(Client::patient(access)),
            owner: format!("{:016x}{:016x}", half(0), half(1)),
            keeping: Mutex::default(),
        }
    }

    /// The longest time for the answer to one question.
    pub(crate) fn answer_limit(&self) -> Duration {
        self.client.limit.time
    }

    /// How long its claims last unless they are renewed.
    fn lifetime(&self) -> Duration {
        self.client.access.limits.claim
    }

    /// Writes a claim, unless another run has one that lasts. `dead` is the content of a claim that does not.
    pub(crate) fn attempt(
        &self,
        place: &Place,
        dead: Option<Digest>,
        cancel: &Cancel,
    ) -> Result<Attempt> {
        let lifetime = self.lifetime();
        let to = self.transfer(place, cancel);
        let begun = Instant::now();
        let other = self.look_by(place, &to)?.filter(|seen| !seen.is_own);
        if let Some(seen) = other.filter(|seen| !seen.is_released() && Some(seen.digest) != dead) {
            return Ok(Attempt::Taken(seen));
        }
        let mut claim = Claim {
            place: place.clone(),
            lifetime,
            created: Timestamp::now().to_string(),
            beat: 0,
            digest: Digest::of(b""),
            written: BTreeSet::new(),
        };
        self.write(&mut claim, lifetime, &to)?;
        let settling = (begun.elapsed() * 4).clamp(*SETTLING.start(), *SETTLING.end());
        // It must not lapse before it is renewed for the first time.
        let settling = settling.min(lifetime / 4);
        Ok(Attempt::Written(Box::new(claim), settling))
    }

    /// What is at this place.
    pub(crate) fn look(&self, place: &Place, cancel: &Cancel) -> Result<Option<Seen>> {
        self.look_by(place, &self.transfer(place, cancel))
    }

    /// The claim of another run that took the place of this one.
    pub(crate) fn rival(&self, claim: &Claim, cancel: &Cancel) -> Result<Option<Seen>> {
        let seen = self.look(&claim.place, cancel)?;
        Ok(seen.filter(|seen| !seen.is_own && !seen.is_released()))
    }

    /// Renews a claim. Returns false if it is lost.
    pub(crate) fn renew(&self, claim: &mut Claim, cancel: &Cancel) -> Result<bool> {
        if self.rival(claim, cancel)?.is_some() {
            return Ok(false);
        }
        claim.beat = (claim.beat + 1) % BEATS;
        let (to, lifetime) = (self.transfer(&claim.place, cancel), claim.lifetime);
        self.write(claim, lifetime, &to).map(|()| true)
    }

    /// Removes a claim or, where nothing can be deleted, marks it as released. A claim of another run stays.
    pub(crate) fn release(&self, mut claim: Claim, cancel: &Cancel) -> Result<()> {
        let to = self.transfer(&claim.place, cancel);
        if !self.keeping.lock().contains(claim.place.host()) {
            // The current content last: until then the claim holds.
            let current = claim.digest;
            let mut old = claim.written.iter().filter(|digest| **digest != current);
            let deleted = old
                .try_for_each(|digest| to.delete(*digest))
                .and_then(|()| to.delete(current));
            match deleted {
                Ok(()) => return Ok(()),
                Err(TransferError::Final(_)) => {
                    let host = claim.place.host().to_owned();
                    self.keeping.lock().insert(host);
                }
                Err(error) => return Err(error.into()),
            }
        }
        if self.rival(&claim, cancel)?.is_none() {
            self.write(&mut claim, Duration::ZERO, &to)?;
        }
        Ok(())
    }

    fn transfer<'c>(&self, place: &Place, cancel: &'c Cancel) -> Transfer<'c> {
        Transfer::by(Arc::clone(&self.client), &place.image, cancel)
    }

    fn look_by(&self, place: &Place, to: &Transfer<'_>) -> Result<Option<Seen>> {
        let Some((digest, found)) = to.artifact(&place.tag)? else {
            return Ok(None);
        };
        if !found.is_a(KIND) {
            let why = format!("`{place}` is not a claim of imgspec's");
            return Err(ClaimError::Refused(why));
        }
        Ok(Some(Seen::read(digest, &found, &self.owner)))
    }

    fn write(&self, claim: &mut Claim, lifetime: Duration, to: &Transfer<'_>) -> Result<()> {
        let (seconds, beat) = (lifetime.as_secs_f64().to_string(), claim.beat.to_string());
        let artifact = NewArtifact {
            kind: KIND,
            parts: &[],
            about: None,
            annotations: &[
                (OWNER, &self.owner),
                (SECONDS, &seconds),
                (BEAT, &beat),
                (OF, &claim.place.reference),
                (CREATED, &claim.created),
            ],
        };
        claim.digest =
            to.put_artifact(&claim.place.tag, &artifact, &Ready::default(), &|_| false)?;
        claim.written.insert(claim.digest);
        Ok(())
    }
}

impl Seen {
    fn read(digest: Digest, found: &Artifact, owner: &str) -> Self {
        let value = |name: &str| found.annotations.get(name).map(String::as_str);
        let seconds = value(SECONDS).and_then(|text| text.parse().ok());
        // One that says nothing sensible lasts no time.
        let lifetime = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Self {
            digest,
            lifetime: lifetime.unwrap_or_default().min(LONGEST),
            is_own: value(OWNER) == Some(owner),
        }
    }

    #[cfg(test)]
    pub(crate) fn of_another(digest: Digest, lifetime: Duration) -> Self {
        Self {
            digest,
            lifetime,
            is_own: false,
        }
    }

    /// Whether nobody has it any more.
    pub(crate) fn is_released(&self) -> bool {
        self.lifetime.is_zero()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn seen(annotations: &[(&str, &str)], owner: &str) -> Seen {
        let annotations: BTreeMap<&str, &str> = annotations.iter().copied().collect();
        let found = serde_json::json!({ "artifactType": KIND, "annotations": annotations });
        let found: Artifact = serde_json::from_value(found).unwrap();
        Seen::read(Digest::of(b"claim"), &found, owner)
    }

    #[test]
    fn what_a_claim_says_is_believed_within_bounds() {
        let lifetime = |seconds| seen(&[(OWNER, "me"), (SECONDS, seconds)], "you").lifetime;
        assert_eq!(lifetime("30"), Duration::from_secs(30));
        assert_eq!(lifetime("0.5"), Duration::from_millis(500));
        for absurd in ["1e300", "86400"] {
            assert!(lifetime(absurd) <= LONGEST, "{absurd}");
        }
        for wrong in ["", "-1", "NaN", "inf", "soon", "0"] {
            assert_eq!(lifetime(wrong), Duration::ZERO, "{wrong}");
        }
        assert!(seen(&[], "you").is_released());
        assert!(seen(&[(OWNER, "me")], "me").is_own);
    }

    #[test]
    fn each_image_and_key_has_its_own_tag() {
        let tag = |reference: &str, key: &str| Place::of(reference, key).unwrap().tag;
        let one = tag("r.test/a:1", "k");
        assert_eq!(one.len(), "claim-".len() + 32);
        assert_eq!(one, tag("r.test/a:1", "k"));
        assert_ne!(one, tag("r.test/a:2", "k"));
        assert_ne!(one, tag("r.test/a:1", "l"));
        assert_eq!(Place::of("r.test/", "k"), None);
    }
}
