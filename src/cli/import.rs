//! `import`: writes a manifest from an ImageSpec's YAML, a bake file, or a Python file with ImageSpecs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::context::Context;
use super::failure::{Failure, exit};
use super::given::Given;
use super::options::Format;
use super::output;
use super::screen::{eprint_text, print_json, print_text};
use crate::diagnostic::Sources;
use crate::disk::{FileKind, limits};
use crate::import::{self, ImportContext, Imported, Input, InputKind, Note, Paths};
use crate::manifest;
use crate::report::words::Count;
use crate::session;

#[derive(Args)]
pub(super) struct ImportArgs {
    /// What to import: an ImageSpec's YAML, a bake or Compose file, or a Python file, which is run; `-` is standard
    /// input
    #[arg(value_name = "FILE")]
    source: PathBuf,
    /// The kind of file, if neither its name nor its content tells
    #[arg(long, value_name = "KIND")]
    from: Option<Origin>,
    /// Write the manifest to this file instead of standard output; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace existing files
    #[arg(long)]
    force: bool,
    /// The Python that runs a Python file; it must have flytekit [default: that of $VIRTUAL_ENV, else `python3`]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// The flytekit version whose images to match [default: the installed one, else a common one]
    #[arg(long, value_name = "VERSION", value_parser = flytekit_version)]
    flytekit: Option<String>,
    /// Time limit for running a Python file or `docker buildx bake`, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Origin {
    /// flytekit's ImageSpec
    Yaml,
    /// Docker's bake file, a Compose file, or the output of `docker buildx bake --print`
    Bake,
    /// A Python file with flytekit's ImageSpecs
    Python,
    /// ImageSpecs as JSON, from the package `imgspec.flytekit`
    #[value(hide = true)]
    Specs,
}

fn flytekit_version(version: &str) -> Result<String, String> {
    match manifest::takes("flytekit", version) {
        Ok(()) => Ok(version.to_owned()),
        Err(refused) => Err(refused.why),
    }
}

pub(super) fn run(args: &ImportArgs, context: &Context) -> Result<u8, Failure> {
    let file = args.output.as_ref().filter(|file| *file != Path::new("-"));
    let output = file.map(|file| context.folder.join(file));
    if let Some(file) = &output {
        free(file, args.force)?;
    }
    let mut sources = Sources::default();
    let source = Given::new(&args.source, &context.folder);
    let text = source.read(limits::IMPORT)?;
    let Given { path, shown } = source;
    let kind = kind(args, path.as_deref(), &text, &shown)?;
    let id = sources.add(&shown, text);
    let input = Input {
        path,
        name: shown,
        id,
    };
    let python = python(args, context);
    if kind == InputKind::Python {
        announce(&input, &python, context);
    }
    let cancel = context.signals.cancel();
    let folder = output.as_deref().and_then(Path::parent);
    let import_context = ImportContext {
        sources: &sources,
        paths: Paths::new(&context.folder, folder.unwrap_or(&context.folder)),
        flytekit: args.flytekit.clone(),
        python: &python,
        limit: Duration::from_secs(args.timeout),
        limits: &context.limits,
        cancel: &cancel,
    };
    match import::import(&input, kind, &import_context) {
        Ok(imported) => hand_over(args, context, output.as_deref(), &imported),
        Err(wrong) if wrong.iter().any(|it| it.code == "interrupted") => Ok(context.signals.code()),
        Err(wrong) => Err(session::Refusal::Wrong(wrong, sources).into()),
    }
}

fn announce(input: &Input, python: &Path, context: &Context) {
    if !context.screen.quiet {
        eprint_text(&format!(
            "running {} with {} to find the ImageSpecs it creates\n",
            input.name,
            python.display()
        ));
    }
}

/// Fails early if the output file must not or cannot be replaced.
fn free(file: &Path, force: bool) -> Result<(), Failure> {
    if file.is_dir() {
        let message = format!("`{}` is a directory", file.display());
        return Err(Failure::usage(
            message,
            "name a file after `-o`, such as `imgspec.kdl`",
        ));
    }
    if let Some(folder) = file.parent().filter(|folder| !folder.is_dir()) {
        let message = format!("there is no directory `{}`", folder.display());
        return Err(Failure::usage(
            message,
            "create it first, or name another file after `-o`",
        ));
    }
    match file.symlink_metadata().map(|meta| FileKind::from(&meta)) {
        Err(_) => Ok(()),
        Ok(FileKind::File) if force => Ok(()),
        Ok(kind) if force => {
            let message = format!("`{}` is {kind}, not a file", file.display());
            let help = "remove it, or name another file after `-o`; `-` is standard output";
            Err(Failure::usage(message, help))
        }
        Ok(_) => Err(output::is_there(file)),
    }
}

