//! Where images of the builder `docker` are built: by the daemon's own `BuildKit`, by a builder of buildx, or by
//! `BuildKit`s that are spoken to directly.
//!
//! Plain data, read strictly from flags, variables and the manifest, in this order. Nothing is connected to.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::spec::rules::builder_instance;

/// Where images of the builder `docker` are built, and whether they leave at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Elsewhere {
    /// What builds them.
    pub by: Builders,
    /// Whether each image is pushed as soon as it is built. Builders that are not the daemon then bring it to its
    /// registry themselves, and the local Docker is not needed.
    pub pushes: bool,
}

/// What builds the images of the builder `docker`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Builders {
    /// What Docker's own commands would use: `BUILDX_BUILDER`, or buildx's current builder, or the daemon.
    #[default]
    Usual,
    /// The daemon itself.
    Daemon,
    /// A builder of `docker buildx create`.
    Instance {
        /// Its name.
        name: String,
        /// Who names it, for messages: a flag, a variable, or the manifest.
        by: &'static str,
    },
    /// `BuildKit`s that are spoken to directly.
    Pool(Pool),
}

/// `BuildKit`s that are spoken to directly, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Their addresses, each once, in the order in which they were named.
    pub addresses: Vec<Address>,
    /// How TCP connections are encrypted; `None` if they are not.
    pub tls: Option<Tls>,
    /// The most builds that each of them runs at once; `None` if only the run as a whole is limited.
    pub jobs: Option<u16>,
}

/// The address of a `BuildKit`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// A Unix socket, by an absolute path.
    Unix(PathBuf),
    /// A TCP port.
    Tcp {
        /// A name or an IP address, an IPv6 address without brackets.
        host: String,
        /// The port.
        port: u16,
    },
}

/// Files for encrypted connections, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The authorities that may vouch for a `BuildKit`; `None` means those that this machine trusts.
    pub ca: Option<PathBuf>,
    /// The certificate and the key by which this client is known.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// What the command line says about where to build.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flags {
    /// `--builder-instance`.
    pub instance: Option<String>,
    /// `--buildkit`, as often as it is given.
    pub buildkit: Vec<String>,
    /// `--buildkit-ca`.
    pub ca: Option<PathBuf>,
    /// `--buildkit-cert`.
    pub cert: Option<PathBuf>,
    /// `--buildkit-key`.
    pub key: Option<PathBuf>,
    /// `--buildkit-jobs`.
    pub jobs: Option<u16>,
}

/// What is said about where to build makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Wrong {
    /// What is wrong.
    pub what: String,
    /// How to fix it.
    pub mend: String,
}

impl Wrong {
    fn new(what: impl Into<String>, mend: impl Into<String>) -> Self {
        let (what, mend) = (what.into(), mend.into());
        Self { what, mend }
    }
}

type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// How an address is written.
const ADDRESS: &str = "write `tcp://HOST:PORT`, such as `tcp://builder:1234`, or `unix:///PATH`";

/// The way out of two ways of building.
const ONE: &str = "choose one of the two";

impl Elsewhere {
    /// The same, but if nothing was said about builders, with the one that the manifest names.
    #[must_use]
    pub fn or_instance(&self, name: Option<&str>) -> Self {
        Self {
            by: self.by.or_instance(name),
            pushes: self.pushes,
        }
    }
}

impl Builders {
    /// The variable that stands in for `--builder-instance`.
    pub const INSTANCE: &str = "IMGSPEC_BUILDER_INSTANCE";
    /// The variable that stands in for `--buildkit`: addresses, separated by commas or spaces.
    pub const BUILDKIT: &str = "IMGSPEC_BUILDKIT";
    /// The variable that stands in for `--buildkit-ca`.
    pub const CA: &str = "IMGSPEC_BUILDKIT_CA";
    /// The variable that stands in for `--buildkit-cert`.
    pub const CERT: &str = "IMGSPEC_BUILDKIT_CERT";
    /// The variable that stands in for `--buildkit-key`.
    pub const KEY: &str = "IMGSPEC_BUILDKIT_KEY";
    /// The variable that stands in for `--buildkit-jobs`.
    pub const JOBS: &str = "IMGSPEC_BUILDKIT_JOBS";

