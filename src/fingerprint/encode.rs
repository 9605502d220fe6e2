//! The encoding of recipe, files and bases that the key hashes, defined in one place.
//!
//! [`encode`] passes every input by name, in a fixed order, to a [`Sink`]. One sink hashes them; the other (in
//! `listing`) collects them in readable form. The hashed data is a sequence of (name, tag, value), each prefixed with
//! its length, so no two recipes yield the same bytes; lists include their length. Recipes are destructured without
//! `..`, so a new field does not compile until its part in the key is decided here. See `docs/design/key.md`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::credentials::without_credentials;
use super::files::Files;
use super::hash::Hash;
use super::key::Key;
use super::outside::Outside;
use crate::recipe::{
    Conda, Config, ContextSource, CopySource, CopyStep, DockerfileRecipe, FORMAT, Given,
    Healthcheck, Recipe, SecretPlace, Step, StepSecret, time_words,
};
use crate::spec::HealthTest;

/// Version of the encoding: incremented when its bytes or the contents of file sets change.
const KEY_FORMAT: u32 = 2;

/// Receives every input of a key.
pub(super) trait Sink {
    /// Adds one input. The name is hashed too, to distinguish inputs.
    fn input(&mut self, name: &str, value: Value<'_>);
}

#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Text(&'a str),
    /// A text that may contain URLs, whose credentials are not part of the input.
    Url(&'a str),
    /// A version number of imgspec's own.
    Number(u32),
    /// The number of values of this name that follow.
    Count(usize),
    /// Another image of the workspace: the key counts; the id is only listed.
    Image {
        id: &'a str,
        key: &'a Key,
    },
    Files(&'a Files),
}

/// Computes the key of an image from its recipe, its files in the order of [`Recipe::file_sets`], and the keys of the
/// images it depends on, by id. Locked images and packages are included; what is not locked adds nothing.
pub fn key(
    recipe: &Recipe,
    files: &[Arc<Files>],
    bases: &[(String, Key)],
    outside: &Outside,
) -> Key {
    let mut hash = Hash::new("imgspec 2026 key v1");
    encode(recipe, files, bases, outside, &mut hash);
    Key::new(hash.digest())
}

impl Sink for Hash {
    fn input(&mut self, name: &str, value: Value<'_>) {
        self.text(name);
        match value {
            Value::Text(text) => {
                self.byte(0);
                self.text(text);
            }
            Value::Url(text) => {
                self.byte(1);
                self.text(&without_credentials(text));
            }
            Value::Number(number) => {
                self.byte(2);
                self.bytes(&number.to_le_bytes());
            }
            Value::Count(count) => {
                self.byte(3);
                self.bytes(&(count as u64).to_le_bytes());
            }
            Value::Image { id: _, key } => {
                self.byte(4);
                self.bytes(key.bytes());
            }
            Value::Files(files) => {
                self.byte(5);
                self.bytes(&files.digest);
            }
        }
    }
}

/// Passes every input of an image's key to the sink.
pub(super) fn encode(
    recipe: &Recipe,
    files: &[Arc<Files>],
    bases: &[(String, Key)],
    outside: &Outside,
    sink: &mut impl Sink,
) {
    let Recipe {
        platforms,
        base,
        base_file,
        steps,
        config,
        helpers,
        secrets,
        dockerfile,
        // Affects how the image is built, not the result.
        wishes: _,
        // Used in messages only.
        set_fields: _,
    } = recipe;
    let mut encoder = Encoder {
        sink,
        files: files.iter(),
        bases,
        seen: BTreeMap::new(),
    };
    encoder.sink.input("key-format", Value::Number(KEY_FORMAT));
    encoder.sink.input("recipe-format", Value::Number(FORMAT));
    encoder.texts("platform", platforms);
    encoder.base(base);
    let names: Vec<Cow<'static, str>> = steps.iter().map(|step| encoder.name(step)).collect();
    encoder.sink.input("steps", Value::Text(&names.join(", ")));
    if recipe.uses_uv() {
        encoder.sink.input("uv-image", Value::Text(&helpers.uv));
    }
    if recipe.uses_micromamba() {
        let image = Value::Text(&helpers.micromamba);
        encoder.sink.input("micromamba-image", image);
    }
    encoder.secrets(secrets);
    for (step, name) in steps.iter().zip(&names) {
        encoder.step(step, name);
    }
    encoder.config(config);
    if let Some(own) = dockerfile {
        encoder.dockerfile(own);
    }
    if base_file.is_some() {
        encoder.file_set("base-image");
    }
    for (name, locked) in outside.inputs(platforms) {
        encoder.sink.input(&name, Value::Text(&locked));
    }
}

struct Encoder<'a, S: Sink> {
    sink: &'a mut S,
    files: std::slice::Iter<'a, Arc<Files>>,
    bases: &'a [(String, Key)],
    /// The number of steps seen so far of each name.
    seen: BTreeMap<&'static str, usize>,
}

impl<S: Sink> Encoder<'_, S> {
    /// The name of a step: the manifest's name of its field, with an index if there may be several.
    fn name(&mut self, step: &Step) -> Cow<'static, str> {
        let (field, counted) = match step {
            Step::Apt { .. } => ("apt-packages", false),
            Step::Python { .. } => ("python-version", false),
            Step::Env(_) => ("env", false),
            Step::Pip(_) => ("packages", false),
            Step::Conda(_) => ("conda-packages", false),
            Step::Account { .. } => ("account", false),
            Step::Lock(_) => ("requirements", false),
            Step::User(_) => ("steps.user", true),
            Step::Workdir(_) => ("workdir", false),
            Step::Copy(_) => ("copy", true),
            Step::Run { .. } => ("commands", true),
        };
        let seen = self.seen.entry(field).or_default();
        *seen += 1;
        match (counted, *seen) {
            (true, count) => format!("{field}[{}]", count - 1).into(),
            (false, 1) => field.into(),
            (false, count) => format!("{field}({count})").into(),
        }
    }

    fn step(&mut self, step: &Step, name: &str) {
        match step {
            Step::Apt { packages } => self.texts(name, packages),
            Step::Python { version: text }
            | Step::Workdir(text)
            | Step::User(text)
            | Step::Account { name: text }
            | Step::Run { command: text } => {
                self.text(name, text);
            }
            Step::Conda(conda) => self.conda(conda, name),
            Step::Lock(lock) => self.lock(lock, name),
            Step::Env(pairs) => self.pairs(name, pairs),
            Step::Pip(pip) => {
                self.pip(pip, name);
                let tail = name.strip_prefix("packages").unwrap_or_default();
                self.bytecode(tail, pip.bytecode);
            }
            Step::Copy(copy) => self.copy(copy, name),
        }
    }

    fn conda(&mut self, conda: &Conda, name: &str) {
        let Conda {
            python,
            packages,
            channels,
        } = conda;
        let tail = name.strip_prefix("conda-packages").unwrap_or_default();
        if let Some(python) = python {
            self.text(&tailed("python-version", tail), python);
        }
        self.texts(name, packages);
        self.urls(&tailed("conda-channels", tail), channels);
    }

    /// Only the name of a secret and where steps find it count, neither its value nor its source.
    fn secrets(&mut self, secrets: &[StepSecret]) {
        for StepSecret {
            id,
            source: _,
            uses,
        } in secrets
        {
            let name = format!("secret.{id}");
            self.sink.input(&name, Value::Count(uses.len()));
            for Given { step, place } in uses {
                let (how, place) = match place {
                    SecretPlace::Env(variable) => ("env", variable),
                    SecretPlace::File(path) => ("mount", path),
                };
                let name = format!("{name}.{}.{how}", step.field());
                self.text(&name, place);
            }
        }
    }

    fn dockerfile(&mut self, own: &DockerfileRecipe) {
        let DockerfileRecipe {
            file: _,
            context: _,
            target,
            args,
            contexts,
        } = own;
        self.file_set("dockerfile");
        self.file_set("dockerfile.context");
        if let Some(target) = target {
            self.text("dockerfile.target", target);
        }
        self.pairs("dockerfile.args", args);
        self.sink
            .input("dockerfile.contexts", Value::Count(contexts.len()));
        for (name, source) in contexts {
            let field = format!("dockerfile.contexts.{name}");
            match source {
                ContextSource::Image(id) => self.image(&field, id),
                ContextSource::Registry(reference) => {
                    self.text(&field, reference);
                }
                ContextSource::Files(_) => self.file_set(&field),
            }
        }
    }

    fn copy(&mut self, copy: &CopyStep, name: &str) {
        let CopyStep { from, to, owner } = copy;
        match from {
            // The location in the workspace is not an input; the paths within the set are.
            CopySource::Files(_) => self.file_set(name),
            CopySource::Image { image, path } => {
                self.image(name, image);
                self.text(&format!("{name}.path"), path);
            }
        }
        self.text(&format!("{name}.to"), to);
        if let Some(owner) = owner {
            self.text(&format!("{name}.owner"), owner);
        }
    }

    fn config(&mut self, config: &Config) {
        let Config {
            entrypoint,
            cmd,
            user,
            labels,
            expose,
            volumes,
            healthcheck,
            stop_signal,
            shell,
            compression,
        } = config;
        if let Some(entrypoint) = entrypoint {
            self.texts("entrypoint", entrypoint);
        }
        if let Some(cmd) = cmd {
            self.texts("cmd", cmd);
        }
        if let Some(user) = user {
            self.text("user", user);
        }
        self.pairs("labels", labels);
        if let Some(compression) = compression {
            self.text("compression", compression);
        }
        // What these fields do not say adds nothing, so that the keys of images without them stay as they were.
        if !expose.is_empty() {
            self.texts("expose", expose);
        }
        if !volumes.is_empty() {
            self.texts("volume", volumes);
        }
        if let Some(check) = healthcheck {
            self.healthcheck(check);
        }
        if let Some(signal) = stop_signal {
            self.text("stop-signal", signal);
        }
        if let Some(shell) = shell {
            self.texts("shell", shell);
        }
    }

    fn healthcheck(&mut self, check: &Healthcheck) {
        match &check.test {
            HealthTest::Off => self.text("healthcheck", "NONE"),
            HealthTest::CommandLine(line) => self.text("healthcheck.shell", line),
            HealthTest::Program(words) => self.texts("healthcheck", words),
        }
        for (name, time) in check.times() {
            self.text(&format!("healthcheck.{name}"), &time_words(time));
        }
        if let Some(retries) = check.retries {
            self.text("healthcheck.retries", &retries.to_string());
        }
    }

    fn text(&mut self, name: &str, text: &str) {
        self.sink.input(name, Value::Text(text));
    }

    fn texts(&mut self, name: &str, values: &[String]) {
        self.list(name, values, |text| Value::Text(text));
    }

    fn urls(&mut self, name: &str, values: &[String]) {
        self.list(name, values, |text| Value::Url(text));
    }

    fn list(&mut self, name: &str, values: &[String], value: impl Fn(&str) -> Value<'_>) {
        self.sink.input(name, Value::Count(values.len()));
        // One name serves them all: keys of 10,000 images have half a million inputs.
        let mut part = format!("{name}[");
        for (at, text) in values.iter().enumerate() {
            part.truncate(name.len() + 1);
            let _ = write!(part, "{at}]");
            self.sink.input(&part, value(text));
        }
    }

    fn pairs(&mut self, name: &str, pairs: &[(String, String)]) {
        self.sink.input(name, Value::Count(pairs.len()));
        let mut part = format!("{name}.");
        for (key, value) in pairs {
            part.truncate(name.len() + 1);
            part.push_str(key);
            self.text(&part, value);
        }
    }

    fn image(&mut self, name: &str, id: &str) {
        let mut bases = self.bases.iter();
        let base = bases.find(|(base, _)| base == id);
        let (_, key) = base.expect("the keys of all images that the recipe needs are given");
        self.sink.input(name, Value::Image { id, key });
    }

    fn file_set(&mut self, name: &str) {
        let files = self.files.next();
        let files = files.expect("the files of all sets of the recipe are given");
        self.sink.input(name, Value::Files(files));
    }
}

/// The name of an input whose step is one of several of its kind, which `tail` distinguishes.
fn tailed<'n>(name: &'n str, tail: &str) -> Cow<'n, str> {
    match tail {
        "" => name.into(),
        tail => format!("{name}{tail}").into(),
    }
}

mod base;
mod packages;
mod python;
pub(super) use packages::{debian_inputs, package_inputs};

#[cfg(test)]
mod locked;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
