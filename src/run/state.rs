//! What is known about the images, and what follows from it: facts, plan and board, updated exactly when something
//! changes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::RandomState;
use std::sync::Arc;

use super::board::{Board, Known};
use super::claims::Left;
use super::jobs::{Job, Jobs};
use super::manner::Manner;
use super::worker::{Built, Identity, Task, TaskKind, Work};
use crate::backend::{Artifact, Existence, StoreKind};
use crate::cancel::Cancel;
use crate::graph::{Graph, ImageId};
use crate::plan::{Action, Facts, Judgement, Judging, Plan, Push, Reason, facts};
use crate::store::Store;
use crate::world::View;

/// Options of a run.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Maximum number of concurrent builds, at least 1.
    pub jobs: usize,
    /// Whether the first failure stops the run.
    pub fail_fast: bool,
    /// When to push.
    pub push: Push,
    /// Maximum attempts per image when failures are transient, at least 1.
    pub attempts: u32,
    /// Whether images are claimed in their registries, so that runs on other machines wait for them instead of building them
    /// too. Only of images that are pushed as soon as they are built: nobody can wait for others.
    pub claim: bool,
}

impl Options {
    /// Whether images are claimed.
    pub(super) fn claims(self) -> bool {
        self.claim && matches!(self.push, Push::Each | Push::Flytekit)
    }
}

impl Default for Options {
    /// Builds mostly wait: for processes to start, for layers to be written, for the network. So there are more jobs
    /// than processors.
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            jobs: (2 * processors).max(8),
            fail_fast: false,
            push: Push::No,
            attempts: 3,
            claim: false,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) manner: Manner,
    pub(crate) options: Options,
    pub(crate) judgement: Judgement,
    /// Never build bases that were not requested themselves.
    pub(crate) no_bases: bool,
}

impl Rules {
    /// Rules for `graph build`, which settled these policies while planning: the plan is carried out as it is.
    pub(super) fn of_a_build(options: Options) -> Self {
        Self {
            manner: Manner::Build,
            options,
            judgement: Judgement::default(),
            no_bases: false,
        }
    }
}

pub(crate) struct State {
    pub(crate) rules: Rules,
    pub(crate) view: Arc<View>,
    /// Indexed by image id, like the board.
    pub(crate) facts: Vec<Facts>,
    pub(crate) plan: Plan,
    pub(crate) board: Board,
    /// Images with news that the board does not reflect yet; `None` if that may be any image.
    changed: Option<BTreeSet<ImageId>>,
    /// Failed images, with their identity at the time.
    faults: BTreeMap<String, Identity>,
    /// Those of `faults` whose identity is still the same.
    failed: BTreeSet<ImageId>,
    /// Images to build although they exist.
    forced: BTreeSet<String>,
    /// Images that other runners are building, with the job that found this out.
    pub(super) postponed: BTreeMap<String, Job>,
    /// Images that other runners were building but have not pushed.
    pub(super) returned: BTreeMap<String, Left>,
    /// Images whose files may have changed since they were read.
    pub(crate) in_doubt: BTreeSet<ImageId>,
    /// Random numbers that set this run apart from others that build the same images, if it claims them.
    shared: Option<RandomState>,
}

impl State {
    pub(super) fn new(rules: Rules, view: View, facts: Vec<Facts>, plan: Plan) -> Self {
        let forced = plan.images.iter().filter(|image| image.is_forced());
        let forced = forced.map(|image| view.name(image.id).to_owned()).collect();
        Self {
            rules,
            view: Arc::new(view),
            facts,
            plan,
            board: Board::default(),
            changed: None,
            faults: BTreeMap::new(),
            failed: BTreeSet::new(),
            forced,
            postponed: BTreeMap::new(),
            returned: BTreeMap::new(),
            in_doubt: BTreeSet::new(),
            shared: rules.options.claims().then(RandomState::new),
        }
    }

    pub(crate) fn graph(&self) -> &Graph {
        &self.view.world.graph
    }

    pub(crate) fn find(&self, name: &str) -> Option<ImageId> {
        self.graph().find(name)
    }

