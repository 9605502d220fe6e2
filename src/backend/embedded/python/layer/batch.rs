//! What goes between the thread that reads wheels and the one that writes their layer.

use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender};

use super::super::zip::Chunk;
use super::source::{Source, member};
use crate::backend::BuildError;

/// What the reader hands to the writer.
pub(super) enum Piece<'a> {
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
pub(super) struct Whole {
    pub(super) place: Place,
    /// What is between the file before and this one, compressed, if both are spliced.
    pub(super) between: Option<Vec<u8>>,
}

/// Where the bytes of a file are in a [`Room`].
pub(super) struct Place {
    pub(super) packed: Range<usize>,
    pub(super) plain: Range<usize>,
}

/// The bytes of the files that are read at once: as they are in their wheels, and plain. Has bytes of earlier files too.
#[derive(Default)]
pub(super) struct Room {
    pub(super) packed: Vec<u8>,
    pub(super) plain: Vec<u8>,
}

/// What is handed over at once.
pub(super) struct Batch<'a> {
    pub(super) pieces: Vec<Piece<'a>>,
    pub(super) room: Room,
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
pub(super) struct Hands<'a> {
    pub(super) give: SyncSender<Batch<'a>>,
    pub(super) back: Receiver<Room>,
}

impl<'a> Hands<'a> {
    pub(super) fn give(&self, batch: impl Into<Batch<'a>>) -> Result<(), BuildError> {
        // A writer that has stopped says why itself.
        let given = self.give.send(batch.into());
        given.map_err(|_| BuildError::Cancelled)
    }
}

/// Where a file is read to.
pub(super) struct Part<'r> {
    pub(super) place: Place,
    pub(super) packed: &'r mut [u8],
    /// A byte longer than the file.
    pub(super) plain: &'r mut [u8],
}

impl Room {
    /// A part for each of these files, side by side.
    pub(super) fn parts(&mut self, files: &[(&str, &Source<'_>)]) -> Vec<Part<'_>> {
        let needs = |(_, source): &(&str, &Source<'_>)| {
            member(source).map_or((0, 1), |(open, at, _)| open.zip.members[at].room())
        };
        let needs: Vec<(usize, usize)> = files.iter().map(needs).collect();
        // Some more at once: the files of later batches have other sizes.
        let at_least = |room: &mut Vec<u8>, length: usize| {
            if room.len() < length {
                *room = vec![0; length + length / 2];
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
