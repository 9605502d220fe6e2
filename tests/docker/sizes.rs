//! The sizes of built images: what the daemon itself says.

use crate::engine::engines;
use crate::{docker, nonce, on, remove_images};

#[test]
fn the_size_of_an_image_is_the_daemons() {
    for (store, engine) in engines() {
        let sandbox = on(&engine);
        let manifest = format!(
            "image \"large\" {{ base-image \"busybox:1.36\"; commands \"head -c 5000000 /dev/zero > /zeros; echo {}\" }}\n\
             image \"more\" {{ base-image image=\"large\"; env A=\"1\" }}\n",
            nonce()
        );
        sandbox.write("imgspec.kdl", &manifest);
        let sizes = || {
            let words = ["graph", "show", "--times", "--format", "json"];
            let drawing = sandbox.run(&words).success().json();
            [0, 1].map(|at| {
                let image = &drawing["images"][at];
                let reference = image["reference"].as_str().unwrap().to_owned();
                (reference, image["size"].as_u64())
            })
        };
        sandbox.run(&["graph", "build"]).success();
        for (reference, size) in sizes() {
            let said = docker(
                &engine,
                &["image", "inspect", "--format", "{{.Size}}", &reference],
            );
            let said: u64 = said.success().stdout.trim().parse().unwrap();
            assert_eq!(size, Some(said), "{store}: {reference}");
            assert!(said > 1_000_000, "{store}: {said}");
        }
        let tree = sandbox.run(&["graph", "show", "--times"]).success();
        assert_eq!(tree.stdout.matches(" MB").count(), 2, "{}", tree.stdout);
        remove_images(&engine, &sandbox, &[]);
    }
}