    pub(crate) fn name(&self, id: ImageId) -> String {
        self.view.name(id).to_owned()
    }

    pub(crate) fn names(&self, ids: impl IntoIterator<Item = ImageId>) -> Vec<String> {
        ids.into_iter().map(|id| self.name(id)).collect()
    }

    /// Updates plan and board. Returns the newly blocked images.
    pub(super) fn judge(&mut self, jobs: &Jobs) -> BTreeSet<ImageId> {
        let changed = self.changed.replace(BTreeSet::new());
        let changed = changed.filter(|_| !self.rules.manner.plans_anew());
        if changed.is_none() {
            self.failed = self.still_failed();
        }
        if self.rules.manner.plans_anew() {
            let plan = self.judging(&self.is_forced()).plan();
            self.plan = plan;
        }
        let mut board = std::mem::take(&mut self.board);
        let (graph, known) = (self.graph(), self.known(jobs));
        let blocked = if let Some(changed) = &changed {
            board.again(graph, &self.plan, &known, changed)
        } else {
            let before = std::mem::replace(&mut board, Board::new(graph, &self.plan, &known));
            let is_new = |id: &ImageId| board.blocks(*id) && !before.blocks(*id);
            graph.ids().filter(is_new).collect()
        };
        self.board = board;
        blocked
    }

