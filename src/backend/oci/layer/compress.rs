//! Compression of a layer: pieces of fixed size, each a gzip member or a zstd frame of its own.
//!
//! Both formats allow several (RFC 1952, 2.2; RFC 8878, 3). So all processors can compress one layer while the next pieces are
//! read and hashed, and the result does not depend on how many there are. Old unpackers that stop after the first gzip member
//! need a single one.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;

use flate2::write::GzEncoder;
use flate2::{Compress, Compression, Crc, FlushCompress, GzBuilder, Status};

use super::tar::{self, Entry};

/// The size of a piece before compression: large enough that splitting costs next to nothing in size.
const PIECE: usize = 4 << 20;

/// The level of gzip: faster than the usual 6, for layers that are hardly larger.
const LEVEL: u32 = 4;

/// The level of zstd: its default.
const ZSTD_LEVEL: i32 = 3;

/// The most pieces that are being compressed or wait for that.
const AT_ONCE: usize = 8;

/// The head of a gzip member: deflate, no name, no time, an unknown system.
pub(super) const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::backend) enum Encoding {
    /// Gzip, in several members.
    #[default]
    Gzip,
    /// Gzip in a single member.
    GzipSingle,
    Zstd,
}

impl Encoding {
    /// What a manifest calls it; the usual one for `None`.
    pub(in crate::backend) fn read(name: Option<&str>) -> Self {
        match name {
            Some("gzip-single") => Self::GzipSingle,
            Some("zstd") => Self::Zstd,
            _ => Self::Gzip,
        }
    }

    /// OCI's type of such a layer.
    pub(in crate::backend) fn media_type(self) -> &'static str {
        match self {
            Self::Gzip | Self::GzipSingle => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

/// Compresses what is written to it; hands on whole members.
#[derive(Debug)]
pub(super) struct Compressor {
    encoding: Encoding,
    waiting: Vec<u8>,
    /// The members of the pieces before, in their order.
    begun: VecDeque<Receiver<io::Result<Vec<u8>>>>,
    single: Option<GzEncoder<Vec<u8>>>,
    /// Used for all small members: making one takes longer than compressing a few heads.
    deflate: Compress,
}

impl Compressor {
    pub(super) fn new(encoding: Encoding) -> Self {
        let single = encoding == Encoding::GzipSingle;
        Self {
            encoding,
            waiting: Vec::new(),
            begun: VecDeque::new(),
            single: single.then(|| GzBuilder::new().mtime(0).write(Vec::new(), level())),
            deflate: deflate(),
        }
    }

    /// Takes bytes, and returns what is finished.
    pub(super) fn add(&mut self, bytes: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        if let Some(single) = &mut self.single {
            single.write_all(bytes)?;
            let done = single.get_mut();
            return Ok(if done.len() < PIECE {
                Vec::new()
            } else {
                vec![std::mem::take(done)]
            });
        }
        let mut done = Vec::new();
        let mut rest = bytes;
        while self.waiting.len() + rest.len() >= PIECE {
            let (now, later) = rest.split_at(PIECE - self.waiting.len());
            self.waiting.extend_from_slice(now);
            rest = later;
            let piece = std::mem::replace(&mut self.waiting, Vec::with_capacity(PIECE));
            self.begin(piece);
            self.take(AT_ONCE, &mut done)?;
        }
        self.waiting.extend_from_slice(rest);
        Ok(done)
    }

    /// The members for everything so far, so that a member of somebody else may follow.
    pub(super) fn flush(&mut self) -> io::Result<Vec<Vec<u8>>> {
        // Most are the heads of a few files.
        let last = match self.waiting.as_slice() {
            [] => None,
            waiting => Some(member(self.encoding, &mut self.deflate, waiting)?),
        };
        self.waiting.clear();
        let mut done = Vec::new();
        self.take(0, &mut done)?;
        done.extend(last);
        Ok(done)
    }

    /// The same where somebody else has compressed what waits, with [`Heads`].
    pub(super) fn flush_as(&mut self, last: Vec<u8>) -> io::Result<Vec<Vec<u8>>> {
        debug_assert_eq!(
            last,
            member(self.encoding, &mut self.deflate, &self.waiting)?,
            "it is the member of what waits"
        );
        self.waiting.clear();
        let mut done = Vec::new();
        self.take(0, &mut done)?;
        done.push(last);
        Ok(done)
    }

    /// The members for everything that is left.
    pub(super) fn finish(mut self) -> io::Result<Vec<Vec<u8>>> {
        match self.single.take() {
            Some(single) => Ok(vec![single.finish()?]),
            None => self.flush(),
        }
    }

    /// Has a piece compressed by another thread.
    fn begin(&mut self, piece: Vec<u8>) {
        let (give, take) = sync_channel(1);
        let encoding = self.encoding;
        rayon::spawn(move || {
            // Nobody takes it if the layer is given up.
            let _ = give.send(member(encoding, &mut deflate(), &piece));
        });
        self.begun.push_back(take);
    }

    /// Takes the members that are finished, and waits for them as long as there are more than `most` in all.
    fn take(&mut self, most: usize, done: &mut Vec<Vec<u8>>) -> io::Result<()> {
        while let Some(first) = self.begun.front() {
            let member = match first.try_recv() {
                Err(TryRecvError::Empty) if self.begun.len() > most => wait(first),
                Err(TryRecvError::Empty) => return Ok(()),
                member => member.ok(),
            };
            done.push(member.ok_or_else(|| io::Error::other("a compressing thread has ended"))??);
            self.begun.pop_front();
        }
        Ok(())
    }
}

/// Compresses what is between the contents of two files that are spliced into a layer, for whoever prepares the files on other
/// threads than the layer's.
#[derive(Debug)]
pub(in crate::backend) struct Heads(Compress);

impl Heads {
    pub(in crate::backend) fn new() -> Self {
        Self(deflate())
    }

    /// The member from the end of the content of a file of this size to the content of this entry.
    pub(in crate::backend) fn between(
        &mut self,
        size: u64,
        entry: &Entry<'_>,
    ) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; tar::padding(size)];
        bytes.extend(tar::head(entry, &[])?);
        gzip(&mut self.0, &bytes)
    }
}

