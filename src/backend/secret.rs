//! Values of secrets: read when a build needs them, and removed from all its output.
//!
//! Independent of any builder. Values are redacted in every line and error that leaves a build, because a command may
//! print what it receives.

use std::path::{Path, PathBuf};
use std::sync::Once;

#[cfg(target_os = "linux")]
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, setrlimit};

use super::{BuildError, Job, Notes};
use crate::disk::limits;
use crate::disk::read::{self, Links};
use crate::recipe::Recipe;
use crate::spec::{SecretFile, SecretSource};

const HIDDEN: &str = "***";

/// The shortest value that is redacted, in bytes: shorter ones occur in ordinary words.
const SHORTEST: usize = 4;

/// A secret with its value.
#[derive(Clone)]
pub struct Revealed {
    /// The secret's id in the manifest.
    pub id: String,
    /// The secret value.
    pub value: Vec<u8>,
}

/// Reads the secrets of a recipe.
///
/// # Errors
///
/// Returns a message for each secret that cannot be read.
pub fn reveal(
    recipe: &Recipe,
    root: &Path,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Revealed>, Vec<String>> {
    if !recipe.secrets.is_empty() {
        leave_no_dump();
    }
    let mut missing = Vec::new();
    let mut revealed = Vec::new();
    for secret in &recipe.secrets {
        let id = secret.id.clone();
        let value = match &secret.source {
            SecretSource::Env(name) => variable(name)
                .map(String::into_bytes)
                .ok_or_else(|| format!("the variable `{name}` is not set")),
            SecretSource::File(file) => read(&path(file, root, variable)),
        };
        match value {
            Ok(value) => revealed.push(Revealed { id, value }),
            Err(why) => missing.push(format!("the secret `{id}` is not available: {why}")),
        }
    }
    if missing.is_empty() {
        Ok(revealed)
    } else {
        Err(missing)
    }
}

/// Reads the secrets of a build, for a backend about to pass them to its builder.
pub(super) fn of_job(
    job: &Job<'_>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Revealed>, BuildError> {
    let revealed = reveal(job.recipe, job.root, variable);
    revealed.map_err(|missing| BuildError::Failed(missing.join("; ")))
}

/// The environment variables from which secrets are read.
pub(crate) fn variables(recipes: &[Recipe]) -> impl Iterator<Item = String> {
    let all = recipes.iter().flat_map(|recipe| &recipe.secrets);
    all.filter_map(|secret| match &secret.source {
        SecretSource::Env(name) => Some(name.clone()),
        SecretSource::File(_) => None,
    })
}

/// Disables core dumps of this process, which holds secrets from now on. Child processes may still dump where their own
/// limits and the system allow it.
fn leave_no_dump() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        let Rlimit { maximum, .. } = getrlimit(Resource::Core);
        let none = Rlimit {
            current: Some(0),
            maximum,
        };
        // Lowering a limit is always allowed.
        let _ = setrlimit(Resource::Core, none);
        // The limit does not apply to dumps that the system pipes to a handler.
        #[cfg(target_os = "linux")]
        let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    });
}

/// Path of a secret's file.
pub fn path(file: &SecretFile, root: &Path, variable: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    if let (Some(below), Some(home)) = (file.given.strip_prefix("~/"), variable("HOME")) {
        return Path::new(&home).join(below);
    }
    file.folder.under(root).join(&file.given)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    read::bytes(path, Links::Follow, limits::SECRET)
        .map_err(|refusal| format!("`{}` cannot be read: {refusal}", path.display()))
}

/// Redacts secrets in texts.
#[derive(Clone)]
pub struct Hider(Vec<String>);

impl Hider {
    /// Creates a redactor for these values and each of their lines, without surrounding whitespace.
    #[must_use]
    pub fn new(secrets: &[Revealed]) -> Self {
        let mut words: Vec<String> = Vec::new();
        for secret in secrets {
            let text = String::from_utf8_lossy(&secret.value).into_owned();
            let lines = text.lines().map(|line| line.trim().to_owned());
            words.extend(lines);
            words.push(text.trim().to_owned());
        }
        words.retain(|word| word.len() >= SHORTEST);
        // Longest first: one may be part of another.
        words.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        words.dedup();
        Self(words)
    }

    /// Returns the text with secrets redacted.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        let hide = |text: String, word: &String| text.replace(word, HIDDEN);
        self.0.iter().fold(text.to_owned(), hide)
    }

    /// Returns the error with secrets redacted.
    #[must_use]
    pub fn hide_error(&self, error: BuildError) -> BuildError {
        error.reworded(|why| self.hide(&why))
    }
}

