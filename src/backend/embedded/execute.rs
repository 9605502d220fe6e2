//! Runs a program in an image as it stands, and makes a layer of what it changed.
//!
//! Overlayfs puts the unpacked layers on each other; what the program writes lands in a directory of its own, so finding it
//! costs nothing, however large the image is. All times in the layer are those of every layer, so a program that does the
//! same makes the same layer; `SOURCE_DATE_EPOCH` tells that time to programs that write it into files.

use std::collections::HashMap;
use std::path::Path;

use super::account::Account;
use super::base::{Image, Source};
use super::capture::{Capture, CaptureError, Device};
use super::common::{failed, mode};
use super::helper::Helper;
use super::made::Key;
use super::owner::Owner;
use super::trees::{self, Owners};
use crate::backend::BuildError;
use crate::backend::oci::layer::{EPOCH, Encoding, Layer, LayerWriter};
use crate::backend::oci::store::Cache;
use crate::backend::sandbox::{
    self, Bounds, Exit, Ids, Mode, Mount, Network, Run, SandboxError, Status,
};
use crate::backend::secret::Hider;
use crate::backend::steps::{exited, shell_help};
use crate::cancel::Cancel;
use crate::disk::dir::Dir;
use crate::process::{Lines, Stream};

/// The version of how programs are run; part of the keys of their layers.
const FORMAT: &str = "run 2";

/// The name of the machine that programs see.
const HOST: &str = "imgspec";

/// A program to run in an image.
pub(super) struct Program<'a> {
    /// What messages call it.
    pub(super) words: &'a str,
    pub(super) argv: &'a [String],
    /// Variables beside the image's own, which decide what it does.
    pub(super) env: &'a [(String, String)],
    /// As whom it runs, in the words of a config; empty for root.
    pub(super) user: &'a str,
    pub(super) network: Network,
    /// Paths without a leading slash that do not become part of the image, with everything below them.
    pub(super) left_out: &'a [&'a str],
    pub(super) tools: Tools<'a>,
}

/// What a program needs while it runs and what does not become part of the image.
#[derive(Clone, Copy, Default)]
pub(super) struct Tools<'a> {
    /// Directories that it finds again the next time. They do not decide what it does.
    pub(super) caches: &'a [Keep],
    /// Programs of another image.
    pub(super) helper: Option<&'a Helper<'a>>,
    /// What to say if it fails.
    pub(super) help: Option<&'a str>,
}

/// A directory that a program keeps from one run to the next.
pub(super) struct Keep {
    name: String,
    target: &'static str,
}

impl Keep {
    /// A cache of this name at an absolute path inside; those of different scopes are different ones.
    pub(super) fn new(name: &str, target: &'static str, scope: &str) -> Self {
        let scope = blake3::hash(scope.as_bytes()).to_hex();
        let name = format!("{name}-{}", &scope[..16]);
        Self { name, target }
    }
}

/// What a program is given without deciding what it does: it is not part of the key.
#[derive(Default)]
pub(super) struct Lent {
    /// Variables, such as those with secrets.
    pub(super) env: Vec<(String, String)>,
    pub(super) mounts: Vec<Mount>,
    /// What its output must not show.
    pub(super) hider: Option<Hider>,
}

