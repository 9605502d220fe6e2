//! Output files named by the user: written completely or not at all, without blocking forever or following links that
//! others may have planted.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;

use super::failure::Failure;
use crate::disk::{FileKind, system_words};

/// How long to wait for a pipe to be opened for reading.
const PATIENCE: Duration = Duration::from_secs(5);

/// Writes a new file; an existing one is replaced only with `force`.
pub(super) fn write_new(path: &Path, text: &str, force: bool) -> Result<(), Failure> {
    create(path, text, force).map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            return is_there(path);
        }
        unwritten(path, &error)
    })
}

/// A file that the system does not let be written.
pub(super) fn unwritten(path: &Path, error: &io::Error) -> Failure {
    let (path, why) = (path.display(), system_words(error));
    let message = format!("`{path}` cannot be written: {why}");
    Failure::usage(
        message,
        "is the directory there and writable, and the disk not full?",
    )
}

/// Replaces regular files only: not the target of a link, as the link may have been planted.
fn create(path: &Path, text: &str, force: bool) -> io::Result<()> {
    match path.symlink_metadata().map(|meta| FileKind::from(&meta)) {
        Ok(FileKind::File) | Err(_) => replace(path, text, force),
        Ok(_) if !force => Err(io::ErrorKind::AlreadyExists.into()),
        Ok(kind) => Err(no_file(kind)),
    }
}

pub(super) fn is_there(path: &Path) -> Failure {
    let message = format!("`{}` already exists", path.display());
    Failure::usage(message, "`--force` replaces it")
}

/// Writes a file, or writes to a device, pipe or `/dev/stdout` that the user named instead. Links and special files
/// stay what they are.
pub(super) fn put(path: &Path, text: &str) -> io::Result<()> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    match FileKind::at(&path) {
        Ok(FileKind::File) | Err(_) => replace(&path, text, true),
        Ok(kind @ (FileKind::Pipe | FileKind::Device)) => write_to(&path, kind, text),
        Ok(kind) => Err(no_file(kind)),
    }
}

/// Fails if a file that is written when everything is built could not be written.
pub(super) fn refuse_early(what: &str, path: &Path) -> Result<(), Failure> {
    let refuse = |why: String| {
        let message = format!("the {what} `{}` cannot be written: {why}", path.display());
        Err(Failure::usage(
            message,
            "name a file in an existing directory",
        ))
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    if path.is_dir() {
        refuse("it is a directory".to_owned())
    } else if folder.is_dir() {
        Ok(())
    } else {
        refuse(format!("there is no directory `{}`", folder.display()))
    }
}

/// Writes a file that tells of a run.
pub(super) fn leave(what: &str, path: &Path, text: &str) -> Result<(), Failure> {
    put(path, text).map_err(|error| {
        let (path, why) = (path.display(), system_words(&error));
        let message = format!("the {what} `{path}` cannot be written: {why}");
        Failure::usage(message, "the images were built nevertheless")
    })
}

/// Adds to the end of a file that others write to as well.
pub(super) fn append(path: &Path, text: &str) -> io::Result<()> {
    if FileKind::at(path).is_ok_and(|kind| kind != FileKind::File) {
        return put(path, text);
    }
    let mut open = std::fs::OpenOptions::new();
    let mut file = open.append(true).create(true).open(path)?;
    file.write_all(text.as_bytes())
}

fn no_file(kind: FileKind) -> io::Error {
    io::Error::other(format!("it is {kind}, not a file"))
}

fn replace(path: &Path, text: &str, force: bool) -> io::Result<()> {
    // The parent of a bare name is empty.
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    // Limited by the umask: others can read the file if they can read the user's other files.
    let everyone = Permissions::from_mode(0o666);
    let mut file = tempfile::Builder::new()
        .permissions(everyone)
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    let persisted = if force {
        file.persist(path)
    } else {
        file.persist_noclobber(path)
    };
    persisted.map(drop).map_err(|error| error.error)
}

fn write_to(path: &Path, kind: FileKind, text: &str) -> io::Result<()> {
    let begun = Instant::now();
    let mut open = std::fs::OpenOptions::new();
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    open.write(true).custom_flags(flags.bits().cast_signed());
    let mut opened = loop {
        match open.open(path) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NXIO) => {
                if kind != FileKind::Pipe || begun.elapsed() > PATIENCE {
                    return Err(io::Error::other("it has no reader"));
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            opened => break opened?,
        }
    };
    // Blocking from here on: whoever opened the pipe reads it sooner or later.
    fcntl_setfl(&opened, OFlags::empty())?;
    opened.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_a_file_is_replaced_and_no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let read = |name: &str| std::fs::read_to_string(at(name)).unwrap();
        create(&at("new"), "1", false).unwrap();
        let kept = create(&at("new"), "2", false).unwrap_err();
        assert_eq!(kept.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(read("new"), "1");
        create(&at("new"), "2", true).unwrap();
        assert_eq!(read("new"), "2");
        symlink("new", at("link")).unwrap();
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), fifo, 0o600.into(), 0).unwrap();
        for (name, what) in [("link", "a symbolic link"), ("pipe", "a named pipe")] {
            let refused = create(&at(name), "3", true).unwrap_err();
            assert_eq!(refused.to_string(), format!("it is {what}, not a file"));
        }
        assert_eq!(read("new"), "2");
        put(&at("link"), "4").unwrap();
        assert!(at("link").is_symlink());
        assert_eq!(read("new"), "4");
        append(&at("new"), "5").unwrap();
        append(&at("newer"), "6").unwrap();
        assert_eq!((read("new"), read("newer")), ("45".into(), "6".into()));
        append(folder.path(), "7").unwrap_err();
    }
}