    /// Reads flags, and variables for those that were not given. A flag that names builders takes precedence over all variables
    /// that do.
    ///
    /// # Errors
    ///
    /// Fails if two kinds of builders are named, or a value is invalid.
    pub fn read(flags: &Flags, env: Env<'_>) -> Result<Self, Wrong> {
        let env = |name: &str| env(name).filter(|value| !value.trim().is_empty());
        match (&flags.instance, flags.buildkit.as_slice()) {
            (Some(_), [_, ..]) => {
                let what = "`--builder-instance` and `--buildkit` both say where to build";
                return Err(Wrong::new(what, ONE));
            }
            (Some(name), []) => return Self::instance(name, "`--builder-instance`", flags),
            (None, [_, ..]) => {
                let each = flags.buildkit.iter().map(String::as_str);
                return Self::pool(each, "`--buildkit`", flags, &env);
            }
            (None, []) => {}
        }
        match (env(Self::INSTANCE), env(Self::BUILDKIT)) {
            (Some(_), Some(_)) => {
                let (one, other) = (Self::INSTANCE, Self::BUILDKIT);
                let what = format!("`{one}` and `{other}` both say where to build");
                Err(Wrong::new(what, ONE))
            }
            (Some(name), None) => Self::instance(name.trim(), "`IMGSPEC_BUILDER_INSTANCE`", flags),
            (None, Some(all)) => {
                let each = all.split([',', ' ', '\t', '\n']);
                let each = each.filter(|one| !one.is_empty());
                Self::pool(each, "`IMGSPEC_BUILDKIT`", flags, &env)
            }
            (None, None) => {
                without_tls(flags)?;
                Ok(Self::Usual)
            }
        }
    }

    fn instance(name: &str, by: &'static str, flags: &Flags) -> Result<Self, Wrong> {
        without_tls(flags)?;
        if let Err(refused) = builder_instance(name) {
            let what = format!("{by} is `{name}`, which is not a builder of buildx");
            let mend = format!("{}; `docker buildx ls` lists them", refused.why);
            return Err(Wrong::new(what, mend));
        }
        let name = name.to_owned();
        Ok(Self::Instance { name, by })
    }

    fn pool<'a>(
        each: impl Iterator<Item = &'a str>,
        by: &str,
        flags: &Flags,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Wrong> {
        let mut addresses: Vec<Address> = Vec::new();
        for text in each {
            let address = Address::read(text).map_err(|why| {
                let what = format!("{by} is `{text}`, which is not the address of a BuildKit");
                Wrong::new(what, format!("{why}: {ADDRESS}"))
            })?;
            if addresses.contains(&address) {
                let what = format!("{by} names `{address}` twice");
                return Err(Wrong::new(what, "name each BuildKit once"));
            }
            addresses.push(address);
        }
        if addresses.is_empty() {
            let what = format!("{by} names no BuildKit");
            return Err(Wrong::new(what, ADDRESS));
        }
        let is_tcp = |address: &Address| matches!(address, Address::Tcp { .. });
        if flags.is_encrypted() && !addresses.iter().any(is_tcp) {
            let what = "certificates are for TCP addresses, and there is none";
            return Err(Wrong::new(
                what,
                "name a `tcp://` address, or no certificates",
            ));
        }
        let tls = Tls::read(flags, env)?;
        let jobs = match flags.jobs {
            None => jobs(env)?,
            jobs => jobs,
        };
        Ok(Self::Pool(Pool {
            addresses,
            tls,
            jobs,
        }))
    }

    fn or_instance(&self, name: Option<&str>) -> Self {
        match (self, name) {
            (Self::Usual, Some(name)) => Self::Instance {
                name: name.to_owned(),
                by: "`builder-instance` in the manifest",
            },
            _ => self.clone(),
        }
    }
}

impl Flags {
    fn is_encrypted(&self) -> bool {
        [&self.ca, &self.cert, &self.key]
            .iter()
            .any(|file| file.is_some())
    }
}

