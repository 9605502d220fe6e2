//! The contents of entries: whole, in pieces, or compressed as they are. Sizes and checksums are verified.

use std::os::unix::fs::FileExt;

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::entry::{Member, Start, ZipError, refused};
use super::open::Zip;

/// How much is read and inflated at once of a large member.
const PIECE: usize = 1 << 20;

/// A part of a member.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::backend::embedded::python) enum Chunk {
    /// Bytes of the archive.
    Packed(Vec<u8>),
    /// Bytes of the content.
    Plain(Vec<u8>),
}

impl Zip {
    /// Reads a whole member: its bytes in the archive into `packed`, unless they are the content themselves, and the content into
    /// `plain`. Both are as long as [`Member::room`] says. The inflater may have been used for others.
    pub(in crate::backend::embedded::python) fn whole(
        &self,
        at: usize,
        start: Start,
        inflater: &mut Decompress,
        packed: &mut [u8],
        plain: &mut [u8],
    ) -> Result<(), ZipError> {
        let member = &self.members[at];
        let length = if member.is_deflated {
            self.file.read_exact_at(packed, start.0)?;
            inflater.reset(false);
            let done = inflater.decompress(packed, plain, FlushDecompress::Finish);
            let is_whole = inflater.total_in() == packed.len() as u64;
            if !matches!(done, Ok(Status::StreamEnd)) || !is_whole {
                return Err(damaged(member));
            }
            usize::try_from(inflater.total_out()).unwrap_or(usize::MAX)
        } else {
            let length = plain.len() - 1;
            self.file.read_exact_at(&mut plain[..length], start.0)?;
            length
        };
        let mut check = Check::new(member);
        check.add(&plain[..length])?;
        check.finish()
    }

    /// The whole content of a member, of at most `largest` bytes.
    pub(in crate::backend::embedded::python) fn content(
        &self,
        at: usize,
        start: Start,
        largest: u64,
    ) -> Result<Vec<u8>, ZipError> {
        let member = &self.members[at];
        if member.size > largest {
            let name = &member.name;
            return refused(format!("its `{name}` is larger than {largest} bytes"));
        }
        let (packed, plain) = member.room();
        let (mut packed, mut plain) = (vec![0; packed], vec![0; plain]);
        let inflater = &mut Decompress::new(false);
        self.whole(at, start, inflater, &mut packed, &mut plain)?;
        plain.pop();
        Ok(plain)
    }

    /// The first bytes of a member, at most `count`.
    pub(in crate::backend::embedded::python) fn first(
        &self,
        at: usize,
        start: Start,
        count: usize,
    ) -> Result<Vec<u8>, ZipError> {
        let member = &self.members[at];
        // More than the compressed form of so few bytes needs.
        let length = member.packed.min(count as u64 + 4096);
        let mut packed = vec![0; usize::try_from(length).unwrap_or_default()];
        self.file.read_exact_at(&mut packed, start.0)?;
        if !member.is_deflated {
            packed.truncate(count);
            return Ok(packed);
        }
        let mut first = Vec::with_capacity(count);
        let mut inflater = Decompress::new(false);
        let done = inflater.decompress_vec(&packed, &mut first, FlushDecompress::None);
        done.map_err(|_| damaged(member))?;
        Ok(first)
    }

    /// Gives a member in pieces, compressed and plain.
    pub(in crate::backend::embedded::python) fn stream(
        &self,
        member: &Member,
        start: Start,
        give: &mut dyn FnMut(Chunk) -> Result<(), ZipError>,
    ) -> Result<(), ZipError> {
        let mut check = Check::new(member);
        let mut inflater = Decompress::new(false);
        let mut is_over = !member.is_deflated;
        let (mut at, mut left) = (start.0, member.packed);
        while left > 0 {
            let length = usize::try_from(left.min(PIECE as u64)).unwrap_or(PIECE);
            let mut packed = vec![0; length];
            self.file.read_exact_at(&mut packed, at)?;
            at += length as u64;
            left -= length as u64;
            if member.is_deflated {
                let mut rest = packed.as_slice();
                while !is_over {
                    let mut plain = Vec::with_capacity(PIECE);
                    let before = inflater.total_in();
                    let done = inflater.decompress_vec(rest, &mut plain, FlushDecompress::None);
                    let status = done.map_err(|_| damaged(member))?;
                    let used = usize::try_from(inflater.total_in() - before).unwrap_or_default();
                    rest = &rest[used..];
                    is_over = status == Status::StreamEnd;
                    let is_full = plain.len() == plain.capacity();
                    check.add(&plain)?;
                    if !plain.is_empty() {
                        give(Chunk::Plain(plain))?;
                    }
                    if rest.is_empty() && !is_full {
                        break;
                    }
                    if used == 0 && !is_full && !is_over {
                        return Err(damaged(member));
                    }
                }
                if is_over && (!rest.is_empty() || left > 0) {
                    return Err(damaged(member));
                }
                give(Chunk::Packed(packed))?;
            } else {
                check.add(&packed)?;
                give(Chunk::Plain(packed))?;
            }
        }
        if is_over {
            check.finish()
        } else {
            Err(damaged(member))
        }
    }
}

/// Compares content with what the archive says about it.
struct Check<'a> {
    member: &'a Member,
    crc: Crc,
    size: u64,
}

impl<'a> Check<'a> {
    fn new(member: &'a Member) -> Self {
        Self {
            member,
            crc: Crc::new(),
            size: 0,
        }
    }

    fn add(&mut self, bytes: &[u8]) -> Result<(), ZipError> {
        self.crc.update(bytes);
        self.size += bytes.len() as u64;
        if self.size > self.member.size {
            return Err(damaged(self.member));
        }
        Ok(())
    }

    fn finish(&self) -> Result<(), ZipError> {
        if (self.crc.sum(), self.size) == (self.member.crc, self.member.size) {
            Ok(())
        } else {
            Err(damaged(self.member))
        }
    }
}

fn damaged(member: &Member) -> ZipError {
    let name = &member.name;
    ZipError::Refused(format!(
        "its `{name}` is not what its checksum and size say"
    ))
}
