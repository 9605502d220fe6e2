//! Sizes as Docker prints them: decimal units, three digits.

const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/// `512 B`, `7.34 kB`, `820 MB`, `1.25 GB`.
pub(crate) fn size(bytes: u64) -> String {
    // Thousandths of a unit, so that no digit is lost on the way.
    let (mut thousandths, mut unit) = (u128::from(bytes) * 1000, 0);
    while thousandths >= 999_500 && unit + 1 < UNITS.len() {
        thousandths = (thousandths + 500) / 1000;
        unit += 1;
    }
    let digits = match thousandths {
        _ if unit == 0 => 0,
        ..9_995 => 2,
        9_995..99_950 => 1,
        _ => 0,
    };
    let step = 10_u128.pow(3 - digits);
    let rounded = (thousandths + step / 2) / step;
    let scale = 10_u128.pow(digits);
    let (whole, rest) = (rounded / scale, rounded % scale);
    let number = format!("{whole}.{rest:0width$}", width = digits as usize);
    // As Docker does: no zeros at the end.
    let number = number.trim_end_matches('0').trim_end_matches('.');
    format!("{number} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_three_digits_and_decimal_units() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1 kB"),
            (7_340, "7.34 kB"),
            (9_994, "9.99 kB"),
            (9_996, "10 kB"),
            (28_450, "28.5 kB"),
            (999_499, "999 kB"),
            (999_500, "1 MB"),
            (74_800_123, "74.8 MB"),
            (820_000_000, "820 MB"),
            (1_250_000_000, "1.25 GB"),
            (100_500_000_000, "101 GB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