/// The most builds of each `BuildKit`, according to the variable.
fn jobs(env: &dyn Fn(&str) -> Option<String>) -> Result<Option<u16>, Wrong> {
    let Some(text) = env(Builders::JOBS) else {
        return Ok(None);
    };
    match text.trim().parse() {
        Ok(jobs) if jobs > 0 => Ok(Some(jobs)),
        _ => {
            let what = format!(
                "`{}` is `{text}`, which is not a number of builds",
                Builders::JOBS
            );
            Err(Wrong::new(what, "write a number from 1 to 65535"))
        }
    }
}

fn without_tls(flags: &Flags) -> Result<(), Wrong> {
    if flags.jobs.is_some() {
        let what = "`--buildkit-jobs` limits each `--buildkit`, and there is none";
        return Err(Wrong::new(
            what,
            "name the BuildKits: `--buildkit tcp://HOST:PORT`; `--jobs` limits the run",
        ));
    }
    if !flags.is_encrypted() {
        return Ok(());
    }
    let what = "certificates are given, but no `--buildkit` to use them with";
    let mend = "name the BuildKit: `--buildkit tcp://HOST:PORT`; a builder of buildx has its own certificates";
    Err(Wrong::new(what, mend))
}

impl Tls {
    fn read(flags: &Flags, env: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>, Wrong> {
        let file =
            |flag: &Option<PathBuf>, name: &str| flag.clone().or_else(|| Some(env(name)?.into()));
        let ca = file(&flags.ca, Builders::CA);
        let cert = file(&flags.cert, Builders::CERT);
        let key = file(&flags.key, Builders::KEY);
        let client = match (cert, key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            (Some(_), None) => {
                let what = "there is a certificate of the client for BuildKit, but no key";
                return Err(Wrong::new(
                    what,
                    "name the key's file: `--buildkit-key FILE`",
                ));
            }
            (None, Some(_)) => {
                let what = "there is a key of the client for BuildKit, but no certificate";
                return Err(Wrong::new(
                    what,
                    "name the certificate's file: `--buildkit-cert FILE`",
                ));
            }
        };
        let is_used = ca.is_some() || client.is_some();
        Ok(is_used.then_some(Self { ca, client }))
    }

    /// Lets relative paths start at this directory.
    pub fn start_at(&mut self, folder: &Path) {
        let client = self.client.iter_mut().flat_map(|(cert, key)| [cert, key]);
        for file in self.ca.iter_mut().chain(client) {
            *file = folder.join(&*file);
        }
    }
}

impl Address {
    /// Reads `tcp://HOST:PORT` or `unix:///PATH`; the error is the reason why it is neither.
    fn read(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix://") {
            let is_path = path.starts_with('/') && path.len() > 1 && !path.contains(['\0', '\n']);
            let why = "a socket has an absolute path";
            return is_path
                .then(|| Self::Unix(path.into()))
                .ok_or_else(|| why.to_owned());
        }
        let Some(rest) = text.strip_prefix("tcp://") else {
            return Err("it starts with neither `tcp://` nor `unix://`".to_owned());
        };
        let Some((host, port)) = rest
            .rsplit_once(':')
            .filter(|(_, port)| !port.ends_with(']'))
        else {
            return Err("it has no port".to_owned());
        };
        let is_digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port
            .parse::<u16>()
            .ok()
            .filter(|port| is_digits && *port > 0);
        let port = port.ok_or("its port is not a number from 1 to 65535")?;
        let inner = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let is_host = match inner {
            Some(inner) => inner.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()),
            None => is_name(host),
        };
        if !is_host {
            return Err(format!("`{host}` is neither a name nor an IP address"));
        }
        let host = inner.unwrap_or(host).to_ascii_lowercase();
        Ok(Self::Tcp { host, port })
    }
}

/// Whether this is the name of a host, or an IPv4 address.
fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(is_word)
            && !label.starts_with('-')
    };
    host.len() <= 253 && host.split('.').all(is_label)
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(out, "unix://{}", path.display()),
            Self::Tcp { host, port } if host.contains(':') => write!(out, "tcp://[{host}]:{port}"),
            Self::Tcp { host, port } => write!(out, "tcp://{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests;
