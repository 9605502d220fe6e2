//! Queries to the daemon through the `docker` command, and the daemon's address.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;

use super::endpoint::Endpoint;
use super::engine::{self, NoEngine};
use super::{BY_PROGRAMS, Daemon, RECORDS, round};
use crate::asking::Asker;
use crate::backend::Memory;
use crate::backend::oci::registry::{self, Access};
use crate::cancel::Cancel;
use crate::process::{self, Exit, Output, Patience, Stream};

impl Daemon {
    /// Whether the daemon is on a Unix socket and direct access is not disabled.
    pub(super) fn may_be_direct(&self, endpoint: &Endpoint) -> bool {
        let is_forbidden = self.variable(BY_PROGRAMS).is_some_and(|value| value == "1");
        !is_forbidden && endpoint.socket().is_some()
    }

    pub(super) fn endpoint(&self) -> Result<Endpoint, NoEngine> {
        let said = |name: &str| match self.raw(name).map(OsString::into_string) {
            None => Ok(None),
            Some(Ok(text)) => Ok(Some(text)),
            Some(Err(_)) => Err(format!("`{name}` is not UTF-8 text")),
        };
        let found = said("DOCKER_HOST").and_then(|host| {
            Endpoint::find(
                host,
                said("DOCKER_CONTEXT")?,
                self.configuration().as_deref(),
            )
        });
        found.map_err(|why| NoEngine::nowhere(&why))
    }

    pub(super) fn whom(&self) -> String {
        let endpoint = self.endpoint();
        endpoint.map_or_else(|_| "the Docker daemon".to_owned(), |found| found.words())
    }

    /// The daemon's address for `DOCKER_HOST`; `None` if only Docker's own context can name it.
    pub(crate) fn address(&self) -> Option<String> {
        let is_said = self
            .variable("DOCKER_HOST")
            .is_some_and(|host| !host.is_empty());
        let found = self.endpoint().ok();
        let found = found.filter(|found| is_said || found.socket().is_some());
        found.map(|found| found.host)
    }

    pub(crate) fn registries(&self) -> Access {
        Access {
            limits: self.limits,
            configuration: self.configuration(),
            registries: registry::places(&|name| self.raw(name).map(PathBuf::from)),
            connections: self.connections.clone(),
        }
    }

    /// What registries remember of builds, unless that is switched off.
    pub(crate) fn memory(&self) -> Option<Memory> {
        let is_off = self.variable(RECORDS).is_some_and(|value| value == "0");
        (!is_off).then(|| Memory::new(self.registries()))
    }

    pub(crate) fn configuration(&self) -> Option<PathBuf> {
        let said = |name: &str| self.raw(name).filter(|value| !value.is_empty());
        match said("DOCKER_CONFIG") {
            Some(folder) => Some(PathBuf::from(folder)),
            None => Some(PathBuf::from(said("HOME")?).join(".docker")),
        }
    }

    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.raw(name)?.into_string().ok()
    }

    pub(super) fn raw(&self, name: &str) -> Option<OsString> {
        let mut own = self.environment.iter().rev();
        match own.find(|(set, _)| set == name) {
            Some((_, value)) => Some(value.clone()),
            None => std::env::var_os(name),
        }
    }

    pub(super) fn ask(&self, arguments: &[&str], asker: Asker<'_>) -> io::Result<Output> {
        let question = asker.ask(self.whom(), self.limits.answer());
        let said = process::ask(self.docker()?.args(arguments), &question);
        self.note(&said);
        said
    }

    pub(super) fn listen(
        &self,
        arguments: &[&str],
        cancel: &Cancel,
        hear: impl FnMut(Stream, &str),
    ) -> io::Result<Exit> {
        self.follow(self.docker()?.args(arguments), cancel, hear)
    }

    /// Runs a command that makes the daemon do something long, for as long as the daemon is alive.
    pub(crate) fn follow(
        &self,
        command: &mut Command,
        cancel: &Cancel,
        hear: impl FnMut(Stream, &str),
    ) -> io::Result<Exit> {
        let exit = self.run(command, cancel, &|| &[], hear);
        self.note(&exit);
        exit
    }

    /// Runs a command for as long as the daemon, and the registries it currently uses, are alive.
    pub(super) fn run<'h>(
        &self,
        command: &mut Command,
        cancel: &Cancel,
        registries: &dyn Fn() -> &'h [String],
        hear: impl FnMut(Stream, &str),
    ) -> io::Result<Exit> {
        let hope = || self.check_alive(registries(), cancel);
        self.run_while(&hope, command, cancel, hear)
    }

    /// Runs a command; whenever it is silent for long, there must be hope.
    pub(super) fn run_while(
        &self,
        hope: &dyn Fn() -> Result<(), String>,
        command: &mut Command,
        cancel: &Cancel,
        hear: impl FnMut(Stream, &str),
    ) -> io::Result<Exit> {
        let patience = Patience {
            limits: &self.limits,
            cancel,
            hope: Some(hope),
        };
        process::run(command, patience, hear)
    }

    pub(super) fn lives(&self, asker: Asker<'_>) -> Result<(), String> {
        let endpoint = self.endpoint().map_err(|none| none.why)?;
        if self.may_be_direct(&endpoint) {
            return round::lives(&endpoint, &self.limits, asker).map_err(|none| none.why);
        }
        let answer = self.ask(&["version", "--format", "{{.Server.Version}}"], asker);
        let why = match answer {
            Ok(said) if said.success => return Ok(()),
            Ok(said) => engine::last_line(&said.err, "it reports nothing").to_owned(),
            Err(error) => error.to_string(),
        };
        Err(NoEngine::no_daemon(&endpoint.words(), &why).why)
    }

    /// Checks on behalf of a silent command that the daemon answers, and each of the registries it uses.
    pub(super) fn check_alive(&self, registries: &[String], cancel: &Cancel) -> Result<(), String> {
        self.lives(Asker::silent().or(cancel))?;
        self.check_registries(registries)
    }

    /// Checks that none of these registries accepts connections without answering.
    pub(super) fn check_registries(&self, registries: &[String]) -> Result<(), String> {
        let access = self.registries();
        let mut registries = registries.iter();
        let silent = registries.find(|host| registry::is_silent(host, &access));
        silent.map_or(Ok(()), |host| Err(registry::silent_words(host, &access)))
    }

    fn note<T>(&self, answer: &io::Result<T>) {
        let is_lost = |error: &io::Error| error.kind() == io::ErrorKind::TimedOut;
        let is_lost = answer.as_ref().is_err_and(is_lost);
        self.is_lost.store(is_lost, Ordering::Relaxed);
    }

    pub(super) fn docker(&self) -> io::Result<Command> {
        let program = self.program.as_ref().ok_or(io::ErrorKind::NotFound)?;
        Ok(self.command(program))
    }

    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.envs(self.environment.iter().cloned());
        command
    }
}
