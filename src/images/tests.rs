//! Specs made by a program: valid values are preserved as given, invalid ones are reported at their place.

use super::assemble::assemble;
use crate::spec::fields::{Field, FieldKind};
use crate::spec::{
    Base, Copy, Debian, GivenPath, Healthcheck, ImageSpec, NamedContext, OwnDockerfile, OwnStep,
    Secret, SecretStep, SourceCopyMode, Variant, WorkspacePath,
};
use crate::workspace::{Image, Places};

fn image(id: &str, spec: ImageSpec) -> Image {
    Image {
        id: id.to_owned(),
        spec: Box::new(spec),
        folder: WorkspacePath::ROOT,
        places: Places::default(),
        allows: Vec::new(),
    }
}

#[track_caller]
fn same(spec: &ImageSpec) {
    let loaded = assemble(
        "/".into(),
        &[
            image("other", ImageSpec::default()),
            image("it", spec.clone()),
        ],
    );
    assert_eq!(loaded.diagnostics, [], "{:?}", loaded.workspace.sources);
    assert_eq!(*loaded.workspace.images[1].spec, *spec);
}

/// The message of a mistake, and the text at its place.
fn wrong(spec: ImageSpec) -> Vec<(String, String)> {
    let loaded = assemble("/".into(), &[image("it", spec)]);
    let told = loaded.diagnostics.iter().map(|mistake| {
        let place = &mistake.place.as_ref().unwrap().place;
        let source = loaded.workspace.sources.get(place.source);
        (
            mistake.message.clone(),
            source.text[place.span()].to_owned(),
        )
    });
    told.collect()
}

#[test]
fn every_field_is_read_as_it_was_said() {
    let secret = Secret::of_env("token", "TOKEN")
        .as_env(SecretStep::Pip, "PASSWORD")
        .as_file(SecretStep::Run, "/run/token");
    same(
        &ImageSpec::new("team/train")
            .with_registry("ghcr.io/acme")
            .with_builder("mine")
            .with_platforms(["linux/amd64", "linux/arm64"])
            .with_base_image("other")
            .with_apt_packages(["git", "curl=8.0"])
            .with_python_version("3.12")
            .with_python_exec("/usr/bin/python3")
            .with_packages((0..50).map(|at| format!("package-number-{at}")))
            .with_conda_packages(["numpy"])
            .with_conda_channels(["bioconda"])
            .with_requirements("./requirements.txt")
            .with_pip_index("https://a.example/simple")
            .with_pip_extra_index_urls(["https://b.example/simple"])
            .with_pip_extra_args("--no-deps")
            .with_python_bytecode(true)
            .with_pip_secret_mount("~/.netrc", "/root/.netrc")
            .with_secret(secret)
            .with_secret(Secret::of_file("key", "../key"))
            .with_cuda("12.4")
            .with_cudnn("9")
            .with_env("A", "{{ a }}")
            .with_env("reset", "\"\n\\")
            .with_source_root("src")
            .with_source_copy_mode(SourceCopyMode::All)
            .with_copy("src", "/app/src")
            .with_copy_of(Copy::new("a b").owner("app:app"))
            .with_copy_from_image("other", "/etc", "/etc2"),
    );
    same(
        &ImageSpec::default()
            .with_base("scratch")
            .with_commands(["echo \"{{\" }\n\tx", "#\"\u{202e}"])
            .with_entrypoint([] as [&str; 0])
            .with_cmd(["a", "", "b c"])
            .with_user("1000:1000")
            .with_workdir("/w")
            .with_label("a.b", "c")
            .with_compression("gzip-single")
            .with_cache_from(["ghcr.io/acme/train:cache"])
            .with_cache_to(["auto"])
            .with_tag_format("{spec_hash}-cpu")
            .with_runtime_packages(["x"])
            .with_builder_option("progress", "plain")
            .with_builder_config("uv-image", "ghcr.io/x/uv:1")
            .with_registry_config("envd.json")
            .with_flytekit("1.16.31"),
    );
    let own = OwnDockerfile::new("docker/Dockerfile", ".").unwrap();
    same(
        &ImageSpec::default().with_dockerfile(
            own.with_target("run")
                .with_arg("A", "1")
                .with_arg("reset", "1")
                .with_context("base", NamedContext::Image("other".into()))
                .with_context("far/it:1", NamedContext::Registry("alpine:3".into()))
                .with_context(
                    "data",
                    NamedContext::Folder(WorkspacePath::try_from("data").unwrap()),
                ),
        ),
    );
    same(&ImageSpec::default().with_steps([
        OwnStep::apt(["git"]),
        OwnStep::Conda(vec!["numpy".into()]),
        OwnStep::pip(["torch"]),
        OwnStep::Pip {
            packages: Vec::new(),
            requirements: Some(GivenPath::new("r.txt")),
        },
        OwnStep::Copy(Copy::new("a").to("/b")),
        OwnStep::run("make"),
        OwnStep::Env(vec![("A".into(), "1".into()), ("B".into(), "2".into())]),
        OwnStep::User("app".into()),
        OwnStep::Workdir("/w".into()),
    ]));
}

