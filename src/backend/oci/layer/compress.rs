//! Compression of a layer: pieces of fixed size, each a gzip member or a zstd frame of its own.
//!
//! Both formats allow several (RFC 1952, 2.2; RFC 8878, 3). So all processors can compress one layer, and the result does
//! not depend on how many there are. Old unpackers that stop after the first gzip member need a single one.

use std::io::{self, Write};

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use rayon::prelude::*;

/// The size of a piece before compression: large enough that splitting costs next to nothing in size.
const PIECE: usize = 4 << 20;

/// The level of gzip: faster than the usual 6, for layers that are hardly larger.
const LEVEL: u32 = 4;

/// The level of zstd: its default.
const ZSTD_LEVEL: i32 = 3;

/// Pieces that are compressed at once.
const AT_ONCE: usize = 8;

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
    single: Option<GzEncoder<Vec<u8>>>,
}

impl Compressor {
    pub(super) fn new(encoding: Encoding) -> Self {
        let single = encoding == Encoding::GzipSingle;
        Self {
            encoding,
            waiting: Vec::new(),
            single: single.then(|| encoder(Vec::new())),
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
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() < AT_ONCE * PIECE {
            return Ok(Vec::new());
        }
        let whole = self.waiting.len() / PIECE * PIECE;
        let rest = self.waiting.split_off(whole);
        let members = members(&self.waiting, self.encoding);
        self.waiting = rest;
        members
    }

    /// The members for everything so far, so that a member of somebody else may follow.
    pub(super) fn flush(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let members = members(&self.waiting, self.encoding);
        self.waiting.clear();
        members
    }

    /// The members for everything that is left.
    pub(super) fn finish(mut self) -> io::Result<Vec<Vec<u8>>> {
        match self.single.take() {
            Some(single) => Ok(vec![single.finish()?]),
            None => self.flush(),
        }
    }
}

fn members(bytes: &[u8], encoding: Encoding) -> io::Result<Vec<Vec<u8>>> {
    let member = |piece: &[u8]| match encoding {
        Encoding::Zstd => zstd::bulk::compress(piece, ZSTD_LEVEL),
        Encoding::Gzip | Encoding::GzipSingle => member(piece),
    };
    if bytes.len() <= PIECE {
        // Most members are the heads of a few files.
        return bytes.chunks(PIECE).map(member).collect();
    }
    bytes.par_chunks(PIECE).map(member).collect()
}

fn member(piece: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = encoder(Vec::with_capacity(piece.len() / 3 + 64));
    encoder.write_all(piece)?;
    encoder.finish()
}

fn encoder(to: Vec<u8>) -> GzEncoder<Vec<u8>> {
    GzBuilder::new().mtime(0).write(to, Compression::new(LEVEL))
}
