//! Events on a live terminal: running images at the bottom, finished ones scrolled away above.
//!
//! Uses one indicatif bar whose body is the whole `Screen`, redrawn by one steady tick, rather than a bar per image:
//! many bars flicker, and a pure screen can be tested without a terminal.

mod screen;
mod target;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::line::{Line, Style};
use super::output::Report;
use super::settings::{Clock, Settings, Verbosity};
use super::words::{List, Seconds};
use super::wrap::wrapped;
use super::{story, watch};
use crate::clean::clean_output;
use crate::reference;
use crate::run::event::Event;
use screen::Screen;
pub use target::columns;

/// How often the screen is redrawn.
const TICK: Duration = Duration::from_millis(100);

/// Maximum rows for a log line of a failed image: minified text must not push the error off the screen.
const TAIL_ROWS: usize = 3;

/// Returns the columns and rows of the terminal; called for each redraw.
pub type Size = Arc<dyn Fn() -> (u16, u16) + Send + Sync>;

/// The draw target for stderr, whether or not it is a terminal (`--progress tty`).
pub fn target() -> ProgressDrawTarget {
    ProgressDrawTarget::term_like(Box::new(target::Stderr))
}

/// The size of the terminal on stderr.
pub fn size() -> Size {
    Arc::new(target::size)
}

/// Draws events on a terminal.
pub struct Terminal {
    bar: ProgressBar,
    screen: Arc<Mutex<Screen>>,
    clock: Clock,
    size: Size,
    settings: Settings,
    fresh: Vec<String>,
    /// Whether to redraw periodically while something runs.
    ticks: bool,
    /// Whether this shows a watch, in which one run follows another.
    watches: bool,
}

impl Terminal {
    /// Creates a reporter that draws on a target of this size.
    pub fn new(target: ProgressDrawTarget, size: Size, clock: Clock, settings: Settings) -> Self {
        let screen = Arc::new(Mutex::new(Screen::new(&settings)));
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(style(&screen, &size, &clock, settings.color));
        Self {
            bar,
            screen,
            clock,
            size,
            settings,
            fresh: Vec::new(),
            ticks: false,
            watches: false,
        }
    }

    /// Starts redrawing periodically.
    #[must_use]
    pub fn ticking(mut self) -> Self {
        self.ticks = true;
        self.bar.enable_steady_tick(TICK);
        self
    }

    /// Prints lines above the running images, in one drawing operation.
    fn scroll(&self, lines: &[Line]) {
        if !lines.is_empty() {
            let columns = usize::from((self.size)().0);
            let painted = lines.iter().map(|line| {
                let line = line.paint(self.settings.color);
                wrapped(&line, Some(columns))
            });
            self.bar.println(painted.collect::<Vec<_>>().join("\n"));
        }
    }

    /// Turns periodic redrawing on or off in a watch, so that an idle watch costs nothing.
    fn animate(&self, on: bool) {
        if !self.ticks || !self.watches {
            return;
        }
        if on {
            self.bar.enable_steady_tick(TICK);
        } else {
            self.bar.disable_steady_tick();
        }
    }

    fn is_verbose(&self) -> bool {
        self.settings.verbosity == Verbosity::Verbose
    }

    /// Prints the fresh images collected so far. They come first and are shown together, so they are held back until
    /// another event arrives.
    fn flush_fresh(&mut self) {
        if !self.fresh.is_empty() {
            let text = story::fresh(&std::mem::take(&mut self.fresh));
            self.scroll(&[Line::of(Style::Dim, format!("= {text}"))]);
        }
    }

    /// The lines that an event leaves above the running images.
    fn lines(&self, event: &Event) -> Vec<Line> {
        let doubtful = |sign: &str, image: &str, word: &str, text: &str| {
            self.name(Style::Doubtful, sign, image)
                .add(Style::Doubtful, word)
                .add(Style::Plain, text)
        };
        if let Some(line) = self.success(event) {
            return vec![line];
        }
        vec![match event {
            Event::ImageRetry {
                image,
                attempt,
                of,
                wait_ms,
                why,
            } => doubtful("↻", image, "", &story::retry(*attempt, *of, *wait_ms, why)),
            Event::ImageFailed { .. } => return self.failure(event),
            Event::ImageSkipped { image, because } => {
                doubtful("⊘", image, "skipped ", &story::because(because))
            }
            Event::ImageCancelled { image } => doubtful("■", image, "cancelled", ""),
            Event::ImageSuperseded { image } => doubtful("↺", image, story::SUPERSEDED, ""),
            Event::ImageWaiting { image, because } => {
                doubtful("⊘", image, "waiting ", &format!("for {}", List(because)))
            }
            // Shown permanently by the last line of the screen.
            Event::WatchWaiting { .. } => return Vec::new(),
            Event::Warning { message } => {
                Line::of(Style::Doubtful, "warning: ").add(Style::Plain, message)
            }
            Event::Waiting { whom, seconds } => {
                Line::of(Style::Dim, story::waiting(whom, *seconds))
            }
            Event::ImageFresh { image, reference } if self.is_verbose() => self
                .head(Style::Dim, "=", image, "fresh", None)
                .add(Style::Dim, reference),
            Event::ImageLog { image, line } if self.is_verbose() => output(image, line),
            Event::ImageCached { image, name } if self.is_verbose() => {
                output(image, &format!("cached: {name}"))
            }
            event => return watch::lines(event, self.settings.color),
        }]
    }

