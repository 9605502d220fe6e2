//! What a build would make layers of, as files to look at.

use std::collections::BTreeMap;

use serde_json::json;

use super::common::failed;
use crate::backend::{BuildError, Job, context, labels, runtime};
use crate::disk::dir::Dir;
use crate::recipe::Step;
use crate::spec::Base;

/// The file that a render contains.
pub(super) const SCRIPT: &str = "image.json";

/// Writes what a build would make layers of: the steps in order, and the files of each copy.
pub(super) fn render(job: &Job<'_>, to: &Dir) -> Result<(), BuildError> {
    let base = match &job.recipe.base {
        Base::Scratch => "scratch",
        Base::Registry(reference) => reference,
        Base::Image(id) => id,
        Base::File { file, .. } => file.path.as_str(),
        Base::Debian(debian) => &debian.suite,
    };
    let config = &job.recipe.config;
    let labels: BTreeMap<String, String> = labels::of(job).into_iter().collect();
    let mut image = json!({
        "reference": job.reference,
        "platforms": job.recipe.platforms,
        "base": base,
        "steps": job.recipe.steps.iter().map(Step::words).collect::<Vec<_>>(),
        "entrypoint": config.entrypoint,
        "cmd": config.cmd,
        "user": config.user,
        "labels": labels,
    });
    let mut runtime = serde_json::Map::new();
    runtime::apply(config, &mut runtime);
    if !runtime.is_empty() {
        image["config"] = runtime.into();
    }
    let text = serde_json::to_string_pretty(&image).expect("JSON is JSON") + "\n";
    to.write(SCRIPT, text.as_bytes()).map_err(failed)?;
    for (at, files) in job.files.iter().enumerate() {
        context::stage_in(files, &context::empty(to, at.to_string())?)?;
    }
    Ok(())
}
