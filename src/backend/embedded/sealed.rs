//! Notes that are read on every build, in a compact form behind their hash.
//!
//! Not JSON: the lists of an image's layers have tens of thousands of entries, and reading them as JSON took longer than all else
//! that an edit of one file costs. The hash is there because, unlike JSON, the form does not show where something is missing.

use serde::{Deserialize, Serialize};

/// The size of the hash in front, in bytes.
const HASH: usize = blake3::OUT_LEN;

/// The bytes of a note.
pub(super) fn seal(note: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![0; HASH];
    bytes = postcard::to_extend(note, bytes).expect("a note has no unknown lengths");
    let hash = blake3::hash(&bytes[HASH..]);
    bytes[..HASH].copy_from_slice(hash.as_bytes());
    bytes
}

/// The note in these bytes; `None` if they are damaged, or not such a note.
pub(super) fn open<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    let (hash, note) = bytes.split_at_checked(HASH)?;
    if blake3::hash(note).as_bytes() != hash {
        return None;
    }
    postcard::from_bytes(note).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Note = (u32, Vec<String>);

    #[test]
    fn a_damaged_note_is_none() {
        let note: Note = (7, vec!["usr".to_owned(), "usr/lib".to_owned()]);
        let bytes = seal(&note);
        assert_eq!(open(&bytes), Some(note));
        for at in 0..bytes.len() {
            assert_eq!(open::<Note>(&bytes[..at]), None);
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_eq!(open::<Note>(&other), None);
        }
        assert_eq!(open::<Note>(b"{\"format\":2}"), None);
    }
}
