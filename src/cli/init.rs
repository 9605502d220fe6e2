//! `init`: writes a first, commented manifest based on the files in the directory.

use clap::Args;

use super::context::Context;
use super::failure::{Failure, exit};
use super::output;
use super::screen::eprint_text;
use crate::disk::Shown;
use crate::import::Project;
use crate::manifest::FILE_NAME;

#[derive(Args)]
pub(super) struct InitArgs {
    /// Replace an existing manifest
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &InitArgs, context: &Context) -> Result<u8, Failure> {
    let path = context.insisted();
    let path = path.unwrap_or_else(|| context.folder.join(FILE_NAME));
    let project = Project::look(&context.folder);
    output::write_new(&path, &project.manifest(), args.force)?;
    if !context.screen.quiet {
        eprint_text(&format!("wrote {}\n", path.display()));
        for note in &project.notes {
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

/// Prints to which workspace the new manifest belongs, if there are manifests above it.
fn tell_workspace(context: &Context) {
    match context.found() {
        Ok(root) if root.manifest != root.nearest => {
            let manifest = root.manifest.to_string_lossy();
            let manifest = Shown(&manifest);
            eprint_text(&format!(
                "  `{manifest}` includes it, so both form one workspace\n"
            ));
        }
        Ok(_) => {
            if let Some(apart) = context.apart() {
                let (message, help) = (apart.message, apart.help.join("; "));
                eprint_text(&format!("  {message}; {help}\n"));
            }
        }
        // The new manifest was written; only those above have errors.
        Err(failure) => drop(context.screen.tell(failure)),
    }
}
