//! Packages become one layer: unpacked outside, by all processors, with dpkg's database as if dpkg had just done it.
//!
//! dpkg's own unpacking is six times slower, one package after the other, each file synced. Contents wait in files of the
//! store, because packages have them in any order, and a layer has them in that of their paths.

use std::collections::BTreeMap;
use std::io;
use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread;

use parking_lot::Mutex;

use super::Package;
use super::control;
use super::database::{self, Before};
use super::deb::{self, Deb, Kind};
use super::lay::{Content, Entry, Incoming, Laid, LayError};
use crate::backend::BuildError;
use crate::backend::embedded::base::Source;
use crate::backend::embedded::common::{failed, stored};
use crate::backend::embedded::trees;
use crate::backend::oci::layer::{self, Encoding, EntryKind, Layer, LayerWriter};
use crate::backend::oci::store::Spool;

/// Why packages did not become a layer.
#[derive(Debug)]
pub(super) enum UnpackError {
    /// Only dpkg knows what to do, in words.
    Unclear(String),
    Failed(BuildError),
}

impl From<BuildError> for UnpackError {
    fn from(error: BuildError) -> Self {
        Self::Failed(error)
    }
}

impl From<LayError> for UnpackError {
    fn from(error: LayError) -> Self {
        match error {
            LayError::Unclear(why) => Self::Unclear(why),
            LayError::Overwritten { .. } => Self::Failed(failed(error)),
            LayError::Cancelled => Self::Failed(BuildError::Cancelled),
        }
    }
}

/// Packages that have been read.
pub(super) struct Unpacked<'a> {
    source: &'a Source<'a>,
    packages: &'a [Package],
    debs: Vec<Held>,
    spools: Vec<Mutex<Spool>>,
}

/// A package, and where its contents are.
struct Held {
    deb: Deb,
    spool: usize,
    start: u64,
}

impl<'a> Unpacked<'a> {
    /// Reads packages, as many at once as there are processors, each when `fetch` has told that it is there.
    pub(super) fn read(
        packages: &'a [Package],
        source: &'a Source<'a>,
        fetch: impl FnOnce(&(dyn Fn(usize) + Sync)) -> Result<(), BuildError>,
    ) -> Result<Self, UnpackError> {
        let spools = (0..rayon::current_num_threads().min(packages.len()).max(1))
            .map(|_| source.store.spool().map(Mutex::new));
        let spools: Vec<Mutex<Spool>> = spools.collect::<Result<_, _>>().map_err(failed)?;
        let (give, take) = mpsc::channel();
        let take = Mutex::new(take);
        let work = |number: usize| -> Result<Vec<(usize, Held)>, BuildError> {
            let mut read = Vec::new();
            // Held while waiting: whoever has it gets the next one.
            while let Ok(at) = { take.lock().recv() } {
                let spool = (number, &spools[number]);
                read.push((at, one(&packages[at], spool, source)?));
            }
            Ok(read)
        };
        let work = &work;
        let (fetched, read) = thread::scope(|scope| {
            let threads: Vec<_> = (0..spools.len())
                .map(|number| scope.spawn(move || work(number)))
                .collect();
            let fetched = fetch(&|at| {
                // Nobody takes it if reading has failed, which is told afterwards.
                let _ = give.send(at);
            });
            drop(give);
            let read = threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
            (fetched, read.collect::<Result<Vec<_>, _>>())
        });
        fetched?;
        let mut debs: Vec<(usize, Held)> = read?.into_iter().flatten().collect();
        debs.sort_by_key(|(at, _)| *at);
        Ok(Self {
            source,
            packages,
            debs: debs.into_iter().map(|(_, held)| held).collect(),
            spools,
        })
    }

