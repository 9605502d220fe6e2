//! Messages about a run, shared by the terminal and plain reporters.

use std::time::Duration;

use super::line::{Line, Style};
use super::words::{Count, List, Seconds, first};
use crate::asking::Waiting;
use crate::clean::clean_output;
use crate::run::event::Event;

/// How many failed images the summary names before it only counts them.
const FAILED_NAMED: usize = 8;

/// How many fresh images are named before they are only counted.
const FRESH_NAMED: usize = 5;

/// The reason for which a watch stops a running build.
pub const SUPERSEDED: &str = "stopped because its inputs changed";

/// The last line of a run, such as `built 3, fresh 9, failed 1 (train), skipped 2 in 12.3s`; empty for other events.
pub fn summary(event: &Event) -> Line {
    let Event::RunFinished {
        built,
        pushed,
        fresh,
        failed,
        skipped,
        cancelled,
        seconds,
    } = event
    else {
        return Line::new();
    };
    let names = format!(" ({})", first(failed, FAILED_NAMED));
    let parts = [
        ("built", *built, "", Style::Good),
        ("pushed", *pushed, "", Style::Good),
        ("fresh", *fresh, "", Style::Plain),
        ("failed", failed.len(), names.as_str(), Style::Bad),
        ("skipped", skipped.len(), "", Style::Doubtful),
        ("cancelled", cancelled.len(), "", Style::Doubtful),
    ];
    let mut line = Line::new();
    let mut comma = "";
    for (word, count, names, style) in parts.into_iter().filter(|(_, count, ..)| *count > 0) {
        line = line
            .add(Style::Plain, comma)
            .add(style, format!("{word} {count}{names}"));
        comma = ", ";
    }
    if comma.is_empty() {
        line = line.add(Style::Plain, "nothing to do");
    }
    line.add(Style::Dim, format!(" in {}", Seconds(*seconds)))
}

/// Lists fresh images, as in `2 images fresh: base, train`, or gives only their number if there are many.
pub fn fresh(images: &[String]) -> String {
    let count = Count(images.len(), "image");
    if images.len() > FRESH_NAMED {
        format!("{count} fresh")
    } else {
        format!("{count} fresh: {}", images.join(", "))
    }
}

/// Explains why an image was skipped: ``because `train` failed``.
pub fn because(failed: &[String]) -> String {
    format!("because {} failed", List(failed))
}

/// Describes a wait: `waiting for the Docker daemon at unix:///run/docker.sock (10 s at most)`.
pub fn waiting(whom: &str, seconds: f64) -> String {
    let limit = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let whom = whom.to_owned();
    Waiting { whom, limit }.to_string()
}

/// Describes when and why an image is tried again.
pub fn retry(attempt: u32, of: u32, wait_ms: u64, why: &str) -> String {
    let wait = Seconds(Duration::from_millis(wait_ms).as_secs_f64());
    format!("attempt {attempt} of {of} in {wait}: {why}")
}

/// The lines below a failure message: the place in the manifest that caused the failed step, the end of the log, and
/// the path of the full log.
pub fn failure(place: Option<&str>, tail: &[String], log: Option<&str>) -> Vec<Line> {
    let place = place.map(|place| Line::of(Style::Dim, "  at ").add(Style::Plain, place));
    let lines = tail
        .iter()
        .map(|line| Line::of(Style::Dim, "  | ").add(Style::Plain, clean_output(line)));
    let log = log.map(|log| Line::of(Style::Dim, "  full log: ").add(Style::Plain, log));
    place.into_iter().chain(lines).chain(log).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Formats the summary of a run with these built, fresh, failed and skipped images.
    fn end(
        built: usize,
        fresh: usize,
        failed: &[String],
        skipped: &[&str],
        seconds: f64,
    ) -> String {
        let event = Event::RunFinished {
            built,
            pushed: 0,
            fresh,
            failed: failed.to_vec(),
            skipped: skipped.iter().map(|image| (*image).to_owned()).collect(),
            cancelled: Vec::new(),
            seconds,
        };
        summary(&event).paint(false)
    }

    #[test]
    fn the_summary_says_what_happened_and_nothing_else() {
        assert_eq!(
            end(3, 9, &["train".to_owned()], &["a", "b"], 12.3),
            "built 3, fresh 9, failed 1 (train), skipped 2 in 12.3s"
        );
        assert_eq!(end(0, 0, &[], &[], 0.04), "nothing to do in 0.0s");
    }

    #[test]
    fn many_failures_are_counted_after_the_first_ones() {
        let failed: Vec<String> = (0..10).map(|at| format!("i{at}")).collect();
        assert_eq!(
            end(0, 0, &failed, &[], 0.04),
            "failed 10 (i0, i1, i2, i3, i4, i5, i6, i7 and 2 more) in 0.0s"
        );
    }

    #[test]
    fn forty_fresh_images_are_one_number() {
        let images: Vec<String> = (0..40).map(|at| format!("i{at}")).collect();
        assert_eq!(fresh(&images), "40 images fresh");
        assert_eq!(fresh(&images[..1]), "1 image fresh: i0");
    }
}