    /// The line of an image about which something is done.
    fn success(&self, event: &Event) -> Option<Line> {
        Some(match event {
            Event::ImageBuilt {
                image,
                reference,
                seconds,
                ..
            } => self.done("✔", image, "built", *seconds, reference),
            Event::ImagePushed {
                image,
                reference,
                seconds,
            } => self.done("↑", image, "pushed", *seconds, reference),
            Event::ImageTagged {
                image,
                names,
                seconds,
            } => self
                .head(Style::Good, "✔", image, "tagged", *seconds)
                .add(Style::Dim, names.join(", ")),
            Event::ImagePulled {
                image,
                reference,
                seconds,
            } => self.done("↓", image, "pulled", *seconds, reference),
            _ => return None,
        })
    }

    fn failure(&self, event: &Event) -> Vec<Line> {
        let Event::ImageFailed {
            image,
            error,
            place,
            log,
            tail,
            seconds,
        } = event
        else {
            return Vec::new();
        };
        let head = self
            .head(Style::Bad, "✘", image, "failed", Some(*seconds))
            .add(Style::Plain, error);
        let width = usize::from((self.size)().0) * TAIL_ROWS;
        let tail = story::failure(place.as_deref(), tail, log.as_deref());
        std::iter::once(head)
            .chain(tail.into_iter().map(|line| line.cut_to(width)))
            .collect()
    }

    fn done(&self, sign: &str, image: &str, word: &str, seconds: f64, reference: &str) -> Line {
        let reference = if self.is_verbose() {
            reference.to_owned()
        } else {
            reference::short(reference)
        };
        self.head(Style::Good, sign, image, word, Some(seconds))
            .add(Style::Dim, reference)
    }

    /// Formats the beginning of a line: `✔ train  built     3.2s  `
    fn head(
        &self,
        style: Style,
        sign: &str,
        image: &str,
        word: &str,
        seconds: Option<f64>,
    ) -> Line {
        let seconds = seconds.map_or(String::new(), |seconds| Seconds(seconds).to_string());
        self.name(style, sign, image)
            .column(style, word, 6)
            .add(Style::Plain, format!("{seconds:>8}  "))
    }

    fn name(&self, style: Style, sign: &str, image: &str) -> Line {
        Line::of(style, format!("{sign} "))
            .column(Style::Bold, image, self.lock().name_width())
            .add(Style::Plain, "  ")
    }

    fn lock(&self) -> MutexGuard<'_, Screen> {
        lock(&self.screen)
    }
}

impl Report for Terminal {
    fn event(&mut self, event: &Event) {
        self.lock().update(event, (self.clock)());
        match event {
            Event::ImageFresh { image, .. } if !self.is_verbose() => {
                self.fresh.push(image.clone());
                return;
            }
            Event::RunStarted { .. } => {
                self.animate(true);
                return;
            }
            Event::WatchStarted { .. } => self.watches = true,
            Event::RunFinished { .. } => {
                if self.watches {
                    self.flush_fresh();
                    self.animate(false);
                } else {
                    self.finish();
                }
                self.scroll(&[story::summary(event)]);
                return;
            }
            _ => self.flush_fresh(),
        }
        self.scroll(&self.lines(event));
        if self.watches {
            self.bar.tick();
        }
    }

    fn finish(&mut self) {
        self.flush_fresh();
        self.bar.finish_and_clear();
    }
}

/// Locks the screen, even if another thread panicked while holding the lock.
fn lock(screen: &Mutex<Screen>) -> MutexGuard<'_, Screen> {
    screen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A bar style whose only element is the whole screen.
fn style(screen: &Arc<Mutex<Screen>>, size: &Size, clock: &Clock, color: bool) -> ProgressStyle {
    let (screen, size, clock) = (Arc::clone(screen), Arc::clone(size), Arc::clone(clock));
    let body = move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
        let (columns, rows) = size();
        let lines = lock(&screen).lines(clock());
        let shown = lines.fit(columns.into(), rows.into(), color);
        // Writing to a string cannot fail.
        let _ = out.write_str(&shown.join("\n"));
    };
    ProgressStyle::with_template("{screen}")
        .expect("the template is a constant")
        .with_key("screen", body)
}

fn output(image: &str, line: &str) -> Line {
    Line::of(Style::Dim, format!("{image} | ")).add(Style::Plain, clean_output(line))
}
