//! One look at what is in doubt: files are read again, manifests perhaps, and what is known of changed images gathered.
//!
//! Runs on a thread of its own, so the watch stays awake; changes nothing that others see. The choice made: a look makes a
//! new view beside the old one. Only file sets that are in doubt are read, of those only files whose times changed, and
//! only images with another key are asked after, so a save in a large workspace is a small look.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Request;
use super::hints::Doubt;
use super::places::{self, Places, Who};
use crate::asking::Asker;
use crate::diagnostic::{Diagnostic, Sources};
use crate::fingerprint::{FilesError, Fingerprints};
use crate::graph::{Graph, ImageId};
use crate::plan::{Facts, facts};
use crate::recipe::{FileSet, Recipe};
use crate::reference;
use crate::run::Setting;
use crate::session::{self, Examination, Kept, Opening, Session};
use crate::store::Store;
use crate::workspace::Workspace;

/// So many changed files are named.
const NAMED: usize = 20;

/// What the manifests say.
pub(super) struct World {
    pub(super) workspace: Workspace,
    pub(super) graph: Graph,
    pub(super) recipes: Vec<Recipe>,
    pub(super) backends: Vec<Arc<dyn crate::backend::Backend>>,
    /// What was asked for.
    pub(super) asked: BTreeSet<ImageId>,
    /// That, and what it needs.
    pub(super) relevant: BTreeSet<ImageId>,
}

impl World {
    pub(super) fn new(
        session: Session,
        asked: BTreeSet<ImageId>,
    ) -> (Self, Fingerprints, Vec<Diagnostic>) {
        let relevant = session.graph.with_bases(&asked);
        let world = Self {
            workspace: session.workspace,
            graph: session.graph,
            recipes: session.recipes,
            backends: session.backends,
            asked,
            relevant,
        };
        (world, session.prints, session.warnings)
    }

    pub(super) fn setting<'a>(&'a self, store: &'a Store) -> Setting<'a> {
        Setting {
            workspace: &self.workspace,
            graph: &self.graph,
            recipes: &self.recipes,
            backends: &self.backends,
            store,
        }
    }

    /// The file sets of all images that matter.
    pub(super) fn sets(&self) -> BTreeSet<&FileSet> {
        let recipes = self.relevant.iter().map(|id| &self.recipes[id.index()]);
        recipes.flat_map(Recipe::file_sets).collect()
    }

    /// The images that read one of these.
    pub(super) fn readers(&self, doubt: &Doubt) -> BTreeSet<ImageId> {
        let reads = |id: &ImageId| {
            let mut sets = self.recipes[id.index()].file_sets();
            doubt.manifests()
                || sets.any(|set| {
                    doubt
                        .who
                        .iter()
                        .any(|who| matches!(who, Who::Set(other) if **other == *set))
                })
        };
        self.relevant.iter().copied().filter(reads).collect()
    }

    pub(super) fn reference(&self, prints: &Fingerprints, id: ImageId) -> String {
        reference::of(&self.workspace.images[id.index()], &prints.tag(id))
    }
}

/// The world as it was when it was looked at.
#[derive(Clone)]
pub(super) struct View {
    pub(super) world: Arc<World>,
    pub(super) prints: Fingerprints,
    /// Images whose files cannot be read.
    pub(super) unreadable: BTreeMap<ImageId, FilesError>,
}

/// What a look found.
pub(super) struct Seen {
    pub(super) view: View,
    pub(super) places: Arc<Places>,
    /// How many files are watched.
    pub(super) count: usize,
    /// The images that are not what they were.
    pub(super) woken: BTreeSet<ImageId>,
    /// What is known of them.
    pub(super) facts: BTreeMap<ImageId, Facts>,
    /// The files that changed: the first ones, and how many.
    pub(super) files: (Vec<String>, usize),
    /// File sets that moved while they were read.
    pub(super) restless: Vec<Who>,
    /// What the manifests are doubtful in, if they were read.
    pub(super) warnings: Option<(Vec<Diagnostic>, Sources)>,
}

/// The manifests are wrong.
pub(super) struct Broken {
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) sources: Sources,
    /// Where what is wrong would be mended.
    pub(super) places: Places,
}

/// What a look ended with.
pub(super) struct Looked {
    /// What is to be seen, by the manifests as they are or as they last were right; none if they never were.
    pub(super) seen: Option<Box<Seen>>,
    /// What is wrong with them.
    pub(super) broken: Option<Box<Broken>>,
}

