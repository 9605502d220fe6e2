//! The outside images that a workspace depends on, and how its lock pins them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Refusal, Selection, Session};
use crate::asking::Asker;
use crate::backend::{Outsider, Resolved, Unresolved};
use crate::diagnostic::Diagnostic;
use crate::graph::ImageId;
use crate::lock::{self, Chosen, Failed, LockFile, Look, Need, Renewal, Which, WriteError};
use crate::plan::Plan;
use crate::recipe::{ContextSource, OutsideImage, familiar};
use crate::spec::Base;
use crate::suggest::closest;
use crate::workspace::{LOCK_FILE, LockedImage, debs_of};

/// What a build takes from outside as it is at that time: images that are named only by a tag, and packages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Floating {
    /// Ids of the images that depend on each, by name.
    pub images: BTreeMap<String, Vec<String>>,
    /// References in Dockerfiles that only a build can resolve: the id of the image, and the unresolved text.
    pub unread: Vec<(String, String)>,
    /// Ids of the images with packages that neither the lock nor their own files pin.
    pub packages: Vec<String>,
}

impl fmt::Display for Floating {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.images.iter();
        let named = named.map(|(name, images)| format!("`{name}` (of {})", images.join(", ")));
        let unread = self.unread.iter();
        let unread = unread.map(|(image, words)| format!("`{words}` (of {image})"));
        let packages = self.packages.iter();
        let packages = packages.map(|image| format!("the packages of `{image}`"));
        let all: Vec<String> = named.chain(unread).chain(packages).collect();
        out.write_str(&all.join(", "))
    }
}

impl Floating {
    /// The number of floating references to images.
    #[must_use]
    pub fn bases(&self) -> usize {
        self.images.len() + self.unread.len()
    }

    /// Whether `imgspec lock` can pin any of it.
    #[must_use]
    pub fn is_lockable(&self) -> bool {
        !self.images.is_empty() || !self.packages.is_empty()
    }

    /// How to pin it.
    pub(crate) fn mend(&self) -> &'static str {
        if self.is_lockable() {
            "run `imgspec lock`, and keep the file it writes"
        } else {
            "write the image's name literally in the Dockerfile, or set its build arguments with `args` in the manifest"
        }
    }

    /// Whether everything is pinned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bases() == 0 && self.packages.is_empty()
    }
}

impl Session {
    /// The outside images that the images in `of` depend on, sorted by name.
    #[must_use]
    pub fn needs(&self, of: &BTreeSet<ImageId>) -> Vec<Need> {
        let mut needs: BTreeMap<&str, Need> = BTreeMap::new();
        for id in of {
            let platforms = &self.world.recipes[id.index()].platforms;
            let outside = self.prints.outside(*id).images.iter();
            for image in outside.filter(|image| self.is_used(*id, image)) {
                let need = needs.entry(&image.name).or_insert_with(|| Need {
                    name: image.name.clone(),
                    platforms: Vec::new(),
                    images: Vec::new(),
                    backend: self.world.backends[id.index()].clone(),
                });
                need.images.push(self.world.graph.name(*id).to_owned());
                // An image used on any platform is pinned by the digest of its index.
                if !image.any_platform {
                    need.platforms.extend(platforms.iter().cloned());
                }
            }
        }
        let mut needs: Vec<Need> = needs.into_values().collect();
        for need in &mut needs {
            need.platforms.sort();
            need.platforms.dedup();
        }
        needs
    }

    /// Whether the builder of an image needs this outside image: one with installers of its own needs no helpers.
    fn is_used(&self, id: ImageId, outside: &OutsideImage) -> bool {
        let at = id.index();
        let (recipe, name) = (&self.world.recipes[at], &outside.name);
        !recipe.is_helper(name) || self.world.backends[at].uses_helper(recipe, name)
    }

    /// Outside images that do not exist for the platforms of the images to be built on them, one line each. Locked
    /// images were checked for these platforms when they were locked.
    #[must_use]
    pub fn foreign_bases(&self, plan: &Plan, asker: Asker<'_>) -> Vec<String> {
        let mut questions: BTreeMap<(&str, &str, &[String]), Vec<&str>> = BTreeMap::new();
        for image in plan.builds() {
            let (at, name) = (image.id.index(), self.world.graph.name(image.id));
            let (recipe, backend) = (&self.world.recipes[at], self.world.backends[at].name());
            let outside = self.prints.outside(image.id);
            let floating = outside.floating().filter(|image| !image.any_platform);
            let floating = floating.filter(|used| self.is_used(image.id, used));
            let by_digest = match &recipe.base {
                Base::Registry(base) if base.contains('@') => Some(base.as_str()),
                _ => None,
            };
            for base in floating.map(|image| image.name.as_str()).chain(by_digest) {
                let question = (backend, base, recipe.platforms.as_slice());
                questions.entry(question).or_default().push(name);
            }
        }
        let mut words: Vec<String> = plan
            .builds()
            .filter_map(|image| self.fixed(image.id))
            .collect();
        for backend in &self.known {
            let own = questions
                .iter()
                .filter(|((name, ..), _)| *name == backend.name());
            let (wanted, images): (Vec<_>, Vec<_>) = own
                .map(|((_, reference, platforms), images)| {
                    (
                        Outsider {
                            reference,
                            platforms,
                        },
                        images,
                    )
                })
                .unzip();
            // Not even an empty query: it would contact the daemon, and a run without work starts no process.
            if wanted.is_empty() {
                continue;
            }
            let answers = backend.foreign(&wanted, asker);
            for ((question, images), why) in wanted.iter().zip(images).zip(answers) {
                let text = why.map(|why| {
                    let images = images.join("`, `");
                    format!("`{}`, used by `{images}`: {why}", question.reference)
                });
                words.extend(text);
            }
        }
        words
    }

