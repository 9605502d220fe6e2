//! Events in the log of a build server: plain lines, and what each image printed as one fold once it has ended.
//!
//! Images are built at the same time, and folds cannot be interleaved, so output is held back until then. What happens is told
//! at once, as everywhere, because servers end jobs that are silent for long.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use super::forge::{Forge, Spot};
use super::output::Report;
use super::plain::{self, Plain};
use super::settings::Verbosity;
use crate::clean::{clean, clean_output};
use crate::diagnostic::Severity;
use crate::run::event::Event;

/// How much output of an image is held back; of more, only the end is shown.
const KEPT: usize = 1 << 20;

/// How many lines of a failed build its annotation has.
const LINES: usize = 10;

/// Where the images are declared, for annotations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    /// The directory that the places are relative to.
    pub folder: PathBuf,
    /// Places by image, as `imgspec.kdl:3:5`.
    pub places: BTreeMap<String, String>,
}

/// Returns seconds since 1970; replaceable, so that tests can stop time.
pub type TimeOfDay = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Shows events in the log of a forge.
pub struct Folded {
    plain: Plain,
    forge: Forge,
    verbosity: Verbosity,
    declared: Declared,
    now: TimeOfDay,
    held: BTreeMap<String, Held>,
    folds: usize,
}

/// The output of an image so far.
struct Held {
    began: u64,
    lines: VecDeque<String>,
    bytes: usize,
    left_out: usize,
}

impl Folded {
    /// Creates a reporter whose other lines are those of `plain`.
    pub fn new(
        plain: Plain,
        forge: Forge,
        verbosity: Verbosity,
        declared: Declared,
        now: TimeOfDay,
    ) -> Self {
        Self {
            plain: plain.guarded(forge),
            forge,
            verbosity,
            declared,
            now,
            held: BTreeMap::new(),
            folds: 0,
        }
    }

    fn hold(&mut self, image: &str, line: String) {
        if self.verbosity == Verbosity::Quiet {
            return;
        }
        let now = &self.now;
        let held = self.held.entry(image.to_owned());
        let held = held.or_insert_with(|| Held {
            began: now(),
            lines: VecDeque::new(),
            bytes: 0,
            left_out: 0,
        });
        held.bytes += line.len() + 1;
        held.lines.push_back(line);
        while held.bytes > KEPT && held.lines.len() > 1 {
            let first = held.lines.pop_front().unwrap_or_default();
            held.bytes -= first.len() + 1;
            held.left_out += 1;
        }
    }

    /// Writes what was held back of an image.
    fn fold(&mut self, image: &str) {
        let Some(held) = self.held.remove(image) else {
            return;
        };
        self.folds += 1;
        let more = (held.left_out > 0).then(|| {
            format!(
                "… {} lines before this are only in the log of the build",
                held.left_out
            )
        });
        let lines = more.iter().chain(&held.lines).map(String::as_str);
        let title = format!("{image}: output");
        let times = (held.began, (self.now)());
        let text = self.forge.folded(&title, lines, self.folds, times);
        self.plain.raw(&text);
    }

    fn annotate(&mut self, event: &Event) {
        let Event::ImageFailed {
            image,
            error,
            place,
            tail,
            ..
        } = event
        else {
            return;
        };
        let place = place.as_ref().or_else(|| self.declared.places.get(image));
        let spot = place.and_then(|place| Spot::read(place, &self.declared.folder));
        let tail = &tail[tail.len().saturating_sub(LINES)..];
        let lines = tail.iter().map(|line| clean_output(line));
        let text: Vec<String> = std::iter::once(clean(error)).chain(lines).collect();
        let title = format!("{image} failed");
        let command =
            self.forge
                .annotation(Severity::Error, spot.as_ref(), &title, &text.join("\n"));
        if let Some(command) = command {
            self.plain.raw(&command);
        }
    }
}

impl Report for Folded {
    fn event(&mut self, event: &Event) {
        match event {
            Event::ImageLog { image, line } => return self.hold(image, clean_output(line)),
            Event::ImageCached { image, name } => {
                return self.hold(image, format!("cached: {}", clean(name)));
            }
            Event::ImageStep { image, .. } => {
                if let Some((_, text)) = plain::progress(event) {
                    self.hold(image, clean(&text));
                }
            }
            Event::ImageBuilt { image, .. }
            | Event::ImagePushed { image, .. }
            | Event::ImagePulled { image, .. }
            | Event::ImageFailed { image, .. }
            | Event::ImageCancelled { image }
            | Event::ImageSuperseded { image } => self.fold(image),
            _ => {}
        }
        self.plain.event(event);
        self.annotate(event);
    }