/// What a look begins with.
pub(super) struct Task {
    pub(super) before: Option<View>,
    /// Where that was read from.
    pub(super) places: Option<Arc<Places>>,
    pub(super) doubt: Doubt,
    /// Whether the last look found the manifests wrong.
    pub(super) is_broken: bool,
    /// Whether all images are asked after, changed or not.
    pub(super) asks_all: bool,
    pub(super) kept: Kept,
}

/// Looks.
pub(super) fn look(request: &Request, store: &Store, task: Task, asker: Asker<'_>) -> Looked {
    let Task {
        before,
        places,
        doubt,
        is_broken,
        asks_all,
        kept,
    } = task;
    let see = |before: Option<&View>, view: View, places: Arc<Places>, warnings| {
        let seen = see(
            request,
            (store, asker),
            before,
            view,
            places,
            warnings,
            asks_all,
        );
        Some(Box::new(seen))
    };
    let again = |before: &View| {
        let (view, sets) = (before.again(&doubt), before.doubtful(&doubt));
        let places = places_again(places.as_ref(), &view, &sets);
        see(Some(before), view, places, None)
    };
    match before {
        Some(before) if !doubt.manifests() && !is_broken => Looked {
            seen: again(&before),
            broken: None,
        },
        before => match read_manifests(request, before.as_ref(), &doubt, &kept) {
            Ok((view, warnings)) => {
                let places = Arc::new(places_of(&view).0);
                Looked {
                    seen: see(before.as_ref(), view, places, Some(warnings)),
                    broken: None,
                }
            }
            Err(broken) => Looked {
                seen: before.as_ref().and_then(again),
                broken: Some(Box::new(broken)),
            },
        },
    }
}

impl View {
    /// The file sets that are in doubt.
    fn doubtful(&self, doubt: &Doubt) -> BTreeSet<&FileSet> {
        let all = self.world.sets();
        if doubt.everything {
            return all;
        }
        let named = doubt.who.iter().filter_map(|who| match who {
            Who::Set(set) => all.get(&**set).copied(),
            Who::Manifests => None,
        });
        named.collect()
    }

    /// The same manifests, with the files of what is in doubt read again.
    fn again(&self, doubt: &Doubt) -> Self {
        let sets = self.doubtful(doubt);
        let (prints, mut unreadable) = self.prints.look_again(
            &self.world.workspace,
            &self.world.graph,
            &self.world.recipes,
            &sets,
        );
        unreadable.retain(|id, _| self.world.relevant.contains(id));
        Self {
            world: Arc::clone(&self.world),
            prints,
            unreadable,
        }
    }
}

