//! Nodes that die while they build.

use std::thread;
use std::time::Duration;

use crate::bridge::Bridge;
use crate::dice::Dice;
use crate::sandbox::Ran;
use crate::{daemons, docker, events, missing, named, references, repository, workspace};

/// One base, four images on it, and one on top of each.
fn graph() -> String {
    let mut text = String::from(
        "defaults { registry \"REGISTRY\"; labels nonce=\"NONCE\" }\nimage \"os\" { base-image \"busybox:1.36\"; commands \"echo os > /log\" }\n",
    );
    for at in 0..4 {
        text.push_str(&format!(
            "image \"a{at}\" {{ base-image image=\"os\"; commands \"sleep 0.{at}; echo a{at} NONCE >> /log\" }}\n\
             image \"b{at}\" {{ base-image image=\"a{at}\"; commands \"sleep 0.2; echo b{at} >> /log\" }}\n"
        ));
    }
    text
}

#[test]
fn a_node_that_dies_at_ten_random_moments_costs_no_image() {
    let daemons = daemons();
    let mut dice = Dice::default();
    for round in 0..10 {
        let mut nodes = daemons.each_ref().map(|daemon| Bridge::new(daemon));
        let addresses = nodes.each_ref().map(Bridge::address);
        let sandbox = workspace(&graph(), &repository());
        let [first, second] = &addresses;
        let mut command = sandbox.command(&[
            "graph",
            "build",
            "--push",
            "--progress",
            "json",
            "--buildkit",
            first,
            "--buildkit",
            second,
        ]);
        let running = thread::spawn(move || Ran::of(&mut command));
        thread::sleep(Duration::from_millis(dice.below(2500)));
        let dying = round % 2;
        nodes[dying].cut();
        if dice.below(2) == 0 {
            thread::sleep(Duration::from_millis(300));
            nodes[dying].restore();
        }
        let ran = running.join().unwrap().success();
        assert_eq!(
            named(&ran, "image-built").len(),
            9,
            "round {round}: {}",
            ran.stderr
        );
        // Every image is in the registry with its own key, and has the layers of its bases.
        let other = [addresses[1 - dying].clone()];
        assert_eq!(
            missing(&sandbox, &other, &[]),
            Vec::<String>::new(),
            "round {round}"
        );
        let leaf = format!("b{}", dice.below(4));
        let reference = &references(&sandbox, &[])[&leaf];
        let said = docker(&daemons[0], &["run", "--rm", reference, "cat", "/log"]).success();
        let said: Vec<&str> = said.stdout.split_whitespace().collect();
        assert!(
            said.len() == 4 && said[0] == "os" && said[3] == leaf,
            "{said:?}"
        );
        let _ = docker(&daemons[0], &["image", "rm", "--force", reference]);
    }
}

#[test]
fn a_node_that_is_lost_is_told_and_its_images_are_built_by_the_other() {
    let daemons = daemons();
    let mut nodes = daemons.each_ref().map(|daemon| Bridge::new(daemon));
    let addresses = nodes.each_ref().map(Bridge::address);
    let slow = "defaults { registry \"REGISTRY\"; labels nonce=\"NONCE\" }\n\
        image \"a\" { base-image \"busybox:1.36\"; commands \"sleep 3; echo a\" }\n\
        image \"b\" { base-image \"busybox:1.36\"; commands \"sleep 3; echo b\" }\n";
    let sandbox = workspace(slow, &repository());
    let [first, second] = &addresses;
    let mut command = sandbox.command(&[
        "graph",
        "build",
        "--push",
        "--progress",
        "json",
        "--buildkit",
        first,
        "--buildkit",
        second,
    ]);
    let running = thread::spawn(move || Ran::of(&mut command));
    // Until both were asked, and build.
    while nodes.iter().any(|node| node.accepted() == 0) {
        thread::sleep(Duration::from_millis(10));
    }
    thread::sleep(Duration::from_millis(1500));
    nodes[1].cut();
    let ran = running.join().unwrap().success();
    assert_eq!(named(&ran, "image-built"), ["a", "b"]);
    let warnings = events(&ran, "warning");
    let is_told = |event: &serde_json::Value| event["message"].as_str().unwrap().contains(second);
    assert_eq!(
        warnings.iter().filter(|event| is_told(event)).count(),
        1,
        "{}",
        ran.stderr
    );
    assert!(events(&ran, "image-retry").is_empty(), "{}", ran.stderr);
    let placed = events(&ran, "image-placed");
    assert_eq!(placed.len(), 3, "{}", ran.stderr);
    assert_eq!(placed[2]["node"], first.as_str());
}
