//! The sentences that the terminal and the plain lines share: how a run ended, why an image failed or was skipped.
//!
//! Knows no stream and no colour. The choice made: what both say is said here once, so that they never differ.

use std::time::Duration;

use super::clean::clean_output;
use super::line::{Line, Style};
use super::words::{Count, List, Seconds};
use crate::asking::Waiting;

/// How many failed images the last line names before it only counts.
const NAMED: usize = 8;

/// How many fresh images are named before they are only counted.
const FRESH_NAMED: usize = 5;

/// Why a running build of a watch is stopped.
pub const SUPERSEDED: &str = "stopped, because its inputs changed";

/// How a run ended, in numbers.
#[derive(Debug, Clone, Copy)]
pub struct End<'a> {
    /// Images built.
    pub built: usize,
    /// Images pushed.
    pub pushed: usize,
    /// Images that needed nothing.
    pub fresh: usize,
    /// Ids of the images that failed.
    pub failed: &'a [String],
    /// How many were skipped.
    pub skipped: usize,
    /// How many were stopped.
    pub cancelled: usize,
    /// How long it took.
    pub seconds: f64,
}

/// The last line: `built 3, fresh 9, failed 1 (train), skipped 2 in 12.3s`; what did not happen is not said.
#[must_use]
pub fn summary(end: &End<'_>) -> Line {
    let failed = format!("{}{}", end.failed.len(), names(end.failed));
    let parts = [
        ("built", end.built, end.built.to_string(), Style::Good),
        ("pushed", end.pushed, end.pushed.to_string(), Style::Good),
        ("fresh", end.fresh, end.fresh.to_string(), Style::Plain),
        ("failed", end.failed.len(), failed, Style::Bad),
        (
            "skipped",
            end.skipped,
            end.skipped.to_string(),
            Style::Doubtful,
        ),
        (
            "cancelled",
            end.cancelled,
            end.cancelled.to_string(),
            Style::Doubtful,
        ),
    ];
    let mut line = Line::new();
    let mut first = true;
    for (word, count, text, style) in parts {
        if count > 0 {
            line = line
                .add(Style::Plain, if first { "" } else { ", " })
                .add(style, format!("{word} {text}"));
            first = false;
        }
    }
    if first {
        line = line.add(Style::Plain, "nothing to do");
    }
    line.add(Style::Dim, format!(" in {}", Seconds(end.seconds)))
}

fn names(failed: &[String]) -> String {
    let named = failed[..failed.len().min(NAMED)].join(", ");
    match failed.len() - failed.len().min(NAMED) {
        0 => format!(" ({named})"),
        more => format!(" ({named} and {more} more)"),
    }
}

/// The fresh ones in one line: `2 images fresh: base, train`, or only how many when they are many.
#[must_use]
pub fn fresh(images: &[String]) -> String {
    let count = Count(images.len(), "image");
    if images.len() > FRESH_NAMED {
        format!("{count} fresh")
    } else {
        format!("{count} fresh: {}", images.join(", "))
    }
}

/// Why an image was skipped: ``because `train` failed``.
#[must_use]
pub fn because(failed: &[String]) -> String {
    format!("because {} failed", List(failed))
}

/// What is waited for: `waiting for the Docker daemon at unix:///run/docker.sock (10 s at most)`.
#[must_use]
pub fn waiting(whom: &str, seconds: f64) -> String {
    let limit = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let whom = whom.to_owned();
    Waiting { whom, limit }.to_string()
}

/// When and why an image is tried again.
#[must_use]
pub fn retry(attempt: u32, of: u32, wait_ms: u64, why: &str) -> String {
    let wait = Seconds(Duration::from_millis(wait_ms).as_secs_f64());
    format!("attempt {attempt} of {of} in {wait}: {why}")
}

/// The last lines of a failed image's log, and where the rest is.
#[must_use]
pub fn tail(tail: &[String], log: Option<&str>) -> Vec<Line> {
    let lines = tail.iter().map(|line| {
        Line::new()
            .add(Style::Dim, "  | ")
            .add(Style::Plain, clean_output(line))
    });
    let rest = log.map(|log| {
        Line::new()
            .add(Style::Dim, "  the whole log: ")
            .add(Style::Plain, log)
    });
    lines.chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: End<'_> = End {
        built: 0,
        pushed: 0,
        fresh: 0,
        failed: &[],
        skipped: 0,
        cancelled: 0,
        seconds: 0.04,
    };

    #[test]
    fn the_summary_says_what_happened_and_nothing_else() {
        let failed = ["train".to_owned()];
        let end = End {
            built: 3,
            fresh: 9,
            failed: &failed,
            skipped: 2,
            seconds: 12.3,
            ..NOTHING
        };
        assert_eq!(
            summary(&end).paint(false),
            "built 3, fresh 9, failed 1 (train), skipped 2 in 12.3s"
        );
        assert_eq!(summary(&NOTHING).paint(false), "nothing to do in 0.0s");
    }

    #[test]
    fn many_failures_are_counted_after_the_first_ones() {
        let failed: Vec<String> = (0..10).map(|at| format!("i{at}")).collect();
        let end = End {
            failed: &failed,
            ..NOTHING
        };
        assert_eq!(
            summary(&end).paint(false),
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
