//! Removes what no image needs any more, or what has not been used for the longest time, unless a run is using the store.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use super::base::LayerNote;
use super::common::{ImageNote, LARGEST, MADE};
use crate::backend::oci::manifest::Manifest;
use crate::backend::oci::name::Digest;
use crate::backend::oci::origin::Origin;
use crate::backend::oci::store::{CacheUsage, StoreError, Sweep, TreeUsage, Usage};
use crate::backend::{CleanUp, Cleaned};
use crate::disk::dir::Rooted;

/// What was last used longer ago than this is forgotten unless another time is asked for; making it again is cheap.
const KEPT: Duration = Duration::from_hours(90 * 24);

/// Cleans the store in this directory; `None` if it is in use.
pub(super) fn clean(place: &Rooted, wish: &CleanUp) -> Result<Option<Cleaned>, StoreError> {
    let Some(sweep) = Sweep::begin(place)? else {
        return Ok(None);
    };
    let mut plan = Plan::new(&sweep)?;
    let longest = wish.older_than.unwrap_or(KEPT);
    let is_old = |used: SystemTime| used.elapsed().is_ok_and(|age| age > longest);
    let images = std::mem::take(&mut plan.images);
    let (old, kept): (Vec<Image>, Vec<Image>) =
        images.into_iter().partition(|image| is_old(image.used));
    for image in &old {
        plan.drop_image(image);
    }
    for (digest, used) in plan.loose() {
        if is_old(used) {
            plan.drop_blob(digest);
        }
    }
    plan.drop_trees(|tree| !tree.is_whole || is_old(tree.used));
    plan.drop_caches(|cache| is_old(cache.used));
    if let Some(most) = wish.max_size {
        plan.shrink(most, kept);
    }
    plan.stray_notes(is_old)?;
    plan.stray_trees();
    let cleaned = plan.cleaned();
    if !wish.dry_run {
        plan.carry_out()?;
    }
    Ok(Some(cleaned))
}

/// An image that was built, by the name of its note.
struct Image {
    used: SystemTime,
    note: String,
    parts: BTreeSet<Digest>,
}

/// What is in the store, and what of it is to go.
struct Plan<'a> {
    sweep: &'a Sweep,
    images: Vec<Image>,
    blobs: BTreeMap<Digest, Usage>,
    notes: BTreeMap<String, Usage>,
    /// How many of the images that stay need a blob.
    needed: BTreeMap<Digest, usize>,
    gone: BTreeSet<Digest>,
    gone_notes: BTreeSet<String>,
    /// Unpacked layers, which are made again from what stays.
    trees: Vec<TreeUsage>,
    gone_trees: Vec<TreeUsage>,
    /// Programs that help, and what programs keep for their next runs; no image needs it.
    caches: Vec<CacheUsage>,
    gone_caches: Vec<CacheUsage>,
    dropped: usize,
}

/// What may go by its last use.
enum Loose {
    Image(Image),
    Blob(Digest),
    Tree(TreeUsage),
    Cache(CacheUsage),
}

impl<'a> Plan<'a> {
    fn new(sweep: &'a Sweep) -> Result<Self, StoreError> {
        let mut plan = Self {
            sweep,
            images: Vec::new(),
            gone: BTreeSet::new(),
            blobs: sweep.blobs()?,
            notes: sweep.notes()?,
            needed: BTreeMap::new(),
            gone_notes: BTreeSet::new(),
            trees: sweep.trees()?,
            gone_trees: Vec::new(),
            caches: sweep.caches()?,
            gone_caches: Vec::new(),
            dropped: 0,
        };
        let damaged = plan.blobs.iter().filter(|(_, blob)| blob.is_damaged);
        plan.gone = damaged.map(|(digest, _)| *digest).collect();
        for (name, usage) in &plan.notes {
            if !name.starts_with(ImageNote::START) {
                continue;
            }
            let note = sweep.note(name)?;
            let note = note.and_then(|note| serde_json::from_slice::<ImageNote>(&note).ok());
            let Some(digest) = note.and_then(|note| Digest::read(&note.digest)) else {
                plan.gone_notes.insert(name.clone());
                continue;
            };
            let mut parts = BTreeSet::new();
            need(sweep, digest, &mut parts);
            for part in &parts {
                *plan.needed.entry(*part).or_default() += 1;
            }
            plan.images.push(Image {
                used: usage.used,
                note: name.clone(),
                parts,
            });
        }
        Ok(plan)
    }

