//! Lints of images: things that are valid but probably mistakes.
//!
//! Accesses files only to check for ignore files and to read user-supplied Dockerfiles.

mod files;
mod install;
mod secret_value;
mod shell;
mod words;

use std::collections::BTreeSet;

use super::findings::Findings;
use crate::diagnostic::{Diagnostic, Place, Sources};
use crate::recipe::familiar;
use crate::spec::{Base, CopyFrom, ImageSpec, NamedContext, OwnStep};
use crate::workspace::{Image, Lock, Workspace};

pub(crate) use secret_value::looks_secret;

/// Reports the lints of a workspace's images. Values that look like secrets are masked in its sources.
pub(super) fn check(workspace: &mut Workspace, findings: &mut Findings) {
    for image in &workspace.images {
        let mut lints = Lints {
            image,
            sources: &workspace.sources,
            lock: workspace.lock.as_ref(),
            findings,
        };
        lints.words();
        lints.bases();
        lints.scratch();
        lints.installs();
        lints.no_ignore_file(&workspace.root);
    }
    unused_secrets(&workspace.images, findings);
    let secrets = secrets(&workspace.images, findings);
    workspace.sources.hide(&secrets);
}

/// The lints of one image.
struct Lints<'a> {
    image: &'a Image,
    sources: &'a Sources,
    lock: Option<&'a Lock>,
    findings: &'a mut Findings,
}

impl Lints<'_> {
    /// Reports a lint at the place of a field.
    fn tell(&mut self, field: &str, found: Diagnostic, label: &str) {
        let found = match self.image.places.get(field) {
            Some(place) => found.at(*place, label),
            None => found,
        };
        self.findings.lint(self.image, found);
    }

    fn bases(&mut self) {
        let spec = &self.image.spec;
        if let (Some(Base::Registry(name)), None) = (&spec.base_image, &spec.cuda) {
            self.floating("base-image", name);
        }
        for (name, context) in spec.dockerfile.iter().flat_map(|own| &own.contexts) {
            if let NamedContext::Registry(reference) = context {
                self.floating(&format!("dockerfile.contexts.{name}"), reference);
            }
        }
    }

    fn floating(&mut self, field: &str, reference: &str) {
        let place = self.image.places.get(field);
        let is_locked = |lock: &Lock| lock.bases.contains_key(&familiar(reference));
        let is_held = reference.contains('@') || self.lock.is_some_and(is_locked);
        if is_held || !self.image.places.has(field) || self.findings.is_ambiguous(place) {
            return;
        }
        let name = reference.rsplit('/').next().unwrap_or(reference);
        let label = match name.split_once(':') {
            None => "without a tag it is `latest`",
            Some((_, "latest")) => "it is whatever was pushed last",
            Some(_) => return,
        };
        let found = Diagnostic::lint(
            "floating-base",
            format!("base `{reference}` has no fixed tag"),
        );
        let found = found.help("builds with the same key may get different bases: use a fixed tag, such as `debian:bookworm-slim`, or pin it with `imgspec lock`");
        self.tell(field, found, label);
    }

    /// `scratch` has no shell and no package manager, though programs copied from another image may provide them.
    fn scratch(&mut self) {
        let spec = &self.image.spec;
        if spec.base_image != Some(Base::Scratch) || spec.dockerfile.is_some() {
            return;
        }
        let brings_programs = spec
            .copies()
            .any(|(_, _, copy)| matches!(copy.from, CopyFrom::Image { .. }));
        let is_run = |step: &OwnStep| matches!(step, OwnStep::Run(_));
        let is_install = |step: &OwnStep| {
            matches!(
                step,
                OwnStep::Apt(_) | OwnStep::Conda(_) | OwnStep::Pip { .. }
            )
        };
        let step = |is: &dyn Fn(&OwnStep) -> bool| {
            let at = spec.steps.iter().position(is);
            at.map(|at| format!("steps[{at}]"))
        };
        let has = |field: &str, is_set: bool| is_set.then(|| field.to_owned());
        let needy = has("apt-packages", !spec.apt_packages.is_empty())
            .or_else(|| has("conda-packages", !spec.conda_packages.is_empty()))
            .or_else(|| has("python-version", spec.python().is_some()))
            .or_else(|| has("packages", !spec.packages.is_empty()))
            .or_else(|| has("requirements", spec.requirements.is_some()))
            .or_else(|| step(&is_install))
            .or_else(|| has("commands", !spec.commands.is_empty() && !brings_programs))
            .or_else(|| step(&is_run).filter(|_| !brings_programs));
        if let Some(field) = needy {
            let found = Diagnostic::lint(
                "scratch",
                "nothing can run on `scratch`: it has no programs",
            );
            let found = found
                .help("build on an image that has them, and copy the result: `copy image=\"…\"`");
            let found = match self.image.places.get("base-image") {
                Some(place) => found.with(*place, "the base is empty"),
                None => found,
            };
            self.tell(&field, found, "this needs a shell");
        }
    }

    fn installs(&mut self) {
        let image = self.image;
        let commands = image.spec.commands.iter().enumerate();
        let commands = commands.map(|(at, line)| ("commands", at, line));
        let steps = image.spec.steps.iter().enumerate();
        let steps = steps.filter_map(|(at, step)| match step {
            OwnStep::Run(line) => Some(("steps", at, line)),
            _ => None,
        });
        for (list, at, line) in commands.chain(steps) {
            if let Some((what, better)) = install::installs(line) {
                let field = format!("{list}[{at}]");
                let found = Diagnostic::lint("install-command", format!("a command runs `{what}`"));
                let found = found.help(format!("list the packages in `{better}`, so that they are installed before files are copied and are visible in the manifest"));
                self.tell(&field, found, &format!("`{better}` does this"));
            }
        }
    }
}

