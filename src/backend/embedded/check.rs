//! What the embedded builder cannot do: what it does not install yet, and what this machine does not let it run.

use super::commands::{self, NETWORK};
use super::python::arguments;
use crate::backend::buildkit::attest;
use crate::backend::{Unsupported, refused_caches};
use crate::recipe::{Recipe, Step, Wishes};

/// The fields of this recipe that cannot be honored.
pub(super) fn check(recipe: &Recipe) -> Vec<Unsupported> {
    let Recipe {
        platforms: _,
        base: _,
        base_file: _,
        steps,
        config: _,
        helpers: _,
        secrets: _,
        dockerfile,
        wishes,
        set_fields: _,
    } = recipe;
    let own = dockerfile.as_ref().map(|_| Unsupported {
        field: "dockerfile".to_owned(),
        why: "the embedded builder has no Dockerfile frontend".to_owned(),
    });
    let steps = steps.iter().filter_map(|step| match step {
        Step::Env(_)
        | Step::User(_)
        | Step::Workdir(_)
        | Step::Copy(_)
        | Step::Apt { .. }
        | Step::Conda(_)
        | Step::Account { .. }
        | Step::Run { .. }
        | Step::Python { .. } => None,
        Step::Pip(_) | Step::Lock(_) => Some(Unsupported {
            field: "pip-extra-args".to_owned(),
            why: arguments::refused(step)?,
        }),
    });
    let runs = commands::refused(recipe);
    let caches = refused_caches(wishes, "its layers are kept in a store of its own");
    let attestations = attest::refused(wishes, "attestations are made by BuildKit");
    let wishes = refused_wishes(wishes);
    let all = own.into_iter().chain(steps).chain(runs);
    all.chain(wishes)
        .chain(caches)
        .chain(attestations)
        .collect()
}

fn refused_wishes(wishes: &Wishes) -> Vec<Unsupported> {
    if wishes.is_lenient {
        return Vec::new();
    }
    let is_known =
        |name: &str, value: &str| name == NETWORK && matches!(value, "default" | "host" | "none");
    let options = wishes.options.iter();
    let options = options.filter(|(name, value)| !is_known(name, value));
    let options = options.map(|(name, _)| Unsupported {
        field: "builder-options".to_owned(),
        why: format!(
            "the embedded builder has only `{NETWORK}`, which is `host` or `none`, not this `{name}`"
        ),
    });
    let registries = wishes.registry_config.iter().map(|_| Unsupported {
        field: "registry-config".to_owned(),
        why: "registry access is configured as for Docker, mirrors in containers' registries.conf"
            .to_owned(),
    });
    options.chain(registries).collect()
}
