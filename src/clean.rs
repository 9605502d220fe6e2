//! Sanitizes untrusted text for people: on a terminal, and on a page.
//!
//! Build output may contain escape sequences that move the cursor, set the window title or make the terminal answer as
//! if typed; none may reach the user's terminal. Known sequences are removed, so that colored output stays readable;
//! any other control character becomes `?`, so that nothing is hidden.

use std::iter::Peekable;
use std::str::Chars;

use crate::disk::reorders;

/// The replacement for characters that must not be printed.
const HARMLESS: char = '?';

/// Returns the text as one printable line, without escape sequences.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\u{1b}' => skip_escape(&mut chars),
            '\u{9b}' => skip_control_sequence(&mut chars),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => skip_string(&mut chars),
            '\t' => out.push_str("    "),
            '\n' | '\r' => out.push(' '),
            char if char.is_control() || reorders(char) => out.push(HARMLESS),
            char => out.push(char),
        }
    }
    out
}

/// Returns the final state of an output line, as progress bars overwrite it with `\r`.
pub(crate) fn clean_output(line: &str) -> String {
    let last = line.rsplit('\r').find(|part| !part.is_empty());
    clean(last.unwrap_or(""))
}

/// Skips the rest of a sequence after ESC: `[` starts a control sequence, `]PX^_` a string; otherwise intermediates and
/// one final character follow.
fn skip_escape(chars: &mut Peekable<Chars<'_>>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            skip_control_sequence(chars);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            chars.next();
            skip_string(chars);
        }
        _ => {
            while chars.next_if(|char| (' '..='/').contains(char)).is_some() {}
            chars.next_if(|char| ('0'..='~').contains(char));
        }
    }
}

/// Skips parameters and intermediates, then one final character.
fn skip_control_sequence(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|char| (' '..='?').contains(char)).is_some() {}
    chars.next_if(|char| ('@'..='~').contains(char));
}

/// Skips everything up to BEL, ST or ESC `\`; an unterminated string extends to the end of the line.
fn skip_string(chars: &mut Peekable<Chars<'_>>) {
    while let Some(char) = chars.next() {
        match char {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' => {
                chars.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{clean, clean_output};
    use proptest::prelude::*;

    #[test]
    fn plain_text_stays_as_it_is() {
        let text = "Step 1/3 : größer 你好 🐍 — [31m is no escape without ESC";
        assert_eq!(clean(text), text);
    }

    #[test]
    fn colours_vanish_and_leave_their_text() {
        assert_eq!(
            clean("\u{1b}[1;31merror\u{1b}[0m: \u{9b}32mok\u{9b}m"),
            "error: ok"
        );
    }

    #[test]
    fn nothing_moves_the_cursor_or_clears_the_screen() {
        assert_eq!(
            clean("a\u{1b}[2J\u{1b}[1;1Hb\u{1b}7c\u{1b}(0d\u{1b}ce"),
            "abcde"
        );
    }

    #[test]
    fn titles_links_and_device_strings_vanish_with_their_payload() {
        assert_eq!(clean("a\u{1b}]0;evil title\u{7}b"), "ab");
        assert_eq!(
            clean("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\"),
            "link"
        );
        assert_eq!(clean("a\u{1b}P$q\"p\u{1b}\\b\u{1b}]52;c;unended"), "ab");
    }

    #[test]
    fn of_an_overwritten_line_the_last_state_is_seen() {
        assert_eq!(clean_output("10%\r50%\r100%\r"), "100%");
        assert_eq!(clean_output("\r\r"), "");
        assert_eq!(clean("failed: a\rb"), "failed: a b");
    }

    #[test]
    fn other_controls_and_reordering_marks_become_visible() {
        assert_eq!(clean("a\u{8}\u{0}\u{7f}b"), "a???b");
        assert_eq!(clean("x\u{202e}gpj.exe"), "x?gpj.exe");
        assert_eq!(clean("a\tb\nc"), "a    b c");
    }

    proptest! {
        #[test]
        fn no_input_leaves_a_control_character(text in any::<String>()) {
            prop_assert!(!clean(&text).chars().any(char::is_control));
        }

        #[test]
        fn no_mix_of_escapes_leaves_a_control_character(text in "[\u{1b}\u{9b}\u{9d}\u{7}\r\\[\\]\\\\;0-9a-mP ]{0,40}") {
            prop_assert!(!clean(&text).chars().any(char::is_control));
        }
    }
}
