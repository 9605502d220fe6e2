//! Images described by a program rather than a manifest: checked, planned and built.
//!
//! The images become a [`Workspace`](crate::workspace::Workspace) like those of manifests and follow the same rules. From
//! there on, the code is the same as for the command line: the same keys, tags, records and guarantees.
//!
//! ```
//! use imgspec::{ImageSpec, Images, Request};
//!
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! let mut images = Images::new(folder);
//! images.set_builder("fake"); // pretends; leave it out to build with Docker
//! images.add("base", ImageSpec::default().with_apt_packages(["git"]));
//! images.add(
//!     "train",
//!     ImageSpec::new("team/train")
//!         .with_base_image("base")
//!         .with_python_version("3.12")
//!         .with_packages(["torch==2.5.1"]),
//! );
//! let done = images.build(&Request::all(), |event| println!("{event:?}"))?;
//! assert!(done.is_done());
//! assert!(images.plan(&Request::of(["train"]))?.is_fresh());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod assemble;
mod backends;
mod proposal;
mod refusal;
mod request;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use backends::BackendRegistry;
pub use proposal::{Proposal, Proposed};
pub use request::Request;

use crate::asking::Asker;
use crate::backend::{Existence, StoreKind, Wanted};
use crate::check;
use crate::disk::system_words;
use crate::fingerprint::Key;
use crate::graph::ImageId;
use crate::run::{Event, Mailbox, Summary};
use crate::session::{self, Reading, Refusal, Session, Trust};
use crate::spec::{ImageSpec, WorkspacePath};
use crate::workspace::{Image, Places};
use refusal::unknown_image;

/// Images of one directory, by id, with the backends that build them.
///
/// The directory corresponds to a workspace root: paths in the specs are relative to it, nothing outside it gets into an
/// image, and its `.imgspec` stores the records of builds. Every method reads the current state of the files.
#[derive(Debug, Clone)]
pub struct Images {
    folder: PathBuf,
    backends: BackendRegistry,
    builder: Option<String>,
    trust: Trust,
    images: Vec<Image>,
}

