//! The differences between two views: images, and the files behind them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::graph::ImageId;
use crate::recipe::FileSet;
use crate::world::View;

/// Maximum number of changed files that are listed.
const NAMED: usize = 20;

pub(super) fn is_other(before: &View, now: &View, id: ImageId) -> bool {
    let name = now.world.graph.name(id);
    let Some(old) = before
        .world
        .graph
        .find(name)
        .filter(|old| before.relevant.contains(old))
    else {
        return true;
    };
    let of = |view: &View, id: ImageId| {
        let world = &view.world;
        (
            view.prints.key(id),
            view.reference(id),
            world.backends[id.index()].name().to_owned(),
            view.asked.contains(&id),
            view.unreadable.get(&id).cloned(),
        )
    };
    of(before, old) != of(now, id)
}

/// The paths that differ between two views, relative to the workspace root: the first [`NAMED`], and the total count.
pub(super) fn files(before: &View, now: &View) -> (Vec<String>, usize) {
    let mut named: BTreeSet<String> = manifests(before, now);
    let mut count = named.len();
    let mut seen = BTreeSet::new();
    for id in &now.relevant {
        let (world, name) = (&now.world, now.world.graph.name(*id));
        if let Some(error) = now.unreadable.get(id) {
            count += usize::from(named.insert(error.path().to_owned()));
        }
        let Some(old) = before.world.graph.find(name) else {
            continue;
        };
        if let Some(error) = before.unreadable.get(&old)
            && !now.unreadable.contains_key(id)
        {
            count += usize::from(named.insert(error.path().to_owned()));
        }
        let old_sets: BTreeMap<&FileSet, _> = before.world.recipes[old.index()]
            .file_sets()
            .zip(before.prints.files(old))
            .collect();
        for (set, files) in world.recipes[id.index()]
            .file_sets()
            .zip(now.prints.files(*id))
        {
            let Some(old) = old_sets.get(set) else {
                continue;
            };
            if Arc::ptr_eq(old, files) || old.digest == files.digest || !seen.insert(set) {
                continue;
            }
            let (paths, many) = files.differences(old, NAMED);
            named.extend(paths);
            count += many;
        }
    }
    (named.into_iter().take(NAMED).collect(), count)
}

fn manifests(before: &View, now: &View) -> BTreeSet<String> {
    if Arc::ptr_eq(&before.world, &now.world) {
        return BTreeSet::new();
    }
    let texts = |view: &View| -> BTreeMap<String, String> {
        let sources = view.world.workspace.sources.all();
        sources
            .map(|source| (source.path.clone(), source.text.clone()))
            .collect()
    };
    let (old, new) = (texts(before), texts(now));
    let all: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changed = all
        .into_iter()
        .filter(|path| old.get(*path) != new.get(*path));
    changed.cloned().collect()
}
