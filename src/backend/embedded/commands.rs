//! Steps that run something in the image: the user's commands, and accounts.

use std::collections::BTreeSet;

use super::account::Account;
use super::base::{Image, Source};
use super::common::failed;
use super::execute::{Keep, Lent, Program, Tools};
use super::foreign;
use super::helper::Helper;
use super::made::{Made, Once};
use super::python::Target;
use crate::backend::oci::layer::{Encoding, NodeKind};
use crate::backend::sandbox::{self, Mount, Network};
use crate::backend::secret::{self, Hider};
use crate::backend::steps::{ACCOUNT_SCRIPT, NO_EMULATOR, one_line};
use crate::backend::{BuildError, Job, Unsupported, conda};
use crate::recipe::{CONDA_HOME, Conda, Recipe, SecretPlace, Step};
use crate::spec::{Base, SecretStep};
use crate::workspace::LockedImage;

/// The option that says what commands see of the network.
pub(super) const NETWORK: &str = "network";

/// What messages call the compiling of packages.
pub(super) const BYTECODE: &str = "python-bytecode";

/// Compiles what is below directories with the Python `$0`. A file that cannot be compiled, such as a template for another version, is
/// left as it is. One process and one seed, because what is written for a file depends on what was compiled before; and nothing of
/// it depends on times.
const COMPILE_SCRIPT: &str = "\
cd /
export PYTHONHASHSEED=0
\"$0\" -s -m compileall -q -j 1 --invalidation-mode unchecked-hash \"$@\" || [ $? = 1 ]";

/// What runs our own scripts.
const SHELL: &str = "/bin/sh";

/// What the steps of an image have in common on a platform.
pub(super) struct Commands<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) source: &'a Source<'a>,
    pub(super) platform: &'a str,
    pub(super) encoding: Encoding,
}

impl<'a> Commands<'a> {
    pub(super) fn new(job: &'a Job<'a>, source: &'a Source<'a>, platform: &'a str) -> Self {
        Self {
            job,
            source,
            platform,
            encoding: Encoding::read(job.recipe.config.compression.as_deref()),
        }
    }
}

