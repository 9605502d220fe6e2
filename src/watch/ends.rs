//! Runs hooks and passes on the summary at the end of a wave, and detects hooks that trigger the next wave.

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

/// The listeners, and what has to be remembered of earlier waves.
pub(super) struct Ends<'r> {
    hooks: Option<Hooks>,
    ended: &'r mut dyn FnMut(&Summary),
    repeats: Repeats,
    last: Option<Instant>,
    /// The images of the last wave.
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

    /// The file to blame if waves keep triggering each other.
    pub(super) fn blame(&mut self, wakening: &Wakening, files: &[String]) -> Option<String> {
        if !wakening.begins || self.hooks.is_none() || files.is_empty() {
            return None;
        }
        let after = self.last.map_or(Duration::MAX, |at| at.elapsed());
        self.repeats.note(files, after).map(str::to_owned)
    }

    /// Notifies hooks and callback of the end of a wave.
    pub(super) fn notify(&mut self, end: WaveEnd) {
        self.last = Some(Instant::now());
        if let (Some(hooks), Some(done)) = (&self.hooks, Done::of(&end)) {
            hooks.run(done);
        }
        (self.ended)(&end.summary);
        // A wave started by `r` has none; keep the previous ones.
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
        Arc::new(move |event: Event| bell.emit(event)),
    ))
}

/// Waves in a row from the same files that count as a loop.
const TOO_OFTEN: usize = 5;

/// Files that change again within this time after a wave were not saved by a person.
const SOON: Duration = Duration::from_millis(500);

/// Detects waves that trigger each other: a hook that writes a watched file.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    files: Vec<String>,
    count: usize,
}

impl Repeats {
    /// Notes the files of a wave that starts `after` the end of the last one. Returns the file to blame when a loop is
    /// detected.
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
