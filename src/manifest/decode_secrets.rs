//! Secrets, and files of this machine for single steps.
//!
//! Reads no files. The choice made: a secret's value has no place in the syntax, so that none can be written down by accident.

use super::decode::{Decoder, prop};
use super::fields::Field;
use super::layer::Given;
use super::notes::Text;
use super::rules;
use super::syntax::Node;
use crate::diagnostic::Diagnostic;
use crate::reference::Refused;
use crate::spec::{PipSecretMount, Secret, SecretFile, SecretSource, SecretStep, SecretUse};

type Rule = fn(&str) -> Result<(), Refused>;

impl Decoder<'_> {
    /// `pip-secret-mounts "file" to="/path"`.
    pub(super) fn mounts(&mut self, field: &Field, node: &Node) -> Option<Given> {
        self.only_props(node, &["to", "reset"]);
        self.no_block(node);
        let source = self.only_arg(field, node)?;
        let Some(to) = prop(node, "to") else {
            self.notes.tell(
                Diagnostic::error("missing-argument", format!("`{}` needs `to=`", field.name))
                    .at(node.head(), "where the file is shown to the installer")
                    .help(format!(
                        "write `{} \"file\" to=\"/root/.netrc\"`",
                        field.name
                    )),
            );
            return None;
        };
        let target = self.checked("to", rules::mount_point, &to.value)?;
        let mount = PipSecretMount {
            source: self.secret_file(&source),
            target: target.text,
        };
        Some(Given::Mounts(vec![(mount, source.place)]))
    }

    /// `secret "id" env="VAR"` or `secret "id" file="path"`, with the steps that get it.
    pub(super) fn secret(&mut self, field: &Field, node: &Node) -> Option<Given> {
        self.only_props(node, &["env", "file", "reset"]);
        let id = self.only_arg(field, node)?;
        let source = self.secret_source(node);
        let uses: Vec<Option<SecretUse>> = node
            .children
            .iter()
            .map(|child| self.secret_use(child))
            .collect();
        let secret = Secret {
            id: id.text,
            source: source?,
            uses: uses.into_iter().collect::<Option<_>>()?,
        };
        Some(Given::Secret(secret, id.place))
    }

    fn secret_source(&mut self, node: &Node) -> Option<SecretSource> {
        match (prop(node, "env"), prop(node, "file")) {
            (Some(env), None) => {
                let name = self.checked("env", rules::variable, &env.value)?;
                Some(SecretSource::Env(name.text))
            }
            (None, Some(file)) => {
                let path = self.checked("file", rules::line, &file.value)?;
                Some(SecretSource::File(self.secret_file(&path)))
            }
            (given, _) => {
                let mistake = if given.is_some() {
                    Diagnostic::error("too-many-arguments", "a secret has one source")
                } else {
                    Diagnostic::error("missing-argument", "a secret needs a source")
                };
                self.notes.tell(mistake.at(node.head(), "").help(
                    "write `secret \"id\" env=\"VARIABLE\"` or `secret \"id\" file=\"path\"`: the value itself stands in no manifest",
                ));
                None
            }
        }
    }

    fn secret_file(&self, path: &Text) -> SecretFile {
        SecretFile {
            folder: self.folder.clone(),
            given: path.text.clone(),
        }
    }

    /// `packages env="NAME"` or `commands mount="/path"` in a secret.
    fn secret_use(&mut self, node: &Node) -> Option<SecretUse> {
        self.only_props(node, &["env", "mount"]);
        self.no_block(node);
        let name = node.name.text.as_str();
        let kinds = SecretStep::ALL;
        let Some(step) = kinds.into_iter().find(|step| step.field() == name) else {
            self.unknown_part(node, "a secret", &kinds.map(SecretStep::field));
            return None;
        };
        if let Some(value) = node.args.first() {
            self.notes.tell(
                Diagnostic::error(
                    "too-many-arguments",
                    format!("`{name}` takes no value here"),
                )
                .at(value.place.clone(), "")
                .help("`env=\"NAME\"` gives the secret as a variable, `mount=\"/path\"` as a file"),
            );
        }
        let mut optional = |name: &'static str, rule: Rule| match prop(node, name) {
            None => Some(None),
            Some(prop) => self
                .checked(name, rule, &prop.value)
                .map(|text| Some(text.text)),
        };
        let env = optional("env", rules::variable);
        let mount = optional("mount", rules::mount_point);
        Some(SecretUse {
            step,
            env: env?,
            mount: mount?,
        })
    }
}
