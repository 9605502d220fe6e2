//! `graph plan`: shows what `graph build` would do, and why.

use std::collections::BTreeMap;
use std::mem::ManuallyDrop;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::affected::{AffectedDocument, ImageArgs};
use super::choice::Choice;
use super::context::Context;
use super::failure::{Failure, exit};
use super::notifier::Notifier;
use super::page;
use super::screen::{print_json, print_lines, print_text};
use super::summary::SummaryArgs;
use crate::export::{self, Job};
use crate::graph::ImageId;
use crate::lock::Look;
use crate::plan::{Action, Plan, Planned, Reason};
use crate::report::line::{Line, Style};
use crate::report::words::{Count, Seconds};
use crate::session::{Floating, Session, look_words};

#[derive(Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    images: ImageArgs,
    #[command(flatten)]
    choice: Choice,
    /// Query registries for locked bases whose tags have moved since
    #[arg(long)]
    refresh_bases: bool,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    #[command(flatten)]
    summary: SummaryArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs; see docs/json.md
    Json,
    /// One line for `strategy.matrix` of GitHub Actions, with one job for each image that is built or pushed
    GithubMatrix,
}

/// How many reasons per image are listed before the rest is only counted.
const SHOWN: usize = 8;

pub(super) fn run(args: &PlanArgs, context: &Context) -> Result<u8, Failure> {
    show(args, context)
}

/// Shows what a build with these flags would do.
pub(super) fn dry(
    choice: &Choice,
    images: &ImageArgs,
    summary: &SummaryArgs,
    context: &Context,
) -> Result<u8, Failure> {
    let args = PlanArgs {
        images: images.clone(),
        choice: choice.clone(),
        refresh_bases: false,
        format: Format::Text,
        summary: summary.clone(),
    };
    show(&args, context)
}

fn show(args: &PlanArgs, context: &Context) -> Result<u8, Failure> {
    let choice = &args.choice;
    let summary = args.summary.file(context)?;
    // Never dropped, as in `check`: planning leaves nothing behind that would have to be cleaned up.
    let elsewhere = choice.elsewhere(context)?;
    let session = context.open_elsewhere(choice.builder.as_deref(), &elsewhere)?;
    let session = ManuallyDrop::new(session);
    let notifier = Notifier::new(context);
    let chosen = args.images.choose(&session, &notifier, context)?;
    let planned = ManuallyDrop::new(choice.plan(&session, &chosen.images, &notifier)?);
    choice.tell_doubts(&session, &planned, &notifier);
    let relevant = session.world.graph.with_bases(&planned.asked);
    let floating = session.floating(&relevant);
    let looks = args
        .refresh_bases
        .then(|| session.look_at_bases(&relevant, notifier.asker()));
    let nodes = session.nodes(&planned.plan, notifier.asker());
    match args.format {
        Format::Json => {
            let document = Document {
                floating: floating.images.keys().map(String::as_str).collect(),
                floating_packages: floating.packages.iter().map(String::as_str).collect(),
                bases: looks.as_deref().map(base_documents),
                affected: chosen.document(&session),
                ..Document::new(&session, (&planned.plan, &nodes), choice)
            };
            print_json(&document)?;
        }
        Format::GithubMatrix => print_text(&matrix(&session, &planned.plan, &notifier))?,
        Format::Text => {
            let mut text = chosen.text(&session, context);
            text.push_str(&self::text(
                &session,
                (&planned.plan, &nodes),
                choice,
                context,
            ));
            let is_locked = session.world.workspace.lock.is_some();
            text.push_str(&bases(&floating, is_locked, looks.as_deref()));
            print_lines(&text)?;
        }
    }
    if let Some(file) = summary {
        file.write(&page::scene_of(&session, &planned).drawing(), None)?;
    }
    Ok(exit::DONE)
}

