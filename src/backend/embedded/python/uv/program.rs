//! Which uv: the one in PATH, if it is new enough.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::asking::Asker;
use crate::backend::BuildError;
use crate::backend::embedded::base::Source;
use crate::backend::embedded::common::failed;
use crate::process;

/// The oldest uv that writes `pylock.toml`, with margin.
const OLDEST: (u32, u32) = (0, 7);

/// The path of a uv that can be used.
pub(super) fn find(source: &Source<'_>) -> Result<PathBuf, BuildError> {
    let own = which::which("uv").ok();
    let version = own.as_deref().and_then(|own| version(own, source));
    match own {
        Some(own) if version.is_some_and(|version| version >= OLDEST) => Ok(own),
        _ => Err(failed(format!(
            "uv resolves the packages, and there is none in PATH, or it is older than {}.{}: install it with `pip install uv`",
            OLDEST.0, OLDEST.1
        ))),
    }
}

/// Major and minor version of a uv.
fn version(uv: &Path, source: &Source<'_>) -> Option<(u32, u32)> {
    let asker = Asker::build(source.notes, source.cancel);
    let question = asker.ask("uv", source.access.limits.answer());
    let mut command = Command::new(uv);
    command.args(["self", "version", "--short"]);
    command.arg("--no-config");
    let said = process::ask(&mut command, &question).ok()?;
    read_version(&said.out)
}

fn read_version(said: &str) -> Option<(u32, u32)> {
    let word = said
        .split_whitespace()
        .find(|word| word.starts_with(|char: char| char.is_ascii_digit()))?;
    let mut parts = word.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_whatever_is_around_them() {
        assert_eq!(
            read_version("uv 0.13.9 (x86_64-unknown-linux-gnu)\n"),
            Some((0, 13))
        );
        assert_eq!(read_version("0.9.30"), Some((0, 9)));
        assert_eq!(read_version("1.2"), Some((1, 2)));
        for none in ["", "uv", "uv x.1", "uv 1", "1.x"] {
            assert_eq!(read_version(none), None, "{none}");
        }
    }
}
