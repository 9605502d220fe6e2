//! `graph show`: draws the graph.

use std::collections::BTreeSet;
use std::io::stdout;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::affected::ImageArgs;
use super::choice::Choice;
use super::context::Context;
use super::failure::{Failure, exit};
use super::notifier::Notifier;
use super::output;
use super::screen::{print_lines, print_text};
use crate::disk::system_words;
use crate::graph::ImageId;
use crate::plan::Plan;
use crate::reference::short;
use crate::report::terminal::columns;
use crate::session::Session;
use crate::view::{self, Detail, Direction, Drawing, Label, Look, Page, Tab, Theme};

#[derive(Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    images: ImageArgs,
    /// Drawing format
    #[arg(long, value_name = "FORMAT", default_value = "tree")]
    format: Format,
    /// Write it to this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Open it with the system's viewer, from a temporary file without `--output`
    #[arg(long)]
    open: bool,
    /// Show what is fresh, what will be built, and why
    #[arg(long)]
    plan: bool,
    /// Show how long the last builds took, how large their results are, and the chain of images that takes longest
    #[arg(long)]
    times: bool,
    /// Draw one box for each image or for each directory [default: directories in a picture of over 300 images]
    #[arg(long, value_name = "WHAT")]
    group: Option<Group>,
    /// Where bases are: on the left or on top [default: left in pictures, top in DOT and Mermaid]
    #[arg(long, value_name = "WHERE")]
    direction: Option<Way>,
    /// The colors of a picture
    #[arg(long, value_name = "COLORS", default_value = "auto")]
    theme: Colors,
    #[command(flatten, next_help_heading = "With --plan")]
    choice: Choice,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Bases first, with what is built on them indented
    Tree,
    /// For Graphviz
    Dot,
    /// For Mermaid
    Mermaid,
    /// For programs; see docs/json.md
    Json,
    /// A picture
    Svg,
    /// A page for browsers, in one file: search, filter, and the details of each image
    Html,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Group {
    /// Each image
    None,
    /// Each directory that declares images
    Folder,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Way {
    /// From left to right
    Lr,
    /// From top to bottom
    Tb,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Colors {
    /// Dark on light
    Light,
    /// Light on dark
    Dark,
    /// What the reader's browser prefers
    Auto,
}

/// Pictures of more images than this have a box for each directory, unless asked otherwise.
const MANY: usize = 300;

pub(super) fn run(args: &ShowArgs, context: &Context) -> Result<u8, Failure> {
    if !args.plan && !args.choice.is_default() {
        return Err(Failure::usage(
            "a flag of `graph build` was given, and no plan is drawn".to_owned(),
            "add `--plan`",
        ));
    }
    let session = context.open(args.choice.builder.as_deref())?;
    let notifier = Notifier::new(context);
    let chosen = args.images.choose(&session, &notifier, context)?;
    chosen.tell(context);
    let plan = if args.plan {
        let planned = args.choice.plan(&session, &chosen.images, &notifier)?;
        args.choice.tell_doubts(&session, &planned, &notifier);
        Some(planned.plan)
    } else {
        None
    };
    let mut drawn = chosen.images;
    drawn.extend(
        plan.iter()
            .flat_map(|plan| plan.builds().map(|image| image.id)),
    );
    let drawing = Drawing::new(&session.world.graph, &drawn, |id| {
        label(args, context, &session, id)
    });
    let drawing = with_facts(args, &session, drawing, plan.as_ref());
    let text = match args.format.format() {
        Some(format) => view::render(format, &grouped(args, drawing), args.look()),
        None => page(args, &session, &drawing, &drawn, plan.as_ref()),
    };
    deliver(args, &text)?;
    Ok(exit::DONE)
}

fn label(args: &ShowArgs, context: &Context, session: &Session, id: ImageId) -> Label {
    // A screen has no room for whole keys beside a tree; what is piped is complete.
    let is_narrow =
        args.format == Format::Tree && !context.screen.verbose && columns(stdout()).is_some();
    let reference = session.reference(id);
    Label {
        reference: if is_narrow {
            short(&reference)
        } else {
            reference
        },
        folder: session.world.workspace.images[id.index()]
            .folder
            .to_string(),
    }
}

fn with_facts(
    args: &ShowArgs,
    session: &Session,
    mut drawing: Drawing,
    plan: Option<&Plan>,
) -> Drawing {
    let graph = &session.world.graph;
    if let Some(plan) = plan {
        drawing.show_plan(graph, plan);
    }
    if args.times {
        drawing.show_times(graph, &session.store, plan);
    }
    drawing
}

fn grouped(args: &ShowArgs, drawing: Drawing) -> Drawing {
    let is_large =
        args.format == Format::Svg && drawing.nodes.len() > MANY && drawing.folders() > 1;
    match args.group {
        Some(Group::Folder) => drawing.by_folder(),
        None if is_large => drawing.by_folder(),
        Some(Group::None) | None => drawing,
    }
}

/// The page, which has both groupings itself.
fn page(
    args: &ShowArgs,
    session: &Session,
    drawing: &Drawing,
    drawn: &BTreeSet<ImageId>,
    plan: Option<&Plan>,
) -> String {
    let Session {
        world,
        prints,
        store,
        ..
    } = session;
    let details = drawn.iter().map(|id| {
        let detail = Detail::new(world, prints, store, plan, *id);
        (world.graph.name(*id).to_owned(), detail)
    });
    let name = world.workspace.root.file_name();
    view::page(&Page {
        title: &name.map_or_else(|| "/".into(), std::ffi::OsStr::to_string_lossy),
        made: &jiff::Timestamp::now().to_string(),
        drawing,
        details: Some(&details.collect()),
        history: None,
        live: None,
        tab: Tab::Graph,
        folders: args.group.map(|group| group == Group::Folder),
        direction: args.look().direction,
        theme: args.look().theme,
    })
}

/// Prints the drawing, or writes it and shows it.
fn deliver(args: &ShowArgs, text: &str) -> Result<(), Failure> {
    let path = match (&args.output, args.open) {
        (None, false) if args.format == Format::Tree => return print_lines(text),
        (None, false) => return print_text(text),
        (Some(path), _) => path.clone(),
        (None, true) => temporary(args.format.ending())?,
    };
    output::put(&path, text).map_err(|error| unwritten(&path, &error))?;
    if args.open {
        open::that_detached(&path).map_err(|error| {
            let (path, why) = (path.display(), system_words(&error));
            Failure::usage(
                format!("nothing here opens `{path}`: {why}"),
                "open it yourself; on Linux, `xdg-open` is what is looked for",
            )
        })?;
    }
    Ok(())
}

/// Creates a temporary file. It is not removed here, because the viewer reads it after this process has ended.
fn temporary(ending: &str) -> Result<PathBuf, Failure> {
    let folder = std::env::temp_dir();
    let file = tempfile::Builder::new()
        .prefix("imgspec-graph-")
        .suffix(&format!(".{ending}"))
        .tempfile_in(&folder)
        .map_err(|error| unwritten(&folder, &error))?;
    let kept = file.keep();
    kept.map(|(_, path)| path)
        .map_err(|error| unwritten(&folder, &error.error))
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    let (path, why) = (path.display(), system_words(error));
    Failure::usage(
        format!("`{path}` cannot be written: {why}"),
        "is the directory there and writable, and the disk not full?",
    )
}

impl ShowArgs {
    fn look(&self) -> Look {
        Look {
            direction: self.direction.map(|way| match way {
                Way::Lr => Direction::Right,
                Way::Tb => Direction::Down,
            }),
            theme: match self.theme {
                Colors::Light => Theme::Light,
                Colors::Dark => Theme::Dark,
                Colors::Auto => Theme::Auto,
            },
        }
    }
}

impl Format {
    /// `None` for a page, which is more than a drawing.
    fn format(self) -> Option<view::Format> {
        Some(match self {
            Self::Tree => view::Format::Tree,
            Self::Dot => view::Format::Dot,
            Self::Mermaid => view::Format::Mermaid,
            Self::Json => view::Format::Json,
            Self::Svg => view::Format::Svg,
            Self::Html => return None,
        })
    }

    fn ending(self) -> &'static str {
        match self {
            Self::Tree => "txt",
            Self::Dot => "dot",
            Self::Mermaid => "mmd",
            Self::Json => "json",
            Self::Svg => "svg",
            Self::Html => "html",
        }
    }
}
