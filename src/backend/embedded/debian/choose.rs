//! The packages that a request needs and its base lacks, as apt would choose them.

use super::archives;
use super::files::{installed, status};
use super::pool::{Known, Pool};
use super::solve;
use super::state::SolveError;
use super::{ChooseError, Chosen, Package, Request, control, sources};
use crate::backend::BuildError;
use crate::backend::embedded::base::Source;
use crate::backend::embedded::common::failed;
use crate::backend::oci::name::Digest;
use crate::workspace::LockedDeb;

impl From<BuildError> for ChooseError {
    fn from(error: BuildError) -> Self {
        Self::Failed(error)
    }
}

impl From<SolveError> for ChooseError {
    fn from(error: SolveError) -> Self {
        match error {
            SolveError::Unclear(why) => Self::Unclear(why),
            SolveError::None(why) => Self::Failed(failed(why)),
        }
    }
}

/// Asks the archives of the base.
pub(in super::super) fn choose(
    request: &Request<'_>,
    source: &Source<'_>,
) -> Result<Chosen, ChooseError> {
    let files = request.files;
    settings(request).map_err(ChooseError::Unclear)?;
    let archives = sources::read(files, request.architecture).map_err(ChooseError::Unclear)?;
    if archives.is_empty() {
        let why = "the base has no sources of packages in `/etc/apt/sources.list` or `/etc/apt/sources.list.d`";
        return Err(failed(why).into());
    }
    let listings = archives::listings(&archives, files, request.architecture, source)?;
    let mut status = status(files);
    for deb in request.below {
        status += &installed(deb, &listings, source)?;
    }
    let pool = Pool::new(listings, &status, request.architecture);
    let mut pool = pool.map_err(ChooseError::Unclear)?;
    let preferred = request.preferred.iter();
    pool.preferred = preferred
        .map(|deb| (deb.name.clone(), deb.version.clone()))
        .collect();
    let mut solved = solve::solve(&pool, request.packages, request.set);
    if solved.is_err() && !pool.preferred.is_empty() {
        // Old versions may no longer fit what the archive has.
        pool.preferred.clear();
        solved = solve::solve(&pool, request.packages, request.set);
    }
    let solved = solved?;
    let each = solved.packages.iter().map(|known| {
        let is_requested = solved.requested.contains(&known.name);
        package(&pool, known, is_requested)
            .map_err(|why| failed(format!("package `{}`: {why}", known.name)))
    });
    let packages: Result<Vec<Package>, BuildError> = each.collect();
    Ok(Chosen {
        packages: packages?,
    })
}

/// What of the base's settings only apt understands.
fn settings(request: &Request<'_>) -> Result<(), String> {
    /// Options that change what is chosen, or where it is from.
    const DECIDING: [&str; 8] = [
        "default-release",
        "check-valid-until",
        "proxy",
        "architectures",
        "ignore-hold",
        "upgrade-by-source-package",
        "auth",
        "mirror",
    ];
    for (path, bytes) in request.files {
        let text = String::from_utf8_lossy(bytes);
        let is_empty =
            || control::stanzas(&text).all(|stanza| stanza.is_ok_and(|it| it.fields().is_empty()));
        if path.starts_with("etc/apt/preferences") && !is_empty() {
            return Err(format!("the base has preferences in `/{path}`"));
        }
        if path.starts_with("etc/apt/auth.conf") {
            return Err(format!("the base has logins in `/{path}`"));
        }
        if path.starts_with("etc/apt/apt.conf") {
            let lines = text.lines().map(str::trim);
            let lines = lines.filter(|line| !line.starts_with("//") && !line.starts_with('#'));
            let text = lines.collect::<Vec<_>>().join("\n").to_ascii_lowercase();
            if let Some(word) = DECIDING.iter().find(|word| text.contains(*word)) {
                return Err(format!("the base sets `{word}` in `/{path}`"));
            }
        }
        if path == "var/lib/dpkg/arch" {
            let mut foreign = text
                .split_whitespace()
                .filter(|word| *word != request.architecture);
            if let Some(foreign) = foreign.next() {
                return Err(format!("the base also has packages for `{foreign}`"));
            }
        }
    }
    Ok(())
}

/// A package of a list as the caller gets it.
fn package(pool: &Pool, known: &Known, is_requested: bool) -> Result<Package, String> {
    let (list, at) = known.place.ok_or("it is of no list")?;
    let listing = pool.listing(list);
    let stanza = control::single(listing.index.stanza(at)).map_err(|error| error.to_string())?;
    let filename = stanza.line("Filename").trim();
    let filename = filename.strip_prefix("./").unwrap_or(filename);
    let is_below = !filename.is_empty()
        && filename
            .split('/')
            .all(|part| !matches!(part, "" | "." | ".."))
        && filename
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"?#:\\".contains(&byte) || byte == b':');
    if !is_below
        || filename
            .split('/')
            .next()
            .is_some_and(|first| first.contains(':'))
    {
        return Err(format!("`{filename}` is no path in an archive"));
    }
    let sha256 = Digest::read(&format!(
        "sha256:{}",
        stanza.line("SHA256").trim().to_ascii_lowercase()
    ));
    let size = stanza.line("Size").trim().parse();
    let (Some(sha256), Ok(size)) = (sha256, size) else {
        return Err("its list has no size and sha256 of it".to_owned());
    };
    if size > LockedDeb::LARGEST {
        return Err(format!(
            "it has {size} bytes, more than {} GiB",
            LockedDeb::LARGEST >> 30
        ));
    }
    Ok(Package {
        name: known.name.clone(),
        version: known.version.clone(),
        architecture: known.architecture.clone(),
        multi_arch: known.multi_arch.clone(),
        is_essential: known.is_essential,
        filename: filename.to_owned(),
        size,
        sha256,
        stanza: stanza.text().to_owned(),
        archive: listing.archive.clone(),
        replaces: pool
            .installed()
            .get(&known.name)
            .map(|old| old.version.clone()),
        is_requested,
    })
}