    /// The blobs that no image needs, with their last use.
    fn loose(&self) -> Vec<(Digest, SystemTime)> {
        let all = self.blobs.iter();
        let loose = all
            .filter(|(digest, _)| !self.needed.contains_key(digest) && !self.gone.contains(digest));
        loose.map(|(digest, blob)| (*digest, blob.used)).collect()
    }

    /// Forgets an image, and the blobs that no other needs; returns how many bytes that frees.
    fn drop_image(&mut self, image: &Image) -> u64 {
        let mut freed = self.notes.get(&image.note).map_or(0, |note| note.size);
        self.gone_notes.insert(image.note.clone());
        self.dropped += 1;
        for part in &image.parts {
            let count = self.needed.entry(*part).or_default();
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.needed.remove(part);
                freed += self.drop_blob(*part);
            }
        }
        freed
    }

    /// Returns how many bytes that frees.
    fn drop_blob(&mut self, digest: Digest) -> u64 {
        let is_new = self.gone.insert(digest);
        let blob = self.blobs.get(&digest).filter(|_| is_new);
        blob.map_or(0, |blob| blob.size)
    }

    /// Removes these unpacked layers; returns how many bytes that frees.
    fn drop_trees(&mut self, is_gone: impl Fn(&TreeUsage) -> bool) -> u64 {
        let trees = std::mem::take(&mut self.trees).into_iter();
        let (gone, kept): (Vec<TreeUsage>, _) = trees.partition(is_gone);
        self.trees = kept;
        let freed = gone.iter().map(|tree| tree.size).sum();
        self.gone_trees.extend(gone);
        freed
    }

    /// Removes these caches; returns how many bytes that frees.
    fn drop_caches(&mut self, is_gone: impl Fn(&CacheUsage) -> bool) -> u64 {
        let caches = std::mem::take(&mut self.caches).into_iter();
        let (gone, kept): (Vec<CacheUsage>, _) = caches.partition(is_gone);
        self.caches = kept;
        let freed = gone.iter().map(|cache| cache.size).sum();
        self.gone_caches.extend(gone);
        freed
    }

    /// Finds the unpacked layers that no image can have any more.
    fn stray_trees(&mut self) {
        let stray = self.trees.iter().map(|tree| tree.layer);
        let stray: BTreeSet<Digest> = stray
            .filter(|layer| {
                let note = LayerNote::name(*layer);
                let is_known = self.notes.contains_key(&note) && !self.gone_notes.contains(&note);
                !is_known
            })
            .collect();
        self.drop_trees(|tree| stray.contains(&tree.layer));
    }

    /// The size of what stays, in bytes.
    fn size(&self) -> u64 {
        let blobs = self.blobs.iter();
        let blobs = blobs.filter(|(digest, _)| !self.gone.contains(digest));
        let notes = self.notes.iter();
        let notes = notes.filter(|(name, _)| !self.gone_notes.contains(*name));
        blobs.map(|(_, blob)| blob.size).sum::<u64>()
            + notes.map(|(_, note)| note.size).sum::<u64>()
            + self.trees.iter().map(|tree| tree.size).sum::<u64>()
            + self.caches.iter().map(|cache| cache.size).sum::<u64>()
    }

    /// Removes what has not been used for the longest time until no more than this is left.
    fn shrink(&mut self, most: u64, images: Vec<Image>) {
        let loose = self.loose().into_iter();
        let loose = loose.map(|(digest, used)| (used, Loose::Blob(digest)));
        let images = images.into_iter();
        let images = images.map(|image| (image.used, Loose::Image(image)));
        let trees = self.trees.clone().into_iter();
        let trees = trees.map(|tree| (tree.used, Loose::Tree(tree)));
        let caches = self.caches.clone().into_iter();
        let caches = caches.map(|cache| (cache.used, Loose::Cache(cache)));
        let mut all: Vec<(SystemTime, Loose)> =
            loose.chain(images).chain(trees).chain(caches).collect();
        all.sort_by_key(|(used, _)| *used);
        let mut size = self.size();
        for (_, one) in all {
            if size <= most {
                return;
            }
            size -= match one {
                Loose::Image(image) => self.drop_image(&image),
                Loose::Blob(digest) => self.drop_blob(digest),
                Loose::Tree(gone) => {
                    self.drop_trees(|tree| (&tree.kind, tree.layer) == (&gone.kind, gone.layer))
                }
                Loose::Cache(gone) => self.drop_caches(|cache| *cache == gone),
            };
        }
    }

    /// Finds the notes that describe nothing any more.
    fn stray_notes(&mut self, is_old: impl Fn(SystemTime) -> bool) -> Result<(), StoreError> {
        let mut stray = Vec::new();
        for (name, note) in &self.notes {
            let layer = name.strip_prefix(LayerNote::START);
            let layer = layer.or(name.strip_prefix(Origin::START));
            let is_kept = if let Some(hex) = layer {
                // What is in a layer is worth knowing as long as it can be fetched.
                let can_come = self.notes.contains_key(&format!("{}{hex}", Origin::START));
                let digest = Digest::read(&format!("sha256:{hex}"));
                digest.is_some_and(|digest| self.stays(digest)) || (can_come && !is_old(note.used))
            } else if name.starts_with(MADE) {
                let text = self.sweep.note(name)?;
                let text = text.and_then(|text| String::from_utf8(text).ok());
                let digest = text.and_then(|text| Digest::read(&text));
                digest.is_some_and(|digest| self.stays(digest))
            } else {
                name.starts_with(ImageNote::START) || !is_old(note.used)
            };
            if !is_kept {
                stray.push(name.clone());
            }
        }
        self.gone_notes.extend(stray);
        Ok(())
    }

    /// Whether a blob stays, or is needed by an image that stays.
    fn stays(&self, digest: Digest) -> bool {
        let is_there = self.blobs.contains_key(&digest) && !self.gone.contains(&digest);
        is_there || self.needed.contains_key(&digest)
    }

    fn cleaned(&self) -> Cleaned {
        let blobs = self.gone.iter().filter_map(|digest| self.blobs.get(digest));
        let blobs: Vec<&Usage> = blobs.collect();
        let notes = self.gone_notes.iter();
        let notes = notes.filter_map(|name| self.notes.get(name));
        Cleaned {
            names: 0,
            images: self.dropped,
            blobs: blobs.len(),
            bytes: blobs.iter().map(|blob| blob.size).sum::<u64>()
                + notes.map(|note| note.size).sum::<u64>()
                + self.gone_trees.iter().map(|tree| tree.size).sum::<u64>()
                + self.gone_caches.iter().map(|cache| cache.size).sum::<u64>(),
            is_busy: false,
        }
    }

    /// Names go before what they name, so that nothing incomplete is found when this is interrupted.
    fn carry_out(&self) -> Result<(), StoreError> {
        for name in &self.gone_notes {
            self.sweep.remove_note(name)?;
        }
        for digest in &self.gone {
            self.sweep.remove_blob(*digest)?;
        }
        for tree in &self.gone_trees {
            self.sweep.remove_tree(tree)?;
        }
        for cache in &self.gone_caches {
            self.sweep.remove_cache(cache)?;
        }
        Ok(())
    }
}

/// Marks everything that an image consists of.
fn need(sweep: &Sweep, digest: Digest, needed: &mut BTreeSet<Digest>) {
    if !needed.insert(digest) {
        return;
    }
    let manifest = sweep.read(digest, LARGEST);
    if let Some(manifest) = manifest.and_then(|bytes| Manifest::read(&bytes, None).ok()) {
        needed.extend(manifest.blobs.iter().map(|blob| blob.digest));
        for one in &manifest.manifests {
            need(sweep, one.digest, needed);
        }
    }
}
