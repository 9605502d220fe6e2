//! Compares all of flytekit's results: id, tag, image name and error. Nothing is skipped silently: what cannot be
//! compared is listed here by name, with the reason, and the counts are asserted.

use std::collections::BTreeMap;
use std::path::Path;

use tempfile::TempDir;

use super::keywords::BadKeyword;
use super::{golden, rows};
use crate::fingerprint::FilesError;
use crate::fingerprint::flytekit::{Base, CopyMode, Error, Fields, Folder, Order, Spec, Value};

/// Entries that have no counterpart here.
const NOT_ASKED: [(&str, &str); 1] = [(
    "from-env-python-version",
    "is refused by `ImageSpec.from_env`, which asks the running Python for its version",
)];

/// Entries whose result contains the directory they were generated in.
const BY_TEXT: [(&str, &str); 1] = [(
    "source-no-copy",
    "the absolute path of `source_root` is hashed: the text is compared, with this directory's path in it",
)];

/// Entries whose completed arguments the golden file describes less exactly than the hashed text, which is still
/// compared.
const BY_ID: [(&str, &str); 3] = [
    (
        "builder-options-tuple",
        "JSON has no tuples: `normalized` has lists in their place",
    ),
    (
        "yaml-copy-mode-none",
        "`normalized` does not tell a mode from a text of its name",
    ),
    (
        "yaml-env-types",
        "JSON has no dates: `normalized` has a text in its place",
    ),
];

/// Arguments of entries with YAML that flytekit rejects; there is no YAML reader here.
const REFUSED_YAML: [(&str, &str); 2] = [
    (
        "yaml-secret-mounts",
        r#"{"pip_secret_mounts": [{"$list": ["a", "b"]}]}"#,
    ),
    ("yaml-unknown-key", r#"{"pip_packages": ["a"]}"#),
];

/// The number of comparisons per kind of result.
type Compared = BTreeMap<&'static str, usize>;

#[test]
fn every_image_is_called_what_flytekit_calls_it() {
    let golden = golden();
    let mut compared = Compared::new();
    let mut left_out = Vec::new();
    for entry in rows(golden.at("entries")) {
        let name = entry.text("name");
        if NOT_ASKED.iter().any(|(left, _)| *left == name) {
            left_out.push(name);
        } else {
            Case::new(entry).compare(&mut compared);
        }
    }
    assert_eq!(left_out, NOT_ASKED.map(|(name, _)| name));
    let expected = [
        ("entry", 112),
        ("error", 20),
        ("id", 87),
        ("image_name", 91),
        ("normalized", 93),
        ("tag", 91),
        ("tag_input", 92),
    ];
    assert_eq!(compared, Compared::from(expected));
}

/// One entry, with its files written to disk.
struct Case<'a> {
    name: &'a str,
    entry: &'a Value,
    expect: &'a Value,
    folder: TempDir,
}

impl<'a> Case<'a> {
    fn new(entry: &'a Value) -> Self {
        let case = Self {
            name: entry.text("name"),
            entry,
            expect: entry.at("expect"),
            folder: tempfile::tempdir().unwrap(),
        };
        for (path, content) in entry.at("files").items() {
            lay_out(&case.folder.path().join(path), content);
        }
        if let Some(path) = entry.at("git_init").as_text() {
            crate::git::init(&case.folder.path().join(path));
        }
        case
    }

    fn compare(&self, compared: &mut Compared) {
        *compared.entry("entry").or_default() += 1;
        let error = self.expect.at("error");
        let is_constructed = error.is_none() || error.text("stage") == "tag";
        match self.spec() {
            Ok(spec) => {
                assert!(is_constructed, "{}: was taken", self.name);
                self.compare_answers(&spec, compared);
            }
            Err(refused) => {
                assert!(!is_constructed, "{}: {refused:?}", self.name);
                self.compare_error(&refused, compared);
            }
        }
    }

