//! Reads a Debian package: an outer archive with a tar of control files, and one of what gets installed.
//!
//! Packages are archives of strangers: nothing is unpacked here, what would leave the image or take more memory than any
//! package needs is refused, and contents are handed on in pieces. The outer archive is read by our own lines, because
//! deb(5) allows much less than libraries for ar accept, which also reserve memory for whatever a size claims.
//!
//! Format: <https://manpages.debian.org/bookworm/dpkg-dev/deb.5.en.html>.

use std::collections::BTreeMap;
use std::io::{self, Read};

use flate2::read::GzDecoder;
use liblzma::read::XzDecoder;
use liblzma::stream::Stream;
use md5::{Digest as _, Md5};
use tar::EntryType;

use crate::backend::oci::layer::{Meter, inside};

/// The largest size of all control files together, in bytes.
const CONTROL: u64 = 64 << 20;

/// The largest size of everything that a package installs.
const DATA: u64 = 64 << 30;

/// Far more entries than a package has.
const MOST: usize = 1_000_000;

/// How much may follow the data: checksums.
const AFTER: u64 = 256 << 10;

/// What an entry counts for beside its content.
const ENTRY: u64 = 512;

/// The memory that decompressing may take: more than the strongest setting of xz needs.
const MEMORY: u64 = 256 << 20;

/// The binary logarithm of the largest window of zstd.
const WINDOW: u32 = 27;

/// Why a package cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum DebError {
    #[error("it cannot be read: {0}")]
    Damaged(#[from] io::Error),
    #[error("it is not a Debian package: {0}")]
    NotOne(String),
    #[error("its entry `{0}` leads out of the image")]
    Outside(String),
    #[error("{0}")]
    Refused(String),
}

/// A package.
#[derive(Debug, Default)]
pub(super) struct Deb {
    /// The control files by name, `control` among them.
    pub(super) control: BTreeMap<String, Member>,
    /// What it installs, in its order, without the root.
    pub(super) items: Vec<Item>,
}

/// A control file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) mode: u32,
    pub(super) bytes: Vec<u8>,
}

/// Something that a package installs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// The path without slashes at its ends, as the package has it.
    pub(super) path: String,
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
}

/// The kind of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    File {
        size: u64,
        /// Where its content begins among all that has been handed on.
        at: u64,
        md5: String,
    },
    Link(String),
    /// Another name of a file that came before.
    HardLink {
        /// The number of that file among the items.
        file: usize,
    },
}

/// Takes the contents of files, one after the other.
pub(super) type Give<'a> = &'a mut dyn FnMut(&[u8]) -> io::Result<()>;

impl Deb {
    /// The text of a control file, empty without one.
    pub(super) fn text(&self, name: &str) -> String {
        let bytes = self.control.get(name).map(|member| &member.bytes);
        bytes.map_or_else(String::new, |bytes| {
            String::from_utf8_lossy(bytes).into_owned()
        })
    }
}

/// Reads a package; hands on the contents of its files.
pub(super) fn read(mut from: impl Read, give: Give<'_>) -> Result<Deb, DebError> {
    let control = begin(&mut from)?;
    let (name, mut part) = known(&mut from)?;
    let items = data(plain(&name, "data.tar", &mut part)?, give)?;
    part.end()?;
    Ok(Deb { control, items })
}

/// Reads the file `control` of a package, and nothing after it.
pub(super) fn control_of(mut from: impl Read) -> Result<String, DebError> {
    let member = begin(&mut from)?.remove("control");
    let member = member.ok_or_else(|| not_one("it has no file `control`"))?;
    String::from_utf8(member.bytes).map_err(|_| not_one("its file `control` is not UTF-8"))
}

/// Reads the control files, with which a package begins.
fn begin(from: &mut impl Read) -> Result<BTreeMap<String, Member>, DebError> {
    let mut magic = [0; 8];
    from.read_exact(&mut magic)?;
    if &magic != b"!<arch>\n" {
        return Err(not_one("it does not begin like one"));
    }
    let (name, size) = head(from)?;
    let mut version = part(&mut *from, size);
    if name != "debian-binary" {
        return Err(not_one("its first part is not `debian-binary`"));
    }
    let mut text = String::new();
    (&mut version).take(64).read_to_string(&mut text)?;
    if !text.starts_with("2.") {
        return Err(not_one("its format is not version 2"));
    }
    version.end()?;
    let (name, mut part) = known(from)?;
    let members = control(plain(&name, "control.tar", &mut part)?)?;
    part.end()?;
    Ok(members)
}

