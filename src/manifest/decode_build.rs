//! The fields that say how an image is built in the user's own words: `steps`, `dockerfile`.
//!
//! Reads no files. The choice made: what a step of `steps` takes is checked by the rule of the field that makes such steps,
//! so nothing is allowed in one place and refused in the other.

use std::collections::BTreeMap;

use super::decode::{Decoder, prop};
use super::decode_values::misnamed;
use super::fields::Field;
use super::layer::Given;
use super::notes::{Text, shown};
use super::syntax::{Node, Prop};
use super::{fields, rules, rules_packages as packages};
use crate::diagnostic::{Diagnostic, Place};
use crate::reference::{self, Refused};
use crate::spec::{GivenPath, NamedContext, OwnDockerfile, OwnStep, WorkspacePath};
use crate::suggest::closest;

/// The steps of `steps`, and the field whose rule their values follow.
pub(super) const STEPS: [(&str, &str); 8] = [
    ("apt", "apt-packages"),
    ("conda", "conda-packages"),
    ("pip", "packages"),
    ("copy", "copy"),
    ("run", "commands"),
    ("env", "env"),
    ("user", "user"),
    ("workdir", "workdir"),
];

/// The build arguments of a Dockerfile.
const ARGS: Field = Field {
    name: "args",
    kind: fields::Kind::Map,
    rule: rules::variable,
};

