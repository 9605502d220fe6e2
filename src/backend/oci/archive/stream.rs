//! A tar archive, entry by entry.
//!
//! The choice made: a reader of our own, since others take the memory that a long name claims; sparse files are refused, because a
//! few bytes of them can claim any size.

use std::io::{self, Read};

use tar::{Header, PaxExtensions};

use super::ArchiveError;

const BLOCK: u64 = 512;

/// The extended header of an entry has no more bytes.
const LONGEST_EXTENSION: u64 = 64 << 10;

/// A tar archive that is being read.
pub(super) struct Stream<R> {
    from: R,
    /// What is left of the entry that was read last.
    left: u64,
    /// What follows it up to the next block.
    padding: u64,
}

/// One entry.
pub(super) struct Entry {
    /// Its path, without `.`; never out of the archive.
    pub(super) path: String,
    pub(super) kind: Kind,
    pub(super) size: u64,
}

/// What an entry is.
pub(super) enum Kind {
    File,
    /// A link, to this path.
    Link(String),
    /// A folder, or what no image has.
    Other,
}

/// What extended headers say of the next entry.
#[derive(Default)]
struct Extension {
    path: Option<String>,
    link: Option<String>,
    size: Option<u64>,
}

impl<R: Read> Stream<R> {
    pub(super) fn new(from: R) -> Self {
        Self {
            from,
            left: 0,
            padding: 0,
        }
    }

    /// The next entry; what was not read of the last one is passed over.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, ArchiveError> {
        let mut extension = Extension::default();
        while let Some(header) = self.header()? {
            let kind = header.entry_type().as_byte();
            let size = header.entry_size().map_err(|error| wrong(&error))?;
            match kind {
                b'x' | b'L' | b'K' => {
                    self.begin(size);
                    extension.add(kind, &self.text()?)?;
                }
                b'g' => self.begin(size),
                _ => {
                    let size = extension.size.unwrap_or(size);
                    // Links and folders have no bytes, whatever they claim.
                    let has_bytes = !matches!(kind, b'1'..=b'6');
                    self.begin(if has_bytes { size } else { 0 });
                    return entry(&header, extension, size).map(Some);
                }
            }
        }
        Ok(None)
    }

    fn begin(&mut self, size: u64) {
        self.left = size;
        self.padding = (BLOCK - size % BLOCK) % BLOCK;
    }

    fn header(&mut self) -> Result<Option<Header>, ArchiveError> {
        io::copy(self, &mut io::sink())?;
        let padding = io::copy(&mut (&mut self.from).take(self.padding), &mut io::sink())?;
        if padding < self.padding {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        self.padding = 0;
        let mut header = Header::new_old();
        let mut block = Vec::new();
        (&mut self.from).take(BLOCK).read_to_end(&mut block)?;
        // Some writers leave the two empty blocks at the end away.
        if block.iter().all(|byte| *byte == 0) && matches!(block.len(), 0 | 512) {
            return Ok(None);
        }
        if block.len() < header.as_bytes().len() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        header.as_mut_bytes().copy_from_slice(&block);
        let sum = header.cksum().unwrap_or_default();
        if sum != sum_of(&block) {
            return Err(wrong("it is no tar archive"));
        }
        Ok(Some(header))
    }

    fn text(&mut self) -> Result<Vec<u8>, ArchiveError> {
        if self.left > LONGEST_EXTENSION {
            return Err(wrong("a path in it is too long"));
        }
        let mut text = Vec::new();
        self.read_to_end(&mut text)?;
        Ok(text)
    }
}

/// Reads what is left of the entry; less than was claimed is an error.
impl<R: Read> Read for Stream<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = (&mut self.from).take(self.left).read(to)?;
        if read == 0 && self.left > 0 && !to.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

impl Extension {
    fn add(&mut self, kind: u8, text: &[u8]) -> Result<(), ArchiveError> {
        let string = |text: &[u8]| {
            let text = text.strip_suffix(b"\0").unwrap_or(text);
            String::from_utf8(text.to_vec()).map_err(|error| wrong(&error))
        };
        match kind {
            b'L' => self.path = Some(string(text)?),
            b'K' => self.link = Some(string(text)?),
            _ => {
                for record in PaxExtensions::new(text) {
                    let record = record.map_err(|error| wrong(&error))?;
                    let value = record.value_bytes();
                    match record.key_bytes() {
                        b"path" => self.path = Some(string(value)?),
                        b"linkpath" => self.link = Some(string(value)?),
                        b"size" => {
                            self.size =
                                Some(string(value)?.parse().map_err(|error| wrong(&error))?);
                        }
                        key if key.starts_with(b"GNU.sparse") => return Err(sparse()),
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }
}

fn entry(header: &Header, extension: Extension, size: u64) -> Result<Entry, ArchiveError> {
    let own = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|error| wrong(&error));
    let name = match extension.path {
        Some(path) => path,
        None => own(&header.path_bytes())?,
    };
    let outside = || ArchiveError::part(&name, "the path leads out of the archive");
    let path = within("", &name).ok_or_else(outside)?;
    let kind = match header.entry_type().as_byte() {
        b'0' | 0 | b'7' => Kind::File,
        kind @ (b'1' | b'2') => {
            let target = match extension.link {
                Some(link) => link,
                None => own(&header.link_name_bytes().unwrap_or_default())?,
            };
            // Links of the hard kind say where from the root, the others from where they are.
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let base = if kind == b'1' { "" } else { folder };
            let outside = || ArchiveError::part(&name, "the link leads out of the archive");
            Kind::Link(within(base, &target).ok_or_else(outside)?)
        }
        b'S' => return Err(sparse()),
        _ => Kind::Other,
    };
    Ok(Entry { path, kind, size })
}

/// A path from this folder, as one from the root; none if it leads elsewhere.
fn within(folder: &str, path: &str) -> Option<String> {
    if path.starts_with('/') || path.contains('\0') {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The sum of a header's bytes, with its own place counted as spaces.
fn sum_of(block: &[u8]) -> u32 {
    let place = 148..156;
    let each = block.iter().enumerate();
    each.map(|(at, byte)| u32::from(if place.contains(&at) { b' ' } else { *byte }))
        .sum()
}

fn sparse() -> ArchiveError {
    wrong("it has a sparse file")
}

fn wrong(why: &(impl ToString + ?Sized)) -> ArchiveError {
    ArchiveError::Wrong(why.to_string())
}
