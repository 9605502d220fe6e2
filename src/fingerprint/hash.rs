//! blake3 over length-prefixed parts, so that no two sequences of parts yield the same bytes.

/// How many bytes are hashed at once: blake3 is fastest with several of its chunks of 1 KiB, and most parts are a few bytes.
const AT_ONCE: usize = 16 * 1024;

pub(super) struct Hash {
    hasher: blake3::Hasher,
    /// What is not yet hashed.
    waiting: Vec<u8>,
}

impl Hash {
    /// Starts a hash; `purpose` separates its domain from all others.
    pub(super) fn new(purpose: &str) -> Self {
        Self {
            hasher: blake3::Hasher::new_derive_key(purpose),
            waiting: Vec::with_capacity(4096),
        }
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.bytes(&[byte]);
    }

    /// Adds bytes without a length prefix; their length must be fixed.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= AT_ONCE {
            self.hasher.update(&self.waiting);
            self.waiting.clear();
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes(&(text.len() as u64).to_le_bytes());
        self.bytes(text.as_bytes());
    }

    /// The digest as it is written, `blake3:…`.
    pub(super) fn words(self) -> String {
        format!("blake3:{}", hex::encode(self.digest()))
    }

    pub(super) fn digest(mut self) -> [u8; 32] {
        *self.hasher.update(&self.waiting).finalize().as_bytes()
    }
}