impl Commands<'_> {
    /// The layer of a command of the user.
    pub(super) fn command(&self, command: &str, image: &Image) -> Result<Made, BuildError> {
        let words = words(command);
        let argv = self.job.recipe.config.run(command);
        self.layer(&words, &argv, Some(SecretStep::Run), image)
    }

    /// The layer of an account, which is made unless the image has it.
    pub(super) fn account(&self, name: &str, image: &Image) -> Result<Made, BuildError> {
        let words = format!("account: {name}");
        let argv = [SHELL, "-c", ACCOUNT_SCRIPT, "account", name].map(str::to_owned);
        self.layer(&words, &argv, None, image)
    }

    /// The layer of the bytecode of all packages of a Python, as uv compiles them.
    pub(super) fn bytecode(&self, target: &Target, image: &Image) -> Result<Made, BuildError> {
        let folders = BTreeSet::from([&target.scheme.purelib, &target.scheme.platlib]);
        let head = [SHELL, "-c", COMPILE_SCRIPT, &target.interpreter].map(str::to_owned);
        let argv: Vec<String> = head
            .into_iter()
            .chain(folders.into_iter().cloned())
            .collect();
        self.layer(BYTECODE, &argv, None, image)
    }

    /// The layer of conda packages.
    pub(super) fn conda(
        &self,
        conda: &Conda,
        image: &Image,
        words: &str,
    ) -> Result<Made, BuildError> {
        let (job, platform) = (self.job, self.platform);
        let micromamba = &job.recipe.helpers.micromamba;
        let pinned = match job.outside.image(micromamba) {
            Some(LockedImage::Digest(digest)) => Some(digest.as_str()),
            Some(LockedImage::Id(_)) | None => None,
        };
        let helper = Helper {
            image: micromamba,
            pinned,
            platform,
            files: &conda::LENT,
        };
        let head = [SHELL, "-c", conda::SCRIPT, CONDA_HOME].map(str::to_owned);
        let argv: Vec<String> = head.into_iter().chain(conda::arguments(conda)).collect();
        let channels: Vec<&str> = conda::channels(conda).collect();
        let help = format!(
            "micromamba says why above; the channels were `{}`",
            channels.join("`, `")
        );
        let program = Program {
            words,
            argv: &argv,
            env: &[],
            user: image.config.user(),
            network: Network::Host,
            left_out: &[],
            tools: Tools {
                caches: &[Keep::new("conda", conda::DOWNLOADS, platform)],
                helper: Some(&helper),
                help: Some(&help),
            },
        };
        self.program(&program, Some(SecretStep::Conda), image)
    }

    fn layer(
        &self,
        words: &str,
        argv: &[String],
        secrets: Option<SecretStep>,
        image: &Image,
    ) -> Result<Made, BuildError> {
        let program = Program {
            words,
            argv,
            env: &[],
            user: image.config.user(),
            network: network(self.job.recipe),
            left_out: &[],
            tools: Tools::default(),
        };
        self.program(&program, secrets, image)
    }

    /// The layer of a shell's program, which is lent what the steps of a kind are.
    pub(super) fn program(
        &self,
        program: &Program<'_>,
        secrets: Option<SecretStep>,
        image: &Image,
    ) -> Result<Made, BuildError> {
        self.verify_shell(image)?;
        let key = self.key(program, secrets, image)?;
        self.once().get(&key, program.words, || {
            let lent = self.lent(secrets, image)?;
            let hider = lent.hider.clone();
            let made = program.run(image, self.encoding, lent, self.source);
            made.map_err(|error| match hider {
                Some(hider) => hider.hide_error(error),
                None => error,
            })
        })
    }

    /// Whether an earlier build has made the layer of this program.
    pub(super) fn knows(
        &self,
        program: &Program<'_>,
        secrets: Option<SecretStep>,
        image: &Image,
    ) -> Result<bool, BuildError> {
        let key = self.key(program, secrets, image)?;
        Ok(self.once().known(&key)?.is_some())
    }

    fn key(
        &self,
        program: &Program<'_>,
        secrets: Option<SecretStep>,
        image: &Image,
    ) -> Result<String, BuildError> {
        let key = program.key(image, self.platform, &self.given(secrets))?;
        Ok(key.finish(self.encoding))
    }

    fn once(&self) -> Once<'_> {
        Once {
            source: self.source,
            encoding: self.encoding,
            use_known: !self.job.no_cache,
        }
    }

    /// Commands are run by a shell of the image, for its platform.
    fn verify_shell(&self, image: &Image) -> Result<(), BuildError> {
        if !foreign::runs(self.platform) {
            return Err(BuildError::Failed(NO_EMULATOR.to_owned()));
        }
        let shell = image.tree.resolve(SHELL).ok();
        let shell = shell.and_then(|path| image.tree.get(&path));
        let is_program =
            |kind: &NodeKind| matches!(kind, NodeKind::File(_) | NodeKind::HardLink(_));
        if shell.is_some_and(|shell| is_program(&shell.kind)) {
            return Ok(());
        }
        Err(BuildError::Failed(format!(
            "commands are run by `{SHELL}`, which the image does not have: use a base with a shell"
        )))
    }

    /// What the steps of a kind are lent, by name and place, without values.
    fn given(&self, step: Option<SecretStep>) -> Vec<String> {
        let all = step.into_iter();
        let all = all.flat_map(|step| self.job.recipe.secrets_of(step));
        let texts = all.map(|(id, place)| match place {
            SecretPlace::File(path) => format!("{id} at {path}"),
            SecretPlace::Env(name) => format!("{id} as {name}"),
        });
        texts.collect()
    }

    /// The secrets for the steps of a kind.
    fn lent(&self, step: Option<SecretStep>, image: &Image) -> Result<Lent, BuildError> {
        let Some(step) = step.filter(|step| self.job.recipe.secrets_of(*step).next().is_some())
        else {
            return Ok(Lent::default());
        };
        let revealed = secret::of_job(self.job, &|name| std::env::var(name).ok())?;
        let account = Account::read(image.config.user(), &image.tree);
        let uid = account.map_err(BuildError::Failed)?.ids.uid;
        let mut lent = Lent {
            hider: Some(Hider::new(&revealed)),
            ..Lent::default()
        };
        for (id, place) in self.job.recipe.secrets_of(step) {
            let value = revealed.iter().find(|secret| secret.id == id);
            let value = value.ok_or_else(|| failed(format!("the secret `{id}` is not there")))?;
            match place {
                SecretPlace::File(path) => lent.mounts.push(Mount::Secret {
                    target: path.clone(),
                    content: value.value.clone(),
                    uid,
                }),
                SecretPlace::Env(name) => {
                    let text = String::from_utf8(value.value.clone());
                    let text = text.map_err(|_| {
                        failed(format!(
                            "the secret `{id}` is not text, so it cannot be a variable"
                        ))
                    })?;
                    // As a shell does it with what a program prints.
                    let text = text.trim_end_matches('\n').to_owned();
                    lent.env.push((name.clone(), text));
                }
            }
        }
        Ok(lent)
    }
}

