//! The output of one build, push or pull: its log, and what is shown of it when it fails.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::event::Event;
use crate::backend::{BuildError, Notes};
use crate::disk::system_words;
use crate::store::Store;

/// Number of log lines shown for a failed build.
const TAIL: usize = 20;

pub(crate) type Emit = Arc<dyn Fn(Event) + Send + Sync>;

/// A failed job, with its log.
pub(crate) struct JobError {
    pub(crate) error: BuildError,
    pub(crate) log: Option<String>,
    pub(crate) tail: Vec<String>,
}

impl JobError {
    /// A failure without a log.
    pub(crate) fn plain(error: BuildError) -> Self {
        Self {
            error,
            log: None,
            tail: Vec::new(),
        }
    }

    pub(crate) fn failed(message: String) -> Self {
        Self::plain(BuildError::Failed(message))
    }
}

/// The log of one build: a file, its last lines, and the events for display.
pub(crate) struct Log<'a> {
    image: &'a str,
    /// Relative to the workspace root.
    path: PathBuf,
    emit: Emit,
    lines: Mutex<Lines>,
}

struct Lines {
    file: BufWriter<File>,
    tail: VecDeque<String>,
    /// Whether the file has any content.
    is_written: bool,
    /// Whether writing failed; reported once.
    is_broken: bool,
}

impl<'a> Log<'a> {
    pub(crate) fn open(
        store: &Store,
        image: &'a str,
        name: &str,
        emit: &Emit,
    ) -> Result<Self, JobError> {
        let (file, path) = store.open_log(name).map_err(|error| {
            JobError::failed(format!("cannot create its log: {}", system_words(&error)))
        })?;
        let lines = Mutex::new(Lines {
            file: BufWriter::new(file),
            tail: VecDeque::new(),
            is_written: false,
            is_broken: false,
        });
        Ok(Self {
            image,
            path,
            emit: Arc::clone(emit),
            lines,
        })
    }

    pub(super) fn image(&self) -> &str {
        self.image
    }

    pub(crate) fn trouble(&self, error: BuildError) -> JobError {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        JobError {
            error,
            log: lines.is_written.then(|| self.path.display().to_string()),
            tail: lines.tail.iter().cloned().collect(),
        }
    }

    /// Drops the tail of the previous attempt: a failure shows only the last one.
    pub(super) fn begin_again(&self) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.tail.clear();
    }

    /// Writes a line to the file only.
    fn note(&self, line: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(&mut lines, line);
    }

    /// Writes a line of output, also to the tail shown on failure.
    fn keep(&self, line: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.tail.len() == TAIL {
            lines.tail.pop_front();
        }
        lines.tail.push_back(line.to_owned());
        self.write(&mut lines, line);
    }

    fn write(&self, lines: &mut Lines, line: &str) {
        // Flush each line: someone may be following the file, and a kill must not lose it.
        let written = writeln!(lines.file, "{line}").and_then(|()| lines.file.flush());
        lines.is_written |= written.is_ok();
        if let Err(error) = written
            && !std::mem::replace(&mut lines.is_broken, true)
        {
            let message = format!(
                "the log `{}` is incomplete: {}",
                self.path.display(),
                system_words(&error)
            );
            (self.emit)(Event::Warning { message });
        }
    }

    pub(super) fn send(&self, event: Event) {
        (self.emit)(event);
    }
}

impl Notes for Log<'_> {
    fn step(&self, step: usize, of: usize, name: &str) {
        let at = if step == 0 {
            String::new()
        } else {
            format!("[{step}/{of}] ")
        };
        self.note(&format!("{at}{name}"));
        self.send(Event::ImageStep {
            image: self.image.to_owned(),
            step,
            of,
            name: name.to_owned(),
        });
    }

    fn cached(&self, name: &str) {
        self.note(&format!("{name} (cached)"));
        self.send(Event::ImageCached {
            image: self.image.to_owned(),
            name: name.to_owned(),
        });
    }

    fn log(&self, line: &str) {
        self.keep(line);
        self.send(Event::ImageLog {
            image: self.image.to_owned(),
            line: line.to_owned(),
        });
    }

    fn node(&self, name: &str) {
        self.note(&format!("on {name}"));
        self.send(Event::ImagePlaced {
            image: self.image.to_owned(),
            node: name.to_owned(),
        });
    }

    fn warn(&self, message: &str) {
        self.note(message);
        self.send(Event::Warning {
            message: message.to_owned(),
        });
    }
}
