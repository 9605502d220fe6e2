//! The page's server as browsers, other pages and other programs see it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Scene, Settings, Ui};
use crate::plan::Plan;
use crate::report::tests::{begun, built, log, step};
use crate::run::mailbox::Message;
use crate::run::{Mailbox, Remote};
use crate::store::Store;
use crate::view::Look;

fn ui(remote: Option<Remote>) -> Ui {
    let root = Path::new("/nowhere");
    let scene = Scene {
        title: "shop".to_owned(),
        view: None,
        plan: Plan::default(),
        store: Store::look(root),
        look: Look::default(),
    };
    let settings = Settings {
        root,
        port: None,
        remote,
        env: &|_| None,
    };
    Ui::start(settings, scene).unwrap()
}

/// `127.0.0.1:PORT` and `/WORD/`.
fn parts(ui: &Ui) -> (String, String) {
    let rest = ui.url().strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    (host.to_owned(), format!("/{path}"))
}

/// Sends a request with these further lines of its head.
fn send(ui: &Ui, request: &str, head: &[&str]) -> TcpStream {
    let (host, _) = parts(ui);
    let mut stream = TcpStream::connect(host).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let head = head.join("\r\n");
    write!(
        stream,
        "{request} HTTP/1.1\r\n{head}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    stream
}

fn status(ui: &Ui, request: &str, head: &[&str]) -> u16 {
    let mut text = String::new();
    send(ui, request, head).read_to_string(&mut text).unwrap();
    text.split(' ').nth(1).unwrap().parse().unwrap()
}

/// The events of a stream, until it ends.
fn events(mut stream: TcpStream) -> Vec<(String, Value)> {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let mut kind = "";
    let mut events = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("event: ") {
            kind = name;
        } else if let Some(data) = line.strip_prefix("data: ") {
            events.push((kind.to_owned(), serde_json::from_str(data).unwrap()));
        }
    }
    events
}

/// Connects to the events, and waits until that has been noticed.
fn connect(ui: &Ui) -> TcpStream {
    let (host, path) = parts(ui);
    let stream = send(
        ui,
        &format!("GET {path}events"),
        &[&format!("Host: {host}")],
    );
    let begun = Instant::now();
    while !ui.feed.was_seen() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(5));
    }
    stream
}

#[test]
fn only_who_has_the_address_sees_the_page() {
    let ui = ui(None);
    let (host, path) = parts(&ui);
    let port = host.split_once(':').unwrap().1.to_owned();
    let own = format!("Host: {host}");
    let get = |path: &str, head: &[&str]| status(&ui, &format!("GET {path}"), head);
    assert_eq!(get(&path, &[&own]), 200);
    assert_eq!(get(&path, &[&format!("Host: localhost:{port}")]), 200);
    assert_eq!(get(&path, &[&own, &format!("Origin: http://{host}")]), 200);
    let wrong = format!("/{}/", "0".repeat(32));
    for path in [
        "/",
        "/events",
        &wrong,
        &path[..path.len() - 2],
        "//",
        "/%2e%2e/",
    ] {
        assert_eq!(get(path, &[&own]), 404, "{path}");
    }
    for head in [
        vec!["Host: example.com"],
        vec!["Host: 127.0.0.1:1"],
        vec![own.as_str(), "Origin: http://example.com"],
        vec![own.as_str(), "Origin: null"],
        vec![own.as_str(), "Origin: http://127.0.0.1:1"],
    ] {
        assert_eq!(get(&path, &head), 403, "{head:?}");
    }
    assert_eq!(get(&format!("{path}detail/x"), &[&own]), 404);
    assert_eq!(status(&ui, &format!("POST {path}"), &[&own]), 405);
}

#[test]
fn buttons_work_only_for_the_page_itself_and_only_if_allowed() {
    let mailbox = Mailbox::default();
    let (shows, acts) = (ui(None), ui(Some(mailbox.remote())));
    for (ui, without, with) in [(&shows, 403, 403), (&acts, 403, 204)] {
        let (host, path) = parts(ui);
        let (host, origin) = (format!("Host: {host}"), format!("Origin: http://{host}"));
        for button in ["rebuild", "pause"] {
            let request = format!("POST {path}control/{button}");
            assert_eq!(status(ui, &request, &[&host]), without);
            assert_eq!(status(ui, &request, &[&host, &origin]), with);
        }
        assert_eq!(
            status(ui, &format!("GET {path}control/pause"), &[&host]),
            405
        );
        assert_eq!(
            status(ui, &format!("POST {path}control/quit"), &[&host, &origin]),
            404
        );
    }
    let pressed: Vec<char> = mailbox
        .receiver
        .try_iter()
        .filter_map(|message| match message {
            Message::Key(key) => Some(key),
            _ => None,
        })
        .collect();
    assert_eq!(pressed, ['r', 'p']);
}

#[test]
fn a_page_gets_the_whole_then_what_changes_and_the_end() {
    let ui = ui(None);
    ui.hear(&begun("base"));
    let stream = connect(&ui);
    ui.hear(&step("base", 1, 2, "RUN true"));
    ui.hear(&log("base", "hello"));
    ui.hear(&built("base", 1.5));
    drop(ui);
    let events = events(stream);
    assert_eq!(events[0].0, "edition");
    let (kind, first) = &events[1];
    assert_eq!(kind, "history");
    assert_eq!(first["images"]["base"]["state"], "running");
    let (kind, last) = events.iter().rfind(|(kind, _)| kind == "history").unwrap();
    assert_eq!(kind, "history");
    assert_eq!(last["activity"], "ended");
    let row = &last["images"]["base"];
    assert_eq!(
        (&row["state"], &row["seconds"]),
        (&"built".into(), &1.5.into())
    );
    assert_eq!(row["lines"][0], "hello");
    assert_eq!(last["spans"][0]["state"], "built");
}

#[test]
fn output_is_sent_once_even_to_a_page_that_comes_in_between() {
    let ui = ui(None);
    ui.hear(&begun("base"));
    let stream = connect(&ui);
    let mut later = None;
    for number in 0..100 {
        ui.hear(&log("base", &number.to_string()));
        if number == 50 {
            later = Some(connect(&ui));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(Duration::from_millis(200));
    let expected: Vec<Value> = (0..100).map(|number| number.to_string().into()).collect();
    drop(ui);
    for stream in [stream, later.unwrap()] {
        let mut lines: Vec<Value> = Vec::new();
        for (kind, data) in events(stream) {
            match kind.as_str() {
                "lines" => lines.extend(data["lines"].as_array().unwrap().iter().cloned()),
                "history" => lines = data["images"]["base"]["lines"].as_array().unwrap().clone(),
                "row" => lines = data["row"]["lines"].as_array().unwrap().clone(),
                _ => {}
            }
        }
        assert_eq!(lines, expected);
    }
}

#[test]
fn a_page_that_does_not_read_slows_nothing_down() {
    let ui = ui(None);
    ui.hear(&begun("base"));
    let _deaf = connect(&ui);
    let begun = Instant::now();
    let line = "x".repeat(2000);
    for _ in 0..5_000 {
        ui.hear(&log("base", &line));
    }
    assert!(begun.elapsed() < Duration::from_secs(10));
    let begun = Instant::now();
    drop(ui);
    assert!(begun.elapsed() < Duration::from_secs(10));
}
