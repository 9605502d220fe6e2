//! `doctor`: which builders are available, in which versions, what is missing and how to fix it.

use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::elsewhere::ElsewhereArgs;
use super::failure::{Failure, exit};
use super::notifier::Notifier;
use super::options::Format;
use super::screen::{print_json, print_lines};
use crate::asking::Asker;
use crate::backend::elsewhere::Elsewhere;
use crate::backend::{Availability, Backend};
use crate::check;
use crate::diagnostic::{Diagnostic, Sources};
use crate::report::line::{Line, Style};
use crate::report::words::{NAMED, first};
use crate::session::{self, Opening, Session};

#[derive(Args)]
pub(super) struct DoctorArgs {
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    #[command(flatten)]
    elsewhere: ElsewhereArgs,
}

#[derive(Default, Serialize)]
struct Finding {
    builder: String,
    images: Vec<Builds>,
    ready: bool,
    versions: Vec<(String, String)>,
    remarks: Vec<String>,
    why: Option<String>,
    mend: Option<String>,
}

/// An image of this workspace, and why the builder at hand builds it.
#[derive(Serialize)]
struct Builds {
    image: String,
    reason: &'static str,
}

pub(super) fn run(args: &DoctorArgs, context: &Context) -> Result<u8, Failure> {
    // A builder that is not the daemon needs no Docker on this machine as long as images are pushed.
    let elsewhere = Elsewhere {
        by: args.elsewhere.builders(context)?,
        pushes: true,
    };
    let session = session(context, &elsewhere);
    let mut backends = match &session {
        Some(session) => session.known.clone(),
        None => session::backends(&context.folder, &context.env(), &elsewhere),
    };
    backends.sort_by_key(|backend| std::cmp::Reverse(backend.priority()));
    let notifier = Notifier::new(context);
    let findings: Vec<Finding> = backends
        .iter()
        .map(|backend| Finding {
            images: images(session.as_ref(), backend.name()),
            ..finding(backend.as_ref(), notifier.asker())
        })
        .collect();
    let mut real = backends.iter().zip(&findings);
    let mut lack = lack(&findings);
    if !real.any(|(backend, finding)| backend.priority() > 0 && finding.ready) {
        lack = Some("No builder is ready, so no image can be built here yet.".to_owned());
    }
    match args.format {
        Format::Json => print_json(&findings)?,
        Format::Text => print_lines(&text(&findings, lack.as_deref(), context))?,
    }
    let state = state(context);
    context.screen.show(&state, &Sources::default());
    let can_build = lack.is_none() && !state.iter().any(Diagnostic::is_error);
    Ok(if can_build { exit::DONE } else { exit::FAILED })
}

/// Problems with the state directory of the workspace, if there is one.
fn state(context: &Context) -> Vec<Diagnostic> {
    let manifest = context.manifest().ok();
    let root = manifest.as_ref().and_then(|manifest| manifest.parent());
    root.map(check::state).unwrap_or_default()
}

/// The workspace, if there is one without errors; builders are looked up even without one.
fn session(context: &Context, elsewhere: &Elsewhere) -> Option<Session> {
    let manifest = context.manifest().ok()?;
    let opening = Opening {
        manifest: &manifest,
        overrides: &context.overrides,
        builder: None,
        elsewhere,
        env: &context.env(),
        trust: context.trust,
    };
    Session::open(&opening).ok()
}

/// The images that a builder builds, in manifest order.
fn images(session: Option<&Session>, builder: &str) -> Vec<Builds> {
    let Some(session) = session else {
        return Vec::new();
    };
    let ids = session.world.graph.ids();
    ids.filter(|id| session.world.backends[id.index()].name() == builder)
        .map(|id| Builds {
            image: session.world.graph.name(id).to_owned(),
            reason: session.builder_reason(id, None),
        })
        .collect()
}

fn finding(backend: &dyn Backend, asker: Asker<'_>) -> Finding {
    let found = Finding {
        builder: backend.name().to_owned(),
        ..Finding::default()
    };
    match backend.availability(asker) {
        Availability::Ready { versions, remarks } => Finding {
            ready: true,
            versions,
            remarks: remarks.into_iter().chain(backend.remarks()).collect(),
            ..found
        },
        Availability::Missing { why, mend } => Finding {
            why: Some(why),
            mend: Some(mend),
            ..found
        },
    }
}

/// What cannot be built here, because its builder is missing; `None` if everything can.
fn lack(findings: &[Finding]) -> Option<String> {
    let mut missing = findings.iter().filter(|finding| !finding.ready);
    let finding = missing.find(|finding| !finding.images.is_empty())?;
    let images = finding.images.iter().map(|one| format!("`{}`", one.image));
    let images = first(&images.collect::<Vec<_>>(), NAMED);
    Some(format!(
        "`{}` is not ready, so it cannot build {images} here yet.",
        finding.builder
    ))
}

/// The distinct reasons, in order of appearance.
fn reasons(images: &[Builds]) -> Vec<&'static str> {
    let mut reasons: Vec<&str> = Vec::new();
    for one in images {
        if !reasons.contains(&one.reason) {
            reasons.push(one.reason);
        }
    }
    reasons
}

fn text(findings: &[Finding], lack: Option<&str>, context: &Context) -> String {
    let mut text = format!("imgspec {}\n", env!("CARGO_PKG_VERSION"));
    for finding in findings {
        let (mark, style) = if finding.ready {
            ("ready", Style::Good)
        } else {
            ("missing", Style::Bad)
        };
        let head = Line::new()
            .add(Style::Bold, finding.builder.clone())
            .add(Style::Plain, "  ")
            .add(style, mark);
        text.push_str(&format!("\n{}\n", head.paint(context.screen.color_out)));
        for (part, version) in &finding.versions {
            text.push_str(&format!("  {part:12} {version}\n"));
        }
        for remark in &finding.remarks {
            text.push_str(&format!("  {remark}\n"));
        }
        for reason in reasons(&finding.images) {
            let images = finding.images.iter().filter(|one| one.reason == reason);
            let images: Vec<String> = images.map(|one| one.image.clone()).collect();
            let images = first(&images, NAMED);
            text.push_str(&format!("  builds {images} ({reason})\n"));
        }
        if let (Some(why), Some(mend)) = (&finding.why, &finding.mend) {
            text.push_str(&format!("  {why}\n  help: {mend}\n"));
        }
    }
    if let Some(lack) = lack {
        text.push_str(&format!("\n{lack}\n"));
    }
    text
}