    fn known(&self, jobs: &Jobs) -> Known<'_> {
        let on = |builds: bool| {
            let is_it = move |job: &Job| (job.task == TaskKind::Build) == builds;
            let jobs = jobs.iter().filter(move |(_, job)| is_it(job));
            jobs.filter_map(|(name, _)| self.find(name)).collect()
        };
        Known {
            building: on(true),
            pushing: on(false),
            postponed: self.ids(self.postponed.keys()),
            failed: Cow::Borrowed(&self.failed),
            unreadable: self.view.unreadable.keys().copied().collect(),
            in_doubt: Some(&self.in_doubt),
            no_bases: self.rules.no_bases,
            all_or_nothing: self.rules.options.push == Push::AllOrNothing,
            shared: self.shared.as_ref(),
        }
    }

    fn ids<'n>(&self, names: impl Iterator<Item = &'n String>) -> BTreeSet<ImageId> {
        names.filter_map(|name| self.find(name)).collect()
    }

    /// Whether other runners may build this image at the same time, and would then wait for it. A forced build is wanted though the
    /// image exists, so nobody waits.
    fn is_shared(&self, id: ImageId) -> bool {
        let options = self.rules.options;
        options.claims()
            && options.push.wants(self.view.world.spec(id))
            && self.view.asked.contains(&id)
            && !self.forced.contains(self.view.name(id))
    }

    fn still_failed(&self) -> BTreeSet<ImageId> {
        let failed = self.faults.iter().filter_map(|(name, fault)| {
            let id = self.find(name)?;
            (*fault == self.identity(id)).then_some(id)
        });
        failed.collect()
    }

    fn judging<'s>(&'s self, is_forced: &'s dyn Fn(ImageId) -> bool) -> Judging<'s> {
        Judging {
            graph: self.graph(),
            asked: &self.view.asked,
            facts: &self.facts,
            when_unknown: self.rules.judgement.when_unknown,
            is_forced,
        }
    }

    fn is_forced(&self) -> impl Fn(ImageId) -> bool {
        |id| self.forced.contains(self.view.name(id))
    }

    /// Marks an image as not yet reflected by the board.
    pub(super) fn touch(&mut self, image: &str) {
        if let (Some(id), Some(changed)) = (self.graph().find(image), &mut self.changed) {
            changed.insert(id);
        }
    }

    /// Why an image is built. In a watch the changed inputs are looked up only here, because that reads a file.
    pub(super) fn reasons(&mut self, id: ImageId, store: &Store) -> Vec<Reason> {
        if self.rules.manner.plans_anew() {
            let (world, prints) = (&self.view.world, &self.view.prints);
            let changes = facts::changes(world, prints, store, id, &self.facts[id.index()]);
            // A registry's record came with the changes.
            if let Some(changes) = changes {
                self.facts[id.index()].changes = changes;
            }
            return self.judging(&self.is_forced()).reasons(id, &self.plan);
        }
        let planned = self.plan.get(id);
        planned
            .map(|image| image.reasons.clone())
            .unwrap_or_default()
    }

    /// What a worker does about an image: builds it, or what is left to be done about it where it exists.
    fn task(&self, id: ImageId, is_build: bool) -> Task {
        let action = self.plan.get(id).map(|image| image.action);
        match action {
            _ if is_build => Task::Build,
            Some(Action::Tag) => Task::Tag(self.artifact(id)),
            _ => Task::Push(self.artifact(id)),
        }
    }

    /// The further names that a worker gives with this task, each with the place: after a build those in the local store, after a push
    /// those in registries, otherwise those that are wrong.
    fn names_to_give(&self, id: ImageId, task: &Task) -> Vec<(String, StoreKind)> {
        let facts = &self.facts[id.index()];
        let owned = |(name, place): (&str, StoreKind)| (name.to_owned(), place);
        let names = facts.names.iter();
        let all = |place| names.map(move |name| (name.reference.as_str(), place));
        match task {
            Task::Build => all(StoreKind::Local).map(owned).collect(),
            Task::Tag(_) => facts.misnamed().map(owned).collect(),
            Task::Push(_) => {
                let world = &self.view.world;
                let wrong = facts.misnamed();
                let wrong = wrong.filter(|(_, place)| *place == StoreKind::Local);
                let pushed = all(StoreKind::Registry);
                let pushed = pushed.filter(|(name, _)| world.is_pushed(id, name));
                wrong.chain(pushed).map(owned).collect()
            }
        }
    }

    pub(super) fn work(&self, id: ImageId, is_push: bool, jobs: &Jobs) -> Work {
        let task = self.task(id, !is_push);
        let bases = self.graph().bases(id).iter();
        let mut dependents = self.graph().dependents(id).iter();
        Work {
            view: Arc::clone(&self.view),
            id,
            is: self.identity(id),
            bases: bases
                .map(|base| (self.name(*base), self.artifact(*base)))
                .collect(),
            planned_on: self.facts[id.index()].record.clone(),
            no_cache: self.forced.contains(self.view.name(id)),
            is_base: dependents.any(|dependent| self.plan.builds_it(*dependent)),
            attempts: self.rules.options.attempts.max(1),
            names: self.names_to_give(id, &task),
            task,
            claims: jobs.claims.clone().filter(|_| self.is_shared(id)),
            left: self.returned.get(self.view.name(id)).copied(),
            store: jobs.store.clone(),
            records: Arc::clone(&jobs.records),
            emit: jobs.emit(),
            cancel: Cancel::default(),
        }
    }

    /// The artifact of an image that exists.
    pub(crate) fn artifact(&self, id: ImageId) -> Artifact {
        Artifact {
            backend: self.view.world.backends[id.index()].name().to_owned(),
            reference: self.view.reference(id),
            digest: self.facts[id.index()].digest(),
            size: self.facts[id.index()].size(),
        }
    }

    fn identity(&self, id: ImageId) -> Identity {
        let bases = self.graph().bases(id).iter();
        Identity {
            key: self.view.prints.key(id),
            reference: self.view.reference(id),
            backend: self.view.world.backends[id.index()].name().to_owned(),
            bases: bases
                .map(|base| self.facts[base.index()].digest())
                .collect(),
        }
    }

    /// Whether the result of a running job is still wanted.
    pub(super) fn wants(&self, name: &str, job: &Job) -> bool {
        let id = self.find(name).filter(|id| self.view.relevant.contains(id));
        id.is_some_and(|id| {
            self.identity(id).is_same_image(&job.is) && !self.view.unreadable.contains_key(&id)
        })
    }

    pub(super) fn note_built(&mut self, image: &str, job: &Job, built: &Built) {
        self.forced.remove(image);
        self.faults.remove(image);
        let Some(id) = self.find(image) else { return };
        self.failed.remove(&id);
        let is_wanted = self.identity(id).is_same_image(&job.is);
        let pushes = self.rules.options.push.wants(self.view.world.spec(id));
        let facts = &mut self.facts[id.index()];
        if let Some(record) = &built.record {
            facts.record = Some(record.clone());
        }
        facts.changes.clear();
        if is_wanted {
            let present = Existence::Present {
                key: Some(job.is.key.to_string()),
                digest: built.artifact.digest.clone(),
                size: built.artifact.size,
            };
            if built.found == Some(StoreKind::Registry) {
                facts.registry = Some(present);
                return self.plan.settle(id, Action::Fresh);
            }
            facts.local = present;
            facts.registry = pushes.then_some(Existence::Absent);
            facts.note_named(StoreKind::Local);
            let is_asked = self.view.asked.contains(&id);
            let left = if pushes && is_asked {
                Action::Push
            } else {
                Action::Fresh
            };
            self.plan.settle(id, left);
        }
    }

    pub(super) fn note_pushed(&mut self, image: &str, job: &Job, digest: Option<String>) {
        let Some(id) = self.find(image) else { return };
        let facts = &mut self.facts[id.index()];
        if facts.key == job.is.key {
            let (key, digest) = (Some(job.is.key.to_string()), digest.unwrap_or_default());
            let size = None;
            facts.registry = Some(Existence::Present { key, digest, size });
            facts.note_named(StoreKind::Local);
            facts.note_named(StoreKind::Registry);
            self.plan.settle(id, Action::Fresh);
        }
    }

    pub(super) fn note_tagged(&mut self, image: &str, job: &Job) {
        let Some(id) = self.find(image) else { return };
        let facts = &mut self.facts[id.index()];
        if facts.key == job.is.key {
            facts.note_named(StoreKind::Local);
            facts.note_named(StoreKind::Registry);
            self.plan.settle(id, Action::Fresh);
        }
    }

    /// Whether an image is going to be pushed.
    pub(super) fn will_be_pushed(&self, image: &str) -> bool {
        let planned = self.find(image).and_then(|id| self.plan.get(id));
        planned.is_some_and(|planned| planned.action == Action::Push)
    }

    /// The digest of an image in its registry; `None` if unknown.
    pub(super) fn pushed_digest(&self, image: &str) -> Option<String> {
        let facts = &self.facts[self.find(image)?.index()];
        match &facts.registry {
            Some(image @ Existence::Present { digest, .. }) if image.has(&facts.key) => {
                Some(digest.clone()).filter(|digest| !digest.is_empty())
            }
            _ => None,
        }
    }

    pub(super) fn note_failed(&mut self, image: &str, is: Identity) {
        self.forced.remove(image);
        self.touch(image);
        if let Some(id) = self.find(image).filter(|id| self.identity(*id) == is) {
            self.failed.insert(id);
        }
        self.faults.insert(image.to_owned(), is);
    }

    /// Like [`Self::note_failed`], for an image that no worker took.
    pub(super) fn note_failed_as_is(&mut self, id: ImageId) {
        self.note_failed(&self.name(id), self.identity(id));
    }

    /// Switches to a view of changed files; facts of images whose key did not change stay valid.
    pub(super) fn see(&mut self, view: View) {
        for id in self.graph().ids() {
            self.facts[id.index()].key = view.prints.key(id);
        }
        self.view = Arc::new(view);
        self.changed = None;
        // Other runners build what these were.
        let mut postponed = std::mem::take(&mut self.postponed);
        postponed.retain(|name, job| {
            self.find(name)
                .is_some_and(|id| self.identity(id).key == job.is.key)
        });
        self.postponed = postponed;
    }

    pub(crate) fn adopt(&mut self, view: View, facts: Vec<Facts>) {
        self.view = Arc::new(view);
        self.facts = facts;
    }

    /// Retries failed images or, if none failed, rebuilds `otherwise` although they exist.
    pub(super) fn try_again(&mut self, otherwise: &BTreeSet<String>) {
        if self.faults.is_empty() {
            self.forced.extend(otherwise.iter().cloned());
        }
        self.faults.clear();
    }
}
