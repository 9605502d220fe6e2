//! Unusual files in a checkout: each is rejected by name, in time, and nothing outside the workspace is read or
//! written.

mod kinds;
mod size;
mod swaps;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::faults::guarded;
use crate::sandbox::{Ran, Sandbox};

/// Nothing here takes longer, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

/// Address space, in KiB, larger than any run here needs; unbounded reading exceeds it.
const MEMORY: &str = "6291456";

/// The program, with limited time and memory.
#[track_caller]
fn bounded(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    run(&within_memory(&sandbox.command(arguments)), &arguments)
}

/// The command in a shell that limits its memory.
fn within_memory(command: &Command) -> Command {
    let script = format!("ulimit -v {MEMORY}; exec \"$0\" \"$@\"");
    by(&["sh", "-c", &script], command)
}

/// The command, started through another program.
fn by(starter: &[&str], command: &Command) -> Command {
    let mut whole = Command::new(starter[0]);
    whole.args(&starter[1..]);
    whole.arg(command.get_program()).args(command.get_args());
    whole.env_clear();
    let set = command.get_envs();
    whole.envs(set.filter_map(|(name, value)| Some((name, value?))));
    whole.current_dir(command.get_current_dir().expect("a directory"));
    whole
}

/// Runs it to its end, which must be in time and with an exit code.
#[track_caller]
fn run(command: &Command, what: &dyn std::fmt::Debug) -> Ran {
    let mut command = by(&["env"], command);
    let said = tempfile::tempdir().expect("a directory");
    let [out, err] = ["out", "err"].map(|name| said.path().join(name));
    let file = |path: &Path| std::fs::File::create(path).expect("a file");
    command.stdin(Stdio::null());
    command.stdout(file(&out)).stderr(file(&err));
    let mut child = command.spawn().expect("it starts");
    let status = ends(&mut child, what);
    let text = |path: &Path| {
        let bytes = std::fs::read(path).expect("what was said");
        String::from_utf8(bytes).expect("text")
    };
    let (stdout, stderr) = (text(&out), text(&err));
    assert_eq!(status.signal(), None, "{what:?} was killed: {stderr}");
    assert!(!stderr.contains("panicked"), "{what:?}: {stderr}");
    let code = status.code();
    Ran {
        code,
        stdout,
        stderr,
    }
}

#[track_caller]
fn ends(child: &mut Child, what: &dyn std::fmt::Debug) -> std::process::ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        if begun.elapsed() > LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{what:?} runs for more than {LIMIT:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
}

/// Asserts that all output is printable, and that no message is broken into more lines.
#[track_caller]
fn is_printable(ran: &Ran) {
    for text in [&ran.stdout, &ran.stderr] {
        let odd = text.chars().find(|char| {
            (char.is_control() && *char != '\n') || ('\u{202a}'..='\u{202e}').contains(char)
        });
        assert_eq!(odd, None, "{text}");
    }
}

#[test]
fn a_name_that_is_not_utf_8_is_refused_and_told_on_one_line() {
    use std::os::unix::ffi::OsStrExt;
    let manifest = "image \"a\" { base-image \"scratch\"; copy \"src\" to=\"/src\" }\n";
    let sandbox = guarded(&[("imgspec.kdl", manifest), ("src/f", "1")]);
    let name = std::ffi::OsStr::from_bytes(b"x\n\xff\x1b[31m");
    std::fs::write(sandbox.path("src").join(name), "2").unwrap();
    let ran = bounded(&sandbox, &["check"]).code(2);
    is_printable(&ran);
    let ran = ran.says("the name `src/x\\n\u{fffd}\\u{1b}[31m` is not UTF-8");
    ran.says("exclude it with `.dockerignore`");
    sandbox.write(".dockerignore", "src/x*\n");
    sandbox.build(&[]).success();
}

#[test]
fn names_with_line_ends_and_control_characters_are_built_and_told_on_one_line() {
    let manifest = "image \"a\" { base-image \"scratch\"; copy \"src\" to=\"/src\" }\n";
    let sandbox = guarded(&[("imgspec.kdl", manifest)]);
    let names = ["a\nb", "c\u{1b}[31md", "e\u{202e}f", "g\rh", "i\tj"];
    for name in names {
        sandbox.write(&format!("src/{name}"), "1");
    }
    is_printable(&bounded(&sandbox, &["explain", "a"]).success());
    is_printable(&sandbox.build(&[]).success());
    assert_eq!(sandbox.plan(&[]), ["a fresh"]);
    for name in names {
        sandbox.write(&format!("src/{name}"), "2");
        let plan = ["graph", "plan", "--builder", "fake"];
        is_printable(&bounded(&sandbox, &plan).success());
        is_printable(&bounded(&sandbox, &["explain", "a"]).success());
        is_printable(&sandbox.build(&["--progress", "plain"]).success());
    }
    fifo(&sandbox.path("src/k\nl"));
    let ran = bounded(&sandbox, &["check"]).code(2);
    is_printable(&ran);
    ran.says("`src/k\\nl` is a named pipe");
}

/// A disk that disappears between a plan and a build, during a build, and while a watch waits; `$0` is the program.
const GOES_AWAY: &str = r#"
mv src disk && mkdir src || exit 9
come() { mount --bind disk src || exit 8; }
go() { umount -l src || exit 7; }
come
"$0" graph build --builder fake > first.txt 2>&1 || exit 6
go
"$0" graph plan --builder fake > gone.txt 2>&1
echo "plan without it: $?"
come
"$0" graph plan --builder fake > again.txt 2>&1
echo "plan with it: $?"

echo 2 > src/f
rm .imgspec/logs/a.log
IMGSPEC_FAKE_SECONDS=1 "$0" graph build --builder fake > build.txt 2>&1 & run=$!
until grep -q pretending .imgspec/logs/a.log 2>/dev/null; do sleep 0.01; done
go
wait $run
echo "build: $?"
come
"$0" graph build --builder fake > after.txt 2>&1 || exit 5

"$0" watch --builder fake --poll=0.1 --progress plain > watch.txt 2>&1 & run=$!
until grep -q "waiting" watch.txt; do sleep 0.01; done
go
until grep -q "does not exist" watch.txt; do sleep 0.01; done
come
echo 3 > src/f
until grep -q "built 1" watch.txt; do sleep 0.01; done
kill -INT $run
wait $run
echo "watch: $?"
"$0" graph plan --builder fake
"#;

#[test]
fn a_disk_that_goes_away_is_noticed_and_comes_back() {
    if std::env::var("IMGSPEC_TEST_MOUNTS").is_ok_and(|said| said == "none") {
        return;
    }
    let manifest = "image \"a\" { base-image \"scratch\"; copy \"src/f\" to=\"/f\" }\n";
    let sandbox = guarded(&[("imgspec.kdl", manifest), ("src/f", "1")]);
    let starter = [
        "unshare",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        GOES_AWAY,
    ];
    let ran = run(&by(&starter, &sandbox.command(&[])), &"the script").success();
    let steps = [
        "plan without it: 2",
        "plan with it: 0",
        "build: 0",
        "watch: 0",
        "a  fresh",
    ];
    for step in steps {
        assert!(ran.stdout.contains(step), "{ran:?}");
    }
    let told = |name: &str| sandbox.read(name);
    assert!(told("gone.txt").contains("`src/f` does not exist"));
    assert!(told("again.txt").contains("0 to build, 1 fresh"));
    assert!(told("build.txt").contains("`src/f` changed while `a` was being built"));
    // What was sent before is what was hashed.
    assert!(told("after.txt").contains("1 image fresh"));
}
