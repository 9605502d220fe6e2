//! Detects commands that install what a field could. The packages in a field are data, which the key covers and a builder can
//! cache.

use super::shell::commands;

/// What a command line installs, and the field for that; `None` if no field could install it.
pub(super) fn installs(line: &str) -> Option<(&'static str, &'static str)> {
    // Most lines are seen to install nothing before they are parsed; quotes may be within the word.
    if !line.contains("install") && !line.contains(['\'', '"', '\\']) {
        return None;
    }
    // Packages from other sources require adding the source first, which only a command can do.
    if ["/etc/apt", "add-apt-repository", "dpkg"]
        .iter()
        .any(|it| line.contains(it))
    {
        return None;
    }
    commands(line).iter().find_map(|words| one(words))
}

fn one(words: &[String]) -> Option<(&'static str, &'static str)> {
    let (program, mut rest) = words.split_first()?;
    let name = program.rsplit('/').next().unwrap_or(program);
    let is = |name: &str, of: &str| {
        let version = name.strip_prefix(of);
        version.is_some_and(|it| it.chars().all(|c| c.is_ascii_digit() || c == '.'))
    };
    let is_pip = if name == "uv" && rest.first().is_some_and(|word| word == "pip") {
        rest = &rest[1..];
        true
    } else if is(name, "python") && rest.len() > 1 && rest[0] == "-m" && rest[1] == "pip" {
        rest = &rest[2..];
        true
    } else {
        is(name, "pip")
    };
    let is_apt = matches!(name, "apt-get" | "apt" | "aptitude");
    if !is_pip && !is_apt {
        return None;
    }
    let at = rest.iter().position(|word| !word.starts_with('-'))?;
    let packages = &rest[at + 1..];
    if rest[at] != "install" || packages.iter().any(|word| is_of_files(word)) {
        return None;
    }
    Some(if is_apt {
        ("apt-get install", "apt-packages")
    } else {
        ("pip install", "packages")
    })
}

/// Whether an argument refers to files in the image, such as a project that was copied in; no field can install those.
fn is_of_files(word: &str) -> bool {
    let is_url = word.contains("://");
    word == "."
        || word == "-e"
        || word == "--editable"
        || word.starts_with("./")
        || word.starts_with("../")
        || word.starts_with(".[")
        || (!is_url && !word.starts_with('-') && word.contains('/'))
        || [".deb", ".whl", ".tar.gz"]
            .iter()
            .any(|end| !is_url && word.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::installs;

    #[test]
    fn what_a_field_could_install_is_seen() {
        for line in [
            "apt-get install git",
            "apt-get update && apt-get install -y --no-install-recommends git",
            "DEBIAN_FRONTEND=noninteractive apt -qq install git",
            "sudo /usr/bin/apt-get -y install git",
        ] {
            assert_eq!(
                installs(line),
                Some(("apt-get install", "apt-packages")),
                "{line}"
            );
        }
        for line in [
            "pip install numpy",
            "pip3.12 install --no-cache-dir numpy",
            "cd /x; python3 -m pip install numpy",
            "uv pip install --system numpy",
            "pip install git+https://example.org/x.git",
            "pip install -r requirements.txt",
        ] {
            assert_eq!(installs(line), Some(("pip install", "packages")), "{line}");
        }
    }

    #[test]
    fn what_no_field_could_install_is_left_alone() {
        for line in [
            "echo apt-get install git",
            "echo 'pip install numpy' > notes",
            "apt-get update",
            "apt-get purge install-info",
            "npm install",
            "make install",
            "pip install .",
            "pip install -e /src",
            "pip install --no-deps ./dist/x.whl",
            "apt-get install ./x.deb",
            "python3 -m pip list",
            "python3 pip install",
            "curl -o /etc/apt/sources.list.d/x.list https://x && apt-get update && apt-get install x",
            "pipx install ruff",
            "test -f pip && install x",
        ] {
            assert_eq!(installs(line), None, "{line}");
        }
    }
}
