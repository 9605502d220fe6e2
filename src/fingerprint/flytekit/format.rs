//! Python's `str.format` for a `tag_format`, with `spec_hash` as the only argument.
//!
//! Supports everything that a string can be formatted with, as in flytekit. `spec::rules::format_tag`, for imgspec's
//! own tags, deliberately accepts less.

use super::error::Error;
use super::repr::repr;
use super::value::Value;
use crate::spec::rules::fill_braces;

/// Maximum width; longer tags are invalid, so a larger width is a mistake that would only waste memory.
const WIDEST: usize = 1024;

pub(super) fn format(format: &str, spec_hash: &str) -> Result<String, Error> {
    // A width may itself be a placeholder, but cannot contain another.
    expand(format, spec_hash, 2)
}

fn expand(format: &str, spec_hash: &str, depth: u8) -> Result<String, Error> {
    if depth == 0 {
        return Err(wrong("placeholders are nested too deeply"));
    }
    let lone = |brace: &str| wrong(format!("unmatched `{brace}`"));
    fill_braces(format, lone, |field| fill(field, spec_hash, depth))
}

/// Expands one placeholder: `name[index]!conversion:spec`.
fn fill(field: &str, spec_hash: &str, depth: u8) -> Result<String, Error> {
    let (head, spec) = field.split_once(':').unwrap_or((field, ""));
    let (path, conversion) = match head.split_once('!') {
        Some((path, conversion)) => (path, Some(conversion)),
        None => (head, None),
    };
    let value = look_up(path, spec_hash)?;
    let value = match conversion {
        None | Some("s") => value,
        // A tag is ASCII, so `a` and `r` are the same.
        Some("r" | "a") => repr(&Value::Text(value)),
        Some(other) => return Err(wrong(format!("the conversion `!{other}` is unknown"))),
    };
    if spec.contains('{') {
        return pad(&value, &expand(spec, spec_hash, depth - 1)?);
    }
    pad(&value, spec)
}

fn look_up(path: &str, spec_hash: &str) -> Result<String, Error> {
    let end = path.find(['.', '[']).unwrap_or(path.len());
    let (name, within) = path.split_at(end);
    if name.chars().all(|char| char.is_ascii_digit()) {
        let index = if name.is_empty() { "0" } else { name };
        return Err(Error::NumberedPlaceholder {
            index: index.to_owned(),
        });
    }
    if name != "spec_hash" {
        return Err(Error::UnknownPlaceholder {
            name: name.to_owned(),
        });
    }
    if within.is_empty() {
        return Ok(spec_hash.to_owned());
    }
    within
        .strip_prefix('[')
        .and_then(|index| index.strip_suffix(']'))
        .filter(|index| index.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|index| spec_hash.chars().nth(index.parse().ok()?))
        .map(String::from)
        .ok_or_else(|| wrong(format!("`spec_hash` has no `{within}`")))
}

#[derive(Default)]
struct Layout {
    fill: Option<char>,
    align: Option<char>,
    width: usize,
    precision: Option<usize>,
}

fn pad(value: &str, spec: &str) -> Result<String, Error> {
    let layout = read_layout(spec)
        .ok_or_else(|| wrong(format!("a string cannot be formatted as `:{spec}`")))?;
    if layout.width > WIDEST {
        return Err(wrong(format!("no tag is {} characters wide", layout.width)));
    }
    let kept: String = value
        .chars()
        .take(layout.precision.unwrap_or(usize::MAX))
        .collect();
    let missing = layout.width.saturating_sub(kept.chars().count());
    let before = match layout.align {
        Some('>') => missing,
        Some('^') => missing / 2,
        _ => 0,
    };
    let filling = |count| layout.fill.unwrap_or(' ').to_string().repeat(count);
    Ok(filling(before) + &kept + &filling(missing - before))
}

