//! Events as plain lines: for pipes, files and build servers, and for `-q`.
//!
//! The format is stable and greppable: `IMAGE: what happened`, `IMAGE | output`, no control characters, no redrawing.
//! Steps are shown even when output is not, because build servers kill jobs that stay silent for long.

use std::io::Write;

use super::forge::Forge;
use super::line::Line;
use super::output::{Output, Report};
use super::settings::Verbosity;
use super::words::{Count, Seconds};
use super::wrap::wrapped;
use super::{story, watch};
use crate::clean::{clean, clean_output};
use crate::run::event::Event;

/// Writes every relevant event as a line.
pub struct Plain {
    output: Output,
    verbosity: Verbosity,
    fresh: Vec<String>,
    /// Whether to color excerpts of manifests.
    color: bool,
    /// Width in columns if the stream is a terminal.
    columns: Option<usize>,
    /// What reads the stream and could take a line for a command.
    forge: Option<Forge>,
}

impl Plain {
    /// Creates a reporter that writes to this stream.
    pub fn new(stream: Box<dyn Write + Send>, verbosity: Verbosity) -> Self {
        Self {
            output: Output::new(stream),
            verbosity,
            fresh: Vec::new(),
            color: false,
            columns: None,
            forge: None,
        }
    }

    /// Makes lines harmless to a forge that reads them.
    #[must_use]
    pub fn guarded(mut self, forge: Forge) -> Self {
        self.forge = Some(forge);
        self
    }

    /// Breaks longer lines between words to fit this many columns; `None` disables wrapping.
    #[must_use]
    pub fn wrapped_to(mut self, columns: Option<usize>) -> Self {
        self.columns = columns;
        self
    }

    /// Sets whether to color excerpts of manifests, as other commands do.
    #[must_use]
    pub fn colored(mut self, color: bool) -> Self {
        self.color = color;
        self
    }

    /// Writes lines as they are.
    pub(super) fn raw(&mut self, text: &str) {
        self.output.line(text);
    }

    fn say(&mut self, text: &str) {
        self.line(&clean(text));
    }

    fn say_all(&mut self, lines: &[Line]) {
        for line in lines {
            self.line(&line.paint(false));
        }
    }

    fn line(&mut self, line: &str) {
        let line = match self.forge {
            Some(forge) => forge.harmless(line),
            None => line.into(),
        };
        self.output.line(&wrapped(&line, self.columns));
    }

    /// Prints the fresh images collected so far. They come first and are shown together, so they are held back until
    /// another event arrives.
    fn flush_fresh(&mut self) {
        if !self.fresh.is_empty() {
            let line = story::fresh(&std::mem::take(&mut self.fresh));
            self.say(&line);
        }
    }

    fn failure(&mut self, event: &Event) {
        if let Event::ImageFailed {
            image,
            error,
            place,
            log,
            tail,
            seconds,
        } = event
        {
            let after = Seconds(*seconds);
            self.say(&format!("{image}: failed after {after}: {error}"));
            self.say_all(&story::failure(place.as_deref(), tail, log.as_deref()));
        }
    }

    fn normal(&mut self, event: &Event) {
        match event {
            Event::RunStarted { build, fresh, jobs } => {
                let build = Count(*build, "image");
                self.say(&format!(
                    "{build} to build, {fresh} fresh, {jobs} at a time"
                ));
            }
            Event::ImageFresh { image, .. } => self.fresh.push(image.clone()),
            Event::ImageFailed { .. } => self.failure(event),
            Event::Warning { message } => self.say(&format!("warning: {message}")),
            Event::Waiting { whom, seconds } => self.say(&story::waiting(whom, *seconds)),
            Event::RunFinished { .. } => self.say_all(&[story::summary(event)]),
            event => match progress(event) {
                Some((image, text)) => self.say(&format!("{image}: {text}")),
                None => self.say_all(&watch::lines(event, self.color)),
            },
        }
    }

    fn verbose(&mut self, event: &Event) {
        match event {
            Event::ImageFresh { image, reference } => {
                self.say(&format!("{image}: fresh: {reference}"));
            }
            Event::ImageCached { image, name } => self.say(&format!("{image}: cached: {name}")),
            Event::ImageLog { image, line } => {
                self.say(&format!("{image} | {}", clean_output(line)));
            }
            event => self.normal(event),
        }
    }
}

impl Report for Plain {
    fn event(&mut self, event: &Event) {
        if !matches!(event, Event::ImageFresh { .. } | Event::RunStarted { .. }) {
            self.flush_fresh();
        }
        match self.verbosity {
            Verbosity::Quiet if watch::is_failure(event) => {
                self.say_all(&watch::lines(event, self.color));
            }
            Verbosity::Quiet => self.failure(event),
            Verbosity::Normal => self.normal(event),
            Verbosity::Verbose => self.verbose(event),
        }
    }

    fn finish(&mut self) {
        self.flush_fresh();
    }
}

