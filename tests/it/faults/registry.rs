//! Registries that loop, throttle, hang or lie: the command ends in time, reports the cause, and records nothing wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use imgspec::backend::oci::name::Digest;

use super::server::{Answer, Request, Server};
use super::stage::{Stage, runs, seconds};
use crate::sandbox::Ran;

const PLAN: &[&str] = &["graph", "plan", "--push", "--format", "json"];
const BUILD: &[&str] = &["graph", "build", "--push", "--attempts", "1"];

/// An image that the daemon has, to be pushed to a local registry.
struct Pushed {
    stage: Stage,
    registry: Server,
    host: String,
    key: String,
    reference: String,
}

fn pushed() -> Pushed {
    let (registry, host) = Server::tcp(|_| Answer::status(404));
    let stage = Stage::new(&format!(
        "image \"app\" {{ base-image \"debian:bookworm-slim\"; registry \"{host}\" }}"
    ));
    let (key, reference) = stage.tag("app");
    let local = format!(
        r#"{{"Id":"sha256:1","RepoTags":["{reference}"],"Config":{{"Labels":{{"dev.imgspec.key":"{key}"}}}}}}"#
    );
    let _daemon = stage.daemon(move |request| match request.path.as_str() {
        "/_ping" => Answer::json("OK"),
        _ => Answer::json(local.clone()),
    });
    Pushed {
        stage,
        registry,
        host,
        key,
        reference,
    }
}

fn digest(text: &str) -> String {
    Digest::of(text.as_bytes()).to_string()
}

