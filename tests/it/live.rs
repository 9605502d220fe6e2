//! The live page of a watch and of a build, in a real browser.

use std::collections::BTreeMap;

use serde_json::json;

use crate::browser::in_browser;
use crate::sandbox::Sandbox;

const SHOP: &str = r#"
image "base" { base-image "debian:12"; apt-packages "git"; }
image "train" { base-image image="base"; copy "src" to="/app"; }
image "serve" { base-image image="base"; copy "serve.py" to="/app/serve.py"; }
"#;

/// One image more; also a whole manifest.
const MORE: &str = "\nimage \"added\" { base-image \"debian:12\"; }\n";

fn sandbox() -> Sandbox {
    let files = [
        ("imgspec.kdl", SHOP),
        ("src/train.py", "print(1)\n"),
        ("serve.py", "print(2)\n"),
    ];
    Sandbox::with(&files).env("IMGSPEC_FAKE_SECONDS", "1.5")
}

/// The program and its environment, for scripts that start it themselves.
fn started(sandbox: &Sandbox) -> serde_json::Value {
    let command = sandbox.command(&[]);
    let environment: BTreeMap<String, String> = command
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value?.to_str()?.to_owned())))
        .collect();
    json!({
        "program": command.get_program().to_str(),
        "folder": sandbox.root(),
        "environment": environment,
        "manifest": MORE,
    })
}

#[test]
fn a_page_follows_a_watch_through_edits_buttons_and_a_restart() {
    let sandbox = sandbox();
    let Some(found) = in_browser("live.mjs", &started(&sandbox)) else {
        return;
    };
    assert_eq!(found["errors"], json!([]));
    assert_eq!(found["elsewhere"], json!([]));
    assert_eq!(found["connection"], "live");
    assert_eq!(
        found["isSame"], true,
        "an edit does not load the page again"
    );
    assert_eq!(found["isDisabled"], true);
    assert_eq!(found["hasButtons"], 0);
    let untouched = found["untouched"].as_str().unwrap();
    assert!(
        untouched.split(' ').any(|class| class == "built"),
        "{untouched}"
    );
}

#[test]
fn a_page_shows_the_end_of_a_build_and_finds_the_next_one() {
    let sandbox = sandbox();
    let Some(found) = in_browser("build.mjs", &started(&sandbox)) else {
        return;
    };
    assert_eq!(found["errors"], json!([]));
    assert_eq!(found["code"], 0);
    assert_eq!(found["isSame"], true, "the next build has the same address");
    assert_eq!(found["isDrawn"], true);
    assert_eq!(found["rows"][0], json!(["base", 0]));
    let mut later = found["rows"].as_array().unwrap()[1..].to_vec();
    later.sort_by_key(ToString::to_string);
    let workers: Vec<u64> = later.iter().map(|row| row[1].as_u64().unwrap()).collect();
    assert_eq!(
        (&later[0][0], &later[1][0]),
        (&json!("serve"), &json!("train"))
    );
    assert_eq!(
        workers.iter().sum::<u64>(),
        1,
        "they were built at the same time"
    );
    assert_eq!(found["critical"][0], "base");
}
