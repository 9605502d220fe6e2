//! stderr as a terminal for indicatif.
//!
//! indicatif's own target goes silent when stderr is not a terminal; with this one, `--progress tty` works under
//! session recorders. indicatif ignores all write errors, so a closed pipe does no harm.

use std::io::{Result, Write};
use std::os::fd::AsFd;

use indicatif::TermLike;

/// Columns and rows assumed for a terminal that does not report its size.
const DEFAULT: (u16, u16) = (80, 24);

/// Columns of a terminal; `None` for anything else, and for a terminal that does not report its size.
pub fn columns(stream: impl AsFd) -> Option<usize> {
    size_of(stream).map(|(columns, _)| usize::from(columns))
}

fn size_of(stream: impl AsFd) -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

/// Columns and rows of the terminal on stderr.
pub(super) fn size() -> (u16, u16) {
    size_of(std::io::stderr()).unwrap_or(DEFAULT)
}

#[derive(Debug)]
pub(super) struct Stderr;

impl Stderr {
    fn put(text: &str) -> Result<()> {
        std::io::stderr().write_all(text.as_bytes())
    }

    /// Moves the cursor; a parameter of 0 would mean 1 to a terminal.
    fn go(count: usize, direction: char) -> Result<()> {
        match count {
            0 => Ok(()),
            count => Self::put(&format!("\u{1b}[{count}{direction}")),
        }
    }
}

impl TermLike for Stderr {
    fn width(&self) -> u16 {
        size().0
    }

    fn height(&self) -> u16 {
        size().1
    }

    fn move_cursor_up(&self, count: usize) -> Result<()> {
        Self::go(count, 'A')
    }

    fn move_cursor_down(&self, count: usize) -> Result<()> {
        Self::go(count, 'B')
    }

    fn move_cursor_right(&self, count: usize) -> Result<()> {
        Self::go(count, 'C')
    }

    fn move_cursor_left(&self, count: usize) -> Result<()> {
        Self::go(count, 'D')
    }

    fn write_line(&self, text: &str) -> Result<()> {
        Self::put(&format!("{text}\n"))
    }

    fn write_str(&self, text: &str) -> Result<()> {
        Self::put(text)
    }

    fn clear_line(&self) -> Result<()> {
        Self::put("\r\u{1b}[2K")
    }

    fn flush(&self) -> Result<()> {
        std::io::stderr().flush()
    }
}
