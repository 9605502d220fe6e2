//! Writes the layer of one or several wheels: their files where they belong, in order, compressed as the wheels have them.
//!
//! One thread reads ahead and has files inflated and checked by all processors, another hashes and writes, so that neither
//! waits for the other; what is between them is bounded. Memory goes back from the writer to the reader: that of all files
//! together, new each time, would take longer to get than the hashes of what is in it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use flate2::Decompress;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::plan::{Content, Placed, Plan};
use super::record::Hash;
use super::zip::{Chunk, Member, Start, Zip, ZipError, refused};
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
    place: Place,
    /// What is between the file before and this one, compressed, if both are spliced.
    between: Option<Vec<u8>>,
}

/// Where the bytes of a file are in a [`Room`].
struct Place {
    packed: Range<usize>,
    plain: Range<usize>,
}

/// The bytes of the files that are read at once: as they are in their wheels, and plain. Has bytes of earlier files too.
#[derive(Default)]
struct Room {
    packed: Vec<u8>,
    plain: Vec<u8>,
}

/// What is handed over at once.
struct Batch<'a> {
    pieces: Vec<Piece<'a>>,
    room: Room,
}

impl<'a> From<Piece<'a>> for Batch<'a> {
    fn from(piece: Piece<'a>) -> Self {
        Self {
            pieces: vec![piece],
            room: Room::default(),
        }
    }
}

/// The reader's ends: batches go, and rooms come back.
struct Hands<'a> {
    give: SyncSender<Batch<'a>>,
    back: Receiver<Room>,
}

impl<'a> Hands<'a> {
    fn give(&self, batch: impl Into<Batch<'a>>) -> Result<(), BuildError> {
        // A writer that has stopped says why itself.
        let given = self.give.send(batch.into());
        given.map_err(|_| BuildError::Cancelled)
    }
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
        let (give_back, back) = channel();
        scope.spawn(move || {
            let hands = Hands { give, back };
            if let Err(error) = read(entries, encoding, cancel, &hands) {
                // A writer that has failed does not listen.
                let _ = hands.give(Piece::Failed(error));
            }
        });
        write_all(&take, &give_back, &mut writer)
    })?;
    writer.finish().map_err(failed)
}

fn read<'a>(
    entries: &'a Entries<'a>,
    encoding: Encoding,
    cancel: &Cancel,
    hands: &Hands<'a>,
) -> Result<(), BuildError> {
    let inflate = |files: &[(&'a str, &'a Source<'a>)]| {
        let room = hands.back.try_recv().unwrap_or_default();
        hands.give(inflated(files, encoding, room)?)
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
    files: &[(&'a str, &'a Source<'a>)],
    encoding: Encoding,
    mut room: Room,
) -> Result<Batch<'a>, BuildError> {
    // In other encodings nothing is taken over.
    let is_spliced = |source: &Source<'_>| encoding == Encoding::Gzip && is_spliced(source);
    let one = |(inflater, heads): &mut (Decompress, Heads), (at, part): (usize, Part<'_>)| {
        let (path, source) = files[at];
        let Some((open, member, hash)) = member(source) else {
            return Ok(Piece::Entry(path, source));
        };
        let Part {
            place,
            packed,
            plain,
        } = part;
        let mut whole = || {
            open.zip
                .whole(member, open.starts[member], inflater, packed, plain)?;
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
        Ok(Piece::Whole(path, source, Whole { place, between }))
    };
    let tools = || (Decompress::new(false), Heads::new());
    let pieces = room
        .parts(files)
        .into_par_iter()
        .enumerate()
        .map_init(tools, one)
        .collect::<Result<_, BuildError>>()?;
    Ok(Batch { pieces, room })
}

/// Where a file is read to.
struct Part<'r> {
    place: Place,
    packed: &'r mut [u8],
    /// A byte longer than the file.
    plain: &'r mut [u8],
}

impl Room {
    /// A part for each of these files, side by side.
    fn parts(&mut self, files: &[(&str, &Source<'_>)]) -> Vec<Part<'_>> {
        let needs = |(_, source): &(&str, &Source<'_>)| {
            member(source).map_or((0, 1), |(open, at, _)| open.zip.members[at].room())
        };
        let needs: Vec<(usize, usize)> = files.iter().map(needs).collect();
        let at_least = |room: &mut Vec<u8>, length: usize| {
            if room.len() < length {
                room.resize(length, 0);
            }
        };
        at_least(
            &mut self.packed,
            needs.iter().map(|(packed, _)| packed).sum(),
        );
        at_least(&mut self.plain, needs.iter().map(|(_, plain)| plain).sum());
        let (mut packed, mut plain) = (self.packed.as_mut_slice(), self.plain.as_mut_slice());
        let (mut in_packed, mut in_plain) = (0, 0);
        let mut parts = Vec::with_capacity(needs.len());
        for (of_packed, of_plain) in needs {
            parts.push(Part {
                place: Place {
                    packed: in_packed..in_packed + of_packed,
                    plain: in_plain..in_plain + of_plain - 1,
                },
                packed: packed.split_off_mut(..of_packed).unwrap_or_default(),
                plain: plain.split_off_mut(..of_plain).unwrap_or_default(),
            });
            in_packed += of_packed;
            in_plain += of_plain;
        }
        parts
    }
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

/// A failure with a wheel in words.
pub(super) fn told(wheel: &str, error: &ZipError) -> BuildError {
    match error {
        ZipError::Cancelled => BuildError::Cancelled,
        error => BuildError::Failed(format!("wheel `{wheel}`: {error}")),
    }
}

fn write_all(
    take: &Receiver<Batch<'_>>,
    back: &Sender<Room>,
    writer: &mut LayerWriter,
) -> Result<(), BuildError> {
    while let Ok(Batch { pieces, room }) = take.recv() {
        for piece in pieces {
            match piece {
                Piece::Entry(path, source) => made(writer, path, source)?,
                Piece::Whole(path, source, file) => whole(writer, path, source, file, &room)?,
                Piece::Start(path, source) => large(writer, path, source, take)?,
                Piece::Failed(error) => return Err(error),
                Piece::Chunk(_) | Piece::End => {}
            }
        }
        if !room.plain.is_empty() {
            // A reader that is done needs no more.
            let _ = back.send(room);
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
    room: &Room,
) -> Result<(), BuildError> {
    let entry = entry(path, source);
    let (packed, plain) = (
        &room.packed[file.place.packed],
        &room.plain[file.place.plain],
    );
    let Some((open, at, _)) = member(source).filter(|_| is_spliced(source)) else {
        writer.entry(&entry).map_err(failed)?;
        return writer.content(plain).map_err(failed);
    };
    let member = &open.zip.members[at];
    let mut splice = writer.splice(&entry, file.between).map_err(failed)?;
    if member.is_deflated {
        splice.packed(packed).map_err(failed)?;
        splice.plain(plain).map_err(failed)?;
        splice.finish(member.crc).map_err(failed)
    } else {
        splice.stored(plain).map_err(failed)?;
        splice.finish_stored(member.crc).map_err(failed)
    }
}

/// Writes a file whose chunks follow.
fn large(
    writer: &mut LayerWriter,
    path: &str,
    source: &Source<'_>,
    take: &Receiver<Batch<'_>>,
) -> Result<(), BuildError> {
    let Some((open, at, _)) = member(source) else {
        return Ok(());
    };
    let member = &open.zip.members[at];
    let mut splice = writer.splice(&entry(path, source), None).map_err(failed)?;
    while let Ok(Batch { pieces, .. }) = take.recv() {
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
