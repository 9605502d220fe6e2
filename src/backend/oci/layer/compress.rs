//! Compression of a layer: pieces of fixed size, each a gzip member of its own.
//!
//! A gzip file may consist of several members (RFC 1952, 2.2). So all processors can compress one layer, and the result does
//! not depend on how many there are.

use std::io::{self, Write};

use flate2::{Compression, GzBuilder};
use rayon::prelude::*;

/// The size of a piece before compression: large enough that splitting costs next to nothing in size.
const PIECE: usize = 4 << 20;

/// The level: faster than the usual 6, for layers that are hardly larger.
const LEVEL: u32 = 4;

/// Pieces that are compressed at once.
const AT_ONCE: usize = 8;

/// Compresses what is written to it; hands on whole members.
#[derive(Debug, Default)]
pub(super) struct Compressor {
    waiting: Vec<u8>,
}

impl Compressor {
    /// Takes bytes, and returns what is finished.
    pub(super) fn add(&mut self, bytes: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() < AT_ONCE * PIECE {
            return Ok(Vec::new());
        }
        let whole = self.waiting.len() / PIECE * PIECE;
        let rest = self.waiting.split_off(whole);
        let members = members(&self.waiting);
        self.waiting = rest;
        members
    }

    /// The members for everything that is left.
    pub(super) fn finish(self) -> io::Result<Vec<Vec<u8>>> {
        members(&self.waiting)
    }
}

fn members(bytes: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    bytes.par_chunks(PIECE).map(member).collect()
}

fn member(piece: &[u8]) -> io::Result<Vec<u8>> {
    let empty = Vec::with_capacity(piece.len() / 3 + 64);
    let mut encoder = GzBuilder::new()
        .mtime(0)
        .write(empty, Compression::new(LEVEL));
    encoder.write_all(piece)?;
    encoder.finish()
}
