//! Health checks, as plain data with builder methods.
//!
//! Times and counts are kept as they are written, like every value of a spec; `spec/rules/runtime.rs` reads them.

/// How running containers are checked. What is not set is the container engine's choice; nothing is inherited from a base.
///
/// ```
/// use imgspec::{ImageSpec, spec::Healthcheck};
///
/// let check = Healthcheck::program(["curl", "-f", "http://localhost/"]).interval("30s").retries("3");
/// let spec = ImageSpec::new("serve").with_healthcheck(check);
/// assert!(spec.healthcheck.is_some());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Healthcheck {
    /// What is run.
    pub test: HealthTest,
    /// The time between two checks, such as `30s` or `1m30s`.
    pub interval: Option<String>,
    /// The time after which a check counts as failed.
    pub timeout: Option<String>,
    /// The time that a container has to start, in which failed checks do not count.
    pub start_period: Option<String>,
    /// The time between two checks while a container starts.
    pub start_interval: Option<String>,
    /// How many checks must fail in a row.
    pub retries: Option<String>,
}

/// What a health check runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthTest {
    /// Nothing: containers are not checked, whatever the base says.
    Off,
    /// A command line, run by the image's shell.
    CommandLine(String),
    /// A program with its arguments.
    Program(Vec<String>),
}

impl Healthcheck {
    /// No check, whatever the base says.
    pub fn off() -> Self {
        Self::of(HealthTest::Off)
    }

    /// A check by a command line, which the image's shell runs.
    pub fn command_line(line: impl Into<String>) -> Self {
        Self::of(HealthTest::CommandLine(line.into()))
    }

    /// A check by a program with its arguments, which no shell runs.
    pub fn program<T: Into<String>>(words: impl IntoIterator<Item = T>) -> Self {
        let words = words.into_iter().map(Into::into);
        Self::of(HealthTest::Program(words.collect()))
    }

    pub(crate) fn of(test: HealthTest) -> Self {
        Self {
            test,
            interval: None,
            timeout: None,
            start_period: None,
            start_interval: None,
            retries: None,
        }
    }

    /// Sets the time between two checks, such as `30s`.
    pub fn interval(mut self, time: impl Into<String>) -> Self {
        self.interval = Some(time.into());
        self
    }

    /// Sets the time after which a check counts as failed.
    pub fn timeout(mut self, time: impl Into<String>) -> Self {
        self.timeout = Some(time.into());
        self
    }

    /// Sets the time that a container has to start.
    pub fn start_period(mut self, time: impl Into<String>) -> Self {
        self.start_period = Some(time.into());
        self
    }

    /// Sets the time between two checks while a container starts.
    pub fn start_interval(mut self, time: impl Into<String>) -> Self {
        self.start_interval = Some(time.into());
        self
    }

    /// Sets how many checks must fail in a row.
    pub fn retries(mut self, count: impl Into<String>) -> Self {
        self.retries = Some(count.into());
        self
    }

    /// The times and the count that are set, by the names that they have in a manifest.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let all = [
            ("interval", &self.interval),
            ("timeout", &self.timeout),
            ("start-period", &self.start_period),
            ("start-interval", &self.start_interval),
            ("retries", &self.retries),
        ];
        all.into_iter()
            .filter_map(|(name, value)| Some((name, value.as_ref()?)))
    }
}
