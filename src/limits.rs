//! How long to wait for anything outside this process: defined here, set through environment variables, used by every
//! caller.

use std::fmt;
use std::time::Duration;

/// The range of times that a variable may set.
const RANGE: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_hours(24);

/// The time limits for everything outside this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// To establish a connection.
    pub connect: Duration,
    /// For an answer, once connected.
    pub answer: Duration,
    /// Without any sign of life during a long operation, such as a build or a push.
    pub idle: Duration,
    /// For running processes to stop after a cancel.
    pub grace: Duration,
    /// For which a run's claim on an image lasts unless it is renewed.
    pub claim: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            answer: Duration::from_secs(10),
            idle: Duration::from_mins(1),
            grace: Duration::from_secs(10),
            claim: Duration::from_secs(30),
        }
    }
}

/// An environment variable whose value is not a valid time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is `{value}`, which is not a valid timeout")]
pub struct NoTime {
    /// The name of the variable.
    pub name: &'static str,
    /// The value it has.
    pub value: String,
}

impl NoTime {
    /// The help text: how to write a valid time.
    pub const MEND: &'static str =
        "write a time between 10ms and 24 hours, such as `30s`, `0.5s` or `500ms`";
}

impl Limits {
    /// The variable that sets [`Limits::connect`].
    pub const CONNECT: &'static str = "IMGSPEC_CONNECT_TIMEOUT";
    /// The variable that sets [`Limits::answer`].
    pub const ANSWER: &'static str = "IMGSPEC_ANSWER_TIMEOUT";
    /// The variable that sets [`Limits::idle`].
    pub const IDLE: &'static str = "IMGSPEC_IDLE_TIMEOUT";
    /// The variable that sets [`Limits::grace`].
    pub const GRACE: &'static str = "IMGSPEC_GRACE";
    /// The variable that sets [`Limits::claim`].
    pub const CLAIM: &'static str = "IMGSPEC_CLAIM_TIMEOUT";

    /// Reads the limits from environment variables; unset or empty ones keep their defaults.
    pub fn read(env: &dyn Fn(&str) -> Option<String>) -> Result<Self, NoTime> {
        let usual = Self::default();
        let read = |name: &'static str, usual: Duration| match env(name) {
            Some(value) if !value.trim().is_empty() => time(&value)
                .filter(|time| RANGE.contains(time))
                .ok_or(NoTime { name, value }),
            _ => Ok(usual),
        };
        Ok(Self {
            connect: read(Self::CONNECT, usual.connect)?,
            answer: read(Self::ANSWER, usual.answer)?,
            idle: read(Self::IDLE, usual.idle)?,
            grace: read(Self::GRACE, usual.grace)?,
            claim: read(Self::CLAIM, usual.claim)?,
        })
    }

    /// The limit for a connection, with its variable.
    pub fn connect(&self) -> Limit {
        Limit::set_by(Self::CONNECT, self.connect)
    }

    /// The limit for an answer, with its variable.
    pub fn answer(&self) -> Limit {
        Limit::set_by(Self::ANSWER, self.answer)
    }

    /// The limit for silence, with its variable.
    pub fn idle(&self) -> Limit {
        Limit::set_by(Self::IDLE, self.idle)
    }
}

/// A time limit, together with the variable that sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The longest time to wait.
    pub time: Duration,
    /// The variable that sets it, if there is one.
    pub setting: Option<&'static str>,
}

impl Limit {
    fn set_by(variable: &'static str, time: Duration) -> Self {
        let setting = Some(variable);
        Self { time, setting }
    }
}

impl From<Duration> for Limit {
    fn from(time: Duration) -> Self {
        let setting = None;
        Self { time, setting }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", Span(self.time))?;
        let mut setting = self.setting.iter();
        setting.try_for_each(|name| write!(out, " ({name} sets the time)"))
    }
}

/// Parses a time such as `80ms`, `0.5s` or `2` (seconds).
pub(crate) fn time(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 0.001),
        (None, Some(number)) => (number, 1.0),
        (None, None) => (text, 1.0),
    };
    let number: f64 = number.trim().parse().ok()?;
    Duration::try_from_secs_f64(number * unit).ok()
}

/// Displays a duration in seconds, or in whole hours: `10 s`, `0.5 s`, `24 h`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span(pub(crate) Duration);

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HOUR: u64 = 3600;
        let seconds = self.0.as_secs();
        if seconds >= HOUR && self.0 == Duration::from_hours(seconds / HOUR) {
            return write!(out, "{} h", seconds / HOUR);
        }
        write!(out, "{} s", self.0.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short_to_read() {
        let span = |millis| Span(Duration::from_millis(millis)).to_string();
        assert_eq!(
            [500, 10_000, 5_400_000].map(span),
            ["0.5 s", "10 s", "5400 s"]
        );
        assert_eq!([3_600_000, 86_400_000].map(span), ["1 h", "24 h"]);
    }

    #[test]
    fn limits_are_set_by_variables_and_nothing_else_is_taken_for_a_time() {
        let read = |set: &[(&str, &str)]| {
            let find = |name: &str| set.iter().find(|(known, _)| *known == name);
            Limits::read(&|name| find(name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(read(&[]), Ok(Limits::default()));
        let set = [
            (Limits::ANSWER, "500ms"),
            (Limits::IDLE, " 2 "),
            (Limits::GRACE, ""),
        ];
        let limits = read(&set).unwrap();
        assert_eq!(limits.answer, Duration::from_millis(500));
        assert_eq!(limits.idle, Duration::from_secs(2));
        assert_eq!(limits.grace, Limits::default().grace);
        for bad in ["ten", "0", "-1", "1h", "nan", "inf", "1e9", "5ms", "s"] {
            let wrong = read(&[(Limits::CONNECT, bad)]).unwrap_err();
            assert_eq!((wrong.name, wrong.value.as_str()), (Limits::CONNECT, bad));
        }
    }
}
