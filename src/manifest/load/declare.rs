//! Reads `variable`, `template` and `defaults`: what a file declares for itself and for the files that it includes.

use std::collections::BTreeMap;

use super::loader::{File, Loader};
use crate::diagnostic::{Diagnostic, Place, Spanned};
use crate::manifest::decode::{Layer, Name, OF_TEMPLATE, OF_VARIABLE, Scope};
use crate::manifest::inherit::{Template, Templates};
use crate::manifest::syntax::{Data, Node, bare, one_argument, only_props, prop};
use crate::spec::rules::{check_called, declared_name};
use crate::workspace::{Meaning, Origin};

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
            let (value, origin) = self.variable(node, &name, &scope);
            self.notes.declare(&name, || Meaning::Variable {
                value: value.clone(),
                origin,
            });
            self.variables.insert(name.text.clone());
            self.declare("unused-variable", &name.text, &name.place, file);
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

    /// The value of a variable and its origin: a flag, else the environment, else its default.
    fn variable(
        &mut self,
        node: &Node,
        name: &Spanned,
        scope: &Scope<'_>,
    ) -> (Option<String>, Origin) {
        bare(node, OF_VARIABLE, &mut self.notes);
        let mut value =
            |name| prop(node, name).map(|it| scope.text(&it.value, name, &mut self.notes));
        let (env, default) = (value("env"), value("default"));
        let mut flags = self.overrides.vars.iter().rev();
        if let Some((_, value)) = flags.find(|(var, _)| *var == name.text) {
            return (Some(value.clone()), Origin::Flag);
        }
        let env_name = env.clone().flatten().map(|env| env.text);
        let from_env = env_name.as_deref().and_then(self.env);
        if let (Some(value), Some(env)) = (from_env, &env_name) {
            return (Some(value), Origin::Env(env.clone()));
        }
        if default.is_none() && !matches!(env, Some(None)) {
            self.no_value(name, env_name.as_deref());
        }
        match default.flatten() {
            Some(default) => (Some(default.text), Origin::Default),
            None => (None, Origin::Nowhere),
        }
    }

    fn no_value(&mut self, name: &Spanned, env: Option<&str>) {
        let Spanned { text, place, .. } = name;
        let (set, why) = match env {
            Some(env) => (
                format!("set {env}, or "),
                format!("{env} is not set, and there is no default"),
            ),
            None => (String::new(), "it has no default".to_owned()),
        };
        let message = format!("variable `{text}` has no value");
        let help = format!("{set}pass `--var {text}=…`, or give it a `default=\"…\"`");
        let mistake = Diagnostic::error("no-value", message);
        self.notes.tell(mistake.at(*place, why).help(help));
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
            let extends = self.extends(node, scope);
            let layer = self
                .decoder(scope, &file.folder, "a template", OF_TEMPLATE)
                .layer(&node.children);
            if let Some(before) = templates.find(&name.text) {
                self.notes
                    .tell(declared_twice("template", &name, &before.place));
                continue;
            }
            self.declare("unused-template", &name.text, &name.place, file);
            self.notes.declare(&name, || Meaning::Template);
            templates.own.insert(
                name.text,
                Template {
                    place: name.place,
                    layer,
                    extends,
                },
            );
        }
        // Walks them all together, so that every cycle is found once.
        let all: Vec<Spanned> = templates
            .own
            .iter()
            .map(|(name, template)| template.named(name))
            .collect();
        templates.layers(&all, &file.plain_ids, &mut self.notes);
        templates
    }

    pub(super) fn defaults(&mut self, file: &File<'_>, scope: &Scope<'_>) -> Option<Layer> {
        let node = file.named("defaults").next()?;
        only_props(node, &[], &mut self.notes);
        if let Some(value) = node.args.first() {
            self.notes.tell(
                Diagnostic::error("too-many-arguments", "`defaults` has no name")
                    .at(value.place, "")
                    .help("to name a set of fields, use a `template`"),
            );
        }
        let mut decoder = self.decoder(scope, &file.folder, "defaults", &[]);
        Some(decoder.layer(&node.children))
    }

    /// The name in a `variable` or `template` node.
    fn name(&mut self, node: &Node, what: &str) -> Option<Spanned> {
        let notes = &mut self.notes;
        let Some(value) = one_argument(node, &format!("a {what} has one name"), notes) else {
            notes.tell(
                Diagnostic::missing(format!("a {what} needs a name"), &node.name.place)
                    .help(format!("write `{what} \"name\" …`")),
            );
            return None;
        };
        let text = match &value.data {
            Data::Text { text, .. } => text.as_str(),
            _ => "",
        };
        let name = Spanned::plain(text, value.place);
        notes.accept(check_called(&format!("a {what}"), declared_name, &name))?;
        Some(name)
    }
}

fn declared_twice(what: &str, name: &Spanned, before: &Place) -> Diagnostic {
    let code = match what {
        "variable" => "duplicate-variable",
        _ => "duplicate-template",
    };
    let mistake = Diagnostic::error(code, format!("{what} `{}` is declared twice", name.text))
        .at(name.place, "again here")
        .with(*before, "first declared here");
    if before.source == name.place.source {
        mistake
    } else {
        mistake.help("declarations are visible in included files, where no name may shadow another")
    }
}
