//! Conda packages as Docker installs them: the same files and the same config, with a program in place of micromamba and a channel on
//! the loopback interface, since no channel is reliable.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use super::Bench;
use crate::engine::by_turns;

const PROGRAM: &str = include_str!("../../data/micromamba.sh");

/// Small, since every file is compared, with the shell that the program needs.
const BASE: &str = "
FROM debian:bookworm-slim AS debian
FROM busybox:1.36
COPY --from=debian /bin/bash /bin/bash
COPY --from=debian /lib/x86_64-linux-gnu/libtinfo.so.6 /lib/x86_64-linux-gnu/libc.so.6 /lib/x86_64-linux-gnu/
COPY --from=debian /lib64/ld-linux-x86-64.so.2 /lib64/
ENV A=base
";

const HELPER: &str = "
FROM busybox:1.36
COPY micromamba.sh /usr/bin/micromamba
RUN mkdir -p /etc/ssl/certs && echo some > /etc/ssl/certs/ca-certificates.crt
";

const IMAGES: &str = r#"
image "lib" {
    base-image "BASE"
    python-version "3.12"
    conda-packages "zlib=1.3"
    conda-channels "CHANNEL"
    builder-config micromamba-image="HELPER"
    builder-options network="host"
    env B="own"
}
image "app" {
    base-image image="lib"
    builder-options network="host"
    builder-config micromamba-image="HELPER"
    conda-channels "CHANNEL"
    steps {
        conda "more"
        run "python > /said; echo $PATH >> /said"
    }
}
"#;

/// Serves packages by their names until the test ends; returns the channel.
fn channel() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let channel = format!("http://{}/channel", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().and_then(Result::ok).unwrap_or_default();
            // A connection with something unread would be reset.
            let _ = lines.find(|line| line.as_ref().is_ok_and(String::is_empty));
            let body = match first.split(' ').nth(1).unwrap_or_default() {
                "/channel/python" => {
                    "program\tbin/python3.12\techo 3.12\nlink\tbin/python\tpython3.12\nfile\tconda-meta/python-3.12.4-h0.json\t{}\n"
                }
                "/channel/zlib" => "file\tlib/libz.so\tz\n",
                "/channel/more" => "file\tlib/more\tm\n",
                _ => "",
            };
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"
            );
        }
    });
    channel
}

#[test]
fn conda_packages_are_what_docker_makes_of_them() {
    for (_, engine) in by_turns() {
        let bench = Bench::on(&engine, BASE);
        let helper = format!("{}/micromamba:1", bench.prefix);
        bench.sandbox.write("../make/micromamba.sh", PROGRAM);
        let script = bench.sandbox.path("../make/micromamba.sh");
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(script, executable).unwrap();
        bench.image(&helper, HELPER);
        let images = IMAGES
            .replace("HELPER", &helper)
            .replace("CHANNEL", &channel());
        let by_docker = bench.build_of(&images, "docker");
        let embedded = bench.build_of(&images, "oci");
        bench.are_equal(&by_docker, &embedded);
        let said = bench.docker(&["run", "--rm", &embedded, "cat", "/said"]);
        assert!(
            said.starts_with("3.12\n/opt/micromamba/envs/runtime/bin:"),
            "{said}"
        );
    }
}
