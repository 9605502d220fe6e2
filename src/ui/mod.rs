//! The live page of a run or a watch: `view`'s page, served to the user's browser and told what happens.
//!
//! The page shows; it decides nothing. Only with `--ui-control` it has two buttons, which do what the keys `r` and `p` of a
//! watch do.

mod address;
mod feed;
mod scene;
mod serve;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub use scene::Scene;

use crate::loopback::Loopback;
use crate::run::{Event, Remote};
use feed::Feed;
use serve::Site;

/// How long the end waits until pages have been told about it.
const LAST: Duration = Duration::from_secs(1);

/// How long a short run waits for the browser that it opened.
const FIRST: Duration = Duration::from_secs(5);

/// How a page is served.
pub struct Settings<'a> {
    /// The workspace's root; each has an address of its own.
    pub root: &'a Path,
    /// The port; `None` takes the last one again, or any that is free.
    pub port: Option<u16>,
    /// What the page's buttons act on; `None` if it has none.
    pub remote: Option<Remote>,
    /// Looks up an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

/// A page that is being served, until this is dropped.
pub struct Ui {
    url: String,
    feed: Arc<Feed>,
    teller: Option<JoinHandle<()>>,
    _server: Loopback,
}

impl Ui {
    /// Serves a page that shows this. Fails if the port is taken or nothing can be listened on.
    pub fn start(settings: Settings<'_>, scene: Scene) -> io::Result<Self> {
        let (listener, address) = address::listen(settings.root, settings.port, settings.env)?;
        let host = listener.local_addr()?.to_string();
        let feed = Feed::new(scene);
        let url = format!("http://{host}/{}/", address.word);
        let site = Site {
            host,
            word: address.word,
            feed: Arc::clone(&feed),
            remote: settings.remote,
        };
        let server = serve::start(listener, site)?;
        let told = Arc::clone(&feed);
        let teller = thread::Builder::new().name("page".into());
        let teller = teller.spawn(move || told.tell())?;
        Ok(Self {
            url,
            feed,
            teller: Some(teller),
            _server: server,
        })
    }

    /// The address of the page. Who has it sees the page.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Tells the page about an event.
    pub fn hear(&self, event: &Event) {
        self.feed.hear(event);
    }

    /// Shows other images, or the same ones with other keys.
    pub fn show(&self, scene: Scene) {
        self.feed.show(scene);
    }

    /// Waits for the browser that was opened, if the run was shorter than its start.
    pub fn wait_for_page(&self) {
        let begun = Instant::now();
        while !self.feed.was_seen() && begun.elapsed() < FIRST {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Ui {
    fn drop(&mut self) {
        self.feed.end(LAST);
        if let Some(teller) = self.teller.take() {
            let _ = teller.join();
        }
    }
}
