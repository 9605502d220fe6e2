//! Starts and ends waves, and reports them.

use std::collections::BTreeSet;

use super::board::Standing;
use super::engine::{Engine, Halt};
use super::event::Event;
use super::wave::{Outcome, Summary, Wakening, Wave, WaveEnd};
use crate::fingerprint::FilesError;
use crate::graph::ImageId;
use crate::plan::Action;

impl Engine<'_> {
    /// Starts the single wave of a build, with all images of the plan.
    pub(super) fn begin(&mut self) {
        self.decide();
        let all: BTreeSet<ImageId> = self
            .state
            .plan
            .images
            .iter()
            .map(|image| image.id)
            .collect();
        let wakening = self.wake(&all);
        self.report_start(&wakening);
        if !self.state.rules.manner.reports_fresh_first() {
            return;
        }
        for image in &self.state.plan.images {
            if *self.state.board.get(image.id) == Standing::Fresh {
                self.emit(Event::ImageFresh {
                    image: self.state.name(image.id),
                    reference: self.state.view.reference(image.id),
                });
            }
        }
    }

    /// Whether anything remains to be built or pushed.
    pub(crate) fn has_work(&self) -> bool {
        let mut ids = self.state.graph().ids();
        ids.any(|id| self.state.board.get(id).is_to_do())
    }

    /// Starts or extends a wave for changed images. Plan and board must be up to date.
    pub(crate) fn wake(&mut self, woken: &BTreeSet<ImageId>) -> Wakening {
        let images: BTreeSet<String> = self
            .state
            .names(woken.iter().copied())
            .into_iter()
            .collect();
        let to_do: BTreeSet<String> = self.with(Standing::is_to_do).into_iter().collect();
        // One that lacks only names is neither built nor pushed.
        let is_named = |id: ImageId| {
            let planned = self.state.plan.get(id);
            planned.is_some_and(|planned| planned.action == Action::Tag)
        };
        let is_fresh =
            |id: &&ImageId| *self.state.board.get(**id) == Standing::Fresh || is_named(**id);
        let fresh = woken.iter().filter(is_fresh).count();
        let named = to_do.iter().filter_map(|name| self.state.find(name));
        let named = named.filter(|id| is_named(*id)).count();
        let begins = self.wave.is_none();
        if begins {
            self.waves += 1;
        }
        let wave = self.wave.get_or_insert_with(|| Wave::new(self.waves));
        wave.extend(&images, &to_do);
        Wakening {
            begins,
            images: images.into_iter().collect(),
            build: wave.planned.len() - named,
            fresh,
        }
    }

    pub(crate) fn report_start(&self, wakening: &Wakening) {
        self.emit(Event::RunStarted {
            build: wakening.build,
            fresh: wakening.fresh,
            jobs: self.state.rules.options.jobs,
        });
    }

    pub(crate) fn unreadable(&mut self, id: ImageId, error: &FilesError) {
        let image = self.state.name(id);
        self.fail_in_wave(&image);
        self.emit(Event::ImageFailed {
            image,
            error: error.to_string(),
            place: None,
            log: None,
            tail: Vec::new(),
            seconds: 0.0,
        });
    }

    /// Ends the wave; nothing is left to do.
    pub(crate) fn end_wave(&mut self) -> WaveEnd {
        let mut wave = self.wave.take().unwrap_or_else(|| Wave::new(self.waves));
        wave.failed.retain(|name| self.state.find(name).is_some());
        let fresh = self.fresh(&wave);
        let is_stopped = |name: &String| wave.cancelled.contains(name);
        let mut waiting = self.with(|standing| matches!(standing, Standing::Blocked(_)));
        waiting.retain(|name| !is_stopped(name));
        let summary = Summary {
            images: self.outcomes(&wave, &fresh),
            failed: self.in_order(&wave.failed),
            skipped: waiting.clone(),
            cancelled: self.in_order(&wave.cancelled),
            interrupted: self.halt == Halt::Interrupt,
        };
        self.report_end(&wave, &fresh, &summary);
        WaveEnd {
            stuck: self.with(Standing::is_stuck_itself),
            wave,
            fresh,
            waiting,
            summary,
        }
    }

    fn report_end(&self, wave: &Wave, fresh: &[Outcome], summary: &Summary) {
        let manner = self.state.rules.manner;
        for outcome in fresh.iter().filter(|_| !manner.reports_fresh_first()) {
            self.emit(Event::ImageFresh {
                image: outcome.image.clone(),
                reference: outcome.artifact.reference.clone(),
            });
        }
        for image in self.with(|standing| *standing == Standing::Forbidden) {
            let message =
                format!("`{image}` is a base that has to be built, and `--no-bases` forbids it");
            self.emit(Event::Warning { message });
        }
        if manner.looks_at_the_end() {
            self.warn_of_changed_files(wave);
        }
        let is_built = |outcome: &&Outcome| outcome.seconds.is_some();
        let built = wave.built.values().filter(is_built).count();
        self.emit(Event::RunFinished {
            built,
            pushed: wave.pushed.len(),
            fresh: summary.images.len() - built,
            failed: summary.failed.clone(),
            skipped: summary.skipped.clone(),
            cancelled: summary.cancelled.clone(),
            seconds: wave.started.elapsed().as_secs_f64(),
        });
    }

    /// Warns if files changed after they were read: the images contain their previous content.
    fn warn_of_changed_files(&self, wave: &Wave) {
        for name in self.in_order(wave.built.keys()) {
            let id = self.state.find(&name);
            if let Some(path) = id.and_then(|id| self.state.view.prints.changed_since_read(id)) {
                let message = format!(
                    "`{path}` changed while `{name}` was being built: the image has the previous content; run again to update it"
                );
                self.emit(Event::Warning { message });
            }
        }
    }

    /// Images of a wave that exist and did not have to be built, by name.
    fn fresh(&self, wave: &Wave) -> Vec<Outcome> {
        let about: BTreeSet<&String> = wave.woken.iter().chain(&wave.planned).collect();
        let unbuilt = about
            .into_iter()
            .filter(|name| !wave.built.contains_key(*name));
        let outcome = |name: &String| {
            let id = self.state.find(name)?;
            let manner = self.state.rules.manner;
            let is_there =
                self.state.plan.get(id).is_some() && manner.is_there(self.state.board.get(id));
            is_there.then(|| Outcome {
                image: name.clone(),
                key: self.state.view.prints.key(id),
                artifact: self.state.artifact(id),
                names: Vec::new(),
                seconds: None,
                pushed: None,
            })
        };
        unbuilt.filter_map(outcome).collect()
    }

    /// All images that exist, in plan order; images that are no longer in the plan come last.
    fn outcomes(&self, wave: &Wave, fresh: &[Outcome]) -> Vec<Outcome> {
        let mut all: Vec<Outcome> = wave.built.values().chain(fresh).cloned().collect();
        for outcome in &mut all {
            outcome.pushed = self.state.pushed_digest(&outcome.image);
            let id = self.state.find(&outcome.image);
            let names = id.map(|id| self.state.view.also_named(id));
            outcome.names = names.unwrap_or_default();
        }
        all.sort_by_key(|outcome| {
            let id = self.state.find(&outcome.image);
            id.map_or(usize::MAX, |id| self.state.board.place(id))
        });
        all
    }

    /// Ids of the images whose standing satisfies `is`, in manifest order.
    fn with(&self, is: impl Fn(&Standing) -> bool) -> Vec<String> {
        let ids = self.state.graph().ids();
        self.state
            .names(ids.filter(|id| is(self.state.board.get(*id))))
    }

    fn in_order<'n>(&self, names: impl IntoIterator<Item = &'n String>) -> Vec<String> {
        let mut ids: Vec<ImageId> = names
            .into_iter()
            .filter_map(|name| self.state.find(name))
            .collect();
        ids.sort_unstable();
        self.state.names(ids)
    }
}
