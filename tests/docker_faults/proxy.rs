//! A proxy between imgspec and a real daemon that injects one fault, triggered by a request or by text in an answer.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// The trigger of a fault.
#[derive(Debug, Clone, Copy)]
pub(crate) enum When {
    /// This text is in a request line.
    Asked(&'static str),
    /// This text is in the daemon's answer, before it is forwarded.
    Said(&'static str),
}

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Nothing is forwarded any more, on any connection: the daemon is frozen.
    Silence,
    /// All connections are closed: the daemon is gone.
    End,
    /// All connections are closed, and new ones work: the daemon was restarted.
    Restart,
    /// The request gets this answer.
    Answer(u16, &'static str),
    /// The daemon's answer arrives at one byte per second.
    Drip,
}

/// The proxy; it stops with the test.
pub(crate) struct Proxy {
    pub(crate) socket: PathBuf,
    state: Arc<Mutex<State>>,
}

struct State {
    daemon: PathBuf,
    fault: Option<(When, What)>,
    /// The ongoing fault, once triggered.
    now: Option<What>,
    open: Vec<UnixStream>,
}

impl Proxy {
    /// Listens on this socket, for the daemon at this host.
    pub(crate) fn new(socket: &Path, host: &str) -> Self {
        let daemon = PathBuf::from(host.strip_prefix("unix://").expect("a Unix socket"));
        let listener = UnixListener::bind(socket).expect("a socket");
        let state = Arc::new(Mutex::new(State {
            daemon,
            fault: None,
            now: None,
            open: Vec::new(),
        }));
        let own = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                take(&own, &client);
            }
        });
        Self {
            socket: socket.to_owned(),
            state,
        }
    }

    /// Arms a fault, to happen once.
    pub(crate) fn fault(&self, when: When, what: What) {
        let mut state = self.state.lock().expect("no panic");
        (state.fault, state.now) = (Some((when, what)), None);
    }

    /// Whether the fault happened.
    pub(crate) fn happened(&self) -> bool {
        self.state.lock().expect("no panic").fault.is_none()
    }

    /// Ends the fault.
    pub(crate) fn heal(&self) {
        let mut state = self.state.lock().expect("no panic");
        (state.fault, state.now) = (None, None);
        end_all(&mut state);
    }
}

fn end_all(state: &mut State) {
    for stream in state.open.drain(..) {
        let _ = stream.shutdown(std::net::Shutdown::Both);
    }
}

fn take(state: &Arc<Mutex<State>>, client: &UnixStream) {
    let mut known = state.lock().expect("no panic");
    if known.now == Some(What::End) {
        return;
    }
    let Ok(daemon) = UnixStream::connect(&known.daemon) else {
        return;
    };
    known.open.extend([
        client.try_clone().expect("a handle"),
        daemon.try_clone().expect("a handle"),
    ]);
    drop(known);
    for asks in [true, false] {
        let (state, client, daemon) = (
            Arc::clone(state),
            client.try_clone().expect("a handle"),
            daemon.try_clone().expect("a handle"),
        );
        let (from, to) = if asks {
            (client, daemon)
        } else {
            (daemon, client)
        };
        thread::spawn(move || pump(&state, asks, from, to));
    }
}

/// Forwards bytes in one direction; `asks` is true for those of the program.
fn pump(state: &Mutex<State>, asks: bool, mut from: UnixStream, mut to: UnixStream) {
    let mut bytes = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut bytes).unwrap_or(0);
        let piece = &bytes[..read];
        if read == 0 {
            let _ = to.shutdown(std::net::Shutdown::Write);
            return;
        }
        let now = happen(state, asks, piece);
        match now {
            Some(What::Silence) => loop {
                // Until the fault is ended, which closes the connection.
                if state.lock().expect("no panic").now != Some(What::Silence) {
                    return;
                }
                thread::sleep(Duration::from_millis(20));
            },
            Some(What::Answer(status, body)) if asks => {
                let length = body.len();
                let text = format!(
                    "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
                let _ = from.write_all(text.as_bytes());
                let _ = from.shutdown(std::net::Shutdown::Both);
                return;
            }
            Some(What::Drip) if !asks => {
                for byte in piece {
                    if to.write_all(&[*byte]).is_err()
                        || state.lock().expect("no panic").now.is_none()
                    {
                        return;
                    }
                    thread::sleep(Duration::from_secs(1));
                }
            }
            _ if to.write_all(piece).is_err() => return,
            _ => {}
        }
    }
}

/// The fault triggered by this chunk, if any.
fn happen(state: &Mutex<State>, asks: bool, piece: &[u8]) -> Option<What> {
    let mut state = state.lock().expect("no panic");
    let Some((when, what)) = state.fault else {
        return state
            .now
            .filter(|now| matches!(now, What::Silence | What::Drip));
    };
    let text = String::from_utf8_lossy(piece);
    let is_it = match when {
        When::Asked(words) => {
            let line = text.lines().next().unwrap_or_default();
            asks && line.ends_with(" HTTP/1.1") && line.contains(words)
        }
        When::Said(words) => !asks && text.contains(words),
    };
    if !is_it {
        return None;
    }
    state.fault = None;
    state.now = Some(what);
    if matches!(what, What::End | What::Restart) {
        end_all(&mut state);
    }
    Some(what)
}
