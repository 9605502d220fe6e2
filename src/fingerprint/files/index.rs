//! The index of file times: what a run saves so that later runs need not read unchanged files.
//!
//! Missing a change would be the worst bug of this program, so files are read in every case of doubt; see
//! `docs/design/index.md`. Nothing here is an error: without a usable index, all files are read.

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

use super::known::{Known, ROW};
use super::mark::{Mark, since_1970};
use super::set::{Files, Work};
use crate::disk::dir::{Dir, Fresh, Rooted, Terms};
use crate::disk::limits;
use crate::disk::read::{self, Links, Root};
use crate::workspace::STATE_FOLDER;

/// Name of the index in the state directory.
pub(crate) const INDEX: &str = "index";

/// First bytes of the file; the number is that of the layout.
const MAGIC: [u8; 16] = *b"imgspec index 1\n";

/// Magic, boot id, own device and inode, own ctime in seconds and nanoseconds.
const HEADER: usize = 16 + 16 + 8 + 8 + 8 + 8;

const CHECKSUM: usize = 32;

/// The permissions that [`Dir::fresh`] gives to a file.
const OWN_MODE: u32 = 0o600;

/// In seconds. Data reaches the disk about half a minute after it is written, times possibly sooner. After a crash, a file
/// that changed shortly before may have its new times and its old content.
const SETTLED: i64 = 120;

/// Linux changes this id with every boot.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// How far a new file's time may lag behind the clock; some file systems round down to seconds.
const GRAIN: Duration = Duration::from_secs(1);

/// How far the clock may have been set back since reading began; gradual corrections stay below this.
const SLEW: Duration = Duration::from_millis(100);

/// The overhead of reading a file, as a number of bytes.
const PER_FILE: u64 = 16 << 10;

/// Whether unchanged times are accepted as proof that a file is unchanged since an earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trust {
    /// Files with unchanged times are not read again.
    #[default]
    Times,
    /// All files are read.
    Nothing,
}

/// The index of one workspace.
#[derive(Debug)]
pub(super) struct Index {
    /// The state directory; `None` if no index is used.
    place: Option<Rooted>,
    /// The loaded index; `None` once it is no longer needed.
    known: Mutex<Option<Arc<Known>>>,
    began: (SystemTime, Instant),
}

impl Index {
    pub(super) fn none() -> Self {
        Self {
            place: None,
            known: Mutex::default(),
            began: (SystemTime::now(), Instant::now()),
        }
    }

    /// The index of the workspace at this root.
    pub(super) fn open(root: &Path, trust: Trust) -> Self {
        let place = Rooted::new(root, STATE_FOLDER, Terms::default());
        let known = match trust {
            Trust::Times => load(&place).unwrap_or_default(),
            Trust::Nothing => Known::default(),
        };
        Self {
            place: Some(place),
            known: Mutex::new(Some(Arc::new(known))),
            ..Self::none()
        }
    }

    pub(super) fn known(&self) -> Arc<Known> {
        self.known.lock().clone().unwrap_or_default()
    }

    /// Writes a new index for these files if that costs less than reading them again.
    pub(super) fn leave(&self, root: &Path, files: &[Arc<Files>]) {
        let mut known = self.known.lock();
        if known.is_none() {
            return;
        }
        let seen = files.iter().filter_map(|files| files.seen.as_ref());
        let work = seen.fold(0, |sum: u64, seen| sum.saturating_add(cost(seen.work)));
        let entries: usize = files.iter().map(|files| files.entries.len()).sum();
        if work > (entries * ROW) as u64 {
            // A run that creates the state directory calls this again.
            let Some(Ok(Some(dir))) = self.place.as_ref().map(Rooted::open) else {
                return;
            };
            let _ = self.save(&dir, root, files);
        }
        *known = None;
    }

    /// Deletes the index because it turned out to be wrong.
    pub(super) fn discard(&self) {
        *self.known.lock() = None;
        if let Some(Ok(Some(dir))) = self.place.as_ref().map(Rooted::open) {
            let _ = dir.remove_file(INDEX);
        }
    }

