//! What happened so far in a run or a watch, folded from its events: the state of each image, and who worked when.
//!
//! A live page, a timeline and a summary show this. They get it here rather than folding the events themselves, so that all
//! three say the same.

mod model;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Serialize;

pub use model::{Activity, ImageState, Message, Row, Span, Step};

use super::event::Event;
use crate::clean::clean_output;
use crate::fingerprint::without_credentials;

/// How many lines of output are kept for each image.
const LINES: usize = 200;

/// How many reasons are kept for each span.
const REASONS: usize = 8;

/// How many spans and messages are kept; a watch may run for weeks.
const SPANS: usize = 10_000;
const MESSAGES: usize = 50;

/// What happened so far. Times are seconds since the start of the run.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct History {
    /// The images that something was reported of, by id.
    pub images: BTreeMap<String, Row>,
    /// When workers were busy with which image.
    pub spans: VecDeque<Span>,
    /// The last warnings and other messages.
    pub messages: VecDeque<Message>,
    /// What the run does now.
    pub activity: Activity,
    /// The greatest number of builds at once; 0 if it was not reported.
    pub jobs: usize,
    /// When the last event was reported.
    pub at: f64,
}

/// What an event changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'a> {
    /// The state of one image, and perhaps its spans.
    Image(&'a str),
    /// Nothing that is shown.
    Nothing,
    /// One line of output more, of this image.
    Line(&'a str),
    /// Anything else: activity, messages, many images.
    All,
}

impl History {
    /// Takes in an event that happened at this time.
    pub fn hear<'a>(&mut self, at: f64, event: &'a Event) -> Change<'a> {
        self.at = at;
        match event {
            Event::ImageStarted { .. }
            | Event::ImagePlaced { .. }
            | Event::ImageStep { .. }
            | Event::ImageCached { .. }
            | Event::ImageLog { .. }
            | Event::ImageRetry { .. } => self.progress(at, event),
            Event::ImageFresh { .. }
            | Event::ImageBuilt { .. }
            | Event::ImagePushed { .. }
            | Event::ImageTagged { .. }
            | Event::ImageFailed { .. }
            | Event::ImageSkipped { .. }
            | Event::ImageCancelled { .. }
            | Event::ImageSuperseded { .. }
            | Event::ImageWaiting { .. } => self.end(at, event),
            // A hook may print without end, and none of these shows.
            Event::HookStarted { .. }
            | Event::HookLog { .. }
            | Event::PageServed { .. }
            | Event::WatchStarted { .. } => Change::Nothing,
            _ => {
                self.whole(at, event);
                Change::All
            }
        }
    }

    fn progress<'a>(&mut self, at: f64, event: &'a Event) -> Change<'a> {
        match event {
            Event::ImageStarted {
                image,
                reference,
                reasons,
                ..
            } => self.start(at, image, reference, reasons),
            Event::ImagePlaced { image, node } => {
                let node = Some(harmless(node));
                let mut spans = self.spans.iter_mut().rev();
                let is_open = |span: &&mut Span| span.end.is_none() && span.image == *image;
                if let Some(span) = spans.find(is_open) {
                    span.node.clone_from(&node);
                }
                self.row(image).node = node;
                Change::Image(image)
            }
            Event::ImageStep {
                image,
                step,
                of,
                name,
            } => {
                self.row(image).step = Some(Step {
                    number: *step,
                    of: *of,
                    name: harmless(name),
                });
                Change::Image(image)
            }
            Event::ImageCached { image, .. } => {
                self.row(image).cached += 1;
                Change::Image(image)
            }
            Event::ImageLog { image, line } => {
                keep(&mut self.row(image).lines, LINES, shown(line));
                Change::Line(image)
            }
            Event::ImageRetry {
                image,
                attempt,
                of,
                why,
                ..
            } => {
                self.row(image).note = Some(harmless(&format!("attempt {attempt} of {of}: {why}")));
                Change::Image(image)
            }
            _ => Change::All,
        }
    }

    fn start<'a>(
        &mut self,
        at: f64,
        image: &'a str,
        reference: &str,
        reasons: &[String],
    ) -> Change<'a> {
        let wakes = self.activity == Activity::Waiting;
        if wakes {
            self.activity = Activity::Building;
        }
        self.open(at, image, reasons);
        let row = self.row(image);
        *row = Row {
            state: ImageState::Running,
            since: at,
            reference: Some(reference.to_owned()),
            note: (!reasons.is_empty()).then(|| harmless(&reasons.join("; "))),
            seconds: row.seconds,
            ..Row::default()
        };
        if wakes {
            Change::All
        } else {
            Change::Image(image)
        }
    }

    fn end<'a>(&mut self, at: f64, event: &'a Event) -> Change<'a> {
        let (image, state, note) = match event {
            // Also the end of a build, if another run has built the image meanwhile.
            Event::ImageFresh { image, .. } => (image, ImageState::Fresh, None),
            Event::ImageBuilt { image, .. } => (image, ImageState::Built, None),
            Event::ImagePushed { image, .. } => (image, ImageState::Pushed, None),
            Event::ImageTagged { image, .. } => (image, self.tagged(image), None),
            Event::ImageFailed { image, error, .. } => {
                (image, ImageState::Failed, Some(harmless(error)))
            }
            Event::ImageSkipped { image, because } => {
                let note = format!("because {} failed", because.join(", "));
                (image, ImageState::Skipped, Some(note))
            }
            Event::ImageCancelled { image } => (image, ImageState::Cancelled, None),
            Event::ImageSuperseded { image } => {
                let note = "its inputs changed while it was built".to_owned();
                (image, ImageState::Waiting, Some(note))
            }
            Event::ImageWaiting { image, because } => {
                let note = format!("waits for {}", because.join(", "));
                (image, ImageState::Waiting, Some(note))
            }
            _ => return Change::All,
        };
        self.close(at, image, state);
        if let Event::ImagePushed { seconds, .. } = event {
            self.add_push(at, image, *seconds);
        }
        let row = self.turn(at, image, state, note);
        match event {
            Event::ImageFresh { reference, .. } => row.reference = Some(reference.clone()),
            Event::ImageBuilt {
                reference,
                digest,
                seconds,
                ..
            } => {
                row.reference = Some(reference.clone());
                row.digest = Some(digest.clone());
                row.seconds = Some(*seconds);
            }
            Event::ImageFailed {
                place,
                log,
                tail,
                seconds,
                ..
            } => {
                row.place.clone_from(place);
                row.log.clone_from(log);
                row.seconds = Some(*seconds);
                if row.lines.is_empty() {
                    row.lines = tail.iter().map(|line| shown(line)).collect();
                }
            }
            _ => {}
        }
        Change::Image(image)
    }

    fn whole(&mut self, at: f64, event: &Event) {
        match event {
            Event::RunStarted { jobs, .. } => {
                (self.jobs, self.activity) = (*jobs, Activity::Building);
            }
            Event::FilesChanged { images, .. } => {
                self.activity = Activity::Building;
                for image in images {
                    if self.row(image).state != ImageState::Running {
                        self.turn(at, image, ImageState::Waiting, None);
                    }
                }
            }
            Event::GraphChanged { removed, .. } => {
                for image in removed {
                    self.images.remove(image);
                }
            }
            Event::WatchWaiting { failed, waiting } => {
                self.activity = Activity::Waiting;
                // What turned out to have the same contents as before needs nothing.
                for (image, row) in &mut self.images {
                    if row.state == ImageState::Waiting
                        && !failed.contains(image)
                        && !waiting.contains(image)
                    {
                        (row.state, row.since, row.note) = (ImageState::Fresh, at, None);
                    }
                }
            }
            Event::WatchPaused { paused } => {
                self.activity = if *paused {
                    Activity::Paused
                } else if self.is_idle() {
                    Activity::Waiting
                } else {
                    Activity::Building
                };
            }
            Event::RunFinished { .. } | Event::WatchEnded { .. } => {
                self.activity = Activity::Ended;
            }
            _ => self.message(at, event),
        }
    }

    fn message(&mut self, at: f64, event: &Event) {
        match event {
            Event::Warning { message } => self.say(at, message),
            Event::Waiting { whom, .. } => self.say(at, &format!("waiting for {whom}")),
            Event::WatchHeld { why } => self.say(at, why),
            Event::ManifestsBroken { shown, .. } => {
                if self.is_idle() {
                    self.activity = Activity::Waiting;
                }
                let (mistakes, _) = &**shown;
                let first = mistakes.first().map(|first| first.message.as_str());
                let first = first.unwrap_or("see the terminal");
                self.say(at, &format!("the manifests have errors: {first}"));
            }
            Event::ManifestsMended => self.say(at, "the manifests are valid again"),
            Event::HookEnded {
                hook,
                error: Some(error),
                ..
            } => self.say(at, &format!("{hook}: {error}")),
            _ => {}
        }
    }

    fn is_idle(&self) -> bool {
        self.spans.iter().all(|span| span.end.is_some())
    }

    fn row(&mut self, image: &str) -> &mut Row {
        self.images.entry(image.to_owned()).or_default()
    }

    /// The state of an image that has its further names: as before, or fresh if nothing else was done about it.
    fn tagged(&mut self, image: &str) -> ImageState {
        match self.row(image).state {
            state @ (ImageState::Built | ImageState::Pushed) => state,
            _ => ImageState::Fresh,
        }
    }

    fn turn(&mut self, at: f64, image: &str, state: ImageState, note: Option<String>) -> &mut Row {
        let row = self.row(image);
        (row.state, row.since, row.note, row.step) = (state, at, note, None);
        row
    }

    fn say(&mut self, at: f64, text: &str) {
        let text = harmless(text);
        keep(&mut self.messages, MESSAGES, Message { at, text });
    }

    fn open(&mut self, at: f64, image: &str, reasons: &[String]) {
        let span = Span {
            image: image.to_owned(),
            worker: self.free_worker(at, f64::INFINITY),
            start: at,
            end: None,
            state: ImageState::Running,
            reasons: reasons
                .iter()
                .take(REASONS)
                .map(|reason| harmless(reason))
                .collect(),
            node: None,
        };
        keep(&mut self.spans, SPANS, span);
    }

    /// The lowest worker without a span in this time.
    fn free_worker(&self, start: f64, end: f64) -> usize {
        let is_over =
            |span: &&Span| span.start < end && span.end.is_none_or(|its_end| its_end > start);
        let busy = self.spans.iter().filter(is_over).map(|span| span.worker);
        let busy: BTreeSet<usize> = busy.collect();
        (0..=busy.len())
            .find(|worker| !busy.contains(worker))
            .unwrap_or_default()
    }

    fn close(&mut self, at: f64, image: &str, state: ImageState) {
        let mut spans = self.spans.iter_mut().rev();
        if let Some(span) = spans.find(|span| span.end.is_none() && span.image == image) {
            (span.end, span.state) = (Some(at), state);
        }
    }

    /// A push is only reported when it has ended.
    fn add_push(&mut self, at: f64, image: &str, seconds: f64) {
        let start = (at - seconds).max(0.0);
        let span = Span {
            image: image.to_owned(),
            worker: self.free_worker(start, at),
            start,
            end: Some(at),
            state: ImageState::Pushed,
            reasons: Vec::new(),
            node: None,
        };
        keep(&mut self.spans, SPANS, span);
    }

    /// When the last of these spans of each image ended.
    fn ends(&self, is_counted: impl Fn(&&Span) -> bool) -> BTreeMap<&str, f64> {
        let mut ends: BTreeMap<&str, f64> = BTreeMap::new();
        for span in self.spans.iter().filter(is_counted) {
            let end = span.end.unwrap_or(self.at);
            let last = ends.entry(&span.image).or_insert(end);
            *last = last.max(end);
        }
        ends
    }

    /// The chain of images that decided how long it took, bases first: from what ended last, back through whatever each of
    /// them waited for. `needs` lists the ids of the images that an image needs.
    pub fn critical_path<'a>(&self, needs: impl Fn(&str) -> Vec<&'a str>) -> Vec<String> {
        let ends = self.ends(|_| true);
        // Nobody waits for the push of another.
        let built = self.ends(|span| span.state != ImageState::Pushed);
        let last = |names: Vec<&str>, ends: &BTreeMap<&'_ str, f64>| {
            let ended = names.into_iter().filter_map(|name| {
                let (name, end) = ends.get_key_value(name)?;
                Some(((*name).to_owned(), *end))
            });
            ended.max_by(|a, b| a.1.total_cmp(&b.1))
        };
        let mut path = Vec::new();
        let mut next = last(ends.keys().copied().collect(), &ends);
        while let Some((image, _)) = next {
            next = last(needs(&image), &built);
            path.push(image);
        }
        path.reverse();
        path
    }
}

/// A text without credentials in URLs: pages, timelines and summaries are passed on.
fn harmless(text: &str) -> String {
    without_credentials(text).into_owned()
}

/// A line of output as a page may show it.
fn shown(line: &str) -> String {
    harmless(&clean_output(line))
}

/// Adds an item to a list that forgets its oldest ones.
fn keep<T>(list: &mut VecDeque<T>, limit: usize, item: T) {
    if list.len() == limit {
        list.pop_front();
    }
    list.push_back(item);
}

#[cfg(test)]
mod tests;
