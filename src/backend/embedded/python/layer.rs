//! Writes the layer of one or several wheels: their files where they belong, in order, compressed as the wheels have them.
//!
//! One thread reads ahead and has files inflated and checked by all processors, another hashes and writes, so that neither
//! waits for the other; what is between them is bounded.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use flate2::Decompress;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::plan::{Content, Placed, Plan};
use super::record::Hash;
use super::zip::{self, Chunk, Member, Start, Zip, ZipError, refused};
use crate::backend::BuildError;
use crate::backend::embedded::common::failed;
use crate::backend::embedded::copy::Item;
use crate::backend::oci::layer::{Encoding, Entry, EntryKind, Heads, Layer, LayerWriter};
use crate::backend::oci::store::Store;
use crate::cancel::Cancel;

/// How much content is read at once, at most, and the largest member that is not read in pieces.
const BATCH: u64 = 4 << 20;

/// The same at least. Smaller batches keep processors waiting for each other.
const SMALLEST_BATCH: u64 = 256 << 10;

/// In how many batches a layer is read if they are not too large or too small: what one thread reads, the other writes later, so
/// both wait for the length of one batch; and memory that was used by one serves again.
const BATCHES: u64 = 16;

/// Smaller files are compressed anew, together with the heads beside them.
const SMALL: u64 = 2 << 10;

/// An open wheel with its plan.
pub(super) struct Open {
    /// The name of its file.
    pub(super) name: String,
    pub(super) zip: Zip,
    pub(super) starts: Vec<Start>,
    pub(super) plan: Plan,
}

/// An entry of the layer.
pub(super) enum Source<'a> {
    Folder(Item<'a>),
    File(&'a Open, &'a Placed),
}

/// The files of a layer by path, without slashes at their starts.
pub(super) type Entries<'a> = BTreeMap<String, Source<'a>>;

/// What the reader hands to the writer.
enum Piece<'a> {
    /// A directory, or a file whose content was made.
    Entry(&'a str, &'a Source<'a>),
    /// A whole file.
    Whole(&'a str, &'a Source<'a>, Whole),
    /// The start of a large file, then its chunks, then its end.
    Start(&'a str, &'a Source<'a>),
    Chunk(Chunk),
    End,
    Failed(BuildError),
}

/// What is ready of a file that is read at once.
struct Whole {
    /// Its bytes in the wheel.
    packed: Vec<u8>,
    plain: Vec<u8>,
    /// What is between the file before and this one, compressed, if both are spliced.
    between: Option<Vec<u8>>,
}

/// Writes the layer into the store.
pub(super) fn write(
    entries: &Entries<'_>,
    store: &Store,
    encoding: Encoding,
    cancel: &Cancel,
) -> Result<Layer, BuildError> {
    let mut writer = LayerWriter::new(store, encoding).map_err(failed)?;
    thread::scope(|scope| {
        let (give, take) = sync_channel(1);
        scope.spawn(move || {
            if let Err(error) = read(entries, encoding, cancel, &give) {
                // A writer that has failed does not listen.
                let _ = give.send(vec![Piece::Failed(error)]);
            }
        });
        write_all(&take, &mut writer)
    })?;
    writer.finish().map_err(failed)
}

type Give<'a> = SyncSender<Vec<Piece<'a>>>;

/// The writer has stopped; it says why itself.
fn gone<E>(_: E) -> BuildError {
    BuildError::Cancelled
}

fn read<'a>(
    entries: &'a Entries<'a>,
    encoding: Encoding,
    cancel: &Cancel,
    give: &Give<'a>,
) -> Result<(), BuildError> {
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
            give.send(inflated(&batch, encoding)?).map_err(gone)?;
            batch.clear();
            held = 0;
        }
        match member(source) {
            Some((open, at, hash)) if size > BATCH => {
                give.send(vec![Piece::Start(path, source)]).map_err(gone)?;
                stream(open, at, hash, cancel, give)?;
            }
            _ => {
                held += size;
                batch.push((path, source));
            }
        }
    }
    give.send(inflated(&batch, encoding)?).map_err(gone)
}

/// How much is to be read for an entry.
fn size(source: &Source<'_>) -> u64 {
    member(source).map_or(0, |(open, at, _)| open.zip.members[at].size)
}

fn member<'a>(source: &Source<'a>) -> Option<(&'a Open, usize, &'a Hash)> {
    match source {
        Source::File(open, placed) => match &placed.content {
            Content::Member { at, hash } => Some((open, *at, hash)),
            Content::Made(_) => None,
        },
        Source::Folder(_) => None,
    }
}

fn inflated<'a>(
    batch: &[(&'a str, &'a Source<'a>)],
    encoding: Encoding,
) -> Result<Vec<Piece<'a>>, BuildError> {
    // In other encodings nothing is taken over.
    let is_spliced = |source: &Source<'_>| encoding == Encoding::Gzip && is_spliced(source);
    let one = |(inflater, heads): &mut (Decompress, Heads), at: usize| {
        let (path, source) = batch[at];
        let Some((open, member, hash)) = member(source) else {
            return Ok(Piece::Entry(path, source));
        };
        let mut whole = || {
            let start = open.starts[member];
            let member = &open.zip.members[member];
            let packed = open.zip.packed(member, start)?;
            let plain = zip::inflate(inflater, member, &packed)?;
            let found: Hash = Sha256::digest(&plain).into();
            check(member, found, hash)?;
            Ok((packed, plain))
        };
        let (packed, plain) = whole().map_err(|error| told(&open.name, &error))?;
        let before = at.checked_sub(1).map(|before| batch[before].1);
        let before = before.filter(|before| is_spliced(before) && is_spliced(source));
        let between = before.map(|before| heads.between(size(before), &entry(path, source)));
        Ok(Piece::Whole(
            path,
            source,
            Whole {
                packed,
                plain,
                between: between
                    .transpose()
                    .map_err(|error| failed(error.to_string()))?,
            },
        ))
    };
    let tools = || (Decompress::new(false), Heads::new());
    (0..batch.len())
        .into_par_iter()
        .map_init(tools, one)
        .collect()
}

