//! The live part of the screen at one moment: running images and the total.
//!
//! It never has more rows than fit, so that redrawing never scrolls away the lines above.

use std::collections::BTreeSet;

use crate::columns;
use crate::report::line::{Line, Style};
use crate::report::settings::Settings;
use crate::report::watch;
use crate::report::words::{Seconds, first};
use crate::run::event::Event;

/// Rows reserved for a line above, the total and the cursor.
const SPARE_ROWS: usize = 3;

/// Bounds of the name column, which is as wide as the widest name so far.
const NAME: std::ops::RangeInclusive<usize> = 8..=32;

const BAR: usize = 20;

/// How many failed images the status line of a watch names.
const NAMED: usize = 2;

/// One frame per tenth of a second.
const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// The visible state of a run.
#[derive(Debug, Default)]
pub(super) struct Screen {
    running: Vec<RunningImage>,
    over: BTreeSet<String>,
    total: usize,
    failed: usize,
    pushed: usize,
    widest: usize,
    started: f64,
    predicted: Option<f64>,
    /// The status line of a watch while nothing runs.
    watching: Option<String>,
    /// The images whose builds failed in a watch and were not tried again.
    broken: Vec<String>,
    is_paused: bool,
    keys: bool,
}

#[derive(Debug)]
struct RunningImage {
    image: String,
    since: f64,
    step: String,
    words: String,
    /// The node that builds it, if there are several.
    node: Option<String>,
}

/// The live lines at one moment.
#[derive(Debug)]
pub(super) struct Frame {
    running: Vec<Line>,
    total: Option<Line>,
}

