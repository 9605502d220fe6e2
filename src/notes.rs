//! What a build says while it runs: below all that builds, and all that a build waits for.

/// Hears what happens in a build; what it does not implement is not of interest to it.
pub trait Notes: Sync {
    /// A step began: which, of how many (0: unknown), in words.
    fn step(&self, _step: usize, _of: usize, _name: &str) {}
    /// A step was found in the cache.
    fn cached(&self, _name: &str) {}
    /// A line of output.
    fn log(&self, _line: &str) {}
}
