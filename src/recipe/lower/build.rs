//! What is neither step nor config: the base, helper images, secrets, a Dockerfile of the user's own. Pure.

use super::{Lowering, sorted};
use crate::recipe::{
    ContextSource, DockerfileRecipe, FileSet, Given, Helpers, SecretPlace, StepSecret, cuda_base,
};
use crate::spec::{Base, DEFAULT_BASE, ImageSpec, NamedContext, SecretSource, SecretStep};

impl Lowering<'_> {
    pub(super) fn dockerfile(&mut self) -> Option<DockerfileRecipe> {
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
                    let ignore = path.clone();
                    ContextSource::Files(FileSet::Tree { path, ignore })
                }
            };
            contexts.push((name, source));
        }
        Some(DockerfileRecipe {
            file: FileSet::File {
                path: own.path.clone(),
            },
            context: FileSet::Context {
                path: own.context.clone(),
                dockerfile: own.path.clone(),
            },
            target: own.target.clone(),
            args: sorted(&own.args),
            contexts,
        })
    }
}

/// What the image is built on. An image of a Dockerfile says that itself.
pub(super) fn base(spec: &ImageSpec) -> Base {
    if spec.dockerfile.is_some() {
        return Base::Scratch;
    }
    let own = spec.base_image.as_ref();
    // What does not go together is told by `check`, before recipes are made.
    let cuda = spec.cuda.as_deref();
    let cuda = cuda.and_then(|cuda| cuda_base(cuda, spec.cudnn.as_deref(), own).ok());
    cuda.map(Base::Registry)
        .or_else(|| own.cloned())
        .unwrap_or_else(|| Base::Registry(DEFAULT_BASE.to_owned()))
}

pub(super) fn helpers(spec: &ImageSpec) -> Helpers {
    let said = |name: &str| {
        let mut known = spec.builder_config.iter();
        known
            .find(|(known, _)| known == name)
            .map(|(_, image)| image.clone())
    };
    let usual = Helpers::default();
    Helpers {
        uv: said("uv-image").unwrap_or(usual.uv),
        micromamba: said("micromamba-image").unwrap_or(usual.micromamba),
    }
}

/// Where a secret is that nobody says a place for.
fn usual_place(id: &str) -> SecretPlace {
    SecretPlace::File(format!("/run/secrets/{id}"))
}

/// The secrets of an image, with the places that nobody wrote.
pub(crate) fn secrets(spec: &ImageSpec) -> Vec<StepSecret> {
    let declared = spec.secrets.iter().map(|secret| {
        let mut uses: Vec<Given> = secret
            .uses
            .iter()
            .flat_map(|given| {
                let step = given.step;
                let env = given.env.clone().map(SecretPlace::Env);
                let mount = given.mount.clone().map(SecretPlace::File);
                let both: Vec<SecretPlace> = env.into_iter().chain(mount).collect();
                let places = if both.is_empty() {
                    vec![usual_place(&secret.id)]
                } else {
                    both
                };
                places.into_iter().map(move |place| Given { step, place })
            })
            .collect();
        if uses.is_empty() {
            let place = usual_place(&secret.id);
            let all = SecretStep::ALL.into_iter();
            uses.extend(all.map(|step| Given {
                step,
                place: place.clone(),
            }));
        }
        uses.sort();
        uses.dedup();
        StepSecret {
            id: secret.id.clone(),
            source: secret.source.clone(),
            uses,
        }
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