    /// The packages as they are laid down.
    pub(super) fn incoming(&self) -> Result<Vec<Incoming<'_>>, UnpackError> {
        let each = self.debs.iter().zip(self.packages);
        let each = each.map(|(held, package)| {
            let damaged = |why: String| failed(format!("package `{}`: {why}", package.name));
            let text = held.deb.control.get("control").map(|member| &*member.bytes);
            let text = std::str::from_utf8(text.unwrap_or_default());
            let text = text.map_err(|_| damaged("its file `control` is not UTF-8".to_owned()))?;
            let stanza = control::single(text)
                .map_err(|error| damaged(format!("its file `control`: {error}")))?;
            let says = ["Package", "Version", "Architecture"].map(|field| stanza.line(field));
            if says != [&package.name, &package.version, &package.architecture] {
                let is = says.join(" ");
                return Err(
                    damaged(format!("it is `{is}`, which the archive does not say")).into(),
                );
            }
            if !is_name(says[0]) || !is_name(says[2]) {
                return Err(damaged("its name or its architecture is not one".to_owned()).into());
            }
            let mut incoming = Incoming::new(stanza, &held.deb);
            incoming.is_requested = package.is_requested;
            Ok(incoming)
        });
        each.collect()
    }

    /// The layer of packages on a base, with dpkg's database.
    pub(super) fn layer(
        &self,
        mut laid: Laid,
        incoming: &[Incoming<'_>],
        before: &Before<'_>,
        encoding: Encoding,
    ) -> Result<Layer, UnpackError> {
        laid.lay(incoming, &|| self.source.cancel.is_requested())?;
        for (path, mode, text) in database::files(&laid, incoming, before)? {
            laid.put(&path, Content::Text(text), mode)?;
        }
        laid.add_parents();
        Ok(self.write(&laid.entries, encoding)?)
    }

    /// Writes the layer, and unpacks it meanwhile: it is needed that way right afterwards.
    fn write(
        &self,
        entries: &BTreeMap<String, Entry>,
        encoding: Encoding,
    ) -> Result<Layer, BuildError> {
        trees::meanwhile(trees::here(), self.source, |tap| {
            let writer = LayerWriter::new(self.source.store, encoding).map_err(failed)?;
            self.write_to(writer.tapped(tap), entries)
        })
    }

    fn write_to(
        &self,
        mut writer: LayerWriter,
        entries: &BTreeMap<String, Entry>,
    ) -> Result<Layer, BuildError> {
        // The first path of each file has its content; the others are links to it.
        let mut first: BTreeMap<(usize, usize), &str> = BTreeMap::new();
        for (path, entry) in entries {
            if self.source.cancel.is_requested() {
                return Err(BuildError::Cancelled);
            }
            let begin = |writer: &mut LayerWriter, kind: EntryKind<'_>| {
                let entry = layer::Entry {
                    path,
                    kind,
                    mode: entry.mode,
                    uid: entry.uid,
                    gid: entry.gid,
                };
                writer.entry(&entry).map_err(failed)
            };
            match &entry.content {
                Content::Folder => begin(&mut writer, EntryKind::Folder)?,
                Content::Link(target) => begin(&mut writer, EntryKind::Link { target })?,
                Content::Text(text) => {
                    let size = text.len() as u64;
                    begin(&mut writer, EntryKind::File { size })?;
                    writer.content(text).map_err(failed)?;
                }
                Content::File(package, item) => {
                    if let Some(target) = first.get(&(*package, *item)) {
                        begin(&mut writer, EntryKind::HardLink { target })?;
                        continue;
                    }
                    first.insert((*package, *item), path);
                    let held = &self.debs[*package];
                    let Kind::File { size, at, .. } = held.deb.items[*item].kind else {
                        return Err(failed("a link leads to what is no file"));
                    };
                    begin(&mut writer, EntryKind::File { size })?;
                    let spool = self.spools[held.spool].lock();
                    let mut give = |piece: &[u8]| writer.content(piece);
                    let sent = spool.read(held.start + at, size, &mut give);
                    sent.map_err(failed)?.map_err(failed)?;
                }
            }
        }
        writer.finish().map_err(failed)
    }
}

fn one(
    package: &Package,
    (number, spool): (usize, &Mutex<Spool>),
    source: &Source<'_>,
) -> Result<Held, BuildError> {
    let (file, _) = source.store.read(package.sha256).map_err(stored)?;
    let mut spool = spool.lock();
    let start = spool.size();
    let mut give = |piece: &[u8]| {
        if source.cancel.is_requested() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let added = spool.add(piece);
        added.map_err(|error| io::Error::other(error.to_string()))
    };
    let deb = deb::read(io::BufReader::with_capacity(256 << 10, file), &mut give);
    let deb = deb.map_err(|error| {
        if source.cancel.is_requested() {
            return BuildError::Cancelled;
        }
        failed(format!("package `{}`: {error}", package.name))
    })?;
    Ok(Held {
        deb,
        spool: number,
        start,
    })
}

/// Whether this may be part of a file's name.
fn is_name(text: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(word) && text.chars().all(|c| word(c) || "+-.".contains(c))
}

#[cfg(test)]
mod tests;
