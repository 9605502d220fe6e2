//! Python's `repr` of a value.
//!
//! Which characters are printable comes from a crate with the tables of the newest Unicode version. A given Python has
//! those of its own time, so it prints characters that were assigned later differently; there are no other differences.

use std::fmt::Write as _;

use unicode_properties::{GeneralCategory as Category, UnicodeGeneralCategory as _};

use super::value::Value;

/// Returns what Python's `repr` returns.
pub fn repr(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value);
    out
}

fn write(out: &mut String, value: &Value) {
    match value {
        Value::None => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Int(value) => append(out, format_args!("{value}")),
        Value::Float(value) => out.push_str(&float(*value)),
        Value::Text(text) => quote(out, text),
        Value::List(items) => between(out, ["[", "]"], items, write),
        Value::Tuple(items) => {
            let close = if items.len() == 1 { ",)" } else { ")" };
            between(out, ["(", close], items, write);
        }
        Value::Dict(items) => between(out, ["{", "}"], items, |out, (key, value)| {
            quote(out, key);
            out.push_str(": ");
            write(out, value);
        }),
        Value::Object(repr) => out.push_str(repr),
    }
}

fn between<T>(out: &mut String, ends: [&str; 2], items: &[T], write: impl Fn(&mut String, &T)) {
    out.push_str(ends[0]);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        write(out, item);
    }
    out.push_str(ends[1]);
}

fn append(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text)
        .expect("writing to a string cannot fail");
}

/// The shortest text that parses to the same number, with an exponent where Python uses one.
fn float(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let text = shortest(value);
    let (digits, exponent) = text.split_once('e').expect("`e` formats with an exponent");
    let exponent: i32 = exponent.parse().expect("an exponent is a number");
    if !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    // As many decimal places as there are digits after the point, but at least one.
    let count = i32::try_from(digits.bytes().filter(u8::is_ascii_digit).count());
    let places = count.expect("a float has few digits") - 1 - exponent;
    let places = usize::try_from(places).unwrap_or(0).max(1);
    format!("{value:.places$}")
}

/// The shortest digits that parse to the same number, with an exponent. Of two equally close candidates Rust picks
/// either, and Python the even one, which is also how Rust rounds to a given precision.
fn shortest(value: f64) -> String {
    let any = format!("{value:e}");
    let mantissa = any.split('e').next().unwrap_or_default();
    let places = mantissa
        .split_once('.')
        .map_or(0, |(_, places)| places.len());
    let even = format!("{value:.places$e}");
    if even.parse() == Ok(value) { even } else { any }
}

fn quote(out: &mut String, text: &str) {
    let mark = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(mark);
    for char in text.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            _ if char == mark => out.extend(['\\', char]),
            _ if is_printable(char) => out.push(char),
            _ => escape(out, char),
        }
    }
    out.push(mark);
}

fn escape(out: &mut String, char: char) {
    match u32::from(char) {
        code @ ..=0xff => append(out, format_args!("\\x{code:02x}")),
        code @ ..=0xffff => append(out, format_args!("\\u{code:04x}")),
        code => append(out, format_args!("\\U{code:08x}")),
    }
}

fn is_printable(char: char) -> bool {
    char == ' '
        || !matches!(
            char.general_category(),
            Category::Control
                | Category::Format
                | Category::Surrogate
                | Category::PrivateUse
                | Category::Unassigned
                | Category::LineSeparator
                | Category::ParagraphSeparator
                | Category::SpaceSeparator
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_have_an_exponent_only_where_python_writes_one() {
        for (value, text) in [
            (3.1, "3.1"),
            (-0.0, "-0.0"),
            (100.0, "100.0"),
            (0.0001, "0.0001"),
            (0.000_012, "1.2e-05"),
            (9_999_999_999_999_998.0, "9999999999999998.0"),
            (-967_156_842_008_853.2, "-967156842008853.2"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (5e-324, "5e-324"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(repr(&value.into()), text);
        }
    }

    #[test]
    fn the_quote_is_the_one_that_needs_no_escape() {
        for (text, quoted) in [
            ("a", "'a'"),
            ("it's", "\"it's\""),
            ("\"'", "'\"\\''"),
            ("\u{ad}\u{7f}\u{3000}", "'\\xad\\x7f\\u3000'"),
            ("\u{e0001}", "'\\U000e0001'"),
        ] {
            assert_eq!(repr(&text.into()), quoted);
        }
    }

    #[test]
    fn a_tuple_of_one_has_its_comma() {
        let one = Value::Tuple(vec![Value::Int(1)]);
        assert_eq!(repr(&one), "(1,)");
        assert_eq!(repr(&Value::Tuple(Vec::new())), "()");
        assert_eq!(repr(&Value::Tuple(vec![one, Value::None])), "((1,), None)");
        assert_eq!(repr(&Value::Dict(Vec::new())), "{}");
        assert_eq!(repr(&Value::Object("x.Y(1)".to_owned())), "x.Y(1)");
    }
}