impl Screen {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            predicted: settings.predicted,
            keys: settings.keys,
            widest: settings.widest,
            ..Self::default()
        }
    }

    pub(super) fn name_width(&self) -> usize {
        self.widest.clamp(*NAME.start(), *NAME.end())
    }

    /// Updates the state by an event that happened at `now`.
    pub(super) fn update(&mut self, event: &Event, now: f64) {
        match event {
            Event::RunStarted { build, .. } => {
                self.total = *build;
                self.started = now;
                self.over.clear();
                (self.failed, self.pushed) = (0, 0);
            }
            Event::FilesChanged { images, build, .. } => {
                self.total = *build;
                for image in images {
                    self.over.remove(image);
                }
            }
            Event::WatchStarted { .. } => self.watching = Some(watch::watching(event)),
            Event::WatchWaiting { failed, .. } => self.broken.clone_from(failed),
            Event::WatchPaused { paused } => self.is_paused = *paused,
            // Names alone are neither a build nor a push.
            Event::ImageTagged { image, .. } | Event::ImageSuperseded { image } => {
                self.running.retain(|running| running.image != *image);
            }
            Event::ImageStarted { image, .. } => self.step(image, String::new(), "", now),
            Event::ImagePlaced { image, node } => self.place(image, node),
            Event::ImageStep {
                image,
                step,
                of,
                name,
            } => self.step(image, counted(*step, *of), name, now),
            Event::ImageRetry {
                image, attempt, of, ..
            } => {
                let words = format!("waiting for attempt {attempt} of {of}");
                self.step(image, String::new(), &words, now);
            }
            Event::ImageFailed { image, .. } => {
                self.failed += 1;
                self.end(image);
            }
            Event::ImagePushed { image, .. } => {
                self.pushed += 1;
                self.end(image);
            }
            // Another run built it meanwhile.
            Event::ImageFresh { image, .. } if self.runs(image) => self.end(image),
            Event::ImageBuilt { image, .. }
            | Event::ImagePulled { image, .. }
            | Event::ImageSkipped { image, .. }
            | Event::ImageCancelled { image } => self.end(image),
            Event::RunFinished { .. } => self.finish(),
            Event::WatchEnded { .. } => self.watching = None,
            // Other events are shown above the running images, or not at all.
            _ => {}
        }
    }

    /// A running image is on this node from now on, where it starts anew.
    fn place(&mut self, image: &str, node: &str) {
        let mut running = self.running.iter_mut();
        if let Some(running) = running.find(|running| running.image == image) {
            running.node = Some(node.to_owned());
            running.step.clear();
            running.words.clear();
        }
    }

    fn step(&mut self, image: &str, step: String, words: &str, now: f64) {
        self.widen(image);
        if let Some(running) = self.running.iter_mut().find(|one| one.image == image) {
            running.step = step;
            words.clone_into(&mut running.words);
        } else {
            self.running.push(RunningImage {
                image: image.to_owned(),
                since: now,
                step,
                words: words.to_owned(),
                node: None,
            });
        }
    }

    fn runs(&self, image: &str) -> bool {
        self.running.iter().any(|running| running.image == image)
    }

    fn finish(&mut self) {
        self.running.clear();
        self.predicted = None;
        if self.watching.is_some() {
            self.total = 0;
        }
    }

    fn end(&mut self, image: &str) {
        self.widen(image);
        self.running.retain(|running| running.image != image);
        self.over.insert(image.to_owned());
    }

    fn widen(&mut self, image: &str) {
        self.widest = self.widest.max(columns::count(image));
    }

    /// The lines at this moment; empty before a run and during a run without work.
    pub(super) fn lines(&self, now: f64) -> Frame {
        let spinner = SPINNER[tenths(now) % SPINNER.len()];
        Frame {
            running: self
                .running
                .iter()
                .map(|running| self.running_line(running, spinner, now))
                .collect(),
            total: (self.total > 0)
                .then(|| self.total_line(now))
                .or_else(|| self.watching_line()),
        }
    }

    fn running_line(&self, running: &RunningImage, spinner: &str, now: f64) -> Line {
        let seconds = Seconds(now - running.since);
        let line = Line::of(Style::Good, format!("{spinner} "))
            .column(Style::Bold, &running.image, self.name_width())
            .add(Style::Plain, format!("  {:<6}{seconds:>8}  ", running.step));
        match &running.node {
            Some(node) => line.add(Style::Dim, format!("{} ({node})", running.words)),
            None => line.add(Style::Dim, &running.words),
        }
    }

    /// Formats `watching 12 images: 210 files in 34 directories  ·  r rebuild · p pause · q quit`, or with the failed images
    /// in place of the counts.
    fn watching_line(&self) -> Option<Line> {
        let watching = self.watching.as_ref()?;
        let (line, pause) = if self.is_paused {
            let line = Line::of(Style::Doubtful, "paused").add(Style::Plain, " · ");
            (line, "resume")
        } else {
            (Line::new(), "pause")
        };
        let keys = format!(" · r rebuild · p {pause} · q quit");
        let keys = if self.keys { &keys } else { "" };
        let line = if self.broken.is_empty() {
            line.add(Style::Plain, watching)
        } else {
            let images = watching.split(':').next().unwrap_or_default();
            let failed = format!("failed: {}", first(&self.broken, NAMED));
            line.add(Style::Plain, format!("{images} · "))
                .add(Style::Bad, failed)
        };
        Some(line.add(Style::Dim, keys))
    }

    /// Formats `━━━━━━━━──────────── 12/40, 1 failed, 3 pushed  41.2s of about 2m 10s`
    fn total_line(&self, now: f64) -> Line {
        let over = self.over.len().min(self.total);
        let filled = BAR * over / self.total.max(1);
        let mut line = Line::of(Style::Good, "━".repeat(filled))
            .add(Style::Dim, "─".repeat(BAR - filled))
            .add(Style::Plain, format!(" {over}/{}", self.total));
        if self.failed > 0 {
            let failed = format!("{} failed", self.failed);
            line = line.add(Style::Plain, ", ").add(Style::Bad, failed);
        }
        if self.pushed > 0 {
            line = line.add(Style::Plain, format!(", {} pushed", self.pushed));
        }
        let predicted = self.predicted.map(Seconds);
        let predicted = predicted.map_or(String::new(), |it| format!(" of about {it}"));
        let elapsed = Seconds(now - self.started);
        line.add(Style::Plain, format!("  {elapsed}{predicted}"))
    }
}

impl Frame {
    /// The lines for a terminal of this size; images that do not fit are only counted.
    pub(super) fn fit(&self, columns: usize, rows: usize, color: bool) -> Vec<String> {
        let room = rows.saturating_sub(SPARE_ROWS).max(1);
        let hidden = self.running.len().saturating_sub(room);
        let more = (hidden > 0).then(|| Line::of(Style::Dim, format!("  + {hidden} more running")));
        self.running
            .iter()
            .take(room)
            .chain(&more)
            .chain(&self.total)
            .map(|line| line.fit(columns, color))
            .collect()
    }
}

