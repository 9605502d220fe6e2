//! Decodes secrets, and local files mounted for single steps.
//!
//! There is no syntax for a secret's value, so that none can end up in a manifest by accident.

use super::decoder::Decoder;
use super::known::{OF_MOUNT, OF_SECRET, OF_SECRET_USE};
use crate::diagnostic::{Diagnostic, Place, Spanned};
use crate::manifest::syntax::{Node, bare, only_props, prop};
use crate::spec::fields::Field;
use crate::spec::rules::{PIP_MOUNT_TO, SECRET_ENV, SECRET_FILE, USE_ENV, USE_MOUNT};
use crate::spec::{PipSecretMount, Secret, SecretFile, SecretSource, SecretStep, SecretUse};

impl Decoder<'_> {
    /// Decodes `pip-secret-mounts "file" to="/path"`.
    pub(super) fn mount(&mut self, field: &Field, node: &Node) -> Option<(PipSecretMount, Place)> {
        const EXAMPLE: &str = "\"file\" to=\"/root/.netrc\"";
        bare(node, OF_MOUNT, self.notes);
        let file = self.only_arg(field.name, field.rule, node, EXAMPLE)?;
        let Some(to) = self.optional(node, PIP_MOUNT_TO)? else {
            let name = field.name;
            self.notes.tell(
                Diagnostic::error("missing-argument", format!("`{name}` needs `to=`"))
                    .at(
                        node.head(),
                        "the path at which the installer finds the file",
                    )
                    .help(format!("write `{name} {EXAMPLE}`")),
            );
            return None;
        };
        let mount = PipSecretMount {
            source: self.secret_file(file.text),
            target: to.text,
        };
        Some((mount, file.place))
    }

    /// Decodes `secret "id" env="VAR"` or `secret "id" file="path"`, with the steps that receive the secret.
    pub(super) fn secret(&mut self, field: &Field, node: &Node) -> Option<(Secret, Spanned)> {
        only_props(node, OF_SECRET, self.notes);
        let id = self.only_arg(field.name, field.rule, node, "\"id\" env=\"VARIABLE\"")?;
        let source = self.secret_source(node);
        let uses: Vec<Option<SecretUse>> = node
            .children
            .iter()
            .map(|child| self.secret_use(child))
            .collect();
        let secret = Secret {
            id: id.text.clone(),
            source: source?,
            uses: uses.into_iter().collect::<Option<_>>()?,
        };
        Some((secret, id))
    }

    fn secret_source(&mut self, node: &Node) -> Option<SecretSource> {
        let given = [SECRET_ENV, SECRET_FILE].map(|part| prop(node, part.name).is_some());
        if given[0] != given[1] {
            let env = self.optional(node, SECRET_ENV)?;
            let file = self.optional(node, SECRET_FILE)?;
            let file = file.map(|path| SecretSource::File(self.secret_file(path.text)));
            return env.map(|name| SecretSource::Env(name.text)).or(file);
        }
        let mistake = if given[0] {
            Diagnostic::error("too-many-arguments", "a secret has one source")
        } else {
            Diagnostic::error("missing-argument", "a secret needs a source")
        };
        self.notes.tell(mistake.at(node.head(), "").help(
            "write `secret \"id\" env=\"VARIABLE\"` or `secret \"id\" file=\"path\"`: the value itself is never in a manifest",
        ));
        None
    }

    fn secret_file(&self, given: String) -> SecretFile {
        SecretFile {
            folder: self.folder.clone(),
            given,
        }
    }

    /// Decodes `packages env="NAME"` or `commands mount="/path"` in a secret's block.
    fn secret_use(&mut self, node: &Node) -> Option<SecretUse> {
        bare(node, OF_SECRET_USE, self.notes);
        let name = node.name.text.as_str();
        let kinds = SecretStep::ALL;
        let Some(step) = kinds.into_iter().find(|step| step.field() == name) else {
            self.unknown_part(node, "a secret", &kinds.map(SecretStep::field));
            return None;
        };
        if let Some(value) = node.args.first() {
            let message = format!("`{name}` takes no value here");
            self.notes.tell(
                Diagnostic::error("too-many-arguments", message)
                    .at(value.place, "")
                    .help("`env=\"NAME\"` passes the secret as a variable, `mount=\"/path\"` as a file"),
            );
        }
        let env = self.optional(node, USE_ENV);
        let mount = self.optional(node, USE_MOUNT);
        Some(SecretUse {
            step,
            env: env?.map(|name| name.text),
            mount: mount?.map(|path| path.text),
        })
    }
}
