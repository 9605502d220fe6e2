//! `fmt`: manifests in the canonical layout, or which of them are not.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Context, Failure, eprint_text, exit, print_text};
use crate::diagnostic::{Diagnostic, Sources};
use crate::edit::{self, File};
use crate::manifest::{self, Overrides};
use crate::session::Refusal;

#[derive(Args)]
pub(super) struct FmtArgs {
    /// List the manifests that would change, and change none; exit code 1 if there are some
    #[arg(long)]
    check: bool,
    /// Manifests [default: all of the workspace]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(super) fn run(args: &FmtArgs, context: &Context) -> Result<u8, Failure> {
    let mut wrong = Vec::new();
    let mut sources = Sources::default();
    let files = if args.files.is_empty() {
        of_workspace(context, &mut wrong, &mut sources)?
    } else {
        let named = |file: &PathBuf| (context.folder.clone(), file.clone());
        args.files.iter().map(named).collect()
    };
    let mut changed = String::new();
    for (root, path) in &files {
        match one(root, path, args.check, &mut sources) {
            Ok(false) => {}
            Ok(true) => changed += &format!("{}\n", shown(root, path, context).display()),
            Err(mistakes) => wrong.extend(mistakes),
        }
    }
    if args.check {
        print_text(&changed)?;
    } else if !context.screen.quiet {
        let lines = changed.lines();
        eprint_text(
            &lines
                .map(|path| format!("laid out {path}\n"))
                .collect::<String>(),
        );
    }
    // Every file that can be laid out is, whatever is wrong with others.
    if !wrong.is_empty() {
        return Err(Failure::Wrong(wrong, sources));
    }
    let is_found = args.check && !changed.is_empty();
    Ok(if is_found { exit::FAILED } else { exit::DONE })
}

/// Lays one manifest out; says whether it was not so already.
fn one(
    root: &Path,
    path: &Path,
    is_check: bool,
    sources: &mut Sources,
) -> Result<bool, Vec<Diagnostic>> {
    let file = File::read(root, path).map_err(told)?;
    let text = edit::formatted(&path.display().to_string(), file.text(), sources)?;
    let is_changed = text != file.text();
    if is_changed && !is_check {
        file.replace(&text).map_err(told)?;
    }
    Ok(is_changed)
}

fn told(refusal: Refusal) -> Vec<Diagnostic> {
    match refusal {
        Refusal::Wrong(mistakes, _) => mistakes,
        Refusal::Other { message, help } => {
            let mut mistake = Diagnostic::error("usage", message);
            mistake.help.extend(help);
            vec![mistake]
        }
    }
}

/// The manifests of the workspace, each with its root; only whether they can be found matters.
fn of_workspace(
    context: &Context,
    wrong: &mut Vec<Diagnostic>,
    sources: &mut Sources,
) -> Result<Vec<(PathBuf, PathBuf)>, Failure> {
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
    let files = paths
        .map(|path| (workspace.root.clone(), PathBuf::from(path)))
        .collect();
    *sources = workspace.sources;
    Ok(files)
}

/// A manifest's path as it can be named from here.
fn shown(root: &Path, path: &Path, context: &Context) -> PathBuf {
    let here = context.folder.canonicalize().unwrap_or_default();
    let whole = root.join(path);
    let inside = whole
        .strip_prefix(&here)
        .or_else(|_| whole.strip_prefix(&context.folder));
    inside.unwrap_or(&whole).to_owned()
}
