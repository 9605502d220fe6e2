//! Reads wheels ahead of the thread that writes their layer: inflates and checks their files on all processors.

use flate2::Decompress;
use parking_lot::Mutex;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::super::record::Hash;
use super::super::zip::{Chunk, Member, ZipError, refused};
use super::batch::{Batch, Hands, Part, Piece, Room, Whole};
use super::source::{Entries, Open, Source, entry, is_spliced, member, size, told};
use crate::backend::BuildError;
use crate::backend::embedded::common::failed;
use crate::backend::oci::layer::{Encoding, Heads};
use crate::cancel::Cancel;

/// How much content is read at once, at most, and the largest member that is not read in pieces.
const BATCH: u64 = 4 << 20;

/// The same at least. Smaller batches keep processors waiting for each other.
const SMALLEST_BATCH: u64 = 256 << 10;

/// In how many batches a layer is read if they are not too large or too small: what one thread reads, the other writes later, so
/// both wait for the length of one batch; and memory that was used by one serves again.
const BATCHES: u64 = 16;

pub(super) fn read<'a>(
    entries: &'a Entries<'a>,
    encoding: Encoding,
    cancel: &Cancel,
    hands: &Hands<'a>,
) -> Result<(), BuildError> {
    let tools = Tools::default();
    let inflate = |files: &[(&'a str, &'a Source<'a>)]| {
        let room = hands.back.try_recv().unwrap_or_default();
        hands.give(inflated(files, encoding, room, &tools)?)
    };
    let all: u64 = entries.values().map(size).sum();
    let most = (all / BATCHES).clamp(SMALLEST_BATCH, BATCH);
    let mut batch: Vec<(&str, &Source<'_>)> = Vec::new();
    let mut held = 0;
    for (path, source) in entries {
        if cancel.is_requested() {
            return Err(BuildError::Cancelled);
        }
        let size = size(source);
        if held + size > most && !batch.is_empty() {
            inflate(&batch)?;
            batch.clear();
            held = 0;
        }
        match member(source) {
            Some((open, at, hash)) if size > BATCH => {
                hands.give(Piece::Start(path, source))?;
                stream(open, at, hash, cancel, hands)?;
            }
            _ => {
                held += size;
                batch.push((path, source));
            }
        }
    }
    inflate(&batch)
}

fn inflated<'a>(
    files: &[(&'a str, &'a Source<'a>)],
    encoding: Encoding,
    mut room: Room,
    tools: &Tools,
) -> Result<Batch<'a>, BuildError> {
    // In other encodings nothing is taken over.
    let is_spliced = |source: &Source<'_>| encoding == Encoding::Gzip && is_spliced(source);
    let one = |(at, part): (usize, Part<'_>)| {
        let (path, source) = files[at];
        let Some((open, member, hash)) = member(source) else {
            return Ok(Piece::Entry(path, source));
        };
        let Part {
            place,
            packed,
            plain,
        } = part;
        let (mut inflater, mut heads) = tools.take();
        let mut whole = || {
            let start = open.starts[member];
            open.zip
                .whole(member, start, &mut inflater, packed, plain)?;
            let found: Hash = Sha256::digest(&plain[..place.plain.len()]).into();
            check(&open.zip.members[member], found, hash)
        };
        whole().map_err(|error| told(&open.name, &error))?;
        let before = at.checked_sub(1).map(|before| files[before].1);
        let before = before.filter(|before| is_spliced(before) && is_spliced(source));
        let between = before.map(|before| heads.between(size(before), &entry(path, source)));
        let between = between
            .transpose()
            .map_err(|error| failed(error.to_string()))?;
        tools.0.lock().push((inflater, heads));
        Ok(Piece::Whole(path, source, Whole { place, between }))
    };
    let pieces = room
        .parts(files)
        .into_par_iter()
        .enumerate()
        .map(one)
        .collect::<Result<_, BuildError>>()?;
    Ok(Batch { pieces, room })
}

/// What inflates and compresses, used for one file after the other: to make it takes longer than a small file.
#[derive(Default)]
struct Tools(Mutex<Vec<(Decompress, Heads)>>);

impl Tools {
    fn take(&self) -> (Decompress, Heads) {
        let taken = self.0.lock().pop();
        taken.unwrap_or_else(|| (Decompress::new(false), Heads::new()))
    }
}

fn stream(
    open: &Open,
    at: usize,
    hash: &Hash,
    cancel: &Cancel,
    hands: &Hands<'_>,
) -> Result<(), BuildError> {
    let member = &open.zip.members[at];
    let mut found = Sha256::new();
    let mut on = |chunk: Chunk| {
        if let Chunk::Plain(bytes) = &chunk {
            found.update(bytes);
        }
        let sent = hands.give(Piece::Chunk(chunk));
        if cancel.is_requested() || sent.is_err() {
            return Err(ZipError::Cancelled);
        }
        Ok(())
    };
    let streamed = open.zip.stream(member, open.starts[at], &mut on);
    let checked = streamed.and_then(|()| check(member, found.finalize().into(), hash));
    checked.map_err(|error| told(&open.name, &error))?;
    hands.give(Piece::End)
}

fn check(member: &Member, found: Hash, wanted: &Hash) -> Result<(), ZipError> {
    if found == *wanted {
        return Ok(());
    }
    let name = &member.name;
    refused(format!("its `{name}` is not what its RECORD says"))
}
