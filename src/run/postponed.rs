//! Images that are left to other runners: postponed until those have pushed them, or have given them up.

use super::claims::{Unclaimed, Watched};
use super::engine::Engine;
use super::event::Event;
use super::jobs::Job;
use super::worker::Built;
use crate::backend::StoreKind;
use crate::cancel::Cancel;

impl Engine<'_> {
    /// Leaves an image to the runner that has claimed it.
    pub(super) fn postpone(&mut self, image: String, job: Job, watched: Watched) {
        if self.is_halted() {
            return self.cancelled(image, &job);
        }
        self.emit(Event::ImageStep {
            image: image.clone(),
            step: 0,
            of: 0,
            name: "waiting for another runner that is building it".to_owned(),
        });
        if let Some(claims) = &self.jobs.claims {
            claims.watch(&image, watched);
        }
        self.state.postponed.insert(image, job);
    }

    /// Gives up all claims of the run.
    pub(super) fn end_claims(&mut self, cancel: &Cancel) {
        self.state.postponed.clear();
        if let Some(claims) = &self.jobs.claims {
            claims.end(cancel);
        }
    }

    /// Adopts an image that another runner has pushed, or makes it ready again.
    pub(super) fn unclaimed(&mut self, news: Unclaimed) {
        let Unclaimed { image, how } = news;
        let Some(job) = self.state.postponed.remove(&image) else {
            return;
        };
        self.state.touch(&image);
        self.touch();
        if self.is_halted() {
            return;
        }
        match how {
            Ok(artifact) => {
                let built = Built {
                    artifact,
                    record: None,
                    found: Some(StoreKind::Registry),
                };
                self.built(&image, &job, built, 0.0);
            }
            Err(left) => drop(self.state.returned.insert(image, left)),
        }
    }
}
