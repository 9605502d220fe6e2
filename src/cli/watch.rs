//! `watch`: builds what is stale, then waits for files to change and builds what they affect.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::choice::{Choice, How};
use super::context::Context;
use super::failure::{Failure, exit};
use super::metadata;
use super::notifier::Notifier;
use super::options;
use super::page::{PageArgs, scene};
use crate::limits;
use crate::plan::Plan;
use crate::report;
use crate::run::{Event, Mailbox, Options};
use crate::session::{self, Opening, Refusal};
use crate::ui::Ui;
use crate::watch::{self, Audience, Request, Start};
use crate::world::View;

#[derive(Args)]
pub(super) struct WatchArgs {
    #[command(flatten)]
    selection: options::Selection,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    how: How,
    /// Look at changes after this long without further ones: `80ms`, `0.5s`
    #[arg(long, value_name = "TIME", default_value = "80ms", overrides_with = "quiet_period", value_parser = span)]
    quiet_period: Duration,
    /// Check all files every so many seconds (2), where the system reports no changes
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", require_equals = true, value_parser = seconds)]
    poll: Option<Duration>,
    /// Run this shell command after each successful wave of builds
    #[arg(long, value_name = "COMMAND")]
    on_success: Option<String>,
    /// Run this shell command after each wave of builds with a failure
    #[arg(long, value_name = "COMMAND")]
    on_failure: Option<String>,
    #[command(flatten)]
    page: PageArgs,
    /// Give the page buttons that rebuild and pause
    #[arg(long, requires = "ui")]
    ui_control: bool,
    #[arg(long, hide = true)]
    once_then_exit: bool,
    /// Write a JSON object like that of `graph build` to this file after each wave
    #[arg(long, value_name = "FILE")]
    metadata_file: Option<PathBuf>,
}

pub(super) fn run(args: WatchArgs, context: &Context) -> Result<u8, Failure> {
    if args.once_then_exit {
        return Err(Failure::usage(
            "`watch` runs until you stop it",
            "`imgspec graph build` builds once and exits",
        ));
    }
    let options = args.how.options(&args.choice);
    let request = request(&args, options, context)?;
    let start = start(&args, &request, context)?;
    let settings = report::Settings {
        keys: request.keys,
        ..context.screen.settings()
    };
    let mut screen = report::reporter(settings);
    // Up to here nothing has been started, so a signal may simply end the process.
    let mailbox = Mailbox::default();
    let page = serve(&args, context, &start, &mailbox)?;
    let mut tell = |event: &Event| {
        screen.event(event);
        if let Some(page) = &page {
            page.hear(event);
        }
    };
    if let Some(page) = &page {
        let url = page.url().to_owned();
        tell(&Event::PageServed { url });
    }
    let root = start.root().to_owned();
    let signals = mailbox.interrupter();
    let again = signals.clone();
    context.signals.on_continued(move || again.continued());
    context.signals.ask_first(move || signals.interrupt());
    let file = args.metadata_file.map(|file| context.folder.join(file));
    let mut unwritten = None;
    watch::watch(
        request,
        start,
        mailbox,
        Audience {
            event: &mut tell,
            wave: &mut |summary| {
                if let Some(file) = &file {
                    unwritten = metadata::write(file, summary).err();
                }
            },
            view: &mut |view, plan| {
                if let Some(page) = &page {
                    page.show(scene(&root, Some(view), plan));
                }
            },
        },
    )?;
    screen.finish();
    match unwritten {
        Some(failure) => Err(failure),
        None => Ok(exit::DONE),
    }
}

fn serve(
    args: &WatchArgs,
    context: &Context,
    start: &Start,
    mailbox: &Mailbox,
) -> Result<Option<Ui>, Failure> {
    let first = || match start {
        Start::Sound(session, planned) => {
            let (world, prints) = (Arc::clone(&session.world), session.prints.clone());
            let view = Arc::new(View::new(world, prints, planned.asked.clone()));
            scene(start.root(), Some(&view), &planned.plan)
        }
        Start::Broken(_) => scene(start.root(), None, &Plan::default()),
    };
    let remote = args.ui_control.then(|| mailbox.remote());
    args.page.serve(context, first, remote, start.root())
}

fn request(args: &WatchArgs, options: Options, context: &Context) -> Result<Request, Failure> {
    let manifest = context.manifest()?;
    let root = manifest.parent().unwrap_or(Path::new("."));
    Ok(Request {
        selection: context.selection(root, &args.selection.images),
        manifest,
        overrides: context.overrides.clone(),
        builder: args.choice.builder.clone(),
        elsewhere: args.choice.elsewhere(context)?,
        env: Box::new(context.env()),
        judgement: args.choice.judgement(),
        no_bases: args.choice.no_bases,
        is_locked: args.choice.locked,
        options,
        quiet: args.quiet_period,
        poll: args.poll,
        on_success: args.on_success.clone(),
        on_failure: args.on_failure.clone(),
        keys: context.screen.is_live(),
    })
}

/// Opens and plans the workspace. Errors in manifests do not prevent a watch, since they can be fixed while it waits;
/// errors that no edit can fix do.
fn start(args: &WatchArgs, request: &Request, context: &Context) -> Result<Start, Failure> {
    let opening = Opening {
        manifest: &request.manifest,
        overrides: &request.overrides,
        builder: request.builder.as_deref(),
        elsewhere: &request.elsewhere,
        env: &context.env(),
        trust: context.trust,
    };
    let session = match session::examine(&opening, None) {
        Ok(session) => session,
        Err(wrong) if wrong.workspace.root.as_os_str().is_empty() => {
            return Err(Refusal::from(wrong).into());
        }
        Err(wrong) => return Ok(Start::Broken(wrong)),
    };
    if !context.screen.quiet {
        context.warn(&session);
    }
    let notifier = Notifier::new(context);
    context.tell_selection(&session, &request.selection);
    let asked = session.select(&request.selection)?;
    let planned = args.choice.plan(&session, &asked, &notifier)?;
    session.verify_allowed(&planned.plan)?;
    let missing = session.missing_backends(&planned.plan, notifier.asker());
    if let Some((why, mend)) = missing.into_iter().next() {
        return Err(Failure::usage(why, mend));
    }
    args.choice.tell_doubts(&session, &planned, &notifier);
    Ok(Start::Sound(Box::new(session), planned))
}

/// Parses a time such as `80ms`, `0.5s` or `2` (seconds).
fn span(text: &str) -> Result<Duration, String> {
    let span = limits::time(text).filter(|span| *span <= Duration::from_mins(1));
    span.ok_or_else(|| "write a time between 0 and 60 s, such as `80ms` or `0.5s`".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| "write a number of seconds".to_owned())?;
    let span = Duration::try_from_secs_f64(number)
        .ok()
        .filter(|span| (Duration::from_millis(10)..=Duration::from_hours(1)).contains(span));
    span.ok_or_else(|| "write a number of seconds between 0.01 and 3600".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_units() {
        assert_eq!(span("80ms"), Ok(Duration::from_millis(80)));
        assert_eq!(span("0.5s"), Ok(Duration::from_millis(500)));
        assert_eq!(span("2"), Ok(Duration::from_secs(2)));
        for bad in ["", "ms", "-1s", "1h", "nan", "inf", "61s"] {
            assert!(span(bad).is_err(), "{bad}");
        }
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["", "0", "-1", "nan", "1e9"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
