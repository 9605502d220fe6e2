//! Fuzzes the files beside a manifest: user-supplied Dockerfiles, and ignore files under Docker's and flytekit's rules.
//! Dockerfiles must be sent unchanged, and any ignore file must result in either a plan or an error with a reason.

use super::bench::Bench;
use super::told;
use crate::fuzz::{Fuzz, Random};

const MANIFEST: &str = "image \"own\" { dockerfile \"Dockerfile\" context=\"src\"; }\nimage \"task\" { flytekit \"1.16.31\"; source-root \"src\"; source-copy-mode \"all\"; }\n";

const DOCKERFILE: &[&str] = &[
    "FROM scratch\n",
    "FROM a AS b\n",
    "RUN x\n",
    "COPY --from=b a b\n",
    "# syntax=docker/dockerfile:1\n",
    "# escape=`\n",
    "\\\n",
    "<<EOF\n",
    "EOF\n",
    "ARG A\n",
    "$A",
    "\r\n",
    "\u{feff}",
    "é",
    "\u{0}",
    "\"",
    "[",
    "]",
    " ",
    "\t",
    "ONBUILD ",
    "FROM --platform=$X a\n",
    "dockerfile\n",
];

const RULES: &[&str] = &[
    "*",
    "**",
    "/",
    "!",
    "a.py",
    "b",
    "*.py",
    "[",
    "]",
    "[!a]",
    "[a-",
    "\\",
    "#",
    "\n",
    "\n",
    "\r",
    "é",
    "..",
    ".",
    "?",
    "Dockerfile",
    ".dockerignore",
    " ",
    "\u{85}",
    "{",
    "(",
    "|",
    "+",
    "$",
    "^",
    "\u{0}",
    "\u{feff}",
];

/// A Dockerfile followed by an ignore file.
fn make(random: &mut Random) -> String {
    let words = if random.chance(1, 2) {
        RULES
    } else {
        DOCKERFILE
    };
    let long = random.long(words);
    let dockerfile = random.soup(DOCKERFILE, 8);
    format!(
        "{dockerfile}\u{1}{}",
        long.unwrap_or_else(|| random.soup(RULES, 12))
    )
}

fn judge(bench: &Bench, text: &str) -> bool {
    let (dockerfile, rules) = text.split_once('\u{1}').unwrap_or((text, ""));
    // Occasionally the bytes are not valid UTF-8.
    let is_text = !dockerfile.ends_with("é");
    let mut bytes = dockerfile.as_bytes().to_vec();
    bytes.truncate(bytes.len() - usize::from(!is_text));
    bench.put("Dockerfile", &bytes);
    bench.put("src/.dockerignore", rules.as_bytes());
    let checked = bench.check(&[], &[], &[]);
    assert!(!checked.has_errors(), "{:?}", checked.diagnostics);
    let mut session = match bench.session(checked) {
        Ok(session) => session,
        Err(examination) => {
            told(&examination.diagnostics, &examination.workspace.sources);
            assert!(!examination.diagnostics.is_empty(), "it says why");
            return false;
        }
    };
    bench.plan(&mut session);
    let own = session.world.graph.find("own").unwrap();
    match bench.render(&session, own, "docker") {
        Ok(sent) => assert_eq!(sent.as_deref(), Some(dockerfile), "it is sent unchanged"),
        Err(why) => assert!(!is_text && !why.is_empty(), "{why}"),
    }
    true
}

#[test]
fn own_dockerfiles() {
    let bench = Bench::new();
    bench.put("imgspec.kdl", MANIFEST.as_bytes());
    let fuzz = Fuzz {
        name: "own Dockerfiles",
        runs: 500,
        make,
        judge: |text: &String| judge(&bench, text),
    };
    fuzz.run().accepts(34);
}
