//! The texts of a picture: escaped, cut to what fits, and measured without a font.

use super::super::drawing::{Node, images, printable};
use crate::columns;

/// Pixels of a column of a name and of the smaller line below it: the widest of the usual fonts take 0.61 of their size.
const NAME_COLUMN: f64 = 12.0 * 0.61;
pub(super) const NOTE_COLUMN: f64 = 10.0 * 0.61;

/// Longer texts are cut; the whole ones are in the tooltip.
const NAME_LIMIT: usize = 40;
pub(super) const NOTE_LIMIT: usize = 44;

/// In a page, which tells the rest when a box is clicked, boxes are narrower, so that more of them can be read at once.
pub(super) const PAGE_NOTE_LIMIT: usize = 34;

/// The space between text and box on both sides together.
pub(super) const PADDING: f64 = 20.0;

/// The texts in a box, cut to what fits.
pub(super) struct Texts {
    pub(super) name: String,
    pub(super) note: String,
}

impl Texts {
    /// The texts of a box, with a second line of at most `limit` columns.
    pub(super) fn of(node: &Node, limit: usize) -> Self {
        let mut parts = Vec::new();
        parts.extend(node.images.map(images));
        let is_told = node.images.is_some() && node.note.is_some();
        parts.extend(
            node.state
                .filter(|_| !is_told)
                .map(|state| state.word().to_owned()),
        );
        parts.extend(node.cost());
        parts.extend(node.note.as_deref().map(printable));
        Self {
            name: columns::fit(&printable(&node.name), NAME_LIMIT),
            note: columns::fit(&parts.join(" · "), limit),
        }
    }

    /// The size of a box for them, with at least `room` columns in its second line.
    pub(super) fn size(&self, room: usize) -> (f64, f64) {
        let note = columns::count(&self.note).max(room);
        let height = if note == 0 { 26.0 } else { 40.0 };
        let name = f64_of(columns::count(&self.name)) * NAME_COLUMN;
        let note = f64_of(note) * NOTE_COLUMN;
        (name.max(note).max(40.0).ceil() + PADDING, height)
    }
}

pub(super) fn f64_of(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

/// XML's own characters; control characters, which XML has no way to write, were taken out before.
pub(in super::super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in printable(text).chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Not characters in XML 1.0.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            char => out.push(char),
        }
    }
    out
}
