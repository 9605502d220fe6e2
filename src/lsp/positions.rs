//! Offsets in a text as lines and columns, in the unit that the client counts columns in.

use std::iter::once;
use std::ops::Range as Span;

use gen_lsp_types::{Position, PositionEncodingKind, Range};

/// What columns count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Utf16,
    Utf32,
}

impl Encoding {
    /// The first of the client's encodings that is known; UTF-16, which every client has to know, if it names none.
    pub(super) fn of(offered: impl IntoIterator<Item = PositionEncodingKind>) -> Self {
        let known = |kind| match kind {
            PositionEncodingKind::UTF8 => Some(Self::Utf8),
            PositionEncodingKind::UTF16 => Some(Self::Utf16),
            PositionEncodingKind::UTF32 => Some(Self::Utf32),
            PositionEncodingKind::Custom(_) => None,
        };
        let mut offered = offered.into_iter();
        offered.find_map(known).unwrap_or(Self::Utf16)
    }

    pub(super) fn kind(self) -> PositionEncodingKind {
        match self {
            Self::Utf8 => PositionEncodingKind::UTF8,
            Self::Utf16 => PositionEncodingKind::UTF16,
            Self::Utf32 => PositionEncodingKind::UTF32,
        }
    }

    fn width(self, text: &str) -> usize {
        match self {
            Self::Utf8 => text.len(),
            Self::Utf16 if text.is_ascii() => text.len(),
            Self::Utf16 => text.encode_utf16().count(),
            Self::Utf32 => text.chars().count(),
        }
    }

    fn width_of(self, c: char) -> usize {
        match self {
            Self::Utf8 => c.len_utf8(),
            Self::Utf16 => c.len_utf16(),
            Self::Utf32 => 1,
        }
    }
}

/// A text with the offsets at which its lines begin.
pub(super) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
    encoding: Encoding,
}

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t str, encoding: Encoding) -> Self {
        Self {
            text,
            starts: starts(text).collect(),
            encoding,
        }
    }

    /// The position of an offset; of the end of the text, if the offset is beyond it.
    pub(super) fn position(&self, offset: usize) -> Position {
        let offset = self.text.floor_char_boundary(offset);
        let line = self.starts.partition_point(|start| *start <= offset) - 1;
        let column = self.encoding.width(&self.text[self.starts[line]..offset]);
        let small = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Position {
            line: small(line),
            character: small(column),
        }
    }

    pub(super) fn range(&self, span: Span<usize>) -> Range {
        Range {
            start: self.position(span.start),
            end: self.position(span.end),
        }
    }
}

/// The offset of a position. One beyond the end of its line is that end, one beyond the last line the end of the text.
pub(super) fn offset(text: &str, position: Position, encoding: Encoding) -> usize {
    let Some(start) = starts(text).nth(position.line as usize) else {
        return text.len();
    };
    let mut left = position.character as usize;
    let mut at = start;
    for c in text[start..].chars() {
        let width = encoding.width_of(c);
        if width > left || matches!(c, '\n' | '\r') {
            break;
        }
        left -= width;
        at += c.len_utf8();
    }
    at
}

/// The offsets of a range, in order.
pub(super) fn span(text: &str, range: Range, encoding: Encoding) -> Span<usize> {
    let start = offset(text, range.start, encoding);
    start..offset(text, range.end, encoding).max(start)
}

/// The offsets at which lines begin. The protocol knows three ways to end one.
fn starts(text: &str) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    let ends = bytes.iter().enumerate().filter(|(at, byte)| match byte {
        b'\n' => true,
        b'\r' => bytes.get(at + 1) != Some(&b'\n'),
        _ => false,
    });
    once(0).chain(ends.map(|(at, _)| at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a\r\n\u{1f980}é b\rc\n";

    fn at(line: u32, character: u32) -> Position {
        Position { line, character }
    }

    #[test]
    fn positions_and_offsets_are_the_same_places() {
        for (encoding, columns) in [
            (Encoding::Utf8, [0, 4, 6, 7, 8]),
            (Encoding::Utf16, [0, 2, 3, 4, 5]),
            (Encoding::Utf32, [0, 1, 2, 3, 4]),
        ] {
            let lines = Lines::new(TEXT, encoding);
            for (offset, column) in [3, 7, 9, 10, 11].into_iter().zip(columns) {
                assert_eq!(lines.position(offset), at(1, column), "{encoding:?}");
                assert_eq!(super::offset(TEXT, at(1, column), encoding), offset);
            }
            assert_eq!(lines.position(12), at(2, 0));
            assert_eq!(lines.position(14), at(3, 0));
            assert_eq!(lines.position(99), at(3, 0));
            assert_eq!(lines.position(5), at(1, 0), "within a character");
        }
    }

    #[test]
    fn positions_out_of_range_are_at_the_nearest_end() {
        for encoding in [Encoding::Utf8, Encoding::Utf16, Encoding::Utf32] {
            assert_eq!(offset(TEXT, at(0, 99), encoding), 1);
            assert_eq!(offset(TEXT, at(99, 0), encoding), TEXT.len());
            assert_eq!(offset(TEXT, at(u32::MAX, u32::MAX), encoding), TEXT.len());
            assert_eq!(offset("", at(0, 1), encoding), 0);
        }
        assert_eq!(offset(TEXT, at(1, 1), Encoding::Utf16), 3);
        let backwards = Range {
            start: at(2, 1),
            end: at(0, 0),
        };
        assert_eq!(span(TEXT, backwards, Encoding::Utf8), 13..13);
    }

    #[test]
    fn the_first_known_encoding_is_taken() {
        let custom = PositionEncodingKind::Custom("utf-7".into());
        let offered = [custom.clone(), PositionEncodingKind::UTF8];
        assert_eq!(Encoding::of(offered), Encoding::Utf8);
        assert_eq!(Encoding::of([custom]), Encoding::Utf16);
        assert_eq!(Encoding::of([]), Encoding::Utf16);
    }
}
