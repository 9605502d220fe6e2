//! Runs the user's own Python to learn which ImageSpecs a file makes.
//!
//! Alone starts Python. Knows nothing of what fields mean. The choices made: the file is run, since only that tells what
//! `with_packages` and loops make of a spec; it gets no input, writes no byte code, and has a time.

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
use crate::diagnostic::Diagnostic;
use crate::import::{At, Source, Surroundings, Wrong, place, shown};
use crate::process::{self, Patience};

const SCRIPT: &str = include_str!("collect.py");

/// The longest result that is read.
const RESULT_LIMIT: u64 = 16 << 20;

/// Lines of output that are kept to be shown.
const TAIL: usize = 12;

/// How a run of Python ended.
#[derive(Debug)]
struct PythonRun {
    /// What it wrote down.
    result: Option<Value>,
    /// The last lines of its output.
    tail: VecDeque<String>,
    /// Whether its time was over.
    is_late: bool,
    /// Whether it was asked to stop.
    stopped: bool,
}

/// What the ImageSpecs of a file are.
pub(in crate::import) fn collect(
    source: &Source,
    around: &Surroundings<'_>,
) -> Result<Value, Wrong> {
    let Some(path) = &source.path else {
        let message = "a Python file cannot come from standard input";
        return Err(Diagnostic::error("python", message)
            .help("name the file: its own imports are found beside it")
            .into());
    };
    let run = PythonRun::start(path, around).map_err(|error| unstarted(around.python, &error))?;
    let Some(result) = run.result.as_ref() else {
        return Err(run.told(source, around).into());
    };
    let said = |name: &str| result.get(name).and_then(Value::as_str).unwrap_or_default();
    match said("error") {
        "" => Ok(run.result.unwrap_or_default()),
        "no-flytekit" => Err(no_flytekit(around.python).into()),
        _ => Err(failed(source, result, around).into()),
    }
}

/// Why the file cannot be imported, and in which of its lines.
fn failed(source: &Source, result: &Value, around: &Surroundings<'_>) -> Diagnostic {
    let words = result.get("message").and_then(Value::as_str);
    let words = shown(words.unwrap_or_default());
    let message = format!("`{}` cannot be imported: {words}", source.shown);
    let python = around.python.display();
    let mistake = Diagnostic::error("python", message).help(format!(
        "it was run by `{python}`; `--python` names another"
    ));
    let line = result.get("line").and_then(Value::as_u64);
    match line.and_then(|line| usize::try_from(line).ok()) {
        Some(line) => {
            let at = At {
                line: Some(line),
                column: None,
            };
            mistake.at(place(around.sources, source.id, at), "")
        }
        None => mistake,
    }
}

impl PythonRun {
    fn start(path: &Path, around: &Surroundings<'_>) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let result = folder.path().join("result.json");
        let mut command = Command::new(around.python);
        command.args(["-c", SCRIPT]).arg(path).arg(&result);
        command
            .current_dir(around.places.origin())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONUNBUFFERED", "1");
        let cancel = around.cancel.clone();
        let clock = Clock::start(around.limit, cancel.clone());
        let mut tail = VecDeque::new();
        let patience = Patience {
            limits: around.limits,
            cancel: &cancel,
            hope: None,
        };
        let exit = process::run(&mut command, patience, |_, line| {
            if tail.len() == TAIL {
                tail.pop_front();
            }
            tail.push_back(line.chars().take(200).collect());
        })?;
        let is_late = clock.stop();
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

    /// Why there is no result.
    fn told(&self, source: &Source, around: &Surroundings<'_>) -> Diagnostic {
        let shown_file = &source.shown;
        if self.is_late {
            let seconds = around.limit.as_secs();
            let message = format!("`{shown_file}` is not imported within {seconds} s");
            return Diagnostic::error("python", message)
                .help("what it does when it is imported should end: put it behind `if __name__ == \"__main__\":`, or give it more time by `--timeout SECONDS`");
        }
        if self.stopped {
            return Diagnostic::error(
                "interrupted",
                format!("the import of `{shown_file}` was stopped"),
            );
        }
        let python = around.python.display();
        let mistake = Diagnostic::error(
            "python",
            format!("`{python}` ended before it had imported `{shown_file}`"),
        );
        let tail: Vec<String> = self.tail.iter().map(|line| shown(line)).collect();
        if tail.is_empty() {
            return mistake.help("it printed nothing");
        }
        mistake.help(format!("the end of what it printed:\n{}", tail.join("\n")))
    }
}

/// Asks to stop when the time is over.
struct Clock {
    stop: mpsc::Sender<()>,
    is_late: Arc<AtomicBool>,
}

impl Clock {
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

fn unstarted(python: &Path, error: &io::Error) -> Diagnostic {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "there is no such program".to_owned(),
        _ => error.to_string(),
    };
    Diagnostic::error(
        "python",
        format!("`{}` cannot be started: {why}", python.display()),
    )
    .help("name the Python that your workflows use: `--python .venv/bin/python`")
}

fn no_flytekit(python: &Path) -> Diagnostic {
    let python = python.display();
    Diagnostic::error(
        "no-flytekit",
        format!("`{python}` has no flytekit, which the file needs to be imported"),
    )
    .help("name the Python that your workflows use: `--python .venv/bin/python`")
    .help(format!(
        "or install it there: `{python} -m pip install flytekit`"
    ))
}
