//! Runs the commands of `--on-success` and `--on-failure`, one at a time, next to the watch.
//!
//! The hook of a later wave stops the one still running (its process group gets TERM, then KILL), so a hook may be a
//! server that is to be restarted. What the stopped hook was given is passed on to the next.

use std::io::{Seek, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::done::Done;
use crate::process::{self, Group, Pipe, Started, read_lines};
use crate::run::Event;

/// How long a hook may take to exit after TERM.
const GRACE: Duration = Duration::from_secs(5);

/// How long to wait for the last lines of a hook that has exited.
const LINGER: Duration = Duration::from_millis(200);

/// The longest value of a variable, in bytes: no program is started with one of 128 KiB.
const LONGEST: usize = 100_000;

#[derive(Debug, Clone, Default)]
pub(super) struct Commands {
    pub(super) on_success: Option<String>,
    pub(super) on_failure: Option<String>,
    pub(super) root: PathBuf,
}

enum Order {
    Run(Done),
    Ended(ExitStatus),
    Quit,
}

/// The hooks of a watch; dropping this stops them.
pub(super) struct Hooks {
    orders: Sender<Order>,
    thread: Option<JoinHandle<()>>,
}

type Emit = Arc<dyn Fn(Event) + Send + Sync>;

impl Hooks {
    pub(super) fn new(commands: Commands, emit: Emit) -> Self {
        let (orders, heard) = channel();
        let own = orders.clone();
        let thread = std::thread::spawn(move || {
            let mut runner = Runner {
                commands,
                emit,
                orders: own,
                running: None,
                next: None,
            };
            runner.run(&heard);
        });
        Self {
            orders,
            thread: Some(thread),
        }
    }

    /// Queues the hook for the end of a wave; never blocks.
    pub(super) fn run(&self, done: Done) {
        let _ = self.orders.send(Order::Run(done));
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::Quit);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Runner {
    commands: Commands,
    emit: Emit,
    orders: Sender<Order>,
    running: Option<Running>,
    next: Option<Done>,
}

struct Running {
    done: Done,
    group: Group,
    started: Instant,
    /// When it was sent TERM, and whether it was sent KILL.
    asked: Option<(Instant, bool)>,
}

impl Runner {
    fn run(&mut self, heard: &Receiver<Order>) {
        let mut quits = false;
        while !(quits && self.running.is_none()) {
            match self.hear(heard) {
                Ok(Order::Run(done)) => self.take_up(done),
                Ok(Order::Ended(status)) => self.ended(status),
                Ok(Order::Quit) => {
                    quits = true;
                    self.next = None;
                    self.stop();
                }
                Err(RecvTimeoutError::Timeout) => self.stop(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn hear(&self, heard: &Receiver<Order>) -> Result<Order, RecvTimeoutError> {
        match self.running.as_ref().and_then(|running| running.asked) {
            Some((at, false)) => {
                heard.recv_timeout((at + GRACE).saturating_duration_since(Instant::now()))
            }
            _ => heard.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    fn take_up(&mut self, mut done: Done) {
        if self.command(&done).is_none() {
            return;
        }
        if let Some(before) = self.next.take() {
            done.add(before);
        }
        self.next = Some(done);
        if self.running.is_some() {
            self.stop();
        } else {
            self.start();
        }
    }

    fn command(&self, done: &Done) -> Option<&str> {
        if done.failed.is_empty() {
            self.commands.on_success.as_deref()
        } else {
            self.commands.on_failure.as_deref()
        }
    }

    fn start(&mut self) {
        let Some(done) = self.next.take() else { return };
        let hook = done.name();
        let Some(command) = self.command(&done) else {
            return;
        };
        let lists = lists(&done);
        let spawned = spawn(command, &self.commands.root, &done, &lists);
        (self.emit)(Event::HookStarted {
            hook: hook.to_owned(),
        });
        for (name, _) in lists.iter().filter(|(_, list)| list.is_none()) {
            (self.emit)(Event::HookLog {
                hook: hook.to_owned(),
                line: format!(
                    "{name} is not set: its value would be too long; standard input has it"
                ),
            });
        }
        let mut started = match spawned {
            Ok(started) => started,
            Err(error) => {
                return (self.emit)(Event::HookEnded {
                    hook: hook.to_owned(),
                    error: Some(format!("cannot be started: {error}")),
                    seconds: 0.0,
                });
            }
        };
        let closed = self.pass_on(hook, &mut started);
        self.running = Some(Running {
            done,
            group: started.group,
            started: Instant::now(),
            asked: None,
        });
        let orders = self.orders.clone();
        std::thread::spawn(move || {
            if let Ok(status) = started.wait() {
                // Report the last lines before the end, but not forever: a process left behind may hold the pipes
                // open.
                let _ = closed.recv_timeout(LINGER);
                let _ = orders.send(Order::Ended(status));
            }
        });
    }

    /// Reports the lines of a hook; the channel is closed after the last one.
    fn pass_on(&self, hook: &'static str, started: &mut Started) -> Receiver<()> {
        let pipes: [Option<Pipe>; 2] = [
            started.child.stdout.take().map(|pipe| Box::new(pipe) as _),
            started.child.stderr.take().map(|pipe| Box::new(pipe) as _),
        ];
        let (open, closed) = channel::<()>();
        for pipe in pipes.into_iter().flatten() {
            let (emit, open) = (Arc::clone(&self.emit), open.clone());
            std::thread::spawn(move || {
                read_lines(pipe, |line| {
                    let hook = hook.to_owned();
                    emit(Event::HookLog { hook, line });
                    true
                });
                drop(open);
            });
        }
        closed
    }

    fn ended(&mut self, status: ExitStatus) {
        let Some(running) = self.running.take() else {
            return;
        };
        // Processes it left behind are killed only if the hook was stopped.
        if running.asked.is_some() {
            running.group.send(Signal::KILL);
        }
        let error = match running.asked {
            Some(_) => Some("stopped".to_owned()),
            None => words(status),
        };
        (self.emit)(Event::HookEnded {
            hook: running.done.name().to_owned(),
            error,
            seconds: running.started.elapsed().as_secs_f64(),
        });
        if let Some(next) = &mut self.next
            && running.asked.is_some()
        {
            next.add(running.done);
        }
        self.start();
    }

    /// Sends TERM to the running hook, and KILL once the grace period is over.
    fn stop(&mut self) {
        let Some(running) = &mut self.running else {
            return;
        };
        let signal = match running.asked {
            None => {
                running.asked = Some((Instant::now(), false));
                Signal::TERM
            }
            Some((at, false)) if at.elapsed() >= GRACE => {
                running.asked = Some((at, true));
                Signal::KILL
            }
            Some(_) => return,
        };
        running.group.send(signal);
    }
}

/// A list for a hook, by variable; `None` if it is too long for one.
type List = (&'static str, Option<String>);

fn lists(done: &Done) -> [List; 2] {
    let built = done.built.iter().map(|image| image.reference.as_str());
    let failed = done.failed.iter().map(String::as_str);
    let list = |words: Vec<&str>| Some(words.join(" ")).filter(|list| list.len() <= LONGEST);
    [
        ("IMGSPEC_BUILT", list(built.collect())),
        ("IMGSPEC_FAILED", list(failed.collect())),
    ]
}

fn spawn(command: &str, root: &Path, done: &Done, lists: &[List]) -> std::io::Result<Started> {
    // An unnamed file: with a pipe, a hook that does not read would block.
    let mut input = tempfile::tempfile()?;
    serde_json::to_writer(&mut input, done)?;
    input.write_all(b"\n")?;
    input.rewind()?;
    let mut hook = Command::new("sh");
    hook.args(["-c", command])
        .current_dir(root)
        .env("IMGSPEC_WAVE", done.wave.to_string())
        .stdin(Stdio::from(input));
    for (name, list) in lists {
        match list {
            Some(list) => hook.env(name, list),
            None => hook.env_remove(name),
        };
    }
    // Hooks are the user's own commands and may need the whole environment.
    process::start(process::keep_all(&mut hook))
}

fn words(status: ExitStatus) -> Option<String> {
    match (status.code(), status.signal()) {
        (Some(0), _) => None,
        (Some(code), _) => Some(format!("exited with code {code}")),
        (None, signal) => Some(format!("killed by signal {}", signal.unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::done::Image;

    fn done(wave: usize, built: &[&str], failed: &[&str]) -> Done {
        Done {
            wave,
            built: built
                .iter()
                .map(|image| Image {
                    image: (*image).to_owned(),
                    reference: format!("{image}:1"),
                    digest: "sha256:0".to_owned(),
                })
                .collect(),
            fresh: Vec::new(),
            failed: failed.iter().map(|image| (*image).to_owned()).collect(),
            waiting: Vec::new(),
        }
    }

    fn hooks(success: &str, failure: &str) -> (Hooks, Receiver<Event>, tempfile::TempDir) {
        let root = tempfile::tempdir().unwrap();
        let (sender, receiver) = channel();
        let commands = Commands {
            on_success: Some(success.to_owned()),
            on_failure: Some(failure.to_owned()),
            root: root.path().to_owned(),
        };
        let hooks = Hooks::new(commands, Arc::new(move |event| drop(sender.send(event))));
        (hooks, receiver, root)
    }

    fn lines_until_end(events: &Receiver<Event>) -> (Vec<String>, Option<String>) {
        let mut lines = Vec::new();
        loop {
            match events.recv_timeout(Duration::from_secs(20)).unwrap() {
                Event::HookLog { line, .. } => lines.push(line),
                Event::HookEnded { error, .. } => {
                    // Lines may arrive just after the end.
                    while let Ok(Event::HookLog { line, .. }) =
                        events.recv_timeout(Duration::from_millis(200))
                    {
                        lines.push(line);
                    }
                    return (lines, error);
                }
                _ => {}
            }
        }
    }

    #[test]
    fn a_hook_is_told_what_was_built_in_its_environment_and_as_json() {
        let (hooks, events, _root) = hooks(
            "echo $IMGSPEC_WAVE $IMGSPEC_BUILT; cat",
            "echo failed $IMGSPEC_FAILED; exit 3",
        );
        hooks.run(done(4, &["a", "b"], &[]));
        let (lines, error) = lines_until_end(&events);
        assert_eq!(error, None);
        assert_eq!(lines[0], "4 a:1 b:1");
        let input: serde_json::Value = serde_json::from_str(&lines[1]).unwrap();
        assert_eq!(input["built"][1]["reference"], "b:1");
        hooks.run(done(5, &[], &["c"]));
        assert_eq!(
            lines_until_end(&events),
            (
                vec!["failed c".to_owned()],
                Some("exited with code 3".to_owned())
            )
        );
    }

    /// With a longer variable the system did not start it.
    #[test]
    fn a_hook_after_very_many_builds_has_them_on_standard_input_only() {
        let names: Vec<String> = (0..20_000).map(|at| format!("image-{at}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (hooks, events, _root) = hooks(
            "echo ${IMGSPEC_BUILT-none} [$IMGSPEC_FAILED]; grep -o 'image-19999:1'",
            "",
        );
        hooks.run(done(1, &names, &[]));
        let (lines, error) = lines_until_end(&events);
        assert_eq!(error, None);
        let said = "IMGSPEC_BUILT is not set: its value would be too long; standard input has it";
        assert_eq!(lines, [said, "none []", "image-19999:1"]);
    }

    #[test]
    fn the_next_wave_stops_a_running_hook_and_hears_of_what_it_was_told() {
        let (hooks, events, _root) = hooks(
            "echo $IMGSPEC_BUILT; [ $IMGSPEC_WAVE = 2 ] || sleep 60 & wait",
            "",
        );
        hooks.run(done(1, &["a", "b"], &[]));
        while !matches!(
            events.recv_timeout(Duration::from_secs(20)).unwrap(),
            Event::HookLog { .. }
        ) {}
        let start = Instant::now();
        hooks.run(done(2, &["b"], &[]));
        assert_eq!(lines_until_end(&events).1, Some("stopped".to_owned()));
        assert_eq!(lines_until_end(&events), (vec!["a:1 b:1".to_owned()], None));
        assert!(start.elapsed() < Duration::from_secs(4));
    }

    #[test]
    fn the_end_of_the_watch_stops_a_hook_and_all_that_it_started() {
        let (hooks, events, root) = hooks("(sleep 60; touch late) & echo on; wait", "");
        hooks.run(done(1, &["a"], &[]));
        while !matches!(
            events.recv_timeout(Duration::from_secs(20)).unwrap(),
            Event::HookLog { .. }
        ) {}
        let start = Instant::now();
        drop(hooks);
        assert!(start.elapsed() < Duration::from_secs(4));
        assert!(!root.path().join("late").exists());
    }
}
