//! Locked packages as lines of a requirements file, which the installers of the builders read from their standard input.
//!
//! Exact versions and digests, so that an installer needs no resolver and takes no other file. Lines of different platforms
//! are told apart by markers, since one text is for all of them.

use std::collections::BTreeMap;

use super::platform::Platform;
use super::{BuildError, Job, context};
use crate::fingerprint::{Files, index_lines};
use crate::workspace::LockedWheel;

/// Options that make pip and uv install exactly what is listed.
pub(crate) const EXACTLY: [&str; 2] = ["--require-hashes", "--no-deps"];

/// Gives the next `$0` arguments as lines to the command after them. Neither has the limits of a single argument.
const FEED_SCRIPT: &str = "\
count=$0 lines=
while [ \"$count\" -gt 0 ]; do
  lines=\"$lines$1
\"
  shift
  count=$((count - 1))
done
printf %s \"$lines\" | \"$@\"";

/// A command that reads these lines from its standard input.
pub(crate) fn feed(lines: &[String], command: Vec<String>) -> Vec<String> {
    let head = ["/bin/sh", "-c", FEED_SCRIPT].map(str::to_owned);
    let head = head.into_iter().chain([lines.len().to_string()]);
    head.chain(lines.iter().cloned()).chain(command).collect()
}

/// The lines for each step that installs packages; `None` for those that are not locked.
pub(crate) fn of_job(job: &Job<'_>) -> Result<Vec<Option<Vec<String>>>, BuildError> {
    let steps = job.recipe.pips().enumerate();
    let each = steps.map(|(step, (_, set))| {
        let platforms = &job.recipe.platforms;
        let wheels = platforms.iter().map(|platform| {
            let locked = job.outside.wheels(step, platform)?;
            Some((platform.as_str(), locked.wheels.as_slice()))
        });
        let Some(wheels) = wheels.collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let mut lines = match set.and_then(|set| job.files.get(set)) {
            Some(files) => indexes(files)?,
            None => Vec::new(),
        };
        lines.extend(pinned(&wheels)?);
        Ok(Some(lines))
    });
    each.collect()
}

/// The lines of a requirements file and those that it includes which say where packages are.
fn indexes(files: &Files) -> Result<Vec<String>, BuildError> {
    let mut lines = Vec::new();
    for entry in &files.entries {
        lines.extend(index_lines(&context::text_of(files, entry)?));
    }
    Ok(lines)
}

/// One line for each file, with a marker unless it is for all platforms.
fn pinned(wheels: &[(&str, &[LockedWheel])]) -> Result<Vec<String>, BuildError> {
    let mut files: BTreeMap<(&str, &str, &str), Vec<&str>> = BTreeMap::new();
    for (platform, wheels) in wheels {
        for wheel in *wheels {
            let file = (&*wheel.name, &*wheel.version, &*wheel.sha256);
            files.entry(file).or_default().push(platform);
        }
    }
    let each = files.into_iter().map(|((name, version, sha256), of)| {
        let marker = if of.len() == wheels.len() {
            String::new()
        } else {
            let all: Vec<&str> = wheels.iter().map(|(platform, _)| *platform).collect();
            format!(" ; {}", marker(&of, &all)?)
        };
        Ok(format!("{name}=={version}{marker} --hash={sha256}"))
    });
    each.collect()
}

/// A marker that only these platforms of an image fulfill.
fn marker(of: &[&str], all: &[&str]) -> Result<String, BuildError> {
    let unclear = |platform: &str| {
        BuildError::Failed(format!(
            "its locked packages differ between {}, and no marker of Python tells {platform} from the others: \
             declare an image for each platform",
            all.join(" and ")
        ))
    };
    let each = of.iter().map(|platform| {
        let machine = machine_of(platform).ok_or_else(|| unclear(platform))?;
        let is_same = |other: &&&str| machine_of(other) == Some(machine);
        match all.iter().filter(is_same).count() {
            1 => Ok(format!("platform_machine == '{machine}'")),
            _ => Err(unclear(platform)),
        }
    });
    Ok(each
        .collect::<Result<Vec<String>, BuildError>>()?
        .join(" or "))
}

/// What Python calls the machine of a platform.
fn machine_of(platform: &str) -> Option<&'static str> {
    let Platform {
        os,
        architecture,
        variant,
    } = Platform::read(platform);
    if os != "linux" {
        return None;
    }
    Some(match (architecture.as_str(), variant.as_str()) {
        ("amd64", _) => "x86_64",
        ("arm64", _) => "aarch64",
        ("386", _) => "i686",
        ("arm", "v7" | "") => "armv7l",
        ("arm", "v6") => "armv6l",
        ("ppc64le", _) => "ppc64le",
        ("s390x", _) => "s390x",
        ("riscv64", _) => "riscv64",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wheel(name: &str, version: &str, digit: char) -> LockedWheel {
        LockedWheel {
            name: name.into(),
            version: version.into(),
            file: format!("{name}-{version}-py3-none-any.whl"),
            sha256: format!("sha256:{}", digit.to_string().repeat(64)),
            size: None,
            url: "https://files.test/x.whl".into(),
            is_requested: true,
        }
    }

    fn lines(wheels: &[(&str, &[LockedWheel])]) -> Result<String, String> {
        let lines = pinned(wheels).map_err(|error| error.to_string())?;
        let text = lines.join("\n");
        Ok(["1", "2", "3"].iter().fold(text, |text, digit| {
            text.replace(&digit.repeat(64), &digit.repeat(3))
        }))
    }

    #[test]
    fn what_all_platforms_have_in_common_needs_no_marker() {
        let six = wheel("six", "1.17", '1');
        let amd = [wheel("numpy", "2.2.5", '2'), six.clone()];
        let arm = [wheel("numpy", "2.2.5", '3'), six, wheel("uring", "1", '1')];
        let both: [(&str, &[LockedWheel]); 2] = [("linux/amd64", &amd), ("linux/arm64/v8", &arm)];
        assert_eq!(
            lines(&both).unwrap(),
            "numpy==2.2.5 ; platform_machine == 'x86_64' --hash=sha256:222\n\
             numpy==2.2.5 ; platform_machine == 'aarch64' --hash=sha256:333\n\
             six==1.17 --hash=sha256:111\n\
             uring==1 ; platform_machine == 'aarch64' --hash=sha256:111"
        );
        assert_eq!(
            lines(&both[..1]).unwrap(),
            "numpy==2.2.5 --hash=sha256:222\nsix==1.17 --hash=sha256:111"
        );
    }

    #[test]
    fn platforms_that_no_marker_tells_apart_are_refused_where_their_packages_differ() {
        let (one, two) = ([wheel("a", "1", '1')], [wheel("a", "1", '2')]);
        let told = |first: &str, second: &str| lines(&[(first, &one), (second, &two)]).unwrap_err();
        assert!(told("linux/amd64", "linux/amd64/v3").contains("linux/amd64 and linux/amd64/v3"));
        assert!(told("linux/amd64", "plan9/amd64").contains("tells plan9/amd64 from"));
        assert!(lines(&[("linux/amd64", &one), ("plan9/amd64", &one)]).is_ok());
    }

    #[test]
    fn a_command_is_fed_any_number_of_lines() {
        let lines: Vec<String> = (0..3000)
            .map(|at| format!("line {at} ; it's \"$0\""))
            .collect();
        let command = feed(&lines, vec!["cat".to_owned(), "-".to_owned()]);
        let ran = std::process::Command::new(&command[0])
            .args(&command[1..])
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8(ran.stdout).unwrap(),
            lines.join("\n") + "\n"
        );
    }
}
