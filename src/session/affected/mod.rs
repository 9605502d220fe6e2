//! Which images a range of commits affects: those whose keys at a commit differ from their keys now.
//!
//! Keys are compared, not names of files: only what is part of an image counts, and all of that does. See
//! `docs/design/affected.md`.

mod past;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::{Refusal, Session};
use crate::asking::Asker;
use crate::disk::system_words;
use crate::fingerprint::{Change, diff};
use crate::git::{self, Tree};
use crate::graph::ImageId;
use crate::reference::{self, Tag};
use crate::workspace::Image;
use past::Past;

pub use crate::git::Revision;
pub use past::Since;

/// The images that differ from those of a commit.
#[derive(Debug, Clone)]
pub struct Affected {
    /// The commit.
    pub since: Revision,
    /// The affected images, with all reasons.
    pub images: BTreeMap<ImageId, Vec<Cause>>,
    /// Ids of the images that there are no more.
    pub removed: Vec<String>,
    /// Why nothing is known of the commit's images, so that all count as affected.
    pub warning: Option<String>,
}

/// Why an image is affected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Cause {
    /// The manifests of the commit do not declare it.
    New,
    /// An input of its key differs.
    InputChanged {
        /// Name of the input.
        input: String,
        /// Value at the commit; `None` if it is new.
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        /// Value now; `None` if it was removed.
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
    /// An image that it depends on is affected.
    BaseAffected {
        /// Id of that image.
        #[serde(rename = "input")]
        base: String,
    },
    /// The same image has another name, registry or form of its tag.
    ReferenceChanged {
        /// Its reference at the commit, with the present key.
        from: String,
        /// Its reference now.
        to: String,
    },
    /// Its key at the commit could not be computed.
    Unknown {
        /// The reason.
        #[serde(rename = "input")]
        why: String,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => out.write_str("new"),
            Self::InputChanged { input, from, to } => {
                let (name, from, to) = (input.clone(), from.clone(), to.clone());
                Change { name, from, to }.fmt(out)
            }
            Self::BaseAffected { base } => write!(out, "base `{base}` is affected"),
            Self::ReferenceChanged { from, to } => write!(out, "reference changed: {from} -> {to}"),
            Self::Unknown { why } => write!(out, "its key then is not known: {why}"),
        }
    }
}

impl Cause {
    fn of(change: Change) -> Self {
        match change.base().map(str::to_owned) {
            // A base that was exchanged for another one is a change of this image.
            Some(base) if change.from.is_some() && change.to.is_some() => {
                Self::BaseAffected { base }
            }
            _ => Self::InputChanged {
                input: change.name,
                from: change.from,
                to: change.to,
            },
        }
    }
}

impl Session {
    /// Compares the images with those of a commit. Runs git, and writes nothing but a private directory that is removed at
    /// the end.
    ///
    /// # Errors
    /// If the commit is not there or its files cannot be read. Manifests with errors are no error: then all images are
    /// affected.
    pub fn affected(&self, since: &Since<'_>, asker: Asker<'_>) -> Result<Affected, Refusal> {
        let root = &self.world.workspace.root;
        let revision = git::resolve(root, since.revision, since.env, asker)
            .map_err(|error| Refusal::usage(error.to_string(), error.help()))?;
        let unread = |why: &str| {
            Refusal::usage(
                format!("the files of {revision} cannot be read: {why}"),
                "is the repository whole (`git fsck`; a clone without trees is not), and the disk not full?",
            )
        };
        let tree = Tree::read(root, &revision.commit, asker).map_err(|why| unread(&why))?;
        let manifest = since.manifest.file_name().and_then(|name| name.to_str());
        let manifest = manifest.unwrap_or_default();
        let there = tree.as_ref().filter(|tree| tree.has_file(manifest));
        let past = there.map(|tree| past::read(tree, manifest, since, asker));
        let past = past.transpose();
        Ok(match past.map_err(|error| unread(&system_words(&error)))? {
            Some(Ok(past)) => self.since(revision, &past),
            Some(Err(why)) => {
                let why = format!("the manifests of {revision} have errors: {why}");
                let warning = format!("{why}; so all images count as affected");
                self.all(revision, &Cause::Unknown { why }, warning)
            }
            None => {
                let warning = format!(
                    "there is no `{manifest}` here in {revision}, so all images count as affected"
                );
                self.all(revision, &Cause::New, warning)
            }
        })
    }

    fn since(&self, since: Revision, past: &Past) -> Affected {
        let then = past.graph.ids().map(|id| past.graph.name(id));
        let removed = then.filter(|name| self.world.graph.find(name).is_none());
        Affected {
            removed: removed.map(str::to_owned).collect(),
            images: self.differing(past),
            since,
            warning: None,
        }
    }

    fn all(&self, since: Revision, cause: &Cause, warning: String) -> Affected {
        let ids = self.world.graph.ids();
        Affected {
            images: ids.map(|id| (id, vec![cause.clone()])).collect(),
            removed: Vec::new(),
            since,
            warning: Some(warning),
        }
    }

    fn differing(&self, past: &Past) -> BTreeMap<ImageId, Vec<Cause>> {
        let graph = &self.world.graph;
        let mut affected = BTreeMap::new();
        // Images whose key was computed from files that are not known, directly or through their bases.
        let mut doubtful: BTreeSet<ImageId> = BTreeSet::new();
        for id in graph.order() {
            let mut causes = self.causes(*id, past);
            if causes.iter().any(|it| matches!(it, Cause::Unknown { .. })) {
                doubtful.insert(*id);
            }
            for base in graph.bases(*id).iter().filter(|it| doubtful.contains(it)) {
                let base = graph.name(*base).to_owned();
                let cause = Cause::BaseAffected { base };
                if !causes.contains(&cause) {
                    causes.push(cause);
                }
            }
            if graph.bases(*id).iter().any(|it| doubtful.contains(it)) {
                doubtful.insert(*id);
            }
            if !causes.is_empty() {
                affected.insert(*id, causes);
            }
        }
        affected
    }

    /// Why an image differs from what it was.
    fn causes(&self, id: ImageId, past: &Past) -> Vec<Cause> {
        let Some(then) = past.graph.find(self.world.graph.name(id)) else {
            return vec![Cause::New];
        };
        if let Some(why) = past.uncertain.get(&then) {
            return vec![Cause::Unknown { why: why.clone() }];
        }
        let print = match &past.prints[then.index()] {
            Ok(print) => print,
            Err(error) => {
                let why = error.to_string();
                return vec![Cause::Unknown { why }];
            }
        };
        let mut causes = Vec::new();
        if print.key != self.prints.key(id) {
            let old = print.inputs(&past.recipes[then.index()]);
            let new = self.prints.inputs(id, &self.world.recipes[id.index()]);
            causes.extend(diff(&old, &new).into_iter().map(Cause::of));
            if causes.is_empty() {
                // Two inputs that are listed alike.
                let why = "other inputs than now, though they are listed alike".to_owned();
                causes.push(Cause::Unknown { why });
            }
        }
        let tag = Tag::Hash(self.prints.key(id).tag());
        let reference = |image: &Image| reference::of(image, &tag);
        let from = reference(&past.workspace.images[then.index()]);
        let to = reference(&self.world.workspace.images[id.index()]);
        if from != to {
            causes.push(Cause::ReferenceChanged { from, to });
        }
        causes
    }
}
