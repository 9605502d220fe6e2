//! Parses the output of a build, in either of its two formats, into steps and lines.
//!
//! Knows `BuildKit`'s messages, but no processes. The output is informational; the exit code decides. A line that
//! cannot be parsed is kept as text. Step numbers are `BuildKit`'s, step names are imgspec's.

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

/// The formats of build output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One JSON object per line.
    Raw,
    /// Text for people.
    Plain,
}

/// A parser of build output, which reports steps and lines as notes.
pub(crate) struct Progress<'a> {
    reporter: StepReporter<'a>,
    form: Form,
    raw: raw::Raw,
    plain: plain::Plain,
}

impl<'a> Progress<'a> {
    /// Creates a parser for one format; `steps` are the names of `BuildKit`'s numbered steps.
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

    /// Processes a status message from a connection.
    pub(crate) fn status(&mut self, status: StatusResponse) {
        self.raw.status(status.into(), &mut self.reporter);
    }

    /// Whether the build has so far at most begun to fetch its base.
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