#[test]
fn a_value_that_a_manifest_may_not_have_is_refused_in_its_place() {
    let told = wrong(
        ImageSpec::new("App")
            .with_packages(["numpy", "--index-url=x"])
            .with_env("A B", "1")
            .with_user("root\nRUN x")
            .with_copy("/etc", "/x")
            .with_requirements("../r.txt"),
    );
    let places: Vec<&str> = told.iter().map(|(_, place)| place.as_str()).collect();
    assert_eq!(
        places,
        [
            "\"App\"",
            "\"--index-url=x\"",
            "\"../r.txt\"",
            "\"A B\"",
            "\"/etc\"",
            "\"root\\nRUN x\""
        ],
        "{told:?}"
    );
}

#[test]
fn what_is_sound_beside_a_mistake_stays_and_keeps_its_place() {
    let spec = ImageSpec::default()
        .with_copy("../out", "/x")
        .with_copy("in", "/y");
    let assembled = assemble("/".into(), &[image("it", spec)]);
    assert_eq!(assembled.diagnostics.len(), 1);
    let [it] = assembled.workspace.images.as_slice() else {
        panic!("one image");
    };
    assert_eq!(it.spec.copy, [Copy::new("in").to("/y")]);
    let place = it.places.get("copy[0]").unwrap();
    let text = &assembled.workspace.sources.get(place.source).text;
    assert_eq!(&text[place.span()], "\"in\"");
}

#[test]
fn a_spec_out_of_another_folders_manifest_names_the_same_files() {
    let folder = WorkspacePath::try_from("services/a").unwrap();
    let path = WorkspacePath::resolve(&folder, "../x").unwrap();
    let mut spec = ImageSpec::default().with_requirements("../x");
    spec.requirements.as_mut().unwrap().path = path.clone();
    let loaded = assemble("/".into(), &[image("it", spec)]);
    assert_eq!(loaded.diagnostics, []);
    let read = loaded.workspace.images[0].spec.requirements.clone();
    assert_eq!(read.unwrap().path, path);
}

#[test]
fn an_id_is_said_once_and_is_one() {
    let images = ["a", "a", "b/c", "{{ x }}"].map(|id| image(id, ImageSpec::default()));
    let loaded = assemble("/".into(), &images);
    let codes: Vec<&str> = loaded.diagnostics.iter().map(|it| it.code).collect();
    assert_eq!(codes, ["duplicate-image", "invalid-value", "invalid-value"]);
}

