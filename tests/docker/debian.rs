//! Systems of Debian's packages, made with no registry, and packages on them: they run in Docker, and are whole for dpkg and apt.

use crate::engine::engines;
use crate::{docker, on};

const IMAGES: &str = r#"
defaults { builder "oci" }
image "base" { base-image debian="bookworm"; }
image "tool" {
    base-image image="base"
    apt-packages "less" "ca-certificates"
    commands "less --version"
}
image "python" {
    base-image image="tool"
    apt-packages "python3"
    packages "tabulate==0.9.0"
    python-bytecode #true
}
"#;

/// Says what is not whole, then uses apt.
const SCRIPT: &str = "set -e
dpkg --audit
dpkg --verify
[ -z \"$(dpkg-query -W -f '${db:Status-Abbrev}\\n' | grep -v '^ii')\" ]
[ ! -e /usr/sbin/policy-rc.d ]
apt-get -qq update >&2
apt-get -qq install --yes --no-install-recommends file >&2
file --brief /bin";

#[test]
fn a_system_of_packages_is_whole_and_the_same_again() {
    let mut digests = Vec::new();
    for (_, engine) in engines() {
        let sandbox = on(&engine);
        sandbox.write("imgspec.kdl", IMAGES);
        sandbox.run(&["graph", "build", "--load"]).success();
        let tag = |id: &str| sandbox.run(&["tag", id]).success().stdout.trim().to_owned();
        for id in ["base", "tool"] {
            let run = [
                "run",
                "--rm",
                "--network",
                "host",
                &tag(id),
                "sh",
                "-c",
                SCRIPT,
            ];
            let ran = docker(&engine, &run).success();
            assert_eq!(ran.stdout, "symbolic link to usr/bin\n", "{id}");
        }
        let script = "apt-mark showauto | tr '\\n' ' '; test -s /etc/ssl/certs/ca-certificates.crt";
        let ran = docker(&engine, &["run", "--rm", &tag("tool"), "sh", "-c", script]);
        assert_eq!(ran.success().stdout, "libssl3 openssl ");
        // What is compiled is taken as it is, whatever the times of the sources.
        let script = "import tabulate; print(open(tabulate.__cached__, 'rb').read()[4])";
        let run = ["run", "--rm", &tag("python"), "python3", "-c", script];
        assert_eq!(docker(&engine, &run).success().stdout, "1\n");
        sandbox
            .run(&["graph", "build", "--output", "oci:out"])
            .success();
        digests.push(sandbox.read("out/index.json"));
    }
    // Each with a store of its own, so everything was made twice.
    assert_eq!(digests[0], digests[1]);
}
