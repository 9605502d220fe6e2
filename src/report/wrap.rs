//! Wraps long lines between words for narrow terminals, so that ids and digests can still be read and copied whole.
//!
//! A terminal itself wraps wherever a line is full. textwrap finds the spaces to break at and gives colors no width;
//! this module determines the indentation that tables and lists need on continuation lines.

use textwrap::core::display_width;
use textwrap::{Options, WordSeparator, WordSplitter};

/// Continuation lines start at most at this fraction of the width (a half), to leave them room.
const DEEPEST: usize = 2;

/// Wraps each line of more than `width` columns between words; `None` leaves the text unchanged.
///
/// A word wider than the terminal stays whole. Source excerpts, which have a gutter, are not wrapped.
pub fn wrapped(text: &str, width: Option<usize>) -> String {
    let Some(width) = width else {
        return text.to_owned();
    };
    let lines = text.split('\n').map(|line| {
        if display_width(line) <= width || is_excerpt(line) {
            return line.to_owned();
        }
        broken(line, width)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn broken(line: &str, width: usize) -> String {
    let indent = " ".repeat(indent(line, width));
    let options = Options::new(width)
        .subsequent_indent(&indent)
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation);
    textwrap::fill(line, options)
}

/// The indentation of continuation lines: the last column of a table, or else four more than the line's own; less if
/// the longest word would not fit otherwise.
fn indent(line: &str, width: usize) -> usize {
    let left = line.len() - line.trim_start_matches(' ').len();
    let longest = line.split(' ').map(display_width).max().unwrap_or(0);
    let columns = line.match_indices("  ").filter_map(|(at, gap)| {
        let at = at + gap.len();
        let starts = line[at..].starts_with(|next| next != ' ');
        starts.then(|| display_width(&line[..at]))
    });
    let column = columns
        .filter(|column| *column > left && *column <= width / DEEPEST)
        .max()
        .unwrap_or(left + 4);
    column.min(width.saturating_sub(longest))
}

/// Whether a line shows source text: `12 | image "app" {` or `   |   ^^^^`, the gutter colored or not.
fn is_excerpt(line: &str) -> bool {
    let before_bar = line.split_once('|').map(|(gutter, _)| gutter);
    before_bar.is_some_and(|gutter| {
        let mut chars = gutter.chars();
        chars.all(|char| char.is_ascii_digit() || " \x1b[;m".contains(char))
    })
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    const DIGEST: &str = "sha256:1dde5d1ebd7a88a3c706178ec3f3a4913364f97c455f4fb2ec3a96ea45bda837";

    #[test]
    fn an_id_or_a_digest_is_never_broken() {
        let image = "model-fraud-detection-with-a-long-name";
        for width in 72..120 {
            let line = format!(
                "{image:40}  build  locked debian:bookworm-slim is new: {DIGEST}  (took 0.3s)"
            );
            let shown = wrapped(&line, Some(width));
            assert!(shown.contains(DIGEST) && shown.contains(image), "{shown}");
            for line in shown.lines() {
                assert!(line.chars().count() <= width, "{width}: {shown}");
            }
        }
    }

    #[test]
    fn continuation_lines_stand_below_the_last_column() {
        let line = "  base key python    directory of the files that were read";
        insta::assert_snapshot!(wrapped(line, Some(44)), @r"
          base key python    directory of the files
                             that were read
        ");
        insta::assert_snapshot!(wrapped("warning: a sentence that goes on", Some(20)), @r"
        warning: a sentence
            that goes on
        ");
    }

    #[test]
    fn excerpts_short_lines_and_pipes_stay_as_they_are() {
        let excerpt = "error: a mistake\n  --> imgspec.kdl:1:2\n\u{1b}[1m12 |\u{1b}[0m image \"a\" { packages \"numpy\" }\n   |   ^^^^^^^^ no such thing here\n";
        assert_eq!(wrapped(excerpt, Some(22)), excerpt);
        let long = "word ".repeat(100);
        assert_eq!(wrapped(&long, None), long);
    }

    #[test]
    fn colors_take_no_columns() {
        let line = "\u{1b}[1mone\u{1b}[0m \u{1b}[2mtwo\u{1b}[0m";
        assert_eq!(wrapped(line, Some(7)), line);
    }
}
