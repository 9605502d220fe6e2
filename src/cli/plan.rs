//! `graph plan`: what `graph build` would do, and why.

use clap::Args;
use serde::Serialize;

use super::choice::Choice;
use super::context::Context;
use super::failure::{Failure, exit};
use super::notifier::Notifier;
use super::options::{Format, Selection};
use super::screen::{print_json, print_text};
use crate::plan::{Action, Plan, Planned, Reason};
use crate::report::line::{Line, Style};
use crate::report::words::Seconds;
use crate::session::Session;

#[derive(Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    choice: Choice,
    /// How to print it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

/// How many reasons of one image are shown before the rest is counted.
const SHOWN: usize = 8;

pub(super) fn run(args: &PlanArgs, context: &Context) -> Result<u8, Failure> {
    show(&args.choice, &args.selection, args.format, context)
}

pub(super) fn show(
    choice: &Choice,
    selection: &Selection,
    format: Format,
    context: &Context,
) -> Result<u8, Failure> {
    let session = context.open(choice.builder.as_deref())?;
    let notifier = Notifier::new(context);
    let selection = context.selection(&session, &selection.images);
    let planned = choice.plan(&session, &selection, &notifier)?;
    choice.tell_doubts(&session, &planned, &notifier);
    match format {
        Format::Json => print_json(&Document::new(&session, &planned.plan, choice))?,
        Format::Text => print_text(&text(&session, &planned.plan, choice, context))?,
    }
    Ok(exit::DONE)
}

#[derive(Serialize)]
struct Document<'a> {
    images: Vec<ImageDocument<'a>>,
}

#[derive(Serialize)]
struct ImageDocument<'a> {
    image: &'a str,
    action: &'static str,
    reasons: &'a [Reason],
    bases: Vec<&'a str>,
    builder: &'a str,
    builder_reason: &'static str,
}

impl<'a> Document<'a> {
    fn new(session: &'a Session, plan: &'a Plan, choice: &Choice) -> Self {
        let graph = &session.world.graph;
        let images = plan.images.iter().map(|image| ImageDocument {
            image: graph.name(image.id),
            // What is only pushed is said by its reason: a reader that knows two actions stays right.
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
        });
        Self {
            images: images.collect(),
        }
    }
}

/// Whether who builds is worth a line: when it is asked for, or when the images have several builders.
fn tells_builders(session: &Session, plan: &Plan, context: &Context) -> bool {
    let builder = |image: &Planned| session.world.backends[image.id.index()].name();
    let mut builders = plan.images.iter().map(builder);
    let first = builders.next();
    context.screen.verbose || builders.any(|other| Some(other) != first)
}

fn text(session: &Session, plan: &Plan, choice: &Choice, context: &Context) -> String {
    let color = context.screen.color_out;
    let name = |id| session.world.graph.name(id);
    let width = plan
        .images
        .iter()
        .map(|image| name(image.id).len())
        .max()
        .unwrap_or(0);
    let tells_builders = tells_builders(session, plan, context);
    let mut text = String::new();
    for image in &plan.images {
        let (word, style) = match image.action {
            Action::Fresh => ("fresh", Style::Dim),
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
        text.push_str(line.paint(color).trim_end());
        text.push('\n');
        if tells_builders && image.action == Action::Build {
            let builder = session.world.backends[image.id.index()].name();
            let reason = session.builder_reason(image.id, choice.builder.as_deref());
            let words = format!("{:width$}         with {builder}: {reason}", "");
            text.push_str(&Line::new().add(Style::Dim, words).paint(color));
            text.push('\n');
        }
        for reason in image.reasons.iter().skip(1).take(SHOWN - 1) {
            let reason = words(reason);
            let line = Line::new().add(Style::Plain, format!("{:width$}         {reason}", ""));
            text.push_str(&line.paint(color));
            text.push('\n');
        }
        if image.reasons.len() > SHOWN {
            let more = image.reasons.len() - SHOWN;
            text.push_str(&format!(
                "{:width$}         and {more} more; `imgspec explain {}` lists them\n",
                "",
                name(image.id)
            ));
        }
    }
    text.push_str(&summary(session, plan));
    text
}

/// A reason as a line; why nobody could say is told once for all images.
fn words(reason: &Reason) -> String {
    match reason {
        Reason::Unknown { .. } => "nobody could say whether it is there".to_owned(),
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
    let (build, push) = (count(Action::Build), count(Action::Push));
    let mut parts = vec![format!("{} to build", build)];
    if push > 0 {
        parts.push(format!("{push} to push"));
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
