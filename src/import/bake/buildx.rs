//! Asks `docker buildx bake` what a bake file says.
//!
//! Alone starts Docker here; it builds nothing. The choice made: nothing of HCL or Compose is understood here, since only
//! bake itself knows its functions, variables and inheritance; so its words on mistakes are handed on as they are.

use std::collections::BTreeMap;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::asking::Asker;
use crate::diagnostic::Diagnostic;
use crate::import::{Surroundings, Wrong, shown};
use crate::process::{self, Said};

/// What bake says.
pub(in crate::import) struct Printed {
    /// The targets, worked out.
    pub plan: Value,
    /// The groups with the words on them, where this bake can list them.
    pub groups: Option<BTreeMap<String, String>>,
    /// Whether all targets are there, and not only those of the default group.
    pub is_whole: bool,
}

/// The targets of a bake file.
pub(in crate::import) fn print(
    file: &Path,
    folder: &Path,
    around: &Surroundings<'_>,
) -> Result<Printed, Wrong> {
    let bake = Bake {
        file,
        folder,
        around,
    };
    let listed = bake.list();
    let (groups, targets): (Vec<&Listed>, Vec<&Listed>) =
        listed.iter().flatten().partition(|it| it.is_group);
    let mut arguments = vec!["--print"];
    arguments.extend(targets.iter().map(|it| it.name.as_str()));
    let said = bake.ask(&arguments)?;
    if !said.success {
        return Err(refused(file, &said).into());
    }
    let plan = serde_json::from_str(&said.out).map_err(|error| {
        let message = format!("what `docker buildx bake --print` says cannot be read: {error}");
        Diagnostic::error("bake", message)
    })?;
    let group = |it: &&Listed| (it.name.clone(), it.description.clone());
    Ok(Printed {
        plan,
        groups: listed.is_some().then(|| groups.iter().map(group).collect()),
        is_whole: !targets.is_empty(),
    })
}

/// A target or group that bake lists.
#[derive(serde::Deserialize)]
struct Listed {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default, rename = "group")]
    is_group: bool,
}

struct Bake<'a> {
    file: &'a Path,
    folder: &'a Path,
    around: &'a Surroundings<'a>,
}

impl Bake<'_> {
    /// All that the file names; none where bake is too old to tell.
    fn list(&self) -> Option<Vec<Listed>> {
        let said = self.ask(&["--list=type=targets,format=json"]).ok()?;
        serde_json::from_str(&said.out).ok()
    }

    fn ask(&self, arguments: &[&str]) -> Result<Said, Wrong> {
        let mut command = Command::new("docker");
        command
            .args(["buildx", "bake", "--progress=quiet", "-f"])
            .arg(self.file);
        command.args(arguments).current_dir(self.folder);
        // Bake wants an agent for a target that has `ssh`, though it prints only: here is one that nobody speaks to.
        let agent = tempfile::tempdir().ok().and_then(|folder| {
            let socket = folder.path().join("agent");
            Some((UnixListener::bind(&socket).ok()?, socket, folder))
        });
        if let (Some((_, socket, _)), None) = (&agent, std::env::var_os("SSH_AUTH_SOCK")) {
            command.env("SSH_AUTH_SOCK", socket);
        }
        let asker = Asker::silent().or(self.around.cancel);
        let question = asker.ask("`docker buildx bake`", self.around.limit);
        process::ask(&mut command, &question).map_err(|error| unasked(&error).into())
    }
}

const PRINTED: &str = "where Docker has buildx, `docker buildx bake --print > bake.json` writes a file that is read without it";

fn unasked(error: &std::io::Error) -> Diagnostic {
    let why = match error.kind() {
        std::io::ErrorKind::Interrupted => {
            return Diagnostic::error("interrupted", "the import was stopped");
        }
        std::io::ErrorKind::NotFound => "there is no `docker` here".to_owned(),
        _ => error.to_string(),
    };
    let message =
        format!("a bake file is read by `docker buildx bake`, which cannot be asked: {why}");
    Diagnostic::error("no-docker", message).help(PRINTED)
}

/// The words of bake, or of a Docker that has none.
fn refused(file: &Path, said: &Said) -> Diagnostic {
    let words: Vec<&str> = said
        .err
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    if words.iter().any(|line| {
        line.contains("is not a docker command")
            || line.contains("unknown flag")
            || line.contains("unknown shorthand")
    }) {
        let message =
            "a bake file is read by `docker buildx bake`, and this Docker has no such buildx";
        return Diagnostic::error("no-docker", message).help(PRINTED);
    }
    let last = words
        .iter()
        .rev()
        .find_map(|line| line.strip_prefix("ERROR: "));
    let last = last.or(words.last().copied()).unwrap_or("it says nothing");
    let message = format!(
        "`docker buildx bake` cannot read `{}`: {}",
        shown(&file.to_string_lossy()),
        shown_long(last)
    );
    Diagnostic::error("bake", message)
}

fn shown_long(words: &str) -> String {
    words
        .chars()
        .filter(|c| !c.is_control())
        .take(400)
        .collect()
}
