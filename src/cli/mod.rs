//! The command line: parse, load, one library call, print. Decides nothing.
//!
//! Alone knows clap. The choice made: each command is a file with its arguments and one function that returns the exit
//! code or a `Failure`; how failures look and which code they give is said here, once.

mod build;
mod check;
mod clean;
mod doctor;
mod explain;
mod generate;
mod import;
mod init;
mod metadata;
mod output;
mod plan;
mod render;
mod show;
mod signals;
mod tag;
mod teller;
mod variables;
mod watch;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::backend::envd;
use crate::diagnostic::{Diagnostic, Sources};
use crate::disk::system_words;
use crate::limits::{Limits, NoTime};
use crate::manifest::{self, Overrides};
use crate::report;
use crate::session::{Opening, Refusal, Session};

/// Builds all container images of a repository from one file: only what changed, bases first, in parallel.
///
/// The images are declared in `imgspec.kdl`; the nearest one upwards from the current folder is used.
#[derive(Parser)]
#[command(
    name = "imgspec",
    version,
    max_term_width = 100,
    propagate_version = true
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// Work as if started in this folder
    #[arg(short = 'C', value_name = "DIR", global = true)]
    directory: Option<PathBuf>,
    /// Use this manifest instead of the nearest `imgspec.kdl`
    #[arg(short = 'f', long = "file", value_name = "FILE", global = true)]
    file: Option<PathBuf>,
    /// Set a variable of the manifest
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = Overrides::parse_var, global = true)]
    vars: Vec<(String, String)>,
    /// Set a field of an image (its id or a glob)
    #[arg(long = "set", value_name = "IMAGE.FIELD=VALUE", value_parser = Overrides::parse_set, global = true)]
    sets: Vec<(String, String, String)>,
    /// Let envd build in this context of its own instead of Docker's daemon
    #[arg(long, value_name = "NAME", global = true)]
    envd_context: Option<String>,
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    color: When,
    /// How to show what happens
    #[arg(long, value_name = "HOW", default_value = "auto", global = true)]
    progress: Progress,
    /// Show failures only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Show more: fresh images, and the output of builds
    #[arg(short, long, global = true)]
    verbose: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum When {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Progress {
    /// `tty` on a terminal, else `plain`
    Auto,
    /// Live lines
    Tty,
    /// Plain lines
    Plain,
    /// One JSON object an event
    Json,
}

/// How a result is printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs; see docs/json.md
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Build, plan and look at the images
    #[command(subcommand)]
    Graph(GraphCommand),
    /// Build what changed whenever files change, until you end it
    Watch(watch::WatchArgs),
    /// Look for mistakes in the manifests and the files that they name
    Check(check::CheckArgs),
    /// List everything that an image's key is made of, or what differs from its last build
    Explain(explain::ExplainArgs),
    /// Write the files that a builder would be given for an image
    Render(render::RenderArgs),
    /// Print the references of images
    Tag(tag::TagArgs),
    /// Write a first manifest for this folder
    Init(init::InitArgs),
    /// Write a manifest made of flytekit's ImageSpecs or of Docker's bake file
    Import(import::ImportArgs),
    /// Look for builders and say what is missing
    Doctor(doctor::DoctorArgs),
    /// Remove logs, left-over contexts and records of images that are gone
    Clean(clean::CleanArgs),
    /// Print a completion script for a shell
    Completions(generate::CompletionsArgs),
    /// Print the manual page
    Man,
}

#[derive(Subcommand)]
enum GraphCommand {
    /// Build what changed, bases first, in parallel
    Build(build::BuildArgs),
    /// Show what `graph build` would do, and why
    Plan(plan::PlanArgs),
    /// Draw the graph
    Show(show::ShowArgs),
}

/// Which images.
#[derive(Args, Clone)]
struct Selection {
    /// Images: ids, globs, `base...` (and all built on it), `...train` (and its bases), `!x` (not x) [default: all]
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

/// Why a command ended without doing its work.
enum Failure {
    /// The manifests are wrong.
    Wrong(Vec<Diagnostic>, Sources),
    /// Usage or surroundings, with what to do.
    Usage {
        message: String,
        help: Option<String>,
    },
    /// Standard output is closed: nobody reads on, which is no error.
    ClosedPipe,
}

impl Failure {
    fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
            help: Some(help.into()),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Wrong(diagnostics, sources) => Self::Wrong(diagnostics, sources),
            Refusal::Other { message, help } => Self::Usage { message, help },
        }
    }
}

/// Exit codes of the program.
mod exit {
    pub(super) const DONE: u8 = 0;
    pub(super) const FAILED: u8 = 1;
    pub(super) const USAGE: u8 = 2;
}

/// Runs the program and returns its exit code: 0 done, 1 a build failed, 2 usage or manifest, 130 interrupted;
/// 128 and the signal's number when another signal ended it.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() {
                exit::USAGE
            } else {
                exit::DONE
            });
        }
    };
    let screen = Screen::new(&cli.global);
    let context = match Context::new(cli.global, screen) {
        Ok(context) => context,
        Err(failure) => return ExitCode::from(tell(&failure, screen)),
    };
    let done = run(cli.command, &context);
    ExitCode::from(done.unwrap_or_else(|failure| tell(&failure, screen)))
}