/// Forwards notes with secrets redacted.
pub struct Discreet<'a> {
    /// The receiver of the redacted notes.
    pub notes: &'a dyn Notes,
    /// The redactor.
    pub hider: &'a Hider,
}

impl Notes for Discreet<'_> {
    fn step(&self, step: usize, of: usize, name: &str) {
        self.notes.step(step, of, &self.hider.hide(name));
    }

    fn cached(&self, name: &str) {
        self.notes.cached(&self.hider.hide(name));
    }

    fn log(&self, line: &str) {
        self.notes.log(&self.hider.hide(line));
    }

    fn node(&self, name: &str) {
        self.notes.node(name);
    }

    fn warn(&self, message: &str) {
        self.notes.warn(&self.hider.hide(message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::StepSecret;
    use crate::spec::WorkspacePath;

    fn secret(id: &str, source: SecretSource) -> StepSecret {
        StepSecret {
            id: id.into(),
            source,
            uses: Vec::new(),
        }
    }

    fn file(given: &str) -> SecretSource {
        SecretSource::File(SecretFile {
            folder: WorkspacePath::resolve(&WorkspacePath::ROOT, "team").unwrap(),
            given: given.into(),
        })
    }

    #[test]
    fn values_are_found_where_the_manifest_says() {
        let root = tempfile::tempdir().unwrap();
        let home = root.path().join("home");
        for (path, text) in [("team/a", "one"), ("b", "two"), ("home/c", "three")] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let absolute = root.path().join("b").display().to_string();
        let recipe = Recipe {
            secrets: vec![
                secret("a", file("a")),
                secret("b", file(&absolute)),
                secret("c", file("~/c")),
                secret("d", SecretSource::Env("TOKEN".into())),
            ],
            ..Recipe::default()
        };
        let home = home.display().to_string();
        let variable = |name: &str| match name {
            "HOME" => Some(home.clone()),
            "TOKEN" => Some("four".to_owned()),
            _ => None,
        };
        let found = reveal(&recipe, root.path(), &variable).unwrap_or_default();
        let values: Vec<&[u8]> = found.iter().map(|it| it.value.as_slice()).collect();
        assert_eq!(values, [&b"one"[..], b"two", b"three", b"four"]);
    }

    #[test]
    fn who_holds_a_secret_leaves_no_dump() {
        let recipe = Recipe {
            secrets: vec![secret("d", SecretSource::Env("TOKEN".into()))],
            ..Recipe::default()
        };
        assert_eq!(
            variables(std::slice::from_ref(&recipe)).collect::<Vec<_>>(),
            ["TOKEN"]
        );
        let root = tempfile::tempdir().unwrap();
        reveal(&recipe, root.path(), &|_| Some("four".into())).unwrap_or_default();
        assert_eq!(getrlimit(Resource::Core).current, Some(0));
        #[cfg(target_os = "linux")]
        assert_eq!(
            rustix::process::dumpable_behavior(),
            Ok(DumpableBehavior::NotDumpable)
        );
    }

    #[test]
    fn all_that_cannot_be_had_are_told() {
        let recipe = Recipe {
            secrets: vec![
                secret("a", file("nowhere")),
                secret("b", SecretSource::Env("UNSET".into())),
                secret("c", file(".")),
            ],
            ..Recipe::default()
        };
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("team")).unwrap();
        let said = reveal(&recipe, root.path(), &|_| None).err().unwrap();
        assert!(said[0].ends_with("no such file or directory"), "{said:?}");
        assert_eq!(
            said[1],
            "the secret `b` is not available: the variable `UNSET` is not set"
        );
        assert!(
            said[2].ends_with("it is a directory, not a file"),
            "{said:?}"
        );
    }

    #[test]
    fn no_part_of_a_secret_is_said() {
        let value = b"line-one\nline-two\n".to_vec();
        let id = "x".to_owned();
        let hider = Hider::new(&[Revealed { id, value }]);
        assert_eq!(hider.hide("a line-one b line-two c"), "a *** b *** c");
        assert_eq!(hider.hide("line-one\nline-two"), "***");
        let short = Hider::new(&[Revealed {
            id: "y".into(),
            value: b"abc".to_vec(),
        }]);
        assert_eq!(short.hide("abc"), "abc");
    }
}
