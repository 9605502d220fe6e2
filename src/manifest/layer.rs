//! What one node says of an image, decoded; and how several such layers become one spec.
//!
//! Pure. The choice made: a `reset` takes away what lower layers said, whatever the order of lines in its own layer.

use std::collections::BTreeMap;

use super::fields::Field;
use super::notes::{Notes, Text};
use crate::diagnostic::Place;
use crate::spec::{
    Base, Copy, GivenPath, ImageSpec, OwnDockerfile, OwnStep, PipSecretMount, Secret,
    SourceCopyMode,
};
use crate::workspace::Places;

/// The fields of one `defaults`, `template` or `image`.
#[derive(Default)]
pub(super) struct Layer(pub Vec<Entry>);

/// One field as one node says it.
pub(super) struct Entry {
    pub field: &'static Field,
    /// The field's name in the manifest.
    pub place: Place,
    pub reset: bool,
    pub given: Given,
}

/// What is said of a field.
pub(super) enum Given {
    /// Nothing but a reset, or nothing that could be understood.
    Nothing,
    Text(Text),
    Path(GivenPath, Place),
    Words(Vec<Text>),
    List(Vec<Text>),
    Map(Vec<(Text, Text)>),
    Base(Base, Place),
    Copies(Vec<(Copy, Place)>),
    Mounts(Vec<(PipSecretMount, Place)>),
    Secret(Secret, Place),
    Steps(Vec<(OwnStep, Place)>),
    /// With the places of its path and of the images that its contexts name.
    Dockerfile(OwnDockerfile, Vec<(String, Place)>),
}

/// The spec that layers make, lowest first, and where its fields were said.
pub(super) fn merge(layers: &[&Layer], notes: &mut Notes) -> (ImageSpec, Places) {
    let mut from: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, layer) in layers.iter().enumerate() {
        for entry in layer.0.iter().filter(|entry| entry.reset) {
            from.insert(entry.field.name, at);
        }
    }
    let mut merged = Merged::default();
    for (at, layer) in layers.iter().enumerate() {
        for entry in &layer.0 {
            let dropped = from.get(entry.field.name).is_some_and(|from| at < *from);
            if !dropped && notes.spend(entry.weight(), &entry.place) {
                merged.add(entry);
            }
        }
    }
    (merged.spec, merged.places)
}

impl Entry {
    /// About the bytes that a copy of it takes, with its places.
    fn weight(&self) -> usize {
        let texts = |texts: &[Text]| texts.iter().map(|it| it.text.len() + 128).sum();
        match &self.given {
            Given::Nothing => 0,
            Given::Text(text) => text.text.len(),
            Given::Path(path, _) => path.given.len(),
            Given::Words(words) | Given::List(words) => texts(words),
            Given::Map(pairs) => pairs
                .iter()
                .map(|(name, value)| name.text.len() + value.text.len() + 128)
                .sum(),
            Given::Base(..) => 32,
            Given::Copies(copies) => copies.len() * 128,
            Given::Mounts(mounts) => mounts.len() * 128,
            Given::Secret(..) | Given::Dockerfile(..) => 256,
            Given::Steps(steps) => steps.iter().map(|(step, _)| step_weight(step)).sum(),
        }
    }
}

fn step_weight(step: &OwnStep) -> usize {
    let texts = |texts: &[String]| texts.iter().map(|text| text.len() + 32).sum::<usize>();
    128 + match step {
        OwnStep::Apt(list) | OwnStep::Conda(list) | OwnStep::Pip { packages: list, .. } => {
            texts(list)
        }
        OwnStep::Run(text) | OwnStep::User(text) | OwnStep::Workdir(text) => text.len(),
        OwnStep::Env(pairs) => pairs
            .iter()
            .map(|(name, text)| name.len() + text.len())
            .sum(),
        OwnStep::Copy(_) => 0,
    }
}

#[derive(Default)]
struct Merged {
    spec: ImageSpec,
    places: Places,
}

