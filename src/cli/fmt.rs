//! `fmt`: formats manifests, or lists those that are not formatted.

use std::path::{Path, PathBuf};

use clap::Args;

use super::context::Context;
use super::failure::{Failure, exit};
use super::given::{Given, is_stdin};
use super::screen::{eprint_text, print_text};
use crate::diagnostic::{Diagnostic, Sources};
use crate::disk::limits;
use crate::edit::{self, ManifestPath};
use crate::manifest::{self, Overrides};
use crate::session::Refusal;

#[derive(Args)]
pub(super) struct FmtArgs {
    /// List the manifests that would change, without changing them; exit code 1 if there are any
    #[arg(long)]
    check: bool,
    /// Manifests to format; `-` is standard input, formatted to standard output [default: all of the workspace]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(super) fn run(args: &FmtArgs, context: &Context) -> Result<u8, Failure> {
    match args.files.as_slice() {
        [one] if is_stdin(one) => return piped(args.check),
        several if several.iter().any(|file| is_stdin(file)) => {
            return Err(Failure::usage(
                "standard input is formatted alone",
                "name files, or `-`",
            ));
        }
        _ => {}
    }
    let mut wrong = Vec::new();
    let mut sources = Sources::default();
    let files = if args.files.is_empty() {
        of_workspace(context, &mut wrong, &mut sources)?
    } else {
        let named = args.files.iter();
        named.map(|file| location(file, &context.folder)).collect()
    };
    let mut changed = String::new();
    for file in &files {
        match edit::format(file, args.check, &mut sources) {
            Ok(false) => {}
            Ok(true) => changed += &format!("{}\n", path_from(context, file).display()),
            Err(mistakes) => wrong.extend(mistakes),
        }
    }
    if args.check {
        print_text(&changed)?;
    } else if !context.screen.quiet {
        let lines = changed.lines().map(|path| format!("formatted {path}\n"));
        eprint_text(&lines.collect::<String>());
    }
    // Every valid file is formatted, whatever is wrong with others.
    if !wrong.is_empty() {
        return Err(Refusal::Wrong(wrong, sources).into());
    }
    let is_found = args.check && !changed.is_empty();
    Ok(if is_found { exit::FAILED } else { exit::DONE })
}

/// Formats standard input to standard output, for editors; nothing comes out of a text with mistakes.
fn piped(is_look: bool) -> Result<u8, Failure> {
    let given = Given::stdin();
    let text = given.read(limits::MANIFEST)?;
    let mut sources = Sources::default();
    let formatted = edit::formatted("-", &text, &mut sources);
    let formatted = formatted.map_err(|wrong| Refusal::Wrong(wrong, sources))?;
    if !is_look {
        print_text(&formatted)?;
        return Ok(exit::DONE);
    }
    let is_changed = formatted != text;
    if is_changed {
        print_text("-\n")?;
    }
    Ok(if is_changed { exit::FAILED } else { exit::DONE })
}

/// Location of a file that the user named. Its directory may be reached through links, but the file itself must not be
/// one.
fn location(file: &Path, directory: &Path) -> ManifestPath {
    let whole = directory.join(file);
    let (root, path) = match (whole.parent(), whole.file_name()) {
        (Some(root), Some(name)) => (root.to_owned(), PathBuf::from(name)),
        _ => (whole, PathBuf::new()),
    };
    let shown = file.display().to_string();
    ManifestPath { root, path, shown }
}

/// Locations of the workspace's manifests. Of the load errors only those that mean a manifest was not found are added
/// to `wrong`.
fn of_workspace(
    context: &Context,
    wrong: &mut Vec<Diagnostic>,
    sources: &mut Sources,
) -> Result<Vec<ManifestPath>, Failure> {
    const NOT_FOUND: [&str; 3] = ["unreadable", "nothing-included", "outside"];
    let overrides = Overrides {
        vars: context.overrides.vars.clone(),
        sets: Vec::new(),
    };
    let loaded = manifest::load(&context.manifest()?, &overrides, &context.env());
    let is_missing = |it: &Diagnostic| NOT_FOUND.contains(&it.code);
    wrong.extend(loaded.diagnostics.into_iter().filter(is_missing));
    let workspace = loaded.workspace;
    let paths = workspace.sources.all().map(|source| source.path.as_str());
    let paths = paths.filter(|path| !path.starts_with("--"));
    let files = paths.map(|path| ManifestPath {
        root: workspace.root.clone(),
        path: PathBuf::from(path),
        shown: path.to_owned(),
    });
    let files = files.collect();
    *sources = workspace.sources;
    Ok(files)
}

/// A manifest's path relative to the current directory, where possible.
fn path_from(context: &Context, file: &ManifestPath) -> PathBuf {
    let here = context.folder.canonicalize().unwrap_or_default();
    let whole = file.root.join(&file.path);
    let inside = whole
        .strip_prefix(&here)
        .or_else(|_| whole.strip_prefix(&context.folder));
    inside.unwrap_or(&whole).to_owned()
}
