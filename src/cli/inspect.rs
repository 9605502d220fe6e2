//! `inspect`: what an image consists of, and which of its layers other images of the workspace have too.

use std::collections::BTreeMap;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use serde::Serialize;

use super::complete;
use super::context::Context;
use super::failure::{Failure, exit};
use super::options::Format;
use super::screen::{print_json, print_lines};
use crate::backend::elsewhere::Elsewhere;
use crate::backend::{Cancel, Details, LayerDetails, Subject};
use crate::graph::ImageId;
use crate::report::line::{Line, Style};
use crate::report::words::Count;
use crate::session::{self, Selection, Session};
use crate::store::RecordState;
use crate::view::size;

#[derive(Args)]
pub(super) struct InspectArgs {
    /// The id of an image that the builder `oci` has built, or the reference of an image in a registry
    #[arg(value_name = "IMAGE|REF", add = ArgValueCompleter::new(complete::images))]
    image: String,
    /// Which platform of an image for several [default: the first]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

#[derive(Serialize)]
struct Document<'a> {
    reference: &'a str,
    digest: &'a str,
    platform: &'a str,
    size: u64,
    /// The size of all layers unpacked, if it is known of each.
    unpacked: Option<u64>,
    /// The size of the layers that other images of the workspace have too.
    shared: u64,
    config: &'a crate::backend::ConfigDetails,
    layers: Vec<LayerDocument<'a>>,
}

#[derive(Serialize)]
struct LayerDocument<'a> {
    #[serde(flatten)]
    layer: &'a LayerDetails,
    /// The other images of the workspace that have it.
    shared: &'a [String],
}

/// The images of the workspace that have a layer, by its digest.
type Sharers = BTreeMap<String, Vec<String>>;

pub(super) fn run(args: &InspectArgs, context: &Context) -> Result<u8, Failure> {
    let platform = args.platform.as_deref();
    let is_reference = args.image.contains(['/', ':', '@']);
    let (reference, details, sharers) = if is_reference {
        let details = of_registry(&args.image, platform, context)?;
        (args.image.clone(), details, Sharers::new())
    } else {
        of_workspace(&args.image, platform, context)?
    };
    let mut unpacked = details.layers.iter().map(|layer| layer.unpacked);
    let unpacked = unpacked.try_fold(0, |sum: u64, size| Some(sum.saturating_add(size?)));
    let nobody = Vec::new();
    let layers = details.layers.iter().map(|layer| LayerDocument {
        layer,
        shared: sharers.get(&layer.digest).unwrap_or(&nobody),
    });
    let layers: Vec<LayerDocument<'_>> = layers.collect();
    let common = layers.iter().filter(|layer| !layer.shared.is_empty());
    let shared = common.fold(0, |sum: u64, layer| sum.saturating_add(layer.layer.size));
    let document = Document {
        reference: &reference,
        digest: &details.digest,
        platform: &details.platform,
        size: details.size,
        unpacked,
        shared,
        config: &details.config,
        layers,
    };
    match args.format {
        Format::Json => print_json(&document)?,
        Format::Text => print_lines(&text(&document, context.screen.color_out))?,
    }
    Ok(exit::DONE)
}

fn of_registry(
    reference: &str,
    platform: Option<&str>,
    context: &Context,
) -> Result<Details, Failure> {
    let backends = session::backends(&context.folder, &context.env(), &Elsewhere::default());
    let subject = Subject::Registry(reference);
    // A signal ends the process.
    let cancel = Cancel::default();
    let mut found = backends.iter().filter_map(|backend| {
        let found = backend.inspect(subject, platform, &cancel)?;
        Some((backend, found))
    });
    match found.next() {
        Some((backend, Ok(mut details))) => {
            backend.measure(&mut details);
            Ok(details)
        }
        Some((_, Err(error))) => Err(Failure::usage(
            error.to_string(),
            "an image of the workspace is named by its id",
        )),
        None => Err(Failure::usage(
            "no builder reads images of registries".to_owned(),
            "`imgspec doctor` lists the builders",
        )),
    }
}

fn of_workspace(
    name: &str,
    platform: Option<&str>,
    context: &Context,
) -> Result<(String, Details, Sharers), Failure> {
    let session = context.open(None)?;
    session.verify_state()?;
    let ids = session.select(&Selection::of(&[name.to_owned()]))?;
    let Some(id) = ids.first().copied().filter(|_| ids.len() == 1) else {
        let message = format!("`{name}` names {} images", ids.len());
        return Err(Failure::usage(message, "name one"));
    };
    let graph = &session.world.graph;
    let (reference, mut details) = built(&session, id, platform)?;
    session.world.backends[id.index()].measure(&mut details);
    let mut sharers = Sharers::new();
    for other in graph.ids().filter(|other| *other != id) {
        // What is not built, or not by this builder, shares nothing that is known.
        if let Ok((_, details)) = built(&session, other, platform) {
            for layer in details.layers {
                let images = sharers.entry(layer.digest).or_default();
                if images.last().map(String::as_str) != Some(graph.name(other)) {
                    images.push(graph.name(other).to_owned());
                }
            }
        }
    }
    Ok((reference, details, sharers))
}

