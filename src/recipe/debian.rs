//! What Debian packages of an image are resolved on, followed through the images of the workspace without building any. Pure.

use std::fmt;

use super::chain::{chain, debian_lists};
use super::model::{Recipe, Step};
use super::python::BaseFile;
use crate::spec::{Base, Debian};
use crate::workspace::DebianField;

/// Debian packages that an image installs, and what is below them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebianOf<'a> {
    /// Which of the image's packages.
    pub field: DebianField,
    /// What is lowest in the chain of bases.
    pub lowest: DebianBelow<'a>,
    /// What else installs packages below them, the lowest first: the images, their fields, and what those name.
    pub lists: Vec<(&'a str, DebianField, &'a [String])>,
    /// The packages themselves, as the manifest names them.
    pub packages: &'a [String],
    /// An image below whose commands may have changed what there is, which shows only in the built image.
    pub running: Option<&'a str>,
}

/// What is lowest in a chain of bases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DebianBelow<'a> {
    /// A system made of a suite.
    Suite(&'a Debian),
    /// An image of a registry.
    Outside(&'a str),
    /// A file or directory of the workspace.
    File(BaseFile<'a>),
    /// Something that this image brings: what it has shows only in the built image.
    Built(&'a str),
    /// Nothing that could have a system.
    Nothing,
}

impl fmt::Display for DebianOf<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{} on ", self.field.name())?;
        match self.lowest {
            DebianBelow::Suite(Debian {
                suite,
                mirror,
                snapshot,
                variant,
            }) => {
                write!(to, "{suite} ({})", variant.name())?;
                let mirror = mirror.iter().map(|mirror| format!(" of {mirror}"));
                let snapshot = snapshot.iter().map(|time| format!(" at {time}"));
                mirror
                    .chain(snapshot)
                    .try_for_each(|text| to.write_str(&text))?;
            }
            DebianBelow::Outside(reference) => to.write_str(reference)?,
            DebianBelow::File(BaseFile { files, name }) => {
                write!(to, "the file {}", files.path())?;
                name.map_or(Ok(()), |name| write!(to, " ({name})"))?;
            }
            DebianBelow::Built(image) => write!(to, "what {image} builds")?,
            DebianBelow::Nothing => to.write_str("nothing")?,
        }
        for (_, field, packages) in &self.lists {
            write!(to, ", {} {}", field.name(), packages.join(" "))?;
        }
        Ok(())
    }
}

impl<'a> DebianOf<'a> {
    /// Finds all Debian packages that the image `id` installs; `find` has the recipes of the workspace by id.
    pub fn find(
        id: &'a str,
        recipe: &'a Recipe,
        find: &dyn Fn(&str) -> Option<&'a Recipe>,
    ) -> Vec<Self> {
        let own = debian_lists(id, recipe);
        if own.is_empty() {
            return Vec::new();
        }
        let chain = chain(id, recipe, find);
        let below = &chain[1..];
        let lowest = match chain.last() {
            Some((id, lowest)) => lowest_of(id, lowest),
            None => DebianBelow::Nothing,
        };
        let runs = |(id, recipe): &(&'a str, &Recipe)| {
            let mut steps = recipe.steps.iter();
            let is_any = steps.any(|step| matches!(step, Step::Run { .. } | Step::Copy(_)));
            is_any.then_some(*id)
        };
        let running = below.iter().find_map(runs);
        let mut beneath: Vec<_> = below
            .iter()
            .rev()
            .flat_map(|(id, recipe)| debian_lists(id, recipe))
            .collect();
        let each = own.into_iter().map(|(image, field, packages)| {
            let of = Self {
                field,
                lowest,
                lists: beneath.clone(),
                packages,
                running,
            };
            beneath.push((image, field, packages));
            of
        });
        each.collect()
    }
}

fn lowest_of<'a>(id: &'a str, recipe: &'a Recipe) -> DebianBelow<'a> {
    if recipe.dockerfile.is_some() {
        return DebianBelow::Built(id);
    }
    match &recipe.base {
        Base::Debian(debian) => DebianBelow::Suite(debian),
        Base::Registry(reference) => DebianBelow::Outside(reference),
        Base::File { name, .. } => match &recipe.base_file {
            Some(files) => DebianBelow::File(BaseFile {
                files,
                name: name.as_deref(),
            }),
            None => DebianBelow::Nothing,
        },
        Base::Image(_) | Base::Scratch => DebianBelow::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(base: Base, packages: &[&str], more: Vec<Step>) -> Recipe {
        let packages: Vec<String> = packages.iter().map(|&name| name.to_owned()).collect();
        let apt = (!packages.is_empty()).then_some(Step::Apt { packages });
        Recipe {
            base,
            steps: apt.into_iter().chain(more).collect(),
            ..Recipe::default()
        }
    }

    fn told(os: &Recipe, app: &Recipe) -> Vec<String> {
        let find = |id: &str| (id == "os").then_some(os);
        let found = DebianOf::find("app", app, &find);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn packages_are_resolved_on_all_that_is_below_them() {
        let system = on(Base::Debian(Debian::new("bookworm")), &["git"], Vec::new());
        let find = |_: &str| None;
        let own = DebianOf::find("os", &system, &find);
        let own: Vec<String> = own.iter().map(ToString::to_string).collect();
        assert_eq!(
            own,
            [
                "base-image on bookworm (minbase)",
                "apt-packages on bookworm (minbase), base-image "
            ]
        );
        let app = on(Base::Image("os".into()), &["curl"], Vec::new());
        assert_eq!(
            told(&system, &app),
            ["apt-packages on bookworm (minbase), base-image , apt-packages git"]
        );
        assert_eq!(
            told(&system, &on(Base::Image("os".into()), &[], Vec::new())),
            [""; 0]
        );
        let outside = on(Base::Registry("debian:12".into()), &[], Vec::new());
        assert_eq!(told(&outside, &app), ["apt-packages on debian:12"]);
        assert_eq!(
            told(&on(Base::Scratch, &[], Vec::new()), &app),
            ["apt-packages on nothing"]
        );
    }

    #[test]
    fn commands_below_are_told_and_those_above_do_not_matter() {
        let run = || Step::Run {
            command: "true".into(),
        };
        let os = on(Base::Registry("debian:12".into()), &[], vec![run()]);
        let app = on(Base::Image("os".into()), &["curl"], vec![run()]);
        let find = |id: &str| (id == "os").then_some(&os);
        assert_eq!(DebianOf::find("app", &app, &find)[0].running, Some("os"));
        let own = on(Base::Registry("debian:12".into()), &["curl"], vec![run()]);
        assert_eq!(DebianOf::find("app", &own, &find)[0].running, None);
    }
}
