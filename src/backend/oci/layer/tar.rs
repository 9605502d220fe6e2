//! Heads of tar entries in one canonical form: ustar, and PAX records only for what ustar cannot hold.
//!
//! Format: <https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13_06>.

use std::io;

use tar::{EntryType, Header};

/// The modification time of everything that is made here: 1980-01-01, the earliest that a zip archive (a wheel) can
/// express. In seconds since 1970.
pub(in crate::backend) const EPOCH: u64 = 315_532_800;

/// The start of the names of extended attributes.
pub(in crate::backend) const XATTR: &str = "SCHILY.xattr.";

/// The start of the names of files that remove others.
pub(super) const WHITEOUT: &str = ".wh.";

/// What follows that start if everything in a directory is removed.
pub(super) const OPAQUE: &str = ".wh..opq";

/// What ustar calls an entry whose path does not fit and cannot be cut; the PAX record has the path.
const UNCUT: &str = "entry";

/// The size of a tar block in bytes.
const BLOCK: usize = 512;

/// The largest size and number that a field of ustar holds.
const LARGEST: u64 = 0o7_777_777;

/// The end of a tar: two empty blocks.
pub(super) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// An entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::backend) struct Entry<'a> {
    /// The path without a leading slash, without `.` and `..`.
    pub(in crate::backend) path: &'a str,
    pub(in crate::backend) kind: EntryKind<'a>,
    pub(in crate::backend) mode: u32,
    pub(in crate::backend) uid: u64,
    pub(in crate::backend) gid: u64,
}

/// The kind of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backend) enum EntryKind<'a> {
    Folder,
    /// A file; its content follows.
    File {
        size: u64,
    },
    /// A symbolic link.
    Link {
        target: &'a str,
    },
    /// Another name of a file that the layer has already.
    HardLink {
        target: &'a str,
    },
    Pipe,
    /// A device with its numbers.
    Device {
        is_block: bool,
        major: u32,
        minor: u32,
    },
    /// What the layers below have at this path is removed.
    Whiteout,
}

/// An extended attribute: its name and value.
pub(in crate::backend) type Xattr = (String, Vec<u8>);

/// The blocks before an entry's content.
pub(super) fn head(entry: &Entry<'_>, xattrs: &[Xattr]) -> io::Result<Vec<u8>> {
    let mut header = Header::new_ustar();
    let mut records = Vec::new();
    let (kind, size) = kind(entry, &mut header, &mut records)?;
    header.set_entry_type(kind);
    let path = match entry.kind {
        EntryKind::Folder => format!("{}/", entry.path),
        EntryKind::Whiteout => whiteout(entry.path),
        _ => entry.path.to_owned(),
    };
    if header.set_path(&path).is_err() {
        record(&mut records, "path", path.as_bytes());
        let cut: String = path.chars().filter(char::is_ascii).take(90).collect();
        header
            .set_path(cut.trim_end_matches('/'))
            .or_else(|why| uncut(&path, why, &mut header))?;
    }
    for (name, number) in [("uid", entry.uid), ("gid", entry.gid)] {
        if number > LARGEST {
            record(&mut records, name, number.to_string().as_bytes());
        }
    }
    header.set_uid(entry.uid.min(LARGEST));
    header.set_gid(entry.gid.min(LARGEST));
    header.set_mode(entry.mode);
    header.set_mtime(EPOCH);
    if size >= 8 << 30 {
        record(&mut records, "size", size.to_string().as_bytes());
        header.set_size(0);
    } else {
        header.set_size(size);
    }
    for (name, value) in xattrs {
        record(&mut records, &format!("{XATTR}{name}"), value);
    }
    header.set_cksum();
    let mut blocks = Vec::with_capacity(BLOCK);
    if !records.is_empty() {
        blocks.extend(pax(&records)?);
    }
    blocks.extend_from_slice(header.as_bytes());
    Ok(blocks)
}

/// Names an entry whose path cannot be cut: without what is not ASCII, it may be `/….txt` or `..`.
fn uncut(path: &str, why: io::Error, header: &mut Header) -> io::Result<()> {
    let is_path = !path.starts_with('/') && !path.contains('\0');
    if !is_path || path.split('/').any(|part| part == "..") {
        return Err(why);
    }
    if let Some(ustar) = header.as_ustar_mut() {
        (ustar.name, ustar.prefix) = ([0; 100], [0; 155]);
    }
    header.set_path(UNCUT)
}

/// The type of an entry and the size of its content; also sets what belongs to that type.
fn kind(
    entry: &Entry<'_>,
    header: &mut Header,
    records: &mut Vec<u8>,
) -> io::Result<(EntryType, u64)> {
    Ok(match entry.kind {
        EntryKind::Folder => (EntryType::Directory, 0),
        EntryKind::File { size } => (EntryType::Regular, size),
        EntryKind::Whiteout => (EntryType::Regular, 0),
        EntryKind::Pipe => (EntryType::Fifo, 0),
        EntryKind::Device {
            is_block,
            major,
            minor,
        } => {
            header.set_device_major(major)?;
            header.set_device_minor(minor)?;
            let kind = if is_block {
                EntryType::Block
            } else {
                EntryType::Char
            };
            (kind, 0)
        }
        EntryKind::Link { target } | EntryKind::HardLink { target } => {
            if header.set_link_name_literal(target).is_err() {
                record(records, "linkpath", target.as_bytes());
            }
            match entry.kind {
                EntryKind::HardLink { .. } => (EntryType::Link, 0),
                _ => (EntryType::Symlink, 0),
            }
        }
    })
}

/// Why a layer cannot have anything at this path, unless it can: to those who unpack it, part of the path is a removal.
pub(super) fn removal(path: &str) -> Option<String> {
    let mut above = String::new();
    for part in path.split('/') {
        if let Some(gone) = part.strip_prefix(WHITEOUT) {
            let gone = match gone {
                OPAQUE => format!("everything in `/{above}`"),
                gone => format!("`/{above}{gone}`"),
            };
            return Some(format!(
                "in a layer, `/{above}{part}` would be a removal, of {gone}; rename it or leave it out"
            ));
        }
        above.push_str(part);
        above.push('/');
    }
    None
}

/// The path of the entry that says that a path is gone.
pub(super) fn whiteout(path: &str) -> String {
    match path.rsplit_once('/') {
        Some((above, name)) => format!("{above}/{WHITEOUT}{name}"),
        None => format!("{WHITEOUT}{path}"),
    }
}

/// How many zeros follow content of this size.
pub(super) fn padding(size: u64) -> usize {
    let over = usize::try_from(size % BLOCK as u64).unwrap_or_default();
    (BLOCK - over) % BLOCK
}

/// Appends a PAX record: its length, which counts itself, its name, and its value.
fn record(records: &mut Vec<u8>, name: &str, value: &[u8]) {
    let rest = name.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    records.extend(format!("{length} {name}=").into_bytes());
    records.extend_from_slice(value);
    records.push(b'\n');
}

/// An extended header with these records.
fn pax(records: &[u8]) -> io::Result<Vec<u8>> {
    let mut header = Header::new_ustar();
    header.set_path("PaxHeaders/entry")?;
    header.set_entry_type(EntryType::XHeader);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(EPOCH);
    header.set_size(records.len() as u64);
    header.set_cksum();
    let mut blocks = header.as_bytes().to_vec();
    blocks.extend_from_slice(records);
    blocks.resize(blocks.len() + padding(records.len() as u64), 0);
    Ok(blocks)
}
