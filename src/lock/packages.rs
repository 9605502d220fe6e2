//! Decides which Python packages to resolve, and computes the new lists. Queries backends but accesses no files.
//!
//! By default, locked packages are kept as long as they fit, and where requirements changed, the versions of what is still
//! wanted. A list that only lost its base is kept if the new base has the same Python.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::answers::each_backend;
use super::renew::Which;
use crate::asking::Asker;
use crate::backend::Backend;
use crate::backend::packages::{Found, NotFound, Requested};
use crate::fingerprint::{Files, debian_locked, python_base};
use crate::recipe::{Pip, PythonOf, Recipe, familiar};
use crate::workspace::{
    ImageDebs, ImagePackages, Lock, Locked, LockedWheel, PlatformDebs, PlatformPackages,
    StepPackages,
};

/// How packages are pinned for a Python that no lock can know.
const PINNED: &str =
    "with `python-version`, or with a requirements file that has hashes, they are pinned";

/// How packages are pinned that no lock can have.
const HASHED: &str =
    "with a version that has a wheel, or with a requirements file that has hashes, they are pinned";

/// A step whose packages have to be locked.
#[derive(Clone)]
pub struct PackageNeed<'a> {
    /// Id of the image.
    pub image: &'a str,
    /// Number of the step among those of the image that install packages, from 1.
    pub step: usize,
    /// The recipe of the image.
    pub recipe: &'a Recipe,
    /// The step itself.
    pub pip: &'a Pip,
    /// The files of its requirements.
    pub files: Option<&'a Files>,
    /// The Python that the packages are for.
    pub python: PythonOf<'a>,
    /// The files that it is in, if they are in the workspace.
    pub base_files: Option<&'a Files>,
    /// Digest of what they are resolved from.
    pub inputs: String,
    /// The workspace root, absolute.
    pub root: &'a Path,
    /// The backend that resolves them.
    pub backend: Arc<dyn Backend>,
}

/// The packages of a lock that fits the workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackageRenewal {
    /// The packages, by image.
    pub packages: BTreeMap<String, ImagePackages>,
    /// The Debian packages, by image.
    pub debian: BTreeMap<String, ImageDebs>,
    /// Ids of images with a remark on their packages.
    pub remarks: Vec<(String, String)>,
    /// Ids of images whose packages cannot be locked, and why.
    pub left: Vec<(String, String)>,
}

/// Packages that could not be resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedPackages {
    /// Id of the image.
    pub image: String,
    /// The field that names them.
    pub field: &'static str,
    /// The platform.
    pub platform: String,
    /// The reason.
    pub why: String,
}

/// A question about one step on one platform.
struct Question<'a> {
    need: &'a PackageNeed<'a>,
    platform: &'a str,
    base: Option<String>,
    /// The Debian packages that the Python comes with, if they are locked.
    debian: Option<Vec<&'a PlatformDebs>>,
    kept: Option<&'a PlatformPackages>,
    preferred: Vec<LockedWheel>,
}

/// Adds the Python packages to a renewal that has the bases and the Debian packages.
///
/// # Errors
/// Returns all packages that could not be resolved; nothing should be written then.
pub fn renew_packages<'a>(
    needs: &'a [PackageNeed<'a>],
    before: Option<&'a Lock>,
    bases: &BTreeMap<String, Locked>,
    which: &Which,
    mut renewal: PackageRenewal,
    asker: Asker<'_>,
) -> Result<PackageRenewal, Vec<FailedPackages>> {
    let debian = std::mem::take(&mut renewal.debian);
    let mut renewing = Renewing {
        renewal,
        ..Renewing::default()
    };
    let mut questions = Vec::new();
    for need in needs {
        let old = before.and_then(|lock| lock.packages.get(need.image)?.get(&need.step));
        for platform in &need.recipe.platforms {
            match question(
                need,
                platform,
                old.map(AsRef::as_ref),
                (bases, &debian),
                which,
            ) {
                Ok(kept) => renewing.add(need, platform, kept.clone()),
                Err(question) => questions.push(question),
            }
        }
    }
    let answers = ask(&questions, bases, asker);
    for (question, answer) in questions.into_iter().zip(answers) {
        renewing.hear(question, answer);
    }
    let mut renewal = renewing.end(needs)?;
    renewal.debian = debian;
    Ok(renewal)
}

