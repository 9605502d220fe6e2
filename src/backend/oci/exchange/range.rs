//! Byte ranges: those of a blob that a client requests, and those of an upload that it sends.
//!
//! Pure. A range of several parts, or in an unknown unit, is answered with the whole blob, as HTTP allows.

/// The part of a blob that a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    All,
    /// From the first to the last byte, inclusive.
    Bytes(u64, u64),
    /// No bytes: the blob does not have the requested ones.
    None,
}

/// Parses the header `Range` of a request for a blob of `size` bytes.
pub(super) fn part(header: Option<&str>, size: u64) -> Part {
    let asked = header.and_then(|text| text.trim().strip_prefix("bytes="));
    let Some((first, last)) = asked.and_then(|range| range.split_once('-')) else {
        return Part::All;
    };
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first > last => Part::All,
        (Some(first), _) if first >= size && is_number_or_nothing(last) => Part::None,
        (Some(first), Some(last)) => Part::Bytes(first, last.min(size - 1)),
        (Some(first), None) if last.is_empty() => Part::Bytes(first, size - 1),
        (None, Some(length)) if first.is_empty() => match size.min(length) {
            0 => Part::None,
            length => Part::Bytes(size - length, size - 1),
        },
        _ => Part::All,
    }
}

fn is_number_or_nothing(text: &str) -> bool {
    text.is_empty() || number(text).is_some()
}

/// Parses a chunk's `Content-Range` into the first byte and the one after the last: `0-99`, or the form of HTTP.
pub(super) fn chunk(header: &str) -> Option<(u64, u64)> {
    let text = header.trim();
    let text = text.strip_prefix("bytes ").unwrap_or(text);
    let text = text.split_once('/').map_or(text, |(range, _)| range);
    let (first, last) = text.split_once('-')?;
    let (first, end) = (number(first)?, number(last)?.checked_add(1)?);
    (first < end).then_some((first, end))
}

fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_has_them() {
        let cases = [
            (None, Part::All),
            (Some("bytes=0-9"), Part::Bytes(0, 9)),
            (Some("bytes=0-0"), Part::Bytes(0, 0)),
            (Some("bytes=3-"), Part::Bytes(3, 9)),
            (Some("bytes=3-99"), Part::Bytes(3, 9)),
            (Some("bytes=-4"), Part::Bytes(6, 9)),
            (Some("bytes=-99"), Part::Bytes(0, 9)),
            (Some("bytes=-0"), Part::None),
            (Some("bytes=10-"), Part::None),
            (Some("bytes=10-12"), Part::None),
            (Some("bytes=5-4"), Part::All),
            (Some("bytes=0-1,3-4"), Part::All),
            (Some("lines=0-1"), Part::All),
            (Some("bytes=+1-2"), Part::All),
            (Some("bytes=a-b"), Part::All),
            (Some("bytes=-"), Part::All),
        ];
        for (header, expected) in cases {
            assert_eq!(part(header, 10), expected, "{header:?}");
        }
        assert_eq!(part(Some("bytes=0-"), 0), Part::None);
        assert_eq!(part(Some("bytes=-1"), 0), Part::None);
    }

    #[test]
    fn chunks_say_where_they_belong() {
        assert_eq!(chunk("0-9"), Some((0, 10)));
        assert_eq!(chunk("bytes 10-10/*"), Some((10, 11)));
        let last = format!("0-{}", u64::MAX);
        for wrong in ["", "1", "2-1", "a-b", "-1", "1-", "+0-9", &last] {
            assert_eq!(chunk(wrong), None, "{wrong}");
        }
    }
}
