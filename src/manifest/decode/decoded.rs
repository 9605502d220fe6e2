//! The decoded children of a `defaults`, `template` or `image` node.

use crate::diagnostic::{Place, Spanned};
use crate::spec::fields::{Field, Slot};
use crate::spec::{
    Base, Copy, GivenPath, HealthTest, Healthcheck, OwnDockerfile, OwnStep, PipSecretMount, Secret,
    SourceCopyMode,
};
use crate::workspace::Part;

/// The places of the parts of one field.
pub(in crate::manifest) type PartPlaces = Vec<(Part<Box<str>>, Place)>;

#[derive(Default)]
pub(in crate::manifest) struct Layer(pub Vec<Entry>);

/// A field as set by one node.
pub(in crate::manifest) struct Entry {
    pub field: &'static Field,
    /// Place of the field's name.
    pub place: Place,
    /// Whether values from lower layers are discarded.
    pub reset: bool,
    /// `None` if the node only resets the field, or could not be understood.
    pub decoded: Option<Decoded>,
}

/// The values of a field with their places, and where they are stored in a spec.
pub(in crate::manifest) enum Decoded {
    Text(Slot<Option<String>>, Spanned),
    Path(Slot<Option<GivenPath>>, GivenPath, Place),
    Words(Slot<Option<Vec<String>>>, Vec<Spanned>),
    List(Slot<Vec<String>>, Vec<Spanned>),
    Map(Slot<Vec<(String, String)>>, Vec<(Spanned, Spanned)>),
    Platforms(Vec<Spanned>),
    Flag(Slot<Option<bool>>, bool, Place),
    CopyMode(SourceCopyMode, Place),
    Base(Base, Place),
    Healthcheck(Healthcheck, Place),
    Copies(Vec<(Copy, Place)>),
    Mounts(Vec<(PipSecretMount, Place)>),
    /// A secret, and its id with its place.
    Secret(Secret, Spanned),
    Steps(Vec<(OwnStep, Place)>),
    /// With the places of its path and of what its context and contexts name.
    Dockerfile(OwnDockerfile, PartPlaces),
}

impl Decoded {
    /// The names in the value that must be unique within a layer.
    pub(super) fn names(&self) -> Vec<&Spanned> {
        match self {
            Self::Map(_, pairs) => pairs.iter().map(|(name, _)| name).collect(),
            Self::Secret(_, id) => vec![id],
            _ => Vec::new(),
        }
    }

    /// The approximate size in bytes of a copy of the value, places included.
    pub(in crate::manifest) fn weight(&self) -> usize {
        let texts = |texts: &[Spanned]| texts.iter().map(|it| it.text.len() + 128).sum();
        match self {
            Self::Text(_, text) => text.text.len(),
            Self::Path(_, path, _) => path.given.len(),
            Self::Words(_, words) | Self::List(_, words) | Self::Platforms(words) => texts(words),
            Self::Map(_, pairs) => pairs
                .iter()
                .map(|(name, value)| name.text.len() + value.text.len() + 128)
                .sum(),
            Self::Base(..) | Self::CopyMode(..) | Self::Flag(..) => 32,
            Self::Healthcheck(check, _) => {
                128 + match &check.test {
                    HealthTest::Off => 0,
                    HealthTest::CommandLine(line) => line.len(),
                    HealthTest::Program(words) => words.iter().map(|word| word.len() + 32).sum(),
                }
            }
            Self::Copies(copies) => copies.len() * 128,
            Self::Mounts(mounts) => mounts.len() * 128,
            Self::Secret(..) | Self::Dockerfile(..) => 256,
            Self::Steps(steps) => steps.iter().map(|(step, _)| step_weight(step)).sum(),
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
