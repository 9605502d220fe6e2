//! The list at the end of a zip archive, which decides what is in it.
//!
//! Format: <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>, 4.3.12 to 4.3.16. What readers disagree about is
//! refused: data before or after the archive, comments, several disks, two entries of one name.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::entry::{Member, ZipError, refused};
use super::fields::{ELSEWHERE, Fields, ZIP64};

/// The sizes of the records at the end.
const END: u64 = 22;
const LOCATOR: u64 = 20;
const END64: u64 = 56;

/// More entries, a longer list and more bytes than any wheel has.
const MOST: u64 = 500_000;
const LONGEST: u64 = 256 << 20;
const LARGEST: u64 = 64 << 30;

/// The most that deflate can grow, and a size below which it does not matter.
const RATIO: u64 = 1032;
const USUAL_RATIO: u64 = 200;
const HARMLESS: u64 = 1 << 30;

/// What compressed data may have beside twice the size of its content: compression makes nothing much larger, and both are in memory.
const SLACK: u64 = 4 << 10;

/// Where the list is.
struct Place {
    count: u64,
    size: u64,
    start: u64,
}

/// Reads the list; returns the entries sorted by name, and where the list starts.
pub(super) fn read(file: &File, size: u64) -> Result<(Vec<Member>, u64), ZipError> {
    let place = place(file, size)?;
    if place.count > MOST || place.size > LONGEST {
        return refused(format!("it has more than {MOST} entries"));
    }
    let mut list = vec![0; usize::try_from(place.size).unwrap_or_default()];
    file.read_exact_at(&mut list, place.start)?;
    let mut fields = Fields(&list);
    let mut members = Vec::new();
    for _ in 0..place.count {
        members.push(member(&mut fields)?);
    }
    if !fields.0.is_empty() {
        return refused("its list of entries is longer than it says");
    }
    members.sort_by(|one, other| one.name.cmp(&other.name));
    check_names(&members)?;
    check_sizes(&members, size)?;
    Ok((members, place.start))
}

fn place(file: &File, size: u64) -> Result<Place, ZipError> {
    let no_zip = || ZipError::Refused("it is no zip archive that ends where the file ends".into());
    let at = size.checked_sub(END).ok_or_else(no_zip)?;
    let mut end = [0; 22];
    file.read_exact_at(&mut end, at)?;
    let mut fields = Fields(&end);
    if fields.u32() != Some(0x0605_4b50) {
        return Err(no_zip());
    }
    let mut short = || fields.u16().ok_or_else(no_zip);
    let (disk, first, here, count) = (short()?, short()?, short()?, short()?);
    let mut long = || fields.u32().ok_or_else(no_zip);
    let (length, start) = (long()?, long()?);
    if fields.u16() != Some(0) {
        return refused("it has a comment, or data after its end");
    }
    let is_64 =
        [disk, first, here, count].contains(&u16::MAX) || length == ELSEWHERE || start == ELSEWHERE;
    let (place, end) = if is_64 {
        place64(file, at)?
    } else if disk != 0 || first != 0 || here != count {
        return refused(DISKS);
    } else {
        let place = Place {
            count: count.into(),
            size: length.into(),
            start: start.into(),
        };
        (place, at)
    };
    if place.start.checked_add(place.size) != Some(end) {
        return refused("its list of entries does not end where the archive does");
    }
    Ok(place)
}

const DISKS: &str = "it has several disks";

fn place64(file: &File, end: u64) -> Result<(Place, u64), ZipError> {
    let broken = || ZipError::Refused("its zip64 records are damaged".into());
    let at = end.checked_sub(LOCATOR).ok_or_else(broken)?;
    let mut locator = [0; 20];
    file.read_exact_at(&mut locator, at)?;
    let mut fields = Fields(&locator);
    if fields.u32() != Some(0x0706_4b50) {
        return Err(broken());
    }
    let disk = fields.u32();
    let start = fields.u64().ok_or_else(broken)?;
    if disk != Some(0) || fields.u32() != Some(1) {
        return refused(DISKS);
    }
    if start.checked_add(END64) != Some(at) {
        return Err(broken());
    }
    let mut record = [0; 56];
    file.read_exact_at(&mut record, start)?;
    let mut fields = Fields(&record);
    if fields.u32() != Some(0x0606_4b50) || fields.u64() != Some(END64 - 12) {
        return Err(broken());
    }
    fields.u32();
    if fields.u32() != Some(0) || fields.u32() != Some(0) {
        return refused(DISKS);
    }
    let mut next = || fields.u64().ok_or_else(broken);
    let (here, count, size, first) = (next()?, next()?, next()?, next()?);
    if here != count {
        return refused(DISKS);
    }
    let place = Place {
        count,
        size,
        start: first,
    };
    Ok((place, start))
}

