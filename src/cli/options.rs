//! The arguments that several commands share.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;

use super::complete;
use crate::manifest::Overrides;

#[derive(Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    /// Work as if started in this directory
    #[arg(short = 'C', value_name = "DIR", global = true)]
    pub(super) directory: Option<PathBuf>,
    /// Use this manifest, even if another includes it, instead of searching for the workspace's; `-` is standard input, with
    /// paths relative to this directory
    #[arg(short = 'f', long = "file", value_name = "FILE", global = true)]
    pub(super) file: Option<PathBuf>,
    /// Use the manifest in this directory, even if another includes it
    #[arg(long, value_name = "DIR", global = true, conflicts_with = "file")]
    pub(super) root: Option<PathBuf>,
    /// Set a variable of the manifest
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = Overrides::parse_var, global = true)]
    pub(super) vars: Vec<(String, String)>,
    /// Set a field of an image (given by its id or a glob)
    #[arg(long = "set", value_name = "IMAGE.FIELD=VALUE", value_parser = Overrides::parse_set, global = true, add = ArgValueCompleter::new(complete::set))]
    pub(super) sets: Vec<(String, String, String)>,
    /// Let envd build in this context of its own instead of in Docker's daemon
    #[arg(long, value_name = "NAME", global = true)]
    pub(super) envd_context: Option<String>,
    /// Read every file, even if its times say that it is unchanged
    #[arg(long, global = true)]
    pub(super) verify: bool,
    /// When to use colors
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    pub(super) color: When,
    /// How to show progress
    #[arg(long, value_name = "HOW", default_value = "auto", global = true)]
    pub(super) progress: Progress,
    /// Show failures only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Show more: fresh images, and build output
    #[arg(short, long, global = true)]
    pub(super) verbose: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum When {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Progress {
    /// `tty` on a terminal, else `plain`, with folds and annotations in a job of GitHub Actions or GitLab
    Auto,
    /// Live lines
    Tty,
    /// Plain lines
    Plain,
    /// One JSON object per event
    Json,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Text,
    /// For programs; see docs/json.md
    Json,
}

/// The images to work on.
#[derive(Args, Clone)]
pub(super) struct Selection {
    /// Images: ids, groups, globs, directories, `base+` (and all built on it), `+train` (and its bases), `!x` (not x) [default: the group `default`, else all at or below this directory]
    #[arg(value_name = "IMAGE", add = ArgValueCompleter::new(complete::images))]
    pub(super) images: Vec<String>,
}