/// Waits for a member. On a thread of rayon's it compresses meanwhile: all of them may be waiting.
fn wait(member: &Receiver<io::Result<Vec<u8>>>) -> Option<io::Result<Vec<u8>>> {
    loop {
        match rayon::yield_now() {
            None => return member.recv().ok(),
            Some(rayon::Yield::Executed) => {}
            Some(rayon::Yield::Idle) => thread::yield_now(),
        }
        match member.try_recv() {
            Err(TryRecvError::Empty) => {}
            member => return member.ok(),
        }
    }
}

/// A piece, compressed.
fn member(encoding: Encoding, deflate: &mut Compress, piece: &[u8]) -> io::Result<Vec<u8>> {
    match encoding {
        Encoding::Zstd => zstd::bulk::compress(piece, ZSTD_LEVEL),
        Encoding::Gzip | Encoding::GzipSingle => gzip(deflate, piece),
    }
}

fn level() -> Compression {
    Compression::new(LEVEL)
}

fn deflate() -> Compress {
    Compress::new(level(), false)
}

/// A gzip member.
fn gzip(deflate: &mut Compress, piece: &[u8]) -> io::Result<Vec<u8>> {
    deflate.reset();
    let mut member = Vec::with_capacity(piece.len() / 2 + 128);
    member.extend_from_slice(&HEAD);
    loop {
        let read = usize::try_from(deflate.total_in()).unwrap_or(piece.len());
        let done = deflate.compress_vec(&piece[read..], &mut member, FlushCompress::Finish)?;
        if done == Status::StreamEnd {
            break;
        }
        member.reserve(piece.len() / 2 + 128);
    }
    let mut crc = Crc::new();
    crc.update(piece);
    member.extend_from_slice(&crc.sum().to_le_bytes());
    member.extend_from_slice(&crc.amount().to_le_bytes());
    Ok(member)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_member_is_what_an_encoder_writes() {
        let mut state = 1_u64;
        let mut deflate = deflate();
        for size in [0, 1, 511, 1536, 70_000, 1_500_000] {
            let bytes = (0..size).map(|at: usize| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                // Noise, and what repeats itself.
                if (at / 1000).is_multiple_of(3) {
                    (state >> 56) as u8
                } else {
                    b'a' + u8::try_from(at / 7 % 5).unwrap()
                }
            });
            let bytes: Vec<u8> = bytes.collect();
            let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), level());
            encoder.write_all(&bytes).unwrap();
            let wanted = encoder.finish().unwrap();
            assert!(gzip(&mut deflate, &bytes).unwrap() == wanted, "{size}");
        }
    }
}
