//! The output of a build, in either of its two forms, as steps and lines.
//!
//! Knows `BuildKit`'s words, no processes. The output is for people, the verdict is the exit code; a line that is not understood
//! is kept as text; the numbers of steps are `BuildKit`'s, the words are ours.

#[cfg(test)]
mod fuzz;
mod plain;
mod raw;
mod teller;

use bollard_buildkit_proto::moby::buildkit::v1::StatusResponse;

use crate::backend::Notes;
use crate::backend::steps::StepName;
pub(crate) use teller::Failure;
use teller::Teller;

/// The form of `BuildKit`'s progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One JSON object a line.
    Raw,
    /// Text for people.
    Plain,
}

pub(crate) struct Progress<'a> {
    teller: Teller<'a>,
    form: Reader,
}

enum Reader {
    Raw(raw::Raw),
    Plain(plain::Plain),
}

impl<'a> Progress<'a> {
    /// Reads one form; `steps` are `BuildKit`'s numbered steps in our words.
    pub(crate) fn new(form: Form, steps: &'a [StepName], notes: &'a dyn Notes) -> Self {
        Self {
            teller: Teller::new(steps, notes),
            form: match form {
                Form::Raw => Reader::Raw(raw::Raw::default()),
                Form::Plain => Reader::Plain(plain::Plain::default()),
            },
        }
    }

    pub(crate) fn line(&mut self, line: &str) {
        match &mut self.form {
            Reader::Raw(raw) => raw.line(line, &mut self.teller),
            Reader::Plain(plain) => plain.line(line, &mut self.teller),
        }
    }

    /// Takes what came over a connection.
    pub(crate) fn status(&mut self, status: StatusResponse) {
        if let Reader::Raw(raw) = &mut self.form {
            raw.status(status.into(), &mut self.teller);
        }
    }

    /// Whether nothing has begun but the fetching of what the build stands on.
    pub(crate) fn is_fetching(&self) -> bool {
        self.teller.begun <= 1
    }

    pub(crate) fn failure(mut self) -> Failure {
        if let Reader::Raw(raw) = &mut self.form {
            raw.end(&mut self.teller);
        }
        self.teller.failure()
    }
}

#[cfg(test)]
mod tests;
