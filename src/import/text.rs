//! Texts of the source in messages.

use crate::diagnostic::is_unseen;

/// How many characters of a value a message shows.
const MAX_SHOWN: usize = 80;

/// A value for a message: cut to a length, control and invisible characters escaped.
pub(super) fn shown(value: &str) -> String {
    let mut out = String::new();
    for (count, c) in value.chars().enumerate() {
        if count == MAX_SHOWN {
            return out + "…";
        }
        if c.is_control() || is_unseen(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}
