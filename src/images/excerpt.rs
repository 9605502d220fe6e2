//! A spec in the words of a manifest, so that its mistakes have an excerpt; each value is held to its rule as it is written.
//!
//! The counterpart of the manifest's decoder: both go by the table of fields and by the rules of [`crate::spec::rules`].

use crate::diagnostic::{Diagnostic, Place, SourceId, Spanned, quoted};
use crate::spec::fields::{self, Field, FieldKind};
use crate::spec::rules::{self, IMAGE_ID, PartRule, ValueRule};
use crate::spec::{
    Base, Copy, CopyFrom, GivenPath, ImageSpec, NamedContext, OwnDockerfile, OwnStep,
    PipSecretMount, Secret, SecretSource, WorkspacePath,
};
use crate::workspace::Places;

/// The longest line of a list, in bytes; longer ones are said in several lines.
const LINE: usize = 100;

/// What is written so far.
pub(super) struct Excerpt {
    pub text: String,
    pub places: Places,
    pub mistakes: Vec<Diagnostic>,
    source: SourceId,
    depth: usize,
}

impl Excerpt {
    /// `image "id" { … }`. Fields with a mistake are taken out of the spec, so that nothing else is told of them.
    pub(super) fn of(id: &str, spec: &mut ImageSpec, source: SourceId) -> (Self, Spanned) {
        let mut excerpt = Self {
            text: String::new(),
            places: Places::default(),
            mistakes: Vec::new(),
            source,
            depth: 0,
        };
        excerpt.name("image");
        let id = excerpt.value(id);
        excerpt.places.insert("", id.place.clone());
        excerpt.block(|it| {
            for field in fields::all() {
                let told = it.mistakes.len();
                it.field(field, spec);
                if it.mistakes.len() > told {
                    field.clear(spec);
                }
            }
        });
        (excerpt, id)
    }

    fn put(&mut self, said: &str) -> Place {
        let start = self.text.len();
        self.text += said;
        Place {
            source: self.source,
            span: start..self.text.len(),
        }
    }

    fn word(&mut self, text: &str) -> Spanned {
        let place = match rules::declared_name(text) {
            Ok(()) => self.put(text),
            Err(_) => self.put(&quoted(text)),
        };
        Spanned::plain(text, place)
    }

    /// The name of a node, on a line of its own.
    fn name(&mut self, name: &str) -> Spanned {
        self.text += &"    ".repeat(self.depth);
        self.word(name)
    }

    fn value(&mut self, text: &str) -> Spanned {
        self.text += " ";
        let place = self.put(&quoted(text));
        Spanned::plain(text, place)
    }

    fn named_value(&mut self, name: &str, value: &str) -> (Spanned, Spanned) {
        self.text += " ";
        let name = self.word(name);
        self.text += "=";
        let place = self.put(&quoted(value));
        (name, Spanned::plain(value, place))
    }

    fn end(&mut self) {
        self.text += "\n";
    }

    fn block(&mut self, inside: impl FnOnce(&mut Self)) {
        self.text += " {\n";
        self.depth += 1;
        inside(self);
        self.depth -= 1;
        self.text += &"    ".repeat(self.depth);
        self.text += "}\n";
    }

    fn hold<T>(&mut self, result: Result<T, Diagnostic>) -> Option<T> {
        result.map_err(|mistake| self.mistakes.push(mistake)).ok()
    }

    /// An argument, held to a rule.
    fn arg(&mut self, what: &str, rule: ValueRule, text: &str) -> Spanned {
        let text = self.value(text);
        self.hold(rules::check(what, rule, &text));
        text
    }

    /// A property, held to a rule.
    fn prop(&mut self, part: PartRule, text: &str) -> Place {
        let (_, text) = self.named_value(part.name, text);
        self.hold(rules::check(part.name, part.rule, &text));
        text.place
    }

    fn optional(&mut self, part: PartRule, text: Option<&String>) {
        if let Some(text) = text {
            self.prop(part, text);
        }
    }

