//! Maps image ids to file names that are unique and safe on any file system.
//!
//! Pure. The characters of most ids stay as they are, so that people find their files. Capitals are escaped, because
//! some file systems do not distinguish `App` and `app`.

use std::fmt::Write as _;

/// Maximum length before extensions; longer names are cut and end in a hash. File systems allow 255 bytes.
const LONGEST: usize = 150;

/// The file name of an image, without extension.
pub(super) fn file_name(image: &str) -> String {
    let mut name = String::new();
    for (at, byte) in image.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => name.push(char::from(byte)),
            // A leading dot would hide the file, or be `.` or `..`.
            b'.' if at > 0 => name.push('.'),
            byte => {
                let _ = write!(name, "%{byte:02x}");
            }
        }
    }
    if name.is_empty() {
        return "%".to_owned();
    }
    if name.len() > LONGEST {
        name.truncate(LONGEST);
        // `%%` occurs in no short name.
        let _ = write!(name, "%%{}", &blake3::hash(image.as_bytes()).to_hex()[..32]);
    }
    name
}

/// The image id that a file name encodes; `None` for cut names and names not made by [`file_name`].
pub(super) fn image_of(name: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(bytes)
        .ok()
        .filter(|image| file_name(image) == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn common_ids_stay_as_they_are() {
        assert_eq!(file_name("serve-py3.12_x"), "serve-py3.12_x");
        assert_eq!(file_name("App"), "%41pp");
        assert_eq!(file_name(".."), "%2e.");
        assert_eq!(file_name("a/../b"), "a%2f..%2fb");
    }

    proptest! {
        #[test]
        fn names_are_safe_and_lead_back_to_their_ids(image in "\\PC{1,40}") {
            let name = file_name(&image);
            prop_assert!(name.len() < 200);
            prop_assert!(!name.starts_with('.') && !name.contains('/'));
            prop_assert_eq!(&name, &name.to_lowercase());
            if !name.contains("%%") {
                prop_assert_eq!(image_of(&name), Some(image));
            }
        }
    }

    #[test]
    fn long_ids_are_cut_and_still_differ() {
        let (a, b) = ("x".repeat(400) + "a", "x".repeat(400) + "b");
        assert_ne!(file_name(&a), file_name(&b));
        assert!(file_name(&a).len() < 200);
        assert_eq!(image_of(&file_name(&a)), None);
    }
}
