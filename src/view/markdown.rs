//! Text in GitHub's Markdown: whatever it contains, it is shown as it is, and nothing else.
//!
//! Names, errors and logs are hostile. Outside of fences, characters that mean something are written as entities, which only
//! ever stand for themselves: a backslash could be undone by one before it, and a code span by its own delimiter.

use std::fmt::Write as _;

use crate::clean::{clean, clean_output};

/// A word that may be copied: neither links nor mentions are made of it.
pub(super) fn code(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    format!("<code>{}</code>", entities(text))
}

/// A sentence; what it has between backticks is code.
pub(super) fn prose(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(at, part)| match at % 2 {
        0 => entities(part),
        _ => code(part),
    });
    parts.collect()
}

/// Lines of output, in a fence longer than any that they contain.
pub(super) fn fenced<'a>(language: &str, lines: impl IntoIterator<Item = &'a str>) -> String {
    let lines: Vec<String> = lines.into_iter().map(clean_output).collect();
    let ticks = |line: &String| {
        let runs = line.split(|char| char != '`');
        runs.map(str::len).max().unwrap_or(0)
    };
    let longest = lines.iter().map(ticks).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}\n", lines.join("\n"))
}

fn entities(text: &str) -> String {
    let mut out = String::new();
    let text = clean(text);
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        // GitHub makes links of bare addresses, and mentions of names.
        let is_address = match char {
            ':' => chars.peek() == Some(&'/'),
            '.' => out.to_ascii_lowercase().ends_with("www"),
            _ => false,
        };
        let is_plain = !char.is_ascii_punctuation() || "-.,:;/()+='%?".contains(char);
        if is_plain && !is_address {
            out.push(char);
        } else {
            let _ = write!(out, "&#{};", u32::from(char));
        }
        if char == '@' {
            // A joiner without width: no name follows.
            out.push('\u{2060}');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_means_anything() {
        assert_eq!(prose("never built"), "never built");
        assert_eq!(
            prose("`src/a|b.py` changed"),
            "<code>src/a&#124;b.py</code> changed"
        );
        for text in [
            "a|b", "<b>", "**a**", "_a_", "# a", "[a](b)", "\\|", "a\nb", "&amp;", "~~a~~", "$a$",
            "!a",
        ] {
            let shown = entities(text);
            let is_safe = |char: char| !"|<>*_#[]\\~$!\n`".contains(char);
            let plain = shown.replace("&#", "");
            assert!(plain.chars().all(is_safe), "{text}: {shown}");
        }
        assert_eq!(
            entities("https://a.b www.a.b"),
            "https&#58;//a.b www&#46;a.b"
        );
        assert_eq!(entities("@team"), "&#64;\u{2060}team");
        assert_eq!(code("a`b"), "<code>a&#96;b</code>");
        assert_eq!(code(""), "");
    }

    #[test]
    fn a_fence_is_longer_than_those_in_it() {
        assert_eq!(fenced("", ["a"]), "```\na\n```\n");
        assert_eq!(
            fenced("", ["```", "x ````` y", "\u{1b}[31mred\u{1b}[0m"]),
            "``````\n```\nx ````` y\nred\n``````\n"
        );
    }
}
