//! Resolves which images are requested: from arguments or, without any, from the current directory.

use std::collections::BTreeSet;

use super::selection::{Selection, Start};
use super::{Refusal, Session};
use crate::graph::{DEFAULT_GROUP, ImageId, UnknownSelection};
use crate::spec::WorkspacePath;

impl Session {
    /// The images that a selection names. An argument that names none is an error that suggests the closest id.
    pub fn select(&self, selection: &Selection) -> Result<BTreeSet<ImageId>, Refusal> {
        let start = match self.start(selection) {
            Start::All => self.world.graph.ids().collect(),
            Start::Group => self.world.graph.groups()[DEFAULT_GROUP].clone(),
            Start::Folder(folder) => self.world.graph.below(&folder),
        };
        let chosen = self.world.graph.select(start, &selection.words);
        chosen.map_err(|unknown| {
            unselectable(
                unknown,
                "`imgspec graph show '*'` lists the images".to_owned(),
            )
        })
    }

    /// What the selection starts from if no argument adds images.
    pub fn start(&self, selection: &Selection) -> Start {
        let has_default = self.world.graph.groups().contains_key(DEFAULT_GROUP);
        match self.folder(selection) {
            folder if folder != WorkspacePath::ROOT => Start::Folder(folder),
            _ if has_default => Start::Group,
            _ => Start::All,
        }
    }

    /// The same selection, which stays with the directory that it has now.
    pub(crate) fn staying(&self, selection: &Selection) -> Selection {
        Selection {
            below: self.folder(selection),
            stays: true,
            ..selection.clone()
        }
    }

    /// The directory of the default selection.
    fn folder(&self, selection: &Selection) -> WorkspacePath {
        let mut folder = selection.below.clone();
        let has_none = |folder: &WorkspacePath| self.world.graph.below(folder).is_empty();
        while !selection.stays && folder != WorkspacePath::ROOT && has_none(&folder) {
            folder = folder.parent();
        }
        folder
    }
}

/// The error for arguments that name no image. Its help suggests close ids or, if there are none, is `otherwise`.
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
