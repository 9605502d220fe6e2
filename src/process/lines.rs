//! Output as lines, however its pieces come.

/// Maximum length of a line in bytes; longer ones are split, so that output without line endings cannot exhaust memory.
const LONGEST: usize = 1 << 20;

/// The bytes of a line that is not whole.
#[derive(Debug, Default)]
pub(crate) struct Lines(Vec<u8>);

impl Lines {
    /// Takes a piece of the output, and passes on the lines that are whole, without their endings. Returns `false` once
    /// `hand_over` does.
    pub(crate) fn add(&mut self, bytes: &[u8], hand_over: &mut dyn FnMut(String) -> bool) -> bool {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            for piece in piece.chunks(LONGEST) {
                if self.0.len() + piece.len() > LONGEST && !self.end(hand_over) {
                    return false;
                }
                self.0.extend_from_slice(piece);
                if piece.ends_with(b"\n") && !self.end(hand_over) {
                    return false;
                }
            }
        }
        true
    }

    /// Passes on what is left.
    pub(crate) fn end(&mut self, hand_over: &mut dyn FnMut(String) -> bool) -> bool {
        if self.0.is_empty() {
            return true;
        }
        while self.0.last().is_some_and(|last| b"\r\n".contains(last)) {
            self.0.pop();
        }
        let line = String::from_utf8_lossy(&self.0).into_owned();
        self.0.clear();
        hand_over(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_they_come() {
        for size in [1, 2, 3, 100] {
            let mut lines = Lines::default();
            let mut heard = Vec::new();
            let mut hear = |line| {
                heard.push(line);
                true
            };
            for piece in b"one\r\n\ntwo\nrest".chunks(size) {
                assert!(lines.add(piece, &mut hear));
            }
            assert!(lines.end(&mut hear));
            assert_eq!(heard, ["one", "", "two", "rest"]);
        }
        let mut longest = 0;
        let mut lines = Lines::default();
        for _ in 0..40 {
            lines.add("x".repeat(100_000).as_bytes(), &mut |line| {
                longest = longest.max(line.len());
                true
            });
        }
        assert!(longest > 0 && longest <= LONGEST);
        assert!(!Lines::default().add(b"a\nb\n", &mut |_| false));
    }
}