fn read_manifests(
    request: &Request,
    before: Option<&View>,
    doubt: &Doubt,
    kept: &Kept,
) -> Result<(View, Vec<Diagnostic>), Broken> {
    // What is in doubt is read again; what is not in any set any more is forgotten.
    if let Some(before) = before {
        let sets = before.world.sets();
        kept.reader.keep_only(&sets);
        let is_doubtful = |set: &&FileSet| {
            doubt.everything
                || doubt
                    .who
                    .iter()
                    .any(|who| matches!(who, Who::Set(other) if **other == **set))
        };
        let doubtful: Vec<&FileSet> = sets.iter().copied().filter(is_doubtful).collect();
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
    let session = session::examine_with(&opening, Some(kept))
        .into_session()
        .map_err(|wrong| broken(*wrong))?;
    let asked = match session.select(&request.selection) {
        Ok(asked) => asked,
        Err(refusal) => return Err(unselectable(session, &refusal)),
    };
    let (world, prints, warnings) = World::new(session, asked);
    let view = View {
        world: Arc::new(world),
        prints,
        unreadable: BTreeMap::new(),
    };
    Ok((view, warnings))
}

/// Manifests that are wrong, and where they would be mended.
pub(super) fn broken(wrong: Examination) -> Broken {
    let mut places = Places::new(&wrong.workspace.root);
    places.add_manifests(&wrong.workspace);
    places.add_suspects(&wrong.workspace, &wrong.unreadable);
    Broken {
        diagnostics: wrong.diagnostics,
        sources: wrong.workspace.sources,
        places,
    }
}

/// The images that were asked for are no more.
fn unselectable(session: Session, refusal: &session::Refusal) -> Broken {
    let mut places = Places::new(&session.workspace.root);
    places.add_manifests(&session.workspace);
    let mistake = match refusal {
        session::Refusal::Other { message, help } => {
            let mistake = Diagnostic::error("unknown-image", message.clone());
            match help {
                Some(help) => mistake.help(help.clone()),
                None => mistake,
            }
        }
        session::Refusal::Wrong(..) => {
            Diagnostic::error("unknown-image", "the selection names no image")
        }
    };
    Broken {
        diagnostics: vec![mistake],
        sources: session.workspace.sources,
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
    let woken: BTreeSet<ImageId> = world
        .relevant
        .iter()
        .copied()
        .filter(|id| before.is_none_or(|before| is_other(before, &view, *id)))
        .collect();
    let asked_after = if asks_all { &world.relevant } else { &woken };
    let mut all = facts::gather_without_changes(
        world.setting(store),
        &view.prints,
        asked_after,
        request.options.push,
        asker,
    );
    let facts = asked_after
        .iter()
        .rev()
        .map(|id| (*id, all.swap_remove(id.index())))
        .collect();
    let count = count_of(&view);
    let restless = restless(&view);
    let files = before.map_or((Vec::new(), 0), |before| changed_files(before, &view));
    Seen {
        places,
        count,
        files,
        restless,
        woken,
        facts,
        warnings: warnings.map(|warnings| (warnings, view.world.workspace.sources.clone())),
        view,
    }
}

/// All that a view was read from, and how many files.
pub(super) fn places_of(view: &View) -> (Places, usize) {
    let world = &view.world;
    let mut places = Places::new(&world.workspace.root);
    places.add_manifests(&world.workspace);
    let files = places.add_sets(&world.sets(), view.prints.reader());
    (places, files)
}

/// Where a view was read from whose manifests are those of the view before: the very same places if what was read again is
/// still read from there, because to make all of them takes longer than all else that a save in a large workspace costs.
fn places_again(
    before: Option<&Arc<Places>>,
    view: &View,
    sets: &BTreeSet<&FileSet>,
) -> Arc<Places> {
    if let Some(before) = before {
        let mut again = Places::new(&view.world.workspace.root);
        again.add_sets(sets, view.prints.reader());
        if before.only(sets) == again {
            return Arc::clone(before);
        }
    }
    Arc::new(places_of(view).0)
}

fn count_of(view: &View) -> usize {
    let sets: Vec<&FileSet> = view.world.sets().into_iter().collect();
    let read = view.prints.reader().read_all(&sets);
    read.iter()
        .flatten()
        .map(|files| places::count(files))
        .sum()
}

/// Whether an image is not what it was.
fn is_other(before: &View, now: &View, id: ImageId) -> bool {
    let name = now.world.graph.name(id);
    let Some(old) = before
        .world
        .graph
        .find(name)
        .filter(|old| before.world.relevant.contains(old))
    else {
        return true;
    };
    let of = |view: &View, id: ImageId| {
        let world = &view.world;
        (
            view.prints.key(id),
            world.reference(&view.prints, id),
            world.backends[id.index()].name().to_owned(),
            world.asked.contains(&id),
            view.unreadable.get(&id).cloned(),
        )
    };
    of(before, old) != of(now, id)
}

fn restless(view: &View) -> Vec<Who> {
    let moved = |id: &ImageId| matches!(view.unreadable.get(id), Some(FilesError::Moved { .. }));
    let ids = view.unreadable.keys().copied().filter(|id| moved(id));
    let sets = ids.flat_map(|id| view.world.recipes[id.index()].file_sets());
    sets.map(|set| Who::Set(Arc::new(set.clone()))).collect()
}

/// The files that differ between two views, from the workspace root: the first ones, and how many.
fn changed_files(before: &View, now: &View) -> (Vec<String>, usize) {
    let mut named: BTreeSet<String> = changed_manifests(before, now);
    let mut count = named.len();
    let mut told = BTreeSet::new();
    for id in &now.world.relevant {
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
            if Arc::ptr_eq(old, files) || old.digest == files.digest || !told.insert(set) {
                continue;
            }
            let (paths, many) = files.differences(old, NAMED);
            named.extend(paths);
            count += many;
        }
    }
    (named.into_iter().take(NAMED).collect(), count)
}

fn changed_manifests(before: &View, now: &View) -> BTreeSet<String> {
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
