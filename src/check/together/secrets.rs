//! Checks for secrets that conflict with each other or that no step would receive.
//!
//! Accesses no values. Places are compared as in the recipe, defaults included.

use std::collections::{BTreeMap, BTreeSet};

use super::clash::Clashes;
use crate::recipe::{self, Given, SecretPlace};
use crate::spec::ImageSpec;

pub(super) fn secrets(spec: &ImageSpec, clashes: &mut Clashes<'_>) {
    one_place(spec, clashes);
    if !spec.pip_secret_mounts.is_empty() && !spec.installs_python_packages() {
        clashes.no_effect(
            "pip-secret-mounts",
            "`pip-secret-mounts` has no effect without Python packages",
            "nothing would read this",
            None,
        );
    }
    if spec.dockerfile.is_some() {
        for secret in spec.secrets.iter().filter(|secret| !secret.uses.is_empty()) {
            clashes.error(
                format!("secret.{}", secret.id),
                "a Dockerfile itself determines which steps use a secret",
                "the block has no effect",
                format!(
                    "remove the block, and use `RUN --mount=type=secret,id={}` in the Dockerfile",
                    secret.id
                ),
            );
        }
    }
}

/// Reports two secrets that the same step would find in the same place.
fn one_place(spec: &ImageSpec, clashes: &mut Clashes<'_>) {
    let mut first: BTreeMap<Given, String> = BTreeMap::new();
    let mut told: BTreeSet<(String, String)> = BTreeSet::new();
    for secret in recipe::secrets(spec) {
        for given in secret.uses {
            let Some(other) = first.insert(given.clone(), secret.id.clone()) else {
                continue;
            };
            let pair = (other, secret.id.clone());
            // Report the pair only once for all kinds of steps.
            if told.contains(&pair) {
                continue;
            }
            let place = match &given.place {
                SecretPlace::Env(name) => format!("the variable `{name}`"),
                SecretPlace::File(path) => format!("the file `{path}`"),
            };
            let clash = clashes.at(
                field(&pair.1),
                format!("two secrets are assigned to {place}"),
                format!("so is {}", words(&pair.0)),
            );
            clashes.findings.error(clash);
            told.insert(pair);
        }
    }
}

/// The manifest name of the field that a recipe's secret comes from.
fn field(id: &str) -> String {
    match mount(id) {
        Some(at) => format!("pip-secret-mounts[{at}]"),
        None => format!("secret.{id}"),
    }
}

fn words(id: &str) -> String {
    match mount(id) {
        Some(_) => "another one of `pip-secret-mounts`".to_owned(),
        None => format!("the secret `{id}`"),
    }
}

fn mount(id: &str) -> Option<&str> {
    id.strip_prefix("pip-secret-mounts-")
}
