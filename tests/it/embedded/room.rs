//! A disk that is full while layers are made: of wheels, and of copied files. Those of commands are in `users.rs`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::packages::index::{Index, wheel_with};
use super::packages::root;
use crate::faults::state::surroundings::mounting;
use crate::faults::store::SHORT_OF_ROOM;
use crate::registry::{Registry, noise};
use crate::sandbox::Sandbox;

/// How large the module of the wheel and the copied file are, about.
const LARGE: usize = 3 << 19;

/// The lines of the manifest with what becomes a layer.
const STEPS: [&str; 2] = ["4", "6"];

/// An image with a layer of a wheel and one of a copied file, to be pushed.
fn workspace(registry: &Registry, index: &Index) -> Sandbox {
    let mut text = "value = '".to_owned();
    for byte in noise(LARGE / 2, 3) {
        let _ = write!(text, "{byte:02x}");
    }
    let wheel = wheel_with("large", "1.0", &format!("{text}'\n"));
    let hash = index.offer("large-1.0-py3-none-any.whl", &wheel);
    let manifest = format!(
        "defaults {{ builder \"oci\"; platform \"linux/amd64\"; registry \"{}/team\"; }}\nimage \"app\" {{\n    \
         base-image file=\"root.tar\"\n    requirements \"all.txt\"\n    pip-index \"http://{}/simple\"\n    \
         copy \"large\" to=\"/srv/large\"\n}}\n",
        registry.host, index.host
    );
    let pins = format!("large==1.0 --hash=sha256:{hash}\n");
    let sandbox = Sandbox::with(&[("imgspec.kdl", &manifest), ("all.txt", &pins)]);
    std::fs::write(sandbox.path("root.tar"), root()).unwrap();
    std::fs::write(sandbox.path("large"), noise(LARGE, 7)).unwrap();
    sandbox.env("IMGSPEC_REMOTE_RECORDS", "0")
}

/// The lines of the manifest at which it is told what went wrong.
fn lines(told: &str) -> impl Iterator<Item = String> {
    let places = told.split("imgspec.kdl:").skip(1);
    places.map(|place| place.chars().take_while(char::is_ascii_digit).collect())
}

#[test]
fn a_disk_that_is_full_while_layers_are_made_is_said_with_the_step_and_the_next_run_finishes() {
    let mut steps = BTreeSet::new();
    let mut room = 64 << 10;
    loop {
        let (registry, index) = (Registry::new(), Index::new());
        let sandbox = workspace(&registry, &index);
        let Some(ran) = mounting(&sandbox, SHORT_OF_ROOM, &format!("size={room}")) else {
            return;
        };
        let ran = ran.success().says("1 fresh");
        registry.is_whole();
        // Three layers and the config.
        assert_eq!(registry.blobs("team/app").len(), 4);
        if ran.stdout.contains("first: 0") {
            break;
        }
        let told = &ran.stderr;
        let home = sandbox.path("../home").canonicalize().unwrap();
        let words = format!("no space left for `{}/.cache/imgspec/", home.display());
        assert!(told.contains(&words), "{room}: {words}: {told}");
        let mend = "free some, or set `IMGSPEC_CACHE` to a disk with space";
        assert!(told.contains(mend), "{room}: {told}");
        steps.extend(lines(told));
        room += LARGE / 3;
        assert!(room < 16 * LARGE, "{told}");
    }
    assert!(STEPS.iter().all(|step| steps.contains(*step)), "{steps:?}");
}
