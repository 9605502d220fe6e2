//! `explain`: lists the inputs of an image's key and what changed since its last build.

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use serde::Serialize;

use super::complete;
use super::context::Context;
use super::failure::{Failure, exit};
use super::notifier::Notifier;
use super::options::Format;
use super::screen::{print_json, print_lines};
use crate::fingerprint::{self, Change, Input, Outside};
use crate::plan::Reason;
use crate::report;
use crate::report::line::{Line, Style};
use crate::report::words::{Count, Seconds};
use crate::session::Selection;
use crate::store::RecordState;

#[derive(Args)]
pub(super) struct ExplainArgs {
    /// The image's id
    #[arg(add = ArgValueCompleter::new(complete::images))]
    image: String,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

#[derive(Serialize)]
struct Explanation<'a> {
    image: &'a str,
    key: String,
    reference: String,
    recorded: Option<String>,
    built: Option<BuiltDocument<'a>>,
    #[serde(skip)]
    unreadable: Option<String>,
    inputs: &'a [Input],
    outside: Vec<OutsideDocument<'a>>,
    changes: Option<Vec<Change>>,
}

/// The last build.
#[derive(Serialize)]
struct BuiltDocument<'a> {
    finished: &'a str,
    seconds: f64,
    by: Option<&'a str>,
    /// The registry that knows of it; `None` if it was on this machine.
    registry: Option<&'a str>,
}

impl BuiltDocument<'_> {
    /// One line on a build that others made.
    fn words(&self) -> Option<String> {
        let by = self.by.map_or(String::new(), |by| format!(" by {by}"));
        let place = match (self.registry, self.by) {
            (Some(registry), _) => format!(", as registry `{registry}` knows"),
            (None, Some(_)) => String::new(),
            (None, None) => return None,
        };
        let (finished, seconds) = (self.finished, Seconds(self.seconds));
        Some(format!("last built {finished} in {seconds}{by}{place}"))
    }
}

/// An outside image, referred to by a tag.
#[derive(Serialize)]
struct OutsideDocument<'a> {
    name: &'a str,
    /// The locked reference, if `imgspec.lock` pins it.
    locked: Option<&'a str>,
}

pub(super) fn run(args: &ExplainArgs, context: &Context) -> Result<u8, Failure> {
    let session = context.open(None)?;
    session.verify_state()?;
    let ids = session.select(&Selection::of(std::slice::from_ref(&args.image)))?;
    let id = match Vec::from_iter(ids).as_slice() {
        [id] => *id,
        many => {
            return Err(Failure::usage(
                format!("`{}` names {}", args.image, Count(many.len(), "image")),
                "name one",
            ));
        }
    };
    let inputs = session
        .prints
        .inputs(id, &session.world.recipes[id.index()]);
    let notifier = Notifier::new(context);
    let known = session.recorded(id, notifier.asker());
    if let Some(warning) = known.unasked {
        notifier.warn(warning);
    }
    let (record, unreadable) = match known.record {
        RecordState::Found(record) => (Some(*record), None),
        RecordState::Missing => (None, None),
        RecordState::Unreadable(why) => (None, Some(why)),
    };
    let explanation = Explanation {
        image: session.world.graph.name(id),
        key: session.prints.key(id).to_string(),
        reference: session.reference(id),
        recorded: record.as_ref().map(|record| record.key.to_string()),
        unreadable,
        built: record.as_ref().map(|record| BuiltDocument {
            finished: &record.finished,
            seconds: record.seconds,
            by: record.by.as_deref(),
            registry: known.registry.as_deref(),
        }),
        changes: known.inputs.map(|old| fingerprint::diff(&old, &inputs)),
        inputs: &inputs,
        outside: outside(session.prints.outside(id)),
    };
    match args.format {
        Format::Json => print_json(&explanation)?,
        Format::Text => print_lines(&text(&explanation, context))?,
    }
    Ok(exit::DONE)
}

fn outside(outside: &Outside) -> Vec<OutsideDocument<'_>> {
    let each = outside.images.iter().zip(&outside.locked);
    each.map(|(image, locked)| OutsideDocument {
        name: &image.name,
        locked: locked.as_ref().map(|locked| locked.image.text()),
    })
    .collect()
}

fn outside_text(outside: &[OutsideDocument<'_>]) -> String {
    let width = report::widest(outside.iter().map(|one| one.name));
    let lines = outside.iter().map(|OutsideDocument { name, locked }| {
        let locked = locked.unwrap_or(
            "floating: its tag may name another image by the next build; `imgspec lock` pins it",
        );
        let line = Line::new()
            .add(Style::Plain, "  ")
            .column(Style::Plain, name, width);
        format!(
            "{}\n",
            line.add(Style::Dim, format!("  {locked}")).paint(false)
        )
    });
    let lines: String = lines.collect();
    if lines.is_empty() {
        lines
    } else {
        format!("\nimages from outside:\n{lines}")
    }
}

fn text(explanation: &Explanation<'_>, context: &Context) -> String {
    let color = context.screen.color_out;
    let names = explanation.inputs.iter().map(|input| input.name.as_str());
    let width = report::widest(names).min(48);
    let mut text = format!(
        "{}\n",
        Line::new()
            .add(Style::Bold, &explanation.reference)
            .paint(color)
    );
    text.push_str(&format!("key {}\n\n", explanation.key));
    for input in explanation.inputs {
        let line = Line::new()
            .add(Style::Plain, "  ")
            .column(Style::Plain, &input.name, width)
            .add(Style::Dim, format!("  {}", input.value));
        text.push_str(&format!("{}\n", line.paint(color)));
    }
    text.push_str(&outside_text(&explanation.outside));
    text.push('\n');
    let built = explanation.built.as_ref();
    if let Some(words) = built.and_then(BuiltDocument::words) {
        text.push_str(&Line::of(Style::Dim, words).paint(color));
        text.push('\n');
    }
    match (&explanation.recorded, &explanation.changes) {
        (None, _) => {
            let unreadable = explanation.unreadable.clone();
            text.push_str(&format!("{}\n", Reason::NeverBuilt { unreadable }));
        }
        (Some(key), _) if *key == explanation.key => {
            text.push_str("nothing differs from the last build\n");
        }
        (Some(_), None) => {
            text.push_str("differs from the last build, whose inputs are no longer known\n");
        }
        (Some(_), Some(changes)) => {
            text.push_str("since the last build:\n");
            for change in changes {
                text.push_str(&format!(
                    "  {}\n",
                    Line::new()
                        .add(Style::Doubtful, change.to_string())
                        .paint(color)
                ));
            }
        }
    }
    text
}