    fn finish(&mut self) {
        let left: Vec<String> = self.held.keys().cloned().collect();
        for image in left {
            self.fold(&image);
        }
        self.plain.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{Shared, begun, built, failed, log, play, story};

    fn shown(forge: Forge, verbosity: Verbosity, events: &[Event]) -> String {
        let stream = Shared::default();
        let plain = Plain::new(Box::new(stream.clone()), verbosity);
        let now: TimeOfDay = Arc::new(|| 1_700_000_000);
        let mut folded = Folded::new(plain, forge, verbosity, Declared::default(), now);
        play(&mut folded, events);
        folded.finish();
        let text = stream.text();
        // The word is another each time.
        let words = text
            .lines()
            .filter_map(|line| line.strip_prefix("::stop-commands::"));
        let words: Vec<String> = words.map(str::to_owned).collect();
        words
            .iter()
            .fold(text.clone(), |text, word| text.replace(word, "WORD"))
    }

    #[test]
    fn a_run_is_told_with_folds_and_errors_on_github() {
        insta::assert_snapshot!(shown(Forge::GitHub, Verbosity::Normal, &story()), @"
        4 images to build, 2 fresh, 2 at a time
        2 images fresh: os, tools
        python: started with docker: `src/train.py` changed
        python: on tcp://builder:1234
        python: step 1/2 apt-get install git
        ::group::python: output
        ::stop-commands::WORD
        step 1/2 apt-get install git
        Get:1 git
        cached: copy src
        ::WORD::
        ::endgroup::
        python: built in 3.2s: ghcr.io/acme/python:0123456789abcdef0123456789abcdef
        python: pushed in 0.8s: ghcr.io/acme/python:0123456789abcdef0123456789abcdef
        python: tagged ghcr.io/acme/python:latest
        tools: pulled in 1.5s: ghcr.io/acme/tools:0123456789abcdef0123456789abcdef
        train: started with docker: `src/train.py` changed
        train: attempt 2 of 4 in 1.5s: the registry answered 503
        warning: the disk is nearly full
        waiting for registry `ghcr.io` (10 s at most)
        train: failed after 1.2s: `python -m compileall` ended with exit code 1
          at imgspec.kdl:12:5
          | Compiling 'main.py'...
          | SyntaxError: invalid syntax
          full log: .imgspec/logs/train.log
        ::error title=train failed::`python -m compileall` ended with exit code 1%0ACompiling 'main.py'...%0ASyntaxError: invalid syntax
        serve: skipped because `train` failed
        docs: cancelled
        built 1, pushed 1, fresh 2, failed 1 (train), skipped 1, cancelled 1 in 12.3s
        ");
    }

    #[test]
    fn sections_of_gitlab_are_marked_for_it() {
        let events = [
            begun("app"),
            log("app", "one"),
            log("app", "two"),
            built("app", 1.0),
        ];
        let text = shown(Forge::GitLab, Verbosity::Normal, &events).replace('\u{1b}', "ESC");
        insta::assert_snapshot!(text.replace('\r', "CR"), @"
        app: started with docker: `src/train.py` changed
        ESC[0Ksection_start:1700000000:imgspec_1_app[collapsed=true]CRESC[0Kapp: output
        one
        two
        ESC[0Ksection_end:1700000000:imgspec_1_appCRESC[0K
        app: built in 1.0s: ghcr.io/acme/app:0123456789abcdef0123456789abcdef
        ");
    }

    #[test]
    fn output_is_no_command_wherever_it_is_shown() {
        let hostile = "::add-mask::x\u{1b}[0m ##[error]y";
        let mut event = failed("app");
        if let Event::ImageFailed { error, tail, .. } = &mut event {
            *error = format!("##[add-mask]z\n{hostile}");
            *tail = vec![hostile.into()];
        }
        let events = [begun("app"), log("app", hostile), event];
        for verbosity in [Verbosity::Normal, Verbosity::Verbose, Verbosity::Quiet] {
            let text = shown(Forge::GitHub, verbosity, &events);
            let mut is_stopped = false;
            for line in text.lines() {
                if line == "::WORD::" {
                    is_stopped = false;
                }
                let is_ours = [
                    "::group::app: output",
                    "::endgroup::",
                    "::stop-commands::WORD",
                    "::WORD::",
                ]
                .contains(&line)
                    || line.starts_with("::error title=app failed::");
                let is_command = line.trim_start().starts_with("::") || line.contains("##[");
                assert!(is_stopped || is_ours || !is_command, "{line}\n{text}");
                is_stopped |= line == "::stop-commands::WORD";
            }
            assert_eq!(text.contains("::group::"), verbosity != Verbosity::Quiet);
            assert!(text.contains("::error title=app failed::"), "{text}");
        }
    }

    #[test]
    fn of_much_output_the_end_is_shown() {
        let mut events = vec![begun("app")];
        events.extend((0..40_000).map(|at| log("app", &format!("line {at} {}", "x".repeat(40)))));
        events.push(built("app", 1.0));
        let text = shown(Forge::GitHub, Verbosity::Normal, &events);
        assert!(text.len() < KEPT + 1000, "{}", text.len());
        assert!(text.contains("lines before this are only in the log"));
        assert!(text.contains("line 39999 ") && !text.contains("line 1000 "));
    }
}