fn run(command: Command, context: &Context) -> Result<u8, Failure> {
    match command {
        Command::Graph(GraphCommand::Build(args)) => build::run(&args, context),
        Command::Graph(GraphCommand::Plan(args)) => plan::run(&args, context),
        Command::Graph(GraphCommand::Show(args)) => show::run(&args, context),
        Command::Watch(args) => watch::run(args, context),
        Command::Check(args) => check::run(&args, context),
        Command::Explain(args) => explain::run(&args, context),
        Command::Render(args) => render::run(&args, context),
        Command::Tag(args) => tag::run(&args, context),
        Command::Init(args) => init::run(&args, context),
        Command::Import(args) => import::run(&args, context),
        Command::Doctor(args) => doctor::run(&args, context),
        Command::Clean(args) => clean::run(&args, context),
        Command::Completions(args) => generate::completions(&args),
        Command::Man => generate::man(),
    }
}

/// How the screens look.
#[derive(Clone, Copy)]
struct Screen {
    /// Colours on standard error.
    color: bool,
    /// Colours on standard output.
    color_out: bool,
    quiet: bool,
    verbose: bool,
    progress: Progress,
}

impl Screen {
    fn new(global: &Global) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let color = |is_terminal: bool| match global.color {
            When::Always => true,
            When::Never => false,
            When::Auto => is_terminal && !plain,
        };
        Self {
            color: color(std::io::stderr().is_terminal()),
            color_out: color(std::io::stdout().is_terminal()),
            quiet: global.quiet,
            verbose: global.verbose,
            progress: global.progress,
        }
    }
}

/// What every command is given: where it works, and how its screens look.
struct Context {
    folder: PathBuf,
    file: Option<PathBuf>,
    overrides: Overrides,
    envd_context: Option<String>,
    screen: Screen,
    limits: Limits,
    signals: signals::Heard,
}

impl Context {
    fn new(global: Global, screen: Screen) -> Result<Self, Failure> {
        let here = std::env::current_dir().map_err(|error| {
            Failure::usage(
                format!(
                    "the current folder cannot be read: {}",
                    system_words(&error)
                ),
                "change to one that can",
            )
        })?;
        let folder = global
            .directory
            .map_or_else(|| here.clone(), |folder| here.join(folder));
        if !folder.is_dir() {
            return Err(Failure::usage(
                format!("`{}` is no folder", folder.display()),
                "name an existing folder after `-C`",
            ));
        }
        let overrides = Overrides {
            vars: global.vars,
            sets: global.sets,
        };
        let limits = Limits::read(&|name| std::env::var(name).ok())
            .map_err(|wrong| Failure::usage(wrong.to_string(), NoTime::MEND))?;
        Ok(Self {
            folder,
            file: global.file,
            overrides,
            envd_context: global.envd_context,
            screen,
            limits,
            signals: signals::hear(limits.grace)?,
        })
    }

    /// Reads a variable of the environment. What a flag says goes before the variable that means the same.
    fn env(&self) -> impl Fn(&str) -> Option<String> + Send + use<> {
        let envd_context = self.envd_context.clone();
        move |name| match &envd_context {
            Some(context) if name == envd::CONTEXT => Some(context.clone()),
            _ => std::env::var(name).ok(),
        }
    }

    fn manifest(&self) -> Result<PathBuf, Failure> {
        if let Some(file) = &self.file {
            return Ok(self.folder.join(file));
        }
        manifest::find(&self.folder).ok_or_else(|| {
            // A folder or a pipe of this name is passed by, and said where nothing else is found.
            if let Some((other, why)) = manifest::find_other(&self.folder) {
                return Failure::usage(
                    format!("`{}` cannot be read: {why}", other.display()),
                    "put the manifest there as a file, or name another with `-f FILE`",
                );
            }
            let message = format!(
                "there is no `imgspec.kdl` in `{}` or above it",
                self.folder.display()
            );
            Failure::usage(
                message,
                "`imgspec init` writes a first one; `-f FILE` names another",
            )
        })
    }

    fn open(&self, builder: Option<&str>) -> Result<Session, Failure> {
        let manifest = self.manifest()?;
        let opening = Opening {
            manifest: &manifest,
            overrides: &self.overrides,
            builder,
            env: &self.env(),
        };
        let session = Session::open(&opening)?;
        if !self.screen.quiet {
            self.warn(&session);
        }
        Ok(session)
    }

    fn warn(&self, session: &Session) {
        if !session.warnings.is_empty() {
            eprint_text(&report::diagnostics::render(
                &session.warnings,
                &session.world.workspace.sources,
                self.screen.color,
                width(),
            ));
        }
    }
}

/// Columns of the terminal on standard error; none when there is none.
fn width() -> Option<usize> {
    std::io::stderr()
        .is_terminal()
        .then(|| usize::from(report::terminal::size()().0))
}

/// Prints a result on standard output.
fn print_text(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(Failure::ClosedPipe),
        Err(error) => Err(Failure::usage(
            format!("the result cannot be written: {}", system_words(&error)),
            "is the disk full?",
        )),
    }
}

fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).expect("our own values serialise");
    print_text(&format!("{text}\n"))
}

/// Words that are no result, on standard error; nobody may be reading them.
fn eprint_text(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

fn tell(failure: &Failure, screen: Screen) -> u8 {
    match failure {
        Failure::ClosedPipe => return exit::DONE,
        Failure::Wrong(diagnostics, sources) => {
            eprint_text(&report::diagnostics::render(
                diagnostics,
                sources,
                screen.color,
                width(),
            ));
        }
        Failure::Usage { message, help } => {
            let diagnostic = Diagnostic::error("usage", message.clone());
            let diagnostic = match help {
                Some(help) => diagnostic.help(help.clone()),
                None => diagnostic,
            };
            eprint_text(&report::diagnostics::render(
                &[diagnostic],
                &Sources::default(),
                screen.color,
                width(),
            ));
        }
    }
    exit::USAGE
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        super::Cli::command().debug_assert();
    }
}