/// The image and a description of its progress. `None` for events that are not about the progress of one image.
pub(super) fn progress(event: &Event) -> Option<(&str, String)> {
    Some(match event {
        Event::ImageStarted {
            image,
            backend,
            reasons,
            ..
        } => {
            let colon = if reasons.is_empty() { "" } else { ": " };
            let reasons = reasons.join(", ");
            (image, format!("started with {backend}{colon}{reasons}"))
        }
        Event::ImagePlaced { image, node } => (image, format!("on {node}")),
        Event::ImageStep {
            image,
            step,
            of,
            name,
        } => (image, format!("{}{name}", counted(*step, *of))),
        Event::ImageRetry {
            image,
            attempt,
            of,
            wait_ms,
            why,
        } => (image, story::retry(*attempt, *of, *wait_ms, why)),
        Event::ImageBuilt {
            image,
            reference,
            seconds,
            ..
        } => (
            image,
            format!("built in {}: {reference}", Seconds(*seconds)),
        ),
        Event::ImagePushed {
            image,
            reference,
            seconds,
        } => (
            image,
            format!("pushed in {}: {reference}", Seconds(*seconds)),
        ),
        Event::ImageTagged { image, names, .. } => (image, format!("tagged {}", names.join(", "))),
        Event::ImagePulled {
            image,
            reference,
            seconds,
        } => (
            image,
            format!("pulled in {}: {reference}", Seconds(*seconds)),
        ),
        Event::ImageSkipped { image, because } => {
            (image, format!("skipped {}", story::because(because)))
        }
        Event::ImageCancelled { image } => (image, "cancelled".to_owned()),
        Event::ImageSuperseded { image } => (image, story::SUPERSEDED.to_owned()),
        _ => return None,
    })
}

/// Formats the known numbers as `step 3/7 `.
fn counted(step: usize, of: usize) -> String {
    match (step, of) {
        (0, _) => String::new(),
        (step, 0) => format!("step {step} "),
        (step, of) => format!("step {step}/{of} "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{Closed, Shared, fresh, log, play, started, story, watch_story};

    fn shown(verbosity: Verbosity, events: &[Event]) -> String {
        let stream = Shared::default();
        let mut plain = Plain::new(Box::new(stream.clone()), verbosity);
        play(&mut plain, events);
        plain.finish();
        stream.text()
    }

    #[test]
    fn a_run_is_told_line_by_line() {
        insta::assert_snapshot!(shown(Verbosity::Normal, &story()), @r#"
        4 images to build, 2 fresh, 2 at a time
        2 images fresh: os, tools
        python: started with docker: `src/train.py` changed
        python: on tcp://builder:1234
        python: step 1/2 apt-get install git
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
        serve: skipped because `train` failed
        docs: cancelled
        built 1, pushed 1, fresh 2, failed 1 (train), skipped 1, cancelled 1 in 12.3s
        "#);
    }

    #[test]
    fn verbose_adds_output_cached_steps_and_fresh_references() {
        insta::assert_snapshot!(shown(Verbosity::Verbose, &story()[1..8]), @r#"
        os: fresh: ghcr.io/acme/os:0123456789abcdef0123456789abcdef
        tools: fresh: ghcr.io/acme/tools:0123456789abcdef0123456789abcdef
        python: started with docker: `src/train.py` changed
        python: on tcp://builder:1234
        python: step 1/2 apt-get install git
        python | Get:1 git
        python: cached: copy src
        "#);
    }

    #[test]
    fn a_watch_is_told_line_by_line() {
        insta::assert_snapshot!(shown(Verbosity::Normal, &watch_story()), @r#"
        watching 3 images: 40 files in 12 directories
        src/train.py changed: train
        the graph now has 4 images; new: docs
        the manifests have errors: their last valid version stays in effect until they are fixed
        the manifests are valid again
        train: stopped because its inputs changed
        serve: waiting for `train`
        git is running; waiting for it to finish
        live page: http://127.0.0.1:40001/0123456789abcdef0123456789abcdef/
        waiting for changes; failed: train
        paused: running builds finish, no new ones start
        on-success: started
        on-success | restarted
        on-success: done in 0.1s
        the watch ended after 3 waves
        "#);
    }

    #[test]
    fn quiet_tells_only_failures() {
        insta::assert_snapshot!(shown(Verbosity::Quiet, &story()), @r#"
        train: failed after 1.2s: `python -m compileall` ended with exit code 1
          at imgspec.kdl:12:5
          | Compiling 'main.py'...
          | SyntaxError: invalid syntax
          full log: .imgspec/logs/train.log
        "#);
    }

    #[test]
    fn fresh_images_are_told_even_when_nothing_else_happens() {
        let text = shown(Verbosity::Normal, &[started(0, 1), fresh("os")]);
        assert_eq!(
            text,
            "0 images to build, 1 fresh, 2 at a time\n1 image fresh: os\n"
        );
    }

    #[test]
    fn a_hostile_build_cannot_forge_a_line_or_send_a_control_character() {
        let text = shown(
            Verbosity::Verbose,
            &[log("a", "x\r\u{1b}[2K\nb: built in 0.1s\u{7}")],
        );
        assert_eq!(text, "a |  b: built in 0.1s?\n");
    }

    #[test]
    fn a_closed_pipe_is_no_panic() {
        let mut plain = Plain::new(Box::new(Closed::default()), Verbosity::Verbose);
        play(&mut plain, &story());
        plain.finish();
    }
}
