//! Decides which Debian packages to resolve, and computes the new lists. Queries backends but accesses no files.
//!
//! A list is kept as long as it fits. Otherwise its versions are preferred where the archive still has them; what is locked
//! below counts as installed, so lists are resolved from the lowest upwards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::answers::each_backend;
use super::packages::{FailedPackages, PackageRenewal};
use super::renew::Which;
use crate::asking::Asker;
use crate::backend::Backend;
use crate::backend::packages::{NotFound, RequestedDebs};
use crate::fingerprint::{Files, debian_below, debian_outside};
use crate::recipe::{DebianBelow, DebianOf, Recipe, familiar};
use crate::workspace::{
    DebianField, Lock, Locked, LockedDeb, LockedImage, PlatformDebs, StepPackages,
};

/// Debian packages that have to be locked.
#[derive(Clone)]
pub struct DebianNeed<'a> {
    /// Id of the image.
    pub image: &'a str,
    /// The recipe of the image.
    pub recipe: &'a Recipe,
    /// The packages, and what is below them.
    pub of: DebianOf<'a>,
    /// The files below, if they are in the workspace.
    pub base_files: Option<&'a Files>,
    /// Digest of what they are resolved from.
    pub inputs: String,
    /// The backend that resolves them.
    pub backend: Arc<dyn Backend>,
}

/// A question about one need on one platform.
struct Question<'a> {
    need: &'a DebianNeed<'a>,
    platform: &'a str,
    base: Option<String>,
    outside: Option<&'a LockedImage>,
    below: Vec<PlatformDebs>,
    preferred: Vec<LockedDeb>,
}

/// A renewal under way.
struct Renewing<'a> {
    before: Option<&'a Lock>,
    bases: &'a BTreeMap<String, Locked>,
    which: &'a Which,
    failed: Vec<FailedPackages>,
    /// The lists so far, by image, field and platform.
    found: BTreeMap<(&'a str, DebianField), BTreeMap<String, PlatformDebs>>,
    left: BTreeSet<(&'a str, DebianField)>,
}

/// Computes the Debian packages to lock, with these bases.
///
/// # Errors
/// Returns all packages that could not be resolved; nothing should be written then.
pub fn renew_debian<'a>(
    needs: &'a [DebianNeed<'a>],
    before: Option<&'a Lock>,
    bases: &'a BTreeMap<String, Locked>,
    which: &'a Which,
    asker: Asker<'_>,
) -> Result<PackageRenewal, Vec<FailedPackages>> {
    let mut renewal = PackageRenewal::default();
    let mut renewing = Renewing {
        before,
        bases,
        which,
        failed: Vec::new(),
        found: BTreeMap::new(),
        left: BTreeSet::new(),
    };
    // What is below a list has fewer lists below it.
    let mut by_height: BTreeMap<usize, Vec<&DebianNeed<'_>>> = BTreeMap::new();
    for need in needs {
        by_height.entry(need.of.lists.len()).or_default().push(need);
    }
    for needs in by_height.into_values() {
        renewing.round(&needs, &mut renewal.left, asker);
    }
    if !renewing.failed.is_empty() {
        return Err(renewing.failed);
    }
    renewal.left.dedup();
    for need in needs {
        let of = (need.image, need.of.field);
        let Some(platforms) = renewing
            .found
            .remove(&of)
            .filter(|_| !renewing.left.contains(&of))
        else {
            continue;
        };
        let inputs = need.inputs.clone();
        let image = renewal.debian.entry(need.image.to_owned()).or_default();
        image.insert(need.of.field, Arc::new(StepPackages { inputs, platforms }));
    }
    Ok(renewal)
}

