//! `expose`, `volume`, `healthcheck`, `stop-signal` and `shell`: what is said of them before anything is built, and what is in the image.

use serde_json::{Value, json};

use crate::sandbox::Sandbox;

const ALL: &str = r#"
image "base" {
    base-image "scratch"
    expose "53/udp"
    volume "/var/lib/base"
    stop-signal "SIGTERM"
}
image "app" {
    base-image image="base"
    copy "f" to="/f"
    expose 8080 "8000-8002" "8080/tcp"
    volume "/srv/my data" "/cache/"
    healthcheck "/bin/check" "--all" "" interval="1m30s" timeout="1.5s" start-period="5s" start-interval="500ms" retries=3
    stop-signal "SIGRTMIN+3"
    shell "/bin/bash" "-o" "pipefail" "-c"
}
image "line" { base-image image="app"; healthcheck "test -f /f || exit 1"; }
image "off" { base-image image="app"; healthcheck #false; }
"#;

fn sandbox(manifest: &str) -> Sandbox {
    Sandbox::with(&[("imgspec.kdl", manifest), ("f", "f\n")])
}

/// The config of each image of a workspace, by the embedded builder.
fn configs(manifest: &str) -> Vec<Value> {
    let manifest = format!("defaults {{ builder \"oci\"; }}\n{manifest}");
    let sandbox = sandbox(&manifest);
    sandbox
        .run(&["graph", "build", "--output", "oci:layout"])
        .success();
    let blob = |digest: &Value| -> Value {
        let hex = digest.as_str().unwrap().trim_start_matches("sha256:");
        serde_json::from_str(&sandbox.read(&format!("layout/blobs/sha256/{hex}"))).unwrap()
    };
    let index: Value = serde_json::from_str(&sandbox.read("layout/index.json")).unwrap();
    let manifests = index["manifests"].as_array().unwrap().iter();
    manifests
        .map(|image| blob(&blob(&image["digest"])["config"]["digest"])["config"].clone())
        .collect()
}

#[test]
fn an_image_has_what_its_manifest_says_added_to_its_base() {
    let found = configs(ALL);
    let [base, app, line, off] = found.as_slice() else {
        panic!("four images: {found:?}");
    };
    assert_eq!(base["ExposedPorts"], json!({"53/udp": {}}));
    let ports = ["53/udp", "8000/tcp", "8001/tcp", "8002/tcp", "8080/tcp"];
    let ports: Vec<&str> = ports.to_vec();
    let found: Vec<&String> = app["ExposedPorts"].as_object().unwrap().keys().collect();
    assert_eq!(found, ports);
    assert_eq!(
        app["Volumes"],
        json!({"/var/lib/base": {}, "/srv/my data": {}, "/cache/": {}})
    );
    assert_eq!(
        app["Healthcheck"],
        json!({
            "Test": ["CMD", "/bin/check", "--all", ""], "Interval": 90_000_000_000_u64, "Timeout": 1_500_000_000,
            "StartPeriod": 5_000_000_000_u64, "StartInterval": 500_000_000, "Retries": 3
        })
    );
    assert_eq!(app["StopSignal"], "SIGRTMIN+3");
    assert_eq!(app["Shell"], json!(["/bin/bash", "-o", "pipefail", "-c"]));
    assert_eq!(
        line["Healthcheck"],
        json!({"Test": ["CMD-SHELL", "test -f /f || exit 1"]})
    );
    assert_eq!(off["Healthcheck"], json!({"Test": ["NONE"]}));
    assert_eq!(off["Volumes"], app["Volumes"]);
}

#[test]
fn inspect_shows_them() {
    let manifest = format!("defaults {{ builder \"oci\"; }}\n{ALL}");
    let sandbox = sandbox(&manifest);
    sandbox.run(&["graph", "build"]).success();
    let text = sandbox.run(&["inspect", "line"]).success().stdout;
    for line in [
        "expose      53/udp",
        "volume      /srv/my data",
        r#"healthcheck {"Test":["CMD-SHELL","test -f /f || exit 1"]}"#,
        "stop-signal SIGRTMIN+3",
        r#"shell       ["/bin/bash","-o","pipefail","-c"]"#,
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let found = sandbox
        .run(&["inspect", "line", "--format", "json"])
        .success()
        .json();
    assert_eq!(found["config"]["stop_signal"], "SIGRTMIN+3");
    assert_eq!(found["config"]["expose"][0], "53/udp");
}

#[test]
fn a_dockerfile_says_them_in_dockers_words() {
    let manifest = format!("defaults {{ builder \"docker\"; }}\n{ALL}");
    let sandbox = sandbox(&manifest);
    let text = sandbox.run(&["render", "app"]).success().stdout;
    for line in [
        "EXPOSE 8000-8002/tcp 8080/tcp",
        r#"VOLUME ["/cache/","/srv/my data"]"#,
        "STOPSIGNAL SIGRTMIN+3",
        r#"SHELL ["/bin/bash","-o","pipefail","-c"]"#,
        r#"HEALTHCHECK --interval=90s --timeout=1500ms --start-period=5s --start-interval=500ms --retries=3 CMD ["/bin/check","--all",""]"#,
    ] {
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
    let text = sandbox.run(&["render", "line"]).success().stdout;
    assert!(
        text.contains("\nHEALTHCHECK CMD test -f /f || exit 1\n"),
        "{text}"
    );
    let text = sandbox.run(&["render", "off"]).success().stdout;
    assert!(text.contains("\nHEALTHCHECK NONE\n"), "{text}");
}

#[test]
fn commands_are_run_by_the_shell_of_their_image() {
    let manifest = r#"
defaults { builder "docker"; shell "/bin/bash" "-c"; }
image "a" { commands "make"; steps { run "make install"; }; }
image "b" { base-image image="a"; shell reset=#true; commands "make"; }
"#;
    let sandbox = sandbox(manifest);
    let text = sandbox.run(&["render", "a"]).success().stdout;
    assert!(text.contains(r#"RUN ["/bin/bash","-c","make"]"#), "{text}");
    assert!(
        text.contains(r#"RUN ["/bin/bash","-c","make install"]"#),
        "{text}"
    );
    let text = sandbox.run(&["render", "b"]).success().stdout;
    assert!(text.contains(r#"RUN ["/bin/sh","-c","make"]"#), "{text}");
    assert!(!text.contains("SHELL"), "{text}");
}

#[test]
fn values_that_docker_would_refuse_or_misread_are_refused() {
    for (field, words) in [
        ("expose 0", "a port is a number from 1 to 65535"),
        ("expose 65536", "a port is a number from 1 to 65535"),
        ("expose -1", "takes a string, not a number"),
        ("expose 80.5", "takes a string, not a number"),
        ("expose \"80/TCP\"", "expose \"80/tcp\""),
        (
            "expose \"80/http\"",
            "the protocols are `tcp`, `udp` and `sctp`",
        ),
        (
            "expose \"8080:80\"",
            "where they are published is said when a container starts",
        ),
        ("expose \"90-80\"", "the range ends before it begins"),
        ("expose \"1-65535\"", "a range has at most 1000 ports"),
        ("expose \"80 RUN x\"", "a port is a number"),
        ("expose \"+80\"", "a port is a number"),
        ("expose", "`expose` needs a value"),
        ("volume \"data\"", "volume \"/data\""),
        ("volume \"/\"", "the whole file system cannot be a volume"),
        ("volume \"/a/../b\"", "it cannot contain `.` or `..`"),
        ("volume \"/a\\nRUN x\"", "line break"),
        ("stop-signal \"sigterm\"", "stop-signal \"SIGTERM\""),
        ("stop-signal \"SIGTREM\"", "did you mean `SIGTERM`?"),
        ("stop-signal \"65\"", "signals have the numbers 1 to 64"),
        ("stop-signal \"SIGRTMIN+16\"", "error"),
        ("stop-signal 9", "takes a string, not a number"),
        ("shell", "`shell` needs a value"),
        ("shell \"/bin/bash\" \"\"", "cannot be empty"),
        ("healthcheck", "`healthcheck` needs a value"),
        ("healthcheck #true", "takes a string, not a boolean"),
        ("healthcheck \"\"", "cannot be empty"),
        ("healthcheck \"a\\nRUN x\"", "line break"),
        ("healthcheck \"a \\\\\"", "cannot end with a backslash"),
        ("healthcheck \" a\"", "it cannot begin or end with a space"),
        (
            "healthcheck #\"[\"curl\", \"-f\"]\"#",
            "write the program and its arguments as values",
        ),
        ("healthcheck \"CMD\" \"curl\"", "`CMD` is not a program"),
        (
            "healthcheck \"CMD-SHELL\" \"curl\"",
            "`CMD-SHELL` is not a program",
        ),
        (
            "healthcheck \"a\" \"b\" shell=#true",
            "a command line is one value",
        ),
        (
            "healthcheck #false retries=3",
            "`retries` has no effect: nothing is checked",
        ),
        ("healthcheck \"a\" retries=0", "a whole number from 1"),
        (
            "healthcheck \"a\" retries=1.5",
            "takes a string, not a number",
        ),
        (
            "healthcheck \"a\" interval=30",
            "takes a string, not a number",
        ),
        ("healthcheck \"a\" interval=\"30\"", "a number with a unit"),
        (
            "healthcheck \"a\" interval=\"0s\"",
            "between `1ms` and 24 hours",
        ),
        ("healthcheck \"a\" timeout=\"-1s\"", "a number with a unit"),
        ("healthcheck \"a\" timeout=\"1 s\"", "a number with a unit"),
        ("healthcheck \"a\" timeout=\"99999999999999999h\"", "error"),
        ("healthcheck \"a\" start=\"1s\"", "has no property `start`"),
        ("healthcheck \"a\" { x; }", "takes no block"),
        (
            "healthcheck \"a\"; healthcheck \"b\"",
            "`healthcheck` is given twice",
        ),
        ("volumes \"/a\"", "did you mean `volume`?"),
        ("ports 80", "did you mean `expose`?"),
    ] {
        let manifest = format!("image \"a\" {{\n    base-image \"scratch\"\n    {field}\n}}\n");
        let said = sandbox(&manifest).run(&["check"]).code(2).stderr;
        assert!(said.contains(words), "{field}: {said}");
        assert!(said.contains("imgspec.kdl:3:"), "{field}: {said}");
    }
}

#[test]
fn templates_and_flags_apply_to_them_as_to_other_fields() {
    let manifest = r#"
variable "port" default="9000"
defaults { builder "docker"; base-image "scratch"; expose 80; healthcheck "/a"; stop-signal "SIGINT"; shell "/bin/a" "-c"; }
template "t" { expose "{{ port }}"; volume "/t"; healthcheck "/t" interval="5s"; }
image "a" extends="t" { volume "/a"; expose 81 reset=#true; healthcheck reset=#true; }
image "b" extends="t" { shell "/bin/b" "-e" "-c"; }
"#;
    let sandbox = sandbox(manifest);
    let of = |image: &str, more: &[&str]| {
        let flags = ["render", image];
        let text = sandbox.run(&[&flags, more].concat()).success().stdout;
        let told = |line: &&str| {
            let words = ["EXPOSE", "VOLUME", "HEALTHCHECK", "STOPSIGNAL", "SHELL"];
            words.iter().any(|word| line.starts_with(word))
        };
        text.lines().filter(told).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        of("a", &[]),
        "EXPOSE 81/tcp\nVOLUME [\"/a\",\"/t\"]\nSTOPSIGNAL SIGINT\nSHELL [\"/bin/a\",\"-c\"]"
    );
    let b = "EXPOSE 80/tcp 9000/tcp\nVOLUME [\"/t\"]\nSTOPSIGNAL SIGINT\nSHELL [\"/bin/b\",\"-e\",\"-c\"]\nHEALTHCHECK --interval=5s CMD /t";
    assert_eq!(of("b", &[]), b);
    let set = [
        "--set",
        "b.expose=70",
        "--set",
        "b.stop-signal=9",
        "--set",
        "b.shell=/bin/c -c",
    ];
    assert_eq!(
        of("b", &set),
        "EXPOSE 70/tcp\nVOLUME [\"/t\"]\nSTOPSIGNAL 9\nSHELL [\"/bin/c\",\"-c\"]\nHEALTHCHECK --interval=5s CMD /t"
    );
    let said = sandbox.run(&["check", "--set", "b.healthcheck=x"]).code(2);
    said.says("`healthcheck` cannot be set on the command line");
}

#[test]
fn commands_edit_them_like_other_fields() {
    let sandbox = sandbox("image \"a\" {\n    base-image \"scratch\"\n    copy \"f\"\n}\n");
    sandbox
        .run(&["add", "a", "expose", "8080", "53/udp"])
        .success();
    sandbox.run(&["add", "a", "volume", "/data"]).success();
    sandbox.run(&["add", "a", "also-tag", "latest"]).success();
    sandbox
        .run(&["set", "a", "stop-signal", "SIGINT"])
        .success();
    sandbox
        .run(&["set", "a", "shell", "/bin/bash", "-c"])
        .success();
    let text = sandbox.read("imgspec.kdl");
    for line in [
        "    expose \"8080\" \"53/udp\"\n",
        "    volume \"/data\"\n",
        "    also-tag \"latest\"\n",
        "    stop-signal \"SIGINT\"\n",
        "    shell \"/bin/bash\" \"-c\"\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    sandbox
        .run(&["add", "a", "expose", "0"])
        .code(2)
        .says("65535");
}