/// A renewal under way.
#[derive(Default)]
struct Renewing<'a> {
    /// The packages by image and step, then by platform.
    steps: BTreeMap<(&'a str, usize), BTreeMap<String, PlatformPackages>>,
    /// The images and steps that are left out.
    left: BTreeSet<(&'a str, usize)>,
    failed: Vec<FailedPackages>,
    renewal: PackageRenewal,
}

impl<'a> Renewing<'a> {
    fn add(&mut self, need: &PackageNeed<'a>, platform: &str, packages: PlatformPackages) {
        let platforms = self.steps.entry((need.image, need.step)).or_default();
        platforms.insert(platform.to_owned(), packages);
    }

    fn hear(&mut self, question: Question<'a>, answer: Result<Found, NotFound>) {
        let need = question.need;
        let image = || need.image.to_owned();
        match answer {
            Ok(found) => {
                let remark = found.remark.map(|remark| (image(), remark));
                self.renewal.remarks.extend(remark);
                let packages = PlatformPackages {
                    target: found.target,
                    base: question.base,
                    wheels: found.wheels,
                };
                self.add(need, question.platform, packages);
            }
            Err(NotFound::Unknowable(why)) => {
                self.leave(need, &format!("{why}; {PINNED}"));
            }
            Err(NotFound::Unbuilt(why)) => self.leave(need, &format!("{why}; {HASHED}")),
            Err(NotFound::Failed(why)) => self.failed.push(FailedPackages {
                image: image(),
                field: match (need.pip.packages.is_empty(), &need.pip.requirements) {
                    (true, Some(_)) => "requirements",
                    _ => "packages",
                },
                platform: question.platform.to_owned(),
                why,
            }),
        }
    }

    /// Leaves the packages of a step out of the lock.
    fn leave(&mut self, need: &PackageNeed<'a>, why: &str) {
        self.left.insert((need.image, need.step));
        let of = need.image.to_owned();
        self.renewal.left.push((of, why.to_owned()));
    }

    fn end(mut self, needs: &[PackageNeed<'a>]) -> Result<PackageRenewal, Vec<FailedPackages>> {
        if !self.failed.is_empty() {
            return Err(self.failed);
        }
        // What is said of each platform is said once.
        self.renewal.left.dedup();
        self.renewal.remarks.dedup();
        for need in needs {
            let of = (need.image, need.step);
            let Some(platforms) = self.steps.remove(&of).filter(|_| !self.left.contains(&of))
            else {
                continue;
            };
            let inputs = need.inputs.clone();
            let images = &mut self.renewal.packages;
            let image = images.entry(need.image.to_owned()).or_default();
            image.insert(need.step, Arc::new(StepPackages { inputs, platforms }));
        }
        Ok(self.renewal)
    }
}

/// What is locked for a platform, if it is kept as it is; otherwise what to ask.
fn question<'a>(
    need: &'a PackageNeed<'a>,
    platform: &'a str,
    old: Option<&'a StepPackages>,
    (bases, debian): (&BTreeMap<String, Locked>, &'a BTreeMap<String, ImageDebs>),
    which: &Which,
) -> Result<&'a PlatformPackages, Question<'a>> {
    let base = python_base(&need.python, bases, debian, platform);
    let known = old.and_then(|old| old.platforms.get(platform));
    let is_named = |wheel: &LockedWheel| which.is_package(&wheel.name);
    let is_chosen =
        which.is_image(need.image) || known.is_some_and(|known| known.wheels.iter().any(is_named));
    let fits = old.is_some_and(|old| old.inputs == need.inputs) && !is_chosen;
    let kept = known.filter(|_| fits);
    if let Some(kept) = kept.filter(|kept| kept.base == base) {
        return Ok(kept);
    }
    // The packages of a further platform have the versions of the others.
    let alike = known.or_else(|| old?.platforms.values().next());
    let alike = alike.filter(|_| !which.is_image(need.image));
    let preferred = alike.iter().flat_map(|alike| &alike.wheels);
    Err(Question {
        need,
        platform,
        base,
        debian: debian_locked(need.python.debian.iter().copied(), debian, platform),
        kept,
        preferred: preferred.filter(|it| !is_named(it)).cloned().collect(),
    })
}

fn ask(
    questions: &[Question<'_>],
    bases: &BTreeMap<String, Locked>,
    asker: Asker<'_>,
) -> Vec<Result<Found, NotFound>> {
    each_backend(
        questions,
        |question| &question.need.backend,
        |backend, questions| {
            let each = questions.iter();
            let wanted: Vec<Requested<'_>> =
                each.map(|question| requested(question, bases)).collect();
            backend.packages(&wanted, asker)
        },
    )
}

fn requested<'a>(question: &'a Question<'a>, bases: &'a BTreeMap<String, Locked>) -> Requested<'a> {
    let PackageNeed {
        image,
        recipe,
        pip,
        files,
        python,
        base_files,
        root,
        ..
    } = question.need;
    let outside = python.outside.and_then(|it| bases.get(&familiar(it)));
    Requested {
        image,
        recipe,
        pip,
        files: *files,
        platform: question.platform,
        python: python.clone(),
        outside: outside.map(|locked| &locked.image),
        base_files: *base_files,
        debian: question.debian.as_deref(),
        root,
        kept: question.kept,
        preferred: &question.preferred,
    }
}
