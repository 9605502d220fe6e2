//! Single keys on a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use super::stack;
use crate::sandbox::Sandbox;

/// A watch on its own pseudo-terminal.
struct Seat {
    child: Child,
    keys: File,
    slave: File,
    screen: Arc<Mutex<String>>,
}

impl Seat {
    /// `None` if no pseudo-terminal can be created.
    fn take(sandbox: &Sandbox, more: &[&str]) -> Option<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).ok()?;
        grantpt(&master).ok()?;
        unlockpt(&master).ok()?;
        let name = ptsname(&master, Vec::new()).ok()?.into_string().ok()?;
        let slave = File::options().read(true).write(true).open(name).ok()?;
        let template = sandbox.command(&[]);
        // `setsid --ctty` makes it the controlling terminal, as a shell would.
        let mut command = Command::new("setsid");
        command
            .args([
                "--ctty",
                "--wait",
                env!("CARGO_BIN_EXE_imgspec"),
                "watch",
                "--builder",
                "fake",
                "--quiet-period",
                "20ms",
            ])
            .args(more);
        command
            .current_dir(sandbox.root())
            .env_clear()
            .env("TERM", "xterm");
        command.envs(
            template
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        let end = || Stdio::from(slave.try_clone().expect("a descriptor"));
        let child = command
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .ok()?;
        let keys = File::from(master);
        let mut output = keys.try_clone().ok()?;
        let screen = Arc::new(Mutex::new(String::new()));
        let seen = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read) = output.read(&mut bytes) {
                if read == 0 {
                    return;
                }
                seen.lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
        });
        Some(Self {
            child,
            keys,
            slave,
            screen,
        })
    }

    #[track_caller]
    fn shows(&self, words: &str) {
        let start = Instant::now();
        loop {
            let mut screen = self.screen.lock().unwrap();
            if let Some(at) = screen.find(words) {
                screen.drain(..at + words.len());
                return;
            }
            assert!(
                start.elapsed() < super::LIMIT,
                "`{words}` is not on\n{screen}"
            );
            drop(screen);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn press(&mut self, key: &str) {
        self.keys.write_all(key.as_bytes()).unwrap();
    }

    fn is_raw(&self) -> bool {
        !tcgetattr(&self.slave)
            .unwrap()
            .local_modes
            .contains(LocalModes::ICANON)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn keys_pause_rebuild_and_quit_and_the_terminal_is_left_as_it_was() {
    let sandbox = stack();
    let Some(mut seat) = Seat::take(&sandbox, &[]) else {
        return;
    };
    seat.shows("built 3");
    seat.shows("r rebuild · p pause · q quit");
    assert!(seat.is_raw());
    seat.press("p");
    seat.shows("paused");
    sandbox.write("other/x", "2");
    std::thread::sleep(Duration::from_millis(300));
    assert!(
        !seat.screen.lock().unwrap().contains("built"),
        "paused means that nothing starts"
    );
    seat.press("p");
    seat.shows("built 1");
    std::thread::sleep(Duration::from_millis(100));
    sandbox.built();
    seat.press("r");
    seat.shows("built 1");
    assert_eq!(
        sandbox.built(),
        ["other"],
        "what changed last is built again"
    );
    seat.press("p");
    seat.shows("paused");
    seat.press("r");
    seat.shows("it starts when you resume (`p`)");
    assert_eq!(sandbox.built(), [""; 0]);
    seat.press("p");
    seat.shows("built 1");
    seat.press("q");
    assert_eq!(seat.child.wait().unwrap().code(), Some(0));
    assert!(!seat.is_raw());
}

#[test]
fn the_key_for_a_rebuild_tries_again_what_failed() {
    let sandbox = stack().env("IMGSPEC_FAKE_FAIL", "base");
    let Some(mut seat) = Seat::take(&sandbox, &[]) else {
        return;
    };
    seat.shows("failed 1");
    assert_eq!(sandbox.built(), ["base", "other"]);
    seat.press("r");
    let start = Instant::now();
    let mut tried = Vec::new();
    while tried.is_empty() && start.elapsed() < super::LIMIT {
        std::thread::sleep(Duration::from_millis(10));
        tried = sandbox.built();
    }
    std::thread::sleep(Duration::from_millis(300));
    tried.extend(sandbox.built());
    assert_eq!(tried, ["base"]);
}

#[test]
fn ctrl_c_leaves_the_terminal_as_it_was() {
    let sandbox = stack().env("IMGSPEC_FAKE_SECONDS", "30");
    let Some(mut seat) = Seat::take(&sandbox, &[]) else {
        return;
    };
    seat.shows("0/3");
    assert!(seat.is_raw());
    seat.press("\u{3}");
    assert_eq!(seat.child.wait().unwrap().code(), Some(0));
    assert!(!seat.is_raw());
}
