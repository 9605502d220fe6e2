//! Quotes text for Starlark, for shell-like word splitting and for bash, so that it stands for exactly this text.
//!
//! Pure; knows these three grammars and no recipes. A command is always a single line, quoted with bash's `$'…'` (envd
//! requires bash anyway), so that progress output that contains it can be parsed line by line. Sources:
//! <https://github.com/bazelbuild/starlark/blob/master/spec.md#string-literals>, <https://github.com/google/shlex>.

use std::fmt::Write as _;

/// Quotes a Starlark string.
pub(super) fn string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for each in text.chars() {
        match each {
            '"' | '\\' => quoted.extend(['\\', each]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            each if each.is_ascii_control() => {
                let _ = write!(quoted, "\\x{:02x}", u32::from(each));
            }
            each => quoted.push(each),
        }
    }
    quoted.push('"');
    quoted
}

pub(super) fn list<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> String {
    let quoted: Vec<String> = texts
        .into_iter()
        .map(|text| string(text.as_ref()))
        .collect();
    format!("[{}]", quoted.join(", "))
}

pub(super) fn map(pairs: &[(String, String)]) -> String {
    let quoted = pairs
        .iter()
        .map(|(name, value)| format!("{}: {}", string(name), string(value)));
    format!("{{{}}}", quoted.collect::<Vec<_>>().join(", "))
}

/// Whether a text means itself to any word splitter. A `~` stands for a home directory where a path can begin.
pub(super) fn is_plain(text: &str) -> bool {
    let is_plain = |each: char| each.is_ascii_alphanumeric() || "-_./:=+,@%~".contains(each);
    let is_home = text.starts_with('~') || text.contains("=~") || text.contains(":~");
    !text.is_empty() && !is_home && text.chars().all(is_plain)
}

/// Quotes a word for tools that split like a shell without running one, as envd does with package names.
pub(super) fn word(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    format!("'{}'", inside(text))
}

/// Escapes text for use within single quotes, such as the commands of `run`.
pub(super) fn inside(text: &str) -> String {
    text.replace('\'', r#"'"'"'"#)
}

/// Quotes a bash word on a single line.
pub(super) fn bash(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let mut quoted = String::with_capacity(text.len() + 3);
    quoted.push_str("$'");
    for each in text.chars() {
        match each {
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            // Always three digits, so that a following digit is not taken as part of it.
            '\'' => quoted.push_str("\\047"),
            each if each.is_ascii_control() => {
                let _ = write!(quoted, "\\{:03o}", u32::from(each));
            }
            each => quoted.push(each),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    const NASTY: &str = "it's \"q\" $A `x` \\ \\n $(id) é ☃ 🎉 # no comment\n\ttwo\r\n'; touch /pwned; '\u{1}\u{7f}";

    #[test]
    fn no_text_ends_its_string() {
        assert_eq!(string("a\"b\\c\nd\u{1}"), r#""a\"b\\c\nd\x01""#);
        assert_eq!(list(["a", "b\""]), r#"["a", "b\""]"#);
        assert_eq!(map(&[("A".into(), "1\n".into())]), r#"{"A": "1\n"}"#);
        assert!(!string(NASTY).contains('\n'));
    }

    #[test]
    fn plain_words_stay_as_they_are() {
        assert_eq!(
            word("libgomp1=12.2.0-14~deb12u1"),
            "libgomp1=12.2.0-14~deb12u1"
        );
        assert_eq!(bash("a=~"), "$'a=~'");
        assert_eq!(word("a b"), "'a b'");
        assert_eq!(word(""), "''");
        assert_eq!(bash("/opt/x"), "/opt/x");
        assert_eq!(bash(""), "$''");
        assert_eq!(bash("it's\n1"), r"$'it\047s\n1'");
    }

    /// Returns what bash makes of a text after envd's quoting and word splitting.
    fn through_bash(text: &str) -> String {
        let script = format!("printf %s {}", bash(text));
        let split = shlex::split(&format!("bash -c '{}'", inside(&script))).unwrap();
        let said = Command::new(&split[0]).args(&split[1..]).output().unwrap();
        String::from_utf8(said.stdout).unwrap()
    }

    #[test]
    fn a_nasty_text_comes_through_as_it_is() {
        assert_eq!(through_bash(NASTY), NASTY);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_text_comes_through_as_it_is(text in "[^\0]{0,40}") {
            prop_assert_eq!(through_bash(&text), text);
        }

        #[test]
        fn any_word_is_one_word(text in "[^\0]{0,40}") {
            prop_assert_eq!(shlex::split(&word(&text)), Some(vec![text]));
        }
    }
}
