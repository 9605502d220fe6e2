//! Passes steps and lines of output on, in our words, and keeps what a failure is judged by.

use std::collections::VecDeque;

use crate::backend::Notes;
use crate::backend::steps::StepName;

/// How many lines are kept to judge a failure by.
pub(super) const KEPT: usize = 40;

/// What went wrong, as far as the output says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Failure {
    /// The step that failed, from 0, if it is a numbered one.
    pub(crate) step: Option<usize>,
    /// The image whose manifest could not be fetched, by its whole reference.
    pub(crate) image: Option<String>,
    /// `BuildKit`'s words for it.
    pub(crate) error: String,
    /// The last lines that steps wrote.
    pub(crate) lines: Vec<String>,
}

/// Passes on steps and lines, in our words.
pub(super) struct StepReporter<'a> {
    steps: &'a [StepName],
    notes: &'a dyn Notes,
    /// How many steps have begun, by the highest number.
    pub(super) begun: usize,
    failure: Failure,
    lines: VecDeque<String>,
    text: VecDeque<String>,
}

impl<'a> StepReporter<'a> {
    pub(super) fn new(steps: &'a [StepName], notes: &'a dyn Notes) -> Self {
        Self {
            steps,
            notes,
            begun: 0,
            failure: Failure::default(),
            lines: VecDeque::new(),
            text: VecDeque::new(),
        }
    }

    pub(super) fn failure(self) -> Failure {
        let mut failure = self.failure;
        if failure.error.is_empty() {
            failure.error = last_error(self.text.iter());
        }
        failure.lines = self.lines.into();
        failure
    }

    pub(super) fn began(&mut self, name: &str) {
        if let Some((at, of)) = number(name) {
            let words = self.words(at, name);
            let of = if self.steps.is_empty() {
                of
            } else {
                self.steps.len()
            };
            // Independent steps run at once: only the furthest counts as the current one.
            if at + 1 > self.begun {
                self.begun = at + 1;
                self.notes.step(at + 1, of, &words);
            } else {
                self.notes.log(&format!("[{}/{of}] {words}", at + 1));
            }
        } else if name.starts_with("exporting to image") {
            self.notes
                .step(self.steps.len(), self.steps.len(), "saving the image");
        }
    }

    pub(super) fn cached(&mut self, name: &str) {
        if let Some((at, _)) = number(name) {
            self.notes.cached(&self.words(at, name));
        }
    }

    pub(super) fn failed(&mut self, name: &str, error: &str) {
        // A part that was cancelled because another one failed says nothing about the cause.
        if error.ends_with("context canceled") && !self.failure.error.is_empty() {
            return;
        }
        if self.failure.error.is_empty() || self.failure.error.ends_with("context canceled") {
            self.failure.step = number(name).map(|(at, _)| at);
            self.failure.image = fetched(name).map(str::to_owned);
            error.clone_into(&mut self.failure.error);
        }
    }

    pub(super) fn output(&mut self, line: &str) {
        keep(&mut self.lines, line);
        self.notes.log(line);
    }

    /// The builder itself said something.
    pub(super) fn text(&mut self, line: &str) {
        keep(&mut self.text, line);
        // After a failed step it only shows the place in a Dockerfile that the user did not write.
        let is_known = self.failure.step.is_some() || self.failure.image.is_some();
        if !is_known && !line.trim().is_empty() {
            self.notes.log(line);
        }
    }

    /// The words of a step; those of a user's own Dockerfile are not known before.
    fn words(&self, at: usize, name: &str) -> String {
        match self.steps.get(at) {
            Some(step) => step.words.clone(),
            None if self.steps.is_empty() => own_words(name),
            None => format!("step {}", at + 1),
        }
    }
}

fn keep(lines: &mut VecDeque<String>, line: &str) {
    if lines.len() == KEPT {
        lines.pop_front();
    }
    lines.push_back(line.to_owned());
}

/// The name of a step in a user's Dockerfile: `RUN …` of `[stage 3/7] RUN …`.
fn own_words(name: &str) -> String {
    let words = name.split_once("] ").map_or(name, |(_, words)| words);
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The number, from 0, in a name such as `[linux/amd64 stage-0 3/7] RUN …`, and the number of steps.
pub(super) fn number(name: &str) -> Option<(usize, usize)> {
    let (inside, _) = name.strip_prefix('[')?.split_once(']')?;
    let (at, of) = inside.rsplit(' ').next()?.split_once('/')?;
    let (at, of): (usize, usize) = (at.parse().ok()?, of.parse().ok()?);
    Some((at.checked_sub(1)?, of))
}

/// The reference in the name of the part that asks a registry what an image is.
fn fetched(name: &str) -> Option<&str> {
    let (_, reference) = name.split_once("load metadata for ")?;
    Some(reference)
}

/// The last `ERROR:` line, or else the last line that says anything.
fn last_error<'t>(text: impl DoubleEndedIterator<Item = &'t String> + Clone) -> String {
    let said = text
        .clone()
        .rev()
        .find_map(|line| line.strip_prefix("ERROR: "));
    let last = || {
        text.rev()
            .find(|line| !line.trim().is_empty())
            .map(String::as_str)
    };
    said.or_else(last).unwrap_or_default().to_owned()
}