impl Program<'_> {
    /// What decides the layer. `given` names what the program is lent.
    pub(super) fn key(
        &self,
        image: &Image,
        platform: &str,
        given: &[String],
    ) -> Result<Key, BuildError> {
        let mut key = Key::default();
        key.text(FORMAT);
        key.text(platform);
        key.text(name(mode()?));
        let layers = image.config.diff_ids().unwrap_or_default();
        key.number(layers.len() as u64);
        for layer in layers {
            key.text(layer.to_string());
        }
        let env = self.env(image);
        let helper = self.tools.helper.map(Helper::name);
        let left_out = self.left_out.iter().map(|path| (*path).to_owned());
        let network = match self.network {
            Network::Host => "host",
            Network::None => "none",
        };
        let lists: [Vec<String>; 4] = [
            self.argv.to_vec(),
            env.into_iter()
                .flat_map(|(name, value)| [name, value])
                .collect(),
            given.iter().cloned().chain(helper).collect(),
            left_out.collect(),
        ];
        for list in lists {
            key.number(list.len() as u64);
            for text in list {
                key.text(text);
            }
        }
        key.text(self.user);
        key.text(image.config.workdir());
        key.text(network);
        Ok(key)
    }

    /// The variables of the image and of the program.
    fn env(&self, image: &Image) -> Vec<(String, String)> {
        let mut env = image.config.variables();
        env.retain(|(name, _)| !self.env.iter().any(|(own, _)| own == name));
        env.extend(self.env.iter().cloned());
        let is_set = |env: &[(String, String)], name: &str| env.iter().any(|(own, _)| own == name);
        if !is_set(&env, "PATH") {
            env.push(("PATH".to_owned(), image.config.search_path().to_owned()));
        }
        if !is_set(&env, "SOURCE_DATE_EPOCH") {
            env.push(("SOURCE_DATE_EPOCH".to_owned(), EPOCH.to_string()));
        }
        env
    }

    /// Runs it, and writes the layer.
    pub(super) fn run(
        &self,
        image: &Image,
        encoding: Encoding,
        mut lent: Lent,
        source: &Source<'_>,
    ) -> Result<Layer, BuildError> {
        let mode = mode()?;
        if let Some(helper) = self.tools.helper {
            lent.mounts.extend(helper.mounts(source)?);
        }
        let caches = self.caches(source)?;
        lent.mounts
            .extend(caches.iter().map(|(keep, cache)| Mount::Cache {
                directory: cache.files().clone(),
                target: keep.target.to_owned(),
            }));
        let account = Account::read(self.user, &image.tree).map_err(BuildError::Failed)?;
        let lower = trees::of(image, Owners::of(mode), source)?;
        let scratch = source.store.scratch().map_err(failed)?;
        let upper = scratch.dir().make("upper").map_err(failed)?;
        let work = scratch.dir().make("work").map_err(failed)?;
        // The root of the image is this directory.
        upper.set_mode(0o755).map_err(failed)?;
        let mut env = self.env(image);
        if !env.iter().any(|(name, _)| name == "HOME") {
            env.push(("HOME".to_owned(), account.home.clone()));
        }
        env.extend(lent.env);
        let run = Run {
            lower: &lower,
            upper: upper.path(),
            work: work.path(),
            argv: self.argv,
            env: &env,
            cwd: image.config.workdir(),
            user: &account.ids,
            network: self.network,
            mounts: &lent.mounts,
            hostname: HOST,
            bounds: Bounds::default(),
        };
        let log = |line: &str| match &lent.hider {
            Some(hider) => source.notes.log(&hider.hide(line)),
            None => source.notes.log(line),
        };
        let exit = listen(&run, source.cancel, &log).map_err(|error| self.not_run(error))?;
        // Others need not wait for the layer.
        drop(caches);
        self.verify(exit.status)?;
        let owners = Whose::new(&exit, mode, &account.ids);
        let writer = LayerWriter::new(source.store, encoding).map_err(failed)?;
        self.captured(&upper, &exit, &owners, image, source, writer)
    }

    /// The layer of what it left.
    fn captured(
        &self,
        upper: &Dir,
        exit: &Exit,
        owners: &Whose,
        image: &Image,
        source: &Source<'_>,
        writer: LayerWriter,
    ) -> Result<Layer, BuildError> {
        let stubs = exit.made.iter().filter_map(|path| inside(path)).collect();
        let capture = Capture {
            below: &image.tree,
            owner: &|path, own, noted| owners.of(path, own, noted, image),
            made: &stubs,
            devices: &devices(exit),
            left_out: self.left_out,
            is_cancelled: &|| source.cancel.is_requested(),
        };
        capture.layer(upper, writer).map_err(|error| match error {
            CaptureError::Cancelled => BuildError::Cancelled,
            error => BuildError::Failed(format!("`{}`: {error}", self.words)),
        })
    }

    /// Its caches, which nobody else has now. Programs with the same caches name them in the same order.
    fn caches(&self, source: &Source<'_>) -> Result<Vec<(&Keep, Cache)>, BuildError> {
        let each = self.tools.caches.iter().map(|keep| {
            let whose = format!("the cache for {}", keep.target);
            let cache = source.cache(&keep.name, &whose).map_err(failed)?;
            Ok((keep, cache.ok_or(BuildError::Cancelled)?))
        });
        each.collect()
    }

    fn verify(&self, status: Status) -> Result<(), BuildError> {
        Err(BuildError::Failed(match status {
            Status::Code(0) => return Ok(()),
            Status::Code(code) => {
                let help = self.tools.help.or_else(|| shell_help(code));
                exited(self.words, code, help)
            }
            Status::Signal(number) => format!("`{}` was ended by signal {number}", self.words),
        }))
    }

    fn not_run(&self, error: SandboxError) -> BuildError {
        match error {
            SandboxError::Cancelled => BuildError::Cancelled,
            error => BuildError::Failed(format!("`{}` cannot be run: {error}", self.words)),
        }
    }
}

