//! Computes the keys of all images of a workspace, bases first.
//!
//! Reads files through a [`FileReader`], each set once. An image whose files cannot be read affects only itself and its
//! dependents; all others get their keys.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::packages::Installing;
use super::{FileReader, Files, FilesError, Input, Key, Outside, inputs, key};
use crate::graph::{Graph, ImageId};
use crate::recipe::{FileSet, Recipe};
use crate::workspace::Lock;

/// The key of an image, and the inputs it was computed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// The hash of all inputs below and of the recipe.
    pub key: Key,
    /// The files of the recipe, in the order of [`Recipe::file_sets`].
    pub files: Vec<Arc<Files>>,
    /// The ids and keys of the images that the recipe depends on.
    pub bases: Vec<(String, Key)>,
    /// The outside images it depends on, with their locked digests.
    pub outside: Outside,
}

impl Fingerprint {
    /// All inputs of the key in readable form. `recipe` must be the one the key was computed from.
    pub fn inputs(&self, recipe: &Recipe) -> Vec<Input> {
        inputs(recipe, &self.files, &self.bases, &self.outside)
    }
}

/// Why an image has no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FingerprintError {
    /// An image it depends on has no key.
    #[error("the image `{0}`, which it needs, has no key")]
    Base(String),
    /// Its files cannot be read.
    #[error(transparent)]
    Files(#[from] FilesError),
}

/// Computes the fingerprints of all images, by id. Reads the sets that were not read before.
pub fn fingerprint(
    graph: &Graph,
    recipes: &[Recipe],
    lock: Option<&Lock>,
    reader: &FileReader,
) -> Vec<Result<Fingerprint, FingerprintError>> {
    fingerprint_again(graph, recipes, lock, reader, &[], &BTreeSet::new())
}

/// Updates the fingerprints `before`, which have the same graph, recipes and lock: only images whose files or bases
/// changed get a new key. Images in `kept` retain theirs in any case, and their dependents build on that.
pub(super) fn fingerprint_again(
    graph: &Graph,
    recipes: &[Recipe],
    lock: Option<&Lock>,
    reader: &FileReader,
    before: &[Fingerprint],
    kept: &BTreeSet<ImageId>,
) -> Vec<Result<Fingerprint, FingerprintError>> {
    let sets: BTreeSet<&FileSet> = recipes.iter().flat_map(Recipe::file_sets).collect();
    let sets: Vec<&FileSet> = sets.into_iter().collect();
    let read: HashMap<&FileSet, _> = sets.iter().copied().zip(reader.read_all(&sets)).collect();
    let mut done: Vec<Option<Result<Fingerprint, FingerprintError>>> = vec![None; recipes.len()];
    for id in graph.order() {
        let recipe = &recipes[id.index()];
        let base_key = |name: &str| {
            let base = graph
                .find(name)
                .and_then(|base| done[base.index()].as_ref());
            match base {
                Some(Ok(base)) => Ok((name.to_owned(), base.key)),
                _ => Err(FingerprintError::Base(name.to_owned())),
            }
        };
        let others = |name: &str| graph.find(name).map(|id| &recipes[id.index()]);
        let image = Installing {
            id: graph.name(*id),
            recipe,
            others: &others,
            read: &|set| read.get(set)?.as_ref().ok(),
        };
        let before = before.get(id.index());
        done[id.index()] = Some(match before.filter(|_| kept.contains(id)) {
            Some(kept) => Ok(kept.clone()),
            None => one(&image, lock, &read, base_key, before),
        });
    }
    done.into_iter()
        .map(|one| one.expect("the order holds every image"))
        .collect()
}

