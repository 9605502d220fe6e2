//! `clean`: removes what builds leave behind in the state directory and in builders' stores.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use clap::Args;

use super::context::Context;
use super::failure::{Failure, exit};
use super::notifier::Notifier;
use super::screen::eprint_text;
use crate::backend::{self, Cancel, CleanUp, Cleaned};
use crate::disk::system_words;
use crate::report::words::{Count, List};
use crate::session::Session;
use crate::store::LeftoverKind;
use crate::view::size;

#[derive(Args)]
pub(super) struct CleanArgs {
    /// Also forget all builds: remove all records and the index of file times
    #[arg(long)]
    all: bool,
    /// Remove from the embedded builder's store what was last used longer ago (such as 12h or 30d; default 90d)
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Option<Duration>,
    /// Remove from the embedded builder's store what was not used for the longest time, until it has at most this size
    /// (such as 500MB or 20GB)
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    max_size: Option<u64>,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: &CleanArgs, context: &Context) -> Result<u8, Failure> {
    let session = context.open(None)?;
    let known: BTreeSet<&str> = session
        .world
        .graph
        .ids()
        .map(|id| session.world.graph.name(id))
        .collect();
    let keep = if args.all { BTreeSet::new() } else { known };
    session.verify_state()?;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for leftover in session.store.leftovers(&keep).map_err(refused)? {
        let waiting = waiting(context);
        if args.dry_run || session.store.remove(&leftover, waiting).map_err(refused)? {
            *counts.entry(word(leftover.kind)).or_default() += 1;
        }
    }
    let cleaned = clean_builders(&session, args, context);
    counts.insert(LEFT_NAME, cleaned.names);
    counts.insert("image", cleaned.images);
    if !context.screen.quiet {
        eprint_text(&format!("{}\n", summary(&counts, cleaned, args.dry_run)));
    }
    Ok(exit::DONE)
}

/// Cleans the stores of all builders.
fn clean_builders(session: &Session, args: &CleanArgs, context: &Context) -> Cleaned {
    let wish = CleanUp {
        older_than: args.older_than,
        max_size: args.max_size,
        dry_run: args.dry_run,
    };
    let notifier = Notifier::new(context);
    let mut all = Cleaned::default();
    let mut unclean: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for backend in &session.known {
        match backend.clean(&wish, notifier.asker()) {
            Ok(cleaned) => all = all.and(cleaned),
            // What a builder cannot clean now does no harm until its next cleanup.
            Err(why) => unclean.entry(why).or_default().push(backend.name()),
        }
    }
    for (why, names) in unclean {
        let names = List(&names);
        notifier.warn(format!("could not clean the store of {names}: {why}"));
    }
    // Otherwise it is cleaned another time.
    if all.is_busy && wish != CleanUp::default() {
        notifier.warn("a builder's store was not cleaned: another run is using it".to_owned());
    }
    all
}

/// An age such as `12h` or `30d`.
fn age(text: &str) -> Result<Duration, String> {
    let units = [
        ("s", 1),
        ("m", 60),
        ("h", 3600),
        ("d", 86_400),
        ("w", 604_800),
    ];
    let seconds = measured(text, &units);
    seconds.map(Duration::from_secs).ok_or_else(|| {
        "write a number and a unit: `s`, `m`, `h`, `d` or `w`, as in `30d`".to_owned()
    })
}

/// A size such as `500MB` or `20GB`.
fn bytes(text: &str) -> Result<u64, String> {
    let units = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("kB", 1_000),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("B", 1),
    ];
    measured(text, &units).ok_or_else(|| {
        "write a number and a unit: `B`, `kB`, `MB`, `GB`, `TB`, `KiB`, `MiB`, `GiB` or `TiB`, as in `20GB`".to_owned()
    })
}

/// A whole number of one of these units.
fn measured(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let mut found = units.iter().filter_map(|(unit, worth)| {
        let number = text.trim().strip_suffix(unit)?.trim_end();
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| number.parse::<u64>().ok()?.checked_mul(*worth))
    });
    found.next().flatten()
}

/// The unit in which removed leftovers of killed runs in a builder's store are counted.
const LEFT_NAME: &str = "temporary image name";

fn word(kind: LeftoverKind) -> &'static str {
    match kind {
        LeftoverKind::Record => "record",
        LeftoverKind::Inputs => "input list",
        LeftoverKind::Context => "build context",
        LeftoverKind::Log => "log",
        LeftoverKind::Index => "index of file times",
        LeftoverKind::Unfinished => "unfinished file",
    }
}

/// Formats the counts as `removed 2 logs, 1 record, 12 blobs (1.25 GB)`.
fn summary(counts: &BTreeMap<&'static str, usize>, cleaned: Cleaned, is_dry: bool) -> String {
    let counts = counts.iter().filter(|(_, count)| **count > 0);
    let parts = counts.map(|(what, count)| Count(*count, what).to_string());
    let size = match cleaned.bytes {
        0 => String::new(),
        bytes => format!(" ({})", size(bytes)),
    };
    let blobs = Count(cleaned.blobs, "blob");
    let blobs = (cleaned.blobs > 0).then(|| format!("{blobs}{size}"));
    let parts: Vec<String> = parts.chain(blobs).collect();
    match (parts.is_empty(), is_dry) {
        (true, _) => "nothing to remove".to_owned(),
        (false, false) => format!("removed {}", parts.join(", ")),
        (false, true) => format!("would remove {}", parts.join(", ")),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
fn refused(error: io::Error) -> Failure {
    Failure::usage(
        system_words(&error),
        "check the owner and the permissions of the state directory",
    )
}

/// Returns a poll function that reports once, after a while, that another run is being waited for. It never breaks: an
/// interrupt simply ends the process.
fn waiting(context: &Context) -> impl FnMut() -> ControlFlow<()> {
    let is_quiet = context.screen.quiet;
    backend::waiting(&Cancel::default(), move || {
        if !is_quiet {
            eprint_text("waiting for another run that is writing its records\n");
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{age, bytes};
    use std::time::Duration;

    #[test]
    fn ages_and_sizes_are_numbers_with_units() {
        assert_eq!(age("30d"), Ok(Duration::from_hours(720)));
        assert_eq!(age("0s"), Ok(Duration::ZERO));
        assert_eq!(bytes("20GB"), Ok(20_000_000_000));
        assert_eq!(bytes("3 MiB"), Ok(3 << 20));
        assert_eq!(bytes("7B"), Ok(7));
        for wrong in ["", "d", "3", "-3d", "3.5d", "3 x", "99999999999999999999d"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "GB", "3", "-3GB", "99999999999999999TB"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
