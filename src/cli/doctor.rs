//! `doctor`: which builders are there, which versions, what is missing and what to do.

use clap::Args;
use serde::Serialize;

use super::{Context, Failure, Format, env, exit, print_json, print_text};
use crate::backend::Availability;
use crate::report::line::{Line, Style};
use crate::session;

#[derive(Args)]
pub(super) struct DoctorArgs {
    /// How to print it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

#[derive(Serialize)]
struct Finding {
    builder: String,
    ready: bool,
    versions: Vec<(String, String)>,
    remarks: Vec<String>,
    why: Option<String>,
    mend: Option<String>,
}

pub(super) fn run(args: &DoctorArgs, context: &Context) -> Result<u8, Failure> {
    let mut backends = session::backends(&context.folder, &env);
    backends.sort_by_key(|backend| std::cmp::Reverse(backend.priority()));
    let findings: Vec<Finding> = backends
        .iter()
        .map(|backend| finding(backend.name().to_owned(), backend.availability()))
        .collect();
    let is_ready = backends
        .iter()
        .zip(&findings)
        .any(|(backend, finding)| backend.priority() > 0 && finding.ready);
    match args.format {
        Format::Json => print_json(&findings)?,
        Format::Text => print_text(&text(&findings, is_ready, context))?,
    }
    Ok(if is_ready { exit::DONE } else { exit::FAILED })
}

fn finding(builder: String, availability: Availability) -> Finding {
    match availability {
        Availability::Ready { versions, remarks } => Finding {
            builder,
            ready: true,
            versions,
            remarks,
            why: None,
            mend: None,
        },
        Availability::Missing { why, mend } => Finding {
            builder,
            ready: false,
            versions: Vec::new(),
            remarks: Vec::new(),
            why: Some(why),
            mend: Some(mend),
        },
    }
}

fn text(findings: &[Finding], is_ready: bool, context: &Context) -> String {
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
        if let (Some(why), Some(mend)) = (&finding.why, &finding.mend) {
            text.push_str(&format!("  {why}\n  to mend it: {mend}\n"));
        }
    }
    if !is_ready {
        text.push_str("\nNothing here can build an image yet.\n");
    }
    text
}