fn one(
    image: &Installing<'_, '_>,
    lock: Option<&Lock>,
    read: &HashMap<&FileSet, Result<Arc<Files>, FilesError>>,
    base_key: impl Fn(&str) -> Result<(String, Key), FingerprintError>,
    before: Option<&Fingerprint>,
) -> Result<Fingerprint, FingerprintError> {
    let recipe = image.recipe;
    // Report an image's own error rather than one of its bases.
    let files = recipe
        .file_sets()
        .map(|set| read[set].clone())
        .collect::<Result<Vec<_>, _>>()?;
    let mut bases = recipe
        .images()
        .map(base_key)
        .collect::<Result<Vec<_>, _>>()?;
    // Most images have one, and a list that has grown has room for four.
    bases.shrink_to_fit();
    // The reader returns the same `Arc` while the files are unchanged.
    let is_same = |before: &&Fingerprint| {
        before.bases == bases
            && before.files.len() == files.len()
            && before
                .files
                .iter()
                .zip(&files)
                .all(|(one, other)| Arc::ptr_eq(one, other))
    };
    if let Some(same) = before.filter(is_same) {
        return Ok(same.clone());
    }
    let outside = Outside {
        packages: image.pins(&files, lock),
        debian: image.debian_pins(lock),
        ..Outside::find(recipe, &files, lock)
    };
    Ok(Fingerprint {
        key: key(recipe, &files, &bases, &outside),
        files,
        bases,
        outside,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Base, Copy, CopyFrom, ImageSpec, WorkspacePath};
    use crate::workspace::{Image, Places, Workspace};

    fn image(id: &str, base: Option<&str>, copy: &str) -> Image {
        Image {
            id: id.into(),
            spec: Box::new(ImageSpec {
                base_image: base.map(|base| Base::Image(base.into())),
                copy: vec![Copy {
                    from: CopyFrom::Workspace {
                        path: WorkspacePath::resolve(&WorkspacePath::default(), copy).unwrap(),
                        given: copy.into(),
                    },
                    to: None,
                    owner: None,
                }],
                ..ImageSpec::default()
            }),
            folder: WorkspacePath::default(),
            places: Places::default(),
            allows: Vec::new(),
        }
    }

    struct Stack {
        folder: tempfile::TempDir,
        graph: Graph,
        recipes: Vec<Recipe>,
    }

    /// `app` is built on `base`; `other` is independent. Each copies the file with its name.
    fn stack() -> Stack {
        let folder = tempfile::tempdir().unwrap();
        for name in ["app", "base", "other"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let workspace = Workspace {
            images: vec![
                image("app", Some("base"), "app"),
                image("base", None, "base"),
                image("other", None, "other"),
            ],
            ..Workspace::default()
        };
        Stack {
            graph: Graph::new(&workspace.images).unwrap(),
            recipes: crate::recipe::lower(&workspace, &[]),
            folder,
        }
    }

    fn names(graph: &Graph, ids: BTreeSet<ImageId>) -> Vec<&str> {
        ids.into_iter().map(|id| graph.name(id)).collect()
    }

    #[test]
    fn a_changed_file_changes_its_image_and_all_built_on_it_unless_its_fingerprint_is_given() {
        let Stack {
            folder,
            graph,
            recipes,
        } = stack();
        let read = || FileReader::new(folder.path()).unwrap();
        let before = fingerprint(&graph, &recipes, None, &read());
        assert_eq!(fingerprint(&graph, &recipes, None, &read()), before);
        std::fs::write(folder.path().join("base"), "changed").unwrap();
        let after = fingerprint(&graph, &recipes, None, &read());
        let changed = graph
            .ids()
            .filter(|id| before[id.index()] != after[id.index()]);
        assert_eq!(names(&graph, changed.collect()), ["app", "base"]);
        let base = graph.find("base").unwrap();
        let all: Vec<Fingerprint> = before.iter().cloned().map(Result::unwrap).collect();
        let again = |kept| fingerprint_again(&graph, &recipes, None, &read(), &all, &kept);
        assert_eq!(again(BTreeSet::from([base])), before);
        assert_eq!(again(BTreeSet::new()), after);
    }

    #[test]
    fn an_image_without_files_takes_only_its_dependents_out() {
        let Stack {
            folder,
            graph,
            recipes,
        } = stack();
        std::fs::remove_file(folder.path().join("base")).unwrap();
        let all = fingerprint(
            &graph,
            &recipes,
            None,
            &FileReader::new(folder.path()).unwrap(),
        );
        let error = |at: usize| all[at].as_ref().unwrap_err().to_string();
        assert_eq!(error(0), "the image `base`, which it needs, has no key");
        assert_eq!(error(1), "`base` does not exist");
        assert!(all[2].is_ok());
    }
}
