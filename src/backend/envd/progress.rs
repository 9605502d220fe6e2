//! Converts the output of envd to steps and lines.
//!
//! Knows envd's messages, but no processes. envd prints `BuildKit`'s plain progress, but without step numbers; so the
//! name of each vertex is replaced by the step it belongs to, and the rest is left to the parser of `BuildKit`'s
//! progress.

#[cfg(test)]
mod fuzz;

use super::render::Steps;
use crate::backend::Notes;
use crate::backend::buildkit::progress::{Failure, Form, Progress};
use crate::process::Stream;

/// The beginning of envd's command lines that contain one of the rendered commands; the next line of the name is the
/// command.
const COMMAND: &str = "bash -c set -euo pipefail";

/// A parser of envd's output.
pub(super) struct Reader<'a> {
    steps: &'a Steps,
    progress: Progress<'a>,
    /// The highest number of any vertex named so far.
    parts: u32,
    /// A vertex whose name continues on the next line.
    open: Option<u32>,
    /// Whether the remaining output only repeats earlier lines.
    is_over: bool,
    /// envd's own error message.
    fatal: String,
}

impl<'a> Reader<'a> {
    pub(super) fn new(steps: &'a Steps, notes: &'a dyn Notes) -> Self {
        Self {
            steps,
            progress: Progress::new(Form::Plain, &steps.names, notes),
            parts: 0,
            open: None,
            is_over: false,
            fatal: String::new(),
        }
    }

    pub(super) fn line(&mut self, stream: Stream, line: &str) {
        if stream == Stream::Err {
            return self.own_line(line);
        }
        if let Some(part) = self.open.take() {
            // In output that is not ours, the number may be anything.
            let step = command_number(line).and_then(|at| self.steps.commands.checked_add(at));
            let step = step.filter(|step| *step < self.steps.names.len());
            return self.named(part, line, step);
        }
        // From the first such line on, the output of the failed vertex is repeated.
        self.is_over |= line == "------";
        let Some((part, said)) = numbered(line).filter(|_| !self.is_over) else {
            return;
        };
        if part <= self.parts {
            return self.progress.line(line);
        }
        self.parts = part;
        if said == COMMAND {
            self.open = Some(part);
        } else {
            self.named(part, said, self.step(said));
        }
    }

    pub(super) fn failure(mut self) -> Failure {
        if !self.fatal.is_empty() {
            self.progress.line(&format!("ERROR: {}", self.fatal));
        }
        self.progress.failure()
    }

    fn named(&mut self, part: u32, name: &str, step: Option<usize>) {
        let line = match step {
            Some(at) => format!("#{part} [{}/{}]", at + 1, self.steps.names.len()),
            None => format!("#{part} {name}"),
        };
        self.progress.line(&line);
    }

    /// The step that a vertex with this name belongs to.
    fn step(&self, name: &str) -> Option<usize> {
        if name.starts_with("docker-image://") {
            return (self.parts == 1).then_some(0);
        }
        if name.starts_with("apt-get install") {
            return self.steps.apt;
        }
        if let Some(rest) = name.strip_prefix("copy /") {
            let copies = self.steps.copies.iter();
            let mut found = copies.filter(|(from, _)| {
                let rest = rest.strip_prefix(from.as_str());
                rest.is_some_and(|rest| rest.starts_with(' '))
            });
            return found.next().map(|(_, step)| *step);
        }
        if name.contains("create conda environment") || name.contains("create envd python") {
            return self.steps.python.or(self.steps.conda);
        }
        let is_conda =
            name.contains("micromamba install") || name.contains("install conda packages");
        self.steps.conda.filter(|_| is_conda)
    }

    fn own_line(&mut self, line: &str) {
        if let Some(fatal) = fatal(line) {
            self.fatal = fatal;
        } else if !line.contains("level=debug") && !line.trim().is_empty() {
            self.progress.line(line);
        }
    }
}

/// The error in the output of a short envd command.
pub(super) fn complaint(err: &str) -> String {
    let own = err.lines().rev().find_map(fatal);
    own.unwrap_or_else(|| err.trim().to_owned())
}