impl<'a> Renewing<'a> {
    /// Resolves lists below which everything is known.
    fn round(
        &mut self,
        needs: &[&'a DebianNeed<'a>],
        left: &mut Vec<(String, String)>,
        asker: Asker<'_>,
    ) {
        let mut questions = Vec::new();
        for need in needs {
            for platform in &need.recipe.platforms {
                let Some(below) = self.below(need, platform) else {
                    self.left.insert((need.image, need.of.field));
                    let why = "those of an image below it are not";
                    left.push((need.image.to_owned(), why.to_owned()));
                    continue;
                };
                match self.question(need, platform, below) {
                    Ok(kept) => self.add(need, platform, kept),
                    Err(question) => questions.push(question),
                }
            }
        }
        for (question, answer) in questions.iter().zip(ask(&questions, asker)) {
            let need = question.need;
            match answer {
                Ok(debs) => {
                    let base = question.base.clone();
                    self.add(need, question.platform, PlatformDebs { base, debs });
                }
                Err(NotFound::Unknowable(why) | NotFound::Unbuilt(why)) => {
                    self.left.insert((need.image, need.of.field));
                    left.push((need.image.to_owned(), why));
                }
                Err(NotFound::Failed(why)) => self.failed.push(FailedPackages {
                    image: need.image.to_owned(),
                    field: need.of.field.name(),
                    platform: question.platform.to_owned(),
                    why,
                }),
            }
        }
    }

    fn add(&mut self, need: &DebianNeed<'a>, platform: &str, debs: PlatformDebs) {
        let platforms = self.found.entry((need.image, need.of.field)).or_default();
        platforms.insert(platform.to_owned(), debs);
    }

    /// The lists below; `None` if one of them is not locked.
    fn below(&self, need: &DebianNeed<'_>, platform: &str) -> Option<Vec<PlatformDebs>> {
        let lists = need.of.lists.iter().map(|(image, field, _)| {
            let of = (*image, *field);
            let found = self.found.get(&of).filter(|_| !self.left.contains(&of))?;
            found.get(platform).cloned()
        });
        lists.collect()
    }

    /// What is locked for a platform, if it is kept as it is; otherwise what to ask.
    fn question(
        &self,
        need: &'a DebianNeed<'a>,
        platform: &'a str,
        below: Vec<PlatformDebs>,
    ) -> Result<PlatformDebs, Question<'a>> {
        let lists: Vec<&PlatformDebs> = below.iter().collect();
        let base = debian_below(debian_outside(&need.of, self.bases, platform), &lists);
        let old = self
            .before
            .and_then(|lock| lock.debian.get(need.image)?.get(&need.of.field));
        let known = old.and_then(|old| old.platforms.get(platform));
        let is_named = |deb: &LockedDeb| self.which.is_package(&deb.name);
        let is_chosen = self.which.is_image(need.image)
            || known.is_some_and(|known| known.debs.iter().any(is_named));
        let fits = old.is_some_and(|old| old.inputs == need.inputs) && !is_chosen;
        if let Some(kept) = known.filter(|known| fits && known.base == base) {
            return Ok(kept.clone());
        }
        let preferred = known.filter(|_| !self.which.is_image(need.image));
        let preferred = preferred.into_iter().flat_map(|known| &known.debs);
        let outside = match need.of.lowest {
            DebianBelow::Outside(reference) => self.bases.get(&familiar(reference)),
            _ => None,
        };
        Err(Question {
            need,
            platform,
            base,
            outside: outside.map(|locked| &locked.image),
            preferred: preferred.filter(|it| !is_named(it)).cloned().collect(),
            below,
        })
    }
}

fn ask(questions: &[Question<'_>], asker: Asker<'_>) -> Vec<Result<Vec<LockedDeb>, NotFound>> {
    each_backend(
        questions,
        |question| &question.need.backend,
        |backend, questions| {
            let wanted: Vec<RequestedDebs<'_>> = questions.iter().map(|it| requested(it)).collect();
            backend.debian(&wanted, asker)
        },
    )
}

fn requested<'a>(question: &'a Question<'_>) -> RequestedDebs<'a> {
    RequestedDebs {
        recipe: question.need.recipe,
        of: &question.need.of,
        platform: question.platform,
        outside: question.outside,
        base_files: question.need.base_files,
        below: question.below.iter().collect(),
        preferred: &question.preferred,
    }
}
