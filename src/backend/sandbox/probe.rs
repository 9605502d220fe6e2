//! Whether and how this machine isolates programs: tried once a process, because no setting alone tells.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::TempDir;

use super::asked::Run;
use super::error::{Forbidden, SandboxError};
use super::plan::{Bounds, Ids, Mode, Network};
use super::reasons::{Facts, explain};
use super::{start, supervise};
use crate::cancel::Cancel;

/// Where the directories of sandboxes will be.
static PLACE: OnceLock<PathBuf> = OnceLock::new();

/// Notes where the directories of sandboxes will be, which need not exist yet: overlayfs does not work everywhere.
pub(in crate::backend) fn expect_in(place: PathBuf) {
    // All builders of a process have the same.
    let _ = PLACE.set(place);
}

/// A directory on the file system where sandboxes will be.
fn directory() -> io::Result<TempDir> {
    let place = PLACE
        .get()
        .and_then(|place| place.ancestors().find(|it| it.is_dir()));
    let made = place.map(|place| {
        tempfile::Builder::new()
            .prefix(".imgspec-")
            .tempdir_in(place)
    });
    match made {
        Some(Ok(made)) => Ok(made),
        // One where nothing can be written is told when it is needed.
        _ => tempfile::tempdir(),
    }
}

/// How this machine can isolate programs.
///
/// # Errors
///
/// Fails with what forbids it, and which setting would allow it.
pub(in crate::backend) fn probe() -> Result<Mode, Forbidden> {
    static FOUND: OnceLock<Result<Mode, Forbidden>> = OnceLock::new();
    FOUND.get_or_init(find).clone()
}

/// What this machine does with commands, in words for `doctor`.
pub(in crate::backend) fn remark() -> String {
    match probe() {
        Ok(Mode::Root) => "commands run isolated, as root".to_owned(),
        Ok(Mode::Subordinate { .. }) => "commands run isolated, with your subordinate ids".to_owned(),
        Ok(Mode::Single) => "commands run isolated, with a single id: install newuidmap (package `uidmap`) and give yourself \
            ids in /etc/subuid and /etc/subgid if owners matter"
            .to_owned(),
        Err(forbidden) => format!("commands cannot run: {forbidden}"),
    }
}

fn find() -> Result<Mode, Forbidden> {
    if start::program().is_none() {
        return Err(Forbidden {
            why: "sandboxes are started from the program `imgspec`, which is not in PATH".into(),
            mend: "install it".into(),
        });
    }
    let mut forbidden = None;
    for mode in modes() {
        match attempt(mode) {
            Ok(()) => return Ok(mode),
            // With subordinate ids more can go wrong; what remains without them is what forbids it.
            Err(error) => forbidden = Some(error),
        }
    }
    Err(forbidden.unwrap_or_else(|| Forbidden {
        why: "commands are isolated by namespaces, which only Linux has".into(),
        mend: "build with another builder".into(),
    }))
}

#[cfg(target_os = "linux")]
fn modes() -> Vec<Mode> {
    if super::restrict::is_root() {
        return vec![Mode::Root];
    }
    let subordinate = super::ranges::subordinate();
    subordinate.into_iter().chain([Mode::Single]).collect()
}

#[cfg(not(target_os = "linux"))]
fn modes() -> Vec<Mode> {
    Vec::new()
}

/// Makes a sandbox without a program.
fn attempt(mode: Mode) -> Result<(), Forbidden> {
    let directory = directory().map_err(|error| Forbidden {
        why: format!(
            "no temporary directory can be made: {}",
            crate::disk::system_words(&error)
        ),
        mend: "set TMPDIR to a directory that can be written".into(),
    })?;
    let (upper, work) = (
        directory.path().join("upper"),
        directory.path().join("work"),
    );
    let directories = std::fs::create_dir(&upper).and_then(|()| std::fs::create_dir(&work));
    let run = Run {
        lower: &[],
        upper: &upper,
        work: &work,
        argv: &[],
        env: &[],
        cwd: "/",
        user: &Ids::default(),
        network: Network::Host,
        mounts: &[],
        hostname: "probe",
        bounds: Bounds {
            reserve: 0,
            ..Bounds::default()
        },
    };
    let tried = match directories {
        Ok(()) => supervise::supervise(&run, mode, &Cancel::default(), &mut |_, _| {}),
        Err(error) => Err(error.into()),
    };
    tried.map(drop).map_err(|error| match error {
        SandboxError::Setup(trouble) => {
            let place = directory.path().parent().unwrap_or(Path::new("/"));
            explain(&trouble, &Facts::read(place))
        }
        error => Forbidden {
            why: error.to_string(),
            mend: "run `imgspec` as root, or build with another builder".into(),
        },
    })
}
