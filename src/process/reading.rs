//! The output of a running command as bytes, read within the limits of a question.
//!
//! For answers that are not text, or too large for memory. The command's output is read by a thread, because a thread
//! blocked in a system call notices neither a limit nor a cancel.

use std::io::{self, BufRead, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::group::{LAST_TICK, LINGER, Pipe, Started, start};
use crate::asking::{GivenUp, LastSign, Question};

/// Size of the pieces in which output is read.
const PIECE: usize = 64 * 1024;

/// How many pieces may wait to be taken.
const AHEAD: usize = 16;

/// How much of the command's standard error is kept, in bytes.
const COMPLAINT: usize = 4096;

/// A running command. Its output is read through [`Read`] and [`BufRead`]; its group is killed on drop.
pub(crate) struct Reading<'a> {
    started: Started,
    pieces: Receiver<io::Result<Vec<u8>>>,
    complaint: Receiver<String>,
    piece: Vec<u8>,
    taken: usize,
    question: &'a Question<'a>,
    heard: LastSign,
}

impl<'a> Reading<'a> {
    /// Starts a command with this standard input.
    pub(crate) fn start(
        command: &mut Command,
        input: impl Into<Stdio>,
        question: &'a Question<'a>,
    ) -> io::Result<Self> {
        let mut started = start(command.stdin(input))?;
        let (send, pieces) = sync_channel(AHEAD);
        let (tell, complaint) = sync_channel(1);
        let out = started
            .child
            .stdout
            .take()
            .map(|pipe| Box::new(pipe) as Pipe);
        let err = started
            .child
            .stderr
            .take()
            .map(|pipe| Box::new(pipe) as Pipe);
        if let Some(pipe) = out {
            thread::spawn(move || pass_on(pipe, &send));
        }
        if let Some(pipe) = err {
            thread::spawn(move || tell.send(first_of(pipe)));
        }
        Ok(Self {
            started,
            pieces,
            complaint,
            piece: Vec::new(),
            taken: 0,
            heard: question.heard(),
            question,
        })
    }

    /// Waits for its end, once all of its output has been read. Returns whether it succeeded, and what it said on standard error.
    pub(crate) fn end(mut self) -> io::Result<(bool, String)> {
        let status = loop {
            if let Some(status) = self.started.try_wait()? {
                break status;
            }
            self.question.look().map_err(given_up)?;
            thread::sleep(LAST_TICK);
        };
        let complaint = self.complaint.recv_timeout(LINGER).unwrap_or_default();
        Ok((status.success(), complaint))
    }
}

impl BufRead for Reading<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.taken == self.piece.len() {
            let next = self.question.receive(&self.pieces).map_err(given_up)?;
            self.heard.now();
            self.piece = next.transpose()?.unwrap_or_default();
            self.taken = 0;
        }
        Ok(&self.piece[self.taken..])
    }

    fn consume(&mut self, count: usize) {
        self.taken = (self.taken + count).min(self.piece.len());
    }
}

impl Read for Reading<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut ready = self.fill_buf()?;
        let count = ready.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

/// Readers try again after an error of the kind `Interrupted`, which a cancel must not be.
fn given_up(why: GivenUp) -> io::Error {
    match why {
        GivenUp::Cancelled => io::Error::other(why.to_string()),
        why @ GivenUp::Late(_) => why.into(),
    }
}

fn pass_on(mut pipe: Pipe, pieces: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut piece = vec![0; PIECE];
        let read = match pipe.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Ok(0) => return,
            read => read,
        };
        let is_last = read.is_err();
        let piece = read.map(|count| {
            piece.truncate(count);
            piece
        });
        if pieces.send(piece).is_err() || is_last {
            return;
        }
    }
}

/// The beginning of what a pipe brings; the rest is read, too, so that the writer is not held up.
fn first_of(mut pipe: Pipe) -> String {
    let mut first = Vec::new();
    let _ = pipe.by_ref().take(COMPLAINT as u64).read_to_end(&mut first);
    let _ = io::copy(&mut pipe, &mut io::sink());
    String::from_utf8_lossy(&first).into_owned()
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::asking::Asker;
    use crate::cancel::Cancel;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn bytes_come_as_they_are() {
        let question = Asker::silent().ask("cat", Duration::from_secs(30));
        let said = b"a\0\xff\n\r\nb".repeat(20_000);
        let mut input = tempfile::tempfile().unwrap();
        input.write_all(&said).unwrap();
        input.rewind().unwrap();
        let mut command = shell("cat; echo no >&2; exit 3");
        let mut output = Reading::start(&mut command, input, &question).unwrap();
        let mut read = Vec::new();
        output.read_to_end(&mut read).unwrap();
        assert_eq!(read, said);
        assert_eq!(output.end().unwrap(), (false, "no\n".to_owned()));
    }

    #[test]
    fn silence_and_a_cancel_end_it() {
        let question = Asker::silent().ask("sleep", Duration::from_millis(50));
        let mut output = Reading::start(&mut shell("sleep 100"), Stdio::null(), &question).unwrap();
        let late = output.read_until(b'\n', &mut Vec::new()).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        let cancel = Cancel::default();
        cancel.request();
        let asker = Asker::new(&|_| {}, &cancel);
        let question = asker.ask("sleep", Duration::from_secs(30));
        let begun = Instant::now();
        let mut output = Reading::start(&mut shell("sleep 100"), Stdio::null(), &question).unwrap();
        assert!(output.read_until(b'\n', &mut Vec::new()).is_err());
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}
