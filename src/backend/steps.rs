//! What a build's steps are called and what they run, the same whichever builder carries them out. Pure.

use crate::fingerprint::Files;

/// Creates the account `$1` unless it exists, with Debian's program or busybox's; it gets its home and `/root`.
pub(crate) const ACCOUNT_SCRIPT: &str = "\
set -e
if ! id -u \"$1\" >/dev/null 2>&1; then
  if command -v useradd >/dev/null 2>&1; then
    useradd --create-home --shell /bin/sh -- \"$1\"
  else
    adduser -D -s /bin/sh -- \"$1\"
  fi
fi
mkdir -p /root \"/home/$1\"
chown -R \"$1:\" /root \"/home/$1\"";

/// A step of a build, in the user's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StepName {
    /// What it does, in a line: `apt-packages: git curl`.
    pub(crate) words: String,
    /// Whether it fetches things, so that it may fail for a passing reason.
    pub(crate) fetches: bool,
}

impl StepName {
    /// The field of the manifest that asks for step `at`, as an image's places name it: `base-image`, `commands[1]`.
    pub(crate) fn field(steps: &[Self], at: usize) -> String {
        let field = |step: &Self| step.words.split(':').next().unwrap_or_default().to_owned();
        let name = field(&steps[at]);
        match name.as_str() {
            "account" => "user".to_owned(),
            "commands" | "copy" => {
                let before = steps[..at].iter().filter(|step| field(step) == name);
                format!("{name}[{}]", before.count())
            }
            _ => name,
        }
    }
}

/// A file set as messages name it: its path from the workspace root.
pub(crate) fn shown(files: &Files) -> String {
    let path = if files.single {
        join(&files.place, main_file(files))
    } else {
        files.place.clone()
    };
    if path.is_empty() {
        ".".to_owned()
    } else {
        path
    }
}

/// The file of a set that is not a directory: the only one, or the one that names the others.
pub(crate) fn main_file(files: &Files) -> &str {
    let only = || files.entries.first().map(|entry| entry.path.as_str());
    files.main.as_deref().or_else(only).unwrap_or_default()
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

/// A command as one line, for people.
pub(crate) fn one_line(text: &str) -> String {
    const ENOUGH: usize = 80;
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= ENOUGH {
        return words;
    }
    words.chars().take(ENOUGH - 1).chain(['…']).collect()
}
