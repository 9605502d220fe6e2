//! Names of build steps and the commands they run, the same for every builder. Pure.

use crate::fingerprint::Files;
use crate::spec::Base;

/// Creates the account `$1` unless it exists, with Debian's or busybox's command, and gives it its home directory and
/// `/root`.
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

/// Why nothing can be run for a platform.
pub(crate) const NO_EMULATOR: &str = "this machine cannot run programs for that platform: install an emulator \
     (`docker run --privileged --rm tonistiigi/binfmt --install all`), or build on a machine of that platform";

/// The message for a step whose program failed.
pub(crate) fn exited(words: &str, code: i32, help: Option<&str>) -> String {
    let help = help.map_or_else(String::new, |help| format!(": {help}"));
    format!("`{words}` failed with exit code {code}{help}")
}

/// What a shell's exit code says about a command, if it is likely.
pub(crate) fn shell_help(code: i32) -> Option<&'static str> {
    (code == 127).then_some("a program that it calls is not in the image")
}

/// Installs its arguments. Debian's own images delete every download after use (`docker-clean`); that rule is cleared
/// for this run only, by a configuration file in the cache, so that no file of the image is touched. `settings` are apt's,
/// a line each.
pub(crate) fn apt_script(settings: &[&str]) -> String {
    let more: Vec<String> = settings.iter().map(|line| format!(" '{line}'")).collect();
    let more = more.concat();
    format!(
        "\
set -e
export DEBIAN_FRONTEND=noninteractive
config=/var/cache/apt/imgspec.conf
printf '%s\\n' '#clear DPkg::Post-Invoke;' '#clear APT::Update::Post-Invoke;' 'APT::Keep-Downloaded-Packages \"true\";'{more} > $config
apt-get -c $config update
apt-get -c $config install --yes --no-install-recommends -- \"$@\""
    )
}

/// Where apt keeps downloads, and the names of the caches for that. Not all of `/var/lib/apt`: the record of which packages were
/// requested belongs in the image.
pub(crate) const APT_CACHES: [(&str, &str); 2] = [
    ("/var/cache/apt", "apt"),
    ("/var/lib/apt/lists", "apt-lists"),
];

/// A base's name in messages.
pub(crate) fn base_name(base: &Base) -> &str {
    match base {
        Base::Image(id) => id,
        Base::Registry(reference) => reference,
        Base::File { file, .. } => file.path.as_str(),
        Base::Debian(debian) => &debian.suite,
        Base::Scratch => "scratch",
    }
}

/// The scope of caches for a distribution's packages, shared by images with the same base and platforms.
pub(crate) fn cache_scope(platforms: &str, base: &Base) -> String {
    let base = base_name(base).replace(|each: char| !each.is_ascii_alphanumeric(), "-");
    format!("{platforms}-{base}")
}

/// A build step as shown to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StepName {
    /// A one-line description: `apt-packages: git curl`.
    pub(crate) words: String,
    /// Whether it downloads anything, so that it may fail for a transient reason.
    pub(crate) fetches: bool,
}

impl StepName {
    /// The manifest field behind step `at`, as in the image's places: `base-image`, `commands[1]`.
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

/// The path of a file set, relative to the workspace root, for messages.
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

/// The main file of a set that is not a directory: its only file, or the one that refers to the others.
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

/// Formats a command as one line, cut to 80 characters.
pub(crate) fn one_line(text: &str) -> String {
    const ENOUGH: usize = 80;
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= ENOUGH {
        return words;
    }
    words.chars().take(ENOUGH - 1).chain(['…']).collect()
}

/// Joins a path to a directory and normalizes it; a trailing `/` is preserved, because it is significant.
pub(crate) fn join_path(folder: &str, path: &str) -> String {
    let folder = if path.starts_with('/') { "" } else { folder };
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let mut joined = format!("/{}", parts.join("/"));
    if path.ends_with('/') && joined.len() > 1 {
        joined.push('/');
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_without_what_leads_nowhere() {
        assert_eq!(join_path("/app", "src"), "/app/src");
        assert_eq!(join_path("/app", "/x/./y/../z/"), "/x/z/");
        assert_eq!(join_path("/", "../.."), "/");
    }
}
