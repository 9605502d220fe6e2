//! Walks the directories of a file set and applies ignore rules. Each directory is listed once and each file is stat'ed once.
//!
//! Symlinks are not followed, so there are no loops. An excluded directory is included if something in it is, as in a
//! builder's context. The walk does not recurse, so directories of any depth do not overflow the stack.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::error::{FilesError, Mention};
use super::found::{Found, Item, Kind, Place, join};
use super::mark::Mark;
use super::trail;
use crate::disk::read::{Links, Listing, Root};
use crate::disk::{self, FileKind};
use crate::fingerprint::ignore::{Rules, Verdict};
use crate::recipe::Own;
use crate::workspace::STATE_FOLDER;

/// Which threads walk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hands {
    /// The threads of the caller's pool.
    Pool,
    /// Only the caller, which must not pick up other work of its pool meanwhile.
    Caller,
}

/// A directory yet to be read.
struct Ahead {
    /// Relative to the workspace root.
    place: String,
    /// Relative to the set's directory; ends in `/` unless empty.
    within: String,
    verdict: Option<Arc<Verdict>>,
    /// Whether it is excluded by default.
    is_own: bool,
}

pub(super) struct Walk<'a> {
    pub(super) root: &'a Root,
    pub(super) rules: Rules,
    /// The directory that the rules apply to, relative to the workspace root.
    pub(super) home: &'a str,
    /// The file with the rules, relative to the workspace root.
    pub(super) file: String,
    pub(super) own: &'a Own,
    pub(super) hands: Hands,
}

/// The content of one directory.
#[derive(Default)]
struct Inside {
    items: Vec<Item>,
    ahead: Vec<Ahead>,
}

impl Walk<'_> {
    pub(super) fn folder(&self, place: &str) -> Result<Found, FilesError> {
        let verdict = self
            .below_home(place)
            .and_then(|path| self.rules.judge_whole(path));
        let mut items = Vec::new();
        // One level at a time, so that its directories can be listed in parallel.
        let mut level = vec![Ahead {
            place: place.to_owned(),
            within: String::new(),
            verdict: verdict.map(Arc::new),
            // What a manifest names is included.
            is_own: false,
        }];
        while !level.is_empty() {
            let listed: Vec<Result<Inside, FilesError>> = match self.hands {
                Hands::Pool => level.par_iter().map(|next| self.directory(next)).collect(),
                Hands::Caller => level.iter().map(|next| self.directory(next)).collect(),
            };
            let mut below = Vec::new();
            for (next, inside) in level.iter().zip(listed) {
                trail::listed(&self.root.at(&next.place));
                let inside = inside?;
                items.extend(inside.items);
                below.extend(inside.ahead);
            }
            level = below;
        }
        items.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        items.dedup_by(|a, b| a.path == b.path);
        Ok(Found {
            folder: self.root.at(place),
            single: false,
            items,
        })
    }

    /// Lists one directory, on any thread, so it does not record the trail.
    fn directory(&self, next: &Ahead) -> Result<Inside, FilesError> {
        let hidden = next.is_own || is_excluded(next.verdict.as_deref());
        let mut inside = Inside::default();
        let listing = match self.root.listing(Path::new(&next.place), Links::Refuse) {
            // Excluded directories need not be readable.
            Err(refusal) if hidden && refusal.is_denied() => return Ok(inside),
            listing => listing.map_err(|refusal| FilesError::found(&next.place, refusal))?,
        };
        let mut count = 0;
        inside.items.reserve(listing.entries.len());
        for entry in &listing.entries {
            count += usize::from(self.entry(&listing, entry, next, &mut inside)?);
        }
        if hidden && count > 0 {
            inside.items.extend(ancestors(&next.within));
        }
        Ok(inside)
    }

    /// Processes an entry of a directory. Returns whether it is in the set.
    fn entry(
        &self,
        listing: &Listing,
        entry: &disk::Entry,
        folder: &Ahead,
        inside: &mut Inside,
    ) -> Result<bool, FilesError> {
        let lossy = entry.name.to_string_lossy();
        let place = join(&folder.place, &lossy);
        if place == STATE_FOLDER {
            return Ok(false);
        }
        let verdict = self
            .below_home(&place)
            .map(|path| self.rules.judge(path, folder.verdict.as_deref()));
        let is_own = (folder.is_own || self.own.has(&place)) && !self.is_asked_for(&place);
        let excluded = is_own || is_excluded(verdict.as_ref());
        let is_folder = entry.kind == FileKind::Directory;
        if excluded && !(is_folder && self.may_hold_more(&place)) {
            return Ok(false);
        }
        if entry.name.to_str().is_none() {
            return Err(FilesError::Name { path: place });
        }
        let path = [folder.within.as_str(), &lossy].concat();
        if is_folder {
            inside.ahead.push(Ahead {
                within: format!("{path}/"),
                place,
                verdict: verdict.map(Arc::new),
                is_own,
            });
            if !excluded {
                inside.items.push(Item {
                    path,
                    kind: Kind::Folder,
                });
            }
            return Ok(!excluded);
        }
        let kind = self.leaf(listing, entry, place)?;
        inside.items.push(Item { path, kind });
        Ok(true)
    }

    fn leaf(
        &self,
        listing: &Listing,
        entry: &disk::Entry,
        place: String,
    ) -> Result<Kind, FilesError> {
        match entry.kind {
            FileKind::File => Ok(Kind::File(Place {
                mark: listing.stat(&entry.name).as_ref().map(Mark::from),
                path: PathBuf::from(place),
            })),
            FileKind::Link => {
                let target = self.root.link(Path::new(&place));
                let target = target.map_err(|refusal| FilesError::found(&place, refusal))?;
                let target = target.into_os_string().into_string();
                target
                    .map(Kind::Link)
                    .map_err(|_| FilesError::Name { path: place })
            }
            kind => Err(FilesError::special(place, kind)),
        }
    }

    /// Whether an excluded directory may contain something that is included.
    fn may_hold_more(&self, place: &str) -> bool {
        self.below_home(place)
            .is_some_and(|path| !self.rules.may_prune(path))
    }

    fn is_asked_for(&self, place: &str) -> bool {
        self.below_home(place)
            .is_some_and(|path| self.rules.asks_for(path))
    }

    /// The path as the rules see it; `None` if they do not apply.
    fn below_home<'p>(&self, place: &'p str) -> Option<&'p str> {
        if self.rules.is_empty() || place.is_empty() {
            None
        } else if self.home.is_empty() {
            Some(place)
        } else {
            place.strip_prefix(self.home)?.strip_prefix('/')
        }
    }

    /// The error that names the rule which excludes the set itself.
    pub(super) fn refusal(&self, place: &str) -> Option<FilesError> {
        let verdict = self.rules.judge_whole(self.below_home(place)?)?;
        let rule = self.rules.cause(&verdict)?;
        Some(FilesError::Excluded {
            path: place.to_owned(),
            rule: rule.text.clone(),
            said: Mention {
                file: self.file.clone(),
                line: rule.line,
            },
        })
    }
}

fn is_excluded(verdict: Option<&Verdict>) -> bool {
    verdict.is_some_and(Verdict::excluded)
}

/// The directories that lead to `within`, including itself.
fn ancestors(within: &str) -> impl Iterator<Item = Item> {
    within.match_indices('/').map(|(end, _)| Item {
        path: within[..end].to_owned(),
        kind: Kind::Folder,
    })
}
