//! What a step's secrets hold for the installer of packages: variables, and the logins of a `.netrc`. Pure.

use super::address::bare;
use super::logins::Logins;
use crate::backend::secret::{Hider, Revealed};
use crate::recipe::{Recipe, SecretPlace};
use crate::spec::SecretStep;

/// Variables that name indexes.
pub(super) const INDEXES: [&str; 4] = [
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "UV_INDEX",
    "UV_EXTRA_INDEX_URL",
];

/// The secrets of the steps that install Python packages. Not printable on purpose.
pub(in super::super) struct Given {
    /// Names and values.
    pub(super) variables: Vec<(String, String)>,
    /// The content of the `.netrc`.
    pub(super) netrc: Option<String>,
    pub(super) logins: Logins,
    pub(super) hider: Hider,
}

impl Given {
    /// What the recipe gives to its Python steps. Files other than a `.netrc` are nothing that uv reads.
    pub(in super::super) fn of(recipe: &Recipe, revealed: &[Revealed]) -> Self {
        let mut variables = Vec::new();
        let mut netrc = None;
        for (id, place) in recipe.secrets_of(SecretStep::Pip) {
            let Some(secret) = revealed.iter().find(|secret| secret.id == id) else {
                continue;
            };
            let value = || String::from_utf8_lossy(&secret.value).into_owned();
            match place {
                SecretPlace::Env(name) => variables.push((name.clone(), value())),
                SecretPlace::File(path) if path.ends_with("/.netrc") => netrc = Some(value()),
                SecretPlace::File(_) => {}
            }
        }
        let mut logins = netrc.as_deref().map(Logins::netrc).unwrap_or_default();
        logins_of_indexes(&variables, &mut logins);
        Self {
            variables,
            netrc,
            logins,
            hider: Hider::new(revealed),
        }
    }

    /// The value of a variable.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        let mut each = self.variables.iter();
        let found = each.find(|(known, _)| known == name)?;
        Some(found.1.trim()).filter(|value| !value.is_empty())
    }
}

/// The logins in variables that name indexes.
fn logins_of_indexes(variables: &[(String, String)], logins: &mut Logins) {
    for (name, value) in variables {
        if INDEXES.contains(&name.as_str()) {
            for url in value.split_whitespace() {
                // One that cannot be read is told when it is used.
                let _ = logins.read(bare(url));
            }
        }
    }
}