/// What the programs of a recipe see of the network.
pub(super) fn network(recipe: &Recipe) -> Network {
    let mut options = recipe.wishes.options.iter();
    match options.rfind(|(name, _)| name == NETWORK) {
        Some((_, value)) if value == "none" => Network::None,
        _ => Network::Host,
    }
}

/// A command in messages, on one line.
pub(super) fn words(command: &str) -> String {
    format!("commands: {}", one_line(command))
}

/// The field behind a step that runs something in the image, but for its number.
fn field(step: &Step) -> Option<&'static str> {
    match step {
        Step::Run { .. } => Some("commands"),
        Step::Account { .. } => Some("user"),
        Step::Apt { .. } => Some("apt-packages"),
        Step::Conda(_) => Some("conda-packages"),
        Step::Pip(pip) if pip.bytecode == Some(true) => Some(BYTECODE),
        Step::Lock(lock) if lock.bytecode == Some(true) => Some(BYTECODE),
        _ => None,
    }
}

/// The fields of a recipe for which something runs in the image.
fn running(recipe: &Recipe) -> Vec<&'static str> {
    let system = matches!(recipe.base, Base::Debian(_)).then_some("base-image");
    let steps = recipe.steps.iter().filter_map(field);
    system.into_iter().chain(steps).collect()
}

/// The platforms for which the steps of a recipe cannot be run here.
pub(super) fn refused(recipe: &Recipe) -> Vec<Unsupported> {
    if running(recipe).is_empty() {
        return Vec::new();
    }
    let foreign = recipe
        .platforms
        .iter()
        .filter(|platform| !foreign::runs(platform));
    let foreign = foreign.map(|platform| Unsupported {
        field: "platform".to_owned(),
        why: format!("commands cannot run for {platform}: {NO_EMULATOR}"),
    });
    foreign.collect()
}

/// The fields of a recipe for which something runs, if this machine lets nothing run.
pub(super) fn forbidden(recipe: &Recipe) -> Vec<Unsupported> {
    let fields = running(recipe);
    if fields.is_empty() {
        return Vec::new();
    }
    let Err(forbidden) = sandbox::probe() else {
        return Vec::new();
    };
    let mut commands = 0..;
    let fields = fields.into_iter().map(|field| Unsupported {
        field: match field {
            "commands" => format!("commands[{}]", commands.next().unwrap_or(0)),
            field => field.to_owned(),
        },
        why: format!(
            "commands cannot run on this machine: {forbidden}. What runs nothing still works: copies, Python and its wheels"
        ),
    });
    fields.collect()
}