/// The error in `… level=fatal msg=exit app=envd error="…" version=…`, without the prefixes that envd wraps it in.
fn fatal(line: &str) -> Option<String> {
    if !line.contains("level=fatal") {
        return None;
    }
    let (_, rest) = line.split_once("error=")?;
    let text = match rest.strip_prefix('"') {
        Some(_) => {
            let end = rest.rfind("\" version=").map_or(rest.len(), |at| at + 1);
            // Go's quoting is that of JSON, except for a few characters that envd does not print.
            serde_json::from_str(&rest[..end]).unwrap_or_else(|_| rest[..end].to_owned())
        }
        None => rest.split(' ').next().unwrap_or_default().to_owned(),
    };
    let mut text = text.as_str();
    for wrapping in [
        "failed to build the image: ",
        "failed to build: ",
        "failed to wait error group: ",
        "failed to solve LLB: ",
        "failed to solve: ",
        "failed to compile: ",
        "failed to compile build.envd: ",
        "failed to compile the graph: ",
        "failed to get the base image: ",
        "failed to use the specified context",
    ] {
        text = text.strip_prefix(wrapping).unwrap_or(text);
    }
    Some(text.to_owned())
}

/// Splits `#12 text` into number and text.
fn numbered(line: &str) -> Option<(u32, &str)> {
    let (part, said) = line.strip_prefix('#')?.split_once(' ')?;
    Some((part.parse().ok()?, said))
}

/// The number at the beginning of a rendered command: `: 3; cd /; …`.
fn command_number(line: &str) -> Option<usize> {
    let (number, _) = line.strip_prefix(": ")?.split_once(';')?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::backend::steps::StepName;

    #[derive(Default)]
    struct Recorder(Mutex<Vec<String>>);

    impl Notes for Recorder {
        fn step(&self, step: usize, of: usize, name: &str) {
            self.0.lock().unwrap().push(format!("{step}/{of} {name}"));
        }
        fn cached(&self, name: &str) {
            self.0.lock().unwrap().push(format!("cached {name}"));
        }
        fn log(&self, line: &str) {
            self.0.lock().unwrap().push(format!("| {line}"));
        }
    }

    fn steps() -> Steps {
        let names = [
            "base-image: a:1",
            "copy: src to /app/src",
            "commands: one",
            "commands: two",
        ];
        let names = names.map(|words| StepName {
            words: words.into(),
            fetches: false,
        });
        Steps {
            names: names.to_vec(),
            copies: vec![("files/0/src".into(), 1)],
            commands: 2,
            ..Steps::default()
        }
    }

    const SAID: &str = "\
#1 docker-image://127.0.0.1:5000/a:1
#1 DONE 0.0s

#2 local://build-context
#2 transferring build-context: 1.16kB done
#2 DONE 0.0s

#3 copy /files/0/src /app/
#3 CACHED

#4 bash -c set -euo pipefail
: 0; cd /; exec /bin/sh -c $'one\\n#9 x'

#4 0.174 #5 hello
#4 DONE 0.2s

#5 bash -c set -euo pipefail
: 1; cd /; exec /bin/sh -c two

#5 0.1 oops
#5 ERROR: process \"bash -c set -euo pipefail\\n: 1; cd /\\n\" did not complete successfully: exit code: 3
------
 > bash -c set -euo pipefail
: 1; cd /; exec /bin/sh -c two
:
#5 0.1 oops
------";

    #[test]
    fn parts_are_told_as_the_users_steps() {
        let (steps, heard) = (steps(), Recorder::default());
        let mut reader = Reader::new(&steps, &heard);
        for line in SAID.lines() {
            reader.line(Stream::Out, line);
        }
        let fatal = r#"time="2026-11-21T09:32:02Z" level=fatal msg=exit app=envd error="failed to build the image: failed to build: x" version=v1.3.6"#;
        reader.line(Stream::Err, fatal);
        let trouble = reader.failure();
        assert_eq!(trouble.step, Some(3));
        assert_eq!(trouble.lines, ["#5 hello", "oops"]);
        let heard = heard.0.into_inner().unwrap();
        assert_eq!(
            heard,
            [
                "1/4 base-image: a:1",
                "cached copy: src to /app/src",
                "3/4 commands: one",
                "| #5 hello",
                "4/4 commands: two",
                "| oops",
            ]
        );
    }

    #[test]
    fn the_last_word_is_taken_out_of_its_wrappings() {
        let line = r#"time="t" level=fatal msg=exit app=envd error="failed to build the image: failed to compile: failed to compile build.envd: failed to compile the graph: failed to get the base image: manifest \"x\" unknown" version=v1.3.6"#;
        assert_eq!(complaint(line), "manifest \"x\" unknown");
        assert_eq!(complaint("plain words\n"), "plain words");
    }
}
