//! `graph build`: builds what changed, bases first, in parallel.

use clap::Args;

use super::account::Files;
use super::affected::ImageArgs;
use super::artifacts::{self, Exporter, Output};
use super::choice::{Choice, How};
use super::context::Context;
use super::failure::{Failure, exit};
use super::load::Loader;
use super::notifier::Notifier;
use super::page::{self, PageArgs};
use super::plan;
use crate::plan::Plan;
use crate::report::{self, Declared};
use crate::run::{Event, Mailbox, Options, Push, Summary};
use crate::session::{Planned, Session};

#[derive(Args)]
pub(super) struct BuildArgs {
    #[command(flatten)]
    images: ImageArgs,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    page: PageArgs,
    /// Build each image in one of several runs that push to the same registry: claim it there, and wait for images that others have
    /// claimed
    #[arg(long, requires = "push")]
    claim: bool,
    /// Only show what would be done; same as `graph plan`
    #[arg(long)]
    dry_run: bool,
    /// Write the selected images, which the builder `oci` must build: an OCI layout (`oci:DIR`), or an archive that `docker load`
    /// takes (`tar:FILE`, `tar:-`)
    #[arg(long, value_name = "WHERE", value_parser = artifacts::place)]
    output: Option<Output>,
    /// Bring the selected images into the local Docker, or into Podman where no Docker answers; only layers that it lacks are sent
    #[arg(long)]
    load: bool,
    #[command(flatten)]
    files: Files,
}

impl BuildArgs {
    fn options(&self) -> Result<Options, Failure> {
        if self.claim && self.choice.push() == Push::AllOrNothing {
            return Err(Failure::usage(
                "`--claim` makes others wait for images, which `--push=all-or-nothing` holds back",
                "use `--push`, which pushes each image as soon as it is built",
            ));
        }
        Ok(Options {
            claim: self.claim,
            ..self.how.options(&self.choice)
        })
    }

    /// Plans what is selected, and affected if only that is asked for.
    fn planned(
        &self,
        session: &Session,
        notifier: &Notifier,
        context: &Context,
    ) -> Result<Planned, Failure> {
        let chosen = self.images.choose(session, notifier, context)?;
        chosen.tell(context);
        self.choice.plan(session, &chosen.images, notifier)
    }
}

pub(super) fn run(args: &BuildArgs, context: &Context) -> Result<u8, Failure> {
    if args.dry_run {
        return plan::dry(&args.choice, &args.images, &args.files.summary, context);
    }
    let options = args.options()?;
    let notifier = Notifier::new(context);
    let mut account = args.files.account(context, &notifier)?;
    let elsewhere = args.choice.elsewhere(context)?;
    let session = context.open_elsewhere(args.choice.builder.as_deref(), &elsewhere)?;
    let planned = args.planned(&session, &notifier, context)?;
    let exporter = args.output.as_ref();
    let exporter = exporter.map(|output| Exporter::new(output, &session, &planned, context));
    let exporter = exporter.transpose()?;
    let loader = args.load.then(|| Loader::new(&session, &planned));
    let loader = loader.transpose()?;
    session.verify_allowed(&planned.plan)?;
    session.ready(&planned.plan, notifier.asker())?;
    args.choice.tell_doubts(&session, &planned, &notifier);
    let settings = settings(context, &session, &planned.plan);
    let mut screen = report::reporter_of(settings, declared(&session, &planned.plan));
    // Up to here nothing has been started, so a signal may simply end the process.
    let mailbox = Mailbox::default();
    let scene = || page::scene_of(&session, &planned);
    let root = &session.world.workspace.root;
    let page = args.page.serve(context, scene, None, root)?;
    account.begin(scene);
    let mut tell = |event: &Event| {
        screen.event(event);
        account.hear(event);
        if let Some(page) = &page {
            page.hear(event);
        }
    };
    if let Some(page) = &page {
        let url = page.url().to_owned();
        tell(&Event::PageServed { url });
    }
    let interrupter = mailbox.interrupter();
    context.signals.ask_first(move || interrupter.interrupt());
    let summary = session.run(planned, options, mailbox, &mut tell)?;
    screen.finish();
    args.page.wait(page.as_ref());
    drop(page);
    let code = code(&summary, context);
    let mut failures = account.write(&summary);
    if let Some(exporter) = exporter.filter(|_| code == exit::DONE) {
        failures.extend(exporter.write(&summary, context).err());
    }
    if let Some(loader) = loader.filter(|_| code == exit::DONE) {
        failures.extend(loader.load(&summary, &notifier, context).err());
    }
    // A build failure matters more than a file that is missing, so it sets the exit code.
    let last = failures.pop_if(|_| code == exit::DONE);
    for failure in failures {
        context.screen.tell(failure);
    }
    last.map_or(Ok(code), Err)
}

fn code(summary: &Summary, context: &Context) -> u8 {
    if summary.interrupted {
        context.signals.code()
    } else if summary.failed.is_empty() {
        exit::DONE
    } else {
        exit::FAILED
    }
}

fn settings(context: &Context, session: &Session, plan: &Plan) -> report::Settings {
    // A prediction needs a recorded time for every build.
    let is_timed = plan.builds().all(|image| image.seconds.is_some());
    report::Settings {
        predicted: is_timed.then(|| plan.critical_path(&session.world.graph).1),
        widest: report::widest(
            plan.builds()
                .map(|image| session.world.graph.name(image.id)),
        ),
        ..context.screen.settings()
    }
}

/// Where the images that are built are declared.
fn declared(session: &Session, plan: &Plan) -> Declared {
    let world = &session.world;
    let place = |id| Some((world.graph.name(id).to_owned(), world.place(id, "")?));
    Declared {
        folder: world.workspace.root.clone(),
        places: plan
            .images
            .iter()
            .filter_map(|image| place(image.id))
            .collect(),
    }
}