/// Reports values that look like secrets, and returns them.
fn secrets(images: &[Image], findings: &mut Findings) -> BTreeSet<String> {
    let mut hidden = BTreeSet::new();
    for image in images {
        let spec = &image.spec;
        let env = spec.env.iter();
        let env = env.map(|(name, value)| (format!("env.{name}"), name, value));
        let labels = spec.labels.iter();
        let labels = labels.map(|(name, value)| (format!("labels.{name}"), name, value));
        let args = spec.dockerfile.iter().flat_map(|own| &own.args);
        let args = args.map(|(name, value)| (format!("dockerfile.args.{name}"), name, value));
        let steps = spec.steps.iter().enumerate();
        let steps = steps.flat_map(|(at, step)| {
            let pairs = match step {
                OwnStep::Env(pairs) => pairs.as_slice(),
                _ => &[],
            };
            let pairs = pairs.iter();
            pairs.map(move |(name, value)| (format!("steps[{at}]"), name, value))
        });
        for (field, name, value) in env.chain(labels).chain(args).chain(steps) {
            let Some(why) = secret_value::looks_secret(name, value) else {
                continue;
            };
            let message = format!("the value of `{name}` looks like a secret");
            let id = name.to_ascii_lowercase().replace('_', "-");
            let found = Diagnostic::lint("secret-value", message).help(match &spec.dockerfile {
                Some(_) => format!(
                    "anyone with the image can read it; pass it with `secret \"{id}\" env=\"{name}\"`, for `RUN --mount=type=secret,id={id}`"
                ),
                None => format!(
                    "anyone with the image can read it; pass it to steps with `secret \"{id}\" env=\"{name}\"`, and to containers when they start"
                ),
            });
            let place = image.places.get(&field);
            let found = match place {
                Some(place) => found.at(*place, why),
                None => found,
            };
            findings.lint(image, found);
            hidden.insert(value.clone());
        }
    }
    hidden
}

/// Reports secrets that no step uses. A secret that several images inherit need only be used by one of them.
fn unused_secrets(images: &[Image], findings: &mut Findings) {
    let mut unused: Vec<(&Image, &str)> = Vec::new();
    let mut used = BTreeSet::new();
    let key = |place: &Place| (place.source, place.start());
    for image in images {
        for secret in &image.spec.secrets {
            let place = image.places.get(&format!("secret.{}", secret.id));
            if gets(&image.spec, secret) {
                used.extend(place.map(key));
            } else {
                unused.push((image, &secret.id));
            }
        }
    }
    for (image, id) in unused {
        let place = image.places.get(&format!("secret.{id}"));
        if let Some(place) = place.filter(|place| !used.contains(&key(place))) {
            let found =
                Diagnostic::lint("unused-secret", format!("no step uses the secret `{id}`"));
            let found = found
                .at(*place, "")
                .help("remove it, or list steps that the image has in its block");
            findings.lint(image, found);
        }
    }
}

/// Whether a step of the image receives the secret. In a Dockerfile, the steps select their secrets themselves.
fn gets(spec: &ImageSpec, secret: &crate::spec::Secret) -> bool {
    use crate::spec::SecretStep as Kind;
    let own = |is: fn(&OwnStep) -> bool| spec.steps.iter().any(is);
    let has = |kind: Kind| match kind {
        Kind::Apt => !spec.apt_packages.is_empty() || own(|it| matches!(it, OwnStep::Apt(_))),
        Kind::Conda => spec.installs_conda_packages(),
        Kind::Pip => spec.installs_python_packages(),
        Kind::Run => !spec.commands.is_empty() || own(|it| matches!(it, OwnStep::Run(_))),
    };
    let mut uses = secret.uses.iter().map(|given| given.step);
    spec.dockerfile.is_some()
        || uses.any(has)
        || (secret.uses.is_empty() && Kind::ALL.into_iter().any(has))
}
