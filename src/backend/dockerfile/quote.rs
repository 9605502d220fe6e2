//! Quotes any text as a Dockerfile word that expands to exactly this text.
//!
//! Implements the Dockerfile's lexical rules, not its instructions. Commands are JSON, whose strings `BuildKit` takes
//! literally; everything else is escaped for `BuildKit`'s word expansion. A word cannot contain a newline, so newlines
//! are inserted through the build argument [`NEWLINE`]. See `docs/design/docker.md`.

use serde_json::Value;

/// The build argument that holds a newline, in Dockerfiles that need one.
pub(crate) const NEWLINE: &str = "IMGSPEC_NEWLINE";

/// Maximum line length that `BuildKit` accepts, in bytes.
const LONGEST_READ: usize = 65_535;

/// Length at which lines are split, in bytes.
const LONGEST_LINE: usize = 60_000;

/// Quotes text for ENV, LABEL, WORKDIR and USER.
pub(crate) fn word(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for each in text.chars() {
        match each {
            '\n' => {
                quoted.push_str("${");
                quoted.push_str(NEWLINE);
                quoted.push('}');
            }
            '"' | '\\' | '$' => quoted.extend(['\\', each]),
            each => quoted.push(each),
        }
    }
    quoted.push('"');
    quoted
}

pub(crate) fn needs_newline(text: &str) -> bool {
    text.contains('\n')
}

/// The JSON form of RUN, CMD, ENTRYPOINT, SHELL and HEALTHCHECK, which takes every argument literally.
pub(crate) fn exec<S: AsRef<str>>(arguments: impl IntoIterator<Item = S>) -> String {
    let arguments = arguments
        .into_iter()
        .map(|argument| Value::String(argument.as_ref().to_owned()));
    Value::Array(arguments.collect()).to_string()
}

/// The JSON form of COPY, whose paths are expanded as words; the source is also a pattern.
pub(crate) fn copy(source: &str, target: &str) -> String {
    exec([expanded(&pattern(source)), expanded(target)])
}

/// The JSON form of VOLUME, whose paths are expanded as words.
pub(crate) fn paths(paths: &[String]) -> String {
    exec(paths.iter().map(|path| expanded(path)))
}

/// Escapes a text so that word expansion restores it.
fn expanded(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for each in text.chars() {
        if matches!(each, '"' | '\'' | '\\' | '$') {
            escaped.push('\\');
        }
        escaped.push(each);
    }
    escaped
}

/// A pattern that matches only this path. A path without special characters is not a pattern and keeps its backslashes.
fn pattern(path: &str) -> String {
    if !path.contains(['*', '?', '[']) {
        return path.to_owned();
    }
    path.chars()
        .map(|each| match each {
            '*' | '?' | '[' => format!("[{each}]"),
            '\\' => r"\\".to_owned(),
            each => each.to_string(),
        })
        .collect()
}

/// Splits an instruction into lines that are short enough.
pub(crate) fn fold(instruction: &str) -> String {
    let mut folded = String::with_capacity(instruction.len() + 16);
    let mut rest = instruction;
    while rest.len() > LONGEST_LINE {
        let at = fold_point(rest);
        folded.push_str(&rest[..at]);
        folded.push_str("\\\n");
        rest = &rest[at..];
    }
    folded + rest
}

/// Where to split a line: not after a backslash, which would not continue the line, and not before whitespace or `#`,
/// which would be taken for an empty line or a comment. Any other split is safe: lines are joined before anything else
/// is parsed. Text without such a position is not split; see [`too_long`].
fn fold_point(text: &str) -> usize {
    let bytes = text.as_bytes();
    let ends = |byte: u8| byte != b'\\';
    let begins = |byte: u8| byte != b'#' && !byte.is_ascii_whitespace();
    (1..LONGEST_LINE)
        .rev()
        .find(|&at| text.is_char_boundary(at) && ends(bytes[at - 1]) && begins(bytes[at]))
        .unwrap_or(text.len())
}

/// Length of the first line of a Dockerfile that is too long for `BuildKit`, if any.
pub(crate) fn too_long(dockerfile: &str) -> Option<usize> {
    dockerfile
        .split('\n')
        .map(str::len)
        .find(|length| *length > LONGEST_READ)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_escape_what_would_be_expanded() {
        assert_eq!(word(r#"a "b" $c \d"#), r#""a \"b\" \$c \\d""#);
        assert_eq!(word("#x 'y'"), r##""#x 'y'""##);
        assert_eq!(word("a\nb"), r#""a${IMGSPEC_NEWLINE}b""#);
        assert!(needs_newline("a\n") && !needs_newline("a\\n"));
    }

    #[test]
    fn no_variable_of_a_manifest_can_stand_for_line_ends() {
        // Found by fuzzing: `env IMGSPEC_NEWLINE="x" A="a\nb"` made A `axb`.
        assert!(crate::manifest::takes("env", NEWLINE).is_err());
        assert!(crate::manifest::takes("env", "IMGSPEC_NEW_LINE").is_ok());
    }

    #[test]
    fn a_command_is_one_line_whatever_is_in_it() {
        assert_eq!(exec(["a\nb", r#"$"\"#]), r#"["a\nb","$\"\\"]"#);
    }

    #[test]
    fn paths_are_no_patterns_and_no_variables() {
        assert_eq!(
            copy("0/a[1]*.txt", "/x/$y"),
            r#"["0/a[[]1][*].txt","/x/\\$y"]"#
        );
        assert_eq!(copy(r"0/a\b", "it's"), r#"["0/a\\\\b","it\\'s"]"#);
    }

    #[test]
    fn a_long_line_without_two_letters_in_a_row_is_continued_too() {
        // Found by fuzzing: a label of 40 kB of `q"` made a line that BuildKit does not accept.
        for text in ["q\"", "é", "\\\"", "# a", "$"] {
            let long = format!("LABEL {}", word(&text.repeat(70_000)));
            let folded = fold(&long);
            assert_eq!(folded.replace("\\\n", ""), long, "{text}");
            assert_eq!(too_long(&folded), None, "{text}");
            let mut starts = folded.split('\n').skip(1);
            assert!(starts.all(|line| !line.starts_with([' ', '#'])), "{text}");
        }
        let backslashes = fold(&format!("LABEL {}", word(&"\\".repeat(70_000))));
        assert!(too_long(&backslashes).is_some(), "it cannot be continued");
    }

    #[test]
    fn long_lines_are_continued_between_words_and_comments() {
        let long = format!("RUN {}", "ab # \\ ".repeat(20_000));
        let folded = fold(&long);
        assert_eq!(folded.replace("\\\n", ""), long);
        for line in folded.split('\n') {
            assert!(line.len() <= LONGEST_LINE + 1);
            assert!(!line.starts_with([' ', '#']));
        }
        assert_eq!(fold("short"), "short");
    }
}
