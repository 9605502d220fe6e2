//! One look at what is in doubt: files are read again, manifests perhaps, and what is known of changed images gathered.
//!
//! Runs on a thread of its own, so the watch stays awake; changes nothing that others see. A look makes a
//! new view beside the old one. Only file sets that are in doubt are read, of those only files whose times changed, and
//! only images with another key are asked after, so a save in a large workspace is a small look.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::changes;
use super::hints::Dirty;
use super::places::{Input, Places};
use super::request::Request;
use crate::asking::Asker;
use crate::diagnostic::{Diagnostic, Sources};
use crate::fingerprint::{Entry, EntryKind, FilesError};
use crate::graph::ImageId;
use crate::plan::{Facts, facts};
use crate::recipe::FileSet;
use crate::session::{self, Kept, Opening, Session, Wrong};
use crate::store::Store;
use crate::world::View;

/// The images that read one of these.
pub(super) fn readers(view: &View, doubt: &Dirty) -> BTreeSet<ImageId> {
    let reads = |id: &ImageId| {
        let mut sets = view.world.recipes[id.index()].file_sets();
        doubt.manifests() || sets.any(|set| doubt.covers(set))
    };
    view.relevant.iter().copied().filter(reads).collect()
}

pub(super) struct Seen {
    pub(super) view: View,
    pub(super) places: Arc<Places>,
    pub(super) count: usize,
    /// The images that are not what they were.
    pub(super) woken: BTreeSet<ImageId>,
    /// What is known of them.
    pub(super) facts: BTreeMap<ImageId, Facts>,
    /// The files that changed: the first ones, and how many.
    pub(super) files: (Vec<String>, usize),
    /// File sets that moved while they were read.
    pub(super) restless: Vec<Input>,
    /// What the manifests are doubtful in, if they were read.
    pub(super) warnings: Option<Vec<Diagnostic>>,
}

/// The manifests are wrong.
pub(super) struct Broken {
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) sources: Sources,
    /// Where what is wrong would be mended.
    pub(super) places: Places,
}

pub(super) struct Looked {
    /// What is seen by the last manifests that were right; none if none ever were.
    pub(super) seen: Option<Box<Seen>>,
    pub(super) broken: Option<Box<Broken>>,
}

pub(super) struct Task {
    /// The view by the last manifests that were right, and where it was read from.
    pub(super) before: Option<(Arc<View>, Arc<Places>)>,
    pub(super) doubt: Dirty,
    /// Whether the last look found the manifests wrong.
    pub(super) is_broken: bool,
    /// Whether all images are asked after, changed or not.
    pub(super) asks_all: bool,
    pub(super) kept: Kept,
}

pub(super) fn look(request: &Request, store: &Store, task: &Task, asker: Asker<'_>) -> Looked {
    let before = task.before.as_ref();
    let see = |view: View, places: Arc<Places>, warnings| {
        let before = before.map(|(view, _)| &**view);
        Box::new(see(
            request,
            (store, asker),
            before,
            view,
            places,
            warnings,
            task.asks_all,
        ))
    };
    let again = |(before, places): &(Arc<View>, Arc<Places>)| {
        let mut sets = before.sets();
        sets.retain(|set| task.doubt.covers(set));
        let view = before.again(&sets, &BTreeSet::new());
        let places = places_again(places, &view, &sets);
        see(view, places, None)
    };
    if let Some(before) = before
        && !task.doubt.manifests()
        && !task.is_broken
    {
        return Looked {
            seen: Some(again(before)),
            broken: None,
        };
    }
    let view = before.map(|(view, _)| &**view);
    let (seen, broken) = match read_manifests(request, view, &task.doubt, &task.kept) {
        Ok((view, warnings)) => {
            let places = Arc::new(places_of(&view));
            (Some(see(view, places, Some(warnings))), None)
        }
        Err(broken) => (before.map(again), Some(Box::new(broken))),
    };
    Looked { seen, broken }
}

