//! Who is told that a wave ended: hooks, and whoever keeps a summary; and whether that causes the next wave.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bell::Bell;
use super::done::Done;
use super::hook::{Commands, Hooks};
use super::request::Request;
use crate::run::wave::{Wakening, WaveEnd};
use crate::run::{Event, Summary};

/// The listeners, and what they need to know of earlier waves.
pub(super) struct Ends<'r> {
    hooks: Option<Hooks>,
    ended: &'r mut dyn FnMut(&Summary),
    repeats: Repeats,
    last: Option<Instant>,
    /// The images that the last wave was about.
    pub(super) last_woken: BTreeSet<String>,
}

impl<'r> Ends<'r> {
    pub(super) fn new(
        request: &Request,
        root: &Path,
        bell: &Bell,
        ended: &'r mut dyn FnMut(&Summary),
    ) -> Self {
        Self {
            hooks: hooks(request, root, bell),
            ended,
            repeats: Repeats::default(),
            last: None,
            last_woken: BTreeSet::new(),
        }
    }

    /// The file that a hook writes, if waves cause one another.
    pub(super) fn blame(&mut self, wakening: &Wakening, files: &[String]) -> Option<String> {
        if !wakening.begins || self.hooks.is_none() || files.is_empty() {
            return None;
        }
        let after = self.last.map_or(Duration::MAX, |at| at.elapsed());
        self.repeats.note(files, after).map(str::to_owned)
    }

    /// Tells whoever asked to be told of the ends of waves.
    pub(super) fn tell(&mut self, end: WaveEnd) {
        self.last = Some(Instant::now());
        if let (Some(hooks), Some(done)) = (&self.hooks, Done::of(&end)) {
            hooks.run(done);
        }
        (self.ended)(&end.summary);
        // A wave that `r` began has none: what changed last is what it was.
        if !end.wave.woken.is_empty() {
            self.last_woken = end.wave.woken;
        }
    }

    pub(super) fn stop(&mut self) {
        self.hooks = None;
    }
}

fn hooks(request: &Request, root: &Path, bell: &Bell) -> Option<Hooks> {
    if request.on_success.is_none() && request.on_failure.is_none() {
        return None;
    }
    let commands = Commands {
        on_success: request.on_success.clone(),
        on_failure: request.on_failure.clone(),
        root: root.to_owned(),
    };
    let bell = bell.clone();
    Some(Hooks::new(
        commands,
        Arc::new(move |event: Event| bell.tell(event)),
    ))
}

/// So many waves in a row by the same files are no accident.
const TOO_OFTEN: usize = 5;

/// Whoever saves files again this soon after a wave is no person.
const SOON: Duration = Duration::from_millis(500);

/// Notices waves that cause one another: a hook that writes what is watched.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    files: Vec<String>,
    count: usize,
}

impl Repeats {
    /// Notes the files of a wave that begins so long after the last one ended; the file to blame if it goes round in circles.
    pub(super) fn note(&mut self, files: &[String], after: Duration) -> Option<&str> {
        if self.files == files && after <= SOON {
            self.count += 1;
        } else {
            self.count = 1;
            self.files = files.to_vec();
        }
        (self.count == TOO_OFTEN).then(|| self.files.first().map(String::as_str))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen in compose#12089.
    #[test]
    fn waves_that_cause_one_another_are_noticed_once() {
        let mut repeats = Repeats::default();
        let (files, soon, late) = (
            ["x".to_owned()],
            Duration::from_millis(90),
            Duration::from_secs(3),
        );
        for _ in 0..4 {
            assert_eq!(repeats.note(&files, soon), None);
        }
        assert_eq!(repeats.note(&files, soon), Some("x"));
        assert_eq!(repeats.note(&files, soon), None);
        for _ in 0..20 {
            assert_eq!(
                repeats.note(&files, late),
                None,
                "a person saves the same file again and again"
            );
        }
    }
}