impl Merged {
    fn add(&mut self, entry: &Entry) {
        let name = entry.field.name;
        match &entry.given {
            Given::Nothing => {}
            Given::Text(text) => {
                self.places.insert(name, text.place.clone());
                self.text(name, text.text.clone());
            }
            Given::Path(path, place) => {
                self.places.insert(name, place.clone());
                *self.path(name) = Some(path.clone());
            }
            Given::Words(words) => self.words(name, words, &entry.place),
            Given::List(list) => self.list(name, list, &entry.place),
            Given::Map(pairs) => self.map(name, pairs, &entry.place),
            Given::Base(base, place) => {
                self.places.insert(name, place.clone());
                self.spec.base_image = Some(base.clone());
            }
            Given::Copies(copies) => {
                self.places.insert(name, entry.place.clone());
                for (copy, place) in copies {
                    let at = self.spec.copy.len();
                    self.places.insert(format!("copy[{at}]"), place.clone());
                    self.spec.copy.push(copy.clone());
                }
            }
            Given::Mounts(mounts) => {
                self.places.insert(name, entry.place.clone());
                for (mount, place) in mounts {
                    let at = self.spec.pip_secret_mounts.len();
                    self.places.insert(format!("{name}[{at}]"), place.clone());
                    self.spec.pip_secret_mounts.push(mount.clone());
                }
            }
            Given::Secret(secret, place) => {
                self.places.insert(name, place.clone());
                self.places
                    .insert(format!("secret.{}", secret.id), place.clone());
                let secrets = &mut self.spec.secrets;
                match secrets.iter_mut().find(|known| known.id == secret.id) {
                    Some(known) => known.clone_from(secret),
                    None => secrets.push(secret.clone()),
                }
            }
            Given::Steps(steps) => {
                self.places.insert(name, entry.place.clone());
                for (step, place) in steps {
                    let at = self.spec.steps.len();
                    self.places.insert(format!("steps[{at}]"), place.clone());
                    self.spec.steps.push(step.clone());
                }
            }
            Given::Dockerfile(dockerfile, places) => {
                for (part, place) in places {
                    self.places.insert(part.clone(), place.clone());
                }
                self.spec.dockerfile = Some(dockerfile.clone());
            }
        }
    }

    fn path(&mut self, name: &str) -> &mut Option<GivenPath> {
        match name {
            "requirements" => &mut self.spec.requirements,
            "source-root" => &mut self.spec.source_root,
            "registry-config" => &mut self.spec.registry_config,
            name => unreachable!("BUG: the field `{name}` is no path"),
        }
    }

    fn text(&mut self, name: &str, text: String) {
        let spec = &mut self.spec;
        let field = match name {
            "source-copy-mode" => {
                spec.source_copy_mode = Some(if text == "none" {
                    SourceCopyMode::None
                } else {
                    SourceCopyMode::All
                });
                return;
            }
            "cuda" => &mut spec.cuda,
            "cudnn" => &mut spec.cudnn,
            "flytekit" => &mut spec.flytekit,
            "name" => &mut spec.name,
            "registry" => &mut spec.registry,
            "builder" => &mut spec.builder,
            "python-version" => &mut spec.python_version,
            "python-exec" => &mut spec.python_exec,
            "pip-index" => &mut spec.pip_index,
            "pip-extra-args" => &mut spec.pip_extra_args,
            "user" => &mut spec.user,
            "workdir" => &mut spec.workdir,
            "tag-format" => &mut spec.tag_format,
            name => unreachable!("BUG: the field `{name}` is no text"),
        };
        *field = Some(text);
    }

    fn words(&mut self, name: &str, words: &[Text], place: &Place) {
        let words_only: Vec<String> = words.iter().map(|word| word.text.clone()).collect();
        match name {
            "platform" => self.spec.platform = words_only,
            "entrypoint" => self.spec.entrypoint = Some(words_only),
            "cmd" => self.spec.cmd = Some(words_only),
            name => unreachable!("BUG: the field `{name}` is not several words"),
        }
        self.places.insert(name, place.clone());
        for (at, word) in words.iter().enumerate() {
            self.places
                .insert(format!("{name}[{at}]"), word.place.clone());
        }
    }

    fn list(&mut self, name: &str, texts: &[Text], place: &Place) {
        let list = match name {
            "apt-packages" => &mut self.spec.apt_packages,
            "packages" => &mut self.spec.packages,
            "pip-extra-index-url" => &mut self.spec.pip_extra_index_url,
            "conda-packages" => &mut self.spec.conda_packages,
            "conda-channels" => &mut self.spec.conda_channels,
            "runtime-packages" => &mut self.spec.runtime_packages,
            "commands" => &mut self.spec.commands,
            name => unreachable!("BUG: the field `{name}` is no list"),
        };
        self.places.insert(name, place.clone());
        for text in texts {
            self.places
                .insert(format!("{name}[{}]", list.len()), text.place.clone());
            list.push(text.text.clone());
        }
    }

    fn map(&mut self, name: &str, pairs: &[(Text, Text)], place: &Place) {
        let map = match name {
            "env" => &mut self.spec.env,
            "labels" => &mut self.spec.labels,
            "builder-options" => &mut self.spec.builder_options,
            "builder-config" => &mut self.spec.builder_config,
            name => unreachable!("BUG: the field `{name}` is no map"),
        };
        self.places.insert(name, place.clone());
        // A map of a manifest may have thousands of names: looking each up in the list would take the square of that.
        let mut known: BTreeMap<String, usize> = map
            .iter()
            .enumerate()
            .map(|(at, (key, _))| (key.clone(), at))
            .collect();
        for (key, value) in pairs {
            self.places
                .insert(format!("{name}.{}", key.text), value.place.clone());
            if let Some(at) = known.get(&key.text) {
                map[*at].1.clone_from(&value.text);
            } else {
                known.insert(key.text.clone(), map.len());
                map.push((key.text.clone(), value.text.clone()));
            }
        }
    }
}
