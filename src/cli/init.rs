//! `init`: writes a first, commented manifest, made of what is found in the folder.

use std::io::Write;
use std::path::Path;

use clap::Args;

use super::{Context, Failure, eprint_text, exit};
use crate::fingerprint::files::system_words;
use crate::manifest::FILE_NAME;
use crate::spec::DEFAULT_BASE;

#[derive(Args)]
pub(super) struct InitArgs {
    /// Replace a manifest that is there
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &InitArgs, context: &Context) -> Result<u8, Failure> {
    let path = context.file.as_ref().map_or_else(
        || context.folder.join(FILE_NAME),
        |file| context.folder.join(file),
    );
    let found = Found::look(&context.folder);
    let opened = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .create_new(!args.force)
        .truncate(args.force)
        .open(&path);
    let mut file = opened.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::usage(
            format!("`{}` is there already", path.display()),
            "`--force` replaces it",
        ),
        _ => Failure::usage(
            format!(
                "`{}` cannot be written: {}",
                path.display(),
                system_words(&error)
            ),
            "is the folder writable?",
        ),
    })?;
    file.write_all(manifest(&found).as_bytes())
        .map_err(|error| {
            Failure::usage(
                format!(
                    "`{}` cannot be written: {}",
                    path.display(),
                    system_words(&error)
                ),
                "is the disk full?",
            )
        })?;
    if !context.screen.quiet {
        eprint_text(&format!("wrote {}\n", path.display()));
        for note in &found.notes {
            eprint_text(&format!("  {note}\n"));
        }
        eprint_text(
            "next: `imgspec graph plan` shows what would be built, `imgspec graph build` builds it\n",
        );
    }
    Ok(exit::DONE)
}

/// What the folder tells of the image that it wants.
struct Found {
    image: String,
    base: String,
    requirements: Option<&'static str>,
    source: Option<&'static str>,
    notes: Vec<String>,
}

impl Found {
    fn look(folder: &Path) -> Self {
        let mut notes = Vec::new();
        let has = |name: &str| folder.join(name).is_file();
        let requirements = has("requirements.txt").then_some("requirements.txt");
        if requirements.is_some() {
            notes.push("requirements.txt: installed by `requirements`".to_owned());
        }
        if has("pyproject.toml") {
            notes.push("pyproject.toml: lock files come with version 0.2; until then export one to a requirements file".to_owned());
        }
        let source = ["src", "app"]
            .into_iter()
            .find(|name| folder.join(name).is_dir());
        if let Some(source) = source {
            notes.push(format!("{source}/: copied to /app/{source}"));
        }
        let dockerfile = std::fs::read_to_string(folder.join("Dockerfile")).ok();
        let base = dockerfile.as_deref().and_then(last_base);
        if dockerfile.is_some() {
            notes.push(match &base {
                Some(base) => format!(
                    "Dockerfile: its base `{base}` is taken; its other steps are yours to move over"
                ),
                None => "Dockerfile: its base could not be told; its steps are yours to move over"
                    .to_owned(),
            });
        }
        Self {
            image: image_id(folder),
            base: base.unwrap_or_else(|| DEFAULT_BASE.to_owned()),
            requirements,
            source,
            notes,
        }
    }
}

/// The base of a Dockerfile's last stage, when it is a plain reference.
fn last_base(dockerfile: &str) -> Option<String> {
    let mut froms = dockerfile.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        words
            .next()
            .filter(|word| word.eq_ignore_ascii_case("from"))?;
        words
            .find(|word| !word.starts_with("--"))
            .map(str::to_owned)
    });
    let last = froms.next_back()?;
    let is_plain = last
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || "./:_-@".contains(letter));
    let is_stage = dockerfile.lines().any(|line| {
        line.to_lowercase()
            .ends_with(&format!(" as {}", last.to_lowercase()))
    });
    (is_plain && !is_stage).then_some(last)
}

/// The folder's name as an image id.
fn image_id(folder: &Path) -> String {
    let name = folder
        .canonicalize()
        .ok()
        .and_then(|path| Some(path.file_name()?.to_string_lossy().to_lowercase()));
    let kept: String = name
        .unwrap_or_default()
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '-'
            }
        })
        .collect();
    let kept = kept
        .split('-')
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("-");
    if kept.is_empty() {
        "app".to_owned()
    } else {
        kept
    }
}

fn manifest(found: &Found) -> String {
    let Found {
        image,
        base,
        requirements,
        source,
        notes: _,
    } = found;
    let mut text = String::from(
        "// The container images of this repository: `imgspec graph build` builds what changed.\n\
         // Every field is described in docs/manifest.md of imgspec.\n\n\
         // For all images of this file:\n\
         // defaults {\n\
         //     registry \"registry.example.com/team\"   // where `--push` sends them\n\
         // }\n\n",
    );
    text.push_str(&format!(
        "image \"{image}\" {{\n    base-image \"{base}\"\n    // apt-packages \"git\"\n"
    ));
    match requirements {
        Some(file) => text.push_str(&format!(
            "    python-version \"3.12\"\n    requirements \"{file}\"\n"
        )),
        None => {
            text.push_str("    // python-version \"3.12\"\n    // packages \"requests==2.32.3\"\n");
        }
    }
    match source {
        Some(folder) => text.push_str(&format!("    copy \"{folder}\" to=\"/app/{folder}\"\n")),
        None => text.push_str("    // copy \"src\" to=\"/app/src\"\n"),
    }
    text.push_str("    workdir \"/app\"\n    // entrypoint \"python3\" \"-m\" \"app\"\n}\n\n");
    text.push_str(&format!(
        "// Another image, built on the first one; it is rebuilt when that one changes:\n\
         // image \"{image}-dev\" {{\n\
         //     base-image image=\"{image}\"\n\
         //     apt-packages \"vim\"\n\
         // }}\n"
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_of_the_last_stage_is_taken() {
        let text = "FROM golang:1 AS build\nRUN make\nFROM --platform=linux/amd64 python:3.12-slim\nCOPY x y\n";
        assert_eq!(last_base(text).as_deref(), Some("python:3.12-slim"));
        assert_eq!(last_base("FROM a AS b\nFROM b\n"), None);
        assert_eq!(last_base("FROM ${BASE}\n"), None);
        assert_eq!(last_base("# nothing\n"), None);
    }
}
