//! `lock`: pins outside images and packages in `imgspec.lock`.

use std::collections::BTreeSet;

use clap::Args;

use super::context::Context;
use super::failure::{Failure, exit};
use super::notifier::Notifier;
use super::screen::{eprint_text, print_lines};
use crate::lock::{Change, PackageChange, Renewal, Which};
use crate::report::words::Count;
use crate::session::{Session, remark};
use crate::workspace::{DebianField, LOCK_FILE, Locked};

/// Maximum number of attempts when other processes write the file at the same time.
const TRIES: usize = 5;

#[derive(Args)]
pub(super) struct LockArgs {
    /// Look up again what is locked: these bases, these packages, all of these images, or everything
    #[arg(long, value_name = "IMAGE|BASE|PACKAGE", num_args = 0..)]
    update: Option<Vec<String>>,
    /// List what the lock lacks or holds needlessly, without writing it; exit code 1 if there is anything
    #[arg(long, conflicts_with = "update")]
    check: bool,
    /// The builder for images that name none: docker, envd, oci, fake
    #[arg(long, value_name = "BUILDER")]
    builder: Option<String>,
}

pub(super) fn run(args: &LockArgs, context: &Context) -> Result<u8, Failure> {
    for _ in 0..TRIES {
        let session = context.open(args.builder.as_deref())?;
        if args.check {
            return check(&session);
        }
        let which = match &args.update {
            None => Which::Missing,
            Some(words) if words.is_empty() => Which::All,
            Some(words) => Which::These(session.chosen(words)?),
        };
        let notifier = Notifier::new(context);
        let renewal = session.renew_lock(&which, notifier.asker())?;
        if let Some(is_new) = session.write_lock(&renewal)? {
            tell(&session, &renewal, is_new, context, &notifier);
            return Ok(exit::DONE);
        }
    }
    Err(Failure::usage(
        format!("`{LOCK_FILE}` keeps being changed by other processes"),
        "run this again when they are done",
    ))
}

/// Reports warnings, changes and the resulting number of locked images.
fn tell(
    session: &Session,
    renewal: &Renewal,
    is_new: bool,
    context: &Context,
    notifier: &Notifier,
) {
    for (name, why) in &renewal.remarks {
        notifier.warn(remark(name, renewal, why));
    }
    let all = session.world.graph.ids().collect();
    for (image, words) in session.floating(&all).unread {
        notifier.warn(format!(
            "image `{image}`: `{words}` is resolved only during the build, so it cannot be locked"
        ));
    }
    for warning in &renewal.warnings {
        notifier.warn(warning.clone());
    }
    if context.screen.quiet {
        return;
    }
    for change in &renewal.changes {
        eprint_text(&format!("{}\n", words(change)));
    }
    for (image, count) in &renewal.debian {
        let count = Count(*count, "Debian package");
        eprint_text(&format!("added   {count} ({image})\n"));
    }
    for change in &renewal.packages {
        eprint_text(&format!("{}\n", package_words(change)));
    }
    let count = Count(renewal.lock.bases.len(), "image");
    let count = match renewal.lock.package_count() {
        0 => count.to_string(),
        packages => format!("{count} and {}", Count(packages, "package")),
    };
    let written = if is_new { "written" } else { "unchanged" };
    eprint_text(&format!("{LOCK_FILE}: {count} locked, {written}\n"));
}

fn words(change: &Change) -> String {
    let Change {
        name,
        before,
        after,
    } = change;
    let whole = |locked: &Locked| locked.image.text().to_owned();
    match (before, after) {
        (_, None) => format!("dropped {name}: no image uses it"),
        (Some(before), Some(after)) if before.image != after.image => {
            format!("moved   {name} {} -> {}", whole(before), whole(after))
        }
        (_, Some(after)) => {
            let platforms: Vec<&str> = after.platforms.keys().map(String::as_str).collect();
            format!("locked  {name} {} ({})", whole(after), platforms.join(", "))
        }
    }
}

fn package_words(change: &PackageChange) -> String {
    let PackageChange {
        image,
        name,
        before,
        after,
    } = change;
    let all = |versions: &BTreeSet<String>| {
        let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
        versions.join(", ")
    };
    let (before, after) = (all(before), all(after));
    match (before.as_str(), after.as_str()) {
        ("", after) => format!("added   {name} {after} ({image})"),
        (before, "") => format!("removed {name} {before} ({image})"),
        (before, after) if before == after => {
            format!("changed {name} {after} ({image}): other files")
        }
        (before, after) => format!("updated {name} {before} -> {after} ({image})"),
    }
}

/// Lists what the lock lacks and what it holds needlessly.
fn check(session: &Session) -> Result<u8, Failure> {
    let all = session.world.graph.ids().collect();
    let (needs, floating) = (session.needs(&all), session.floating(&all));
    let mut found = String::new();
    for (name, images) in &floating.images {
        found += &format!("{name} is not locked (of {})\n", images.join(", "));
    }
    for (image, words) in &floating.unread {
        found += &format!("{words} cannot be locked (of {image})\n");
    }
    let lock = session.world.workspace.lock.iter();
    for name in lock.flat_map(|lock| lock.bases.keys()) {
        if !needs.iter().any(|need| need.name == *name) {
            found += &format!("{name} is locked, but no image uses it\n");
        }
    }
    for image in &floating.packages {
        found += &format!(
            "the packages of {image} are not locked, or were locked for other requirements\n"
        );
    }
    let installing: BTreeSet<(&str, usize)> = session
        .package_needs()
        .iter()
        .map(|need| (need.image, need.step))
        .collect();
    let lock = session.world.workspace.lock.iter();
    for (image, steps) in lock.flat_map(|lock| &lock.packages) {
        if steps
            .keys()
            .any(|step| !installing.contains(&(image, *step)))
        {
            found +=
                &format!("packages of {image} are locked, but it installs none that need it\n");
        }
    }
    let installing: BTreeSet<(&str, DebianField)> = session
        .debian_needs()
        .iter()
        .map(|need| (need.image, need.of.field))
        .collect();
    let lock = session.world.workspace.lock.iter();
    for (image, fields) in lock.flat_map(|lock| &lock.debian) {
        let is_needed = |field: &DebianField| installing.contains(&(image, *field));
        if !fields.keys().all(is_needed) {
            found += &format!(
                "Debian packages of {image} are locked, but its builder installs none of them\n"
            );
        }
    }
    print_lines(&found)?;
    Ok(if found.is_empty() {
        exit::DONE
    } else {
        exit::FAILED
    })
}
