//! Events on a live terminal: running images below, what is over scrolled away above.
//!
//! Alone knows indicatif. The choice made: one bar whose body is the whole `Screen`, redrawn by one steady tick,
//! instead of a bar an image: many bars flicker, and a pure screen can be tested without a terminal.

mod screen;
mod target;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::clean::clean_output;
use super::line::{Line, Style};
use super::story;
use super::watch;
use super::words::{List, Seconds};
use super::{Clock, Report, Settings, Verbosity};
use crate::run::event::Event;
use screen::Screen;

/// How often the screen is redrawn.
const TICK: Duration = Duration::from_millis(100);

/// A line of a failed image's log is cut after this many rows: minified text must not push the cause away.
const TAIL_ROWS: usize = 3;

/// Columns and rows of the terminal, asked anew for each drawing.
pub type Size = Arc<dyn Fn() -> (u16, u16) + Send + Sync>;

/// Where indicatif draws: stderr, whether or not it is a terminal (`--progress tty`).
#[must_use]
pub fn target() -> ProgressDrawTarget {
    ProgressDrawTarget::term_like(Box::new(target::Stderr))
}

/// The size of the terminal on stderr.
#[must_use]
pub fn size() -> Size {
    Arc::new(target::size)
}

/// Draws on a terminal.
pub struct Terminal {
    bar: ProgressBar,
    screen: Arc<Mutex<Screen>>,
    clock: Clock,
    size: Size,
    settings: Settings,
    fresh: Vec<String>,
    /// Whether it redraws by itself while something runs.
    ticks: bool,
    /// Whether one run follows another.
    watches: bool,
}

impl Terminal {
    /// Draws on this target, which has this size.
    #[must_use]
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

    /// Redraws from now on by itself.
    #[must_use]
    pub fn ticking(mut self) -> Self {
        self.ticks = true;
        self.bar.enable_steady_tick(TICK);
        self
    }

    /// Prints above the running images, in one drawing.
    fn scroll(&self, lines: &[Line]) {
        if !lines.is_empty() {
            let painted: Vec<String> = lines
                .iter()
                .map(|line| line.paint(self.settings.color))
                .collect();
            self.bar.println(painted.join("\n"));
        }
    }

    /// Redraws by itself only while something runs: a watch that waits costs nothing.
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

    /// Fresh images come first and together: they are held back until something else happens.
    fn flush_fresh(&mut self) {
        if !self.fresh.is_empty() {
            let text = story::fresh(&std::mem::take(&mut self.fresh));
            self.scroll(&[Line::new().add(Style::Dim, format!("= {text}"))]);
        }
    }

    /// What an event leaves above the running images.
    fn lines(&self, event: &Event) -> Vec<Line> {
        match event {
            Event::ImageRetry {
                image,
                attempt,
                of,
                wait_ms,
                why,
            } => vec![
                self.name(Style::Doubtful, "↻", image)
                    .add(Style::Plain, story::retry(*attempt, *of, *wait_ms, why)),
            ],
            Event::ImageBuilt {
                image,
                reference,
                seconds,
                ..
            } => vec![self.done("✔", image, "built", *seconds, reference)],
            Event::ImagePushed {
                image,
                reference,
                seconds,
            } => vec![self.done("↑", image, "pushed", *seconds, reference)],
            Event::ImageFailed { .. } => self.failure(event),
            Event::ImageSkipped { image, because } => vec![
                self.name(Style::Doubtful, "⊘", image)
                    .add(Style::Doubtful, "skipped ")
                    .add(Style::Plain, story::because(because)),
            ],
            Event::ImageCancelled { image } => vec![
                self.name(Style::Doubtful, "■", image)
                    .add(Style::Doubtful, "cancelled"),
            ],
            Event::ImageSuperseded { image } => vec![
                self.name(Style::Doubtful, "↺", image)
                    .add(Style::Doubtful, story::SUPERSEDED),
            ],
            Event::ImageWaiting { image, because } => vec![
                self.name(Style::Doubtful, "⊘", image)
                    .add(Style::Doubtful, "waits ")
                    .add(Style::Plain, format!("for {}", List(because))),
            ],
            // The last line of the screen says it all the time.
            Event::WatchWaiting { failed, waiting } if failed.is_empty() && waiting.is_empty() => {
                Vec::new()
            }
            event if !watch::lines(event, false).is_empty() => {
                watch::lines(event, self.settings.color)
            }
            Event::Warning { message } => vec![
                Line::new()
                    .add(Style::Doubtful, "warning: ")
                    .add(Style::Plain, message),
            ],
            Event::Waiting { whom, seconds } => {
                vec![Line::new().add(Style::Dim, story::waiting(whom, *seconds))]
            }
            _ if self.is_verbose() => self.verbose_lines(event),
            _ => Vec::new(),
        }
    }

    fn verbose_lines(&self, event: &Event) -> Vec<Line> {
        match event {
            Event::ImageFresh { image, reference } => vec![
                self.head(Style::Dim, "=", image, "fresh", None)
                    .add(Style::Dim, reference),
            ],
            Event::ImageLog { image, line } => vec![output(image, line)],
            Event::ImageCached { image, name } => vec![output(image, &format!("cached: {name}"))],
            _ => Vec::new(),
        }
    }

    fn failure(&self, event: &Event) -> Vec<Line> {
        let Event::ImageFailed {
            image,
            error,
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
        let tail = story::tail(tail, log.as_deref());
        std::iter::once(head)
            .chain(tail.into_iter().map(|line| line.cut_to(width)))
            .collect()
    }

    fn done(&self, sign: &str, image: &str, word: &str, seconds: f64, reference: &str) -> Line {
        let reference = if self.is_verbose() {
            reference.to_owned()
        } else {
            short(reference)
        };
        self.head(Style::Good, sign, image, word, Some(seconds))
            .add(Style::Dim, reference)
    }

    /// `✔ train  built     3.2s  `
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
        Line::new()
            .add(style, format!("{sign} "))
            .column(Style::Bold, image, self.lock().name_width())
            .add(Style::Plain, "  ")
    }

    fn lock(&self) -> MutexGuard<'_, Screen> {
        lock(&self.screen)
    }
}

impl Report for Terminal {
    fn event(&mut self, event: &Event) {
        self.lock().heed(event, (self.clock)());
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
            Event::RunFinished { .. } if self.watches => {
                self.flush_fresh();
                self.animate(false);
                self.scroll(&[super::plain::summary(event)]);
                return;
            }
            Event::RunFinished { .. } => {
                self.finish();
                self.scroll(&[super::plain::summary(event)]);
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

/// A screen that some thread left while panicking is still a screen.
fn lock(screen: &Mutex<Screen>) -> MutexGuard<'_, Screen> {
    screen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The bar's only piece is the whole screen, a line each.
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
    Line::new()
        .add(Style::Dim, format!("{image} | "))
        .add(Style::Plain, clean_output(line))
}

/// The reference with a tag that is a key cut to what the eye can compare.
fn short(reference: &str) -> String {
    match reference.rsplit_once(':') {
        Some((name, tag))
            if tag.len() >= 32 && tag.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            format!("{name}:{}…", &tag[..12])
        }
        _ => reference.to_owned(),
    }
}
