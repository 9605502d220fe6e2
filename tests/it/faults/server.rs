//! A misbehaving server: hangs, lies, disconnects, or sends endless data, according to a script per request.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// Headers, with lowercase names.
    pub(crate) headers: Vec<(String, String)>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// None, but the connection stays open.
    Nothing,
    /// The connection is closed.
    HangUp,
    /// Status, headers and body.
    Http(u16, Vec<(&'static str, String)>, String),
    /// Exactly these bytes; then the connection is closed.
    Bytes(String),
    /// The first text once, then the second repeatedly.
    Endless(String, String),
    /// One byte per second.
    Slow(String),
}

impl Answer {
    pub(crate) fn json(body: impl Into<String>) -> Self {
        Self::Http(200, Vec::new(), body.into())
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::Http(status, Vec::new(), String::new())
    }
}

type Script = Arc<dyn Fn(&Request) -> Answer + Send + Sync>;

/// A server that runs until the tests end, or its socket is removed.
#[derive(Clone)]
pub(crate) struct Server {
    /// The requests so far.
    asked: Arc<Mutex<Vec<Request>>>,
    script: Arc<Mutex<Script>>,
}

impl Server {
    /// Listens on a Unix socket.
    pub(crate) fn unix(
        socket: &Path,
        script: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let server = Self::new(script);
        let own = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (own, read) = (own.clone(), stream.try_clone().unwrap());
                thread::spawn(move || own.serve(read, stream));
            }
        });
        server
    }

    /// Listens on its own port; also returns `host:port`.
    pub(crate) fn tcp(
        script: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let server = Self::new(script);
        let own = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (own, read) = (own.clone(), stream.try_clone().unwrap());
                thread::spawn(move || own.serve(read, stream));
            }
        });
        (server, host)
    }

    fn new(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        Self {
            asked: Arc::default(),
            script: Arc::new(Mutex::new(Arc::new(script))),
        }
    }

    /// Changes the answers from now on.
    pub(crate) fn now(&self, script: impl Fn(&Request) -> Answer + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Arc::new(script);
    }

    pub(crate) fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }

    fn serve(&self, read: impl Read, mut write: impl Write) {
        let mut read = BufReader::new(read);
        while let Some(request) = request(&mut read) {
            self.asked.lock().unwrap().push(request.clone());
            let script = Arc::clone(&self.script.lock().unwrap());
            let answer = script(&request);
            if !say(&mut write, answer) {
                return;
            }
        }
    }
}

fn request(read: &mut impl BufRead) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if read.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let path = lines.first()?.split(' ').nth(1)?.to_owned();
    let headers = lines[1..].iter().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_lowercase(), value.trim().to_owned()))
    });
    Some(Request {
        path,
        headers: headers.collect(),
    })
}

/// Whether the connection stays open.
fn say(write: &mut impl Write, answer: Answer) -> bool {
    match answer {
        Answer::HangUp => false,
        Answer::Nothing => {
            // As long as any test waits.
            thread::sleep(Duration::from_mins(2));
            false
        }
        Answer::Bytes(bytes) => {
            let _ = write.write_all(bytes.as_bytes());
            false
        }
        Answer::Http(status, headers, body) => {
            let headers = headers.iter();
            let headers: Vec<String> = headers
                .map(|(name, value)| format!("{name}: {value}\r\n"))
                .collect();
            let (headers, length) = (headers.concat(), body.len());
            let text =
                format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
            write.write_all(text.as_bytes()).is_ok()
        }
        Answer::Endless(head, more) => {
            let end = Instant::now() + Duration::from_mins(2);
            let more = more.repeat(1 + 65_536 / more.len());
            let mut written = write.write_all(head.as_bytes());
            while written.is_ok() && Instant::now() < end {
                written = write.write_all(more.as_bytes());
            }
            false
        }
        Answer::Slow(text) => text.bytes().all(|byte| {
            thread::sleep(Duration::from_secs(1));
            write.write_all(&[byte]).is_ok()
        }),
    }
}
