//! The language server: what editors are told about manifests while they are edited.
//!
//! One thread owns all state, takes one event after the other, and reads no more than a record or a directory: two others
//! load and examine workspaces, two more read and write messages. All that is said comes from the code that the commands
//! use. See docs/editors.md.

mod actions;
mod analysis;
mod answers;
mod ask;
mod client;
mod complete;
mod context;
mod desk;
mod documents;
mod hover;
mod positions;
mod publish;
mod reference;
mod rename;
mod schedule;
mod server;
mod stage;
mod symbol;
mod symbols;
mod tree;
mod vocabulary;
mod wire;

use std::io::{BufReader, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use analysis::{Checker, Examiner};
use server::{Event, Server, Workers};
use wire::Outgoing;

pub(crate) use analysis::Settings;
pub(crate) use stage::Leave;

/// How many messages wait to be handled, or to be written, before the other side has to.
const BACKLOG: usize = 64;

/// How long the last messages may take to be read.
const FAREWELL: Duration = Duration::from_secs(2);

/// Serves a client until it leaves.
///
/// # Errors
/// Fails with a description if the input is not the protocol.
pub(crate) fn serve(
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
    settings: &Settings,
) -> Result<Leave, String> {
    let (events, inbox) = sync_channel(BACKLOG);
    let (out, writer) = writer(output, events.clone());
    reader(input, events.clone());
    let mut server = Server::new(out, workers(settings, &events));
    drop(events);
    let left = server.run(&inbox);
    // What has been said is written before the process ends, unless nobody reads it.
    drop(server);
    let end = Instant::now() + FAREWELL;
    while !writer.is_finished() && Instant::now() < end {
        thread::sleep(Duration::from_millis(2));
    }
    left
}

fn reader(input: impl Read + Send + 'static, events: SyncSender<Event>) {
    thread::spawn(move || {
        let mut input = BufReader::new(input);
        loop {
            let event = match wire::read(&mut input) {
                Ok(Some(incoming)) => Event::Incoming(incoming),
                Ok(None) => Event::Gone(None),
                Err(error) => Event::Gone(Some(error.to_string())),
            };
            let is_last = matches!(event, Event::Gone(_));
            if events.send(event).is_err() || is_last {
                return;
            }
        }
    });
}

fn writer(
    mut output: impl Write + Send + 'static,
    events: SyncSender<Event>,
) -> (SyncSender<Outgoing>, JoinHandle<()>) {
    let (out, messages) = sync_channel(BACKLOG);
    let write = move || {
        for message in &messages {
            if wire::write(&mut output, &message).is_err() {
                // Nobody reads any more.
                let _ = events.try_send(Event::Gone(None));
                return;
            }
        }
    };
    (out, thread::spawn(write))
}

fn workers(settings: &Settings, events: &SyncSender<Event>) -> Workers {
    let (mut checker, mut examiner) = (
        Checker::new(settings.clone()),
        Examiner::new(settings.clone()),
    );
    let (check, questions) = channel();
    worker(questions, events.clone(), move |question| {
        Event::Found(checker.look(question))
    });
    let (examine, asked) = channel();
    worker(asked, events.clone(), move |(generation, asked)| {
        Event::Examined {
            generation,
            examined: examiner.look(asked),
        }
    });
    Workers { check, examine }
}

/// Answers questions on a thread of its own. A panic there ends the server, rather than leaving it without answers.
fn worker<Q: Send + 'static>(
    questions: Receiver<Q>,
    events: SyncSender<Event>,
    mut answer: impl FnMut(Q) -> Event + Send + 'static,
) {
    struct Bell(SyncSender<Event>);
    impl Drop for Bell {
        fn drop(&mut self) {
            if thread::panicking() {
                let _ = self.0.send(Event::Broken);
            }
        }
    }
    thread::spawn(move || {
        let bell = Bell(events);
        for question in &questions {
            if bell.0.send(answer(question)).is_err() {
                return;
            }
        }
    });
}
