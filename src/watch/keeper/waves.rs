//! How the keeper begins and ends waves.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::Keeper;
use crate::graph::ImageId;
use crate::run::{Event, Outcome, Summary};
use crate::watch::board::Standing;
use crate::watch::wave::Wave;

impl Keeper<'_, '_> {
    /// Images are not what they were: a wave begins, or goes on.
    pub(super) fn wake(&mut self, woken: &BTreeSet<ImageId>, files: (Vec<String>, usize)) {
        let Some(now) = &self.now else { return };
        let graph = &now.view.world.graph;
        let is_to_do = |id: &ImageId| now.board[id.index()].is_under_way();
        let to_do: BTreeSet<String> = graph
            .ids()
            .filter(is_to_do)
            .map(|id| graph.name(id).to_owned())
            .collect();
        let names: BTreeSet<String> = woken.iter().map(|id| graph.name(*id).to_owned()).collect();
        if names.is_empty() && to_do.is_empty() {
            return;
        }
        let fresh: Vec<ImageId> = woken
            .iter()
            .copied()
            .filter(|id| now.board[id.index()] == Standing::Fresh)
            .collect();
        let is_first = self.waves == 0 && self.wave.is_none();
        let begins = self.wave.is_none();
        let wave = self.wave.get_or_insert_with(|| Wave::new(self.waves + 1));
        wave.woken.extend(names.iter().cloned());
        wave.planned.extend(to_do.iter().cloned());
        // What is built anew counts anew.
        for name in to_do.iter().chain(&names) {
            wave.failed.remove(name);
        }
        for name in &to_do {
            wave.built.remove(name);
        }
        let build = wave.planned.len();
        if begins {
            self.waves += 1;
        }
        let blame = self.blame(begins, &files.0);
        if !is_first && !names.is_empty() {
            let (files, count) = files;
            self.tell(Event::FilesChanged {
                files,
                count,
                images: names.into_iter().collect(),
                build,
            });
        }
        if let Some(file) = blame {
            let message = format!(
                "`{file}` changes after every wave: does a hook write it? leave it out with a `.dockerignore`"
            );
            self.tell(Event::Warning { message });
        }
        if begins {
            self.tell(Event::RunStarted {
                build,
                fresh: fresh.len(),
                jobs: self.request.options.jobs,
            });
        }
    }

    /// The file that a hook writes, if waves cause one another.
    fn blame(&mut self, begins: bool, files: &[String]) -> Option<String> {
        if !begins || self.hooks.is_none() || files.is_empty() {
            return None;
        }
        let after = self.wave_ended.map_or(Duration::MAX, |at| at.elapsed());
        self.repeats.note(files, after).map(str::to_owned)
    }

    /// Ends the wave when nothing is left to do and nothing is in doubt.
    pub(super) fn end_wave_if_done(&mut self) {
        let is_busy = !self.jobs.is_empty() || self.looking.is_some() || self.quiet.is_open();
        let Some(now) = &self.now else { return };
        let is_under_way = !self.is_halted && now.board.iter().any(Standing::is_under_way);
        if is_busy || self.is_stale || is_under_way {
            return;
        }
        let Some(mut wave) = self.wave.take() else {
            return;
        };
        self.wave_ended = Some(Instant::now());
        self.last_woken.clone_from(&wave.woken);
        let graph = &now.view.world.graph;
        wave.failed.retain(|name| graph.find(name).is_some());
        let with = |is: fn(&Standing) -> bool| -> Vec<String> {
            let ids = graph.ids().filter(|id| is(&now.board[id.index()]));
            ids.map(|id| graph.name(id).to_owned()).collect()
        };
        let waiting = with(|standing| matches!(standing, Standing::Blocked(_)));
        let forbidden = with(|standing| matches!(standing, Standing::Forbidden));
        let failed = with(|standing| {
            matches!(
                standing,
                Standing::Failed
                    | Standing::PushFailed
                    | Standing::Unreadable
                    | Standing::Forbidden
            )
        });
        let about: BTreeSet<&String> = wave.woken.iter().chain(&wave.planned).collect();
        let is_fresh = |name: &&&String| {
            let id = graph.find(name);
            !wave.built.contains_key(**name)
                && id.is_some_and(|id| {
                    now.board[id.index()] == Standing::Fresh && now.plan.get(id).is_some()
                })
        };
        let fresh: Vec<Outcome> = about
            .iter()
            .filter(is_fresh)
            .filter_map(|name| {
                let id = graph.find(name)?;
                Some(Outcome {
                    image: (*name).clone(),
                    key: now.view.prints.key(id),
                    artifact: self.artifact(id)?,
                    seconds: None,
                })
            })
            .collect();
        self.tell_end(&wave, &fresh, &forbidden, &waiting);
        self.tell(Event::WatchWaiting {
            failed,
            waiting: waiting.clone(),
        });
        self.hand_over(&wave, fresh, waiting);
    }

    fn tell_end(
        &mut self,
        wave: &Wave,
        fresh: &[Outcome],
        forbidden: &[String],
        waiting: &[String],
    ) {
        for outcome in fresh {
            self.tell(Event::ImageFresh {
                image: outcome.image.clone(),
                reference: outcome.artifact.reference.clone(),
            });
        }
        for image in forbidden {
            let message =
                format!("`{image}` is a base that has to be built, and `--no-bases` forbids it");
            self.tell(Event::Warning { message });
        }
        self.tell(Event::RunFinished {
            built: wave
                .built
                .values()
                .filter(|outcome| outcome.seconds.is_some())
                .count(),
            pushed: wave.pushed.len(),
            fresh: fresh.len()
                + wave
                    .built
                    .values()
                    .filter(|outcome| outcome.seconds.is_none())
                    .count(),
            failed: wave.failed.iter().cloned().collect(),
            skipped: waiting.to_vec(),
            cancelled: Vec::new(),
            seconds: wave.started.elapsed().as_secs_f64(),
        });
    }

    /// Tells whoever asked to be told of the ends of waves.
    fn hand_over(&mut self, wave: &Wave, fresh: Vec<Outcome>, waiting: Vec<String>) {
        if let (Some(hooks), Some(done)) = (&self.hooks, wave.done(&fresh, waiting.clone())) {
            hooks.run(done);
        }
        let summary = Summary {
            images: wave.built.values().cloned().chain(fresh).collect(),
            failed: wave.failed.iter().cloned().collect(),
            skipped: waiting,
            cancelled: Vec::new(),
            interrupted: false,
        };
        (self.ended)(&summary);
    }
}
