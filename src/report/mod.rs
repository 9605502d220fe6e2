//! Shows events on stderr, to people and to programs.
//!
//! A reporter only receives events; it never queries anything. There are four: live terminal, plain lines, these with the
//! folds of a build server, and JSON lines. Plain lines are not a mode of the terminal reporter because indicatif prints
//! nothing at all without a terminal. All write to stderr: stdout is for results. A closed pipe ends the output, never the run.

pub mod diagnostics;
pub mod folded;
pub mod forge;
pub mod json;
pub mod line;
mod output;
pub mod plain;
mod settings;
pub mod story;
pub mod terminal;
#[cfg(test)]
pub(crate) mod tests;
pub mod watch;
pub mod words;
pub mod wrap;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::columns;

pub use folded::Declared;
pub use forge::Forge;
pub use output::Report;
pub use settings::{Clock, Progress, Settings, Verbosity};

/// The width of the widest of these names, in columns.
pub fn widest<'a>(names: impl IntoIterator<Item = &'a str>) -> usize {
    names.into_iter().map(columns::count).max().unwrap_or(0)
}

/// Creates the reporter for these settings, writing to stderr.
pub fn reporter(settings: Settings) -> Box<dyn Report> {
    reporter_of(settings, Declared::default())
}

/// Like [`reporter`], for a run of images that are declared there.
pub fn reporter_of(settings: Settings, declared: Declared) -> Box<dyn Report> {
    match (here(settings.progress), settings.verbosity) {
        (Progress::Json, _) => Box::new(json::Json::new(Box::new(std::io::stderr()))),
        (Progress::Tty, Verbosity::Normal | Verbosity::Verbose) => {
            let start = Instant::now();
            let clock: Clock = Arc::new(move || start.elapsed().as_secs_f64());
            let (target, size) = (terminal::target(), terminal::size());
            Box::new(terminal::Terminal::new(target, size, clock, settings).ticking())
        }
        (_, verbosity) => {
            let plain = plain::Plain::new(Box::new(std::io::stderr()), verbosity);
            let columns = terminal::columns(std::io::stderr());
            let plain = plain.colored(settings.color).wrapped_to(columns);
            match Forge::here(settings.progress) {
                Some(forge) => Box::new(folded::Folded::new(
                    plain,
                    forge,
                    verbosity,
                    declared,
                    Arc::new(time_of_day),
                )),
                None => Box::new(plain),
            }
        }
    }
}

fn time_of_day() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}

/// Whether progress is shown live in this process.
pub fn is_live(progress: Progress) -> bool {
    here(progress) == Progress::Tty
}

/// Resolves `auto` for this process's stderr.
fn here(asked: Progress) -> Progress {
    let term = std::env::var("TERM").ok();
    resolved(asked, std::io::stderr().is_terminal(), term.as_deref())
}

/// Resolves `auto`; a dumb terminal cannot move its cursor.
fn resolved(asked: Progress, is_terminal: bool, term: Option<&str>) -> Progress {
    match asked {
        Progress::Auto if is_terminal && term != Some("dumb") => Progress::Tty,
        Progress::Auto => Progress::Plain,
        asked => asked,
    }
}
