//! `pull`: brings images from their registries.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use super::affected::ImageArgs;
use super::context::Context;
use super::failure::{Failure, exit};
use super::notifier::Notifier;
use super::options::Format;
use super::screen::{print_json, print_lines};
use crate::graph::ImageId;
use crate::report;
use crate::report::words::Count;
use crate::run::{Event, Options};
use crate::session::{PullState, Session};

#[derive(Args)]
pub(super) struct PullArgs {
    #[command(flatten)]
    images: ImageArgs,
    /// The builder for images that name none: docker, envd, oci, fake; images go where it builds
    #[arg(long, value_name = "BUILDER")]
    builder: Option<String>,
    /// Pull only if every outside image is pinned, in `imgspec.lock` or by a digest in the manifest
    #[arg(long)]
    locked: bool,
    /// Pull at most this many images at once [default: twice the number of processors, at least 8]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

#[derive(Serialize)]
struct ImageDocument<'a> {
    image: &'a str,
    reference: String,
    state: &'static str,
    seconds: Option<f64>,
    why: Option<&'a str>,
}

pub(super) fn run(args: &PullArgs, context: &Context) -> Result<u8, Failure> {
    let session = context.open(args.builder.as_deref())?;
    session.verify_state()?;
    let notifier = Notifier::new(context);
    let chosen = args.images.choose(&session, &notifier, context)?;
    chosen.tell(context);
    let asked = chosen.images;
    if args.locked {
        session.verify_locked(&asked)?;
    }
    let cancel = context.signals.cancel();
    let jobs = args.jobs.map_or(Options::default().jobs, usize::from);
    let mut screen = report::reporter(context.screen.settings());
    let mut tell = |event: &Event| screen.event(event);
    let by = (&cancel, notifier.asker().or(&cancel));
    let pulled = session.pull(&asked, jobs, by, &mut tell)?;
    screen.finish();
    match args.format {
        Format::Json => print_json(&documents(&session, &pulled))?,
        Format::Text => print_lines(&text(&session, &pulled))?,
    }
    let is = |wanted: fn(&PullState) -> bool| pulled.iter().any(|(_, state)| wanted(state));
    Ok(if is(|state| *state == PullState::Cancelled) {
        context.signals.code()
    } else if is(|state| matches!(state, PullState::Failed(_) | PullState::Unknown(_))) {
        exit::FAILED
    } else {
        exit::DONE
    })
}

fn documents<'a>(
    session: &'a Session,
    pulled: &'a [(ImageId, PullState)],
) -> Vec<ImageDocument<'a>> {
    let document = |(id, state): &'a (ImageId, PullState)| {
        let (state, seconds, why) = match state {
            PullState::Present => ("present", None, None),
            PullState::Pulled(seconds) => ("pulled", Some(*seconds), None),
            PullState::Absent => ("absent", None, None),
            PullState::NoRegistry => ("no-registry", None, None),
            PullState::Unknown(why) => ("unknown", None, Some(why.as_str())),
            PullState::Failed(why) => ("failed", None, Some(why.as_str())),
            PullState::Cancelled => ("cancelled", None, None),
        };
        ImageDocument {
            image: session.world.graph.name(*id),
            reference: session.reference(*id),
            state,
            seconds,
            why,
        }
    };
    pulled.iter().map(document).collect()
}

/// What is not here, each with its reason, and the numbers.
fn text(session: &Session, pulled: &[(ImageId, PullState)]) -> String {
    let name = |id: &ImageId| session.world.graph.name(*id);
    let mut text = String::new();
    let mut unknown: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let (mut brought, mut present) = (0, 0);
    for (id, state) in pulled {
        let why = match state {
            PullState::Pulled(_) => {
                brought += 1;
                continue;
            }
            PullState::Present => {
                present += 1;
                continue;
            }
            PullState::Unknown(why) => {
                unknown.entry(why).or_default().push(name(id));
                continue;
            }
            PullState::Absent => "not in its registry as it is now; `graph build` builds it",
            PullState::NoRegistry => "has no `registry`",
            PullState::Failed(_) => "failed",
            PullState::Cancelled => "cancelled",
        };
        text.push_str(&format!("{}: {why}\n", name(id)));
    }
    for (why, images) in unknown {
        let images = images.join(", ");
        text.push_str(&format!(
            "{images}: could not determine whether it exists: {why}\n"
        ));
    }
    let rest = pulled.len() - brought - present;
    text.push_str(&format!(
        "{} pulled, {present} already here, {rest} not\n",
        Count(brought, "image")
    ));
    text
}