/// The last build of an image.
fn built(
    session: &Session,
    id: ImageId,
    platform: Option<&str>,
) -> Result<(String, Details), Failure> {
    let name = session.world.graph.name(id);
    let RecordState::Found(record) = session.store.read(name) else {
        return Err(Failure::usage(
            format!("`{name}` is not built"),
            "`imgspec graph build` builds it",
        ));
    };
    let backend = &session.world.backends[id.index()];
    let subject = Subject::Built(&record.artifact);
    match backend.inspect(subject, platform, &Cancel::default()) {
        Some(Ok(details)) => Ok((record.artifact.reference, details)),
        Some(Err(error)) => Err(Failure::usage(
            format!("`{name}` cannot be inspected: {error}"),
            "`imgspec graph build` builds it again if something of it is missing",
        )),
        None => Err(Failure::usage(
            format!(
                "`{name}` is built by `{}`, whose images `inspect` cannot read",
                backend.name()
            ),
            "`docker image inspect` and `docker history` show what Docker has; a pushed image is inspected by its reference",
        )),
    }
}

fn text(document: &Document<'_>, color: bool) -> String {
    let mut text = String::new();
    let mut line = |line: Line| text.push_str(&format!("{}\n", line.paint(color)));
    line(Line::of(Style::Bold, document.reference));
    line(Line::of(Style::Dim, document.digest));
    let layers = Count(document.layers.len(), "layer");
    let mut facts = vec![
        document.platform.to_owned(),
        layers.to_string(),
        format!("{} compressed", size(document.size)),
    ];
    facts.extend(document.unpacked.map(|it| format!("{} unpacked", size(it))));
    if document.shared > 0 {
        facts.push(format!("{} shared", size(document.shared)));
    }
    line(Line::of(Style::Plain, facts.join(", ")));
    line(Line::new());
    let settings = settings(document.config);
    let names = settings.iter().map(|(name, _)| name.len() + 1);
    let width = names.max().unwrap_or_default().max(11);
    for (name, value) in settings {
        line(
            Line::new()
                .column(Style::Plain, name, width)
                .add(Style::Plain, value),
        );
    }
    if !document.layers.is_empty() {
        line(
            Line::new()
                .column(Style::Dim, "compressed", 11)
                .column(Style::Dim, "unpacked", 11)
                .add(Style::Dim, "layer"),
        );
    }
    for LayerDocument { layer, shared } in &document.layers {
        let unpacked = layer.unpacked.map_or_else(|| "unknown".to_owned(), size);
        let hex = layer.digest.trim_start_matches("sha256:");
        line(
            Line::new()
                .column(Style::Plain, &size(layer.size), 11)
                .column(Style::Dim, &unpacked, 11)
                .add(Style::Dim, hex.get(..12).unwrap_or(hex))
                .add(Style::Plain, "  ")
                .add(Style::Plain, layer.made_by.as_deref().unwrap_or("unknown")),
        );
        if !shared.is_empty() {
            let words = format!("also in {}", shared.join(", "));
            line(
                Line::new()
                    .column(Style::Plain, "", 36)
                    .add(Style::Dim, words),
            );
        }
    }
    text
}

fn settings(config: &crate::backend::ConfigDetails) -> Vec<(&'static str, String)> {
    let words = |words: &Option<Vec<String>>| {
        let words = words.as_ref().filter(|words| !words.is_empty())?;
        serde_json::to_string(words).ok()
    };
    let some = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let mut settings = Vec::new();
    let mut add = |name, value: Option<String>| settings.extend(value.map(|value| (name, value)));
    add("entrypoint", words(&config.entrypoint));
    add("cmd", words(&config.cmd));
    add("user", some(&config.user));
    add("workdir", some(&config.workdir));
    for port in config.expose.iter().flatten() {
        add("expose", Some(port.clone()));
    }
    for path in config.volume.iter().flatten() {
        add("volume", Some(path.clone()));
    }
    let check = config.healthcheck.as_ref();
    add("healthcheck", check.map(ToString::to_string));
    add("stop-signal", some(&config.stop_signal));
    add("shell", words(&config.shell));
    for pair in config.env.iter().flatten() {
        add("env", Some(pair.clone()));
    }
    for (name, value) in config.labels.iter().flatten() {
        add("label", Some(format!("{name}={value}")));
    }
    settings
}
