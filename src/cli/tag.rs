//! `tag`: prints the references of images for the current state of their files.

use clap::Args;
use serde::Serialize;

use super::affected::ImageArgs;
use super::context::Context;
use super::failure::{Failure, exit};
use super::notifier::Notifier;
use super::options::Format;
use super::screen::{print_json, print_lines, print_text};

#[derive(Args)]
pub(super) struct TagArgs {
    #[command(flatten)]
    images: ImageArgs,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

#[derive(Serialize)]
struct Tag<'a> {
    image: &'a str,
    reference: String,
    tag: String,
    /// Its further names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    names: Vec<String>,
    key: String,
    platforms: &'a [String],
}

pub(super) fn run(args: &TagArgs, context: &Context) -> Result<u8, Failure> {
    let session = context.open(None)?;
    let notifier = Notifier::new(context);
    let chosen = args.images.choose(&session, &notifier, context)?;
    chosen.tell(context);
    let tags: Vec<Tag<'_>> = chosen
        .images
        .into_iter()
        .map(|id| {
            let reference = session.reference(id);
            Tag {
                image: session.world.graph.name(id),
                tag: reference
                    .rsplit_once(':')
                    .map_or("", |(_, tag)| tag)
                    .to_owned(),
                reference,
                names: session.world.also_named(&session.prints, id),
                key: session.prints.key(id).to_string(),
                platforms: &session.world.recipes[id.index()].platforms,
            }
        })
        .collect();
    match (args.format, tags.as_slice()) {
        (Format::Json, tags) => print_json(&tags)?,
        // A single image that was named: only its reference, for a shell's `$(…)`.
        (Format::Text, [only]) if args.images.are_named() => {
            print_text(&format!("{}\n", only.reference))?;
        }
        (Format::Text, tags) => {
            let width = tags.iter().map(|tag| tag.image.len()).max().unwrap_or(0);
            let line = |tag: &Tag<'_>| format!("{:width$}  {}\n", tag.image, tag.reference);
            let lines: Vec<String> = tags.iter().map(line).collect();
            print_lines(&lines.concat())?;
        }
    }
    Ok(exit::DONE)
}
