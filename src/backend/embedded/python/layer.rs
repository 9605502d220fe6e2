//! Writes the layer of one or several wheels: their files where they belong, in order, compressed as the wheels have them.
//!
//! One thread reads ahead and has files inflated and checked by all processors, another hashes and writes, so that neither
//! waits for the other; what is between them is bounded. Memory goes back from the writer to the reader: that of all files
//! together, new each time, would take longer to get than the hashes of what is in it.

mod batch;
mod read;
mod source;

use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread;

use super::plan::Content;
use super::zip::Chunk;
use crate::backend::BuildError;
use crate::backend::embedded::common::failed;
use crate::backend::oci::layer::{Encoding, Layer, LayerWriter};
use crate::backend::oci::store::Store;
use crate::cancel::Cancel;
use batch::{Batch, Hands, Piece, Room, Whole};
use read::read;
pub(super) use source::{Entries, Open, Source, told};
use source::{entry, is_spliced, member};

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
