//! Base64, read only: `BuildKit`'s JSON has its log lines in it.

/// The bytes that the text stands for; characters that do not belong are passed over.
pub(super) fn decode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0);
    for value in text.bytes().filter_map(value) {
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held).to_le_bytes()[0]);
        }
    }
    bytes
}

fn value(character: u8) -> Option<u8> {
    match character {
        b'A'..=b'Z' => Some(character - b'A'),
        b'a'..=b'z' => Some(character - b'a' + 26),
        b'0'..=b'9' => Some(character - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn every_length_is_read() {
        assert_eq!(decode(""), b"");
        assert_eq!(decode("Zg=="), b"f");
        assert_eq!(decode("Zm8="), b"fo");
        assert_eq!(decode("Zm9v"), b"foo");
        assert_eq!(decode("Zm9vYmFy"), b"foobar");
        assert_eq!(decode("/+8A"), [0xff, 0xef, 0]);
    }
}
