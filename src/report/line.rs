//! A line of styled pieces, cut to a width before it is painted.
//!
//! Pieces are sanitized when they are added and colored when they are painted, so a cut never lands inside an escape
//! sequence, and untrusted text cannot introduce one.

use crate::clean::clean;
use crate::columns::{count, cut};

/// How a piece looks when color is enabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// The terminal's default style.
    Plain,
    /// Bold, for names.
    Bold,
    /// Dim, for details.
    Dim,
    /// Green, for success.
    Good,
    /// Red, for failure.
    Bad,
    /// Yellow, for anything that deserves a look.
    Doubtful,
}

impl Style {
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Bold => Some("1"),
            Self::Dim => Some("2"),
            Self::Good => Some("32"),
            Self::Bad => Some("31"),
            Self::Doubtful => Some("33"),
        }
    }
}

/// A line under construction.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Line(Vec<(Style, String)>);

impl Line {
    /// Creates an empty line.
    pub fn new() -> Self {
        Self::default()
    }

    /// Wraps text that is already painted.
    pub fn painted(text: &str) -> Self {
        Self(vec![(Style::Plain, text.to_owned())])
    }

    /// Creates a line of one piece.
    pub fn of(style: Style, text: impl AsRef<str>) -> Self {
        Self::new().add(style, text)
    }

    /// Adds a piece, with everything removed that could act on a terminal.
    pub fn add(mut self, style: Style, text: impl AsRef<str>) -> Self {
        self.0.push((style, clean(text.as_ref())));
        self
    }

    /// Adds a piece, padded with spaces to `width` columns.
    pub fn column(self, style: Style, text: &str, width: usize) -> Self {
        let text = clean(text);
        let blanks = width.saturating_sub(count(&text));
        self.add(style, text).add(Style::Plain, " ".repeat(blanks))
    }

    /// Renders the whole line, with colors if `color` is set.
    pub fn paint(&self, color: bool) -> String {
        let pieces = self.0.iter();
        pieces
            .map(|(style, text)| match style.code() {
                Some(code) if color && !text.is_empty() => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
                _ => text.clone(),
            })
            .collect()
    }

    /// Renders at most `width` columns of the line.
    pub fn fit(&self, width: usize, color: bool) -> String {
        self.clone().cut_to(width).paint(color)
    }

    /// Cuts the line to at most `width` columns, with an `…` where it was cut.
    pub fn cut_to(mut self, width: usize) -> Self {
        let whole: usize = self.0.iter().map(|(_, text)| count(text)).sum();
        if whole <= width {
            return self;
        }
        let mut left = width;
        let fitting = self.0.iter().take_while(|(_, text)| {
            let fits = count(text) < left;
            left = left.saturating_sub(if fits { count(text) } else { 0 });
            fits
        });
        let fitting = fitting.count();
        self.0.truncate(fitting + 1);
        if let Some((_, last)) = self.0.last_mut() {
            *last = cut(last, left);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        Line::new()
            .add(Style::Good, "✔ ")
            .column(Style::Bold, "train", 8)
            .add(Style::Plain, "built")
    }

    #[test]
    fn columns_are_filled_and_colour_is_a_choice() {
        assert_eq!(line().paint(false), "✔ train   built");
        assert_eq!(
            line().paint(true),
            "\u{1b}[32m✔ \u{1b}[0m\u{1b}[1mtrain\u{1b}[0m   built"
        );
    }

    #[test]
    fn a_cut_line_has_just_the_width() {
        assert_eq!(line().fit(15, false), "✔ train   built");
        assert_eq!(line().fit(14, false), "✔ train   bui…");
        assert_eq!(line().fit(4, false), "✔ t…");
        assert_eq!(line().fit(1, false), "…");
        assert_eq!(line().fit(0, false), "");
    }

    #[test]
    fn a_cut_never_opens_a_colour_that_it_does_not_close() {
        assert_eq!(
            line().fit(5, true),
            "\u{1b}[32m✔ \u{1b}[0m\u{1b}[1mtr…\u{1b}[0m"
        );
    }

    #[test]
    fn wide_characters_count_twice() {
        let line = Line::new().add(Style::Plain, "你好世界");
        assert_eq!(line.fit(8, false), "你好世界");
        assert_eq!(line.fit(7, false), "你好世…");
        assert_eq!(line.fit(6, false), "你好…");
    }

    #[test]
    fn a_piece_cannot_bring_colours_of_its_own() {
        let line = Line::new().add(Style::Plain, "\u{1b}[31mred\u{1b}[2J");
        assert_eq!(line.paint(true), "red");
    }
}
