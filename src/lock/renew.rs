//! Decides which outside images to resolve, and computes their part of the new lock. Queries backends but accesses no files.
//!
//! By default, locked entries are kept and only missing ones are resolved. A missing platform is resolved by the locked
//! digest, so that all platforms of an image are from the same moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::versions::PackageChange;
use crate::asking::Asker;
use crate::backend::{Backend, Outsider, Resolved, Unresolved};
use crate::recipe;
use crate::workspace::{Lock, Locked, LockedImage};

/// An outside image that a workspace needs.
#[derive(Clone)]
pub struct Need {
    /// The reference, as in manifests and Dockerfiles.
    pub name: String,
    /// The platforms it is needed for, sorted.
    pub platforms: Vec<String>,
    /// Ids of the images that use it.
    pub images: Vec<String>,
    /// The backend that resolves it.
    pub backend: Arc<dyn Backend>,
}

/// What to resolve again although it is locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Nothing.
    Missing,
    /// This.
    These(Chosen),
    /// Everything.
    All,
}

/// What was chosen to be resolved again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Outside images, by reference.
    pub bases: BTreeSet<String>,
    /// Images all of whose packages were chosen, by id.
    pub images: BTreeSet<String>,
    /// Packages, in whatever images, by normalized name.
    pub packages: BTreeSet<String>,
}

impl Which {
    fn is_base(&self, name: &str) -> bool {
        self.has(|chosen| &chosen.bases, name)
    }

    /// Whether all packages of this image were chosen.
    pub(super) fn is_image(&self, id: &str) -> bool {
        self.has(|chosen| &chosen.images, id)
    }

    /// Whether this package was chosen.
    pub(super) fn is_package(&self, name: &str) -> bool {
        self.has(|chosen| &chosen.packages, name)
    }

    fn has(&self, of: impl Fn(&Chosen) -> &BTreeSet<String>, name: &str) -> bool {
        match self {
            Self::Missing => false,
            Self::These(chosen) => of(chosen).contains(name),
            Self::All => true,
        }
    }
}

/// A lock that fits the workspace, and how it differs from the previous one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    /// The new lock.
    pub lock: Lock,
    /// The differences of images, by name.
    pub changes: Vec<Change>,
    /// The differences of packages, by image and name.
    pub packages: Vec<PackageChange>,
    /// Ids of images whose Debian packages are locked for the first time, and how many there are.
    pub debian: Vec<(String, usize)>,
    /// Remarks on packages, and which are left out.
    pub warnings: Vec<String>,
    /// Remarks on images that were resolved without their registry: the name, and why the registry could not be queried.
    pub remarks: Vec<(String, String)>,
}

/// A changed entry of the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The reference.
    pub name: String,
    /// The previous entry; `None` if it is new.
    pub before: Option<Locked>,
    /// The new entry; `None` if the image is no longer needed.
    pub after: Option<Locked>,
}

/// An image that could not be resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The reference.
    pub name: String,
    /// Ids of the images that use it.
    pub images: Vec<String>,
    /// The digest it was resolved by; `None` if by its tag.
    pub digest: Option<String>,
    /// The reason.
    pub why: Unresolved,
}

/// What a tag currently resolves to, beside what is locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The reference.
    pub name: String,
    /// The locked entry; `None` if the image is not locked.
    pub locked: Option<Locked>,
    /// What the tag currently resolves to.
    pub now: Result<Resolved, Unresolved>,
}

impl Look {
    /// Whether the tag now refers to different content. An index that changed only for other platforms does not count.
    #[must_use]
    pub fn is_moved(&self) -> bool {
        let (Some(locked), Ok(now)) = (&self.locked, &self.now) else {
            return false;
        };
        let now = &now.locked;
        now.image != locked.image && (now.platforms != locked.platforms || now.platforms.is_empty())
    }
}