proptest::proptest! {
    #[test]
    fn a_text_is_read_as_it_is_or_refused(text in ".{0,12}|[\\\\\"{}#\n\r= ]{0,12}|\\PC{0,6}\0?") {
        let spec = ImageSpec::new("x")
            .with_commands([text.clone()])
            .with_cmd([text.clone()])
            .with_env(text.clone(), text.clone())
            .with_copy(text.clone(), text.clone())
            .with_packages([text.clone()])
            .with_steps([OwnStep::run(text.clone()), OwnStep::Env(vec![(text.clone(), text)])]);
        let loaded = assemble("/".into(), &[image("it", spec.clone())]);
        let read = loaded.workspace.images.first().map(|image| &*image.spec);
        let is_refused = loaded.diagnostics.iter().any(crate::diagnostic::Diagnostic::is_error);
        proptest::prop_assert!(is_refused || read == Some(&spec), "{spec:?}");
    }
}

#[test]
fn a_suite_of_debian_is_read_as_it_was_said() {
    same(&ImageSpec::default().with_base_debian("bookworm"));
    let debian = Debian {
        mirror: Some("https://example.org/debian".to_owned()),
        snapshot: Some("20250520T000000Z".to_owned()),
        variant: Variant::Essential,
        ..Debian::new("trixie")
    };
    same(&ImageSpec {
        base_image: Some(Base::Debian(debian)),
        ..ImageSpec::default()
    });
}

#[test]
fn every_kind_of_health_check_is_written_so_that_it_means_the_same() {
    for check in [
        Healthcheck::off(),
        Healthcheck::command_line("curl -f http://localhost/ || exit 1").timeout("3s"),
        Healthcheck::command_line("NONE"),
        Healthcheck::program(["/bin/check"])
            .start_period("5s")
            .start_interval("500ms"),
        Healthcheck::program(["curl", "-f", ""])
            .interval("1m30s")
            .retries("3"),
    ] {
        same(&ImageSpec::default().with_healthcheck(check));
    }
}

/// A spec with every field set. All parts are listed by name, so that a new one cannot be forgotten.
fn everything() -> ImageSpec {
    let text = |text: &str| Some(text.to_owned());
    let list = |text: &str| vec![text.to_owned()];
    let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let given = ImageSpec::default()
        .with_pip_secret_mount("~/.netrc", "/root/.netrc")
        .with_secret(Secret::of_env("token", "TOKEN").as_env(SecretStep::Pip, "PASSWORD"))
        .with_copy_of(Copy::new("src").to("/app").owner("app"))
        .with_steps([OwnStep::apt(["git"]), OwnStep::Env(pair("reset", "1"))]);
    let own = OwnDockerfile::new("Dockerfile", "docker").unwrap();
    ImageSpec {
        name: text("train"),
        registry: text("ghcr.io/acme"),
        builder: text("docker"),
        platform: list("linux/amd64"),
        base_image: Some(Base::Registry("debian:12".to_owned())),
        apt_packages: (0..50).map(|at| format!("package-number-{at}")).collect(),
        python_version: text("3.12"),
        python_exec: text("/usr/bin/python3"),
        packages: list("torch==2.5.1"),
        conda_packages: list("numpy"),
        conda_channels: list("bioconda"),
        requirements: Some(GivenPath::new("./requirements.txt")),
        pip_index: text("https://a.example/simple"),
        pip_extra_index_url: list("https://b.example/simple"),
        pip_extra_args: text("--no-deps"),
        python_bytecode: Some(false),
        pip_secret_mounts: given.pip_secret_mounts,
        secrets: given.secrets,
        cuda: text("12.4"),
        cudnn: text("9"),
        env: [pair("A", "\"\n\\"), pair("reset", "1")].concat(),
        source_root: Some(GivenPath::new("src")),
        source_copy_mode: Some(SourceCopyMode::All),
        source_files: list("a.py"),
        copy: given.copy,
        commands: list("make\n\tinstall"),
        entrypoint: Some(Vec::new()),
        cmd: Some(list("run")),
        user: text("app:app"),
        workdir: text("/w"),
        labels: pair("a.b", "c"),
        compression: text("zstd"),
        cache_from: list("ghcr.io/acme/train:cache"),
        cache_to: list("auto"),
        attest: pair("provenance", "max"),
        tag_format: text("{spec_hash}-cpu"),
        also_tag: list("latest"),
        expose: list("53/udp"),
        volume: list("/data"),
        healthcheck: Some(
            Healthcheck::program(["/bin/check"])
                .interval("30s")
                .retries("3"),
        ),
        stop_signal: text("SIGINT"),
        shell: Some(vec!["/bin/bash".to_owned(), "-c".to_owned()]),
        steps: given.steps,
        dockerfile: Some(Box::new(
            own.with_target("run").with_arg("A", "1").with_context(
                "data",
                NamedContext::Folder(WorkspacePath::try_from("data").unwrap()),
            ),
        )),
        runtime_packages: list("x"),
        builder_options: pair("progress", "plain"),
        builder_config: pair("uv-image", "ghcr.io/x/uv:1"),
        registry_config: Some(GivenPath::new("envd.json")),
        flytekit: text("1.16.31"),
        flytekit_id: text("3kQmFH5d_tZ0aR5b0wF-2A"),
        flytekit_python: text("3.12"),
    }
}

