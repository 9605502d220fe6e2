//! Fuzz tests of importing YAML ImageSpecs and bake files: the result must be a manifest that `check` accepts, with the
//! strings of the source.

mod bench;

use serde_json::{Map, Value, json};

use super::flytekit::field_names;
use super::{Imported, InputKind};
use crate::fuzz::{Case, Fuzz, Random};
use crate::spec::ImageSpec;
use bench::Bench;

/// Strings that YAML, KDL or a shell could interpret as something else.
const TEXTS: &[&str] = &[
    "a",
    "",
    " ",
    "x y",
    "{{",
    "{{ a }}",
    "}}",
    "a: b",
    "- a",
    "# a",
    "a # b",
    "'",
    "\"",
    "\\",
    "\\n",
    "\n",
    "a\nb\n",
    "  indented\nless",
    "\t",
    "\r",
    "\u{1}",
    "\u{7f}",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
    "\u{200b}",
    "é☃🎉",
    "null",
    "~",
    "yes",
    "3.10",
    "0x1f",
    "1e3",
    "2001-01-01",
    "&a",
    "*a",
    "!x",
    "%",
    "@",
    "`",
    "|",
    ">",
    "$A",
    "${B}",
    "\"\"\"",
    "\"#",
    "/-",
    "//",
    "=",
    "reset",
    "true",
    "#true",
];

const YAML: &[&str] = &[
    ":",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "\n- ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "'",
    "\"",
    "|",
    ">",
    "|-\n",
    "&a ",
    "*a",
    "<<: *a",
    "!!str ",
    "!x ",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "#",
    "? ",
    "\\",
    "\\x",
    "\t",
    "é",
    "null",
    "~",
    "3.10",
    "0o7",
    ".inf",
    "env:",
    "packages:",
    "name: ",
    "base_image:",
    "commands:\n- a",
    "\u{feff}",
    "\r\n",
    "\u{85}",
    "  ",
    "@",
    "`",
];

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\"target\"",
    "\"a\"",
    "\"target:a\"",
    "null",
    "0",
    "true",
    "\"context\"",
    "\"../x\"",
    "\"docker-image://x\"",
    "\"contexts\"",
    "\"group\"",
    "\"dockerfile-inline\"",
    "${A}",
    "\\u0000",
    "\"args\"",
    "\"labels\"",
    "\"tags\"",
    "\"\"",
    "\"inherits\"",
    "\\",
    "é",
    "variable \"A\" {}\n",
];

/// A generated source and, if it is intact, the values that it contains.
#[derive(Clone)]
struct Generated {
    text: String,
    known: Option<Value>,
}

impl Case for Generated {
    fn shown(&self) -> String {
        self.text.shown()
    }

    fn without(&self, part: usize, of: usize) -> Option<Self> {
        let text = match &self.known {
            None => {
                return Some(Self {
                    text: self.text.without(part, of)?,
                    known: None,
                });
            }
            Some(Value::Object(fields)) => fields,
            Some(_) => return None,
        };
        // Drops whole fields, so that the remaining values stay known.
        let gone = text.len() * part / of..text.len() * (part + 1) / of;
        let kept = text.iter().enumerate().filter(|(at, _)| !gone.contains(at));
        let kept: Map<String, Value> = kept
            .map(|(_, (name, value))| (name.clone(), value.clone()))
            .collect();
        (!gone.is_empty() && !kept.is_empty()).then(|| Self::of(Value::Object(kept)))
    }
}

impl Generated {
    fn of(known: Value) -> Self {
        // YAML 1.1 takes these for line breaks, YAML 1.2 for characters; escapes are unambiguous.
        let text = ["\u{85}", "\u{2028}", "\u{2029}", "\u{feff}"].iter().fold(
            known.to_string(),
            |text, c| {
                text.replace(
                    c,
                    &format!("\\u{:04x}", u32::from(c.chars().next().unwrap())),
                )
            },
        );
        Self {
            text,
            known: Some(known),
        }
    }
}

fn text(random: &mut Random) -> String {
    let one = (*random.pick(TEXTS)).to_owned();
    if random.chance(1, 3) {
        one + random.pick::<&str>(TEXTS)
    } else {
        one
    }
}

fn texts(random: &mut Random) -> Value {
    (0..random.few(0, 3)).map(|_| text(random)).collect()
}

fn pairs(random: &mut Random) -> Value {
    let names = ["A", "B_1", "_c", "reset", "A.b"];
    let pairs =
        (0..random.few(0, 3)).map(|_| ((*random.pick(&names)).to_owned(), text(random).into()));
    Value::Object(pairs.collect())
}

/// A source with known values, or a corrupted one.
fn source(
    random: &mut Random,
    words: &[&str],
    known: impl FnOnce(&mut Random) -> Value,
) -> Generated {
    if let Some(long) = random.long(words) {
        return Generated {
            text: long,
            known: None,
        };
    }
    let generated = Generated::of(known(random));
    match random.below(4) {
        0 => Generated {
            text: random.spoilt(&generated.text, words),
            known: None,
        },
        1 if random.chance(1, 3) => Generated {
            text: random.soup(words, 24),
            known: None,
        },
        _ => generated,
    }
}