    /// The error for a Dockerfile that always builds for one platform while the image requests another: `BuildKit`
    /// would label the result with the requested one.
    fn fixed(&self, id: ImageId) -> Option<String> {
        let fixed = self.prints.outside(id).fixed_platform.as_deref()?;
        let platforms = &self.world.recipes[id.index()].platforms;
        let usual = |platform: &str| platform.strip_suffix("/v8").unwrap_or(platform).to_owned();
        let is_other = |platform: &&String| usual(platform) != usual(fixed);
        let others: Vec<&str> = platforms
            .iter()
            .filter(is_other)
            .map(String::as_str)
            .collect();
        (!others.is_empty()).then(|| {
            format!(
                "the Dockerfile of `{}` builds for {fixed} regardless of what is requested (`FROM --platform`), but `platform` is {}",
                self.world.graph.name(id),
                others.join(" and ")
            )
        })
    }

    /// What the images of `of` take from outside without being pinned by digest.
    #[must_use]
    pub fn floating(&self, of: &BTreeSet<ImageId>) -> Floating {
        let mut floating = Floating::default();
        for id in of {
            let (outside, name) = (self.prints.outside(*id), self.world.graph.name(*id));
            for image in outside.floating().filter(|it| self.is_used(*id, it)) {
                let images = floating.images.entry(image.name.clone()).or_default();
                images.push(name.to_owned());
            }
            let unread = outside.unread.iter();
            let unread = unread.map(|words| (name.to_owned(), words.clone()));
            floating.unread.extend(unread);
            if self.has_open_packages(*id) {
                floating.packages.push(name.to_owned());
            }
        }
        floating
    }

    /// Queries what the tags of the outside images of `of` point to now.
    #[must_use]
    pub fn look_at_bases(&self, of: &BTreeSet<ImageId>, asker: Asker<'_>) -> Vec<Look> {
        let lock = self.world.workspace.lock.as_ref();
        lock::look(&self.needs(of), lock, asker)
    }

    /// What arguments name: outside images, images of the workspace with all that they and their bases take from outside,
    /// and locked packages.
    ///
    /// # Errors
    /// If an argument names nothing of these.
    pub fn chosen(&self, words: &[String]) -> Result<Chosen, Refusal> {
        let all = self.needs(&self.world.graph.ids().collect());
        let packages = self.locked_packages();
        let mut chosen = Chosen::default();
        for word in words {
            let own = familiar(word);
            if all.iter().any(|need| need.name == own) {
                chosen.bases.insert(own);
                continue;
            }
            let selected = match self.select(&Selection::of(std::slice::from_ref(word))) {
                Ok(selected) => self.world.graph.with_bases(&selected),
                Err(_) if packages.contains(word.as_str()) => {
                    chosen.packages.insert(word.clone());
                    continue;
                }
                Err(refusal) => {
                    let known = all.iter().map(|need| need.name.as_str());
                    let known = known.chain(packages.iter().copied());
                    return Err(match closest(&own, known) {
                        Some(meant) => Refusal::usage(
                            format!(
                                "`{word}` is neither an image of the workspace nor a base or a locked package of one"
                            ),
                            format!("did you mean `{meant}`?"),
                        ),
                        None => refusal,
                    });
                }
            };
            let needs = self.needs(&selected);
            chosen.bases.extend(needs.into_iter().map(|need| need.name));
            let names = selected
                .iter()
                .map(|id| self.world.graph.name(*id).to_owned());
            chosen.images.extend(names);
        }
        Ok(chosen)
    }

    /// The names of all locked packages.
    fn locked_packages(&self) -> BTreeSet<&str> {
        let lock = self.world.workspace.lock.iter();
        let steps = lock.flat_map(|lock| lock.packages.values()).flatten();
        let platforms = steps.flat_map(|(_, step)| step.platforms.values());
        let wheels = platforms.flat_map(|platform| &platform.wheels);
        let wheels = wheels.map(|wheel| wheel.name.as_str());
        let lock = self.world.workspace.lock.iter();
        let debs = lock.flat_map(|lock| lock.debian.values()).flat_map(debs_of);
        wheels.chain(debs.map(|deb| deb.name.as_str())).collect()
    }

