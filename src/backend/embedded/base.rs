//! The image that a build starts from: fetched from a registry, built before, or nothing.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::common::{LARGEST, at_once, failed, passing, stored};
use super::config::Config;
use super::sealed;
use crate::asking::Asker;
use crate::backend::oci::layer::{self, Contents, Index, Node, NodeKind};
use crate::backend::oci::manifest::{CONFIG, Descriptor, MANIFEST, Manifest};
use crate::backend::oci::name::Digest;
use crate::backend::oci::origin::{Origin, Supply};
use crate::backend::oci::reference::Reference;
use crate::backend::oci::registry::{Access, Pull, TransferError};
use crate::backend::oci::store::{Blob, Cache, Store, StoreError, Turn};
use crate::backend::oci::tree::Tree;
use crate::backend::platform::Platform;
use crate::backend::{BuildError, Notes};
use crate::cancel::Cancel;

/// OCI's type of a layer compressed with gzip.
pub(super) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A layer of an image, in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) media_type: String,
    pub(super) digest: Digest,
    pub(super) size: u64,
}

impl Part {
    /// How a manifest describes it.
    pub(super) fn described(&self) -> Descriptor {
        Descriptor {
            media_type: self.media_type.clone(),
            digest: self.digest,
            size: Some(self.size),
            urls: Vec::new(),
            platform: None,
        }
    }
}

/// An image for one platform, as far as it is known.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) config: Config,
    pub(super) parts: Vec<Part>,
    pub(super) tree: Tree,
    /// The layers whose files steps see, each once, the lowest first: they are not empty, and no higher one hides all of them.
    pub(super) seen: Vec<Part>,
}

impl Image {
    /// Without layers yet.
    pub(super) fn bare(config: Config) -> Self {
        Self {
            config,
            parts: Vec::new(),
            tree: Tree::default(),
            seen: Vec::new(),
        }
    }

    /// Puts a layer on top.
    pub(super) fn push(&mut self, part: Part, index: &Index) {
        self.tree.apply(index);
        if !index.nodes.is_empty() {
            let hides_all = |node: &Node| node.path.is_empty() && node.kind == NodeKind::Opaque;
            if index.nodes.iter().any(hides_all) {
                self.seen.clear();
            }
            // Of several equal layers the highest hides the others.
            self.seen.retain(|other| other.digest != part.digest);
            self.seen.push(part.clone());
        }
        self.parts.push(part);
    }

    /// The image, if it is for this platform.
    pub(super) fn only_for(self, platform: &str, name: &str) -> Result<Self, BuildError> {
        let is = self.config.platform();
        if is.is(platform) {
            return Ok(self);
        }
        let why = format!("`{name}` is for {is}, not for {platform}");
        Err(BuildError::Failed(why))
    }
}

/// What is in a layer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LayerNote {
    /// How notes are written, and which texts the index keeps.
    format: u32,
    pub(super) diff_id: String,
    /// The size of the tar in bytes.
    pub(super) size: u64,
    pub(super) index: Index,
}

impl LayerNote {
    /// How the names of these notes begin; the layer's digest follows.
    pub(super) const START: &str = "layer-";

    /// Raised when notes change; older ones are made again.
    const FORMAT: u32 = 3;

    pub(super) fn new(contents: Contents) -> Self {
        Self {
            format: Self::FORMAT,
            diff_id: contents.diff_id.to_string(),
            size: contents.size,
            index: contents.index,
        }
    }

    pub(super) fn name(layer: Digest) -> String {
        format!("{}{}", Self::START, layer.hex())
    }

    pub(super) fn read(store: &Store, layer: Digest) -> Result<Option<Self>, BuildError> {
        let note = store.note(&Self::name(layer)).map_err(failed)?;
        // A damaged note is made again.
        let note: Option<Self> = note.and_then(|note| sealed::open(&note));
        Ok(note.filter(|note| note.format == Self::FORMAT))
    }

    pub(super) fn keep(&self, store: &Store, layer: Digest) -> Result<(), BuildError> {
        let note = sealed::seal(self);
        store.keep_note(&Self::name(layer), &note).map_err(failed)
    }
}

/// Where images come from.
pub(super) struct Source<'a> {
    pub(super) store: &'a Store,
    pub(super) access: &'a Access,
    pub(super) cancel: &'a Cancel,
    pub(super) notes: &'a dyn Notes,
}

