//! Which images are asked for: words, and the directory that counts where no word says which.

use std::collections::BTreeSet;

use super::{Refusal, Session};
use crate::graph::{ImageId, UnknownSelection};
use crate::spec::WorkspacePath;

/// Images that are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Ids, globs, `base...`, `...train`, `!x`. None, or only words that remove, start from all images of `below`.
    pub words: Vec<String>,
    /// The directory whose images, and those of all below it, are meant without words.
    pub below: WorkspacePath,
}

impl Selection {
    /// What these words select in the whole workspace.
    pub fn of(words: &[String]) -> Self {
        Self {
            words: words.to_vec(),
            below: WorkspacePath::ROOT,
        }
    }

    /// Whether the directory counts.
    pub fn is_of_directory(&self) -> bool {
        self.words.iter().all(|word| word.starts_with('!'))
    }
}

impl Session {
    /// The images that a selection names; a word that names none is refused with the id that was probably meant.
    pub fn select(&self, selection: &Selection) -> Result<BTreeSet<ImageId>, Refusal> {
        let start = self.below(&selection.below);
        let chosen = self.world.graph.select(start, &selection.words);
        chosen.map_err(|unknown| {
            unselectable(unknown, "`imgspec graph show` lists the images".to_owned())
        })
    }

    /// The images that are declared in a directory or below it.
    fn below(&self, folder: &WorkspacePath) -> BTreeSet<ImageId> {
        let images = &self.world.workspace.images;
        let ids = self.world.graph.ids();
        ids.filter(|id| images[id.index()].folder.is_at_or_below(folder))
            .collect()
    }

    /// The directory, or the nearest one above it, that has images in it or below.
    pub fn nearest_with_images(&self, folder: &WorkspacePath) -> WorkspacePath {
        let mut folder = folder.clone();
        while folder != WorkspacePath::ROOT && self.below(&folder).is_empty() {
            folder = folder.parent();
        }
        folder
    }
}

/// The refusal of words that name no image; without an id that was probably meant it says `otherwise`.
pub(crate) fn unselectable(unknown: Vec<UnknownSelection>, otherwise: String) -> Refusal {
    let message = unknown
        .iter()
        .map(UnknownSelection::to_string)
        .collect::<Vec<_>>()
        .join("; ");
    let meant: Vec<String> = unknown
        .into_iter()
        .filter_map(|word| word.suggestion)
        .map(|id| format!("did you mean `{id}`?"))
        .collect();
    let help = if meant.is_empty() {
        otherwise
    } else {
        meant.join(" ")
    };
    Refusal::usage(message, help)
}