fn yaml(random: &mut Random) -> Generated {
    source(random, YAML, |random| {
        let names: Vec<&str> = field_names().collect();
        let mut fields = Map::new();
        fields.insert("name".into(), "train".into());
        for _ in 0..random.few(0, 5) {
            let name = *random.pick(&names);
            let value = match name {
                "commands" => (0..random.few(1, 3))
                    .map(|_| format!("echo {}", text(random)))
                    .collect(),
                "entrypoint" => texts(random),
                "env" => pairs(random),
                "packages" | "conda_packages" | "apt_packages" => {
                    json!([*random.pick(&["numpy", "git"])])
                }
                "python_version" => "3.12".into(),
                _ if random.chance(1, 2) => texts(random),
                _ => text(random).into(),
            };
            fields.insert(name.into(), value);
        }
        Value::Object(fields)
    })
}

fn bake(random: &mut Random) -> Generated {
    source(random, JSON, |random| {
        let names = ["a", "b-c", "D", "é", ""];
        let mut targets = Map::new();
        for _ in 0..random.few(1, 3) {
            let mut target = Map::new();
            for _ in 0..random.few(0, 5) {
                let (name, value) = match random.below(9) {
                    0 => ("args", pairs(random)),
                    1 => ("labels", pairs(random)),
                    2 => (
                        "contexts",
                        json!({ text(random): format!("target:{}", random.pick(&names)), "x": text(random) }),
                    ),
                    3 => (
                        "tags",
                        json!([format!("r.test/{}:1", random.pick(&names)), text(random)]),
                    ),
                    4 => (
                        "platforms",
                        json!([*random.pick(&["linux/amd64", "amd64", "é"])]),
                    ),
                    5 => (
                        "secret",
                        json!([text(random), { "id": text(random), "env": "A" }]),
                    ),
                    6 => ("dockerfile-inline", text(random).into()),
                    7 => ("description", text(random).into()),
                    _ => (
                        *random.pick(&["target", "context", "dockerfile", "output", "unknown"]),
                        text(random).into(),
                    ),
                };
                target.insert(name.into(), value);
            }
            targets.insert((*random.pick(&names)).to_owned(), Value::Object(target));
        }
        json!({ "target": targets })
    })
}

/// The strings of a list.
fn list(value: Option<&Value>) -> Vec<String> {
    let texts = value.and_then(Value::as_array).into_iter().flatten();
    texts
        .filter_map(|text| text.as_str().map(str::to_owned))
        .collect()
}

/// The strings of a mapping, by name.
fn map(value: Option<&Value>) -> Vec<(String, String)> {
    let pairs = value.and_then(Value::as_object).into_iter().flatten();
    let mut pairs: Vec<_> = pairs
        .filter_map(|(name, text)| Some((name.clone(), text.as_str()?.to_owned())))
        .collect();
    pairs.sort();
    pairs
}

fn sorted(pairs: &[(String, String)]) -> Vec<(String, String)> {
    let mut pairs = pairs.to_vec();
    pairs.sort();
    pairs
}

/// Whether a note mentions a field, whose value may then differ from the source.
fn is_noted(imported: &Imported, field: &str) -> bool {
    let mut notes = imported
        .notes
        .iter()
        .filter_map(|note| note.field.as_deref());
    notes.any(|noted| noted.split('.').next() == Some(field))
}

fn yaml_says(known: &Value, imported: &Imported, spec: &ImageSpec) {
    if !is_noted(imported, "env") {
        assert_eq!(sorted(&spec.env), map(known.get("env")), "the environment");
    }
    if !is_noted(imported, "commands") {
        assert_eq!(spec.commands, list(known.get("commands")), "the commands");
    }
    if !is_noted(imported, "entrypoint") && known.get("entrypoint").is_some_and(Value::is_array) {
        let generated = list(known.get("entrypoint"));
        assert!(
            spec.entrypoint
                .as_ref()
                .is_none_or(|words| *words == generated),
            "{:?} is the entrypoint",
            spec.entrypoint
        );
    }
}

fn judge_yaml(bench: &Bench, generated: &Generated) -> bool {
    let Some(imported) = bench.import(&generated.text, InputKind::Yaml) else {
        return false;
    };
    let checked = bench.check(&imported);
    if let (Some(known), false, [.., image]) = (
        &generated.known,
        checked.has_errors(),
        checked.workspace.images.as_slice(),
    ) {
        yaml_says(known, &imported, &image.spec);
    }
    true
}

fn judge_bake(bench: &Bench, generated: &Generated) -> bool {
    let Some(imported) = bench.import(&generated.text, InputKind::Bake) else {
        return false;
    };
    let checked = bench.check(&imported);
    let targets = generated
        .known
        .as_ref()
        .and_then(|known| known.get("target")?.as_object());
    if let (Some(targets), false) = (targets, checked.has_errors()) {
        for image in &checked.workspace.images {
            // Targets keep their names where these are valid ids.
            let Some(target) = targets.get(&image.id) else {
                continue;
            };
            if !is_noted(&imported, "labels") {
                assert_eq!(
                    sorted(&image.spec.labels),
                    map(target.get("labels")),
                    "the labels"
                );
            }
            let own = image.spec.dockerfile.as_ref().expect("it has a Dockerfile");
            if !is_noted(&imported, "args") {
                assert_eq!(sorted(&own.args), map(target.get("args")), "the arguments");
            }
        }
    }
    true
}

#[test]
fn yaml_imports() {
    let bench = Bench::new();
    let fuzz = Fuzz {
        name: "YAML imports",
        runs: 1500,
        make: yaml,
        judge: |generated: &Generated| judge_yaml(&bench, generated),
    };
    fuzz.run().accepts(34);
}

#[test]
fn bake_imports() {
    let bench = Bench::new();
    let fuzz = Fuzz {
        name: "bake imports",
        runs: 1500,
        make: bake,
        judge: |generated: &Generated| judge_bake(&bench, generated),
    };
    fuzz.run().accepts(34);
}