/// The answers of a registry that has exactly this image.
fn has(key: &str) -> impl Fn(&Request) -> Answer + Send + Sync + Clone + 'static {
    let config = format!(r#"{{"config":{{"Labels":{{"dev.imgspec.key":"{key}"}}}}}}"#);
    let manifest = format!(r#"{{"config":{{"digest":"{}"}}}}"#, digest(&config));
    move |request| {
        if !request.path.contains("/manifests/") {
            return Answer::json(config.clone());
        }
        let told = vec![("docker-content-digest", digest(&manifest))];
        Answer::Http(200, told, manifest.clone())
    }
}

impl Pushed {
    fn env(mut self, name: &str, value: &str) -> Self {
        self.stage = self.stage.env(name, value);
        self
    }

    /// Asserts that existence is unknown for this reason, and that nothing is assumed to exist.
    #[track_caller]
    fn is_in_doubt(&self, why: &str) {
        let begun = Instant::now();
        let ran = self.stage.run(PLAN).success();
        assert!(begun.elapsed() < Duration::from_secs(8), "{}", ran.stderr);
        let doubt = "warning: could not determine whether `app` exists: ";
        assert!(ran.stderr.contains(doubt), "{}", ran.stderr);
        assert!(
            ran.stderr.contains(why),
            "`{why}` is not in\n{}",
            ran.stderr
        );
        let reasons = &ran.json()["images"][0]["reasons"];
        assert_eq!(reasons[0]["kind"], "unknown", "{reasons}");
    }

    /// Asserts that the image exists.
    #[track_caller]
    fn is_fresh(&self) -> Ran {
        let ran = self.stage.run(PLAN).success();
        assert_eq!(ran.json()["images"][0]["action"], "fresh", "{}", ran.stderr);
        ran
    }
}

#[test]
fn one_that_gives_no_answer_is_told_with_its_cause_and_asked_again_in_the_next_run() {
    let pushed = pushed().env("IMGSPEC_ANSWER_TIMEOUT", "2s");
    let key = pushed.key.clone();
    let right = has(&key);
    let bearer = format!("Bearer realm=\"http://{}/token\"", pushed.host);
    let cases: Vec<(Answer, &str)> = vec![
        (Answer::status(500), "it answers 500"),
        (Answer::status(429), "it answers 429"),
        (Answer::status(401), "it refused access (401"),
        (Answer::status(403), "it refused access (403"),
        (
            Answer::Nothing,
            "no answer within 2 s (IMGSPEC_ANSWER_TIMEOUT sets the time)",
        ),
        (Answer::HangUp, "registry `127.0.0.1:"),
        (
            Answer::Bytes("nonsense\r\n\r\n".into()),
            "registry `127.0.0.1:",
        ),
        (
            Answer::Endless("HTTP/1.1 200 OK\r\n\r\n".into(), "x".into()),
            "longer than 16 MiB",
        ),
        (
            Answer::Endless("HTTP/1.1 200 OK\r\n".into(), "a: b\r\n".into()),
            "registry `127.0.0.1:",
        ),
        (
            Answer::Slow("HTTP/1.1 200 OK\r\n\r\n".into()),
            "no answer within 2 s",
        ),
        (
            Answer::Http(302, vec![("location", "/v2/again".into())], String::new()),
            "too many redirects",
        ),
        (
            Answer::Http(
                401,
                vec![("www-authenticate", bearer)],
                r#"{"token":"t"}"#.into(),
            ),
            "no token from `http://",
        ),
        (
            Answer::Http(429, vec![("retry-after", "3600".into())], String::new()),
            "asks to retry in 1 h",
        ),
    ];
    for (answer, why) in cases {
        pushed.registry.now(move |_| answer.clone());
        pushed.is_in_doubt(why);
    }
    pushed.registry.now(|_| Answer::status(503));
    let fail = [BUILD, &["--when-unknown", "fail"]].concat();
    pushed.stage.run(&fail).code(2).says("it answers 503");
    pushed.registry.now(right);
    pushed.is_fresh();
}

#[test]
fn one_that_hangs_is_told_of_after_a_second_and_every_image_waits_for_it_only_once() {
    let (_registry, host) = Server::tcp(|_| Answer::Nothing);
    let images: Vec<String> = (0..40)
        .map(|at| {
            format!(
                "image \"i{at}\" {{ base-image \"scratch\"; cmd \"{at}\"; registry \"{host}\" }}\n"
            )
        })
        .collect();
    let stage = Stage::new(&images.concat()).env("IMGSPEC_ANSWER_TIMEOUT", "1500ms");
    let _daemon = stage.daemon(|request| {
        let name = request
            .path
            .trim_start_matches("/images/")
            .trim_end_matches("/json");
        Answer::Http(
            404,
            vec![],
            format!(r#"{{"message":"No such image: {name}"}}"#),
        )
    });
    let begun = Instant::now();
    let ran = stage.run(&["graph", "plan", "--push"]).success();
    assert!(begun.elapsed() < Duration::from_secs(6));
    let ran = ran.says(&format!("waiting for registry `{host}` (1.5 s at most)"));
    ran.says("could not determine whether 40 images exist: registry");
}

#[test]
fn one_that_asks_for_patience_gets_it() {
    let pushed = pushed();
    let (right, count) = (has(&pushed.key), Arc::new(AtomicUsize::new(0)));
    pushed
        .registry
        .now(move |request| match count.fetch_add(1, Ordering::SeqCst) {
            0 => Answer::Http(429, vec![("retry-after", "1".into())], String::new()),
            _ => right(request),
        });
    let begun = Instant::now();
    pushed.is_fresh();
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[test]
fn one_that_sends_something_else_than_its_digest_says_is_not_believed() {
    let pushed = pushed();
    let right = has(&pushed.key);
    for part in ["/manifests/", "/blobs/"] {
        let right = right.clone();
        pushed.registry.now(move |request| match right(request) {
            Answer::Http(status, headers, body) if request.path.contains(part) => {
                Answer::Http(status, headers, format!("{body}\n"))
            }
            answer => answer,
        });
        pushed.is_in_doubt("it sent `sha256:");
    }
    // A truncated blob.
    pushed.registry.now(move |request| match right(request) {
        Answer::Http(_, _, body) if request.path.contains("/blobs/") => {
            let (length, half) = (body.len(), &body[..body.len() / 2]);
            Answer::Bytes(format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{half}"
            ))
        }
        answer => answer,
    });
    pushed.is_in_doubt("registry `127.0.0.1:");
}

#[test]
fn who_is_sent_on_to_another_host_shows_it_no_credentials() {
    let pushed = pushed();
    let (right, host) = (has(&pushed.key), pushed.host.clone());
    let (other, elsewhere) = Server::tcp(right.clone());
    let config = format!(r#"{{"auths":{{"{host}":{{"auth":"dTpjYW5hcnk="}}}}}}"#);
    let folder = pushed.stage.sandbox.path("../home/.docker");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.json"), config).unwrap();
    pushed
        .registry
        .now(move |request| match request.header("authorization") {
            None => Answer::Http(
                401,
                vec![("www-authenticate", "Basic realm=\"x\"".into())],
                String::new(),
            ),
            Some(_) if request.path.contains("/blobs/") => {
                let place = format!("http://{elsewhere}{}", request.path);
                Answer::Http(307, vec![("location", place)], String::new())
            }
            Some(_) => right(request),
        });
    pushed.is_fresh();
    let asked = other.asked();
    assert_eq!(asked.len(), 1);
    assert!(
        asked
            .iter()
            .all(|request| request.header("authorization").is_none())
    );
    let shown = pushed.registry.asked();
    let basic = |request: &Request| request.header("authorization") == Some("Basic dTpjYW5hcnk=");
    assert!(shown.iter().any(basic));
}

#[test]
fn a_credential_helper_that_hangs_is_given_up_and_killed() {
    let pushed = pushed()
        .env("IMGSPEC_ANSWER_TIMEOUT", "3")
        .env("IMGSPEC_IDLE_TIMEOUT", "500ms");
    let folder = pushed.stage.sandbox.path("../home/.docker");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.json"), r#"{"credsStore":"mine"}"#).unwrap();
    let right = has(&pushed.key);
    pushed
        .registry
        .now(move |request| match request.header("authorization") {
            Some("Basic dTpw") => right(request),
            _ => Answer::Http(
                401,
                vec![("www-authenticate", "Basic realm=\"x\"".into())],
                String::new(),
            ),
        });
    let long = seconds();
    pushed
        .stage
        .program("docker-credential-mine", &format!("sleep {long}"));
    pushed.is_in_doubt("`docker-credential-mine` does not answer: no answer within 0.5 s");
    assert!(!runs(&long));
    let answer =
        r#"read host; echo "{\"ServerURL\":\"$host\",\"Username\":\"u\",\"Secret\":\"p\"}""#;
    pushed.stage.program("docker-credential-mine", answer);
    pushed.is_fresh();
    pushed.stage.program(
        "docker-credential-mine",
        "echo credentials not found in native keychain; exit 1",
    );
    pushed.is_in_doubt("it refused access (401");
}

#[test]
fn a_push_that_the_registry_never_answers_is_given_up_while_the_daemon_lives() {
    let pushed = pushed()
        .env("IMGSPEC_IDLE_TIMEOUT", "400ms")
        .env("IMGSPEC_ANSWER_TIMEOUT", "1s");
    let long = seconds();
    // The first answer says that it does not exist; later requests are not answered.
    pushed.stage.docker(&format!(
        "case \"$2\" in push) sleep {long} ;; *) exit 0 ;; esac"
    ));
    let count = Arc::new(AtomicUsize::new(0));
    pushed
        .registry
        .now(move |_| match count.fetch_add(1, Ordering::SeqCst) {
            0 => Answer::status(404),
            _ => Answer::Nothing,
        });
    let begun = Instant::now();
    let ran = pushed.stage.run(BUILD).code(1);
    assert!(begun.elapsed() < Duration::from_secs(8));
    let ran = ran.says("accepts connections but does not answer: it sent nothing for 0.4 s");
    ran.says("it is built, but could not be pushed");
    assert!(!runs(&long));
    // A slow registry that answers is waited for, and the daemon's error is shown.
    let said = "denied: requested access to the resource is denied";
    let script =
        format!("case \"$2\" in push) sleep 1.5; echo '{said}' >&2; exit 1 ;; *) exit 0 ;; esac");
    pushed.stage.docker(&script);
    pushed.registry.now(|_| Answer::status(404));
    let ran = pushed.stage.run(BUILD).code(1);
    ran.says(&format!("`{}` cannot be pushed: {said}", pushed.reference));
    pushed.stage.docker("sleep 1; exit 0");
    pushed.stage.run(BUILD).success().says("pushed 1");
    pushed.registry.now(has(&pushed.key));
    pushed.is_fresh();
}

#[test]
fn a_failure_that_passes_is_tried_again_and_said_so() {
    let pushed = pushed();
    pushed.stage.sandbox.write("tries", "");
    let tries = pushed.stage.sandbox.path("tries").display().to_string();
    let script = format!(
        "[ \"$2\" = push ] || exit 0\necho try >> '{tries}'\n[ $(wc -l < '{tries}') -gt 1 ] && exit 0\necho 'received unexpected HTTP status: 503 Service Unavailable' >&2\nexit 1"
    );
    pushed.stage.docker(&script);
    let ran = pushed.stage.run(&["graph", "build", "--push"]).success();
    ran.says("attempt 2 of 3 in 1.0s: ")
        .says("503 Service Unavailable")
        .says("pushed 1");
}