/// Clears one field of a spec.
fn clear(field: &Field, spec: &mut ImageSpec) {
    match field.kind {
        FieldKind::Text(slot) => *(slot.get_mut)(spec) = None,
        FieldKind::Flag(slot) => *(slot.get_mut)(spec) = None,
        FieldKind::Path(slot) => *(slot.get_mut)(spec) = None,
        FieldKind::Words(slot) | FieldKind::Shell(slot) => *(slot.get_mut)(spec) = None,
        FieldKind::List(slot) | FieldKind::Ports(slot) => (slot.get_mut)(spec).clear(),
        FieldKind::Healthcheck => spec.healthcheck = None,
        FieldKind::Map(slot, _) => (slot.get_mut)(spec).clear(),
        FieldKind::Platforms => spec.platform.clear(),
        FieldKind::CopyMode => spec.source_copy_mode = None,
        FieldKind::Base => spec.base_image = None,
        FieldKind::Copies => spec.copy.clear(),
        FieldKind::Mounts => spec.pip_secret_mounts.clear(),
        FieldKind::Secrets => spec.secrets.clear(),
        FieldKind::Steps => spec.steps.clear(),
        FieldKind::Dockerfile => spec.dockerfile = None,
    }
}

#[test]
fn every_part_of_a_spec_is_in_the_table_of_fields_once() {
    let mut spec = everything();
    for field in crate::spec::fields::all() {
        let before = spec.clone();
        clear(field, &mut spec);
        assert_ne!(spec, before, "`{}`", field.name);
    }
    assert_eq!(spec, ImageSpec::default());
}

#[test]
fn an_excerpt_is_a_manifest_that_says_the_same() {
    let spec = everything();
    let assembled = assemble("/".into(), &[image("it", spec.clone())]);
    assert_eq!(assembled.diagnostics, []);
    let sources = &assembled.workspace.sources;
    let text = &sources.all().next().unwrap().text;
    let directory = tempfile::tempdir().unwrap();
    let manifest = directory.path().join("imgspec.kdl");
    std::fs::write(&manifest, text).unwrap();
    let loaded =
        crate::manifest::load(&manifest, &crate::manifest::Overrides::default(), &|_| None);
    assert_eq!(loaded.diagnostics, [], "{text}");
    let read = &loaded.workspace.images[0];
    assert_eq!(*read.spec, spec, "{text}");
    // Each field is stored in the same place in both specs.
    let made = &assembled.workspace.images[0].places;
    let span = |place: &crate::diagnostic::Place| place.span();
    for name in made.names() {
        let [there, here] = [&read.places, made].map(|places| places.get(&name).map(span));
        assert_eq!(there, here, "{name}\n{text}");
    }
}
