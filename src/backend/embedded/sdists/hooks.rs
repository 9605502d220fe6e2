//! Runs the hooks of a build backend in the sandbox: what it needs besides, and the wheel.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::super::base::{Image, Source};
use super::super::common::failed;
use super::super::execute::{Lent, Program, Ran, Tools};
use super::super::python::Wheel;
use super::system::System;
use crate::backend::sandbox::Network;
use crate::backend::{BuildError, Notes};

/// Where everything is that is needed to build, in the root of the sandbox.
pub(super) const ENVIRONMENT: &str = "/.imgspec/env";
pub(super) const SOURCES: &str = "/.imgspec/src";
const OUT: &str = "/.imgspec/out";

/// The program that calls a hook.
pub(super) const SCRIPT: &str = include_str!("hooks.py");

/// The largest answer, in bytes.
const LARGEST: u64 = 1 << 20;

/// How many of the last lines of a failed hook are looked at.
const TAIL: usize = 60;

/// A hook of PEP 517.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hook {
    Requires,
    Wheel,
}

impl Hook {
    fn name(self) -> &'static str {
        match self {
            Self::Requires => "get_requires_for_build_wheel",
            Self::Wheel => "build_wheel",
        }
    }
}

/// Sources in an image that has what they are built with.
pub(super) struct Building<'a> {
    pub(super) sources: &'a Wheel,
    pub(super) image: Image,
    /// The directory of the sources.
    pub(super) folder: &'a str,
    pub(super) system: &'a System,
    pub(super) network: Network,
    pub(super) source: &'a Source<'a>,
}

/// What a hook answered, and what is left behind.
pub(super) struct Answered {
    pub(super) answer: Vec<String>,
    pub(super) ran: Ran,
}

impl Answered {
    /// The directory for the wheel. It may be anything: nothing in it has been looked at.
    pub(super) const WHEELS: &str = ".imgspec/out/wheel";
}

/// The variables of hooks, beside the image's own.
pub(super) fn variables(image: &Image) -> Vec<(String, String)> {
    let path = format!("{ENVIRONMENT}/bin:{}", image.config.search_path());
    let each = [
        ("PATH", path.as_str()),
        ("VIRTUAL_ENV", ENVIRONMENT),
        // Nothing of the image's own packages is seen.
        ("PYTHONPATH", ""),
        ("PYTHONHOME", ""),
        ("PYTHONNOUSERSITE", "1"),
        // The same order of sets each time.
        ("PYTHONHASHSEED", "0"),
    ];
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    each.map(own).to_vec()
}

impl Building<'_> {
    /// Calls a hook.
    pub(super) fn call(&self, hook: Hook) -> Result<Answered, BuildError> {
        let Wheel { name, version, .. } = self.sources;
        let words = format!("{} of {name} {version}", hook.name());
        let argv = [
            &format!("{ENVIRONMENT}/bin/python3"),
            "-c",
            SCRIPT,
            hook.name(),
            OUT,
            self.folder,
            &self.system.backend,
        ];
        let mut env = variables(&self.image);
        let paths = serde_json::to_string(&self.system.paths).expect("texts are JSON");
        env.push(("IMGSPEC_BACKEND_PATH".to_owned(), paths));
        let program = Program {
            words: &words,
            argv: &argv.map(str::to_owned),
            env: &env,
            user: "",
            network: self.network,
            left_out: &[],
            tools: Tools::default(),
        };
        let tail = Tail {
            notes: self.source.notes,
            lines: Mutex::default(),
        };
        let source = Source {
            notes: &tail,
            ..*self.source
        };
        let ran = program.execute(&self.image, Lent::default(), &source);
        let ran = ran.map_err(|error| error.reworded(|why| tail.told(&why)))?;
        let answer = read(&ran).map_err(|why| failed(format!("`{words}` {why}")))?;
        Ok(Answered { answer, ran })
    }
}