fn not_one(why: impl Into<String>) -> DebError {
    DebError::NotOne(why.into())
}

/// A part of the outer archive.
struct Part<R> {
    from: io::Take<R>,
    is_padded: bool,
}

impl<R: Read> Read for Part<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.from.read(buffer)
    }
}

impl<R: Read> Part<R> {
    /// Goes on to the next part.
    fn end(mut self) -> io::Result<()> {
        io::copy(&mut self.from, &mut io::sink())?;
        if self.from.limit() > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if self.is_padded {
            // The last one may lack it.
            self.from
                .into_inner()
                .take(1)
                .read_to_end(&mut Vec::new())?;
        }
        Ok(())
    }
}

/// The name and size of the next part of the outer archive.
fn head(from: &mut impl Read) -> Result<(String, u64), DebError> {
    let mut head = [0; 60];
    from.read_exact(&mut head)?;
    if head[58..] != *b"`\n" {
        return Err(not_one("a part of it has no head"));
    }
    let text = |range: &[u8]| String::from_utf8_lossy(range).trim_end().to_owned();
    let name = text(&head[..16]).trim_end_matches('/').to_owned();
    let size = text(&head[48..58]).parse::<u64>();
    let size = size.map_err(|_| not_one(format!("its part `{name}` has no size")))?;
    Ok((name, size))
}

fn part<R: Read>(from: R, size: u64) -> Part<R> {
    Part {
        from: from.take(size),
        is_padded: size % 2 == 1,
    }
}

/// The next part that this version of the format knows.
fn known<R: Read>(from: &mut R) -> Result<(String, Part<&mut R>), DebError> {
    loop {
        let (name, size) = head(from)?;
        if !name.starts_with('_') {
            return Ok((name, part(from, size)));
        }
        part(&mut *from, size).end()?;
    }
}

/// What is in a compressed tar that must have this name.
fn plain<'a>(
    name: &str,
    wanted: &str,
    from: &'a mut (impl Read + 'a),
) -> Result<Box<dyn Read + 'a>, DebError> {
    let Some(compression) = name.strip_prefix(wanted) else {
        return Err(not_one(format!("it has `{name}` instead of `{wanted}`")));
    };
    Ok(match compression {
        "" => Box::new(from),
        ".gz" => Box::new(GzDecoder::new(from)),
        ".xz" => {
            let stream = Stream::new_stream_decoder(MEMORY, 0).map_err(io::Error::from)?;
            Box::new(XzDecoder::new_stream(from, stream))
        }
        ".zst" => {
            let mut decoder = zstd::Decoder::new(from)?;
            decoder.window_log_max(WINDOW)?;
            Box::new(decoder)
        }
        other => {
            let why = format!("`{wanted}{other}` is compressed in a way that is not supported");
            return Err(DebError::Refused(why));
        }
    })
}

fn control(from: impl Read) -> Result<BTreeMap<String, Member>, DebError> {
    let meter = Meter::new(&|| false);
    let mut archive = meter.archive(from);
    let mut files = BTreeMap::new();
    let mut total = 0_u64;
    for entry in archive.entries()? {
        let mut entry = meter.entry(entry?)?;
        total = total.saturating_add(entry.size()).saturating_add(ENTRY);
        if total > CONTROL {
            let why = format!("its control files have more than {} MiB", CONTROL >> 20);
            return Err(DebError::Refused(why));
        }
        let Some(path) = path(&entry.path_bytes())? else {
            continue;
        };
        if path.contains('/') || !entry.header().entry_type().is_file() {
            let why = format!("its control part has `{path}`, which is not a file beside others");
            return Err(DebError::Refused(why));
        }
        let mode = entry.header().mode()? & 0o777;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        if files.insert(path.clone(), Member { mode, bytes }).is_some() {
            return Err(DebError::Refused(format!(
                "its control part has `{path}` twice"
            )));
        }
    }
    if !files.contains_key("control") {
        return Err(not_one("it has no file `control`"));
    }
    Ok(files)
}

/// What a path has been.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Folder,
    /// With its number among the items.
    File(usize),
    Link,
}

/// What is known while the data are read.
#[derive(Default)]
struct Data {
    items: Vec<Item>,
    seen: BTreeMap<String, Seen>,
    /// The bytes that have been handed on.
    at: u64,
}