    fn save(&self, dir: &Dir, root: &Path, files: &[Arc<Files>]) -> Option<()> {
        let before = since_1970(SystemTime::now());
        let mut new = dir.has_reliable_times().then(|| dir.fresh().ok())??;
        let own = new.file.metadata().ok()?;
        self.is_clock_sound(before, &own).then_some(())?;
        let root = Root::open(root).ok()?;
        let mut devices = Devices::default();
        let files = files.iter().map(AsRef::as_ref);
        let known = Known::of(files, |files, at, mark| {
            devices.are_sound(&root, files, at, mark)
        });
        write(&mut new, &Header::of(&own), &known)?;
        new.keep(dir, INDEX).ok()
    }

    /// Whether the file system uses the system's clock, judged by a file that was just created, and the clock was not set
    /// back since reading began. The files' ages were computed with that clock.
    fn is_clock_sound(&self, before: Duration, made: &Metadata) -> bool {
        let (time, instant) = self.began;
        let elapsed = before.saturating_sub(since_1970(time));
        let now = since_1970(SystemTime::now());
        let made = moment(made.ctime(), made.ctime_nsec());
        made + GRAIN >= before && made <= now && elapsed + SLEW >= instant.elapsed()
    }
}

fn cost(work: Work) -> u64 {
    work.bytes
        .saturating_add(work.files.saturating_mul(PER_FILE))
}

/// Which devices have reliable times.
#[derive(Default)]
struct Devices(Vec<(u64, bool)>);

impl Devices {
    fn are_sound(&mut self, root: &Root, files: &Files, at: usize, mark: &Mark) -> bool {
        let device = mark.device();
        if let Some((_, is_sound)) = self.0.iter().find(|(known, _)| *known == device) {
            return *is_sound;
        }
        let path = files.folder.join(&files.entries[at].path);
        let inside = path.strip_prefix(root.path());
        let asked = inside.ok().and_then(|inside| root.reliable_device(inside));
        match asked {
            Some(asked) if asked == device => self.0.push((device, true)),
            // Reached through a symlink, or moved meanwhile: try again with the next file on the device.
            Some(_) => return false,
            None => self.0.push((device, false)),
        }
        asked == Some(device)
    }
}

/// The part of an index that describes the index file itself.
pub(super) struct Header {
    pub(super) boot: [u8; 16],
    device: u64,
    inode: u64,
    pub(super) written: (i64, i64),
}

impl Header {
    /// The header for an index in this new file.
    fn of(own: &Metadata) -> Self {
        Self {
            boot: boot(),
            device: own.dev(),
            inode: own.ino(),
            written: (own.ctime(), own.ctime_nsec()),
        }
    }

    fn bytes(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..16].copy_from_slice(&MAGIC);
        bytes[16..32].copy_from_slice(&self.boot);
        let (seconds, nanoseconds) = self.written;
        let numbers = [
            self.device,
            self.inode,
            seconds.cast_unsigned(),
            nanoseconds.cast_unsigned(),
        ];
        for (place, number) in bytes[32..].chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    fn read(bytes: &[u8; HEADER]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<16>()?;
        let (boot, rest) = rest.split_first_chunk::<16>()?;
        let (numbers, _) = rest.as_chunks::<8>();
        let number = |at: usize| u64::from_le_bytes(numbers[at]);
        let header = Self {
            boot: *boot,
            device: number(0),
            inode: number(1),
            written: (number(2).cast_signed(), number(3).cast_signed()),
        };
        (*magic == MAGIC).then_some(header)
    }

