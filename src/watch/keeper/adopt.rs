//! What the keeper makes of a look: new facts, superseded builds, a wave.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Keeper, Now};
use crate::asking::Asker;
use crate::backend::Existence;
use crate::diagnostic as diagnostics;
use crate::fingerprint::FilesError;
use crate::graph::ImageId;
use crate::plan::{Facts, Plan, facts};
use crate::run::Event;
use crate::watch::look::{self, Broken, Looked, Seen, View};

impl Keeper<'_, '_> {
    /// The first view, with what the plan was made by.
    pub(super) fn begin_sound(&mut self, view: View, facts: Vec<Facts>) {
        let (places, files) = look::places_of(&view);
        let world = Arc::clone(&view.world);
        if self.request.judgement.force {
            let names = world
                .asked
                .iter()
                .map(|id| world.graph.name(*id).to_owned());
            self.forced.extend(names);
        }
        self.now = Some(Now {
            view,
            facts,
            plan: Plan::default(),
            board: Vec::new(),
            places: Arc::new(places),
            files,
            warnings: BTreeSet::new(),
        });
        self.judge();
        self.follow();
        self.wake(&world.relevant, (Vec::new(), 0));
    }

    pub(super) fn looked(&mut self, looked: Result<Looked, String>) {
        let ended = self
            .looking
            .take()
            .map(|looking| looking.ended)
            .unwrap_or_default();
        self.is_stale = true;
        if self.quits {
            // It was given up halfway.
            return;
        }
        match looked {
            Err(message) => self.tell(Event::Warning { message }),
            Ok(Looked { seen, broken }) => {
                match broken {
                    Some(broken) => self.adopt_broken(broken),
                    None if self.broken.take().is_some() => self.tell(Event::ManifestsMended),
                    None => {}
                }
                if let Some(seen) = seen {
                    self.adopt(*seen, &ended);
                }
                self.follow();
            }
        }
    }

    pub(super) fn adopt_broken(&mut self, broken: Box<Broken>) {
        let before = self.broken.as_ref().map(|before| &before.diagnostics);
        if before != Some(&broken.diagnostics) {
            self.tell(Event::ManifestsBroken {
                mistakes: diagnostics::to_json(&broken.diagnostics, &broken.sources),
                shown: Arc::new((broken.diagnostics.clone(), broken.sources.clone())),
            });
        }
        self.broken = Some(broken);
    }

    fn adopt(&mut self, seen: Seen, ended: &BTreeSet<String>) {
        let Seen {
            view,
            places,
            count,
            woken,
            mut facts,
            files,
            restless,
            warnings,
        } = seen;
        let world = Arc::clone(&view.world);
        // What was built while the look went on is known better now.
        let late: BTreeSet<ImageId> = ended
            .iter()
            .filter_map(|name| world.graph.find(name))
            .collect();
        let late: BTreeSet<ImageId> = late
            .into_iter()
            .filter(|id| facts.contains_key(id))
            .collect();
        if !late.is_empty() {
            let push = self.request.options.push;
            let (setting, quits) = (world.setting(self.store), self.quits_now.clone());
            let asker = Asker::silent().or(&quits);
            let mut again =
                facts::gather_without_changes(setting, &view.prints, &late, push, asker);
            for id in late.into_iter().rev() {
                facts.insert(id, again.swap_remove(id.index()));
            }
        }
        let before = self.now.take();
        let fact = |id: ImageId| {
            let old = || {
                let before = before.as_ref()?;
                let old = before.view.world.graph.find(world.graph.name(id))?;
                let facts = before.facts[old.index()].clone();
                (facts.key == view.prints.key(id)).then_some(facts)
            };
            facts
                .remove(&id)
                .or_else(old)
                .unwrap_or_else(|| nothing_known(&view, id))
        };
        let facts: Vec<Facts> = world.graph.ids().map(fact).collect();
        self.tell_graph(before.as_ref(), &view);
        let known = before
            .as_ref()
            .map(|before| before.warnings.clone())
            .unwrap_or_default();
        let warnings = match warnings {
            None => known,
            Some((warnings, _)) => {
                self.tell_warnings(warnings.into_iter().map(|warning| warning.message), &known)
            }
        };
        let unreadable: Vec<(ImageId, FilesError)> = view
            .unreadable
            .iter()
            .filter(|(id, error)| woken.contains(id) && !matches!(error, FilesError::Moved { .. }))
            .map(|(id, error)| (*id, error.clone()))
            .collect();
        self.now = Some(Now {
            view,
            facts,
            plan: Plan::default(),
            board: Vec::new(),
            places,
            files: count,
            warnings,
        });
        if !restless.is_empty() {
            self.hints.doubt(restless);
            self.quiet.touch(self.started.elapsed());
        }
        if !woken.is_empty() {
            self.is_halted = false;
        }
        self.judge();
        self.supersede();
        self.wake(&woken, files);
        for (id, error) in unreadable {
            self.tell_unreadable(id, &error);
        }
    }

    fn tell_graph(&mut self, before: Option<&Now>, view: &View) {
        let Some(before) = before else { return };
        let names = |view: &View| -> BTreeSet<String> {
            let world = &view.world;
            world
                .graph
                .ids()
                .map(|id| world.graph.name(id).to_owned())
                .collect()
        };
        let (old, new) = (names(&before.view), names(view));
        if old != new {
            self.tell(Event::GraphChanged {
                images: new.len(),
                added: new.difference(&old).cloned().collect(),
                removed: old.difference(&new).cloned().collect(),
            });
        }
    }

    fn tell_warnings(
        &mut self,
        warnings: impl Iterator<Item = String>,
        known: &BTreeSet<String>,
    ) -> BTreeSet<String> {
        let warnings: BTreeSet<String> = warnings.collect();
        for message in warnings.difference(known) {
            let message = message.clone();
            self.tell(Event::Warning { message });
        }
        warnings
    }

    fn tell_unreadable(&mut self, id: ImageId, error: &FilesError) {
        let Some(now) = &self.now else { return };
        let image = now.view.world.graph.name(id).to_owned();
        if let Some(wave) = &mut self.wave {
            wave.failed.insert(image.clone());
        }
        self.tell(Event::ImageFailed {
            image,
            error: error.to_string(),
            log: None,
            tail: Vec::new(),
            seconds: 0.0,
        });
    }

    /// Stops the builds whose inputs are not what they were.
    fn supersede(&mut self) {
        let Some(now) = &self.now else { return };
        let (world, prints) = (&now.view.world, &now.view.prints);
        let is_wanted = |name: &str, job: &super::Job| {
            let id = world
                .graph
                .find(name)
                .filter(|id| world.relevant.contains(id));
            id.is_some_and(|id| {
                prints.key(id) == job.key
                    && world.reference(prints, id) == job.reference
                    && !now.view.unreadable.contains_key(&id)
            })
        };
        let mut superseded = Vec::new();
        for (name, job) in &mut self.jobs {
            if !job.is_superseded && !is_wanted(name, job) {
                job.is_superseded = true;
                job.cancel.request();
                superseded.push(name.clone());
            }
        }
        for image in superseded {
            self.tell(Event::ImageSuperseded { image });
        }
    }
}

/// An image that nobody asked after.
fn nothing_known(view: &View, id: ImageId) -> Facts {
    Facts {
        key: view.prints.key(id),
        record: None,
        unreadable: None,
        local: Existence::Absent,
        registry: None,
        is_flytekit: view.world.workspace.images[id.index()]
            .spec
            .flytekit
            .is_some(),
        changes: Vec::new(),
    }
}
