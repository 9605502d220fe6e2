//! The names of the OCI distribution protocol: digests, repositories, tags.
//!
//! Pure. Values of these types are valid by the protocol's grammar, so they may be used in file names. sha256 is the
//! only supported algorithm, as in all existing images.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// A sha256 digest, written `sha256:…`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Parses `sha256:` followed by 64 lowercase hexadecimal digits.
    pub fn read(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("sha256:")?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).ok()?;
        let is_lower = !digits.bytes().any(|digit| digit.is_ascii_uppercase());
        is_lower.then_some(Self(bytes))
    }

    /// Computes the digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::finish(Sha256::new_with_prefix(bytes))
    }

    pub(super) fn finish(hash: Sha256) -> Self {
        Self(hash.finalize().into())
    }

    /// The 64 hexadecimal digits, without the algorithm's name.
    pub fn hex(&self) -> String {
        hex::encode(self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, to)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let wrong = || serde::de::Error::custom(format!("`{text}` is not a sha256 digest"));
        Self::read(&text).ok_or_else(wrong)
    }
}

/// The name of a repository, such as `team/app`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository(String);

impl Repository {
    /// Maximum length that clients allow, including the registry's host.
    const LONGEST: usize = 255;

    /// Parses a repository name; `None` if it is invalid.
    pub fn read(text: &str) -> Option<Self> {
        let valid = text.len() <= Self::LONGEST && text.split('/').all(is_component);
        valid.then(|| Self(text.to_owned()))
    }

    /// The name as a string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

/// Whether the text matches `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
fn is_component(text: &str) -> bool {
    let is_plain = |each: char| each.is_ascii_lowercase() || each.is_ascii_digit();
    let mut separators = text.split(is_plain);
    text.starts_with(is_plain)
        && text.ends_with(is_plain)
        && separators.all(|one| matches!(one, "." | "_" | "__") || one.bytes().all(|b| b == b'-'))
}

/// A tag, such as `1.0`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

impl Tag {
    const LONGEST: usize = 128;

    /// Parses a tag; `None` if it is invalid.
    pub fn read(text: &str) -> Option<Self> {
        let is_word = |each: char| each.is_ascii_alphanumeric() || each == '_';
        let valid = text.len() <= Self::LONGEST
            && text.starts_with(is_word)
            && text
                .chars()
                .all(|each| is_word(each) || ".-".contains(each));
        valid.then(|| Self(text.to_owned()))
    }

    /// A tag that begins like this and names an image of a workspace.
    pub(in crate::backend) fn for_image(start: &str, image: &str) -> String {
        let tag = format!("{start}{image}");
        if Self::read(&tag).is_some() {
            return tag;
        }
        format!("{start}{}", &blake3::hash(image.as_bytes()).to_hex()[..32])
    }

    /// The tag as a string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

/// The tag or digest by which a manifest is requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// The manifest that the tag currently points to.
    Tag(Tag),
    /// Exactly this manifest.
    Digest(Digest),
}

impl Version {
    /// Parses a tag or a digest; `None` if it is neither.
    pub fn read(text: &str) -> Option<Self> {
        let tag = || Tag::read(text).map(Self::Tag);
        Digest::read(text).map(Self::Digest).or_else(tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_as_they_are_written() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), empty);
        assert_eq!(Digest::read(empty), Some(Digest::of(b"")));
        let upper = empty.replace('e', "E");
        let wrong = [
            "",
            "sha256:",
            "sha256:00",
            "sha512:00",
            &empty[7..],
            &upper,
            &empty.replace('0', "é"),
        ];
        assert!(wrong.iter().all(|text| Digest::read(text).is_none()));
    }

    #[test]
    fn repositories_follow_the_grammar() {
        let long = "a".repeat(256);
        for good in ["a", "a/b", "a.b/c_d/e__f/g-h--i", "0", &long[1..]] {
            assert!(Repository::read(good).is_some(), "{good}");
        }
        let wrong = [
            "", "/", "a/", "/a", "a//b", "A", "a b", "..", "a/../b", ".a", "a.", "a..b", "a___b",
            "a-_b", "a+b", "a\0", "ä", "a%2f", &long,
        ];
        for wrong in wrong {
            assert!(Repository::read(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn tags_follow_the_grammar() {
        let long = "a".repeat(129);
        for good in ["1", "_", "A.b-c_d", "latest", &long[1..]] {
            assert!(Tag::read(good).is_some(), "{good}");
        }
        for wrong in ["", ".", "..", "-a", "a/b", "a:b", "a b", "a\n", &long] {
            assert!(Tag::read(wrong).is_none(), "{wrong}");
        }
    }
}
