//! The result of a wave, as hooks receive it.

use serde::Serialize;

use crate::run::Outcome;
use crate::run::wave::WaveEnd;

/// The result of a wave, as JSON on the standard input of a hook.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Done {
    /// Number of the wave, from 1.
    pub(super) wave: usize,
    pub(super) built: Vec<Image>,
    /// Images that changed and already exist.
    pub(super) fresh: Vec<Image>,
    pub(super) failed: Vec<String>,
    /// Ids of the images that wait for others.
    pub(super) waiting: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Image {
    pub(super) image: String,
    pub(super) reference: String,
    pub(super) digest: String,
}

impl Done {
    /// The result of a wave; `None` if there is no news in it.
    pub(super) fn of(end: &WaveEnd) -> Option<Self> {
        let image = |outcome: &Outcome| Image {
            image: outcome.image.clone(),
            reference: outcome.artifact.reference.clone(),
            digest: outcome.artifact.digest.clone(),
        };
        let wave = &end.wave;
        let done = Self {
            wave: wave.number,
            built: wave.built.values().map(image).collect(),
            fresh: end.fresh.iter().map(image).collect(),
            failed: wave.failed.iter().cloned().collect(),
            waiting: end.waiting.clone(),
        };
        // The first wave covers all images, so existing ones are no news.
        let is_news = !done.built.is_empty()
            || !done.failed.is_empty()
            || (done.wave > 1 && !done.fresh.is_empty());
        is_news.then_some(done)
    }

    pub(super) fn name(&self) -> &'static str {
        if self.failed.is_empty() {
            "on-success"
        } else {
            "on-failure"
        }
    }

    /// Adds what an earlier, stopped hook was given.
    pub(super) fn add(&mut self, before: Self) {
        let (built, fresh) = (&self.built, &self.fresh);
        let is_new = |old: &Image| !built.iter().chain(fresh).any(|new| new.image == old.image);
        let mut missed: Vec<Image> = before.built.into_iter().filter(is_new).collect();
        missed.append(&mut self.built);
        self.built = missed;
    }
}