/// Parses `[[fill]align][0][width][.precision][s]`.
fn read_layout(spec: &str) -> Option<Layout> {
    let mut layout = Layout::default();
    let mut rest = spec;
    let is_align = |char: &char| "<>^".contains(*char);
    let mut chars = rest.chars();
    match (chars.next(), chars.next()) {
        (fill, Some(align)) if is_align(&align) => {
            layout.fill = fill;
            layout.align = Some(align);
            rest = chars.as_str();
        }
        (Some(align), _) if is_align(&align) => {
            layout.align = Some(align);
            rest = &rest[1..];
        }
        _ => {}
    }
    if let Some(after) = rest.strip_prefix('0') {
        layout.fill = layout.fill.or(Some('0'));
        rest = after;
    }
    let (width, after) = digits(rest);
    layout.width = if width.is_empty() {
        0
    } else {
        width.parse().ok()?
    };
    rest = after;
    if let Some(after) = rest.strip_prefix('.') {
        let (precision, after) = digits(after);
        layout.precision = Some(precision.parse().ok()?);
        rest = after;
    }
    matches!(rest, "" | "s").then_some(layout)
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at(end)
}

fn wrong(why: impl Into<String>) -> Error {
    Error::TagFormat { why: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_placeholder_is_cut_padded_and_indexed_as_in_python() {
        for (text, filled) in [
            ("{spec_hash}-cpu", "abcd-cpu"),
            ("{spec_hash:}", "abcd"),
            ("{spec_hash:.2}", "ab"),
            ("{spec_hash:.2s}", "ab"),
            ("{spec_hash:.0}", ""),
            ("{spec_hash:6}", "abcd  "),
            ("{spec_hash:06}", "abcd00"),
            ("{spec_hash:x>6}", "xxabcd"),
            ("{spec_hash:>6.1}", "     a"),
            ("{spec_hash:-^7}", "-abcd--"),
            ("{spec_hash:<<6}", "abcd<<"),
            ("{spec_hash!s}", "abcd"),
            ("{spec_hash!r:.3}", "'ab"),
            ("{spec_hash[1]}", "b"),
            ("{{{spec_hash}}}", "{abcd}"),
            ("a{{b}}c", "a{b}c"),
            ("", ""),
        ] {
            assert_eq!(format(text, "abcd").as_deref(), Ok(filled), "{text}");
        }
    }

    #[test]
    fn what_python_refuses_is_refused() {
        for text in [
            "{",
            "}",
            "a{spec_hash",
            "{spec_hash!x}",
            "{spec_hash!}",
            "{spec_hash:d}",
            "{spec_hash:=9}",
            "{spec_hash:+}",
            "{spec_hash:#}",
            "{spec_hash:,}",
            "{spec_hash:.}",
            "{spec_hash:99999999999999999999}",
            "{spec_hash[9]}",
            "{spec_hash[x]}",
            "{spec_hash.upper}",
            "{spec_hash:{spec_hash}}",
            "{spec_hash:{spec_hash:{spec_hash}}}",
        ] {
            let error = format(text, "abcd").unwrap_err();
            assert!(matches!(error, Error::TagFormat { .. }), "{text}: {error}");
        }
        let numbered = |index: &str| {
            Err(Error::NumberedPlaceholder {
                index: index.to_owned(),
            })
        };
        assert_eq!(format("{}", "abcd"), numbered("0"));
        assert_eq!(format("{2:.3}", "abcd"), numbered("2"));
        let unknown = Error::UnknownPlaceholder {
            name: "hash".to_owned(),
        };
        assert_eq!(format("{hash.x}", "abcd"), Err(unknown.clone()));
        assert_eq!(format("{spec_hash:{hash}}", "abcd"), Err(unknown));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[{}\\[\\]!:.0-9<>^sé]{0,6}|\\{spec_hash[!:.<0-9\\[\\]{}é]{0,6}\\}") {
            let _ = format(&text, "abcd");
        }
    }
}