/// How the owners of files are kept, which shows in a layer.
fn name(mode: Mode) -> &'static str {
    match mode {
        Mode::Root => "root",
        Mode::Subordinate { .. } => "subordinate",
        Mode::Single => "single",
    }
}

/// Runs it, and passes on its output line by line.
fn listen(run: &Run<'_>, cancel: &Cancel, log: &dyn Fn(&str)) -> Result<Exit, SandboxError> {
    let (mut out, mut err) = (Lines::default(), Lines::default());
    let mut hear = |line: String| {
        log(&line);
        true
    };
    let ended = sandbox::run(run, cancel, &mut |stream, bytes| {
        let lines = match stream {
            Stream::Out => &mut out,
            Stream::Err => &mut err,
        };
        lines.add(bytes, &mut hear);
    });
    out.end(&mut hear);
    err.end(&mut hear);
    ended
}

/// The entries that stand for devices.
fn devices(exit: &Exit) -> HashMap<String, Device> {
    let each = exit.devices.iter();
    let each = each.filter_map(|(path, is_block, major, minor)| {
        let device = Device {
            is_block: *is_block,
            major: *major,
            minor: *minor,
        };
        Some((inside(path)?, device))
    });
    each.collect()
}

/// To whom the files belong that a program made or changed.
struct Whose {
    mode: Mode,
    /// Those that the sandbox tells, as far as it does.
    told: HashMap<String, (Option<u32>, Option<u32>)>,
    /// To whom new files belong where everything is the builder's.
    new: Owner,
}

impl Whose {
    fn new(exit: &Exit, mode: Mode, ids: &Ids) -> Self {
        let told = exit.owners.iter();
        let told = told.filter_map(|(path, user, group)| Some((inside(path)?, (*user, *group))));
        Self {
            mode,
            told: told.collect(),
            new: match mode {
                Mode::Single => Owner {
                    user: ids.uid.into(),
                    group: ids.gid.into(),
                },
                Mode::Root | Mode::Subordinate { .. } => Owner::default(),
            },
        }
    }

    fn of(&self, path: &str, own: Owner, noted: Option<Owner>, image: &Image) -> Owner {
        let old = image.tree.get(path).map(|node| Owner {
            user: node.uid,
            group: node.gid,
        });
        let told = self.told.get(path).copied().unwrap_or_default();
        let other = match self.mode {
            Mode::Root => return own,
            // Only what cannot be given to its owner is another's although the sandbox says nothing.
            Mode::Subordinate { uids, gids } => {
                let is_strange =
                    |old: &Owner| old.user > uids.1.into() || old.group > gids.1.into();
                old.filter(is_strange).unwrap_or(self.new)
            }
            // A file of the image that was changed, moved or replaced stays whose it is.
            Mode::Single => noted.or(old).unwrap_or(self.new),
        };
        Owner {
            user: told.0.map_or(other.user, u64::from),
            group: told.1.map_or(other.group, u64::from),
        }
    }
}

/// A path in the image without its leading slash.
fn inside(path: &Path) -> Option<String> {
    let path = path.strip_prefix("/").unwrap_or(path);
    path.to_str().map(str::to_owned)
}