    /// Makes a lock for everything the workspace depends on. Writes nothing.
    ///
    /// # Errors
    /// All outside images or else all packages that could not be resolved, each with its source location.
    pub fn renew_lock(&self, which: &Which, asker: Asker<'_>) -> Result<Renewal, Refusal> {
        let needs = self.needs(&self.world.graph.ids().collect());
        let lock = self.world.workspace.lock.as_ref();
        let renewal = lock::renew(&needs, lock, which, asker).map_err(|failed| {
            let errors = failed.iter().map(|failed| self.unresolved(failed));
            Refusal::Wrong(errors.collect(), self.world.workspace.sources.clone())
        });
        let mut renewal = renewal?;
        self.renew_packages(&mut renewal, which, asker)?;
        Ok(renewal)
    }

    /// Writes a lock made by [`Self::renew_lock`]. Returns whether the file changed; `None`, with nothing written, if
    /// another process changed the file since this session read it.
    ///
    /// # Errors
    /// If the file cannot be written; it is left unchanged.
    pub fn write_lock(&self, renewal: &Renewal) -> Result<Option<bool>, Refusal> {
        let workspace = &self.world.workspace;
        let file = LockFile::open(&workspace.root);
        let written = file.and_then(|file| {
            if file.holds(workspace.lock.as_ref()) {
                file.write(&renewal.lock)
            } else {
                Err(WriteError::Changed)
            }
        });
        match written {
            Ok(is_new) => Ok(Some(is_new)),
            Err(WriteError::Changed) => Ok(None),
            Err(WriteError::Refused(why)) => Err(Refusal::usage(
                format!("`{LOCK_FILE}` cannot be written: {why}"),
                "the file is unchanged; the directory of the root manifest must be writable",
            )),
        }
    }

    fn unresolved(&self, failed: &Failed) -> Diagnostic {
        let Failed {
            name,
            images,
            digest,
            why,
        } = failed;
        let called = match digest {
            Some(digest) => format!("`{name}`, locked as {digest},"),
            None => format!("`{name}`"),
        };
        let message = format!("{called} cannot be locked: {why}");
        let mistake = Diagnostic::error("unresolved-base", message);
        let first = images.first().and_then(|id| self.world.graph.find(id));
        let place = first.and_then(|id| {
            let field = self.field_of(id, name);
            self.world.workspace.images[id.index()].places.get(&field)
        });
        let mistake = match place {
            Some(place) => mistake.at(*place, "named here"),
            None => mistake,
        };
        mistake.help(match (why, digest) {
            (_, Some(_)) => {
                format!("`imgspec lock --update {name}` locks what the tag points to now")
            }
            (Unresolved::Foreign { .. }, None) => Unresolved::MEND_FOREIGN.to_owned(),
            (Unresolved::Absent, None) => {
                "if it is a local image, build it first; otherwise check its name".to_owned()
            }
            (Unresolved::Unknown(_), None) => {
                "nothing was written; fix the access and run this again".to_owned()
            }
        })
    }

    /// The manifest's name of the field that makes an image depend on the outside image `name`.
    fn field_of(&self, id: ImageId, name: &str) -> String {
        let recipe = &self.world.recipes[id.index()];
        let is = |reference: &str| familiar(reference) == name;
        if matches!(&recipe.base, Base::Registry(base) if is(base)) {
            return "base-image".to_owned();
        }
        let Some(own) = &recipe.dockerfile else {
            return "builder-config".to_owned();
        };
        let mut contexts = own.contexts.iter();
        let context = contexts.find(
            |(_, context)| matches!(context, ContextSource::Registry(reference) if is(reference)),
        );
        context.map_or_else(
            || "dockerfile".to_owned(),
            |(context, _)| format!("dockerfile.contexts.{context}"),
        )
    }
}

/// A note on an image that was locked without its registry, for reason `why`: what this means on other machines.
#[must_use]
pub fn remark(name: &str, renewal: &Renewal, why: &str) -> String {
    let locked = renewal.lock.bases.get(name);
    match locked.map(|locked| &locked.image) {
        Some(LockedImage::Id(_)) => format!(
            "`{name}` is locked by its id in the local store, which no other machine has ({why})"
        ),
        _ => format!("`{name}` is locked to the image in the local store ({why})"),
    }
}

/// The line that reports what a tag points to now; `None` if that is what is locked.
#[must_use]
pub fn look_words(look: &Look) -> Option<String> {
    let name = &look.name;
    match (&look.locked, &look.now) {
        (_, Err(why)) => Some(format!(
            "`{name}`: could not determine what it is now: {why}"
        )),
        (None, Ok(_)) => Some(format!("`{name}` is not locked, so it cannot have moved")),
        (Some(locked), Ok(Resolved { locked: now, .. })) if look.is_moved() => Some(format!(
            "`{name}` moved: {} -> {}; `imgspec lock --update {name}` locks the new one",
            locked.image.text(),
            now.image.text()
        )),
        (Some(_), Ok(_)) => None,
    }
}
