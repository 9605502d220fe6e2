//! The values that have several parts: bases, copies, secrets, steps, a Dockerfile.

use super::writer::Excerpt;
use crate::diagnostic::{Place, Spanned};
use crate::spec::fields::Field;
use crate::spec::rules::{self, IMAGE_ID, PartRule};
use crate::spec::{
    Base, Copy, CopyFrom, GivenPath, NamedContext, OwnDockerfile, OwnStep, PipSecretMount, Secret,
    SecretSource,
};

impl Excerpt {
    pub(super) fn copies(&mut self, copies: &mut Vec<Copy>) {
        self.sound(copies, |it, at, copy| {
            let place = it.copy(copy);
            it.places.insert(format!("copy[{at}]"), place);
        });
    }

    pub(super) fn mounts(&mut self, field: &Field, mounts: &mut Vec<PipSecretMount>) {
        self.sound(mounts, |it, at, mount| {
            let place = it.mount(field, mount);
            it.places.insert(format!("{}[{at}]", field.name), place);
        });
    }

    pub(super) fn secrets(&mut self, field: &Field, secrets: &mut Vec<Secret>) {
        let mut ids = Vec::new();
        self.sound(secrets, |it, _, secret| ids.push(it.secret(field, secret)));
        let twice = rules::check_names_once(field.name, &ids);
        self.mistakes.extend(twice);
    }

    pub(super) fn steps(&mut self, steps: &mut Vec<OwnStep>) {
        if steps.is_empty() {
            return;
        }
        let name = self.name("steps");
        self.places.insert("steps", name.place);
        self.block(|it| {
            it.sound(steps, |it, at, step| {
                let place = it.step(step);
                it.places.insert(format!("steps[{at}]"), place);
            });
        });
    }

    pub(super) fn base(&mut self, field: &Field, base: &Base) {
        self.name(field.name);
        let place = match base {
            Base::Image(id) => self.prop(IMAGE_ID, id),
            Base::Registry(reference) => self.arg(field.name, field.rule, reference).place,
            Base::Scratch => self.value("scratch").place,
        };
        self.end();
        self.places.insert(field.name, place);
    }

    /// Where it comes from.
    fn copy(&mut self, copy: &Copy) -> Place {
        let name = self.name("copy");
        let place = match &copy.from {
            CopyFrom::Workspace { given, .. } => {
                let path = self.arg("copy", rules::any, given);
                self.inside(&path);
                path.place
            }
            CopyFrom::Image { image, path } => {
                self.arg("copy", rules::absolute, path);
                self.prop(IMAGE_ID, image)
            }
        };
        self.optional(rules::COPY_TO, copy.to.as_ref());
        self.optional(rules::COPY_OWNER, copy.owner.as_ref());
        self.end();
        self.places.insert("copy", name.place);
        place
    }

    fn mount(&mut self, field: &Field, mount: &PipSecretMount) -> Place {
        let name = self.name(field.name);
        let file = self.arg(field.name, field.rule, &mount.source.given);
        self.prop(rules::PIP_MOUNT_TO, &mount.target);
        self.end();
        self.places.insert(field.name, name.place);
        file.place
    }

    /// Its id.
    fn secret(&mut self, field: &Field, secret: &Secret) -> Spanned {
        self.name(field.name);
        let id = self.arg(field.name, field.rule, &secret.id);
        match &secret.source {
            SecretSource::Env(variable) => self.prop(rules::SECRET_ENV, variable),
            SecretSource::File(file) => self.prop(rules::SECRET_FILE, &file.given),
        };
        if secret.uses.is_empty() {
            self.end();
        } else {
            self.block(|it| {
                for one in &secret.uses {
                    it.name(one.step.field());
                    it.optional(rules::USE_ENV, one.env.as_ref());
                    it.optional(rules::USE_MOUNT, one.mount.as_ref());
                    it.end();
                }
            });
        }
        self.places.insert(field.name, id.place.clone());
        let key = format!("{}.{}", field.name, id.text);
        self.places.insert(key, id.place.clone());
        id
    }

