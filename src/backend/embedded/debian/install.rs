//! Installs Debian packages: unpacked outside and configured inside, or all of it by apt where only apt knows how; and makes
//! systems of nothing but packages.
//!
//! What is chosen is kept with the layer, named by what was asked for and what it is asked for on, so the next build asks
//! no archive; `--force` asks again.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::boot;
use super::choose::choose;
use super::configure;
use super::database::Before;
use super::files::fetch;
use super::given;
use super::keyring;
use super::lay::Laid;
use super::locked;
use super::settings::{self, EXTENDED, HOME, Settings};
use super::sources::Files;
use super::unpack::{UnpackError, Unpacked};
use super::{ChooseError, Package, Request, Set};
use crate::backend::BuildError;
use crate::backend::embedded::base::{Image, LayerNote, Source};
use crate::backend::embedded::commands::Commands;
use crate::backend::embedded::common::{failed, mode};
use crate::backend::embedded::execute::{Keep, Lent, Program, Tools};
use crate::backend::embedded::made::{Key, Made, Once};
use crate::backend::embedded::trees::{self, Owners};
use crate::backend::oci::layer::Layer;
use crate::backend::oci::tree::Tree;
use crate::backend::platform::Platform;
use crate::backend::sandbox::Network;
use crate::backend::steps::{APT_CACHES, apt_script, cache_scope};
use crate::spec::{Debian, SecretStep, Variant};
use crate::workspace::{DebianField, LockedDeb};

/// The version of how packages become layers; part of the keys of their layers.
const FORMAT: &str = "debian 2";

/// Installs packages for an image on a platform.
pub(in super::super) struct Install<'a>(pub(in super::super) &'a Commands<'a>);

/// Layers on an image, in their order, each with its words.
pub(in super::super) type Layers = Vec<(Made, String)>;

/// Why nothing was made: what only apt knows, or a failure.
enum Unmade {
    Unclear(String),
    Failed(BuildError),
}

impl From<BuildError> for Unmade {
    fn from(error: BuildError) -> Self {
        Self::Failed(error)
    }
}

impl From<UnpackError> for Unmade {
    fn from(error: UnpackError) -> Self {
        match error {
            UnpackError::Unclear(why) => Self::Unclear(why),
            UnpackError::Failed(error) => Self::Failed(error),
        }
    }
}

impl From<ChooseError> for Unmade {
    fn from(error: ChooseError) -> Self {
        match error {
            ChooseError::Unclear(why) => Self::Unclear(why),
            ChooseError::Failed(error) => Self::Failed(error),
        }
    }
}

