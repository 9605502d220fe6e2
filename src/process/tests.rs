//! Tests with a real shell.

use super::*;
use crate::asking::Asker;

/// Installs a SIGINT handler, as the program does during a build. Without it a test run started in the background of a
/// script, where SIGINT is ignored, would pass that disposition on to its children.
fn hears_interrupts() {
    let heard = std::sync::Arc::default();
    signal_hook::flag::register(signal_hook::consts::SIGINT, heard).unwrap();
}

fn sh(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    command
}

/// Default patience, which tolerates silence.
fn patient(cancel: &Cancel) -> Patience<'_> {
    const LIMITS: &Limits = &Limits {
        connect: Duration::from_secs(3),
        answer: Duration::from_secs(10),
        idle: Duration::from_millis(200),
        grace: Duration::from_secs(10),
        claim: Duration::from_secs(30),
    };
    Patience {
        limits: LIMITS,
        cancel,
        hope: None,
    }
}

fn seconds(limit: u64) -> Question<'static> {
    Asker::silent().ask("it", Duration::from_secs(limit))
}

#[test]
fn lines_of_both_pipes_are_heard_whole() {
    let mut heard = Vec::new();
    let exit = run(
        &mut sh("echo one; echo two >&2; printf three"),
        patient(&Cancel::default()),
        |stream, line| heard.push((stream, line.to_owned())),
    )
    .unwrap();
    heard.sort_by_key(|(stream, _)| *stream == Stream::Err);
    let expected = [
        (Stream::Out, "one"),
        (Stream::Out, "three"),
        (Stream::Err, "two"),
    ];
    assert_eq!(heard, expected.map(|(at, line)| (at, line.to_owned())));
    assert!(exit.status.success() && !exit.stopped);
}

#[test]
fn a_program_gets_no_input_but_what_it_is_told() {
    let said = ask(&mut sh("cat; echo end"), &seconds(10)).unwrap();
    assert_eq!(said.out, "end\n");
    let said = ask_with(&mut sh("cat; echo end"), "words\n", &seconds(10)).unwrap();
    assert_eq!(said.out, "words\nend\n");
}

#[test]
fn a_cancel_ends_the_whole_group() {
    // buildx#556, moby/buildkit#2855: stopping only the client leaves the rest running.
    hears_interrupts();
    let cancel = Cancel::default();
    let begun = Instant::now();
    let exit = run(
        &mut sh("sleep 30 & echo started; wait"),
        patient(&cancel),
        |_, line| {
            assert_eq!(line, "started");
            cancel.request();
        },
    )
    .unwrap();
    assert!(exit.stopped && !exit.status.success());
    assert!(begun.elapsed() < Duration::from_secs(8));
}

#[test]
fn an_urgent_cancel_kills_who_ignores_signals() {
    let cancel = Cancel::default();
    let begun = Instant::now();
    let exit = run(
        &mut sh("trap '' INT TERM; echo started; while :; do sleep 1; done"),
        patient(&cancel),
        |_, _| {
            cancel.request();
            cancel.request();
        },
    )
    .unwrap();
    assert!(exit.stopped);
    assert!(begun.elapsed() < Duration::from_secs(8));
}

#[test]
fn a_grandchild_that_keeps_the_pipe_does_not_keep_us() {
    let begun = Instant::now();
    let cancel = Cancel::default();
    let exit = run(&mut sh("sleep 30 & exit 3"), patient(&cancel), |_, _| {}).unwrap();
    assert_eq!(exit.status.code(), Some(3));
    let said = ask(&mut sh("sleep 30 & echo done"), &seconds(20)).unwrap();
    assert_eq!(said.out, "done\n");
    assert!(begun.elapsed() < Duration::from_secs(8));
}

#[test]
fn a_program_that_does_not_answer_is_given_up_and_so_is_one_that_does_not_stop_talking() {
    let question = Asker::silent().ask("it", Duration::from_millis(100));
    let error = ask(&mut sh("sleep 30"), &question).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let question = Asker::silent().ask("it", Duration::from_millis(300));
    let error = ask(&mut sh("while :; do echo on; done"), &question).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[test]
fn a_cancel_ends_a_question_and_who_was_asked() {
    let folder = tempfile::tempdir().unwrap();
    let late = folder.path().join("late");
    let cancel = Cancel::default();
    cancel.request();
    let question = Asker::new(&|_| {}, &cancel).ask("it", Duration::from_secs(20));
    let script = format!("sleep 1; touch {}", late.display());
    let error = ask(&mut sh(&script), &question).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Interrupted);
    thread::sleep(Duration::from_millis(1300));
    assert!(!late.exists());
}

#[test]
fn silence_is_tolerated_while_hope_returns_ok() {
    let asked = std::cell::Cell::new(0);
    let hope = || {
        asked.set(asked.get() + 1);
        match asked.get() {
            1 | 2 => Ok(()),
            _ => Err("nobody is there".to_owned()),
        }
    };
    let cancel = Cancel::default();
    let patience = Patience {
        hope: Some(&hope),
        ..patient(&cancel)
    };
    let begun = Instant::now();
    let error = run(&mut sh("sleep 30"), patience, |_, _| {}).unwrap_err();
    assert_eq!(error.to_string(), "nobody is there");
    assert_eq!(asked.get(), 3);
    assert!((600..8000).contains(&begun.elapsed().as_millis()));
}

#[test]
fn what_is_withheld_reaches_only_those_who_are_given_it() {
    // Cargo sets this variable for tests.
    let name = "CARGO_PKG_NAME";
    let own = std::env::var(name).unwrap();
    withhold([name.to_owned()]);
    let said = |command: &mut Command| ask(command, &seconds(10)).unwrap().out;
    let script = format!("echo \"[${name}]\"");
    assert_eq!(said(&mut sh(&script)), "[]\n");
    assert_eq!(said(keep_all(&mut sh(&script))), format!("[{own}]\n"));
    assert_eq!(said(sh(&script).env(name, "given")), "[given]\n");
}