fn data(from: impl Read, give: Give<'_>) -> Result<Vec<Item>, DebError> {
    let meter = Meter::new(&|| false);
    let mut archive = meter.archive(from);
    let mut data = Data::default();
    for entry in archive.entries()? {
        let mut entry = meter.entry(entry?)?;
        let Some(path) = path(&entry.path_bytes())? else {
            continue;
        };
        data.item(path, &mut entry, give)?;
    }
    meter.rest(archive, AFTER)?;
    Ok(data.items)
}

impl Data {
    fn item(
        &mut self,
        path: String,
        entry: &mut tar::Entry<'_, impl Read>,
        give: Give<'_>,
    ) -> Result<(), DebError> {
        if self.items.len() == MOST {
            let why = format!("it has more than {MOST} entries");
            return Err(DebError::Refused(why));
        }
        let header = entry.header();
        let (mode, uid, gid) = (header.mode()? & 0o7777, header.uid()?, header.gid()?);
        let kind = self.kind(&path, entry, give)?;
        let seen = match kind {
            Kind::Folder => Seen::Folder,
            Kind::File { .. } => Seen::File(self.items.len()),
            Kind::Link(_) | Kind::HardLink { .. } => Seen::Link,
        };
        match self.seen.insert(path.clone(), seen) {
            None => {}
            // A directory may come again.
            Some(Seen::Folder) if seen == Seen::Folder => return Ok(()),
            Some(_) => return Err(DebError::Refused(format!("it has `/{path}` twice"))),
        }
        self.items.push(Item {
            path,
            kind,
            mode,
            uid,
            gid,
        });
        Ok(())
    }

    fn kind(
        &mut self,
        path: &str,
        entry: &mut tar::Entry<'_, impl Read>,
        give: Give<'_>,
    ) -> Result<Kind, DebError> {
        Ok(match entry.header().entry_type() {
            EntryType::Directory => Kind::Folder,
            EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default();
                let target = String::from_utf8(target.into_owned());
                Kind::Link(target.map_err(|_| unreadable(path))?)
            }
            EntryType::Link => {
                let target = entry.link_name_bytes().unwrap_or_default();
                let target = self::path(&target)?.unwrap_or_default();
                let Some(Seen::File(file)) = self.seen.get(&target) else {
                    let why = format!("its `/{path}` is a link to `/{target}`, no file before it");
                    return Err(DebError::Refused(why));
                };
                Kind::HardLink { file: *file }
            }
            EntryType::Regular | EntryType::Continuous => self.file(path, entry, give)?,
            _ => {
                let why = format!("its `/{path}` is neither a file nor a link nor a directory");
                return Err(DebError::Refused(why));
            }
        })
    }

    fn file(
        &mut self,
        path: &str,
        entry: &mut tar::Entry<'_, impl Read>,
        give: Give<'_>,
    ) -> Result<Kind, DebError> {
        let (size, at) = (entry.size(), self.at);
        self.at = at.saturating_add(size);
        if self.at > DATA {
            let why = format!("it installs more than {} GiB", DATA >> 30);
            return Err(DebError::Refused(why));
        }
        let mut hash = Md5::new();
        let mut piece = vec![0; usize::try_from(size.min(256 << 10)).unwrap_or_default()];
        let mut left = size;
        while left > 0 {
            let count = entry.read(&mut piece)?;
            if count == 0 {
                let why = format!("`/{path}` is incomplete");
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why).into());
            }
            hash.update(&piece[..count]);
            give(&piece[..count])?;
            left -= count as u64;
        }
        let md5 = hash.finalize();
        let md5: Vec<String> = md5.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Kind::File {
            size,
            at,
            md5: md5.concat(),
        })
    }
}

fn unreadable(path: &str) -> DebError {
    DebError::Refused(format!("the name or target of `/{path}` is not UTF-8"))
}

/// A path of a tar from the image's root; `None` for the root itself.
fn path(bytes: &[u8]) -> Result<Option<String>, DebError> {
    let lossy = || String::from_utf8_lossy(bytes).into_owned();
    let text = std::str::from_utf8(bytes).map_err(|_| unreadable(&lossy()))?;
    if text.contains(['\0', '\n']) {
        let why = format!(
            "the path `{}…` is no path",
            text.chars().take(80).collect::<String>()
        );
        return Err(DebError::Refused(why));
    }
    inside(text.as_ref()).map_err(|_| DebError::Outside(lossy()))
}

#[cfg(test)]
mod tests;