impl Images {
    /// Creates an empty set with the backends of the `imgspec` command.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        let backends = BackendRegistry::usual(&folder);
        Self::with_backends(folder, backends)
    }

    /// Creates an empty set with these backends.
    pub fn with_backends(folder: impl Into<PathBuf>, backends: BackendRegistry) -> Self {
        Self {
            folder: folder.into(),
            backends,
            builder: None,
            trust: Trust::Times,
            images: Vec::new(),
        }
    }

    /// Sets the kind of backend for images that name none. By default, the one with the highest priority is used.
    pub fn set_builder(&mut self, kind: impl Into<String>) -> &mut Self {
        self.builder = Some(kind.into());
        self
    }

    /// Sets whether unchanged file times are trusted, which is the default, or all files are read.
    pub fn set_trust(&mut self, trust: Trust) -> &mut Self {
        self.trust = trust;
        self
    }

    /// Adds an image. The next operation reports any mistakes in it along with all others.
    pub fn add(&mut self, id: impl Into<String>, spec: ImageSpec) -> &mut Self {
        self.add_in(WorkspacePath::ROOT, id, spec)
    }

    /// Adds an image whose files are filtered by the `.dockerignore` in `folder` instead of that in the images' directory.
    pub fn add_in(
        &mut self,
        folder: WorkspacePath,
        id: impl Into<String>,
        spec: ImageSpec,
    ) -> &mut Self {
        self.images.push(Image {
            id: id.into(),
            spec: Box::new(spec),
            folder,
            places: Places::default(),
            allows: Vec::new(),
        });
        self
    }

    /// The ids of the images, in order of addition.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.images.iter().map(|image| image.id.as_str())
    }

    /// Returns the spec of an image; `None` if no image has this id.
    pub fn get(&self, id: &str) -> Option<&ImageSpec> {
        let found = self.images.iter().find(|image| image.id == id);
        found.map(|image| &*image.spec)
    }

    /// Returns the spec of an image for modification; `None` if no image has this id.
    pub fn get_mut(&mut self, id: &str) -> Option<&mut ImageSpec> {
        let found = self.images.iter_mut().find(|image| image.id == id);
        found.map(|image| &mut *image.spec)
    }

    /// Checks and fingerprints all images, as every method below does first. Starts and writes nothing.
    ///
    /// # Errors
    /// Fails with everything that is wrong with the images and the files they name.
    pub fn open(&self) -> Result<Session, Refusal> {
        let root = self.root()?;
        let known = self.backends.all();
        if known.is_empty() {
            let help = "register one, or take `BackendRegistry::usual`";
            return Err(Refusal::usage("no builder is registered", help));
        }
        let checked = check::loaded(assemble::assemble(root, &self.images));
        let session = session::examine_checked(
            checked,
            known,
            self.builder.as_deref(),
            Reading::Anew(self.trust),
        );
        Ok(session?)
    }

    fn root(&self) -> Result<PathBuf, Refusal> {
        let here = Path::new(".");
        let is_here = self.folder.as_os_str().is_empty();
        let folder = if is_here { here } else { &self.folder };
        let help = "images need an existing directory: that of the files that they copy";
        match folder.canonicalize() {
            Ok(root) if root.is_dir() => Ok(root),
            Ok(_) => Err(Refusal::usage(
                format!("`{}` is not a directory", folder.display()),
                help,
            )),
            Err(error) => {
                let why = system_words(&error);
                let message = format!("`{}` cannot be read: {why}", folder.display());
                Err(Refusal::usage(message, help))
            }
        }
    }

    /// Returns the key of an image. Images with equal keys have equal contents requested.
    ///
    /// # Errors
    /// Fails if any image is invalid or none has this id.
    pub fn key(&self, id: &str) -> Result<Key, Refusal> {
        let (session, id) = self.find(id)?;
        Ok(session.prints.key(id))
    }

    /// Returns the tag of an image: the part of its reference after the colon.
    ///
    /// # Errors
    /// Fails if any image is invalid or none has this id.
    pub fn tag(&self, id: &str) -> Result<String, Refusal> {
        let reference = self.reference(id)?;
        let tag = reference.rsplit_once(':').map_or("", |(_, tag)| tag);
        Ok(tag.to_owned())
    }

    /// Returns the reference of an image: `registry/name:tag`.
    ///
    /// # Errors
    /// Fails if any image is invalid or none has this id.
    pub fn reference(&self, id: &str) -> Result<String, Refusal> {
        let (session, id) = self.find(id)?;
        Ok(session.reference(id))
    }

    /// Checks whether an image, as currently specified, exists in the local store or its registry. A different image under the
    /// same reference counts as absent; if the query fails, the result is [`Existence::Unknown`].
    ///
    /// # Errors
    /// Fails if any image is invalid, none has this id, or it has no registry to query.
    pub fn exists(&self, id: &str, place: StoreKind) -> Result<Existence, Refusal> {
        let (session, at) = self.find(id)?;
        if place == StoreKind::Registry
            && session.world.workspace.images[at.index()]
                .spec
                .registry
                .is_none()
        {
            let message = format!("image `{id}` has no registry");
            return Err(Refusal::usage(message, "give it one: `with_registry`"));
        }
        let reference = session.reference(at);
        let wanted = Wanted {
            reference: &reference,
            place,
            platforms: &session.world.recipes[at.index()].platforms,
        };
        let found = session.world.backends[at.index()].exists(&[wanted], Asker::silent());
        let key = session.prints.key(at);
        Ok(match found.into_iter().next() {
            // Without the label, there is no telling what it was built from either.
            Some(found @ Existence::Present { .. }) if !found.has(&key) => Existence::Absent,
            Some(found) => found,
            None => Existence::Unknown {
                why: "the builder gave no answer".to_owned(),
            },
        })
    }

    /// Returns what a request would do, and why. Builds and writes nothing.
    ///
    /// # Errors
    /// Fails if any image is invalid or the request cannot be fulfilled.
    pub fn plan(&self, request: &Request) -> Result<Proposal, Refusal> {
        Proposal::new(self.open()?, request)
    }

    /// Builds what changed, bases first, in parallel. `on_event` is called with every event on the calling thread.
    ///
    /// # Errors
    /// Fails if nothing could be started: an image is invalid, or a builder or secret is missing. An image that fails to build
    /// is not an error; the summary names it, and its event gives the reason.
    pub fn build(
        &self,
        request: &Request,
        on_event: impl FnMut(&Event),
    ) -> Result<Summary, Refusal> {
        self.plan(request)?.run(Mailbox::default(), on_event)
    }

    fn find(&self, id: &str) -> Result<(Session, ImageId), Refusal> {
        let session = self.open()?;
        match session.world.graph.find(id) {
            Some(found) => Ok((session, found)),
            None => Err(unknown_image(id, &session)),
        }
    }
}
