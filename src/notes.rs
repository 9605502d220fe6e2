//! Progress notes of a running build. A module of its own, below everything that builds and everything a build waits
//! for.

/// Receives the progress of a build. Every method does nothing by default.
pub trait Notes: Sync {
    /// A step began: its number, the total (0 if unknown) and its description.
    fn step(&self, _step: usize, _of: usize, _name: &str) {}
    /// A step was found in the cache.
    fn cached(&self, _name: &str) {}
    /// A line of output.
    fn log(&self, _line: &str) {}
    /// Which of several nodes it runs on from now on.
    fn node(&self, _name: &str) {}
    /// Something that the user should know, whatever comes of the build.
    fn warn(&self, _message: &str) {}
}

/// Forwards only the output: for work that is not one of the user's steps.
pub(crate) struct Quiet<'a>(pub(crate) &'a dyn Notes);

impl Notes for Quiet<'_> {
    fn log(&self, line: &str) {
        self.0.log(line);
    }
}