    fn step(&mut self, step: &OwnStep) -> Place {
        match step {
            OwnStep::Apt(packages) => self.plain_step(rules::STEP_APT, packages, None),
            OwnStep::Conda(packages) => self.plain_step(rules::STEP_CONDA, packages, None),
            OwnStep::Pip {
                packages,
                requirements,
            } => self.plain_step(rules::STEP_PIP, packages, requirements.as_ref()),
            OwnStep::Copy(copy) => self.copy(copy),
            OwnStep::Run(command) => self.text_step(rules::STEP_RUN, command).1,
            OwnStep::User(user) => self.text_step(rules::STEP_USER, user).0,
            OwnStep::Workdir(path) => self.text_step(rules::STEP_WORKDIR, path).0,
            OwnStep::Env(pairs) => {
                let PartRule { name, rule } = rules::STEP_ENV;
                let place = self.name(name).place;
                let pairs = self.pairs(name, rule, rules::any, pairs);
                if pairs.is_empty() {
                    self.mistakes.push(rules::empty_step(name, &place));
                }
                place
            }
        }
    }

    /// Where its name is, and where its value is.
    pub(super) fn text_step(&mut self, part: PartRule, text: &str) -> (Place, Place) {
        let name = self.name(part.name);
        let text = self.arg(part.name, part.rule, text);
        self.end();
        (name.place, text.place)
    }

    pub(super) fn plain_step(
        &mut self,
        part: PartRule,
        values: &[String],
        requirements: Option<&GivenPath>,
    ) -> Place {
        let name = self.name(part.name);
        for value in values {
            self.arg(part.name, part.rule, value);
        }
        if let Some(path) = requirements {
            let place = self.prop(rules::PIP_REQUIREMENTS, &path.given);
            self.inside(&Spanned::plain(&*path.given, place));
        } else if values.is_empty() {
            self.mistakes
                .push(rules::empty_step(part.name, &name.place));
        }
        self.end();
        name.place
    }

    pub(super) fn dockerfile(&mut self, field: &Field, own: &OwnDockerfile) {
        self.name(field.name);
        let path = self.arg(field.name, field.rule, &own.path.to_string());
        self.places.insert(field.name, path.place);
        let context = self.prop(rules::DOCKERFILE_CONTEXT, &own.context.to_string());
        self.places.insert("dockerfile.context", context);
        self.optional(rules::DOCKERFILE_TARGET, own.target.as_ref());
        self.block(|it| {
            if !own.args.is_empty() {
                let PartRule { name, rule } = rules::DOCKERFILE_ARGS;
                it.name(name);
                let pairs = it.pairs(name, rule, rules::any, &own.args);
                let names = pairs.iter().map(|(name, _)| name);
                it.mistakes.extend(rules::check_names_once(name, names));
            }
            if !own.contexts.is_empty() {
                it.name("contexts");
                it.block(|it| it.contexts(&own.contexts));
            }
        });
    }

    pub(super) fn contexts(&mut self, contexts: &[(String, NamedContext)]) {
        let mut names = Vec::new();
        for (name, context) in contexts {
            let name = self.name(name);
            self.hold(rules::check_called("a context", rules::context_name, &name));
            let place = match context {
                NamedContext::Image(id) => self.prop(IMAGE_ID, id),
                NamedContext::Registry(reference) => {
                    self.arg(&name.text, rules::check_reference, reference)
                        .place
                }
                NamedContext::Folder(path) => self.prop(rules::CONTEXT_PATH, &path.to_string()),
            };
            self.end();
            let key = format!("dockerfile.contexts.{}", name.text);
            self.places.insert(key, place);
            names.push(name);
        }
        let twice = rules::check_names_once("contexts", &names);
        self.mistakes.extend(twice);
    }
}