impl Install<'_> {
    /// The layers of packages on an image.
    pub(in super::super) fn packages(
        &self,
        packages: &[String],
        image: &Image,
        words: &str,
    ) -> Result<Layers, BuildError> {
        let argv: Vec<String> = ["/bin/sh", "-c", &apt_script(&[given::APT]), "apt-packages"]
            .into_iter()
            .map(str::to_owned)
            .chain(packages.iter().cloned())
            .collect();
        let scope = cache_scope(self.0.platform, &self.0.job.recipe.base);
        let caches = APT_CACHES.map(|(target, name)| Keep::new(name, target, &scope));
        let apt = Program {
            words,
            argv: &argv,
            env: &[],
            user: "",
            network: Network::Host,
            left_out: &configure::LEFT_OUT,
            tools: Tools {
                caches: &caches,
                ..Tools::default()
            },
        };
        let by_apt = || {
            let made = self.0.program(&apt, Some(SecretStep::Apt), image)?;
            Ok(vec![(made, words.to_owned())])
        };
        // What is locked is installed, and nothing else, whatever the archive has.
        if let Some(debs) = self.locked(DebianField::Apt) {
            return self.pinned(packages, debs, image, words);
        }
        // apt alone knows what to do with logins.
        let has_secrets = self
            .0
            .job
            .recipe
            .secrets_of(SecretStep::Apt)
            .next()
            .is_some();
        if has_secrets || self.0.knows(&apt, Some(SecretStep::Apt), image)? {
            return by_apt();
        }
        match self.laid(packages, None, image, words) {
            Ok(layers) => Ok(layers),
            Err(Unmade::Unclear(why)) => {
                self.say(&why);
                by_apt()
            }
            Err(Unmade::Failed(error)) => Err(error),
        }
    }

    /// The layers of locked packages on an image.
    fn pinned(
        &self,
        packages: &[String],
        debs: &[LockedDeb],
        image: &Image,
        words: &str,
    ) -> Result<Layers, BuildError> {
        match self.laid(packages, Some(debs), image, words) {
            Ok(layers) => Ok(layers),
            Err(Unmade::Unclear(why)) => {
                self.say(&why);
                let made = given::install(self.0, debs, image, words)?;
                Ok(vec![(made, words.to_owned())])
            }
            Err(Unmade::Failed(error)) => Err(error),
        }
    }

    fn say(&self, why: &str) {
        let line = format!("apt installs the packages: {why}");
        self.source().notes.log(&line);
    }

    /// What the lock has for a field of this image.
    fn locked(&self, field: DebianField) -> Option<&[LockedDeb]> {
        let locked = self.0.job.outside.debs(field, self.0.platform)?;
        Some(&locked.debs)
    }

    /// A system of nothing but packages.
    pub(in super::super) fn system(&self, debian: &Debian) -> Result<Image, BuildError> {
        let platform = Platform::read(self.0.platform);
        let mut image = Source::scratch(self.0.platform);
        image.config.set("Cmd", vec!["bash".to_owned()]);
        let architecture = architecture(&platform)?;
        let sources = boot::sources(debian);
        let mut key = self.key(&image);
        for text in [architecture, &sources, debian.variant.name()] {
            key.text(text);
        }
        let locked = self.locked(DebianField::Base);
        add(&mut key, locked);
        let words = format!("base-image: {}", debian.suite);
        let made = self.once().get(&key.finish(self.0.encoding), &words, || {
            let first = self.first(debian, architecture, &sources, locked);
            first.map_err(|unmade| match unmade {
                Unmade::Failed(error) => error,
                Unmade::Unclear(why) => failed(why),
            })
        })?;
        made.onto(&mut image, &words)?;
        let made = self.configured(&image, &words, Network::None)?;
        made.onto(&mut image, &words)?;
        Ok(image)
    }

    fn source(&self) -> &Source<'_> {
        self.0.source
    }

    fn once(&self) -> Once<'_> {
        Once {
            source: self.0.source,
            encoding: self.0.encoding,
            use_known: !self.0.job.no_cache,
        }
    }

    fn key(&self, image: &Image) -> Key {
        let mut key = Key::default();
        key.text(FORMAT);
        key.text(self.0.platform);
        let layers = image.config.diff_ids().unwrap_or_default();
        key.number(layers.len() as u64);
        for layer in layers {
            key.text(layer.to_string());
        }
        key
    }

    /// The layer of a suite's packages, unpacked.
    fn first(
        &self,
        debian: &Debian,
        architecture: &str,
        sources: &str,
        locked: Option<&[LockedDeb]>,
    ) -> Result<Layer, Unmade> {
        let source = self.source();
        let mut packages = if let Some(debs) = locked {
            locked::choose(debs, &Files::new(), architecture, self.0.job.image, source)?
        } else {
            let request = Request {
                files: &system_files(sources),
                architecture,
                packages: &boot::besides(debian),
                set: Some(set_of(debian.variant)),
                below: &[],
                preferred: &[],
            };
            choose(&request, source)?.packages
        };
        boot::ordered(&mut packages);
        let mut laid = Laid::on(Tree::default());
        boot::begin(&mut laid, architecture, sources).map_err(UnpackError::from)?;
        self.unpacked(&packages, laid, &Before::default())
    }

    /// The layers of packages that are unpacked outside and configured inside.
    fn laid(
        &self,
        packages: &[String],
        locked: Option<&[LockedDeb]>,
        image: &Image,
        words: &str,
    ) -> Result<Layers, Unmade> {
        let mut key = self.key(image);
        for package in packages {
            key.text(package);
        }
        add(&mut key, locked);
        let mut unclear = None;
        let made = self.once().get(&key.finish(self.0.encoding), words, || {
            self.onto(packages, locked, image)
                .map_err(|unmade| match unmade {
                    Unmade::Failed(error) => error,
                    Unmade::Unclear(why) => {
                        unclear = Some(why.clone());
                        failed(why)
                    }
                })
        });
        let made = match (made, unclear) {
            (_, Some(why)) => return Err(Unmade::Unclear(why)),
            (made, None) => made?,
        };
        let mut with = image.clone();
        made.clone().onto(&mut with, words)?;
        let then = format!("{words} (configured)");
        match self.configured(&with, words, Network::Host) {
            Ok(configured) => Ok(vec![(made, words.to_owned()), (configured, then)]),
            Err(BuildError::Failed(why)) => Err(Unmade::Unclear(why)),
            Err(error) => Err(error.into()),
        }
    }

    /// The layer of packages on an image, unpacked.
    fn onto(
        &self,
        packages: &[String],
        locked: Option<&[LockedDeb]>,
        image: &Image,
    ) -> Result<Layer, Unmade> {
        let source = self.source();
        let platform = Platform::read(self.0.platform);
        let architecture = architecture(&platform)?;
        let layers: Vec<PathBuf> = trees::of(image, Owners::of(mode()?), source)?;
        let files = settings::read(image, &layers)?;
        let chosen = if let Some(debs) = locked {
            locked::choose(debs, &files, architecture, self.0.job.image, source)?
        } else {
            let request = Request {
                files: &files,
                architecture,
                packages,
                set: None,
                below: &[],
                preferred: &[],
            };
            choose(&request, source)?.packages
        };
        let settings = Settings::of(&files).map_err(Unmade::Unclear)?;
        let is_upgrade = |package: &&Package| package.replaces.is_some();
        if let Some(package) = chosen.iter().find(is_upgrade) {
            return Err(Unmade::Unclear(format!(
                "the base has another `{}`",
                package.name
            )));
        }
        let text = |path: &str| {
            let text = files
                .get(path)
                .map(|text| String::from_utf8_lossy(text).into_owned());
            text.unwrap_or_default()
        };
        let status = text(&format!("{HOME}/status"));
        let start = format!("{HOME}/triggers/");
        let triggers = files.keys().filter_map(|path| {
            let name = path.strip_prefix(&start)?;
            Some((name.to_owned(), text(path)))
        });
        let before = Before {
            status: &status,
            triggers: triggers.collect::<BTreeMap<_, _>>(),
            extended: Some((text(EXTENDED), architecture)),
        };
        let laid = Laid::on(image.tree.clone()).by(settings, settings::diverted(&files));
        self.unpacked(&chosen, laid, &before)
    }

    fn unpacked(
        &self,
        packages: &[Package],
        laid: Laid,
        before: &Before<'_>,
    ) -> Result<Layer, Unmade> {
        let source = self.source();
        let unpacked = Unpacked::read(packages, source, |ready| fetch(packages, source, ready))?;
        source
            .notes
            .log(&format!("writing {} packages as a layer", packages.len()));
        let incoming = unpacked.incoming()?;
        Ok(unpacked.layer(laid, &incoming, before, self.0.encoding)?)
    }

    /// The layer of what configuring changes in an image whose last layer has the unpacked packages.
    fn configured(&self, image: &Image, words: &str, network: Network) -> Result<Made, BuildError> {
        let (argv, env) = (configure::argv(), configure::env());
        let program = configure::program(words, &argv, &env, network);
        let key = program.key(image, self.0.platform, &[])?;
        self.once().get(&key.finish(self.0.encoding), words, || {
            let source = self.source();
            let layers = trees::of(image, Owners::of(mode()?), source)?;
            let last = image.seen.last().zip(layers.last());
            let (part, tree) = last.ok_or_else(|| failed("there is nothing to configure"))?;
            let note = LayerNote::read(source.store, part.digest)?;
            let note = note.ok_or_else(|| failed("the store lost the list of a layer"))?;
            let scripts = configure::scripts(&note.index, tree)?;
            let lent = Lent {
                env: vec![scripts],
                ..Lent::default()
            };
            program.run(image, self.0.encoding, lent, source)
        })
    }
}

