//! What a build says while it runs, in either of its two forms, as steps and lines of output.
//!
//! Knows `BuildKit`'s words, no processes. The choices made: the stream is for people, the exit code is the verdict; a line that
//! is not understood is kept as text; the numbers of steps are `BuildKit`'s, the words are ours.

#[cfg(test)]
mod fuzz;
mod plain;
mod raw;

use std::collections::VecDeque;

use super::dockerfile::StepName;
use crate::backend::Notes;
pub(super) use raw::{Log, Told, Vertex};

/// Lines that are kept for the judgement of a failure.
const KEPT: usize = 40;

/// How `BuildKit` is asked to tell its progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backend) enum Form {
    /// One JSON object a line.
    Raw,
    /// Text for people.
    Plain,
}

/// Reads a build's output and tells it on.
pub(in crate::backend) struct Progress<'a> {
    teller: Teller<'a>,
    form: Reader,
}

enum Reader {
    Raw(raw::Raw),
    Plain(plain::Plain),
}

/// What went wrong, as far as the output told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::backend) struct Trouble {
    /// The step that failed, from 0, if it is a numbered one.
    pub(in crate::backend) step: Option<usize>,
    /// `BuildKit`'s words for it.
    pub(in crate::backend) error: String,
    /// The last lines that steps wrote.
    pub(in crate::backend) lines: Vec<String>,
}

impl<'a> Progress<'a> {
    /// Reads one form; `steps` are `BuildKit`'s numbered steps in our words.
    pub(in crate::backend) fn new(form: Form, steps: &'a [StepName], notes: &'a dyn Notes) -> Self {
        Self {
            teller: Teller {
                steps,
                notes,
                told: 0,
                trouble: Trouble::default(),
                lines: VecDeque::new(),
                text: VecDeque::new(),
            },
            form: match form {
                Form::Raw => Reader::Raw(raw::Raw::default()),
                Form::Plain => Reader::Plain(plain::Plain::default()),
            },
        }
    }

    /// Takes a line of the output.
    pub(in crate::backend) fn line(&mut self, line: &str) {
        match &mut self.form {
            Reader::Raw(raw) => raw.line(line, &mut self.teller),
            Reader::Plain(plain) => plain.line(line, &mut self.teller),
        }
    }

    /// Takes what a connection told.
    pub(super) fn told(&mut self, told: Told) {
        if let Reader::Raw(raw) = &mut self.form {
            raw.told(told, &mut self.teller);
        }
    }

    /// Whether nothing but what the build stands on was told of.
    pub(in crate::backend) fn is_fetching(&self) -> bool {
        self.teller.told <= 1
    }

    /// What went wrong.
    pub(in crate::backend) fn trouble(mut self) -> Trouble {
        if let Reader::Raw(raw) = &mut self.form {
            raw.end(&mut self.teller);
        }
        let teller = self.teller;
        let mut trouble = teller.trouble;
        if trouble.error.is_empty() {
            trouble.error = last_error(teller.text.iter());
        }
        trouble.lines = teller.lines.into();
        trouble
    }
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

/// Tells steps and lines on, in our words.
struct Teller<'a> {
    steps: &'a [StepName],
    notes: &'a dyn Notes,
    /// How many steps were told of.
    told: usize,
    trouble: Trouble,
    lines: VecDeque<String>,
    text: VecDeque<String>,
}

impl Teller<'_> {
    /// A part of the build began, by `BuildKit`'s name.
    fn began(&mut self, name: &str) {
        if let Some((at, of)) = number(name) {
            let (words, of) = match self.steps.len() {
                0 => (own_words(name), of),
                known => (self.words(at), known),
            };
            // Steps that do not need one another run at once: the last told is the furthest.
            if at + 1 > self.told {
                self.told = at + 1;
                self.notes.step(at + 1, of, &words);
            } else {
                self.notes.log(&format!("[{}/{of}] {words}", at + 1));
            }
        } else if name.starts_with("exporting to image") {
            self.notes
                .step(self.steps.len(), self.steps.len(), "saving the image");
        }
    }

    /// A part was found in the cache.
    fn cached(&mut self, name: &str) {
        if let Some((at, _)) = number(name) {
            let is_own = self.steps.is_empty();
            let words = if is_own {
                own_words(name)
            } else {
                self.words(at)
            };
            self.notes.cached(&words);
        }
    }

    /// A part failed.
    fn failed(&mut self, name: &str, error: &str) {
        // What was stopped because another part failed says nothing about the cause.
        if error.ends_with("context canceled") && !self.trouble.error.is_empty() {
            return;
        }
        if self.trouble.error.is_empty() || self.trouble.error.ends_with("context canceled") {
            self.trouble.step = number(name).map(|(at, _)| at);
            error.clone_into(&mut self.trouble.error);
        }
    }

    /// A step wrote a line.
    fn output(&mut self, line: &str) {
        keep(&mut self.lines, line);
        self.notes.log(line);
    }

    /// The builder itself said something.
    fn text(&mut self, line: &str) {
        keep(&mut self.text, line);
        // After a step failed it only shows the place in a Dockerfile that the user did not write.
        if self.trouble.step.is_none() && !line.trim().is_empty() {
            self.notes.log(line);
        }
    }

    fn words(&self, at: usize) -> String {
        let known = self.steps.get(at).map(|step| step.words.clone());
        known.unwrap_or_else(|| format!("step {}", at + 1))
    }
}

fn keep(lines: &mut VecDeque<String>, line: &str) {
    if lines.len() == KEPT {
        lines.pop_front();
    }
    lines.push_back(line.to_owned());
}

/// What a Dockerfile of the user's own calls a step: `RUN …` of `[stage 3/7] RUN …`.
fn own_words(name: &str) -> String {
    let words = name.split_once("] ").map_or(name, |(_, words)| words);
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The number, from 0, in a name such as `[linux/amd64 stage-0 3/7] RUN …`, and the number of steps.
fn number(name: &str) -> Option<(usize, usize)> {
    let (inside, _) = name.strip_prefix('[')?.split_once(']')?;
    let (at, of) = inside.rsplit(' ').next()?.split_once('/')?;
    let (at, of): (usize, usize) = (at.parse().ok()?, of.parse().ok()?);
    Some((at.checked_sub(1)?, of))
}

#[cfg(test)]
mod tests;