impl Source<'_> {
    /// An empty image.
    pub(super) fn scratch(platform: &str) -> Image {
        Image::bare(Config::scratch(&Platform::read(platform)))
    }

    /// An image of a registry; `pinned` is the digest it is locked to.
    pub(super) fn registry(
        &self,
        reference: &str,
        pinned: Option<&str>,
        platform: &str,
    ) -> Result<Image, BuildError> {
        let manifest = self.described(reference, pinned, platform)?;
        self.image(&manifest)?.only_for(platform, reference)
    }

    /// The uppermost layers of such an image: only those that are needed to have enough.
    pub(super) fn upper(
        &self,
        reference: &str,
        pinned: Option<&str>,
        platform: &str,
        is_enough: &dyn Fn(&Tree) -> bool,
    ) -> Result<Image, BuildError> {
        let manifest = self.described(reference, pinned, platform)?;
        let (config, layers) = self.layers(&manifest)?;
        let mut indexes = Vec::new();
        for from in (0..layers.len()).rev() {
            let (blob, diff_id) = layers[from];
            indexes.insert(0, self.index(blob, diff_id)?);
            let image = stacked(config.clone(), &layers[from..], &indexes);
            if from == 0 || is_enough(&image.tree) {
                return image.only_for(platform, reference);
            }
        }
        stacked(config, &[], &[]).only_for(platform, reference)
    }

    /// The manifest of an image of a registry, whose config is then in the store.
    fn described(
        &self,
        reference: &str,
        pinned: Option<&str>,
        platform: &str,
    ) -> Result<Manifest, BuildError> {
        let of = Reference::read(reference)
            .ok_or_else(|| BuildError::Failed(format!("`{reference}` is not a reference")))?;
        let name = pinned.or(of.digest.as_deref()).unwrap_or(&of.tag);
        let gone = |error| told(error, reference);
        let is_pinned = name != of.tag;
        let from = Pull::new(&of, is_pinned, self.access, self.cancel).map_err(gone)?;
        let mut manifest = self.pulled(name, &from, reference)?;
        if manifest.blobs.is_empty() {
            let one = of_platform(&manifest, platform, reference)?;
            manifest = self.pulled(&one.to_string(), &from, reference)?;
        }
        if let [config, layers @ ..] = manifest.blobs.as_slice() {
            self.supply().fetch(config, &from).map_err(gone)?;
            Origin::keep(self.store, layers, &of).map_err(failed)?;
        }
        Ok(manifest)
    }

    /// The cache of this name for a program; `None` if cancelled. A long wait is reported.
    pub(super) fn cache(&self, name: &str, whose: &str) -> Result<Option<Cache>, StoreError> {
        let words = format!("waiting for another run that uses {whose}");
        let mut waiting = self.supply().asker.waiting(&words);
        self.store.cache(name, &mut waiting)
    }

    /// Waits for the turn to make what has this name, as [`Supply::turn`] does.
    pub(super) fn turn(&self, name: &str, whom: &str) -> Result<Option<Turn>, StoreError> {
        self.supply().turn(name, whom)
    }

    /// The store, and how it gets what it lacks.
    pub(super) fn supply(&self) -> Supply<'_> {
        Supply {
            store: self.store,
            access: self.access,
            asker: Asker::build(self.notes, self.cancel),
        }
    }

    /// An image that was built before, by the digest of its manifest or index.
    pub(super) fn built(&self, digest: Digest, platform: &str) -> Result<Image, BuildError> {
        let mut manifest = self.manifest(digest)?;
        if manifest.blobs.is_empty() {
            let one = of_platform(&manifest, platform, &digest.to_string())?;
            manifest = self.manifest(one)?;
        }
        self.image(&manifest)
    }

    /// Stores the config and the manifest of an image with these layers and annotations; returns the manifest.
    pub(super) fn put_manifest(
        &self,
        config: &[u8],
        parts: &[Part],
        annotations: Value,
    ) -> Result<Blob, BuildError> {
        let digest = Digest::of(config).to_string();
        let layers = parts.iter().map(|part| {
            json!({ "mediaType": part.media_type, "digest": part.digest.to_string(), "size": part.size })
        });
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": { "mediaType": CONFIG, "digest": digest, "size": config.len() },
            "layers": layers.collect::<Vec<_>>(),
        });
        if !annotations.is_null() {
            manifest["annotations"] = annotations;
        }
        let bytes = serde_json::to_vec(&manifest).expect("JSON is JSON");
        // Both wait for the disk, so they wait together.
        let put = |bytes: &&[u8]| self.store.put(*bytes, None);
        let stored = at_once(&[config, bytes.as_slice()], put).map_err(failed)?;
        stored
            .last()
            .copied()
            .ok_or_else(|| failed("nothing was stored"))
    }

    fn manifest(&self, digest: Digest) -> Result<Manifest, BuildError> {
        read(&self.store.read_whole(digest, LARGEST).map_err(stored)?)
    }

    /// A manifest or an index of a registry, by tag or digest. One with a digest that was pulled before is in the store.
    pub(super) fn pulled(
        &self,
        name: &str,
        from: &Pull<'_>,
        of: &str,
    ) -> Result<Manifest, BuildError> {
        let known = Digest::read(name).map(|digest| self.store.read_whole(digest, LARGEST));
        if let Some(Ok(bytes)) = known {
            return read(&bytes);
        }
        let (digest, bytes) = from.manifest(name).map_err(|error| told(error, of))?;
        let kept = self.store.put(bytes.as_slice(), Some(digest));
        kept.map_err(failed)?;
        read(&bytes)
    }

    /// Puts the layers of an image on each other. Layers are fetched only if it is not known what is in them.
    fn image(&self, manifest: &Manifest) -> Result<Image, BuildError> {
        let (config, layers) = self.layers(manifest)?;
        let indexes = at_once(&layers, |(blob, diff_id)| self.index(blob, *diff_id))?;
        Ok(stacked(config, &layers, &indexes))
    }

    /// The config of an image, and its layers with the digests of their tars.
    fn layers<'m>(
        &self,
        manifest: &'m Manifest,
    ) -> Result<(Config, Vec<Described<'m>>), BuildError> {
        let mut blobs = manifest.blobs.iter();
        let config = blobs
            .next()
            .ok_or_else(|| BuildError::Failed("it has no config".to_owned()))?;
        let config = self
            .store
            .read_whole(config.digest, LARGEST)
            .map_err(stored)?;
        let config = Config::read(&config)
            .map_err(|error| BuildError::Failed(format!("its config cannot be read: {error}")))?;
        let diff_ids = config.diff_ids().unwrap_or_default();
        if diff_ids.len() != manifest.blobs.len() - 1 {
            let why = "its config and its manifest have different numbers of layers";
            return Err(BuildError::Failed(why.to_owned()));
        }
        Ok((config, blobs.zip(diff_ids).collect()))
    }

    fn index(&self, blob: &Descriptor, diff_id: Digest) -> Result<Index, BuildError> {
        let (layer, blob) = (blob, blob.digest);
        if let Some(note) = LayerNote::read(self.store, blob)?
            && note.diff_id == diff_id.to_string()
        {
            return Ok(note.index);
        }
        self.supply()
            .obtain(layer)
            .map_err(|error| told(error, &format!("layer {blob}")))?;
        let (file, _) = self.store.send(blob).map_err(stored)?;
        let read = layer::read(file, &|| self.cancel.is_requested());
        let contents = read.map_err(|error| match error {
            layer::LayerError::Cancelled => BuildError::Cancelled,
            // It was damaged, and is gone.
            error if self.store.size(blob).is_ok_and(|size| size.is_none()) => {
                passing(format!("layer `{blob}`: {error}"))
            }
            error => BuildError::Failed(format!("layer `{blob}`: {error}")),
        })?;
        let found = contents.diff_id;
        if found != diff_id {
            let why = format!(
                "layer `{blob}` is not what its image says: `{found}` instead of `{diff_id}`"
            );
            return Err(BuildError::Failed(why));
        }
        let note = LayerNote::new(contents);
        note.keep(self.store, blob)?;
        Ok(note.index)
    }
}

