//! Asks archives: heads of suites, verified, and their lists of packages, each read once and kept by its hash.

use std::io::Read;
use std::sync::Arc;

use jiff::Timestamp;

use super::ChooseError;
use super::index::{self, Index};
use super::keyring::{self, Keyring};
use super::pool::Listing;
use super::release::{Listed, Release};
use super::sources::{Archive, Files, SignedBy};
use crate::backend::BuildError;
use crate::backend::embedded::address;
use crate::backend::embedded::base::Source;
use crate::backend::embedded::common::{at_once, failed, stored};
use crate::backend::embedded::logins::Logins;
use crate::backend::embedded::web::{Web, failure};
use crate::backend::oci::registry::TransferError;

/// The largest list of packages once it is unpacked, in bytes.
const LARGEST: u64 = 1 << 30;

/// How much memory unpacking may take, in bytes; Debian's lists need 65 MiB.
const MEMORY: u64 = 256 << 20;

/// A list as threads pass it on.
struct Found {
    index: Arc<Index>,
    archive: String,
    priority: u16,
}

/// The lists of all archives, in their order.
pub(super) fn listings(
    archives: &[Archive],
    files: &Files,
    architecture: &str,
    source: &Source<'_>,
) -> Result<Vec<Listing>, ChooseError> {
    let mut known = Vec::new();
    for archive in archives {
        let unclear = |why: String| ChooseError::Unclear(format!("`/{}`: {why}", archive.file));
        let (_, login) = address::read(&archive.url).map_err(unclear)?;
        if login.is_some() {
            let why = "an archive's address has a login, and only apt knows when to send it";
            return Err(unclear(why.to_owned()));
        }
        known.push((keyring(archive, files)?, archive));
    }
    let logins = Logins::default();
    let web = Web::of_archives(&logins, source);
    let found = at_once(&known, |(keyring, archive)| {
        of_archive(archive, keyring.as_ref(), architecture, (&web, source))
    })?;
    let found = found.into_iter().flatten();
    let each = found.map(|found| Listing {
        index: found.index,
        archive: found.archive,
        priority: found.priority,
    });
    Ok(each.collect())
}

/// The keys that count for an archive; `None` if it needs no signature.
fn keyring(archive: &Archive, files: &Files) -> Result<Option<Keyring>, ChooseError> {
    if archive.options.is_trusted {
        return Ok(None);
    }
    let unclear = |what: &str, why: String| ChooseError::Unclear(format!("{what}: {why}"));
    let mut keyring = Keyring::default();
    let mut paths = Vec::new();
    let mut by_fingerprint = archive.options.signed_by.is_empty();
    for signer in &archive.options.signed_by {
        match signer {
            SignedBy::File(path) => paths.push(path.clone()),
            SignedBy::Text(text) => {
                let added = keyring.add(text.as_bytes());
                added.map_err(|why| unclear(&format!("`/{}`", archive.file), why))?;
            }
            SignedBy::Key(fingerprint) => {
                by_fingerprint = true;
                keyring.limit(fingerprint);
            }
        }
    }
    if by_fingerprint {
        let is_trusted = |path: &&String| {
            let part = path.strip_prefix("etc/apt/trusted.gpg.d/");
            let end = part.and_then(|part| Some(part.rsplit_once('.')?.1));
            *path == "etc/apt/trusted.gpg" || matches!(end, Some("gpg" | "asc"))
        };
        paths.extend(files.keys().filter(is_trusted).cloned());
    }
    for path in paths {
        let what = format!("`/{path}`");
        let missing = || {
            unclear(
                &what,
                format!("the base has no such keys, which `/{}` names", archive.file),
            )
        };
        let bytes = files.get(&path).ok_or_else(missing)?;
        keyring.add(bytes).map_err(|why| unclear(&what, why))?;
    }
    Ok(Some(keyring))
}

fn of_archive(
    archive: &Archive,
    keyring: Option<&Keyring>,
    architecture: &str,
    (web, source): (&Web<'_>, &Source<'_>),
) -> Result<Vec<Found>, ChooseError> {
    let release = release(archive, keyring, web)?;
    let wrong = |why: String| failed(format!("{}: {why}", archive.name()));
    let lists = release.lists(archive, architecture);
    let (lists, missing) = lists.map_err(|why| ChooseError::Failed(wrong(why)))?;
    for component in missing {
        let name = archive.name();
        source.notes.log(&format!(
            "{name} has no component `{component}` for {architecture}"
        ));
    }
    let mut found = Vec::new();
    for list in lists {
        let index = list_of(archive, &release, &list, (web, source))?;
        found.push(Found {
            index: Arc::new(index),
            archive: archive.url.clone(),
            priority: release.priority,
        });
    }
    Ok(found)
}

