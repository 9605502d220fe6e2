//! `inspect`: what images consist of, and what they share.

use super::sandbox;

#[test]
fn layers_are_told_with_their_makers_and_sharers() {
    let sandbox = sandbox();
    let words = "`app` is not built";
    let ran = sandbox.run(&["inspect", "app"]).code(2);
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
    sandbox.run(&["graph", "build"]).success();
    let found = sandbox.run(&["inspect", "app", "--format", "json"]);
    let found = found.success().json();
    assert_eq!(found["platform"], "linux/amd64");
    assert_eq!(found["config"]["user"], "1000");
    assert_eq!(found["config"]["workdir"], "/srv/app");
    let layers = found["layers"].as_array().unwrap();
    let made: Vec<&str> = layers
        .iter()
        .map(|layer| layer["made_by"].as_str().unwrap())
        .collect();
    assert_eq!(
        made,
        [
            "copy to /usr/local/bin (bin)",
            "workdir: /srv/app",
            "copy to . (data.txt)"
        ]
    );
    assert_eq!(layers[0]["shared"], serde_json::json!(["tools"]));
    assert_eq!(layers[1]["shared"], serde_json::json!([]));
    assert_eq!(found["shared"], layers[0]["size"]);
    // A tar: each entry has a head and whole blocks, and two empty ones end it.
    let unpacked: Vec<u64> = layers
        .iter()
        .map(|layer| layer["unpacked"].as_u64().unwrap())
        .collect();
    assert!(unpacked.iter().all(|size| size % 512 == 0 && *size >= 1536));
    assert_eq!(found["unpacked"], unpacked.iter().sum::<u64>());
    let text = sandbox.run(&["inspect", "tools"]).success().stdout;
    assert!(text.contains("linux/amd64, 1 layer, "), "{text}");
    assert!(
        text.contains(" compressed, ")
            && text.contains(" unpacked, ")
            && text.contains(" shared\n"),
        "{text}"
    );
    assert!(text.contains("copy to /usr/local/bin (bin)"), "{text}");
    assert!(text.contains("also in app"), "{text}");
    let is_wide = |line: &&str| !line.starts_with("label") && line.chars().count() > 80;
    let wide = text.lines().find(is_wide);
    assert_eq!(wide, None);
    let wrong = sandbox.run(&["inspect", "app", "--platform", "linux/arm64"]);
    assert!(
        wrong
            .code(2)
            .stderr
            .contains("is for linux/amd64, not for linux/arm64")
    );
    let gone = sandbox.run(&["inspect", "127.0.0.1:1/x:1"]).code(2);
    assert!(
        gone.stderr.contains("registry `127.0.0.1:1`"),
        "{}",
        gone.stderr
    );
}
