//! The content of objects, read through `git cat-file --batch`, which applies neither filters nor conversions.

use std::io::{self, BufRead, Read, Seek, Write};
use std::path::Path;

use super::{LIMIT, command, reason};
use crate::asking::Asker;
use crate::process::Reading;

/// The longest head of an object in bytes.
const HEAD: u64 = 4096;

/// Gets the index and the content of an object; `None` if it is not there.
pub(super) type Take<'a> = &'a mut dyn FnMut(usize, Option<&mut dyn Read>) -> io::Result<()>;

/// Reads objects of the repository that contains a directory, in order.
pub(super) fn each(
    folder: &Path,
    objects: &[&str],
    asker: Asker<'_>,
    take: Take<'_>,
) -> io::Result<()> {
    if objects.is_empty() {
        return Ok(());
    }
    // From a file, so that nobody waits for anybody, and buffered: one write per object takes ten times as long.
    let mut list = tempfile::tempfile()?;
    let lines = objects.iter().map(|object| format!("{object}\n"));
    list.write_all(lines.collect::<String>().as_bytes())?;
    list.rewind()?;
    let question = asker.ask("git", LIMIT);
    let mut command = command(folder);
    command.args(["cat-file", "--batch", "--buffer"]);
    let mut output = Reading::start(&mut command, list, &question)?;
    for at in 0..objects.len() {
        let mut head = Vec::new();
        output.by_ref().take(HEAD).read_until(b'\n', &mut head)?;
        if head.is_empty() {
            let (_, complaint) = output.end()?;
            return Err(io::Error::other(reason(&complaint)));
        }
        match head_of(&head) {
            Some(Head::File(size)) => content(&mut output, size, |read| take(at, Some(read)))?,
            Some(Head::Missing) => take(at, None)?,
            None => return Err(io::Error::other("git has something else than a file here")),
        }
    }
    Ok(())
}

/// Passes on the content of an object, and skips what is not taken of it.
fn content(
    output: &mut Reading<'_>,
    size: u64,
    take: impl FnOnce(&mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    let mut content = output.by_ref().take(size);
    take(&mut content)?;
    io::copy(&mut content, &mut io::sink())?;
    if content.limit() > 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    // The line end after it.
    output.read_exact(&mut [0])
}

/// What stands before the content of an object.
#[derive(Debug, PartialEq, Eq)]
enum Head {
    /// The size of a file.
    File(u64),
    Missing,
}

/// Reads a head; `None` if it is none, or not that of a file.
fn head_of(head: &[u8]) -> Option<Head> {
    let head = std::str::from_utf8(head).ok()?.strip_suffix('\n')?;
    let mut words = head.split(' ').skip(1);
    match (words.next()?, words.next()) {
        ("missing", None) => Some(Head::Missing),
        ("blob", Some(size)) => Some(Head::File(size.parse().ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_objects_are_read() {
        assert_eq!(head_of(b"e69de29b blob 12\n"), Some(Head::File(12)));
        assert_eq!(head_of(b"e69de29b missing\n"), Some(Head::Missing));
        for bad in [
            "",
            "\n",
            "e69de29b tree 1\n",
            "e69de29b blob x\n",
            "e69de29b blob 1",
        ] {
            assert_eq!(head_of(bad.as_bytes()), None, "{bad}");
        }
    }
}
