//! `init`: writes a first, commented manifest, made of what is found in the directory.

use std::path::Path;

use clap::Args;

use super::context::Context;
use super::failure::{Failure, exit};
use super::output;
use super::screen::eprint_text;
use crate::disk::Shown;
use crate::manifest::FILE_NAME;
use crate::spec::DEFAULT_BASE;

#[derive(Args)]
pub(super) struct InitArgs {
    /// Replace a manifest that is there
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &InitArgs, context: &Context) -> Result<u8, Failure> {
    let path = context.insisted();
    let path = path.unwrap_or_else(|| context.folder.join(FILE_NAME));
    let found = Found::look(&context.folder);
    output::write_new(&path, &manifest(&found), args.force)?;
    if !context.screen.quiet {
        eprint_text(&format!("wrote {}\n", path.display()));
        for note in &found.notes {
            eprint_text(&format!("  {note}\n"));
        }
        if context.insisted().is_none() {
            tell_workspace(context);
        }
        eprint_text(
            "next: `imgspec graph plan` shows what would be built, `imgspec graph build` builds it\n",
        );
    }
    Ok(exit::DONE)
}

/// Says to which workspace the new manifest belongs, where others are above it.
fn tell_workspace(context: &Context) {
    match context.found() {
        Ok(root) if root.manifest != root.nearest => {
            let manifest = root.manifest.to_string_lossy();
            let manifest = Shown(&manifest);
            eprint_text(&format!("  `{manifest}` includes it: one workspace\n"));
        }
        Ok(_) => {
            if let Some(apart) = context.apart() {
                let (message, help) = (apart.message, apart.help.join("; "));
                eprint_text(&format!("  {message}; {help}\n"));
            }
        }
        // It is written; what is above has to be mended.
        Err(failure) => drop(context.screen.tell(failure)),
    }
}

/// What the directory tells of the image that it wants.
struct Found {
    image: String,
    requirements: Option<&'static str>,
    source: Option<&'static str>,
    has_dockerfile: bool,
    notes: Vec<String>,
}

/// Files that say which packages there are, the most exact first; a lock file needs its project beside it.
const REQUIREMENTS: &[(&str, &[&str])] = &[
    ("uv.lock", &["pyproject.toml"]),
    ("poetry.lock", &["pyproject.toml"]),
    ("pylock.toml", &[]),
    ("requirements.txt", &[]),
    ("pyproject.toml", &[]),
];

impl Found {
    fn look(folder: &Path) -> Self {
        let mut notes = Vec::new();
        let has = |name: &&str| folder.join(name).is_file();
        let has_dockerfile = has(&"Dockerfile");
        if has_dockerfile {
            notes.push(
                "Dockerfile: built as it is; its steps can be moved over one by one".to_owned(),
            );
        }
        let mut known = REQUIREMENTS.iter();
        let requirements = known
            .find(|(name, beside)| has(name) && beside.iter().all(&has))
            .map(|(name, _)| *name)
            .filter(|_| !has_dockerfile);
        if let Some(name) = requirements {
            notes.push(format!("{name}: installed by `requirements`"));
        }
        let source = ["src", "app"]
            .into_iter()
            .find(|name| folder.join(name).is_dir() && !has_dockerfile);
        if let Some(source) = source {
            notes.push(format!("{source}/: copied to /app/{source}"));
        }
        Self {
            image: image_id(folder),
            requirements,
            source,
            has_dockerfile,
            notes,
        }
    }
}

fn image_id(folder: &Path) -> String {
    let name = folder
        .canonicalize()
        .ok()
        .and_then(|path| Some(path.file_name()?.to_string_lossy().to_lowercase()))
        .unwrap_or_default();
    let parts = name.split(|letter: char| !letter.is_ascii_alphanumeric());
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    let kept = parts.join("-");
    if kept.is_empty() {
        "app".to_owned()
    } else {
        kept
    }
}

fn manifest(found: &Found) -> String {
    let image = &found.image;
    let mut text = String::from(
        "// The container images of this repository: `imgspec graph build` builds what changed.\n\
         // Every field is described in docs/manifest.md of imgspec.\n\n\
         // For all images of this file:\n\
         // defaults {\n\
         //     registry \"registry.example.com/team\"   // where `--push` sends them\n\
         // }\n\n",
    );
    text.push_str(&format!("image \"{image}\" {{\n"));
    if found.has_dockerfile {
        text.push_str(
            "    dockerfile \"Dockerfile\" {\n        \
             // args VERSION=\"1\"\n        \
             // contexts { base image=\"other\" }   // what `FROM base` means: an image of this file\n    }\n}\n\n",
        );
    } else {
        text.push_str(&fields(found));
    }
    text.push_str(&format!(
        "// Another image, built on the first one; it is rebuilt when that one changes:\n\
         // image \"{image}-dev\" {{\n\
         //     base-image image=\"{image}\"\n\
         //     apt-packages \"vim\"\n\
         // }}\n"
    ));
    text
}

/// The fields of an image that has no Dockerfile.
fn fields(found: &Found) -> String {
    let mut text = format!("    base-image \"{DEFAULT_BASE}\"\n    // apt-packages \"git\"\n");
    match found.requirements {
        Some(file) => text.push_str(&format!(
            "    python-version \"3.12\"\n    requirements \"{file}\"\n"
        )),
        None => {
            text.push_str("    // python-version \"3.12\"\n    // packages \"requests==2.32.3\"\n");
        }
    }
    match found.source {
        Some(folder) => text.push_str(&format!("    copy \"{folder}\" to=\"/app/{folder}\"\n")),
        None => text.push_str("    // copy \"src\" to=\"/app/src\"\n"),
    }
    text.push_str("    workdir \"/app\"\n    // entrypoint \"python3\" \"-m\" \"app\"\n}\n\n");
    text
}
