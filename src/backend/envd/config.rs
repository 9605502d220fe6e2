//! The configuration of the finished image: that of its base, extended by the recipe's.
//!
//! Pure. envd drops its base's CMD, volumes and labels, and adds labels with paths of this machine, so its
//! configuration is not used. The result is an OCI image configuration without layers and history, which the exporter
//! fills in.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::layout::{self, PYTHON_PATH};
use crate::backend::daemon::LocalImage;
use crate::backend::runtime;
use crate::backend::steps::join_path;
use crate::recipe::{Config, Recipe, Step};

/// The fields that an image inherits from its base, apart from variables and labels.
const INHERITED: &[&str] = &[
    "User",
    "ExposedPorts",
    "Entrypoint",
    "Cmd",
    "Volumes",
    "WorkingDir",
    "StopSignal",
    "Healthcheck",
    "Shell",
];

const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The configuration of an image on this base, as JSON; `own` are the labels that do not come from the recipe.
pub(super) fn config(recipe: &Recipe, base: &LocalImage, own: &[(&str, String)]) -> String {
    let mut config: Map<String, Value> = Map::new();
    for name in INHERITED {
        let value = &base.config[*name];
        let is_said = !value.is_null() && *value != json!("");
        if is_said {
            config.insert((*name).to_owned(), value.clone());
        }
    }
    let variables = variables(recipe, base);
    let variables: Vec<String> = variables
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    config.insert("Env".to_owned(), json!(variables));
    config.insert(
        "Labels".to_owned(),
        Value::Object(labels(recipe, base, own)),
    );
    if let Some(folder) = folder(recipe, working_folder(base)) {
        config.insert("WorkingDir".to_owned(), json!(folder));
    }
    if let Some(user) = user(recipe) {
        config.insert("User".to_owned(), json!(user));
    }
    if let Some(arguments) = &recipe.config.entrypoint {
        config.insert("Entrypoint".to_owned(), json!(arguments));
        // As with Docker: the base's arguments were meant for the base's command.
        config.remove("Cmd");
    }
    if let Some(arguments) = &recipe.config.cmd {
        config.insert("Cmd".to_owned(), json!(arguments));
    }
    runtime::apply(&recipe.config, &mut config);
    let platform = &base.platform;
    let mut whole = json!({
        "os": platform.os,
        "architecture": platform.architecture,
        "config": config,
    });
    if !platform.variant.is_empty() {
        whole["variant"] = json!(platform.variant);
    }
    whole.to_string()
}

/// The same configuration as a recipe on envd's result, for a daemon that is reached only through Docker's commands. A
/// Dockerfile cannot remove anything, so envd's labels are emptied, because they contain paths of this machine.
pub(super) fn as_recipe(config: &str, result: &LocalImage) -> Recipe {
    let whole: Value = serde_json::from_str(config).unwrap_or_default();
    let config = &whole["config"];
    let texts = |name: &str| {
        let list = config[name].as_array()?;
        let texts = list.iter().filter_map(Value::as_str);
        Some(texts.map(str::to_owned).collect::<Vec<String>>())
    };
    let pairs = texts("Env").unwrap_or_default();
    let pairs = pairs.iter().filter_map(|pair| pair.split_once('='));
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut steps = vec![Step::Env(pairs.collect())];
    let folder = config["WorkingDir"].as_str().unwrap_or("/");
    if folder != working_folder(result) {
        steps.push(Step::Workdir(folder.to_owned()));
    }
    let said = config["Labels"].as_object().into_iter().flatten();
    let said = said.map(|(name, value)| (name.clone(), value.as_str().unwrap_or("").to_owned()));
    let theirs = result.config["Labels"].as_object().into_iter().flatten();
    let theirs = theirs.map(|(name, _)| (name.clone(), String::new()));
    let labels: BTreeMap<String, String> = theirs.chain(said).collect();
    Recipe {
        platforms: vec![result.platform.to_string()],
        steps,
        config: Config {
            entrypoint: texts("Entrypoint"),
            cmd: texts("Cmd"),
            user: Some(config["User"].as_str().unwrap_or("0").to_owned()),
            labels: labels.into_iter().collect(),
            ..runtime::read(config)
        },
        ..Recipe::default()
    }
}

pub(super) fn working_folder(base: &LocalImage) -> &str {
    let said = base.config["WorkingDir"].as_str();
    said.filter(|said| !said.is_empty()).unwrap_or("/")
}

fn folder(recipe: &Recipe, start: &str) -> Option<String> {
    let said = recipe.steps.iter().filter_map(|step| match step {
        Step::Workdir(path) => Some(path),
        _ => None,
    });
    said.fold(None, |folder: Option<String>, path| {
        let folder = folder.as_deref().unwrap_or(start);
        let joined = join_path(folder, path);
        Some(match joined.trim_end_matches('/') {
            "" => "/".to_owned(),
            path => path.to_owned(),
        })
    })
}

fn user(recipe: &Recipe) -> Option<&str> {
    let last = recipe.steps.iter().rev().find_map(|step| match step {
        Step::User(user) => Some(user.as_str()),
        _ => None,
    });
    recipe.config.user.as_deref().or(last)
}

fn variables(recipe: &Recipe, base: &LocalImage) -> Vec<(String, String)> {
    let known = base.config["Env"].as_array();
    let known = known.into_iter().flatten().filter_map(Value::as_str);
    let mut all: Vec<(String, String)> = known
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for step in &recipe.steps {
        match step {
            Step::Env(pairs) => {
                for (name, value) in pairs {
                    layout::set(&mut all, name, value);
                }
            }
            Step::Python { .. } | Step::Conda(_) => {
                let path = all.iter().find(|(name, _)| name == "PATH");
                let path = path.map_or(USUAL_PATH, |(_, path)| path);
                if !path.starts_with(PYTHON_PATH) {
                    let path = format!("{PYTHON_PATH}:{path}");
                    layout::set(&mut all, "PATH", &path);
                }
            }
            _ => {}
        }
    }
    all
}

fn labels(recipe: &Recipe, base: &LocalImage, own: &[(&str, String)]) -> Map<String, Value> {
    let mut labels = base.config["Labels"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    let own = own.iter().map(|(name, value)| (*name, value.as_str()));
    let said = recipe.config.labels.iter();
    let said = said.map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in own.chain(said) {
        labels.insert(name.to_owned(), json!(value));
    }
    labels
}

#[cfg(test)]
mod tests;
