//! Text with its place, and text as it is shown in messages and fixes.

use super::Place;

/// Text that somebody wrote, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spanned {
    /// The value, variables filled in.
    pub text: String,
    /// Where it is written.
    pub place: Place,
    /// Whether the source has exactly this value, so that a fix can replace it there.
    pub plain: bool,
}

impl Spanned {
    /// Text that is written out at its place.
    pub(crate) fn plain(text: impl Into<String>, place: Place) -> Self {
        Self {
            text: text.into(),
            place,
            plain: true,
        }
    }
}

/// A value as it is shown in a sentence: at most 60 characters, and none that would break it.
pub(crate) fn shown(value: &str) -> String {
    let mut out = String::new();
    for (count, c) in value.chars().enumerate() {
        if count == 60 {
            return out + "…";
        }
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// A text as a manifest writes it.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out + "\""
}