/// The images that are built or pushed, as a matrix.
fn matrix(session: &Session, plan: &Plan, notifier: &Notifier) -> String {
    let images = plan.images.iter();
    let images = images.filter(|image| image.action != Action::Fresh);
    let images: Vec<ImageId> = images.map(|image| image.id).collect();
    if images.len() > export::MATRIX_LIMIT {
        let (count, limit) = (images.len(), export::MATRIX_LIMIT);
        notifier.warn(format!(
            "the matrix has {count} jobs, and GitHub makes at most {limit} of one; build several images in a job"
        ));
    }
    let job = |id: &ImageId| Job {
        reference: session.reference(*id),
        platforms: session.world.recipes[id.index()].platforms.clone(),
    };
    let jobs: Vec<Job> = images.iter().map(job).collect();
    let nodes = export::named(&session.world.graph, &images);
    export::github_matrix(&nodes, &jobs) + "\n"
}

#[derive(Serialize)]
struct Document<'a> {
    images: Vec<ImageDocument<'a>>,
    floating: Vec<&'a str>,
    floating_packages: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bases: Option<Vec<BaseDocument<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    affected: Option<AffectedDocument<'a>>,
}

/// The image that an outside image's tag refers to now.
#[derive(Serialize)]
struct BaseDocument<'a> {
    base: &'a str,
    locked: Option<&'a str>,
    now: Option<&'a str>,
    moved: bool,
    why: Option<String>,
}

fn base_documents(looks: &[Look]) -> Vec<BaseDocument<'_>> {
    let each = looks.iter().map(|look| BaseDocument {
        base: &look.name,
        locked: look.locked.as_ref().map(|locked| locked.image.text()),
        now: look.now.as_ref().ok().map(|now| now.locked.image.text()),
        moved: look.is_moved(),
        why: look.now.as_ref().err().map(ToString::to_string),
    });
    each.collect()
}

/// Formats the notes on what comes from outside: how much is floating, and which images have moved.
fn bases(floating: &Floating, is_locked: bool, looks: Option<&[Look]>) -> String {
    let mut text = String::new();
    let packages = match floating.packages.len() {
        count if is_locked && count > 0 => {
            Some(format!("the packages of {}", Count(count, "image")))
        }
        // Who locks nothing is not told of every image.
        _ => None,
    };
    let told = match (floating.bases(), packages) {
        (0, None) => String::new(),
        (1, None) => "1 outside image floats; `imgspec lock` pins it\n".to_owned(),
        (0, Some(packages)) => format!("{packages} float; `imgspec lock` pins them\n"),
        (count, None) => format!("{count} outside images float; `imgspec lock` pins them\n"),
        (count, Some(packages)) => {
            let images = Count(count, "outside image");
            format!("{images} and {packages} float; `imgspec lock` pins them\n")
        }
    };
    text.push_str(&told);
    let Some(looks) = looks else {
        return text;
    };
    for words in looks.iter().filter_map(look_words) {
        text.push_str(&format!("{words}\n"));
    }
    let same = |look: &&Look| look_words(look).is_none();
    let same = looks.iter().filter(same).count();
    text.push_str(&format!("{} as locked\n", Count(same, "base")));
    text
}

#[derive(Serialize)]
struct ImageDocument<'a> {
    image: &'a str,
    action: &'static str,
    reasons: &'a [Reason],
    bases: Vec<&'a str>,
    builder: &'a str,
    builder_reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a str>,
}

/// The nodes on which images would be built, if there are several.
type Nodes = BTreeMap<ImageId, String>;

impl<'a> Document<'a> {
    fn new(session: &'a Session, (plan, nodes): (&'a Plan, &'a Nodes), choice: &Choice) -> Self {
        let graph = &session.world.graph;
        let images = plan.images.iter().map(|image| ImageDocument {
            image: graph.name(image.id),
            // An image that is only pushed or tagged is distinguished by its reason, so that readers that know two actions stay
            // correct.
            action: if image.action == Action::Fresh {
                "fresh"
            } else {
                "build"
            },
            reasons: &image.reasons,
            builder: session.world.backends[image.id.index()].name(),
            builder_reason: session.builder_reason(image.id, choice.builder.as_deref()),
            bases: graph
                .bases(image.id)
                .iter()
                .map(|base| graph.name(*base))
                .collect(),
            node: nodes.get(&image.id).map(String::as_str),
        });
        Self {
            images: images.collect(),
            floating: Vec::new(),
            floating_packages: Vec::new(),
            bases: None,
            affected: None,
        }
    }
}