/// Whether a file that is read at once is taken over as it is compressed in its wheel.
fn is_spliced(source: &Source<'_>) -> bool {
    size(source) >= SMALL
}

fn stream(
    open: &Open,
    at: usize,
    hash: &Hash,
    cancel: &Cancel,
    give: &Give<'_>,
) -> Result<(), BuildError> {
    let member = &open.zip.members[at];
    let mut found = Sha256::new();
    let mut on = |chunk: Chunk| {
        if let Chunk::Plain(bytes) = &chunk {
            found.update(bytes);
        }
        let sent = give.send(vec![Piece::Chunk(chunk)]);
        if cancel.is_requested() || sent.is_err() {
            return Err(ZipError::Cancelled);
        }
        Ok(())
    };
    let streamed = open.zip.stream(member, open.starts[at], &mut on);
    let checked = streamed.and_then(|()| check(member, found.finalize().into(), hash));
    checked.map_err(|error| told(&open.name, &error))?;
    give.send(vec![Piece::End]).map_err(gone)
}

fn check(member: &Member, found: Hash, wanted: &Hash) -> Result<(), ZipError> {
    if found == *wanted {
        return Ok(());
    }
    let name = &member.name;
    refused(format!("its `{name}` is not what its RECORD says"))
}

/// A failure with a wheel in words.
pub(super) fn told(wheel: &str, error: &ZipError) -> BuildError {
    match error {
        ZipError::Cancelled => BuildError::Cancelled,
        error => BuildError::Failed(format!("wheel `{wheel}`: {error}")),
    }
}

fn write_all(take: &Receiver<Vec<Piece<'_>>>, writer: &mut LayerWriter) -> Result<(), BuildError> {
    while let Ok(pieces) = take.recv() {
        for piece in pieces {
            match piece {
                Piece::Entry(path, source) => made(writer, path, source)?,
                Piece::Whole(path, source, file) => whole(writer, path, source, file)?,
                Piece::Start(path, source) => large(writer, path, source, take)?,
                Piece::Failed(error) => return Err(error),
                Piece::Chunk(_) | Piece::End => {}
            }
        }
    }
    Ok(())
}

fn made(writer: &mut LayerWriter, path: &str, source: &Source<'_>) -> Result<(), BuildError> {
    writer.entry(&entry(path, source)).map_err(failed)?;
    if let Source::File(_, placed) = source
        && let Content::Made(bytes) = &placed.content
    {
        writer.content(bytes).map_err(failed)?;
    }
    Ok(())
}

fn whole(
    writer: &mut LayerWriter,
    path: &str,
    source: &Source<'_>,
    file: Whole,
) -> Result<(), BuildError> {
    let entry = entry(path, source);
    let Some((open, at, _)) = member(source).filter(|_| is_spliced(source)) else {
        writer.entry(&entry).map_err(failed)?;
        return writer.content(&file.plain).map_err(failed);
    };
    let member = &open.zip.members[at];
    let mut splice = writer.splice(&entry, file.between).map_err(failed)?;
    if member.is_deflated {
        splice.packed(&file.packed).map_err(failed)?;
        splice.plain(&file.plain).map_err(failed)?;
        splice.finish(member.crc).map_err(failed)
    } else {
        splice.stored(&file.plain).map_err(failed)?;
        splice.finish_stored(member.crc).map_err(failed)
    }
}

/// Writes a file whose chunks follow.
fn large(
    writer: &mut LayerWriter,
    path: &str,
    source: &Source<'_>,
    take: &Receiver<Vec<Piece<'_>>>,
) -> Result<(), BuildError> {
    let Some((open, at, _)) = member(source) else {
        return Ok(());
    };
    let member = &open.zip.members[at];
    let mut splice = writer.splice(&entry(path, source), None).map_err(failed)?;
    while let Ok(pieces) = take.recv() {
        for piece in pieces {
            match piece {
                Piece::Chunk(Chunk::Packed(bytes)) => splice.packed(&bytes).map_err(failed)?,
                Piece::Chunk(Chunk::Plain(bytes)) if member.is_deflated => {
                    splice.plain(&bytes).map_err(failed)?;
                }
                Piece::Chunk(Chunk::Plain(bytes)) => splice.stored(&bytes).map_err(failed)?,
                Piece::End if member.is_deflated => {
                    return splice.finish(member.crc).map_err(failed);
                }
                Piece::End => return splice.finish_stored(member.crc).map_err(failed),
                Piece::Failed(error) => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

fn entry<'a>(path: &'a str, source: &'a Source<'_>) -> Entry<'a> {
    match source {
        Source::Folder(item) => item.entry(),
        Source::File(open, placed) => {
            let size = match &placed.content {
                Content::Member { at, .. } => open.zip.members[*at].size,
                Content::Made(bytes) => bytes.len() as u64,
            };
            Entry {
                path,
                kind: EntryKind::File { size },
                mode: if placed.is_executable { 0o755 } else { 0o644 },
                uid: 0,
                gid: 0,
            }
        }
    }
}
