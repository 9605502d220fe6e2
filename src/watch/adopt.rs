//! Applies the result of a look: new facts, superseded builds, a wave, another phase.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::keeper::Keeper;
use super::look::{Broken, Looked, Seen, readers};
use super::phase::{Now, Phase};
use crate::asking::Asker;
use crate::diagnostic;
use crate::fingerprint::FilesError;
use crate::graph::ImageId;
use crate::plan::{Facts, Plan, facts};
use crate::run::Event;
use crate::run::engine::Engine;
use crate::run::jobs::Jobs;
use crate::world::View;

impl<'r> Keeper<'r> {
    pub(super) fn looked(
        &mut self,
        mut phase: Phase<'r>,
        looked: Result<Looked, String>,
    ) -> Phase<'r> {
        let ended = self.looks.end();
        if let Some(now) = phase.now_mut() {
            now.engine.touch();
        }
        if self.is_ending() {
            // The look was abandoned halfway.
            return phase;
        }
        let Looked { seen, broken } = match looked {
            Ok(looked) => looked,
            Err(message) => {
                self.reporter.emit(Event::Warning { message });
                return phase;
            }
        };
        match (&phase.broken, &broken) {
            (Some(_), None) => self.reporter.emit(Event::ManifestsMended),
            (before, Some(broken)) => self.report_broken(before.as_deref(), broken),
            (None, None) => {}
        }
        let built = match seen {
            Some(seen) => Ok(self.adopt(phase.built, *seen, &ended)),
            None => phase.built,
        };
        let phase = Phase { built, broken };
        self.follow(&phase);
        phase
    }

    pub(super) fn report_broken(&self, before: Option<&Broken>, broken: &Broken) {
        if before.map(|before| &before.diagnostics) == Some(&broken.diagnostics) {
            return;
        }
        self.reporter.emit(Event::ManifestsBroken {
            mistakes: diagnostic::to_json(&broken.diagnostics, &broken.sources),
            shown: Arc::new((broken.diagnostics.clone(), broken.sources.clone())),
        });
    }

    fn adopt(
        &mut self,
        built: Result<Box<Now<'r>>, Jobs>,
        seen: Seen,
        ended: &BTreeSet<String>,
    ) -> Box<Now<'r>> {
        let facts = self.facts(built.as_deref().ok(), &seen.view, seen.facts, ended);
        if !seen.restless.is_empty() {
            self.looks.doubt(seen.restless);
        }
        let in_doubt = readers(&seen.view, &self.looks.unseen());
        let unreadable = news(&seen.view, &seen.woken);
        let mut now = match built {
            Ok(now) => now,
            Err(jobs) => {
                let known = (seen.view.clone(), facts.clone(), Plan::default());
                let engine = Engine::new(self.request.rules(), known, jobs, self.reporter.clone());
                Box::new(Now {
                    engine,
                    places: Arc::clone(&seen.places),
                    files: 0,
                    warnings: BTreeSet::new(),
                })
            }
        };
        self.report_graph(&now.engine.state.view, &seen.view);
        if let Some(warnings) = seen.warnings {
            let warnings = warnings.into_iter().map(|warning| warning.message);
            now.warnings = self.report_warnings(warnings.collect(), &now.warnings);
        }
        (now.places, now.files) = (seen.places, seen.count);
        if !seen.woken.is_empty() {
            now.engine.go_on();
        }
        now.engine.adopt(seen.view, facts, in_doubt);
        self.is_unshown = true;
        self.wake(&mut now, &seen.woken, seen.files);
        for (id, error) in unreadable {
            now.engine.unreadable(id, &error);
        }
        now
    }

    /// The facts of the images of a new view: what the look found, else the previous facts if the key is the same.
    fn facts(
        &self,
        before: Option<&Now<'r>>,
        view: &View,
        mut found: BTreeMap<ImageId, Facts>,
        ended: &BTreeSet<String>,
    ) -> Vec<Facts> {
        let (world, prints) = (&view.world, &view.prints);
        // Images that were built during the look: query them again.
        let late = ended.iter().filter_map(|name| world.graph.find(name));
        let late: BTreeSet<ImageId> = late.filter(|id| found.contains_key(id)).collect();
        let push = self.request.options.push;
        let asker = Asker::silent().or(&self.end.cancel);
        found.extend(facts::of(world, prints, &self.store, &late, push, asker));
        let known = |id: ImageId| {
            let before = &before?.engine.state;
            let facts = &before.facts[before.find(view.name(id))?.index()];
            (facts.key == prints.key(id)).then(|| facts.clone())
        };
        let facts = |id: ImageId| {
            let found = found.remove(&id).or_else(|| known(id));
            found.unwrap_or_else(|| facts::nothing(world, prints, id))
        };
        world.graph.ids().map(facts).collect()
    }

    fn report_graph(&self, before: &View, view: &View) {
        let names = |view: &View| -> BTreeSet<String> {
            let ids = view.world.graph.ids();
            ids.map(|id| view.name(id).to_owned()).collect()
        };
        let (old, new) = (names(before), names(view));
        if old != new {
            self.reporter.emit(Event::GraphChanged {
                images: new.len(),
                added: new.difference(&old).cloned().collect(),
                removed: old.difference(&new).cloned().collect(),
            });
        }
    }

    fn report_warnings(
        &self,
        warnings: BTreeSet<String>,
        known: &BTreeSet<String>,
    ) -> BTreeSet<String> {
        for message in warnings.difference(known) {
            let message = message.clone();
            self.reporter.emit(Event::Warning { message });
        }
        warnings
    }
}

/// Images whose files have become unreadable, except if they only changed while being read: these are looked at again.
fn news(view: &View, woken: &BTreeSet<ImageId>) -> Vec<(ImageId, FilesError)> {
    let is_news = |(id, error): &(&ImageId, &FilesError)| {
        woken.contains(id) && !matches!(error, FilesError::Moved { .. })
    };
    let news = view.unreadable.iter().filter(is_news);
    news.map(|(id, error)| (*id, error.clone())).collect()
}
