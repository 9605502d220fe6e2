//! The lines that come through a pipe.

use std::io::{BufRead, BufReader, Read};

/// A longer line is cut into pieces: output without line ends must not fill the memory.
const LONGEST_LINE: u64 = 1 << 20;

/// Which pipe a line came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

pub(crate) type Pipe = Box<dyn Read + Send>;

/// Hands over the lines of a pipe, without their ends, until it is closed or nobody wants more.
pub(crate) fn read_lines(pipe: Pipe, mut hand_over: impl FnMut(String) -> bool) {
    let mut pipe = BufReader::with_capacity(64 * 1024, pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        match pipe
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)
        {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        while line.last().is_some_and(|last| b"\r\n".contains(last)) {
            line.pop();
        }
        if !hand_over(String::from_utf8_lossy(&line).into_owned()) {
            return;
        }
    }
}
