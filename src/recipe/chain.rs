//! An image and what it is built on in the workspace, followed without building anything. Pure.

use super::model::{Recipe, Step};
use crate::spec::Base;
use crate::workspace::DebianField;

pub(super) type Chain<'a> = Vec<(&'a str, &'a Recipe)>;

/// The image and its bases in the workspace, down to the lowest.
pub(super) fn chain<'a>(
    id: &'a str,
    recipe: &'a Recipe,
    find: &dyn Fn(&str) -> Option<&'a Recipe>,
) -> Chain<'a> {
    let mut chain = vec![(id, recipe)];
    while let Some((_, last)) = chain.last()
        && last.dockerfile.is_none()
        && let Base::Image(base) = &last.base
        && let Some(recipe) = find(base)
    {
        chain.push((base, recipe));
    }
    chain
}

/// The Debian packages that an image installs, in the order in which it does.
pub(super) fn debian_lists<'a>(
    id: &'a str,
    recipe: &'a Recipe,
) -> Vec<(&'a str, DebianField, &'a [String])> {
    if recipe.dockerfile.is_some() {
        return Vec::new();
    }
    let base = match &recipe.base {
        Base::Debian(_) => Some((id, DebianField::Base, [].as_slice())),
        _ => None,
    };
    let apt = recipe.steps.iter().find_map(|step| match step {
        Step::Apt { packages } => Some((id, DebianField::Apt, packages.as_slice())),
        _ => None,
    });
    base.into_iter().chain(apt).collect()
}
