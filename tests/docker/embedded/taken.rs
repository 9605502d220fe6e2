//! Copies out of other images, beside Docker's.

use super::Bench;
use crate::engine::by_turns;

const IMAGES: &str = r#"
image "from" {
    base-image "BASE"
    copy "tree" to="/lib2"
    copy "tree" to="/srv/kept/sub" owner="app"
}
image "app" {
    base-image "BASE"
    copy image="from" "/lib2" to="/t1"
    copy image="from" "/usr/lib2" to="/t2/"
    copy image="from" "/srv/kept" to="/kept"
    copy image="from" "/srv/kept" to="/kept2/"
    copy image="from" "/srv/kept" to="/var/open"
    copy image="from" "/bin/busybox" to="/t3/"
    copy image="from" "/usr/lib2/link" to="/t4"
    copy image="from" "/usr/lib2/link" to="/t4.d/"
    copy image="from" "/usr/lib2/x" to="/t5/y" owner="app:crew"
    copy image="from" "/bin" to="/bins"
    copy image="from" "/srv/kept" to="/t6" owner="1:2"
    copy image="from" "/var/srv/kept/sub/sub" to="/lib2/deep"
    copy image="from" "/usr/lib2/x" to="/lib2/link"
    workdir "/srv"
    copy image="from" "/usr/lib2/x" to="here.txt"
    entrypoint "/bin/stat" "-c" "%h" "/bins/ls" "/bins/cat"
}
"#;

#[test]
fn copies_out_of_images_are_those_of_docker() {
    for (store, engine) in by_turns() {
        let bench = Bench::new(&engine);
        let build = |builder: &str| {
            let images = IMAGES.replace("BASE", &bench.base);
            let head = format!(
                "defaults {{ registry \"{}/{builder}\"; builder \"{builder}\"; }}\n",
                bench.prefix
            );
            bench
                .sandbox
                .write("imgspec.kdl", &format!("{head}{images}"));
            bench.sandbox.run(&["graph", "build", "--load"]).success();
            let tag = bench.sandbox.run(&["tag", "app"]).success().stdout;
            let image = tag.trim().to_owned();
            let links = bench.docker(&["run", "--rm", &image]);
            (bench.files(&image), links)
        };
        let ((wanted, links), (found, own)) = (build("docker"), build("oci"));
        let missing: Vec<_> = wanted.iter().filter(|line| !found.contains(line)).collect();
        let extra: Vec<_> = found.iter().filter(|line| !wanted.contains(line)).collect();
        assert!(
            missing.is_empty() && extra.is_empty() && wanted.len() > 100,
            "{store}: Docker: {missing:#?}\nembedded: {extra:#?}"
        );
        assert_eq!(links, own, "{store}: hard links");
    }
}
