//! Reproducible random choices, and the corruption of texts.
//!
//! Not `proptest`, because a million whole manifests must be generated in minutes, each reproducible from one number.

/// Length of long texts, in bytes.
const LONG: usize = if cfg!(debug_assertions) {
    64 << 10
} else {
    1 << 20
};

/// A 64-bit generator: splitmix64, for which every seed is good.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which must not be 0.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the remainder is below a usize"
    )]
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// A number in `from..=to`, biased towards small ones.
    pub(crate) fn few(&mut self, from: usize, to: usize) -> usize {
        let one = self.below(to - from + 1);
        from + self.below(one + 1)
    }

    /// True with a probability of `times` / `of`.
    pub(crate) fn chance(&mut self, times: usize, of: usize) -> bool {
        self.below(of) < times
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// A concatenation of up to `most` words.
    pub(crate) fn soup(&mut self, words: &[&str], most: usize) -> String {
        (0..self.few(0, most)).map(|_| *self.pick(words)).collect()
    }

    pub(crate) fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.few(0, most))
            .map(|_| self.next().to_le_bytes()[0])
            .collect()
    }

    /// Occasionally returns a long text made by repeating a few words, to expose quadratic run time; `None` otherwise.
    pub(crate) fn long(&mut self, words: &[&str]) -> Option<String> {
        if !self.chance(1, 1000) {
            return None;
        }
        let again = loop {
            let again = self.soup(words, 6);
            if !again.is_empty() {
                break again;
            }
        };
        let (head, tail) = (self.soup(words, 4), self.soup(words, 4));
        Some(head + &again.repeat(LONG / again.len()) + &tail)
    }

    /// Makes up to three changes to a text: cuts, duplicates, inserts, reverses or replaces a part; `words` are what to insert.
    pub(crate) fn spoilt(&mut self, text: &str, words: &[&str]) -> String {
        let mut text = text.to_owned();
        for _ in 0..self.few(1, 3) {
            let (start, end) = self.span(&text);
            let inside = text[start..end].to_owned();
            let new = match self.below(5) {
                0 => String::new(),
                1 => inside.repeat(2),
                2 => inside + self.pick::<&str>(words),
                3 => inside.chars().rev().collect(),
                _ => (*self.pick::<&str>(words)).to_owned(),
            };
            text.replace_range(start..end, &new);
        }
        text
    }

    /// A random range of a text, usually short.
    fn span(&mut self, text: &str) -> (usize, usize) {
        let longest = if self.chance(1, 8) { text.len() } else { 12 };
        let at = self.below(text.len() + 1);
        let end = (at + self.below(longest + 1)).min(text.len());
        (boundary(text, at), boundary(text, end))
    }
}

/// The nearest character boundary at or before `at`.
fn boundary(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at)
}

mod tests {
    use super::Random;

    #[test]
    fn a_seed_repeats_what_it_made() {
        let make = |seed| {
            let mut random = Random::new(seed);
            let soup = random.soup(&["a", "é", "\n"], 20);
            random.spoilt(&soup, &["x"])
        };
        assert!((0..200).all(|seed| make(seed) == make(seed)));
        assert!((0..200).any(|seed| make(seed) != make(0)));
    }
}
