//! Looks at dirty inputs: reads files and, if needed, manifests again, and gathers facts about changed images.
//!
//! Runs on its own thread to keep the watch responsive, and makes a new view instead of changing the current one. Reads
//! only dirty file sets, hashes only files whose times changed, and queries only images with a new key, so a save in a
//! large workspace is a small look.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

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
use crate::session::{self, Floating, Kept, Obstacle, Opening, Selection, Session, Trust, Wrong};
use crate::store::Store;
use crate::workspace::LOCK_FILE;
use crate::world::View;

/// The images that read a dirty input.
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
    /// The images that changed.
    pub(super) woken: BTreeSet<ImageId>,
    /// The facts of the images that were queried.
    pub(super) facts: BTreeMap<ImageId, Facts>,
    /// The changed files: the first few, and the total count.
    pub(super) files: (Vec<String>, usize),
    /// File sets that changed while being read.
    pub(super) restless: Vec<Input>,
    /// Warnings about the manifests, if they were read.
    pub(super) warnings: Option<Vec<Diagnostic>>,
}

/// Manifests with errors.
pub(super) struct Broken {
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) sources: Sources,
    /// Places where the errors could be fixed.
    pub(super) places: Places,
}

pub(super) struct Looked {
    /// The view by the last valid manifests; `None` if there never were any.
    pub(super) seen: Option<Box<Seen>>,
    pub(super) broken: Option<Box<Broken>>,
}

pub(super) struct Task {
    /// The view by the last valid manifests, and the places it was read from.
    pub(super) before: Option<(Arc<View>, Arc<Places>)>,
    pub(super) doubt: Dirty,
    /// Whether the last look found errors in the manifests.
    pub(super) is_broken: bool,
    /// Whether to query all images, changed or not.
    pub(super) asks_all: bool,
    pub(super) selection: Arc<OnceLock<Selection>>,
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
        let mut view = before.again(&sets, &BTreeSet::new());
        hold_back(request, (store, &task.kept), &mut view);
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
    let (seen, broken) = match read_manifests(request, view, task) {
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
    task: &Task,
) -> Result<(View, Vec<Diagnostic>), Broken> {
    let (doubt, kept) = (&task.doubt, &task.kept);
    // Read dirty sets again, and forget sets that no image uses any more.
    if let Some(before) = before {
        let sets = before.sets();
        kept.reader.keep_only(&sets);
        let doubtful = sets.iter().copied().filter(|set| doubt.covers(set));
        let doubtful: Vec<&FileSet> = doubtful.collect();
        kept.reader.read_again(&doubtful);
        // A set that could not be read has no file times that would reveal a change.
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
        elsewhere: &request.elsewhere,
        env: &*request.env,
        trust: Trust::Times,
    };
    let session = session::examine(&opening, Some(kept)).map_err(|wrong| Broken::of(*wrong))?;
    let selection = task
        .selection
        .get_or_init(|| session.staying(&request.selection));
    let asked = match session.select(selection) {
        Ok(asked) => asked,
        Err(refusal) => return Err(unselectable(&session, refusal)),
    };
    if request.is_locked
        && let Err(Obstacle::Unlocked(floating)) = session.verify_locked(&asked)
    {
        return Err(unlocked(session, asked, floating));
    }
    let view = View::new(session.world, session.prints, asked);
    Ok((view, session.warnings))
}

impl Broken {
    /// Collects errors in the manifests, and the places where they could be fixed.
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

/// The error if the requested images no longer exist.
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

/// The error if the requested images depend on what is not pinned.
fn unlocked(session: Session, asked: BTreeSet<ImageId>, floating: Floating) -> Broken {
    let help = floating.mend();
    let mistake = Diagnostic::error("unlocked", Obstacle::Unlocked(floating).to_string());
    let mistake = mistake.help(help);
    let view = View::new(session.world, session.prints, asked);
    Broken {
        diagnostics: vec![mistake],
        sources: view.world.workspace.sources.clone(),
        places: places_of(&view),
    }
}

/// Treats images as unreadable whose files, as they are now, name what is not pinned, if everything has to be.
fn hold_back(request: &Request, (store, kept): (&Store, &Kept), view: &mut View) {
    if !request.is_locked {
        return;
    }
    let session = Session {
        world: Arc::clone(&view.world),
        prints: view.prints.clone(),
        store: store.clone(),
        warnings: Vec::new(),
        known: kept.backends.clone(),
    };
    for id in &view.relevant {
        let floating = session.floating(&BTreeSet::from([*id]));
        if !floating.is_empty() {
            let help = floating.mend();
            let why = Obstacle::Unlocked(floating).to_string();
            let path = LOCK_FILE.to_owned();
            let error = FilesError::Unpinned { path, why, help };
            view.unreadable.entry(*id).or_insert(error);
        }
    }
}

/// Determines what changed between two views, and gathers facts about it.
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
    let facts = facts.into_iter().collect();
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

/// All places that a view was read from.
pub(super) fn places_of(view: &View) -> Places {
    let world = &view.world;
    let mut places = Places::new(&world.workspace.root);
    places.add_manifests(&world.workspace);
    places.add_sets(&view.sets(), &view.prints.reader);
    places
}

/// The places of a view with unchanged manifests. Returns `before` itself if the sets that were read again still come
/// from there: in a large workspace, making all places anew costs more than everything else after a save.
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
