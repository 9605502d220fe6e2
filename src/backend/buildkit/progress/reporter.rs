//! Reports steps and lines of output by their names in the manifest, and retains what is needed to interpret a failure.

use std::collections::VecDeque;

use crate::backend::Notes;
use crate::backend::steps::StepName;

/// How many lines are retained for interpreting a failure.
pub(super) const KEPT: usize = 40;

/// What is known about a failure from the output.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Failure {
    /// The failed step, counted from 0, if it is a numbered one.
    pub(crate) step: Option<usize>,
    /// The image whose manifest could not be fetched, by its full reference.
    pub(crate) image: Option<String>,
    /// `BuildKit`'s error message.
    pub(crate) error: String,
    /// The last lines that steps wrote.
    pub(crate) lines: Vec<String>,
}

/// Reports steps and lines of output by their names in the manifest.
pub(super) struct StepReporter<'a> {
    steps: &'a [StepName],
    notes: &'a dyn Notes,
    /// The highest number of any step that has begun, counted from 1.
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
            // Independent steps run concurrently: only the furthest one counts as current.
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
        // The error of a vertex that was cancelled because another one failed does not reveal the cause.
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

    /// Reports text from the builder itself.
    pub(super) fn text(&mut self, line: &str) {
        keep(&mut self.text, line);
        // After a failed step this only shows the location in a generated Dockerfile, which the user did not write.
        let is_known = self.failure.step.is_some() || self.failure.image.is_some();
        if !is_known && !line.trim().is_empty() {
            self.notes.log(line);
        }
    }

    /// The name of a step; those of a user's own Dockerfile are taken from `BuildKit`.
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

/// The name of a step in a user's Dockerfile: `RUN …` in `[stage 3/7] RUN …`.
fn own_words(name: &str) -> String {
    let words = name.split_once("] ").map_or(name, |(_, words)| words);
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The step number, counted from 0, and the number of steps in a name such as `[linux/amd64 stage-0 3/7] RUN …`.
pub(super) fn number(name: &str) -> Option<(usize, usize)> {
    let (inside, _) = name.strip_prefix('[')?.split_once(']')?;
    let (at, of) = inside.rsplit(' ').next()?.split_once('/')?;
    let (at, of): (usize, usize) = (at.parse().ok()?, of.parse().ok()?);
    Some((at.checked_sub(1)?, of))
}

/// The reference in the name of the vertex that resolves an image at its registry.
fn fetched(name: &str) -> Option<&str> {
    let (_, reference) = name.split_once("load metadata for ")?;
    Some(reference)
}

/// The last `ERROR:` line, or else the last nonblank line.
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