    /// Whether this user wrote the index into this very file in the past. A copy, or a file from a checkout or an archive,
    /// has another inode.
    fn is_of(&self, own: &Metadata) -> bool {
        let is_ours = own.uid() == rustix::process::geteuid().as_raw()
            && own.mode() & 0o777 == OWN_MODE
            && own.nlink() == 1;
        let is_here = (self.device, self.inode) == (own.dev(), own.ino());
        let written = moment(self.written.0, self.written.1);
        is_ours && is_here && written <= since_1970(SystemTime::now())
    }
}

/// Loads the index if it exists and can be trusted.
fn load(place: &Rooted) -> Option<Known> {
    let dir = place.open().ok()??;
    dir.has_reliable_times().then_some(())?;
    let (mut file, meta) = dir.file(INDEX).ok()??;
    let mut header = [0; HEADER];
    file.read_exact(&mut header).ok()?;
    let parsed = Header::read(&header).filter(|parsed| parsed.is_of(&meta))?;
    let bytes = rows(&file, &meta, &header)?;
    // After a crash, recent files may have old content under new times.
    let is_same = parsed.boot == boot() && parsed.boot != [0; 16];
    let until = (!is_same).then(|| parsed.written.0.saturating_sub(SETTLED));
    Known::new(bytes, until)
}

/// The bytes between header and checksum, if the checksum is right.
fn rows(file: &File, meta: &Metadata, header: &[u8; HEADER]) -> Option<Vec<u8>> {
    let length = usize::try_from(meta.len()).ok()?;
    let rows = length.checked_sub(HEADER + CHECKSUM)?;
    (meta.len() <= limits::INDEX).then_some(())?;
    let mut bytes = Vec::with_capacity(length);
    file.take(limits::INDEX).read_to_end(&mut bytes).ok()?;
    let stored = (bytes.len() == rows + CHECKSUM).then(|| bytes.split_off(rows))?;
    (stored == checksum(header, &bytes)).then_some(bytes)
}

fn write(new: &mut Fresh, header: &Header, known: &Known) -> Option<()> {
    let header = header.bytes();
    let sum = checksum(&header, known.bytes());
    // No fsync: the checksum detects what a power cut leaves behind.
    [&header, known.bytes(), &sum]
        .into_iter()
        .try_for_each(|bytes| new.write(bytes))
        .ok()
}

fn checksum(header: &[u8; HEADER], rows: &[u8]) -> [u8; CHECKSUM] {
    let mut hash = blake3::Hasher::new_derive_key("imgspec 2026 index v1");
    hash.update(header);
    hash.update(rows);
    *hash.finalize().as_bytes()
}

/// The boot id; zeros if unknown, which never matches.
fn boot() -> [u8; 16] {
    let text = read::bytes(Path::new(BOOT), Links::Follow, 64).unwrap_or_default();
    let mut boot = [0; 16];
    let digits: Vec<u8> = text.into_iter().filter(u8::is_ascii_hexdigit).collect();
    match hex::decode_to_slice(digits, &mut boot) {
        Ok(()) => boot,
        Err(_) => [0; 16],
    }
}

fn moment(seconds: i64, nanoseconds: i64) -> Duration {
    let seconds = u64::try_from(seconds).unwrap_or_default();
    let nanoseconds = u32::try_from(nanoseconds).unwrap_or_default();
    Duration::new(seconds, nanoseconds.min(999_999_999))
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    /// Edits an index in place and updates its checksum.
    pub(in crate::fingerprint::files) fn rewrite(
        index: &Path,
        change: impl FnOnce(&mut Header, &mut [u8]),
    ) {
        let bytes = std::fs::read(index).unwrap();
        let (header, rows) = bytes.split_first_chunk::<HEADER>().unwrap();
        let mut rows = rows[..rows.len() - CHECKSUM].to_vec();
        let mut parsed = Header::read(header).unwrap();
        change(&mut parsed, &mut rows);
        let header = parsed.bytes();
        let file = std::fs::OpenOptions::new().write(true).open(index).unwrap();
        let sum = checksum(&header, &rows);
        file.write_all_at(&[&header[..], &rows, &sum].concat(), 0)
            .unwrap();
    }
}
