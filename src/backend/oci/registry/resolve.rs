//! Resolves images to digests: of the whole image, and of the manifest for each platform.

use super::client::{Client, LookupError, Manifests};
use super::login::Access;
use super::round::ask_all;
use crate::asking::Asker;
use crate::backend::oci::reference::Reference;
use crate::backend::{Outsider, Resolved, Unresolved};
use crate::workspace::{Locked, LockedImage};

/// Resolves these images at their registries, in order.
#[must_use]
pub(crate) fn resolve(
    wanted: &[Outsider<'_>],
    access: &Access,
    asker: Asker<'_>,
) -> Vec<Result<Resolved, Unresolved>> {
    let questions = wanted.iter();
    let questions = questions.map(|one| (one.reference.to_owned(), one.platforms.to_vec()));
    let answers = ask_all(
        questions.collect(),
        |client, reference, _| manifests(client, reference),
        access,
        asker,
    );
    let each = answers.into_iter().zip(wanted);
    each.map(|(answer, wanted)| match answer {
        Ok(found) => locked(found, wanted.platforms),
        Err(LookupError::Absent) => Err(Unresolved::Absent),
        Err(LookupError::Unknown(why)) => Err(Unresolved::Unknown(why)),
    })
    .collect()
}

/// The manifests of an image, by a mirror if one has it.
fn manifests(client: &Client, of: &Reference) -> Result<Manifests, LookupError> {
    let sources = client.sources(of, of.digest.is_some());
    let sources = sources.map_err(LookupError::Unknown)?;
    let mut left = sources.len();
    let mut why = Vec::new();
    for source in &sources {
        // A mirror that hangs leaves time for the others.
        let time = client.limit.time / u32::try_from(left).unwrap_or(1);
        left -= 1;
        match client.inquiry_within(source, time).manifests() {
            Err(LookupError::Unknown(other)) => why.push(other),
            Err(LookupError::Absent) if left > 0 => {
                why.push(format!("registry `{}` does not have it", source.host));
            }
            found => return found,
        }
    }
    Err(LookupError::Unknown(why.join("; ")))
}

fn locked(found: Manifests, wanted: &[String]) -> Result<Resolved, Unresolved> {
    let of_platform = |wanted: &String| {
        let mut each = found.each.iter();
        let own = each.find(|(platform, _)| platform.is(wanted));
        own.map(|(_, digest)| (wanted.clone(), digest.clone()))
            .ok_or_else(|| wanted.clone())
    };
    let (platforms, missing): (Vec<_>, Vec<_>) =
        wanted.iter().map(of_platform).partition(Result::is_ok);
    let missing: Vec<String> = missing.into_iter().filter_map(Result::err).collect();
    if !missing.is_empty() {
        let there = found.each.iter().map(|(platform, _)| platform.to_string());
        let there = there.collect();
        return Err(Unresolved::Foreign { missing, there });
    }
    Ok(Resolved {
        locked: Locked {
            image: LockedImage::Digest(found.digest),
            platforms: platforms.into_iter().flatten().collect(),
        },
        instead: None,
    })
}
