//! Appearance of the screens, and printing: results go to standard output, everything else to standard error.

use std::io::{IsTerminal, Write};

use super::failure::{Failure, exit};
use super::options::{Global, Progress, When};
use crate::diagnostic::{Diagnostic, Sources};
use crate::disk::system_words;
use crate::report::terminal::columns;
use crate::report::wrap::wrapped;
use crate::report::{self, Forge};

/// The appearance of standard output and standard error.
#[derive(Clone, Copy)]
pub(super) struct Screen {
    /// Whether to color standard error.
    pub(super) color: bool,
    /// Whether to color standard output.
    pub(super) color_out: bool,
    pub(super) quiet: bool,
    pub(super) verbose: bool,
    pub(super) progress: Progress,
}

impl Screen {
    pub(super) fn new(global: &Global) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let color = |is_terminal: bool| match global.color {
            When::Always => true,
            When::Never => false,
            When::Auto => is_terminal && !plain,
        };
        Self {
            color: color(std::io::stderr().is_terminal()),
            color_out: color(std::io::stdout().is_terminal()),
            quiet: global.quiet,
            verbose: global.verbose,
            progress: global.progress,
        }
    }

    /// The settings for reporters.
    pub(super) fn settings(self) -> report::Settings {
        let progress = match self.progress {
            Progress::Auto => report::Progress::Auto,
            Progress::Tty => report::Progress::Tty,
            Progress::Plain => report::Progress::Plain,
            Progress::Json => report::Progress::Json,
        };
        let verbosity = match (self.quiet, self.verbose) {
            (true, _) => report::Verbosity::Quiet,
            (false, true) => report::Verbosity::Verbose,
            (false, false) => report::Verbosity::Normal,
        };
        report::Settings {
            progress,
            verbosity,
            color: self.color,
            ..report::Settings::default()
        }
    }

    /// Whether live output makes sense: on a terminal, and not quiet.
    pub(super) fn is_live(self) -> bool {
        let settings = self.settings();
        settings.verbosity != report::Verbosity::Quiet && report::is_live(settings.progress)
    }

    /// Prints a failure and returns its exit code.
    pub(super) fn tell(self, failure: Failure) -> u8 {
        match failure {
            Failure::ClosedPipe => exit::DONE,
            Failure::Interrupted(code) => code,
            Failure::Refused(refusal) => {
                let (mistakes, sources) = refusal.into_mistakes();
                self.show(&mistakes, &sources);
                exit::USAGE
            }
        }
    }

    pub(super) fn show(self, diagnostics: &[Diagnostic], sources: &Sources) {
        let width = columns(std::io::stderr());
        let drawn = report::diagnostics::render(diagnostics, sources, self.color, width);
        let Some(forge) = self.forge() else {
            return eprint_text(&drawn);
        };
        let lines = drawn.split('\n').map(|line| forge.harmless(line));
        let drawn = lines.collect::<Vec<_>>().join("\n");
        eprint_text(&(drawn + &forge.annotations(diagnostics, sources)));
    }

    /// The build server whose log standard error is, unless the user chose how progress is shown.
    pub(super) fn forge(self) -> Option<Forge> {
        Forge::here(self.settings().progress)
    }
}

pub(super) fn print_text(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(Failure::ClosedPipe),
        Err(error) => Err(Failure::usage(
            format!("the result cannot be written: {}", system_words(&error)),
            "is the disk full?",
        )),
    }
}

/// Prints text for people to standard output; on a terminal, long lines are wrapped between words.
pub(super) fn print_lines(text: &str) -> Result<(), Failure> {
    print_text(&wrapped(text, columns(std::io::stdout())))
}

pub(super) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).expect("our own values serialize");
    print_text(&format!("{text}\n"))
}

/// Prints text that is not a result to standard error; errors are ignored, as there may be no reader.
pub(super) fn eprint_text(text: &str) {
    let text = wrapped(text, columns(std::io::stderr()));
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
