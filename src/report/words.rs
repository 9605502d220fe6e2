//! Formats counts, durations and lists, so that no message says "1 images" or "61s".

use std::fmt;

/// Displays a number of things: `1 image`, `2 images`, `2 directories`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count(pub usize, pub &'static str);

impl fmt::Display for Count {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, thing) = *self;
        match thing.strip_suffix('y') {
            _ if count == 1 => write!(out, "{count} {thing}"),
            Some(stem) => write!(out, "{count} {stem}ies"),
            None => write!(out, "{count} {thing}s"),
        }
    }
}

/// Displays a duration: `0.4s`, `12.3s`, `2m 03s`, `1h 02m`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seconds(pub f64);

impl fmt::Display for Seconds {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // If the clock was set back, a duration may have any value.
        let seconds = if self.0.is_finite() {
            self.0.max(0.0)
        } else {
            0.0
        };
        // Rounded before it is split: 59.96 must become a minute, not `60.0s`.
        if seconds < 59.95 {
            return out.pad(&format!("{seconds:.1}s"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is positive, and `as` saturates"
        )]
        let whole = seconds.round() as u64;
        let text = match (whole / 3600, whole / 60 % 60, whole % 60) {
            (0, minutes, seconds) => format!("{minutes}m {seconds:02}s"),
            (hours, minutes, _) => format!("{hours}h {minutes:02}m"),
        };
        out.pad(&text)
    }
}

/// Displays names in backticks with an "and" before the last: `` `a`, `b` and `c` ``.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct List<'a, S>(pub &'a [S]);

impl<S: AsRef<str>> fmt::Display for List<'_, S> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            let before = match at {
                0 => "",
                _ if at + 1 == self.0.len() => " and ",
                _ => ", ",
            };
            write!(out, "{before}`{}`", name.as_ref())?;
        }
        Ok(())
    }
}

/// How many images of a builder are named before the rest is only counted.
pub const NAMED: usize = 6;

/// Joins the first names of a list, with a count of the others: `a, b and 3 more`.
pub fn first(names: &[String], limit: usize) -> String {
    let shown = names[..names.len().min(limit)].join(", ");
    match names.len().saturating_sub(limit) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_all_else_plural() {
        let shown = [0, 1, 2].map(|count| Count(count, "image").to_string());
        assert_eq!(shown, ["0 images", "1 image", "2 images"]);
        let shown = [1, 2].map(|count| Count(count, "directory").to_string());
        assert_eq!(shown, ["1 directory", "2 directories"]);
    }

    #[test]
    fn spans_grow_coarser_with_their_length() {
        let shown = [0.04, 0.4, 12.34, 59.94, 123.4, 3599.4, 3720.0, 360_000.0]
            .map(|seconds| Seconds(seconds).to_string());
        assert_eq!(
            shown,
            [
                "0.0s", "0.4s", "12.3s", "59.9s", "2m 03s", "59m 59s", "1h 02m", "100h 00m"
            ]
        );
    }

    #[test]
    fn spans_never_show_sixty_of_anything() {
        assert_eq!(Seconds(59.96).to_string(), "1m 00s");
        assert_eq!(Seconds(119.7).to_string(), "2m 00s");
        assert_eq!(Seconds(3599.7).to_string(), "1h 00m");
    }

    #[test]
    fn spans_of_a_broken_clock_are_zero() {
        for broken in [-1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Seconds(broken).to_string(), "0.0s");
        }
    }

    #[test]
    fn long_lists_are_counted_after_the_first_names() {
        let names: Vec<String> = (0..10).map(|at| format!("i{at}")).collect();
        assert_eq!(first(&names, 2), "i0, i1 and 8 more");
        assert_eq!(first(&names[..2], 2), "i0, i1");
    }

    #[test]
    fn lists_end_with_and() {
        assert_eq!(List::<&str>(&[]).to_string(), "");
        assert_eq!(List(&["a"]).to_string(), "`a`");
        assert_eq!(List(&["a", "b"]).to_string(), "`a` and `b`");
        assert_eq!(List(&["a", "b", "c"]).to_string(), "`a`, `b` and `c`");
    }
}