fn member(fields: &mut Fields<'_>) -> Result<Member, ZipError> {
    let raw = Raw::read(fields)
        .ok_or_else(|| ZipError::Refused("its list of entries is damaged".into()))?;
    let name = name(raw.name, raw.flags)?;
    let shown = name.trim_end_matches('/');
    // Encryption, patches, strong encryption, hidden headers.
    if raw.flags & 0x2061 != 0 {
        return refused(format!("its entry `{shown}` is encrypted"));
    }
    if !matches!(raw.method, 0 | 8) {
        let method = raw.method;
        return refused(format!(
            "its entry `{shown}` is compressed with method {method}; a wheel uses deflate"
        ));
    }
    if raw.disk != 0 {
        return refused(DISKS);
    }
    let is_folder = name.ends_with('/');
    let mode = if raw.made_by == 3 {
        raw.attributes >> 16
    } else {
        0
    };
    match mode & 0o170_000 {
        0 => {}
        0o100_000 if !is_folder => {}
        0o040_000 if is_folder => {}
        0o120_000 => return refused(format!("its entry `{shown}` is a symbolic link")),
        _ => return refused(format!("its entry `{shown}` is neither file nor directory")),
    }
    if (is_folder && raw.size != 0) || (raw.method == 0 && raw.packed != raw.size) {
        return refused(format!("its entry `{shown}` has impossible sizes"));
    }
    Ok(Member {
        name: shown.to_owned(),
        is_folder,
        is_executable: mode & 0o111 != 0,
        is_deflated: raw.method == 8,
        crc: raw.crc,
        packed: raw.packed,
        size: raw.size,
        header: raw.header,
        flags: raw.flags,
    })
}

/// An entry as it is written.
struct Raw<'a> {
    made_by: u8,
    flags: u16,
    method: u16,
    crc: u32,
    packed: u64,
    size: u64,
    disk: u16,
    attributes: u32,
    header: u64,
    name: &'a [u8],
}

impl<'a> Raw<'a> {
    fn read(fields: &mut Fields<'a>) -> Option<Self> {
        if fields.u32()? != 0x0201_4b50 {
            return None;
        }
        let [_, made_by] = fields.u16()?.to_le_bytes();
        fields.u16()?;
        let (flags, method) = (fields.u16()?, fields.u16()?);
        fields.u32()?;
        let crc = fields.u32()?;
        let (packed, size) = (fields.u32()?, fields.u32()?);
        let lengths = [fields.u16()?, fields.u16()?, fields.u16()?];
        let disk = fields.u16()?;
        fields.u16()?;
        let (attributes, header) = (fields.u32()?, fields.u32()?);
        let [name, extra, _] = lengths.map(|length| fields.bytes(length.into()));
        // The extra record has those numbers that do not fit, in this order.
        let mut wide = Fields(extra?).extra(ZIP64);
        let mut number = |narrow: u32| match narrow {
            ELSEWHERE => wide.as_mut()?.u64(),
            narrow => Some(narrow.into()),
        };
        let (size, packed, header) = (number(size)?, number(packed)?, number(header)?);
        Some(Self {
            made_by,
            flags,
            method,
            crc,
            packed,
            size,
            disk,
            attributes,
            header,
            name: name?,
        })
    }
}

/// A relative path of plain names.
fn name(bytes: &[u8], flags: u16) -> Result<String, ZipError> {
    let shown = || String::from_utf8_lossy(bytes).escape_debug().to_string();
    let is_declared = flags & 1 << 11 != 0 || bytes.is_ascii();
    let Some(name) = std::str::from_utf8(bytes).ok().filter(|_| is_declared) else {
        return refused(format!("the name of its entry `{}` is not UTF-8", shown()));
    };
    if name.starts_with('/') || name.contains(['\0', '\\']) || name.len() > 4096 {
        return refused(format!("its entry `{}` is no relative path", shown()));
    }
    let path = name.strip_suffix('/').unwrap_or(name);
    let is_plain = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= 255;
    if path.split('/').all(is_plain) {
        Ok(name.to_owned())
    } else {
        refused(format!("its entry `{}` leads out of the wheel", shown()))
    }
}

/// Every path is there once, and nothing is below a file. The members are sorted.
fn check_names(members: &[Member]) -> Result<(), ZipError> {
    let twice = members
        .windows(2)
        .find(|pair| pair[0].name == pair[1].name)
        .map(|pair| pair[0].name.as_str());
    if let Some(name) = twice {
        return refused(format!("it has `{name}` twice"));
    }
    let find = |name: &str| {
        let at = members.binary_search_by(|member| member.name.as_str().cmp(name));
        at.ok().map(|at| &members[at])
    };
    for member in members {
        for (at, _) in member.name.match_indices('/') {
            let above = &member.name[..at];
            if find(above).is_some_and(|above| !above.is_folder) {
                return refused(format!(
                    "it has `{above}` both as a file and as a directory"
                ));
            }
        }
    }
    Ok(())
}

/// Nothing is larger than its compressed bytes can hold or much smaller than these, and all of it together not much larger than the archive.
fn check_sizes(members: &[Member], archive: u64) -> Result<(), ZipError> {
    let mut total = 0_u64;
    for member in members {
        if member.size / RATIO > member.packed.saturating_add(1) {
            let name = &member.name;
            return refused(format!("its entry `{name}` is larger than its data can be"));
        }
        if member.packed > member.size.saturating_mul(2).saturating_add(SLACK) {
            let name = &member.name;
            return refused(format!("its entry `{name}` has far more data than content"));
        }
        total = total.saturating_add(member.size);
    }
    if total > LARGEST || (total > HARMLESS && total / USUAL_RATIO > archive) {
        return refused(format!(
            "it would grow from {archive} to {total} bytes, which no wheel does"
        ));
    }
    Ok(())
}
