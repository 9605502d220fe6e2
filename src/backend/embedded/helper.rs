//! Programs that a step is lent from an image of their own, such as micromamba. Only the layers that have them are fetched.

use std::io;
use std::path::{Path, PathBuf};

use super::base::{Part, Source};
use super::common::{failed, mode};
use super::contents::Layers;
use super::trees::{self, Owners};
use crate::backend::BuildError;
use crate::backend::oci::layer::NodeKind;
use crate::backend::oci::tree::Tree;
use crate::backend::sandbox::Mount;
use crate::disk::cache;

/// Files of an image, and where a program finds them.
pub(super) struct Helper<'a> {
    /// The image's reference.
    pub(super) image: &'a str,
    /// The digest that it is locked to.
    pub(super) pinned: Option<&'a str>,
    pub(super) platform: &'a str,
    /// Absolute paths in the image, and where they appear.
    pub(super) files: &'a [(&'a str, &'a str)],
}

impl Helper<'_> {
    /// What tells it from others. What a tag points to does not: a layer that was made with it is not made again when it moves.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.image, self.pinned.unwrap_or_default())
    }

    /// The files as they are lent.
    pub(super) fn mounts(&self, source: &Source<'_>) -> Result<Vec<Mount>, BuildError> {
        let told = |error: BuildError| {
            error.reworded(|why| format!("the helper image `{}`: {why}", self.image))
        };
        self.found(source).map_err(told)
    }

    fn found(&self, source: &Source<'_>) -> Result<Vec<Mount>, BuildError> {
        let has_all = |tree: &Tree| self.files.iter().all(|(path, _)| is_certain(tree, path));
        let image = source.upper(self.image, self.pinned, self.platform, &has_all)?;
        let layers = Layers::new(&image, source)?;
        let each = self.files.iter().map(|(path, target)| {
            let missing = |why: String| failed(format!("it has no file `{path}`: {why}"));
            let real = image.tree.resolve(path);
            let real = real.map_err(|why| missing(why.to_string()))?;
            let place = layers.place(&real).map_err(missing)?;
            Ok(Mount::ReadOnly {
                source: unpacked(layers.part(&place), &place.path, source)?,
                target: (*target).to_owned(),
            })
        });
        each.collect()
    }
}

/// The path of a file in the directory of its layer.
fn unpacked(part: &Part, path: &str, source: &Source<'_>) -> Result<PathBuf, BuildError> {
    let tree = trees::tree(part, Owners::of(mode()?), source)?;
    let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
    let is_there = || {
        let dir = cache::below(&tree).open()?;
        let dir = dir.map_or(Ok(None), |dir| dir.lent()?.open_all(Path::new(above)))?;
        dir.map_or(Ok(None), |dir| dir.file(name))
    };
    // No link of the layer leads to a file of this machine.
    let found: io::Result<Option<_>> = is_there();
    match found.map_err(failed)? {
        Some(_) => Ok(tree.join(path)),
        None => Err(failed(format!("its layer lost `/{path}`"))),
    }
}

/// Whether a path is this file whatever the layers below these have.
fn is_certain(tree: &Tree, path: &str) -> bool {
    let path = path.trim_start_matches('/');
    let mut above = path.match_indices('/').map(|(at, _)| &path[..at]);
    let node = tree.get(path).map(|node| &node.kind);
    above.all(|folder| tree.is_folder(folder))
        && matches!(node, Some(NodeKind::File(_) | NodeKind::HardLink(_)))
}