/// Whether to list the builders: if the user wants details, or if the images have several builders.
fn tells_builders(session: &Session, plan: &Plan, context: &Context) -> bool {
    let builder = |image: &Planned| session.world.backends[image.id.index()].name();
    let mut builders = plan.images.iter().map(builder);
    let first = builders.next();
    context.screen.verbose || builders.any(|other| Some(other) != first)
}

/// The lines of the reasons after the first one.
fn further_reasons(image: &Planned, name: &str, width: usize) -> String {
    let mut text = String::new();
    for reason in image.reasons.iter().skip(1).take(SHOWN - 1) {
        text.push_str(&format!("{:width$}         {}\n", "", words(reason)));
    }
    if image.reasons.len() > SHOWN {
        let more = image.reasons.len() - SHOWN;
        text.push_str(&format!(
            "{:width$}         and {more} more; `imgspec explain {name}` lists them\n",
            ""
        ));
    }
    text
}

fn text(
    session: &Session,
    (plan, nodes): (&Plan, &Nodes),
    choice: &Choice,
    context: &Context,
) -> String {
    let color = context.screen.color_out;
    let name = |id| session.world.graph.name(id);
    let widths = plan.images.iter().map(|image| name(image.id).len());
    let width = widths.max().unwrap_or(0);
    let tells_builders = tells_builders(session, plan, context);
    let mut text = String::new();
    for image in &plan.images {
        let (word, style) = match image.action {
            Action::Fresh => ("fresh", Style::Dim),
            Action::Tag => ("tag", Style::Doubtful),
            Action::Push => ("push", Style::Doubtful),
            Action::Build => ("build", Style::Doubtful),
        };
        let mut line = Line::new()
            .column(Style::Bold, name(image.id), width + 2)
            .column(style, word, 5);
        if let Some(reason) = image.reasons.first() {
            line = line.add(Style::Plain, format!("  {}", words(reason)));
        }
        if let (Action::Build, Some(seconds)) = (image.action, image.seconds) {
            line = line.add(Style::Dim, format!("  (took {})", Seconds(seconds)));
        }
        if let Some(node) = nodes.get(&image.id) {
            line = line.add(Style::Dim, format!("  on {node}"));
        }
        text.push_str(line.paint(color).trim_end());
        text.push('\n');
        if tells_builders && image.action == Action::Build {
            let builder = session.world.backends[image.id.index()].name();
            let reason = session.builder_reason(image.id, choice.builder.as_deref());
            let words = format!("{:width$}         with {builder}: {reason}", "");
            text.push_str(&Line::new().add(Style::Dim, words).paint(color));
            text.push('\n');
        }
        text.push_str(&further_reasons(image, name(image.id), width));
    }
    text.push_str(&summary(session, plan));
    text
}

/// Formats a reason as one line. The cause of [`Reason::Unknown`] is reported once for all images.
fn words(reason: &Reason) -> String {
    match reason {
        Reason::Unknown { .. } => "could not determine whether it exists".to_owned(),
        reason => reason.to_string(),
    }
}

fn summary(session: &Session, plan: &Plan) -> String {
    let count = |action| {
        plan.images
            .iter()
            .filter(|image| image.action == action)
            .count()
    };
    let (build, push, tag) = (
        count(Action::Build),
        count(Action::Push),
        count(Action::Tag),
    );
    let mut parts = vec![format!("{} to build", build)];
    if push > 0 {
        parts.push(format!("{push} to push"));
    }
    if tag > 0 {
        parts.push(format!("{tag} to tag"));
    }
    parts.push(format!("{} fresh", count(Action::Fresh)));
    let mut line = parts.join(", ");
    let is_timed = plan.builds().any(|image| image.seconds.is_some());
    let (path, seconds) = plan.critical_path(&session.world.graph);
    if build > 0 && is_timed {
        let path: Vec<&str> = path
            .into_iter()
            .map(|id| session.world.graph.name(id))
            .collect();
        line.push_str(&format!(
            "; at least {} ({})",
            Seconds(seconds),
            path.join(" -> ")
        ));
    }
    format!("{line}\n")
}
