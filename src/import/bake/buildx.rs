//! Runs `docker buildx bake --print` to evaluate a bake file. Builds nothing.
//!
//! HCL and Compose files are not parsed here, because only bake knows its functions, variables and inheritance; its own error
//! messages are passed on.

use std::collections::BTreeMap;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::asking::Asker;
use crate::diagnostic::{Diagnostic, shown};
use crate::import::input::ImportContext;
use crate::process::{self, Output};

pub(super) struct Printed {
    /// Evaluated targets and groups.
    pub plan: Value,
    /// Groups with the names in them, which are targets or groups; `None` if this version of bake cannot list them.
    pub groups: Option<BTreeMap<String, Vec<String>>>,
    /// Whether `plan` has all targets rather than only those of the default group.
    pub is_complete: bool,
}

pub(super) fn print(file: &Path, context: &ImportContext<'_>) -> Result<Printed, Box<Diagnostic>> {
    let bake = Bake { file, context };
    let listed = bake.list();
    let (groups, targets): (Vec<&ListedTarget>, Vec<&ListedTarget>) =
        listed.iter().flatten().partition(|it| it.is_group);
    // Targets may be called what options are called.
    let mut arguments = vec!["--print", "--"];
    arguments.extend(targets.iter().map(|it| it.name.as_str()));
    let answer = bake.ask(&arguments)?;
    if !answer.success {
        return Err(refused(file, &answer).into());
    }
    let plan = serde_json::from_str(&answer.out).map_err(|error| {
        let message = format!("unexpected output of `docker buildx bake --print`: {error}");
        Diagnostic::error("bake", message)
    })?;
    // Bake describes a group by the names in it.
    let group = |it: &&ListedTarget| {
        let names = it.description.split(',').map(str::trim);
        let names = names.filter(|name| !name.is_empty()).map(str::to_owned);
        (it.name.clone(), names.collect())
    };
    Ok(Printed {
        plan,
        groups: listed.is_some().then(|| groups.iter().map(group).collect()),
        is_complete: !targets.is_empty(),
    })
}

/// A target or group as listed by bake.
#[derive(serde::Deserialize)]
struct ListedTarget {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default, rename = "group")]
    is_group: bool,
}

struct Bake<'a> {
    file: &'a Path,
    context: &'a ImportContext<'a>,
}

impl Bake<'_> {
    /// Lists all targets and groups; `None` if bake is too old to do so.
    fn list(&self) -> Option<Vec<ListedTarget>> {
        let answer = self.ask(&["--list=type=targets,format=json"]).ok()?;
        serde_json::from_str(&answer.out).ok()
    }

    fn ask(&self, arguments: &[&str]) -> Result<Output, Box<Diagnostic>> {
        let mut command = Command::new("docker");
        command
            .args(["buildx", "bake", "--progress=quiet", "-f"])
            .arg(self.file);
        command
            .args(arguments)
            .current_dir(&self.context.paths.from);
        // Bake requires an SSH agent even to print a target that uses `ssh`; this socket is never used.
        let agent = tempfile::tempdir().ok().and_then(|directory| {
            let socket = directory.path().join("agent");
            Some((UnixListener::bind(&socket).ok()?, socket, directory))
        });
        if let (Some((_, socket, _)), None) = (&agent, std::env::var_os("SSH_AUTH_SOCK")) {
            command.env("SSH_AUTH_SOCK", socket);
        }
        let asker = Asker::silent().or(self.context.cancel);
        let question = asker.ask("`docker buildx bake`", self.context.limit);
        process::ask(&mut command, &question).map_err(|error| not_run(&error).into())
    }
}

const PRINT_ELSEWHERE: &str = "where Docker has buildx, write `docker buildx bake --print > bake.json`: that file is imported without Docker";

fn not_run(error: &std::io::Error) -> Diagnostic {
    let why = match error.kind() {
        std::io::ErrorKind::Interrupted => {
            return Diagnostic::error("interrupted", "the import was stopped");
        }
        std::io::ErrorKind::NotFound => "`docker` was not found".to_owned(),
        _ => error.to_string(),
    };
    let message = format!("cannot run `docker buildx bake`, which reads bake files: {why}");
    Diagnostic::error("no-docker", message).help(PRINT_ELSEWHERE)
}

/// The diagnostic for a failed run: bake's own error, or that this Docker has no bake.
fn refused(file: &Path, answer: &Output) -> Diagnostic {
    let lines = answer.err.lines().filter(|line| !line.trim().is_empty());
    let lines: Vec<&str> = lines.collect();
    let signs = [
        "is not a docker command",
        "unknown flag",
        "unknown shorthand",
    ];
    if lines
        .iter()
        .any(|line| signs.iter().any(|sign| line.contains(sign)))
    {
        let message = "this Docker has no `docker buildx bake`, which reads bake files";
        return Diagnostic::error("no-docker", message).help(PRINT_ELSEWHERE);
    }
    let mut errors = lines
        .iter()
        .rev()
        .filter_map(|line| line.strip_prefix("ERROR: "));
    let error = errors.next().or(lines.last().copied());
    let error = error.unwrap_or("it printed no error").chars();
    let error: String = error.filter(|c| !c.is_control()).take(400).collect();
    let file = shown(&file.to_string_lossy());
    let message = format!("`docker buildx bake` cannot read `{file}`: {error}");
    Diagnostic::error("bake", message)
}
