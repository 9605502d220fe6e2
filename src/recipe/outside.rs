//! The outside images of a recipe: those that are not built in the workspace. For Dockerfiles they come from [`Froms`].

use super::build::ContextSource;
use super::froms::{Froms, OutsideImage, familiar};
use super::model::{Recipe, Step};
use crate::spec::Base;

impl Recipe {
    /// Returns the outside images that are not pinned by digest, sorted and without duplicates. `froms` lists those that the
    /// recipe's Dockerfile refers to.
    #[must_use]
    pub fn outside(&self, froms: Option<&Froms>) -> Vec<OutsideImage> {
        let named = |name: &str| OutsideImage {
            name: familiar(name),
            any_platform: false,
        };
        let mut images: Vec<OutsideImage> = Vec::new();
        if let Base::Registry(name) = &self.base {
            images.push(named(name));
        }
        if self.uses_uv() {
            images.push(named(&self.helpers.uv));
        }
        if self.uses_micromamba() {
            images.push(named(&self.helpers.micromamba));
        }
        let contexts = self.dockerfile.iter().flat_map(|own| &own.contexts);
        for (_, context) in contexts {
            if let ContextSource::Registry(name) = context {
                images.push(named(name));
            }
        }
        images.extend(froms.iter().flat_map(|froms| froms.images.iter().cloned()));
        images.retain(|image| !image.name.contains('@'));
        images.sort();
        // Of two entries with the same name, keep the one for any platform, which sorts last.
        images.reverse();
        images.dedup_by(|next, kept| next.name == kept.name);
        images.reverse();
        images.shrink_to_fit();
        images
    }

    /// Whether an outside image is there only to supply an installer.
    #[must_use]
    pub fn is_helper(&self, name: &str) -> bool {
        let helpers = [&self.helpers.uv, &self.helpers.micromamba];
        let is_base = matches!(&self.base, Base::Registry(base) if familiar(base) == name);
        self.dockerfile.is_none() && !is_base && helpers.iter().any(|it| familiar(it) == name)
    }

    /// Whether a step uses `uv` from its helper image.
    #[must_use]
    pub fn uses_uv(&self) -> bool {
        let uses = |step: &Step| matches!(step, Step::Python { .. } | Step::Pip(_) | Step::Lock(_));
        self.steps.iter().any(uses)
    }

    /// Whether a step uses micromamba from its helper image.
    #[must_use]
    pub fn uses_micromamba(&self) -> bool {
        let uses = |step: &Step| matches!(step, Step::Conda(_));
        self.steps.iter().any(uses)
    }
}

/// The reference without its tag and digest.
#[must_use]
pub fn repository(reference: &str) -> &str {
    let name = reference.split('@').next().unwrap_or_default();
    match name.rsplit_once(':') {
        // What follows the colon is a port, not a tag.
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{DockerfileRecipe, FileSet};
    use crate::spec::WorkspacePath;

    fn names(recipe: &Recipe, froms: Option<&Froms>) -> Vec<String> {
        let images = recipe.outside(froms).into_iter();
        images
            .map(|image| {
                format!(
                    "{}{}",
                    image.name,
                    if image.any_platform { " any" } else { "" }
                )
            })
            .collect()
    }

    #[test]
    fn the_base_and_the_helpers_that_are_used_are_outside_images() {
        let base = |name: &str| Recipe {
            base: Base::Registry(name.to_owned()),
            ..Recipe::default()
        };
        assert_eq!(names(&base("debian:12"), None), ["debian:12"]);
        let pinned = format!("debian@sha256:{}", "0".repeat(64));
        assert!(names(&base(&pinned), None).is_empty());
        let mut with_python = base("debian:12");
        with_python.steps.push(Step::Python {
            version: "3.12".into(),
        });
        assert_eq!(
            names(&with_python, None),
            ["debian:12", "ghcr.io/astral-sh/uv:0.9"]
        );
        assert!(names(&Recipe::default(), None).is_empty());
    }

    #[test]
    fn a_repository_is_a_reference_without_its_end() {
        let known = [
            ("debian", "debian"),
            ("debian:12", "debian"),
            ("r.io:5000/a/b", "r.io:5000/a/b"),
            ("r.io:5000/a/b:1@sha256:00", "r.io:5000/a/b"),
        ];
        for (reference, name) in known {
            assert_eq!(repository(reference), name);
        }
    }

    #[test]
    fn contexts_and_what_a_dockerfile_names_are_outside_images_each_once() {
        let path = |text: &str| WorkspacePath::resolve(&WorkspacePath::ROOT, text).unwrap();
        let file = FileSet::File {
            path: path("Dockerfile"),
        };
        let recipe = Recipe {
            dockerfile: Some(Box::new(DockerfileRecipe {
                context: file.clone(),
                file,
                target: None,
                args: Vec::new(),
                contexts: vec![
                    ("b".into(), ContextSource::Registry("busybox:1".into())),
                    ("i".into(), ContextSource::Image("own".into())),
                ],
            })),
            ..Recipe::default()
        };
        let image = |name: &str, any_platform| OutsideImage {
            name: name.into(),
            any_platform,
        };
        let froms = Froms {
            images: vec![
                image("golang:1", true),
                image("debian:12", false),
                image("golang:1", false),
            ],
            ..Froms::default()
        };
        assert_eq!(
            names(&recipe, Some(&froms)),
            ["busybox:1", "debian:12", "golang:1 any"]
        );
    }
}