/// The head of a suite, verified.
fn release(
    archive: &Archive,
    keyring: Option<&Keyring>,
    web: &Web<'_>,
) -> Result<Release, ChooseError> {
    let place = archive.place("InRelease");
    let what = format!("`{place}`");
    let (at, _) = address::read(&place)
        .map_err(|why| ChooseError::Failed(failed(format!("{what}: {why}"))))?;
    let page = match web.page(&at, "*/*") {
        Ok((_, _, page)) => page,
        // Old archives have the signature in a file of its own.
        Err(TransferError::Absent) => {
            return Err(ChooseError::Unclear(format!("{what} is not found")));
        }
        Err(error) => return Err(ChooseError::Failed(failure(&what, error))),
    };
    let now = Timestamp::now();
    let text = String::from_utf8(page).map_err(|_| "it is no UTF-8".to_owned());
    let text = text.and_then(|text| match keyring {
        Some(keyring) if keyring.is_empty() => Err(format!(
            "the base has no keys that could verify it; `/{}` may name some with `signed-by`",
            archive.file
        )),
        Some(keyring) => keyring.verify(&text, now.as_second()),
        None => keyring::unverified(&text),
    });
    let release = text.and_then(|text| Release::read(&text));
    let release = release.and_then(|release| release.check(archive, now).map(|()| release));
    release.map_err(|why| ChooseError::Failed(failed(format!("{what}: {why}"))))
}

/// A list of packages: as it was read before, or fetched.
fn list_of(
    archive: &Archive,
    release: &Release,
    list: &Listed,
    (web, source): (&Web<'_>, &Source<'_>),
) -> Result<Index, BuildError> {
    let note = format!("{}-{}", index::FORMAT.replace(' ', "-"), list.sha256.hex());
    let known = || -> Result<Option<Index>, BuildError> {
        Ok(source
            .store
            .note(&note)
            .map_err(stored)?
            .and_then(Index::read))
    };
    if let Some(index) = known()? {
        return Ok(index);
    }
    let what = format!("`{}`", archive.place(&list.path));
    let whom = format!("another run that is reading {what}");
    let turn = source.turn(&note, &whom).map_err(stored)?;
    let _turn = turn.ok_or(BuildError::Cancelled)?;
    if let Some(index) = known()? {
        return Ok(index);
    }
    source
        .notes
        .log(&format!("fetching {}", archive.place(&list.path)));
    fetch(archive, release, list, web).map_err(|error| failure(&what, error))?;
    let (file, _) = source.store.read(list.sha256).map_err(stored)?;
    let text = unpacked(file, &list.path).map_err(|why| failed(format!("{what}: {why}")))?;
    let bytes = Index::encode(&text).map_err(|why| failed(format!("{what}: {why}")))?;
    source.store.keep_note(&note, &bytes).map_err(stored)?;
    Index::read(bytes).ok_or_else(|| failed(format!("{what} cannot be read")))
}

/// By its hash, if the archive knows that; else by its name, where it may have been replaced since.
fn fetch(
    archive: &Archive,
    release: &Release,
    list: &Listed,
    web: &Web<'_>,
) -> Result<(), TransferError> {
    let folder = list.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let by_hash = format!("{folder}/by-hash/SHA256/{}", list.sha256.hex());
    let mut places = vec![list.path.as_str()];
    if release.has_by_hash && !archive.options.never_by_hash {
        places.insert(0, by_hash.trim_start_matches('/'));
    }
    let mut result = Err(TransferError::Absent);
    for place in places {
        let at = address::read(&archive.place(place));
        let (at, _) = at.map_err(TransferError::Final)?;
        result = web.fetch(&at, list.sha256, Some(list.size));
        if !matches!(result, Err(TransferError::Absent)) {
            break;
        }
    }
    result
}

fn unpacked(file: impl Read, path: &str) -> Result<String, String> {
    let wrong = |error: std::io::Error| format!("it cannot be unpacked: {error}");
    let mut bytes = Vec::new();
    let mut reader: Box<dyn Read> = match path.rsplit_once('.').map(|(_, end)| end) {
        Some("xz") => {
            let stream =
                liblzma::stream::Stream::new_stream_decoder(MEMORY, liblzma::stream::CONCATENATED);
            let stream = stream.map_err(|error| wrong(error.into()))?;
            Box::new(liblzma::read::XzDecoder::new_stream(file, stream))
        }
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(file)),
        _ => Box::new(file),
    };
    reader
        .by_ref()
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(wrong)?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("unpacked it is larger than {} MiB", LARGEST >> 20));
    }
    Ok(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}