fn counted(step: usize, of: usize) -> String {
    match (step, of) {
        (0, _) => String::new(),
        (step, 0) => step.to_string(),
        (step, of) => format!("{step}/{of}"),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and any frame will do"
)]
fn tenths(seconds: f64) -> usize {
    (seconds * 10.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{begun, built, failed, log, started, step, story};

    fn screen(events: &[(f64, Event)]) -> Screen {
        let mut screen = Screen::new(&Settings {
            predicted: Some(130.0),
            keys: true,
            ..Settings::default()
        });
        for (now, event) in events {
            screen.update(event, *now);
        }
        screen
    }

    fn shown(screen: &Screen, now: f64, columns: usize, rows: usize) -> String {
        screen.lines(now).fit(columns, rows, false).join("\n")
    }

    #[test]
    fn running_images_show_their_step_and_seconds() {
        let screen = screen(&[
            (0.0, started(4, 0)),
            (0.5, begun("python")),
            (0.5, begun("feature-store")),
            (1.0, step("python", 1, 3, "apt-get install git")),
            (2.0, step("feature-store", 0, 0, "copy src to /app/src")),
            (2.5, log("python", "no line of output is shown here")),
        ]);
        insta::assert_snapshot!(shown(&screen, 12.8, 60, 24), @r#"
        ⠇ python         1/3      12.3s  apt-get install git
        ⠇ feature-store           12.3s  copy src to /app/src
        ──────────────────── 0/4  12.8s of about 2m 10s
        "#);
    }

    #[test]
    fn finished_images_leave_the_screen_and_fill_the_bar() {
        let screen = screen(&[
            (0.0, started(4, 0)),
            (0.0, begun("a")),
            (0.0, begun("b")),
            (3.0, built("a", 3.0)),
            (4.0, failed("b")),
        ]);
        insta::assert_snapshot!(shown(&screen, 4.0, 80, 24), @r#"
        ━━━━━━━━━━────────── 2/4, 1 failed  4.0s of about 2m 10s
        "#);
    }

    #[test]
    fn what_does_not_fit_is_counted_and_long_lines_are_cut() {
        let mut events = vec![(0.0, started(9, 0))];
        for image in ["a", "b", "c", "d", "e", "f", "g"] {
            events.push((0.0, begun(image)));
            events.push((0.0, step(image, 1, 2, "a step of very many words")));
        }
        let screen = screen(&events);
        insta::assert_snapshot!(shown(&screen, 1.0, 40, 6), @r#"
        ⠋ a         1/2       1.0s  a step of v…
        ⠋ b         1/2       1.0s  a step of v…
        ⠋ c         1/2       1.0s  a step of v…
          + 4 more running
        ──────────────────── 0/9  1.0s of about…
        "#);
        assert!(shown(&screen, 1.0, 40, 6).lines().count() < 6);
        assert_eq!(shown(&screen, 1.0, 40, 0).lines().count(), 3);
    }

    #[test]
    fn an_image_that_is_pushed_after_its_build_shows_again() {
        let screen = screen(&[
            (0.0, started(1, 0)),
            (0.0, begun("a")),
            (1.0, built("a", 1.0)),
            (1.0, step("a", 0, 0, "push")),
        ]);
        insta::assert_snapshot!(shown(&screen, 2.0, 60, 24), @r#"
        ⠋ a                   1.0s  push
        ━━━━━━━━━━━━━━━━━━━━ 1/1  2.0s of about 2m 10s
        "#);
    }

    #[test]
    fn a_watch_that_waits_says_what_it_watches_and_which_keys_there_are() {
        let watching = Event::WatchStarted {
            images: 12,
            folders: 34,
            files: 210,
            poll: None,
        };
        let mut events = vec![(0.0, watching), (0.0, started(1, 0)), (0.0, begun("a"))];
        assert!(shown(&screen(&events), 1.0, 80, 24).contains("0/1"));
        events.extend([(1.0, built("a", 1.0)), (1.0, story().pop().unwrap())]);
        insta::assert_snapshot!(shown(&screen(&events), 1.0, 80, 24), @"watching 12 images: 210 files in 34 directories · r rebuild · p pause · q quit");
        let failed = vec!["train".to_owned()];
        let waiting = vec!["serve".to_owned()];
        let mut broken = events.clone();
        broken.push((2.0, Event::WatchWaiting { failed, waiting }));
        insta::assert_snapshot!(shown(&screen(&broken), 2.0, 80, 24), @"watching 12 images · failed: train · r rebuild · p pause · q quit");
        events.push((2.0, Event::WatchPaused { paused: true }));
        insta::assert_snapshot!(shown(&screen(&events), 2.0, 90, 24), @"paused · watching 12 images: 210 files in 34 directories · r rebuild · p resume · q quit");
    }

    #[test]
    fn a_run_without_work_shows_nothing() {
        assert_eq!(shown(&screen(&[(0.0, started(0, 9))]), 1.0, 80, 24), "");
    }

    #[test]
    fn a_hostile_step_name_stays_on_its_line() {
        let screen = screen(&[
            (0.0, started(1, 0)),
            (
                0.0,
                step("a", 1, 1, "x\u{1b}[1A\u{1b}[2Kforged\n✔ b  built"),
            ),
        ]);
        let text = shown(&screen, 0.0, 80, 24);
        assert!(!text.contains('\u{1b}'));
        assert_eq!(text.lines().count(), 2);
    }
}