/// A layer, and the digest of its tar.
type Described<'m> = (&'m Descriptor, Digest);

/// The image of these layers, whose lists are known.
fn stacked(config: Config, layers: &[Described<'_>], indexes: &[Index]) -> Image {
    let mut image = Image::bare(config);
    for ((blob, _), index) in layers.iter().zip(indexes) {
        let part = Part {
            media_type: oci_type(&blob.media_type),
            digest: blob.digest,
            size: blob.size.unwrap_or_default(),
        };
        image.push(part, index);
    }
    image
}

/// OCI's name for a type of layers; Docker's own names mean the same bytes.
fn oci_type(media_type: &str) -> String {
    match media_type {
        "application/vnd.docker.image.rootfs.diff.tar.gzip" => LAYER,
        "application/vnd.docker.image.rootfs.diff.tar" => "application/vnd.oci.image.layer.v1.tar",
        other => other,
    }
    .to_owned()
}

pub(super) fn read(bytes: &[u8]) -> Result<Manifest, BuildError> {
    Manifest::read(bytes, None)
        .map_err(|error| BuildError::Failed(format!("its manifest is unusable: {error}")))
}

pub(super) fn of_platform(
    index: &Manifest,
    platform: &str,
    name: &str,
) -> Result<Digest, BuildError> {
    let images = index.manifests.iter().filter(|one| one.is_image());
    let images: Vec<&Descriptor> = images.collect();
    let is_it = |one: &&&Descriptor| {
        let own = one.platform.as_ref();
        own.is_none_or(|own| own.is(platform))
    };
    images
        .iter()
        .find(is_it)
        .map(|one| one.digest)
        .ok_or_else(|| {
            let there = images.iter().filter_map(|one| one.platform.as_ref());
            let there: Vec<String> = there.map(ToString::to_string).collect();
            let there = there.join(", ");
            BuildError::Failed(format!(
                "`{name}` is not available for {platform}, only for {there}"
            ))
        })
}

/// A failed transfer of an image in words.
pub(super) fn told(error: TransferError, reference: &str) -> BuildError {
    error.of_image(reference)
}

#[cfg(test)]
mod tests;
