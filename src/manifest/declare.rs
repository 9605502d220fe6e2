//! `variable`, `template` and `defaults`: what a file declares for itself and for the files that it includes.

use std::collections::BTreeMap;

use super::decode;
use super::decode_values::misnamed;
use super::file::{File, Loader};
use super::layer::Layer;
use super::notes::Text;
use super::scope::{Name, Scope, is_name};
use super::syntax::{self, Node};
use super::templates::{Template, Templates};
use crate::diagnostic::{Diagnostic, Place};
use crate::reference::Refused;
use crate::spec::WorkspacePath;

impl Loader<'_> {
    pub(super) fn scope<'s>(&mut self, file: &File<'_>, outer: &'s Scope<'s>) -> Scope<'s> {
        let mut scope = Scope {
            own: BTreeMap::new(),
            outer: Some(outer),
        };
        for node in file.named("variable") {
            let Some(name) = self.name(node, "variable") else {
                continue;
            };
            if let Some(before) = scope.find(&name.text) {
                self.notes
                    .tell(declared_twice("variable", &name, &before.place));
                continue;
            }
            let value = self.variable(node, &name, &scope, &file.folder);
            self.variables.insert(name.text.clone());
            scope.own.insert(
                name.text,
                Name {
                    value,
                    place: name.place,
                },
            );
        }
        scope
    }

    /// The value of a variable: of a flag, else of the environment, else its default.
    fn variable(
        &mut self,
        node: &Node,
        name: &Text,
        scope: &Scope<'_>,
        folder: &WorkspacePath,
    ) -> Option<String> {
        let mut decoder = self.decoder(scope, folder, "a variable", &[]);
        decoder.only_props(node, &["env", "default"]);
        decoder.no_block(node);
        let mut said =
            |prop| decode::prop(node, prop).map(|it| scope.text(&it.value, prop, &mut self.notes));
        let (env, default) = (said("env"), said("default"));
        let flag = self.overrides.vars.iter().rev();
        let flag = flag
            .filter(|(var, _)| *var == name.text)
            .map(|(_, value)| value);
        if let Some(value) = flag.into_iter().next() {
            return Some(value.clone());
        }
        let env_name = env.clone().flatten().map(|env| env.text);
        let from_env = env_name.as_deref().and_then(self.env);
        if from_env.is_some() {
            return from_env;
        }
        if default.is_none() && !matches!(env, Some(None)) {
            self.no_value(name, env_name.as_deref());
        }
        default.flatten().map(|default| default.text)
    }

    fn no_value(&mut self, name: &Text, env: Option<&str>) {
        let name_text = &name.text;
        let set = env.map_or(String::new(), |env| format!("set {env}, or "));
        self.notes.tell(
            Diagnostic::error("no-value", format!("variable `{name_text}` has no value"))
                .at(
                    name.place.clone(),
                    match env {
                        Some(env) => format!("{env} is not set, and there is no default"),
                        None => "it has no default".to_owned(),
                    },
                )
                .help(format!(
                    "{set}pass `--var {name_text}=…`, or give it a `default=\"…\"`"
                )),
        );
    }

    pub(super) fn templates<'s>(
        &mut self,
        file: &File<'_>,
        scope: &Scope<'_>,
        outer: &'s Templates<'s>,
    ) -> Templates<'s> {
        let mut templates = Templates {
            own: BTreeMap::new(),
            outer: Some(outer),
        };
        for node in file.named("template") {
            let Some(name) = self.name(node, "template") else {
                continue;
            };
            let extends = self.extends(node, scope, &file.folder);
            let layer = self
                .decoder(scope, &file.folder, "a template", &["extends"])
                .layer(&node.children);
            if let Some(before) = templates.find(&name.text) {
                self.notes
                    .tell(declared_twice("template", &name, &before.place));
                continue;
            }
            templates.own.insert(
                name.text,
                Template {
                    place: name.place,
                    layer,
                    extends,
                },
            );
        }
        // One walk through all of them finds every circle once.
        let all: Vec<Text> = templates
            .own
            .iter()
            .map(|(name, template)| template.named(name))
            .collect();
        templates.layers(&all, &file.plain_ids, &mut self.notes);
        templates
    }

    pub(super) fn defaults(&mut self, file: &File<'_>, scope: &Scope<'_>) -> Option<Layer> {
        let node = file.named("defaults").next()?;
        let mut decoder = self.decoder(scope, &file.folder, "defaults", &[]);
        decoder.only_props(node, &[]);
        if let Some(value) = node.args.first() {
            decoder.notes.tell(
                Diagnostic::error("too-many-arguments", "`defaults` has no name")
                    .at(value.place.clone(), "")
                    .help("fields under a name are a `template`"),
            );
        }
        Some(decoder.layer(&node.children))
    }

    /// The name that a `variable` or `template` declares.
    fn name(&mut self, node: &Node, what: &str) -> Option<Text> {
        let scope = Scope::default();
        let folder = WorkspacePath::default();
        let decoder = self.decoder(&scope, &folder, "", &[]);
        let Some(value) = node.args.first() else {
            decoder.notes.tell(
                Diagnostic::error("missing-argument", format!("a {what} needs a name"))
                    .at(node.name.place.clone(), "nothing follows")
                    .help(format!("write `{what} \"name\" …`")),
            );
            return None;
        };
        if let Some(second) = node.args.get(1) {
            decoder.notes.tell(
                Diagnostic::error("too-many-arguments", format!("a {what} has one name"))
                    .at(second.place.clone(), "one too many"),
            );
        }
        let name = Text {
            text: match &value.data {
                syntax::Data::Text { text, .. } => text.clone(),
                _ => String::new(),
            },
            place: value.place.clone(),
            plain: true,
        };
        if is_name(&name.text) {
            return Some(name);
        }
        let why = "a name has letters, digits, `_` and `-`, and begins with a letter";
        self.notes
            .tell(misnamed(&format!("a {what}"), &name, Refused::because(why)));
        None
    }
}

fn declared_twice(what: &str, name: &Text, before: &Place) -> Diagnostic {
    let (text, place) = (&name.text, name.place.clone());
    let mistake = Diagnostic::error(
        format_code(what),
        format!("{what} `{text}` is declared twice"),
    )
    .at(place, "again here")
    .with(before.clone(), "first declared here");
    if before.source == name.place.source {
        mistake
    } else {
        mistake.help("a file sees what the files that include it declare: no name may hide another")
    }
}

fn format_code(what: &str) -> &'static str {
    if what == "variable" {
        "duplicate-variable"
    } else {
        "duplicate-template"
    }
}