fn kind(
    args: &ImportArgs,
    path: Option<&Path>,
    text: &str,
    shown: &str,
) -> Result<InputKind, Failure> {
    let said = args.from.map(|from| match from {
        Origin::Yaml => InputKind::Yaml,
        Origin::Bake => InputKind::Bake,
        Origin::Python => InputKind::Python,
        Origin::Specs => InputKind::Specs,
    });
    said.or_else(|| import::guess(path, text)).ok_or_else(|| {
        let none = format!("`{shown}` contains neither flytekit ImageSpecs nor a bake file");
        let say = "if it does, name its kind with `--from yaml`, `--from bake` or `--from python`";
        match import::looks_like(path, text) {
            Some((what, instead)) => {
                Failure::usage(format!("{none}: it looks like {what}"), instead)
            }
            None => Failure::usage(none, say),
        }
    })
}

/// The Python to run: `--python`, that of the virtual environment, or the first in `PATH`.
fn python(args: &ImportArgs, context: &Context) -> PathBuf {
    if let Some(python) = &args.python {
        // A bare name is looked up in `PATH`.
        let is_bare = python.components().count() == 1;
        return if is_bare {
            python.clone()
        } else {
            context.folder.join(python)
        };
    }
    let environment = std::env::var_os("VIRTUAL_ENV").filter(|folder| !folder.is_empty());
    let own = environment.map(|folder| Path::new(&folder).join("bin/python"));
    own.filter(|python| python.exists())
        .unwrap_or_else(|| which::which("python3").unwrap_or_else(|_| "python3".into()))
}

fn hand_over(
    args: &ImportArgs,
    context: &Context,
    output: Option<&Path>,
    imported: &Imported,
) -> Result<u8, Failure> {
    let text = imported.manifest();
    if let Some(output) = output {
        let folder = output.parent().unwrap_or(Path::new("."));
        let beside: Vec<PathBuf> = imported
            .files
            .iter()
            .map(|file| folder.join(&file.path))
            .collect();
        beside.iter().try_for_each(|file| free(file, args.force))?;
        for (path, file) in beside.iter().zip(&imported.files) {
            output::write_new(path, &file.text, args.force)?;
        }
        output::write_new(output, &text, args.force)?;
    }
    if args.format == Format::Json {
        print_json(&serde_json::json!({
            "manifest": text,
            "images": imported.images.iter().map(|image| &image.id).collect::<Vec<_>>(),
            "files": imported.files,
            "notes": imported.notes,
        }))?;
        return Ok(exit::DONE);
    }
    if output.is_none() {
        print_text(&text)?;
    }
    if !context.screen.quiet {
        eprint_text(&notes(args, output, imported));
    }
    Ok(exit::DONE)
}

/// The notes for the user: what was not carried over, and what to do next.
fn notes(args: &ImportArgs, output: Option<&Path>, imported: &Imported) -> String {
    let source = args.source.display().to_string();
    let mut text: String = alike(&imported.notes)
        .iter()
        .map(|note| line(note, &source))
        .collect();
    if output.is_none() {
        for file in &imported.files {
            text += &format!("note: `{}` is only written with `-o`\n", file.path);
        }
    }
    let images = Count(imported.images.len(), "image");
    let count = Count(imported.notes.len(), "note");
    text += &match output {
        Some(output) => format!(
            "wrote {}: {images}, {count}\nnext: `imgspec check`, then `imgspec graph plan`\n",
            output.display()
        ),
        None => format!("{images}, {count}; `-o imgspec.kdl` writes it to a file\n"),
    };
    text
}

/// Merges notes that differ only in their image.
fn alike(notes: &[Note]) -> Vec<Note> {
    let mut told: Vec<Note> = Vec::new();
    for note in notes {
        // A note with a source location of its own is never merged.
        let same = |it: &&mut Note| note.at.line.is_none() && it.message == note.message;
        match (told.iter_mut().find(same), &note.image) {
            (Some(before), Some(image)) => {
                let images = before.image.get_or_insert_default();
                images.push_str(&format!(", {image}"));
            }
            _ => told.push(note.clone()),
        }
    }
    told
}

/// Formats a note like a diagnostic, without the excerpt.
fn line(note: &Note, source: &str) -> String {
    let image = note
        .image
        .as_ref()
        .map_or(String::new(), |image| format!("{image}: "));
    let place = match (note.at.line, note.at.column) {
        (Some(line), Some(column)) => format!("  --> {source}:{line}:{column}\n"),
        (Some(line), None) => format!("  --> {source}:{line}\n"),
        _ => String::new(),
    };
    format!("note: {image}{}\n{place}", note.message)
}
