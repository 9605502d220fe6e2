//! Records of builds in registries, beside the images that they are about: what one machine learnt is known to others.
//!
//! The contents belong to the caller, and come from a stranger. The last record of each image of the workspace is under a tag made of its
//! id, because whoever looks for it does not know the key of the image before. See `docs/design/memory.md`.

use std::collections::BTreeMap;

use super::Access;
use super::artifact::{NewArtifact, Ready, Referrer};
use super::client::{Client, Inquiry, LookupError};
use super::round::ask_all;
use super::transfer::Transfer;
use crate::asking::Asker;
use crate::backend::label_names::{IMAGE, KEY};
use crate::backend::oci::name::{Digest, Tag};
use crate::backend::oci::reference::Reference;
use crate::backend::oci::web::TransferError;
use crate::cancel::Cancel;

/// The media type of the artifact, and of the record in it.
const RECORD: &str = "application/vnd.imgspec.record.v1+json";

/// The media type of the inputs of the record's key.
const INPUTS: &str = "application/vnd.imgspec.inputs.v1+json";

/// OCI's name for when something was made.
const CREATED: &str = "org.opencontainers.image.created";

/// How the tags of records begin; the id of an image follows.
const TAG: &str = "imgspec-record-";

/// The largest record, in bytes.
const LARGEST_RECORD: u64 = 1 << 20;

/// The largest inputs that are written or read, in bytes: those of some 50,000 files. A record may come without.
const LARGEST_INPUTS: u64 = 8 << 20;

/// What a backend's registries remember of images.
pub struct Memory(Access);

/// A record to be kept in the registry of its image.
pub(crate) struct Memo<'a> {
    /// The image's id.
    pub(crate) image: &'a str,
    /// The image's digest in the registry, if it is known.
    pub(crate) digest: Option<&'a str>,
    pub(crate) key: &'a str,
    /// When it was built, in RFC 3339 format.
    pub(crate) finished: &'a str,
    pub(crate) record: &'a [u8],
    pub(crate) inputs: &'a [u8],
}

/// A record on its way to the registry of its image.
pub(crate) struct Keeping<'a> {
    to: Transfer<'a>,
    /// The image's.
    tag: String,
    ready: Ready,
}

/// Which record is looked for.
#[derive(Debug, Clone)]
pub(crate) struct Recall {
    /// The image's id.
    pub(crate) image: String,
    /// A reference in the image's repository.
    pub(crate) reference: String,
    /// The record of exactly this image of the registry, without its inputs, which whoever has its key knows; otherwise the
    /// last one of the id.
    pub(crate) digest: Option<String>,
}

/// A record as a registry sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recalled {
    pub(crate) record: Vec<u8>,
    pub(crate) inputs: Option<Vec<u8>>,
}

impl Memory {
    pub(in crate::backend) fn new(access: Access) -> Self {
        Self(access)
    }

    /// A record of an image in this repository, to be kept there.
    pub(crate) fn keeping<'a>(&self, of: &Reference, cancel: &'a Cancel) -> Keeping<'a> {
        Keeping {
            to: Transfer::new(of, &self.0, cancel),
            tag: of.tag.clone(),
            ready: Ready::default(),
        }
    }

    /// Looks for records, all at once; `None` where there is none, or an error if there was no usable answer.
    pub(crate) fn recall(
        &self,
        wanted: &[Recall],
        asker: Asker<'_>,
    ) -> Vec<Result<Option<Recalled>, String>> {
        let questions = wanted.iter();
        let questions = questions.map(|one| (one.reference.clone(), one.clone()));
        let question = |client: &Client, of: &Reference, wanted: &Recall| {
            find(&client.inquiry(of).left_by_others(), wanted)
        };
        let answers = ask_all(questions.collect(), question, &self.0, asker).into_iter();
        answers
            .map(|answer| match answer {
                Ok(found) => Ok(Some(found)),
                Err(LookupError::Absent) => Ok(None),
                Err(LookupError::Unknown(why)) => Err(why),
            })
            .collect()
    }
}

impl Keeping<'_> {
    /// Sends what the record consists of, as far as it is known while its image is still on its way. What fails is met again by
    /// [`Self::finish`].
    pub(crate) fn prepare(&self, memo: &Memo<'_>) {
        let _ = self.with(memo, |artifact| self.to.prepare(artifact, &self.ready));
    }

    /// Keeps the record beside its image.
    pub(crate) fn finish(&self, memo: &Memo<'_>) -> Result<(), String> {
        let is_replaced = |other: &Referrer| is_of(&other.annotations, memo.image);
        let put = self.with(memo, |artifact| {
            let tag = tag(memo.image);
            self.to
                .put_artifact(&tag, artifact, &self.ready, &is_replaced)
        });
        match put {
            // Who interrupts a run is not told of what it leaves undone.
            Ok(_) | Err(TransferError::Cancelled) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn with<T>(&self, memo: &Memo<'_>, use_it: impl FnOnce(&NewArtifact<'_>) -> T) -> T {
        let mut parts = vec![(RECORD, memo.record)];
        if memo.inputs.len() as u64 <= LARGEST_INPUTS {
            parts.push((INPUTS, memo.inputs));
        }
        use_it(&NewArtifact {
            kind: RECORD,
            parts: &parts,
            about: Some(memo.digest.unwrap_or(&self.tag)),
            annotations: &[
                (CREATED, memo.finished),
                (IMAGE, memo.image),
                (KEY, memo.key),
            ],
        })
    }
}

fn find(inquiry: &Inquiry<'_>, wanted: &Recall) -> Result<Recalled, LookupError> {
    let last = inquiry.artifact(&tag(&wanted.image), RECORD);
    let Some(digest) = wanted.digest.as_deref().and_then(Digest::read) else {
        // The tag of an id that cannot be one may be that of another id.
        let last = last.and_then(|last| {
            is_of(&last.annotations, &wanted.image)
                .then_some(last)
                .ok_or(LookupError::Absent)
        })?;
        let record = inquiry.part(&last, RECORD, LARGEST_RECORD)?;
        let inputs = inquiry.part(&last, INPUTS, LARGEST_INPUTS).ok();
        return Ok(Recalled { record, inputs });
    };
    let found = match last {
        Ok(last) if last.is_about(digest) => last,
        Err(error @ LookupError::Unknown(_)) => return Err(error),
        _ => {
            let all = inquiry.referrers(digest, RECORD)?.into_iter();
            let own = all.filter(|one| is_of(&one.annotations, &wanted.image));
            let newest = own.max_by_key(|one| one.annotations.get(CREATED).cloned());
            let newest = newest.ok_or(LookupError::Absent)?;
            inquiry.artifact(&newest.digest.to_string(), RECORD)?
        }
    };
    let record = inquiry.part(&found, RECORD, LARGEST_RECORD)?;
    Ok(Recalled {
        record,
        inputs: None,
    })
}

/// Whether a record is about this image of the workspace.
fn is_of(annotations: &BTreeMap<String, String>, image: &str) -> bool {
    let own = annotations.get(IMAGE);
    own.is_some_and(|own| own == image)
}

/// The tag of the last record of an image.
fn tag(image: &str) -> String {
    Tag::for_image(TAG, image)
}
