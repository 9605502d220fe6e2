//! Two checks for which flytekit uses regular expressions: is this a registry, and is this requirement flytekit itself.
//!
//! Written as code, with Python's definitions of letters, digits and whitespace.

use unicode_properties::{
    GeneralCategory as Category, GeneralCategoryGroup as Group, UnicodeGeneralCategory as _,
};

/// Whether flytekit accepts a lowercase text as a registry: a host, optionally a port of up to five digits, optionally
/// a path.
pub(super) fn is_registry(text: &str) -> bool {
    // Python's `$` also matches before a final newline.
    let text = text.strip_suffix('\n').unwrap_or(text);
    let mut parts = text.split('/');
    let host = parts.next().unwrap_or_default();
    let (host, port) = match host.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (host, None),
    };
    is_made_of(host, |char| {
        char.is_ascii_lowercase() || is_digit(char) || "._-".contains(char)
    }) && port.is_none_or(|port| port.chars().count() <= 5 && is_made_of(port, is_digit))
        && parts.all(|part| is_made_of(part, |char| is_word(char) || ".-".contains(char)))
}

/// Python's `str.strip()`.
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(|char: char| char.is_whitespace() || ('\x1c'..='\x1f').contains(&char))
}

/// Python's `bytes.strip()`.
pub(super) fn strip_bytes(bytes: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| b" \t\n\r\x0b\x0c".contains(byte);
    let start = bytes.iter().take_while(|byte| is_space(byte)).count();
    let rest = &bytes[start..];
    let end = rest.iter().rev().take_while(|byte| is_space(byte)).count();
    &rest[..rest.len() - end]
}

fn is_made_of(text: &str, of: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(of)
}

/// `\w`.
fn is_word(char: char) -> bool {
    char == '_' || matches!(char.general_category_group(), Group::Letter | Group::Number)
}

/// `\d`.
fn is_digit(char: char) -> bool {
    char.general_category() == Category::DecimalNumber
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_texts_are_stripped_of_what_python_calls_space() {
        assert_eq!(strip_bytes(b"\x0b\x0c a b\r\n"), b"a b");
        assert_eq!(strip_bytes(b" \t"), b"");
        assert_eq!(strip_bytes(b"\xa0a\x1f"), b"\xa0a\x1f");
        assert_eq!(strip("\u{a0}\x1f a b\u{3000}\u{85}"), "a b");
        assert_eq!(strip("\u{feff}a"), "\u{feff}a");
    }

    #[test]
    fn digits_and_letters_of_all_scripts_count() {
        assert!(is_registry("a:١٢٣"));
        assert!(is_registry("a/②x"));
        assert!(!is_registry("a:123456"));
        assert!(!is_registry("é"));
        assert!(!is_registry("a/\u{301}"));
        assert!(!is_registry(":5000"));
    }
}
