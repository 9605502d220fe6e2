//! How many columns a text takes where all letters are equally wide: on a terminal, and in the boxes of a picture.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The columns of a text: two for a wide character, none for a combining one.
pub(crate) fn count(text: &str) -> usize {
    text.width()
}

/// The beginning of a text in `width` columns, the last of which is the `…`.
pub(crate) fn cut(text: &str, width: usize) -> String {
    let mut left = width.saturating_sub(1);
    let fitting = text.chars().take_while(|char| {
        let columns = char.width().unwrap_or(0);
        let fits = columns <= left;
        left = left.saturating_sub(columns);
        fits
    });
    let mut out: String = fitting.collect();
    if width > 0 {
        out.push('…');
    }
    out
}

/// The text, cut if it has more than `width` columns.
pub(crate) fn fit(text: &str, width: usize) -> String {
    if count(text) <= width {
        text.to_owned()
    } else {
        cut(text, width)
    }
}
