//! Builds an image: the steps of a recipe become layers and config, then a manifest, for each platform.

use serde_json::json;

use super::base::{Image, Source};
use super::commands::{self, Commands};
use super::common::failed;
use super::copy::{self, Copied, Item};
use super::debian::install::Install;
use super::files;
use super::made::{Made, Once};
use super::owner::Owner;
use super::packages::Packages;
use super::python::onto::Installed;
use super::taken::Taken;
use crate::backend::context;
use crate::backend::labels;
use crate::backend::oci::layer::{Encoding, Layer, LayerWriter};
use crate::backend::oci::manifest::{self, MANIFEST, Part};
use crate::backend::oci::name::Digest;
use crate::backend::oci::tree::NoWay;
use crate::backend::steps::{join_path, shown};
use crate::backend::{BuildError, Job};
use crate::fingerprint::Files;
use crate::recipe::{
    CONDA_HOME, CopySource, CopyStep, Interpreter, Lock, PYTHON_HOME, Pip, Step, VENV_HOME,
};
use crate::spec::Base;
use crate::workspace::LockedImage;

/// Builds the image for all platforms; returns the digest of its manifest or index.
pub(super) fn build(job: &Job<'_>, source: &Source<'_>) -> Result<Digest, BuildError> {
    let mut manifests = Vec::new();
    let platforms = &job.recipe.platforms;
    let of = platforms.len() * (job.recipe.steps.len() + 1);
    let mut at = 0;
    for platform in platforms {
        let mut building = Building {
            job,
            source,
            platform,
            image: start(job, source, platform, (&mut at, of))?,
            encoding: Encoding::read(job.recipe.config.compression.as_deref()),
            sets: 0,
        };
        if job.recipe.config.user.is_some() && !job.recipe.steps.is_empty() {
            // The user of containers is not that of the steps.
            building.image.config.set("User", "0");
        }
        for step in &job.recipe.steps {
            at += 1;
            let words = match step {
                Step::Run { command } => commands::words(command),
                step => step.words(),
            };
            source.notes.step(at, of, &words);
            building
                .step(step)
                .map_err(|error| building.in_step(step, error))?;
        }
        building.config();
        manifests.push((platform, building.finish()?));
    }
    match manifests.as_slice() {
        [(_, (digest, _))] => Ok(*digest),
        several => index(several, job, source),
    }
}

fn start(
    job: &Job<'_>,
    source: &Source<'_>,
    platform: &str,
    (at, of): (&mut usize, usize),
) -> Result<Image, BuildError> {
    *at += 1;
    let step = |name: &str| source.notes.step(*at, of, &format!("base-image: {name}"));
    let image = match &job.recipe.base {
        Base::Scratch => Ok(Source::scratch(platform)),
        Base::File { file, name } => {
            step(file.path.as_str());
            match job.files.last() {
                Some(files) => files::base(files, name.as_deref(), platform, source),
                None => Err(failed("the base has no files")),
            }
        }
        Base::Debian(debian) => {
            step(&debian.suite);
            Install(&Commands::new(job, source, platform)).system(debian)
        }
        Base::Registry(reference) => {
            step(reference);
            let pinned = match job.outside.image(reference) {
                Some(LockedImage::Digest(digest)) => Some(digest.as_str()),
                Some(LockedImage::Id(_)) | None => None,
            };
            source.registry(reference, pinned, platform)
        }
        Base::Image(id) => {
            step(id);
            source.made(job, id, platform)
        }
    };
    image.map_err(|error| BuildError::Step {
        field: "base-image".to_owned(),
        error: Box::new(error),
    })
}

/// One platform of an image under construction.
struct Building<'a> {
    job: &'a Job<'a>,
    source: &'a Source<'a>,
    platform: &'a str,
    image: Image,
    encoding: Encoding,
    /// How many file sets have been used.
    sets: usize,
}

impl<'a> Building<'a> {
    fn step(&mut self, step: &Step) -> Result<(), BuildError> {
        match step {
            Step::Env(pairs) => {
                for (name, value) in pairs {
                    self.image.config.set_variable(name, value);
                }
                self.image.config.add_history(&step.words(), None);
                Ok(())
            }
            Step::User(user) => {
                self.image.config.set("User", user.as_str());
                self.image.config.add_history(&step.words(), None);
                Ok(())
            }
            Step::Workdir(path) => {
                let path = join_path(self.image.config.workdir(), path);
                self.image.config.set("WorkingDir", path.as_str());
                let owner = self.user()?;
                let items = copy::folder(&self.image.tree, &path, owner).map_err(no_way)?;
                self.layer(&items, None, &step.words())
            }
            Step::Copy(copy) => self.copy(copy, &step.words()),
            Step::Python { version } => self.python(version, &step.words()),
            Step::Pip(pip) => self.pip(pip),
            Step::Lock(lock) => self.lock(lock),
            Step::Run { command } => {
                let made = self.commands().command(command, &self.image)?;
                self.add(made, &commands::words(command))
            }
            Step::Account { name } => {
                let made = self.commands().account(name, &self.image)?;
                self.add(made, &step.words())
            }
            Step::Apt { packages } => self.apt(packages, &step.words()),
            Step::Conda(conda) => {
                let words = step.words();
                let made = self.commands().conda(conda, &self.image, &words)?;
                self.add(made, &words)?;
                self.image.config.prepend_path(&format!("{CONDA_HOME}/bin"));
                Ok(())
            }
        }
    }