/// What a hook answered.
fn read(ran: &Ran) -> Result<Vec<String>, String> {
    let none = |why: &str| format!("left no answer: {why}");
    let out = ran.upper.open_all(OUT.trim_start_matches('/'));
    let out = out.map_err(|_| none("its directory is none"))?;
    let text = out.ok_or_else(|| none("its directory is gone"))?;
    let text = text.read("answer.json", LARGEST);
    let text = text.map_err(|_| none("`answer.json` is no file, or too large"))?;
    let text = text.ok_or_else(|| none("`answer.json` is gone"))?;
    serde_json::from_slice(&text).map_err(|_| none("`answer.json` is no list of texts"))
}

/// Passes everything on, and keeps the last lines.
struct Tail<'a> {
    notes: &'a dyn Notes,
    lines: Mutex<VecDeque<String>>,
}

impl Notes for Tail<'_> {
    fn step(&self, step: usize, of: usize, name: &str) {
        self.notes.step(step, of, name);
    }

    fn cached(&self, name: &str) {
        self.notes.cached(name);
    }

    fn log(&self, line: &str) {
        const LONGEST: usize = 400;
        if !line.trim().is_empty() {
            let mut lines = self.lines.lock();
            if lines.len() == TAIL {
                lines.pop_front();
            }
            lines.push_back(line.trim().chars().take(LONGEST).collect());
        }
        self.notes.log(line);
    }
}

impl Tail<'_> {
    /// Why a hook failed, with its last words and what may help.
    fn told(&self, why: &str) -> String {
        let lines = self.lines.lock();
        let last = lines.back().map(|line| format!(": {line}"));
        let help = lines.iter().rev().find_map(|line| help(line));
        let help = help.map(|help| format!("; {help}"));
        format!(
            "{why}{}{}",
            last.unwrap_or_default(),
            help.unwrap_or_default()
        )
    }
}

/// What a line of a failed hook says is missing in the image.
fn help(line: &str) -> Option<&'static str> {
    const HEADERS: &str =
        "it needs the headers of Python: with Debian's Python, add `python3-dev` to `apt-packages`";
    const COMPILER: &str = "it needs a compiler: add `build-essential` to `apt-packages`, and `python3-dev` with Debian's Python";
    const UNDECLARED: &str =
        "it does not say what it is built with: choose another version, or one that has a wheel";
    let has = |words: &str| line.contains(words);
    if has("Python.h: No such file") || has("Python.h' file not found") {
        return Some(HEADERS);
    }
    let is_gone = has("not found") || has("No such file") || has("unable to execute");
    let names = ["gcc", "g++", "cc", "c++", "clang", "make"];
    let is_compiler = line
        .split(|char: char| !(char.is_alphanumeric() || "+-_".contains(char)))
        .any(|word| {
            names
                .iter()
                .any(|name| word == *name || word.ends_with(&format!("-{name}")))
        });
    if (is_gone && is_compiler) || has("CMAKE_C_COMPILER not set") || has("Unknown compiler(s)") {
        return Some(COMPILER);
    }
    has("ModuleNotFoundError: No module named").then_some(UNDECLARED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_by_what_compilers_say() {
        for (line, words) in [
            (
                "error: command 'gcc' failed: No such file or directory",
                "build-essential",
            ),
            (
                "error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory",
                "build-essential",
            ),
            ("/bin/sh: 1: cc: not found", "build-essential"),
            (
                "a.c:1:10: fatal error: Python.h: No such file or directory",
                "python3-dev",
            ),
            (
                "ModuleNotFoundError: No module named 'numpy'",
                "does not say what it is built with",
            ),
        ] {
            let help = help(line).unwrap_or_default();
            assert!(help.contains(words), "{line}: {help}");
        }
        for line in [
            "error: access denied",
            "success: not found",
            "a.c:1: error: zlib.h: No such file",
        ] {
            assert_eq!(help(line), None, "{line}");
        }
    }
}
