//! What of a recipe a Dockerfile, or Docker's daemon, cannot do. Pure.

use crate::backend::buildkit::options;
use crate::backend::{Unsupported, labels};
use crate::recipe::{CopyStep, Recipe, Step};
use crate::spec::Base;

type Refuse<'a> = &'a mut dyn FnMut(&str, String);

/// The fields that cannot be honoured, in the order of the recipe.
pub(super) fn unsupported(recipe: &Recipe) -> Vec<Unsupported> {
    let mut unsupported = Vec::new();
    let mut refuse = |field: &str, why: String| {
        let field = field.to_owned();
        unsupported.push(Unsupported { field, why });
    };
    names(recipe, &mut refuse);
    wishes(recipe, &mut refuse);
    unsupported
}

/// What a Dockerfile cannot name: owners, variables, labels.
fn names(recipe: &Recipe, refuse: Refuse<'_>) {
    let unsettable = |name: &str| format!("`{name}` is not a name that a Dockerfile can set");
    for step in &recipe.steps {
        match step {
            Step::Copy(CopyStep {
                owner: Some(owner), ..
            }) if !is_owner(owner) => refuse(
                "copy",
                format!(
                    "`{owner}` is not an owner that a Dockerfile can name: `user` or `user:group`"
                ),
            ),
            Step::Env(pairs) => pairs
                .iter()
                .filter(|(name, _)| !is_plain_name(name))
                .for_each(|(name, _)| refuse("env", unsettable(name))),
            _ => {}
        }
    }
    for (name, _) in &recipe.config.labels {
        if name.is_empty() || name.contains('=') {
            refuse("labels", unsettable(name));
        }
        if labels::is_reserved(name) {
            refuse("labels", format!("`{name}` is imgspec's own"));
        }
    }
}

/// What the daemon cannot be asked for, and references that would not stay one word.
fn wishes(recipe: &Recipe, refuse: Refuse<'_>) {
    let is_strict = !recipe.wishes.is_lenient;
    let options = recipe.wishes.options.iter().filter(|_| is_strict);
    for (name, value) in options {
        if let Err(why) = options::attribute(name, value) {
            refuse("builder-options", why);
        }
    }
    if recipe.wishes.registry_config.is_some() && is_strict {
        refuse(
            "registry-config",
            "how registries are reached is the daemon's affair: `registry-mirrors` and `insecure-registries` in its daemon.json, \
             certificates in /etc/docker/certs.d"
                .to_owned(),
        );
    }
    for image in [&recipe.helpers.uv, &recipe.helpers.micromamba] {
        if image.contains(|each: char| each.is_whitespace() || "$,\"".contains(each)) {
            refuse("builder-config", format!("`{image}` is not a reference"));
        }
    }
    if let Base::Registry(reference) = &recipe.base
        && reference.contains(|each: char| each.is_whitespace() || each == '$')
    {
        refuse("base-image", format!("`{reference}` is not a reference"));
    }
}

/// Environment names that need no quotes.
fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// Users and groups as they are in every system's files.
fn is_owner(owner: &str) -> bool {
    let (user, group) = owner.split_once(':').unwrap_or((owner, "0"));
    is_plain_name(user) && is_plain_name(group)
}