    /// The user of the steps so far, who owns the working directories that are made.
    fn user(&self) -> Result<Owner, BuildError> {
        match self.image.config.user() {
            "" => Ok(Owner::default()),
            user => Owner::read(user, &self.image.tree).map_err(BuildError::Failed),
        }
    }

    /// The files of the next set.
    fn files(&mut self) -> &'a Files {
        self.sets += 1;
        &self.job.files[self.sets - 1]
    }

    fn commands(&self) -> Commands<'a> {
        Commands::new(self.job, self.source, self.platform)
    }

    fn apt(&mut self, packages: &[String], words: &str) -> Result<(), BuildError> {
        let commands = self.commands();
        for (made, words) in Install(&commands).packages(packages, &self.image, words)? {
            self.add(made, &words)?;
        }
        Ok(())
    }

    fn packages(&self) -> Packages<'a> {
        Packages {
            job: self.job,
            source: self.source,
            platform: self.platform,
            encoding: self.encoding,
        }
    }

    fn pip(&mut self, pip: &Pip) -> Result<(), BuildError> {
        let files = pip.requirements.as_ref().map(|_| self.files());
        let installed = self.packages().pip(pip, files, &self.image)?;
        self.installed(installed)?;
        self.compile(pip.bytecode, &pip.interpreter)
    }

    fn lock(&mut self, lock: &Lock) -> Result<(), BuildError> {
        let files = self.files();
        let made = self.packages().environment(lock, &self.image)?;
        self.add(made, &format!("environment: {VENV_HOME}"))?;
        self.image.config.set_variable("VIRTUAL_ENV", VENV_HOME);
        self.image.config.prepend_path(&format!("{VENV_HOME}/bin"));
        let installed = self.packages().lock(lock, files, &self.image)?;
        self.installed(installed)?;
        self.compile(lock.bytecode, &Interpreter::Venv)
    }

    fn compile(&mut self, bytecode: Option<bool>, python: &Interpreter) -> Result<(), BuildError> {
        if bytecode != Some(true) {
            return Ok(());
        }
        let target = self.packages().target(python, &self.image)?;
        let made = self.commands().bytecode(&target, &self.image)?;
        self.add(made, commands::BYTECODE)
    }

    fn python(&mut self, version: &str, words: &str) -> Result<(), BuildError> {
        let made = self.packages().python(version, &self.image)?;
        self.add(made, words)?;
        self.image
            .config
            .prepend_path(&format!("{PYTHON_HOME}/bin"));
        Ok(())
    }

    fn installed(&mut self, layers: Vec<Installed>) -> Result<(), BuildError> {
        for Installed { made, words } in layers {
            self.add(made, &words)?;
        }
        Ok(())
    }

    fn copy(&mut self, copy: &CopyStep, words: &str) -> Result<(), BuildError> {
        let to = join_path(self.image.config.workdir(), &copy.to);
        let owner = copy.owner.as_ref();
        let owner = owner.map(|owner| Owner::read(owner, &self.image.tree));
        let owner = owner.transpose().map_err(BuildError::Failed)?;
        if let CopySource::Image { image, path } = &copy.from {
            let words = format!("{words} ({image}:{path})");
            let platform = self.platform;
            let from = self.source.made(self.job, image, platform)?;
            let onto = (&self.image.tree, to.as_str());
            let taken = Taken::new(&from, path, onto, owner, self.source).map_err(|error| {
                error.reworded(|why| format!("`{image}` cannot be copied from: {why}"))
            })?;
            if taken.items.is_empty() {
                self.image.config.add_history(&words, None);
                return Ok(());
            }
            let encoding = self.encoding;
            let write = || taken.write(encoding, self.source);
            let made = self.once().get(&taken.key(encoding), &words, write)?;
            return self.add(made, &words);
        }
        let files = self.files();
        let items = copy::copy(&self.image.tree, files, &to, owner).map_err(no_way)?;
        let words = format!("{words} ({})", shown(files));
        self.layer(&items, Some(files), &words)
    }

    /// Adds a layer of these entries, or the same one from an earlier build.
    fn layer(
        &mut self,
        items: &[Item<'_>],
        files: Option<&Files>,
        words: &str,
    ) -> Result<(), BuildError> {
        if items.is_empty() {
            self.image.config.add_history(words, None);
            return Ok(());
        }
        let key = copy::key(items, self.encoding);
        let made = self.once().get(&key, words, || self.write(items, files))?;
        self.add(made, words)
    }

    fn once(&self) -> Once<'_> {
        Once {
            source: self.source,
            encoding: self.encoding,
            use_known: !self.job.no_cache,
        }
    }

    /// Puts a layer on top.
    fn add(&mut self, made: Made, words: &str) -> Result<(), BuildError> {
        made.onto(&mut self.image, words)
    }

    fn write(&self, items: &[Item<'_>], files: Option<&Files>) -> Result<Layer, BuildError> {
        let store = self.source.store;
        let mut writer = LayerWriter::new(store, self.encoding).map_err(failed)?;
        for item in items {
            writer.entry(&item.entry()).map_err(failed)?;
            let (Some(files), Copied::Workspace(from)) = (files, item.from) else {
                continue;
            };
            let mut trouble = None;
            let mut give = |piece: &[u8]| {
                if self.source.cancel.is_requested() {
                    return Err(std::io::ErrorKind::Interrupted.into());
                }
                writer.content(piece).map_err(|error| {
                    trouble = Some(error);
                    std::io::Error::other("the layer cannot be written")
                })
            };
            let sent = context::send_entry(files, from, &mut give);
            if let Some(error) = trouble {
                return Err(failed(error));
            }
            sent?;
        }
        writer.finish().map_err(failed)
    }

    fn config(&mut self) {
        let wanted = &self.job.recipe.config;
        let config = &mut self.image.config;
        if let Some(entrypoint) = &wanted.entrypoint {
            config.set("Entrypoint", entrypoint.clone());
            // As with Docker, the base's arguments are not those of another program.
            config.unset("Cmd");
        }
        if let Some(cmd) = &wanted.cmd {
            config.set("Cmd", cmd.clone());
        }
        if let Some(user) = &wanted.user {
            config.set("User", user.as_str());
        }
        config.set_runtime(wanted);
        config.retain_labels(|name| !labels::is_reserved(name));
        for (name, value) in labels::of(self.job) {
            config.set_label(&name, &value);
        }
    }

    /// Stores config and manifest; returns the manifest's digest and size.
    fn finish(self) -> Result<(Digest, u64), BuildError> {
        let platform = self.image.config.platform().to_string();
        let config = self.image.config.bytes();
        let annotations = json!({
            (labels::KEY): self.job.key,
            (labels::PLATFORM): platform,
        });
        let manifest = self
            .source
            .put_manifest(&config, &self.image.parts, annotations)?;
        Ok((manifest.digest, manifest.size))
    }

    /// How many steps of a kind come before this one.
    fn before(&self, step: &Step, is_kind: impl Fn(&Step) -> bool) -> usize {
        let steps = self.job.recipe.steps.iter();
        let before = steps.take_while(|other| !std::ptr::eq(*other, step));
        before.filter(|step| is_kind(step)).count()
    }

    fn in_step(&self, step: &Step, error: BuildError) -> BuildError {
        let field = match step {
            Step::Env(_) => "env".to_owned(),
            Step::User(_) | Step::Account { .. } => "user".to_owned(),
            Step::Workdir(_) => "workdir".to_owned(),
            Step::Copy(_) => {
                let is_copy = |step: &Step| matches!(step, Step::Copy(_));
                format!("copy[{}]", self.before(step, is_copy))
            }
            Step::Pip(pip) if pip.requirements.is_some() => "requirements".to_owned(),
            Step::Pip(_) => "packages".to_owned(),
            Step::Lock(_) => "requirements".to_owned(),
            Step::Python { .. } => "python-version".to_owned(),
            Step::Run { .. } => {
                let is_run = |step: &Step| matches!(step, Step::Run { .. });
                format!("commands[{}]", self.before(step, is_run))
            }
            Step::Apt { .. } => "apt-packages".to_owned(),
            Step::Conda(_) => "conda-packages".to_owned(),
        };
        match error {
            BuildError::Failed(_) | BuildError::Transient(_) => BuildError::Step {
                field,
                error: Box::new(error),
            },
            other => other,
        }
    }
}

fn index(
    manifests: &[(&String, (Digest, u64))],
    job: &Job<'_>,
    source: &Source<'_>,
) -> Result<Digest, BuildError> {
    let each = manifests.iter().map(|(platform, (digest, size))| Part {
        platform,
        media_type: MANIFEST,
        digest: *digest,
        size: *size,
    });
    let annotations = json!({ (labels::KEY): job.key });
    let bytes = manifest::index(&each.collect::<Vec<_>>(), &annotations);
    let blob = source.store.put(bytes.as_slice(), None).map_err(failed)?;
    Ok(blob.digest)
}

#[allow(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
fn no_way(why: NoWay) -> BuildError {
    BuildError::Failed(why.to_string())
}
