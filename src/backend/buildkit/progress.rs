//! The output of a build, in either of its two forms, as steps and lines.
//!
//! Knows `BuildKit`'s words, no processes. The output is for people, the verdict is the exit code; a line that is not understood
//! is kept as text; the numbers of steps are `BuildKit`'s, the words are ours.

#[cfg(test)]
mod fuzz;
mod plain;
mod raw;
mod reporter;

use bollard_buildkit_proto::moby::buildkit::v1::StatusResponse;

use crate::backend::Notes;
use crate::backend::steps::StepName;
pub(crate) use reporter::Failure;
use reporter::StepReporter;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One JSON object a line.
    Raw,
    /// Text for people.
    Plain,
}

pub(crate) struct Progress<'a> {
    reporter: StepReporter<'a>,
    form: Form,
    raw: raw::Raw,
    plain: plain::Plain,
}

impl<'a> Progress<'a> {
    /// Reads one form; `steps` are `BuildKit`'s numbered steps in our words.
    pub(crate) fn new(form: Form, steps: &'a [StepName], notes: &'a dyn Notes) -> Self {
        Self {
            reporter: StepReporter::new(steps, notes),
            form,
            raw: raw::Raw::default(),
            plain: plain::Plain::default(),
        }
    }

    pub(crate) fn line(&mut self, line: &str) {
        match self.form {
            Form::Raw => self.raw.line(line, &mut self.reporter),
            Form::Plain => self.plain.line(line, &mut self.reporter),
        }
    }

    /// Takes what came over a connection.
    pub(crate) fn status(&mut self, status: StatusResponse) {
        self.raw.status(status.into(), &mut self.reporter);
    }

    /// Whether nothing has begun but the fetching of what the build stands on.
    pub(crate) fn is_fetching(&self) -> bool {
        self.reporter.begun <= 1
    }

    pub(crate) fn failure(mut self) -> Failure {
        self.raw.end(&mut self.reporter);
        self.reporter.failure()
    }
}

#[cfg(test)]
mod tests;
