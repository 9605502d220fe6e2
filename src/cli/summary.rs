//! `--summary FILE` of `graph build` and `graph plan`: what was done, for people who read it on a code forge.
//!
//! The file of `GITHUB_STEP_SUMMARY` belongs to all commands of a step, so it is added to; any other is replaced. Builds add to
//! it without being asked.

use std::path::{Path, PathBuf};

use clap::Args;

use super::context::Context;
use super::failure::Failure;
use super::notifier::Notifier;
use super::{output, step};
use crate::disk::system_words;
use crate::run::History;
use crate::view::{self, Drawing, SUMMARY_LIMIT};

#[derive(Args, Clone)]
pub(super) struct SummaryArgs {
    /// Write a summary in Markdown to this file; it is added to the summary of a GitHub step (`$GITHUB_STEP_SUMMARY`)
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
}

/// Where a summary is written.
pub(super) struct SummaryFile {
    path: PathBuf,
    is_added: bool,
}

impl SummaryArgs {
    /// The file to write; fails if it could not be written later.
    pub(super) fn file(&self, context: &Context) -> Result<Option<SummaryFile>, Failure> {
        let Some(file) = &self.summary else {
            return Ok(None);
        };
        let path = context.folder.join(file);
        output::refuse_early("summary", &path)?;
        let of_step = context.env()(step::SUMMARY);
        let is_added = of_step.is_some_and(|step| is_same(&path, Path::new(&step)));
        Ok(Some(SummaryFile { path, is_added }))
    }

    /// The file to write after a run: the one that was named, else that of a step of GitHub's, if this is one.
    pub(super) fn of_run(
        &self,
        context: &Context,
        notifier: &Notifier,
    ) -> Result<Option<SummaryFile>, Failure> {
        if self.summary.is_some() {
            return self.file(context);
        }
        let path = step::file(step::SUMMARY, context, notifier);
        let is_added = true;
        Ok(path.map(|path| SummaryFile { path, is_added }))
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    real(one) == real(other)
}

impl SummaryFile {
    pub(super) fn write(
        &self,
        drawing: &Drawing,
        history: Option<&History>,
    ) -> Result<(), Failure> {
        let Self { path, is_added } = self;
        let written = if *is_added {
            let there = path.metadata().map_or(0, |meta| meta.len());
            let there = usize::try_from(there).unwrap_or(usize::MAX);
            let text = view::summary(drawing, history, SUMMARY_LIMIT.saturating_sub(there));
            // What is there may lack the end of its last line.
            let text = if there > 0 { format!("\n{text}") } else { text };
            output::append(path, &text)
        } else {
            output::put(path, &view::summary(drawing, history, SUMMARY_LIMIT))
        };
        written.map_err(|error| {
            let (path, why) = (path.display(), system_words(&error));
            let message = format!("the summary `{path}` cannot be written: {why}");
            Failure::usage(message, "everything else was done")
        })
    }
}
