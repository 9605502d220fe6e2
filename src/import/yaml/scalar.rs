//! Resolves an unquoted scalar as PyYAML does.
//!
//! The YAML 1.1 patterns are implemented by hand because flytekit uses PyYAML, to which `3.10`, `yes`, `017` and `12:30` are
//! not strings.

use crate::import::flytekit::{BOOLEAN, Scalar, SpecData};

pub(super) fn resolve(text: &str) -> SpecData {
    if matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return SpecData::Null;
    }
    let scalar = |kind: &str, python: String| {
        SpecData::Scalar(Scalar {
            kind: kind.to_owned(),
            written: text.to_owned(),
            python,
        })
    };
    if let Some(truth) = boolean(text) {
        let python = if truth { "True" } else { "False" };
        return scalar(BOOLEAN, python.to_owned());
    }
    if let Some(python) = integer(text).or_else(|| float(text)) {
        return scalar("a number", python);
    }
    if is_date(text) {
        return scalar("a date", text.to_owned());
    }
    SpecData::Text(text.to_owned())
}

fn boolean(text: &str) -> Option<bool> {
    // Only these three spellings count: `yEs` is a string.
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

fn unsigned(text: &str) -> (&str, &str) {
    match text.strip_prefix(['-', '+']) {
        Some(rest) => (&text[..1], rest),
        None => ("", text),
    }
}

fn integer(text: &str) -> Option<String> {
    let (sign, rest) = unsigned(text);
    let digits = rest.replace('_', "");
    let (radix, digits) = if let Some(bits) = digits.strip_prefix("0b") {
        (2, bits.to_owned())
    } else if let Some(hex) = digits.strip_prefix("0x") {
        (16, hex.to_owned())
    } else if digits.len() > 1 && digits.starts_with('0') && !digits.contains(':') {
        (8, digits[1..].to_owned())
    } else {
        (10, digits)
    };
    if !rest.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if radix == 10 && digits.contains(':') {
        return sexagesimal(&digits).map(|value| signed(sign, &value.to_string()));
    }
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let value = i128::from_str_radix(&digits, radix);
    Some(signed(
        sign,
        &value.map_or(digits, |value| value.to_string()),
    ))
}

fn signed(sign: &str, number: &str) -> String {
    let minus = sign == "-" && number.chars().any(|c| matches!(c, '1'..='9'));
    format!("{}{number}", if minus { "-" } else { "" })
}

/// Base 60: `12:30` is 12 × 60 + 30.
fn sexagesimal(digits: &str) -> Option<i128> {
    let mut parts = digits.split(':');
    let first = parts.next()?;
    if first.starts_with('0') {
        return None;
    }
    parts.try_fold(first.parse::<i128>().ok()?, |sum, part| {
        let part: i128 = (1..=2).contains(&part.len()).then(|| part.parse().ok())??;
        (part < 60).then_some(())?;
        sum.checked_mul(60)?.checked_add(part)
    })
}

fn float(text: &str) -> Option<String> {
    let (sign, rest) = unsigned(text);
    match rest.to_ascii_lowercase().as_str() {
        ".inf" => return Some(format!("{}inf", if sign == "-" { "-" } else { "" })),
        ".nan" if sign.is_empty() => return Some("nan".to_owned()),
        _ => {}
    }
    let (whole, fraction) = rest.split_once('.')?;
    let (fraction, exponent) = match fraction.find(['e', 'E']) {
        None => (fraction, ""),
        Some(at) => (&fraction[..at], &fraction[at + 1..]),
    };
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == '_');
    let has_exponent = fraction.len() + whole.len() + 1 < rest.len();
    // The exponent needs a sign: `1.0e3` is a string.
    if has_exponent
        && !(exponent.starts_with(['+', '-']) && exponent.len() > 1 && digits(&exponent[1..]))
    {
        return None;
    }
    if let Some((_, last)) = whole.rsplit_once(':') {
        let is_number = !last.is_empty() && digits(fraction) && !has_exponent;
        let sixties = sexagesimal(whole).filter(|_| is_number)?;
        return Some(format!(
            "{sixties}.{}",
            if fraction.is_empty() { "0" } else { fraction }
        ));
    }
    let starts = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    let fine = if whole.is_empty() {
        sign.is_empty() && starts(fraction)
    } else {
        starts(whole)
    };
    if !fine || !digits(whole) || !digits(fraction) {
        return None;
    }
    let number: f64 = text.replace('_', "").parse().ok()?;
    Some(format!("{number:?}"))
}

/// A date such as `2024-01-31`, with or without a time.
fn is_date(text: &str) -> bool {
    let (date, time) = text
        .split_once(['T', 't', ' ', '\t'])
        .map_or((text, None), |(date, time)| (date, Some(time)));
    let parts: Vec<&str> = date.split('-').collect();
    let [year, month, day] = parts.as_slice() else {
        return false;
    };
    let number = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let shortest = if time.is_some() { 1 } else { 2 };
    let is_day = number(year, 4..=4) && number(month, shortest..=2) && number(day, shortest..=2);
    is_day && time.is_none_or(is_time)
}

fn is_time(text: &str) -> bool {
    let parts: Vec<&str> = text.trim_start().split(':').collect();
    parts.len() >= 3
        && parts[..2]
            .iter()
            .all(|part| (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()))
        && parts[2].starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn python(text: &str) -> Option<String> {
        match resolve(text) {
            SpecData::Scalar(scalar) => Some(scalar.python),
            _ => None,
        }
    }

    #[test]
    fn what_is_not_a_string_to_pyyaml_is_none_here() {
        for (text, read) in [
            ("3.9", "3.9"),
            ("3.10", "3.1"),
            ("3.", "3.0"),
            (".5", "0.5"),
            ("1_000", "1000"),
            ("017", "15"),
            ("0x1F", "31"),
            ("-0b11", "-3"),
            ("12:30", "750"),
            ("1:30.5", "90.5"),
            ("1.5e+3", "1500.0"),
            ("-.inf", "-inf"),
            (".NaN", "nan"),
            ("yes", "True"),
            ("Off", "False"),
            ("2024-01-01", "2024-01-01"),
            ("2024-1-1 10:00:00", "2024-1-1 10:00:00"),
        ] {
            assert_eq!(python(text).as_deref(), Some(read), "{text}");
        }
    }

    #[test]
    fn what_is_a_string_to_pyyaml_stays_one() {
        for text in [
            "3.11.4", "1e3", "1.0e3", "0o17", "019", "yEs", "y", "n", "ÄnD", "\u{85}nA", "1:99",
            "2024-1-1", "-", "+", ".", "_1", "1.2.3", "0x", "0b", "0b2", ":", "1:", "é", "12:30:",
            "--1", "3.12rc1", "1_", "a.b",
        ] {
            let expected = if text == "1_" {
                Some("1".to_owned())
            } else {
                None
            };
            assert_eq!(python(text), expected, "{text}");
        }
        for nothing in ["", "~", "null", "NULL"] {
            assert_eq!(resolve(nothing), SpecData::Null);
        }
    }
}
