//! Results on a terminal of 80 columns: a terminal breaks long lines anywhere, so none may be long.

use std::fs::File;
use std::io::Read;
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::sandbox::Sandbox;

const COLUMNS: u16 = 80;

/// The output of a command on a terminal.
fn printed(sandbox: &Sandbox, words: &[&str]) -> String {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let slave = File::options().read(true).write(true).open(name).unwrap();
    let size = Winsize {
        ws_col: COLUMNS,
        ws_row: 50,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&slave, size).unwrap();
    let mut command = sandbox.command(words);
    command
        .env("NO_COLOR", "1")
        .stdout(Stdio::from(slave.try_clone().unwrap()))
        .stderr(Stdio::from(slave));
    let mut child = command.spawn().unwrap();
    // It holds the terminal's other end, which must close for the reading to end.
    drop(command);
    let (mut master, mut bytes, mut piece) = (File::from(master), Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = master.read(&mut piece) {
        bytes.extend_from_slice(&piece[..read]);
    }
    child.wait().unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn ids_references_and_digests_are_never_broken() {
    let long = "a-service-whose-name-somebody-thought-about-for-a-long-time";
    let sandbox = Sandbox::new();
    sandbox.write(
        "imgspec.kdl",
        &format!(
            "image \"base\" {{ base-image \"debian:bookworm-slim\"; copy \"files\" to=\"/files\" }}\n\
             image \"{long}\" {{ base-image image=\"base\"; registry \"r:5000\"; env A=\"1\" }}\n\
             image \"top\" {{ base-image image=\"{long}\"; registry \"r:5000\"; env A=\"1\" }}\n"
        ),
    );
    sandbox.write("files/x", "1");
    let tags = sandbox.run(&["tag", "--format", "json"]).success().json();
    let reference = tags[1]["reference"].as_str().unwrap().to_owned();
    let key = tags[1]["key"].as_str().unwrap().to_owned();
    for (words, whole) in [
        (&["graph", "show"][..], vec![long]),
        (&["graph", "plan", "--builder", "fake"], vec![long]),
        (&["explain", "top"], vec![key.as_str()]),
        (&["doctor"], vec![long]),
        (&["graph", "plan", "nothing-here"], vec!["nothing-here"]),
    ] {
        let shown = printed(&sandbox, words);
        for line in shown.lines().map(|line| line.trim_end_matches('\r')) {
            let columns = line.chars().count();
            assert!(columns <= usize::from(COLUMNS), "{words:?}:\n{shown}");
        }
        for whole in whole {
            assert!(shown.contains(whole), "{words:?} lacks {whole}:\n{shown}");
        }
    }
    // A reference of more columns than the terminal has stays whole, for whoever copies it.
    assert!(reference.len() > usize::from(COLUMNS));
    assert!(printed(&sandbox, &["tag"]).contains(&reference));
    // What is piped is not broken at all.
    let piped = sandbox.run(&["graph", "show"]).success();
    assert!(piped.stdout.contains(&reference), "{}", piped.stdout);
}
