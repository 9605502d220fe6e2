//! Lowers everything that is neither step nor configuration: base, helper images, secrets and Dockerfiles.

use std::collections::BTreeSet;

use super::lowering::{Lowering, sorted};
use crate::recipe::build::{
    ContextSource, DockerfileRecipe, Given, Helpers, SecretPlace, StepSecret,
};
use crate::recipe::cuda::cuda_base;
use crate::recipe::files::FileSet;
use crate::recipe::model::{Config, Healthcheck};
use crate::spec::rules::{Ports, read_ports, read_retries, read_time};
use crate::spec::{
    self, Base, DEFAULT_BASE, ImageSpec, NamedContext, Secret, SecretSource, SecretStep,
};

impl Lowering<'_> {
    pub(super) fn dockerfile(&mut self) -> Option<Box<DockerfileRecipe>> {
        let own = self.spec.dockerfile.as_ref()?;
        self.set_fields.push("dockerfile".to_owned());
        self.set_fields.push("dockerfile.context".to_owned());
        let mut named = own.contexts.clone();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        let mut contexts = Vec::new();
        for (name, context) in named {
            let source = match context {
                NamedContext::Image(id) => ContextSource::Image(id),
                NamedContext::Registry(reference) => ContextSource::Registry(reference),
                NamedContext::Folder(path) => {
                    self.set_fields.push(format!("dockerfile.contexts.{name}"));
                    let (ignore, own) = (path.clone(), self.own.clone());
                    ContextSource::Files(FileSet::Tree { path, ignore, own })
                }
            };
            contexts.push((name, source));
        }
        Some(Box::new(DockerfileRecipe {
            file: FileSet::File {
                path: own.path.clone(),
            },
            context: FileSet::Context {
                path: own.context.clone(),
                dockerfile: own.path.clone(),
                own: self.own.clone(),
            },
            target: own.target.clone(),
            args: sorted(&own.args),
            contexts,
        }))
    }
}

impl Lowering<'_> {
    pub(super) fn base_file(&mut self, base: &Base) -> Option<FileSet> {
        let Base::File { file, .. } = base else {
            return None;
        };
        self.set_fields.push("base-image".to_owned());
        let path = file.path.clone();
        Some(FileSet::Whole { path })
    }
}

/// The base of an image; a user-supplied Dockerfile names its own.
pub(super) fn base(spec: &ImageSpec) -> Base {
    if spec.dockerfile.is_some() {
        return Base::Scratch;
    }
    let own = spec.base_image.as_ref();
    // A mismatch has already been reported by `check`.
    let cuda = spec.cuda.as_deref();
    let cuda = cuda.and_then(|cuda| cuda_base(cuda, spec.cudnn.as_deref(), own).ok());
    cuda.map(Base::Registry)
        .or_else(|| own.cloned())
        .unwrap_or_else(|| Base::Registry(DEFAULT_BASE.to_owned()))
}

/// What containers start with. Values that mean the same become the same, so that keys are equal.
pub(super) fn config(spec: &ImageSpec) -> Config {
    // What breaks a rule has already been reported.
    let ports = spec.expose.iter().filter_map(|it| read_ports(it).ok());
    let ports: BTreeSet<Ports> = ports.collect();
    let volumes: BTreeSet<&String> = spec.volume.iter().collect();
    Config {
        entrypoint: spec.entrypoint.clone(),
        cmd: spec.cmd.clone(),
        user: spec.user.clone(),
        labels: sorted(&spec.labels),
        expose: ports.into_iter().map(Ports::words).collect(),
        volumes: volumes.into_iter().cloned().collect(),
        healthcheck: spec.healthcheck.as_ref().map(healthcheck),
        stop_signal: spec.stop_signal.clone(),
        shell: spec.shell.clone(),
        compression: spec.compression.clone().filter(|it| it != "gzip"),
    }
}

fn healthcheck(check: &spec::Healthcheck) -> Healthcheck {
    let spec::Healthcheck {
        test,
        interval,
        timeout,
        start_period,
        start_interval,
        retries,
    } = check;
    let time = |text: &Option<String>| text.as_ref().and_then(|text| read_time(text).ok());
    Healthcheck {
        test: test.clone(),
        interval: time(interval),
        timeout: time(timeout),
        start_period: time(start_period),
        start_interval: time(start_interval),
        retries: retries.as_ref().and_then(|count| read_retries(count).ok()),
    }
}

pub(super) fn helpers(spec: &ImageSpec) -> Helpers {
    let configured = |name: &str| {
        let mut pairs = spec.builder_config.iter();
        let pair = pairs.find(|(known, _)| known == name);
        pair.map(|(_, image)| image.clone().into())
    };
    let default = Helpers::default();
    Helpers {
        uv: configured("uv-image").unwrap_or(default.uv),
        micromamba: configured("micromamba-image").unwrap_or(default.micromamba),
    }
}

/// Where steps find a secret unless the manifest says otherwise.
fn default_place(id: &str) -> SecretPlace {
    SecretPlace::File(format!("/run/secrets/{id}"))
}

/// The secrets of an image, with default locations filled in.
pub(crate) fn secrets(spec: &ImageSpec) -> Vec<StepSecret> {
    let declared = spec.secrets.iter().map(|secret| StepSecret {
        id: secret.id.clone(),
        source: secret.source.clone(),
        uses: uses(secret),
    });
    let mounts = spec.pip_secret_mounts.iter().enumerate();
    let mounts = mounts.map(|(at, mount)| StepSecret {
        id: format!("pip-secret-mounts-{at}"),
        source: SecretSource::File(mount.source.clone()),
        uses: vec![Given {
            step: SecretStep::Pip,
            place: SecretPlace::File(mount.target.clone()),
        }],
    });
    let mut secrets: Vec<StepSecret> = declared.chain(mounts).collect();
    secrets.sort_by(|a, b| a.id.cmp(&b.id));
    secrets
}

/// The uses of a secret: all kinds of steps unless the manifest names some.
fn uses(secret: &Secret) -> Vec<Given> {
    let mut uses = Vec::new();
    for given in &secret.uses {
        let env = given.env.clone().map(SecretPlace::Env);
        let mount = given.mount.clone().map(SecretPlace::File);
        let step = given.step;
        if env.is_none() && mount.is_none() {
            let place = default_place(&secret.id);
            uses.push(Given { step, place });
        }
        let places = env.into_iter().chain(mount);
        uses.extend(places.map(|place| Given { step, place }));
    }
    if uses.is_empty() {
        uses.extend(SecretStep::ALL.map(|step| {
            let place = default_place(&secret.id);
            Given { step, place }
        }));
    }
    uses.sort();
    uses.dedup();
    uses
}