    fn compare_answers(&self, spec: &Spec, compared: &mut Compared) {
        let at = self.folder.path();
        let digests = Folder::new(at, at, Order::Sorted).unwrap();
        if !BY_ID.iter().any(|(name, _)| *name == self.name) {
            self.same(compared, "normalized", &self.normalized(), &spec.id_text());
        }
        if self.says("id") {
            self.same(compared, "id", self.expect.text("id"), &spec.id());
            assert_eq!(
                self.expect.text("id_input"),
                spec.id_text(),
                "{}",
                self.name
            );
        }
        if !self.expect.at("error").is_none() {
            return self.compare_error(&spec.tag(&digests).unwrap_err().into(), compared);
        }
        let text = spec.tag_text(&digests).unwrap();
        self.same(
            compared,
            "tag_input",
            &self.here(self.expect.text("tag_input")),
            &text,
        );
        if BY_TEXT.iter().any(|(name, _)| *name == self.name) {
            assert!(self.expect.text("tag_input").contains("${WORKDIR}"));
            return;
        }
        let (tag, name) = (
            spec.tag(&digests).unwrap(),
            spec.image_name(&digests).unwrap(),
        );
        self.same(compared, "tag", self.expect.text("tag"), &tag);
        self.same(
            compared,
            "image_name",
            self.expect.text("image_name"),
            &name,
        );
    }

    fn same(&self, compared: &mut Compared, what: &'static str, theirs: &str, ours: &str) {
        assert_eq!(ours, theirs, "{} of {}", what, self.name);
        *compared.entry(what).or_default() += 1;
    }

    fn compare_error(&self, ours: &Refused, compared: &mut Compared) {
        let (class, said) = in_python(ours);
        let theirs = self.expect.at("error");
        assert_eq!(class, theirs.text("class"), "{}: {ours:?}", self.name);
        let message = theirs.text("message");
        assert!(message.contains(&said), "{}: {said}: {message}", self.name);
        *compared.entry("error").or_default() += 1;
    }

    fn says(&self, answer: &str) -> bool {
        !self.expect.at(answer).is_none()
    }

    /// Replaces the generator's directory with that of this entry.
    fn here(&self, text: &str) -> String {
        text.replace("${WORKDIR}", self.folder.path().to_str().unwrap())
    }

    /// The spec after all modifications: from the entry's resolved spec, or else from its arguments.
    fn spec(&self) -> Result<Spec, Refused> {
        let refused = REFUSED_YAML.iter().find(|(name, _)| *name == self.name);
        let read = refused.map(|(_, text)| super::json::read(text));
        let resolved = self.entry.at("resolved_spec");
        let given = match (&read, resolved.is_none()) {
            (Some(read), _) => read,
            (None, false) => resolved,
            (None, true) => self.entry.at("spec"),
        };
        assert!(!given.is_none(), "{} has no arguments", self.name);
        self.construct(given)
    }

    fn construct(&self, given: &Value) -> Result<Spec, Refused> {
        let (bases, others): (Vec<_>, Vec<_>) = given
            .items()
            .iter()
            .cloned()
            .partition(|(name, value)| name == "base_image" && matches!(value, Value::Dict(_)));
        let keywords = others.into_iter().map(|(name, value)| {
            let value = self.python(&name, &value);
            (name, value)
        });
        let mut fields = Fields::from_keywords(keywords)?;
        for (_, base) in bases {
            fields.base_image = Some(Base::Spec(Box::new(self.construct(&base)?)));
        }
        let machine = self.entry.at("machine").as_text().unwrap_or("x86_64");
        Ok(Spec::new(fields, machine)?)
    }

    /// The Python value that the golden file's JSON represents.
    fn python(&self, field: &str, json: &Value) -> Value {
        let tuples = |items: &[Value]| items.iter().map(tuple).collect();
        match json {
            Value::List(items) if field == "pip_secret_mounts" => Value::List(tuples(items)),
            Value::Text(text) if field == "source_copy_mode" => mode(text),
            Value::Text(text) => self.here(text).into(),
            _ => plain(json),
        }
    }

    /// The hashed text of the arguments after flytekit completed them.
    fn normalized(&self) -> String {
        let is_hashed =
            |name: &str| !["pip_secret_mounts", "builder", "runtime_packages"].contains(&name);
        let set = self.expect.at("normalized").items().iter();
        let hashed = set.filter(|(name, _)| is_hashed(name));
        let hashed = hashed.map(|(name, value)| {
            let value = match value {
                // A base is given by its own arguments, so its text is computed.
                Value::Dict(_) if name == "base_image" => {
                    Value::Object(self.construct(value).unwrap().id_text())
                }
                _ => self.python(name, value),
            };
            (name.clone(), value)
        });
        super::repr(&Value::Dict(hashed.collect()))
    }
}