impl Decoder<'_> {
    /// `steps { apt "git"; run "make" … }`.
    pub(super) fn own_steps(&mut self, field: &Field, node: &Node) -> Given {
        self.only_props(node, &["reset"]);
        if let Some(value) = node.args.first() {
            self.notes.tell(
                Diagnostic::error("wrong-type", "`steps` takes a block")
                    .at(value.place.clone(), "")
                    .help("write `steps { apt \"git\"; run \"make\" }`"),
            );
        } else if node.children.is_empty() {
            self.missing(field, node);
        }
        let steps: Vec<(OwnStep, Place)> = node
            .children
            .iter()
            .flat_map(|child| self.own_step(child))
            .collect();
        Given::Steps(steps)
    }

    fn own_step(&mut self, node: &Node) -> Vec<(OwnStep, Place)> {
        let place = &node.name.place;
        let one = |step: OwnStep| vec![(step, place.clone())];
        let name = node.name.text.as_str();
        let Some(field) = STEPS
            .iter()
            .find(|(step, _)| *step == name)
            .and_then(|(_, field)| fields::find(field))
        else {
            self.unknown_part(node, "`steps`", &STEPS.map(|(step, _)| step));
            return Vec::new();
        };
        match name {
            "copy" => {
                let copies = self.copies(node).unwrap_or_default();
                let step = |(copy, place)| (OwnStep::Copy(copy), place);
                copies.into_iter().map(step).collect()
            }
            "env" => {
                let pairs = self.map(field, node).into_iter();
                one(OwnStep::Env(
                    pairs.map(|(name, value)| (name.text, value.text)).collect(),
                ))
            }
            "pip" => self.pip_step(field, node).map(one).unwrap_or_default(),
            "user" | "workdir" => {
                self.bare(node, &[]);
                let Some(text) = self.step_arg(field, node) else {
                    return Vec::new();
                };
                one(if name == "user" {
                    OwnStep::User(text.text)
                } else {
                    OwnStep::Workdir(text.text)
                })
            }
            _ => {
                self.bare(node, &[]);
                let texts = self.step_args(field, node);
                match name {
                    "run" => {
                        let step = |text: Text| (OwnStep::Run(text.text), text.place);
                        texts.into_iter().map(step).collect()
                    }
                    "apt" => one(OwnStep::Apt(only_texts(texts))),
                    _ => one(OwnStep::Conda(only_texts(texts))),
                }
            }
        }
    }

    fn pip_step(&mut self, field: &Field, node: &Node) -> Option<OwnStep> {
        self.bare(node, &["requirements"]);
        let requirements = match prop(node, "requirements") {
            None => None,
            Some(prop) => {
                let text =
                    self.checked("requirements", packages::requirements_file, &prop.value)?;
                let path = self.inside(&text)?;
                let given = text.text;
                Some(GivenPath { path, given })
            }
        };
        let packages = if requirements.is_some() && node.args.is_empty() {
            Vec::new()
        } else {
            only_texts(self.step_args(field, node))
        };
        Some(OwnStep::Pip {
            packages,
            requirements,
        })
    }

    /// Nothing but arguments, and these properties.
    fn bare(&mut self, node: &Node, props: &[&'static str]) {
        self.only_props(node, props);
        self.no_block(node);
    }

    fn step_args(&mut self, field: &Field, node: &Node) -> Vec<Text> {
        if node.args.is_empty() {
            self.empty_step(node);
        }
        let name = node.name.text.as_str();
        node.args
            .iter()
            .filter_map(|value| self.checked(name, field.rule, value))
            .collect()
    }

    fn step_arg(&mut self, field: &Field, node: &Node) -> Option<Text> {
        if let Some(second) = node.args.get(1) {
            let message = format!("`{}` takes one value", node.name.text);
            self.notes.tell(
                Diagnostic::error("too-many-arguments", message)
                    .at(second.place.clone(), "one too many"),
            );
        }
        let Some(value) = node.args.first() else {
            self.empty_step(node);
            return None;
        };
        self.checked(&node.name.text, field.rule, value)
    }

    fn empty_step(&mut self, node: &Node) {
        let name = &node.name.text;
        self.notes.tell(
            Diagnostic::error("missing-argument", format!("`{name}` needs a value"))
                .at(node.name.place.clone(), "nothing follows"),
        );
    }

    /// `dockerfile "path" context="." target="x" { args …; contexts { … } }`.
    pub(super) fn own_dockerfile(&mut self, field: &Field, node: &Node) -> Option<Given> {
        self.only_props(node, &["context", "target", "reset"]);
        let path = self.only_arg(field, node)?;
        let mut places = vec![(field.name.to_owned(), path.place.clone())];
        let file = self.inside(&path);
        let context = match prop(node, "context") {
            None => Some(self.folder.clone()),
            Some(prop) => {
                let text = self.checked("context", rules::any, &prop.value)?;
                places.push(("dockerfile.context".to_owned(), text.place.clone()));
                self.inside(&text)
            }
        };
        let target = match prop(node, "target") {
            None => None,
            Some(prop) => Some(self.checked("target", stage_name, &prop.value)?.text),
        };
        let mut dockerfile = OwnDockerfile {
            path: file?,
            context: context?,
            target,
            args: Vec::new(),
            contexts: Vec::new(),
        };
        let mut args = Vec::new();
        let mut contexts = Vec::new();
        for child in &node.children {
            match child.name.text.as_str() {
                "args" => args.extend(self.map(&ARGS, child)),
                "contexts" => contexts.extend(self.contexts(child)),
                _ => self.unknown_part(child, "`dockerfile`", &["args", "contexts"]),
            }
        }
        self.once("args", args.iter().map(|(name, _)| name));
        self.once("contexts", contexts.iter().map(|(name, _)| name));
        let args = args.into_iter();
        dockerfile.args = args.map(|(name, value)| (name.text, value.text)).collect();
        for (name, child) in contexts {
            if let Some((context, place)) = self.context(child) {
                places.push((format!("dockerfile.contexts.{}", name.text), place));
                dockerfile.contexts.push((name.text, context));
            }
        }
        Some(Given::Dockerfile(dockerfile, places))
    }

    /// The nodes of `contexts` with their names.
    fn contexts<'n>(&mut self, node: &'n Node) -> Vec<(Text, &'n Node)> {
        self.only_props(node, &[]);
        if let Some(value) = node.args.first() {
            self.notes.tell(
                Diagnostic::error("wrong-type", "`contexts` takes a block")
                    .at(value.place.clone(), "")
                    .help("write `contexts { base image=\"id\" }`"),
            );
        }
        let name = |child: &Node| Text {
            text: child.name.text.clone(),
            place: child.name.place.clone(),
            plain: true,
        };
        let mut contexts = Vec::new();
        for child in &node.children {
            let name = name(child);
            match context_name(&name.text) {
                Ok(()) => contexts.push((name, child)),
                Err(refused) => {
                    let mistake = misnamed("a context", &name, refused);
                    self.notes.tell(mistake);
                }
            }
        }
        contexts
    }

    fn context(&mut self, node: &Node) -> Option<(NamedContext, Place)> {
        self.only_props(node, &["image", "path"]);
        self.no_block(node);
        let (image, path) = (prop(node, "image"), prop(node, "path"));
        match (image, path, node.args.as_slice()) {
            (Some(image), None, []) => {
                let id = self.scope.text(&image.value, "image", self.notes)?;
                Some((NamedContext::Image(id.text), id.place))
            }
            (None, Some(path), []) => self.context_folder(path),
            (None, None, [value]) => {
                let name = self.checked(&node.name.text, reference::check_reference, value)?;
                Some((NamedContext::Registry(name.text), name.place))
            }
            _ => {
                let name = &node.name.text;
                self.notes.tell(
                    Diagnostic::error("missing-argument", format!("the context `{}` needs one value", shown(name)))
                        .at(node.head(), "")
                        .help("`image=\"id\"` is an image of this workspace, `\"reference\"` one of a registry, `path=\"folder\"` a folder"),
                );
                None
            }
        }
    }

    fn context_folder(&mut self, path: &Prop) -> Option<(NamedContext, Place)> {
        let text = self.checked("path", rules::any, &path.value)?;
        let folder: WorkspacePath = self.inside(&text)?;
        Some((NamedContext::Folder(folder), text.place))
    }

    /// Tells names that stand twice.
    fn once<'t>(&mut self, what: &str, names: impl Iterator<Item = &'t Text>) {
        let mut first: BTreeMap<&str, &Text> = BTreeMap::new();
        for name in names {
            if let Some(before) = first.insert(&name.text, name) {
                let message = format!("`{what}` gives `{}` twice", shown(&name.text));
                self.notes.tell(
                    Diagnostic::error("duplicate-field", message)
                        .at(name.place.clone(), "again here")
                        .with(before.place.clone(), "first given here"),
                );
            }
        }
    }

    /// The one value of a node that may have a block.
    pub(super) fn only_arg(&mut self, field: &Field, node: &Node) -> Option<Text> {
        let what = field.name;
        if let Some(second) = node.args.get(1) {
            self.notes.tell(
                Diagnostic::error("too-many-arguments", format!("`{what}` takes one value"))
                    .at(second.place.clone(), "one too many"),
            );
        }
        let Some(value) = node.args.first() else {
            self.missing(field, node);
            return None;
        };
        let rule = match what {
            "secret" => rules::secret_id,
            _ => rules::line,
        };
        self.checked(what, rule, value)
    }

    pub(super) fn unknown_part(&mut self, node: &Node, of: &str, known: &[&'static str]) {
        let (name, place) = (shown(&node.name.text), &node.name.place);
        let mistake = Diagnostic::error("unknown-node", format!("{of} has no `{name}`"));
        let other = known.iter().find(|known| {
            // `steps { apt-packages … }` and `secret { pip … }`.
            STEPS.iter().any(|(step, field)| {
                (**known, name.as_str()) == (*step, *field)
                    || (**known, name.as_str()) == (*field, *step)
            })
        });
        let meant = other
            .copied()
            .or_else(|| closest(&name, known.iter().copied()));
        self.notes.tell(match meant {
            Some(meant) => mistake
                .at(place.clone(), format!("did you mean `{meant}`?"))
                .fix(place.clone(), meant),
            None => mistake
                .at(place.clone(), "")
                .help(format!("it takes {}", known.join(", "))),
        });
    }
}

fn only_texts(texts: Vec<Text>) -> Vec<String> {
    texts.into_iter().map(|text| text.text).collect()
}

/// Stages of a Dockerfile.
fn stage_name(name: &str) -> Result<(), Refused> {
    let fine = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if fine {
        return Ok(());
    }
    rules::refuse("stages have names of letters, digits, `-`, `_` and `.`, or a number")
}

/// What a Dockerfile can name in `FROM` and `COPY --from`.
fn context_name(name: &str) -> Result<(), Refused> {
    let fine = !name.is_empty()
        && !name.contains(['=', ',', '$', '"', '\\'])
        && !name.contains(char::is_whitespace)
        && !name.contains(char::is_control);
    match name {
        "context" | "dockerfile" => rules::refuse("BuildKit has that name for something else"),
        _ if fine => Ok(()),
        _ => rules::refuse("it is what stands behind `FROM`: no spaces, `=`, `,`, `$` or quotes"),
    }
}