    fn field(&mut self, field: &'static Field, spec: &ImageSpec) {
        let (name, rule) = (field.name, field.rule);
        match field.kind {
            FieldKind::Text(slot) => {
                // Which builders there are is the program's affair.
                let rule = if name == "builder" { rules::any } else { rule };
                let text = (slot.get)(spec).as_deref();
                text.iter().for_each(|text| self.one(name, rule, text));
            }
            FieldKind::CopyMode => {
                let mode = spec.source_copy_mode.iter();
                mode.for_each(|mode| self.one(name, rule, mode.name()));
            }
            FieldKind::Path(slot) => {
                let path = (slot.get)(spec).iter();
                path.for_each(|path| self.path(field, path));
            }
            FieldKind::Words(slot) => {
                let words = (slot.get)(spec).iter();
                words.for_each(|words| drop(self.words(field, 0, words)));
            }
            FieldKind::Platforms if spec.platform.is_empty() => {}
            FieldKind::Platforms => {
                let platforms = self.words(field, 0, &spec.platform);
                self.mistakes
                    .extend(rules::check_platforms_once(&platforms));
            }
            FieldKind::List(slot) => self.list(field, (slot.get)(spec)),
            FieldKind::Map(slot, value_rule) => self.map(field, value_rule, (slot.get)(spec)),
            FieldKind::Base => spec
                .base_image
                .iter()
                .for_each(|base| self.base(field, base)),
            FieldKind::Copies => {
                for (at, copy) in spec.copy.iter().enumerate() {
                    let place = self.copy(copy);
                    self.places.insert(format!("copy[{at}]"), place);
                }
            }
            FieldKind::Mounts => {
                for (at, mount) in spec.pip_secret_mounts.iter().enumerate() {
                    let place = self.mount(field, mount);
                    self.places.insert(format!("{name}[{at}]"), place);
                }
            }
            FieldKind::Secrets => {
                let secrets = spec.secrets.iter();
                let ids: Vec<Spanned> = secrets.map(|secret| self.secret(field, secret)).collect();
                self.mistakes.extend(rules::check_names_once(name, &ids));
            }
            FieldKind::Steps => self.steps(&spec.steps),
            FieldKind::Dockerfile => {
                let own = spec.dockerfile.iter();
                own.for_each(|own| self.dockerfile(field, own));
            }
        }
    }

    fn one(&mut self, name: &str, rule: ValueRule, text: &str) {
        self.name(name);
        let text = self.arg(name, rule, text);
        self.end();
        self.places.insert(name, text.place);
    }

    fn path(&mut self, field: &Field, path: &GivenPath) {
        self.name(field.name);
        let given = self.arg(field.name, field.rule, &path.given);
        self.inside(&given);
        self.end();
        self.places.insert(field.name, given.place);
    }

    fn inside(&mut self, path: &Spanned) {
        self.hold(rules::inside(&WorkspacePath::ROOT, path));
    }

    /// One line of words, the first of which is that of this number.
    fn words(&mut self, field: &Field, first: usize, words: &[String]) -> Vec<Spanned> {
        let name = self.name(field.name);
        self.places.insert(field.name, name.place);
        let mut written = Vec::new();
        for (at, word) in words.iter().enumerate() {
            let word = self.arg(field.name, field.rule, word);
            let key = format!("{}[{}]", field.name, first + at);
            self.places.insert(key, word.place.clone());
            written.push(word);
        }
        self.end();
        written
    }

    /// A list: its name again in every line.
    fn list(&mut self, field: &Field, values: &[String]) {
        let (mut from, mut length) = (0, 0);
        for (at, value) in values.iter().enumerate() {
            length += value.len() + 3;
            if length > LINE && at > from {
                self.words(field, from, &values[from..at]);
                (from, length) = (at, value.len() + 3);
            }
        }
        if from < values.len() {
            self.words(field, from, &values[from..]);
        }
    }

    /// A map: a node for each pair.
    fn map(&mut self, field: &Field, value_rule: ValueRule, pairs: &[(String, String)]) {
        let mut names = Vec::new();
        for pair in pairs {
            let node = self.name(field.name);
            self.places.insert(field.name, node.place);
            let pair = std::slice::from_ref(pair);
            for (name, value) in self.pairs(field.name, field.rule, value_rule, pair) {
                let key = format!("{}.{}", field.name, name.text);
                self.places.insert(key, value.place);
                names.push(name);
            }
        }
        let twice = rules::check_names_once(field.name, &names);
        self.mistakes.extend(twice);
    }

    /// What follows the name of a map.
    fn pairs(
        &mut self,
        map: &str,
        rule: ValueRule,
        value_rule: ValueRule,
        pairs: &[(String, String)],
    ) -> Vec<(Spanned, Spanned)> {
        let mut written = Vec::new();
        // As a property that name would drop what was inherited.
        if pairs.iter().any(|(name, _)| name == "reset") {
            self.block(|it| {
                for (name, value) in pairs {
                    written.push((it.name(name), it.value(value)));
                    it.end();
                }
            });
        } else {
            let pairs = pairs.iter();
            written.extend(pairs.map(|(name, value)| self.named_value(name, value)));
            self.end();
        }
        for (name, value) in &written {
            let checked = rules::check_entry(map, rule, name);
            self.hold(checked.and_then(|()| rules::check(&name.text, value_rule, value)));
        }
        written
    }

    fn base(&mut self, field: &Field, base: &Base) {
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

    fn steps(&mut self, steps: &[OwnStep]) {
        if steps.is_empty() {
            return;
        }
        let name = self.name("steps");
        self.places.insert("steps", name.place);
        self.block(|it| {
            for (at, step) in steps.iter().enumerate() {
                let place = it.step(step);
                it.places.insert(format!("steps[{at}]"), place);
            }
        });
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
    fn text_step(&mut self, part: PartRule, text: &str) -> (Place, Place) {
        let name = self.name(part.name);
        let text = self.arg(part.name, part.rule, text);
        self.end();
        (name.place, text.place)
    }

    fn plain_step(
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

    fn dockerfile(&mut self, field: &Field, own: &OwnDockerfile) {
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

    fn contexts(&mut self, contexts: &[(String, NamedContext)]) {
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