/// JSON has no tuples: the pairs of `pip_secret_mounts` are lists there.
fn tuple(pair: &Value) -> Value {
    match pair {
        Value::List(items) => Value::Tuple(items.clone()),
        other => plain(other),
    }
}

fn mode(name: &str) -> Value {
    Value::from(&match name {
        "ALL" => CopyMode::All,
        "LOADED_MODULES" => CopyMode::LoadedModules,
        "NO_COPY" => CopyMode::NoCopy,
        other => panic!("no mode: {other}"),
    })
}

/// Values that JSON lacks are objects with a single key that starts with a dollar sign.
fn plain(json: &Value) -> Value {
    match json {
        Value::List(items) => Value::List(items.iter().map(plain).collect()),
        Value::Dict(items) => match items.first() {
            Some((name, value)) if name == "$pyrepr" => {
                Value::Object(value.as_text().unwrap().to_owned())
            }
            Some((name, value)) if name == "$str" => value.clone(),
            Some((name, Value::List(items))) if name == "$tuple" => Value::Tuple(items.clone()),
            Some((name, Value::List(items))) if name == "$list" => Value::List(items.clone()),
            _ => Value::Dict(
                items
                    .iter()
                    .map(|(name, value)| (name.clone(), plain(value)))
                    .collect(),
            ),
        },
        other => other.clone(),
    }
}

/// Why flytekit rejects the arguments, or computes no tag.
#[derive(Debug)]
enum Refused {
    Keyword(BadKeyword),
    Other(Error),
}

impl From<BadKeyword> for Refused {
    fn from(bad: BadKeyword) -> Self {
        Self::Keyword(bad)
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// The class of flytekit's error, and text that its message contains.
fn in_python(refused: &Refused) -> (&'static str, String) {
    let error = match refused {
        Refused::Other(error) => error,
        Refused::Keyword(BadKeyword::NotDict(field)) => {
            return ("ValueError", format!("{field} must be a dictionary"));
        }
        Refused::Keyword(BadKeyword::NotList(field)) => {
            return ("ValueError", format!("{field} must be a list of strings"));
        }
        Refused::Keyword(BadKeyword::NotPairs) => {
            let words = "pip_secret_mounts must be a list of tuples";
            return ("ValueError", words.to_owned());
        }
        Refused::Keyword(BadKeyword::Unknown(field)) => {
            return ("TypeError", format!("keyword argument '{field}'"));
        }
        Refused::Keyword(other) => panic!("flytekit has no such error: {other:?}"),
    };
    match error {
        Error::BadRegistry { registry } => ("ValueError", format!("registry name: '{registry}'")),
        Error::CopyWithoutRoot { name } => {
            ("ValueError", format!("source_root for image spec {name} "))
        }
        Error::Files(FilesError::Missing { path, .. }) => {
            ("FileNotFoundError", format!("'{path}'"))
        }
        Error::NotDict { field } => ("ValueError", format!("{field} must be a dictionary")),
        Error::NotList { field } => ("ValueError", format!("{field} must be a list of strings")),
        Error::NumberedPlaceholder { index } => {
            ("IndexError", format!("Replacement index {index} "))
        }
        Error::UnknownPlaceholder { name } => ("KeyError", format!("'{name}'")),
        other => panic!("flytekit has no such error: {other}"),
    }
}

fn lay_out(at: &Path, content: &Value) {
    std::fs::create_dir_all(at.parent().unwrap()).unwrap();
    match (content, content.at("symlink").as_text()) {
        (Value::Text(text), _) => std::fs::write(at, text).unwrap(),
        (_, Some(target)) => std::os::unix::fs::symlink(target, at).unwrap(),
        (_, None) => {
            assert_eq!(*content.at("dir"), Value::Bool(true), "{}", at.display());
            std::fs::create_dir_all(at).unwrap();
        }
    }
}
