//! Numbers that look random, for moments, edits and contents: the same ones in every test run, so that a failure can be repeated.

/// A sequence of numbers (xorshift). Each seed gives another one, and 0 gives none.
pub(crate) struct Dice(u64);

impl Default for Dice {
    fn default() -> Self {
        Self::new(0x9e37_79b9_7f4a_7c15)
    }
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        assert_ne!(seed, 0, "the sequence of this seed has zeros only");
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below this one.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// A position in a list of this length.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        let length = u64::try_from(length).expect("a length is a u64");
        usize::try_from(self.below(length)).expect("less than a length")
    }
}