/// Computes a lock of the needed images, as yet without packages.
///
/// # Errors
/// Returns all images that could not be resolved; nothing should be written then.
pub fn renew(
    needs: &[Need],
    before: Option<&Lock>,
    which: &Which,
    asker: Asker<'_>,
) -> Result<Renewal, Vec<Failed>> {
    let none = Lock::default();
    let before = before.unwrap_or(&none);
    let mut lock = Lock::default();
    let mut due = Vec::new();
    for need in needs {
        if let Some(digest) = question(need, before.bases.get(&need.name), which) {
            due.push((need, digest));
            continue;
        }
        let mut kept = before.bases[&need.name].clone();
        let is_needed = |platform: &String| need.platforms.contains(platform);
        kept.platforms.retain(|platform, _| is_needed(platform));
        lock.bases.insert(need.name.clone(), kept);
    }
    let (mut failed, mut remarks) = (Vec::new(), Vec::new());
    for ((need, digest), answer) in due.iter().zip(ask(&due, asker)) {
        match answer {
            Ok(found) => {
                remarks.extend(found.instead.map(|why| (need.name.clone(), why)));
                lock.bases.insert(need.name.clone(), found.locked);
            }
            Err(why) => failed.push(Failed {
                name: need.name.clone(),
                images: need.images.clone(),
                digest: digest.clone(),
                why,
            }),
        }
    }
    if !failed.is_empty() {
        return Err(failed);
    }
    Ok(Renewal {
        changes: changes(before, &lock),
        lock,
        remarks,
        packages: Vec::new(),
        debian: Vec::new(),
        warnings: Vec::new(),
    })
}

/// Resolves the current tags of these images.
#[must_use]
pub fn look(needs: &[Need], lock: Option<&Lock>, asker: Asker<'_>) -> Vec<Look> {
    let due: Vec<(&Need, Option<String>)> = needs.iter().map(|need| (need, None)).collect();
    let each = needs.iter().zip(ask(&due, asker));
    each.map(|(need, now)| Look {
        name: need.name.clone(),
        locked: lock.and_then(|lock| lock.bases.get(&need.name)).cloned(),
        now,
    })
    .collect()
}

/// The entries that differ between two locks.
#[must_use]
pub fn changes(before: &Lock, after: &Lock) -> Vec<Change> {
    let names: BTreeSet<&String> = before.bases.keys().chain(after.bases.keys()).collect();
    let change = |name: &String| Change {
        name: name.clone(),
        before: before.bases.get(name).cloned(),
        after: after.bases.get(name).cloned(),
    };
    let all = names.into_iter().map(change);
    all.filter(|change| change.before != change.after).collect()
}

/// Whether an image has to be resolved: `Some(Some(digest))` by that digest, `Some(None)` by its tag.
#[allow(clippy::option_option, reason = "whether, and how")]
fn question(need: &Need, locked: Option<&Locked>, which: &Which) -> Option<Option<String>> {
    let locked = locked.filter(|_| !which.is_base(&need.name));
    let Some(locked) = locked else {
        return Some(None);
    };
    locked.missing(&need.platforms).next()?;
    Some(match &locked.image {
        LockedImage::Digest(digest) => Some(digest.clone()),
        LockedImage::Id(_) => None,
    })
}

/// Queries each backend once about all of its images; the answers are in the order of `due`.
fn ask(due: &[(&Need, Option<String>)], asker: Asker<'_>) -> Vec<Result<Resolved, Unresolved>> {
    let mut by_backend: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, (need, _)) in due.iter().enumerate() {
        by_backend.entry(need.backend.name()).or_default().push(at);
    }
    let references = due.iter().map(|(need, digest)| match digest {
        Some(digest) => format!("{}@{digest}", recipe::repository(&need.name)),
        None => need.name.clone(),
    });
    let references: Vec<String> = references.collect();
    let unheard = || Err(Unresolved::Unknown("the builder gave no answer".to_owned()));
    let mut answers: Vec<_> = due.iter().map(|_| unheard()).collect();
    for places in by_backend.into_values() {
        let wanted = places.iter().map(|at| Outsider {
            reference: &references[*at],
            platforms: &due[*at].0.platforms,
        });
        let wanted: Vec<Outsider<'_>> = wanted.collect();
        let backend = &due[places[0]].0.backend;
        for (at, answer) in places.iter().zip(backend.resolve(&wanted, asker)) {
            answers[*at] = answer;
        }
    }
    answers
}
