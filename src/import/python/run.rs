//! Runs the user's Python interpreter to collect the ImageSpecs that a file defines.
//!
//! The file has to be run because only that shows what `with_packages` and loops make of a spec. It gets no input, writes no
//! bytecode and is subject to a time limit.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::backend::Cancel;
use crate::diagnostic::{Diagnostic, shown};
use crate::import::imported::At;
use crate::import::input::{ImportContext, Input, place};
use crate::process::{self, Patience};

const SCRIPT: &str = include_str!("../../../python/imgspec/_collect.py");

const RESULT_LIMIT: u64 = 16 << 20;

/// How many of the last lines of output messages include.
const TAIL: usize = 12;

#[derive(Debug)]
struct PythonRun {
    /// The result written by `_collect.py`; `None` if it did not get that far.
    result: Option<Value>,
    tail: VecDeque<String>,
    is_late: bool,
    stopped: bool,
}

/// Returns the JSON that `_collect.py` writes about the file's ImageSpecs.
pub(super) fn collect(
    input: &Input,
    context: &ImportContext<'_>,
) -> Result<Value, Box<Diagnostic>> {
    let Some(path) = &input.path else {
        let message = "a Python file cannot be read from standard input";
        return Err(Diagnostic::error("python", message)
            .help("name the file: what it imports is looked up next to it")
            .into());
    };
    let run =
        PythonRun::start(path, context).map_err(|error| not_started(context.python, &error))?;
    let Some(result) = run.result.as_ref() else {
        return Err(run.failure(input, context).into());
    };
    let text = |name: &str| result.get(name).and_then(Value::as_str).unwrap_or_default();
    match text("error") {
        "" => Ok(run.result.unwrap_or_default()),
        "no-flytekit" => Err(no_flytekit(context.python).into()),
        _ => Err(failed(input, result, context).into()),
    }
}

/// The diagnostic for a file whose import failed, with the offending line where known.
fn failed(input: &Input, result: &Value, context: &ImportContext<'_>) -> Diagnostic {
    let words = result.get("message").and_then(Value::as_str);
    let words = shown(words.unwrap_or_default());
    let message = format!("`{}` cannot be imported: {words}", input.name);
    let python = context.python.display();
    let mistake = Diagnostic::error("python", message).help(format!(
        "it was run by `{python}`; `--python` names another"
    ));
    let line = result.get("line").and_then(Value::as_u64);
    let line = line.and_then(|line| usize::try_from(line).ok());
    match line {
        Some(_) => mistake.at(place(context.sources, input.id, At::line(line)), ""),
        None => mistake,
    }
}

impl PythonRun {
    fn start(path: &Path, context: &ImportContext<'_>) -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let result = directory.path().join("result.json");
        let mut command = Command::new(context.python);
        command.args(["-c", SCRIPT]).arg(path).arg(&result);
        command
            .current_dir(&context.paths.from)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONUNBUFFERED", "1");
        let cancel = context.cancel.clone();
        let deadline = Deadline::start(context.limit, cancel.clone());
        let mut tail = VecDeque::new();
        let patience = Patience {
            limits: context.limits,
            cancel: &cancel,
            hope: None,
        };
        let exit = process::run(&mut command, patience, |_, line| {
            if tail.len() == TAIL {
                tail.pop_front();
            }
            tail.push_back(line.chars().take(200).collect());
        })?;
        let is_late = deadline.stop();
        let mut text = String::new();
        if let Ok(file) = std::fs::File::open(&result) {
            file.take(RESULT_LIMIT).read_to_string(&mut text)?;
        }
        Ok(Self {
            result: serde_json::from_str(&text).ok().filter(|_| !exit.stopped),
            tail,
            is_late,
            stopped: exit.stopped,
        })
    }

    fn failure(&self, input: &Input, context: &ImportContext<'_>) -> Diagnostic {
        let file = &input.name;
        if self.is_late {
            let seconds = context.limit.as_secs();
            let message = format!("importing `{file}` took longer than {seconds} s");
            return Diagnostic::error("python", message)
                .help("move its work into `if __name__ == \"__main__\":`, or allow more time with `--timeout SECONDS`");
        }
        if self.stopped {
            let message = format!("the import of `{file}` was interrupted");
            return Diagnostic::error("interrupted", message);
        }
        let python = context.python.display();
        let message = format!("`{python}` exited before it had imported `{file}`");
        let mistake = Diagnostic::error("python", message);
        let tail: Vec<String> = self.tail.iter().map(|line| shown(line)).collect();
        if tail.is_empty() {
            return mistake.help("it printed nothing");
        }
        mistake.help(format!("its last output:\n{}", tail.join("\n")))
    }
}

/// Interrupts Python when the time limit is exceeded.
struct Deadline {
    stop: mpsc::Sender<()>,
    is_late: Arc<AtomicBool>,
}

impl Deadline {
    fn start(limit: Duration, cancel: Cancel) -> Self {
        let (stop, stopped) = mpsc::channel();
        let is_late = Arc::new(AtomicBool::new(false));
        let late = Arc::clone(&is_late);
        thread::spawn(move || {
            if stopped.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
                late.store(true, Ordering::SeqCst);
                cancel.request();
                cancel.request();
            }
        });
        Self { stop, is_late }
    }

    fn stop(self) -> bool {
        drop(self.stop);
        self.is_late.load(Ordering::SeqCst)
    }
}

const NAME_ANOTHER: &str =
    "select the Python that your workflows use, such as `--python .venv/bin/python`";

fn not_started(python: &Path, error: &io::Error) -> Diagnostic {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "not found".to_owned(),
        _ => error.to_string(),
    };
    let message = format!("cannot start `{}`: {why}", python.display());
    Diagnostic::error("python", message).help(NAME_ANOTHER)
}

fn no_flytekit(python: &Path) -> Diagnostic {
    let python = python.display();
    let message = format!("`{python}` has no flytekit, which the file imports");
    let install = format!("or install it there: `{python} -m pip install flytekit`");
    let mistake = Diagnostic::error("no-flytekit", message);
    mistake.help(NAME_ANOTHER).help(install)
}