fn read_manifests(
    request: &Request,
    before: Option<&View>,
    doubt: &Dirty,
    kept: &Kept,
) -> Result<(View, Vec<Diagnostic>), Broken> {
    // What is in doubt is read again; what is not in any set any more is forgotten.
    if let Some(before) = before {
        let sets = before.sets();
        kept.reader.keep_only(&sets);
        let doubtful = sets.iter().copied().filter(|set| doubt.covers(set));
        let doubtful: Vec<&FileSet> = doubtful.collect();
        kept.reader.read_again(&doubtful);
        // What could not be read has no files whose times would tell that it can be now.
        for set in sets {
            if kept.reader.read(set).is_err() {
                kept.reader.forget(set);
            }
        }
    } else {
        kept.reader.keep_only(&BTreeSet::new());
    }
    let opening = Opening {
        manifest: &request.manifest,
        overrides: &request.overrides,
        builder: request.builder.as_deref(),
        env: &*request.env,
    };
    let session = session::examine(&opening, Some(kept)).map_err(|wrong| Broken::of(*wrong))?;
    let asked = match session.select(&request.selection) {
        Ok(asked) => asked,
        Err(refusal) => return Err(unselectable(&session, refusal)),
    };
    let view = View::new(session.world, session.prints, asked);
    Ok((view, session.warnings))
}

impl Broken {
    /// Manifests that are wrong, and where they would be mended.
    pub(super) fn of(wrong: Wrong) -> Self {
        let mut places = Places::new(&wrong.workspace.root);
        places.add_manifests(&wrong.workspace);
        places.add_suspects(&wrong.workspace, &wrong.trail);
        Self {
            diagnostics: wrong.diagnostics,
            sources: wrong.workspace.sources,
            places,
        }
    }
}

/// The images that were asked for are no more.
fn unselectable(session: &Session, refusal: session::Refusal) -> Broken {
    let workspace = &session.world.workspace;
    let mut places = Places::new(&workspace.root);
    places.add_manifests(workspace);
    let (mut diagnostics, _) = refusal.into_mistakes();
    for mistake in &mut diagnostics {
        mistake.code = "unknown-image";
    }
    Broken {
        diagnostics,
        sources: workspace.sources.clone(),
        places,
    }
}

/// What changed between two views, and what is known of it.
fn see(
    request: &Request,
    (store, asker): (&Store, Asker<'_>),
    before: Option<&View>,
    view: View,
    places: Arc<Places>,
    warnings: Option<Vec<Diagnostic>>,
    asks_all: bool,
) -> Seen {
    let world = &view.world;
    let woken: BTreeSet<ImageId> = view
        .relevant
        .iter()
        .copied()
        .filter(|id| before.is_none_or(|before| changes::is_other(before, &view, *id)))
        .collect();
    let asked_after = if asks_all { &view.relevant } else { &woken };
    let push = request.options.push;
    let facts = facts::of(world, &view.prints, store, asked_after, push, asker);
    let count = count_of(&view);
    let restless = restless(&view);
    let files = before.map_or((Vec::new(), 0), |before| changes::files(before, &view));
    Seen {
        view,
        places,
        count,
        woken,
        facts,
        files,
        restless,
        warnings,
    }
}

/// All that a view was read from.
pub(super) fn places_of(view: &View) -> Places {
    let world = &view.world;
    let mut places = Places::new(&world.workspace.root);
    places.add_manifests(&world.workspace);
    places.add_sets(&view.sets(), &view.prints.reader);
    places
}

/// Where a view was read from whose manifests are those of the view before: the very same places if what was read again is
/// still read from there, because to make all of them takes longer than all else that a save in a large workspace costs.
fn places_again(before: &Arc<Places>, view: &View, sets: &BTreeSet<&FileSet>) -> Arc<Places> {
    let mut again = Places::new(&view.world.workspace.root);
    again.add_sets(sets, &view.prints.reader);
    if before.only(sets) == again {
        return Arc::clone(before);
    }
    Arc::new(places_of(view))
}

pub(super) fn count_of(view: &View) -> usize {
    let sets: Vec<&FileSet> = view.sets().into_iter().collect();
    let read = view.prints.reader.read_all(&sets);
    let entries = read.iter().flatten().flat_map(|files| &files.entries);
    let is_file = |entry: &&Entry| matches!(entry.kind, EntryKind::File { .. });
    entries.filter(is_file).count()
}

fn restless(view: &View) -> Vec<Input> {
    let moved = |id: &ImageId| matches!(view.unreadable.get(id), Some(FilesError::Moved { .. }));
    let ids = view.unreadable.keys().copied().filter(|id| moved(id));
    let sets = ids.flat_map(|id| view.world.recipes[id.index()].file_sets());
    sets.map(|set| Input::Set(Arc::new(set.clone()))).collect()
}
