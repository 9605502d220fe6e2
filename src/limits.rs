//! How long anything outside of this program is waited for: said here, set by variables of the environment, used by all
//! who ask.

use std::fmt;
use std::time::Duration;

/// The shortest and the longest time that a variable may set.
const RANGE: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_hours(24);

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For a connection.
    pub connect: Duration,
    /// For an answer, once there is a connection.
    pub answer: Duration,
    /// For any sign of life while something long goes on: a build, a push.
    pub idle: Duration,
    /// For the end of everything, once it was asked for.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            answer: Duration::from_secs(10),
            idle: Duration::from_mins(1),
            grace: Duration::from_secs(10),
        }
    }
}

/// A variable that says no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is `{value}`, which is not a time that can be waited")]
pub struct NoTime {
    /// The variable.
    pub name: &'static str,
    /// What it says.
    pub value: String,
}

impl NoTime {
    /// What to do.
    pub const MEND: &'static str =
        "write a time between 10ms and 24 hours, such as `30s`, `0.5s` or `500ms`";
}

impl Limits {
    /// What sets the limit of a connection.
    pub const CONNECT: &'static str = "IMGSPEC_CONNECT_TIMEOUT";
    /// What sets the limit of an answer.
    pub const ANSWER: &'static str = "IMGSPEC_ANSWER_TIMEOUT";
    /// What sets the limit of silence.
    pub const IDLE: &'static str = "IMGSPEC_IDLE_TIMEOUT";
    /// What sets the grace.
    pub const GRACE: &'static str = "IMGSPEC_GRACE";

    /// The limits that these variables set; what is not set, or empty, is as usual.
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
        })
    }

    /// For a connection.
    pub fn connect(&self) -> Limit {
        Limit::set_by(Self::CONNECT, self.connect)
    }

    /// For an answer.
    pub fn answer(&self) -> Limit {
        Limit::set_by(Self::ANSWER, self.answer)
    }

    /// For any sign of life.
    pub fn idle(&self) -> Limit {
        Limit::set_by(Self::IDLE, self.idle)
    }
}

/// How long one thing is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// How long.
    pub time: Duration,
    /// The variable that sets it, if one does.
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

/// `80ms`, `0.5s`, `2`.
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

/// `10 s`, `0.5 s`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span(pub(crate) Duration);

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} s", self.0.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
