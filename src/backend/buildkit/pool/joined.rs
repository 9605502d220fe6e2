//! An image of several platforms: one build per platform, each on a node that is of its kind if there is one, pushed without a
//! name, and joined into an index that gets the reference last.

use std::thread;

use super::members::Members;
use crate::backend::buildkit::request::Request;
use crate::backend::oci::manifest::{self, INDEX, Manifest, Part};
use crate::backend::oci::name::Digest;
use crate::backend::oci::reference::Reference;
use crate::backend::oci::registry::{Transfer, TransferError};
use crate::backend::{BuildError, Job, Notes};
use crate::recipe::Recipe;

/// Builds all platforms at once. Returns the digest of the index.
pub(super) fn build(members: &Members, request: &Request<'_>) -> Result<String, BuildError> {
    let platforms = &request.job.recipe.platforms;
    let built = thread::scope(|scope| {
        let each = platforms.iter();
        let each =
            each.map(|platform| scope.spawn(move || of_platform(members, request, platform)));
        let each: Vec<_> = each.collect();
        let each = each.into_iter().map(|one| {
            one.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        each.collect::<Result<Vec<_>, _>>()
    })?;
    request.notes.step(0, 0, "joining its platforms");
    let digests = platforms.iter().zip(&built);
    let digests = digests.map(|(platform, (digest, _))| (platform.as_str(), digest.as_str()));
    let index = join(members, request, digests)?;
    let mut state = members.state.lock();
    for (_, at) in built {
        state.nodes.made(at, &index);
    }
    Ok(index)
}

fn of_platform(
    members: &Members,
    request: &Request<'_>,
    platform: &str,
) -> Result<(String, usize), BuildError> {
    let recipe = Recipe {
        platforms: vec![platform.to_owned()],
        ..request.job.recipe.clone()
    };
    let job = Job {
        recipe: &recipe,
        ..request.job.clone()
    };
    let notes = OfPlatform {
        notes: request.notes,
        platform,
    };
    members.build(&Request {
        job: &job,
        dockerfile: request.dockerfile.clone(),
        pin: None,
        secrets: request.secrets.clone(),
        touch: None,
        is_nameless: true,
        notes: &notes,
        cancel: request.cancel,
    })
}

/// Makes an index of images in the repository of the job, and gives it the job's reference. Returns its digest.
fn join<'a>(
    members: &Members,
    request: &Request<'_>,
    images: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<String, BuildError> {
    let reference = request.job.reference;
    let failed = |error: TransferError| match error {
        TransferError::Cancelled => BuildError::Cancelled,
        TransferError::Passing(why) => BuildError::Transient(why),
        error => BuildError::Failed(format!("`{reference}` cannot be joined: {error}")),
    };
    let of = Reference::read(reference)
        .ok_or_else(|| BuildError::Failed(format!("`{reference}` is not a reference")))?;
    let transfer = Transfer::new(&of, &members.access, request.cancel);
    let mut each = Vec::new();
    for (platform, digest) in images {
        let (digest, bytes) = transfer.manifest(digest).map_err(failed)?;
        let read = Manifest::read(&bytes, None);
        let read = read.map_err(|error| failed(TransferError::Final(error.to_string())))?;
        each.push((platform, read.media_type, digest, bytes.len() as u64));
    }
    let parts = each
        .iter()
        .map(|(platform, media_type, digest, size)| Part {
            platform,
            media_type,
            digest: *digest,
            size: *size,
        });
    let index = manifest::index(&parts.collect::<Vec<_>>());
    transfer
        .put_manifest(&of.tag, INDEX, &index)
        .map_err(failed)?;
    Ok(Digest::of(&index).to_string())
}

/// Notes about one of several platforms.
struct OfPlatform<'a> {
    notes: &'a dyn Notes,
    platform: &'a str,
}

impl OfPlatform<'_> {
    fn named(&self, text: &str) -> String {
        format!("{}: {text}", self.platform)
    }
}

impl Notes for OfPlatform<'_> {
    fn step(&self, step: usize, of: usize, name: &str) {
        self.notes.step(step, of, &self.named(name));
    }

    fn cached(&self, name: &str) {
        self.notes.cached(&self.named(name));
    }

    fn log(&self, line: &str) {
        self.notes.log(line);
    }

    fn node(&self, name: &str) {
        self.notes.node(name);
    }

    fn warn(&self, message: &str) {
        self.notes.warn(message);
    }
}
