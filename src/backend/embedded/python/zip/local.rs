//! The headers of the entries themselves, which must say what the list says, one entry after the other without gaps.
//!
//! Readers that stream an archive believe these, others the list. An archive in which they differ means different things to
//! different readers.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::entry::{Member, Start, ZipError, refused};
use super::fields::{ELSEWHERE, Fields, ZIP64};

/// The fixed part of a header.
const HEADER: u64 = 30;

/// The flag of entries whose sizes follow their data.
const FOLLOWS: u16 = 1 << 3;

/// Where the data of each member starts; `end` is where the last one must end.
pub(super) fn starts(file: &File, members: &[Member], end: u64) -> Result<Vec<Start>, ZipError> {
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by_key(|at| members[*at].header);
    let mut starts = vec![Start(0); members.len()];
    let mut next = 0;
    for (nth, at) in order.iter().enumerate() {
        let member = &members[*at];
        let end = order.get(nth + 1).map_or(end, |at| members[*at].header);
        if member.header != next || end <= next {
            let name = &member.name;
            return refused(format!(
                "its entry `{name}` does not start where the one before it ends"
            ));
        }
        next = end;
        starts[*at] = one(file, member, next)?;
    }
    if next == end {
        Ok(starts)
    } else {
        refused("it has data that belongs to no entry")
    }
}

fn one(file: &File, member: &Member, end: u64) -> Result<Start, ZipError> {
    let name = &member.name;
    let differs = || ZipError::Refused(format!("its two headers of `{name}` differ"));
    let room = end.checked_sub(member.header).ok_or_else(differs)?;
    let mut bytes = [0; 512];
    let length = usize::try_from(room.min(512)).unwrap_or_default();
    file.read_exact_at(&mut bytes[..length], member.header)?;
    let lengths = lengths(&bytes[..length]).ok_or_else(differs)?;
    let whole = HEADER + lengths;
    let mut long = Vec::new();
    let header = if whole <= length as u64 {
        &bytes[..length]
    } else {
        // Names and extra records of at most 64 KiB each.
        long.resize(usize::try_from(whole.min(room)).unwrap_or_default(), 0);
        file.read_exact_at(&mut long, member.header)?;
        &long
    };
    if is_same(header, member) != Some(true) {
        return Err(differs());
    }
    let start = member.header + whole;
    let data_end = start.checked_add(member.packed).ok_or_else(differs)?;
    let rest = end.checked_sub(data_end).ok_or_else(differs)?;
    let is_whole = match rest {
        0 => member.flags & FOLLOWS == 0 || member.packed == 0,
        12..=24 if member.flags & FOLLOWS != 0 => {
            let mut after = [0; 24];
            let after = &mut after[..usize::try_from(rest).unwrap_or_default()];
            file.read_exact_at(after, data_end)?;
            is_descriptor(after, member)
        }
        _ => false,
    };
    if is_whole {
        Ok(Start(start))
    } else {
        refused(format!("its entry `{name}` does not end where it says"))
    }
}

/// The lengths of name and extra record.
fn lengths(header: &[u8]) -> Option<u64> {
    let mut fields = Fields(header.get(26..30)?);
    Some(u64::from(fields.u16()?) + u64::from(fields.u16()?))
}

fn is_same(header: &[u8], member: &Member) -> Option<bool> {
    let mut fields = Fields(header);
    if fields.u32()? != 0x0403_4b50 {
        return Some(false);
    }
    fields.u16()?;
    let (flags, method) = (fields.u16()?, fields.u16()?);
    fields.u32()?;
    let crc = fields.u32()?;
    let (packed, size) = (fields.u32()?, fields.u32()?);
    let (name, extra) = (fields.u16()?, fields.u16()?);
    let name = fields.bytes(name.into())?;
    let mut wide = Fields(fields.bytes(extra.into())?).extra(ZIP64);
    let mut number = |narrow: u32| match narrow {
        ELSEWHERE => wide.as_mut()?.u64(),
        narrow => Some(narrow.into()),
    };
    let follows = flags & FOLLOWS != 0;
    let (size, packed) = match (number(size), number(packed)) {
        (Some(size), Some(packed)) => (size, packed),
        // Written before they were known.
        _ if follows => (0, 0),
        _ => return None,
    };
    let is_told = (crc, packed, size) == (member.crc, member.packed, member.size);
    let is_untold = follows && (crc, packed, size) == (0, 0, 0);
    let name = name
        .strip_suffix(b"/")
        .filter(|_| member.is_folder)
        .unwrap_or(name);
    Some(
        name == member.name.as_bytes()
            && flags == member.flags
            && (method == 8) == member.is_deflated
            && (is_told || is_untold),
    )
}

/// Whether these bytes repeat checksum and sizes, with or without a signature, in 32 or 64 bits.
fn is_descriptor(bytes: &[u8], member: &Member) -> bool {
    let read = || {
        let mut fields = Fields(bytes);
        if matches!(bytes.len(), 16 | 24) && fields.u32()? != 0x0807_4b50 {
            return None;
        }
        let crc = fields.u32()?;
        let sizes = if bytes.len() >= 20 {
            (fields.u64()?, fields.u64()?)
        } else {
            (fields.u32()?.into(), fields.u32()?.into())
        };
        Some((crc, sizes))
    };
    read() == Some((member.crc, (member.packed, member.size)))
}
