//! The interface of reporters, and the stream they write to.

use std::io::Write;

use crate::run::event::Event;

/// Shows what happens in a run.
pub trait Report: Send {
    /// Handles the next event.
    fn event(&mut self, event: &Event);

    /// Leaves the screen tidy. Called last, whether or not [`Event::RunFinished`] was received.
    fn finish(&mut self);
}

/// Writes lines to a stream that may close at any time.
pub(super) struct Output(Option<Box<dyn Write + Send>>);

impl Output {
    pub(super) fn new(stream: Box<dyn Write + Send>) -> Self {
        Self(Some(stream))
    }

    /// Writes a line; after the first failure, does nothing.
    pub(super) fn line(&mut self, line: &str) {
        let Some(stream) = &mut self.0 else { return };
        // A single write per line, so that lines of several processes do not mix.
        let written = stream
            .write_all(format!("{line}\n").as_bytes())
            .and_then(|()| stream.flush());
        if written.is_err() {
            self.0 = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Output;
    use crate::report::tests::Closed;

    #[test]
    fn a_closed_pipe_is_tried_once_and_never_a_failure() {
        let closed = Closed::default();
        let mut output = Output::new(Box::new(closed.clone()));
        output.line("a");
        output.line("b");
        assert_eq!(*closed.0.lock().unwrap(), 1);
    }
}
