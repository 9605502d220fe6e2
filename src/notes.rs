//! What a build says while it runs: below all that builds, and all that a build waits for.

/// Hears what happens in a build.
pub trait Notes: Sync {
    /// A step began: which, of how many (0: unknown), in words.
    fn step(&self, step: usize, of: usize, name: &str);
    /// A step was found in the cache.
    fn cached(&self, name: &str);
    /// A line of output.
    fn log(&self, line: &str);
}