/// Adds what the lock has to a key.
fn add(key: &mut Key, locked: Option<&[LockedDeb]>) {
    let Some(debs) = locked else {
        return;
    };
    key.text("locked");
    for deb in debs {
        key.text(&deb.sha256);
        key.number(deb.is_requested.into());
    }
}

/// The files that decide what a system is made of. Its own keyring is in a package; until then, the one that is built in says
/// whom to believe.
pub(super) fn system_files(sources: &str) -> Files {
    let keys = "etc/apt/trusted.gpg.d/debian-archive-keyring.gpg".to_owned();
    Files::from([
        (
            "etc/apt/sources.list".to_owned(),
            sources.as_bytes().to_vec(),
        ),
        (keys, keyring::DEBIAN.to_vec()),
    ])
}

/// The packages of a variant.
pub(super) fn set_of(variant: Variant) -> Set {
    match variant {
        Variant::Essential => Set::Essential,
        Variant::Apt => Set::Apt,
        Variant::Minbase => Set::Required,
        Variant::Important => Set::Important,
    }
}

/// Debian's name of an architecture.
pub(super) fn architecture(platform: &Platform) -> Result<&'static str, BuildError> {
    Ok(
        match (platform.architecture.as_str(), platform.variant.as_str()) {
            ("amd64", _) => "amd64",
            ("arm64", _) => "arm64",
            ("arm", "" | "v7") => "armhf",
            ("arm", _) => "armel",
            ("386", _) => "i386",
            ("ppc64le", _) => "ppc64el",
            ("s390x", _) => "s390x",
            ("riscv64", _) => "riscv64",
            ("loong64", _) => "loong64",
            ("mips64le", _) => "mips64el",
            _ => return Err(failed(format!("Debian has no packages for {platform}"))),
        },
    )
}
