//! Rules for what containers start with: ports, volumes, signals, and the times of health checks; each with the function that reads
//! what its rule accepts.
//!
//! What is accepted is what Docker accepts, in Docker's notation, so that every builder writes the same config.

use std::time::Duration;

use super::refused::{Refused, halves, refuse, refuse_for, refuse_if, require};
use super::values::{absolute, line};
use crate::suggest::closest;

/// How many ports one range may have: each is an entry of the image's config.
const RANGE_LIMIT: u16 = 1000;

const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];

/// One port or a range of them, and their protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ports {
    pub first: u16,
    pub last: u16,
    pub protocol: &'static str,
}

/// Ports that containers listen on: `8080`, `53/udp` or `8000-8010`.
pub(crate) fn ports(value: &str) -> Result<(), Refused> {
    read_ports(value).map(drop)
}

/// Reads ports; without a protocol they are TCP's.
pub(crate) fn read_ports(value: &str) -> Result<Ports, Refused> {
    line(value)?;
    let (numbers, protocol) = halves(value, '/');
    let protocol = protocol.unwrap_or("tcp");
    let Some(protocol) = PROTOCOLS.into_iter().find(|known| *known == protocol) else {
        let meant = closest(&protocol.to_lowercase(), PROTOCOLS);
        let fix = meant.map(|meant| format!("{numbers}/{meant}"));
        let refused = Refused::new("the protocols are `tcp`, `udp` and `sctp`");
        let fix = fix.filter(|fix| ports(fix).is_ok());
        return Err(Refused { fix, ..refused });
    };
    refuse_if(
        numbers.contains(':'),
        "an image says which ports containers listen on; where they are published is said when a container starts",
    )?;
    let (first, last) = halves(numbers, '-');
    let first = port(first)?;
    let last = last.map_or(Ok(first), port)?;
    refuse_if(last < first, "the range ends before it begins")?;
    if last - first >= RANGE_LIMIT {
        return refuse(format!("a range has at most {RANGE_LIMIT} ports"));
    }
    Ok(Ports {
        first,
        last,
        protocol,
    })
}

fn port(text: &str) -> Result<u16, Refused> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|port| *port > 0 && is_number);
    port.ok_or_else(|| Refused::new("a port is a number from 1 to 65535"))
}

impl Ports {
    /// The ports in Docker's notation, with the protocol.
    pub(crate) fn words(self) -> String {
        let Self {
            first,
            last,
            protocol,
        } = self;
        if first == last {
            format!("{first}/{protocol}")
        } else {
            format!("{first}-{last}/{protocol}")
        }
    }

    /// Each port in Docker's notation.
    pub(crate) fn each(self) -> impl Iterator<Item = String> {
        (self.first..=self.last).map(move |port| format!("{port}/{}", self.protocol))
    }
}

/// The mount point of a volume.
pub(crate) fn volume(value: &str) -> Result<(), Refused> {
    absolute(value)?;
    let mut parts = value.split('/');
    let why = "it cannot contain `.` or `..`";
    require(!parts.any(|part| matches!(part, "." | "..")), why)?;
    let why = "the whole file system cannot be a volume";
    require(!value.trim_matches('/').is_empty(), why)
}

/// One word of the shell that runs command lines.
pub(crate) fn shell_word(value: &str) -> Result<(), Refused> {
    line(value)
}

/// Signals of Linux, without `SIG`.
const SIGNALS: &[&str] = &[
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL",
    "PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP",
    "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
];

/// The signal that asks a container to stop: a name, with or without `SIG`, or a number.
pub(crate) fn stop_signal(value: &str) -> Result<(), Refused> {
    line(value)?;
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: Option<u8> = value.parse().ok();
        let is_signal = number.is_some_and(|number| (1..=64).contains(&number));
        return require(is_signal, "signals have the numbers 1 to 64");
    }
    let name = value.strip_prefix("SIG").unwrap_or(value);
    if SIGNALS.contains(&name) || is_real_time(name) {
        return Ok(());
    }
    let upper = value.to_ascii_uppercase();
    let upper = upper.strip_prefix("SIG").unwrap_or(&upper);
    match closest(upper, SIGNALS.iter().copied()) {
        Some(meant) => refuse_for(format!("did you mean `SIG{meant}`?"), format!("SIG{meant}")),
        None => refuse("it is not a signal of Linux, such as `SIGTERM`, `SIGINT` or `SIGRTMIN+3`"),
    }
}

/// `RTMIN+n` or `RTMAX-n`, as Docker has them.
fn is_real_time(name: &str) -> bool {
    let below = |text: Option<&str>, limit: u8| {
        let digits = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let number = digits.and_then(|text| text.parse::<u8>().ok());
        number.is_some_and(|number| (1..=limit).contains(&number))
    };
    below(name.strip_prefix("RTMIN+"), 15) || below(name.strip_prefix("RTMAX-"), 14)
}

/// The command line of a health check. It is one line of a Dockerfile, where nothing can be quoted.
pub(crate) fn health_line(value: &str) -> Result<(), Refused> {
    line(value)?;
    let why = "it cannot begin or end with a space";
    require(value.trim() == value, why)?;
    let is_list = serde_json::from_str::<Vec<serde_json::Value>>(value).is_ok();
    refuse_if(
        is_list,
        "this is a Dockerfile's list: write the program and its arguments as values, one after another",
    )?;
    let why = "a command line cannot end with a backslash";
    require(!value.ends_with('\\'), why)
}

/// A time in Go's notation, as in a Dockerfile: `30s`, `1m30s`, `500ms`.
pub(crate) fn health_time(value: &str) -> Result<(), Refused> {
    read_time(value).map(drop)
}

/// Units of time, in nanoseconds; of two that begin alike, the longer first.
const UNITS: [(&str, u64); 6] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads a time: numbers with units.
pub(crate) fn read_time(value: &str) -> Result<Duration, Refused> {
    line(value)?;
    let unreadable =
        || Refused::new("a time is a number with a unit, such as `30s`, `500ms` or `1m30s`");
    let mut nanoseconds: u64 = 0;
    let mut rest = value;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, after) = rest.split_at(end.ok_or_else(unreadable)?);
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.');
        let (unit, after) = after.split_at(end.unwrap_or(after.len()));
        let (_, unit) = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(unreadable)?;
        let part = times(number, *unit).ok_or_else(unreadable)?;
        nanoseconds = nanoseconds.saturating_add(part);
        rest = after;
    }
    let why = "it must be between `1ms` and 24 hours";
    require((1_000_000..=86_400_000_000_000).contains(&nanoseconds), why)?;
    Ok(Duration::from_nanos(nanoseconds))
}

/// A decimal number of units, in whole nanoseconds; `None` if it is not such a number.
fn times(number: &str, unit: u64) -> Option<u64> {
    let (whole, part) = halves(number, '.');
    let part = part.unwrap_or_default();
    if whole.is_empty() || whole.len() > 12 || part.len() > 9 || part.contains('.') {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(part.len()).ok()?);
    let digits: u128 = format!("{whole}{part}").parse().ok()?;
    let nanoseconds = digits * u128::from(unit) / scale;
    Some(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

/// How many checks must fail in a row.
pub(crate) fn health_retries(value: &str) -> Result<(), Refused> {
    read_retries(value).map(drop)
}

/// Reads the number of checks that must fail in a row.
pub(crate) fn read_retries(value: &str) -> Result<u32, Refused> {
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
    let count = value.parse().ok();
    let count = count.filter(|count| is_number && (1..=1_000_000).contains(count));
    count.ok_or_else(|| Refused::new("it must be a whole number from 1 to 1000000"))
}
