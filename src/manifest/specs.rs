//! Specs that a program made → Workspace: read as if each stood in a manifest of its own.
//!
//! Reads no files. The choice made: the very decoder of manifests judges them, so a value that a manifest may not have a
//! program may not give either, and mistakes look the same, with an excerpt of what the spec says.

use std::path::PathBuf;

use super::file::{Above, File, Loader};
use super::notes::shown;
use super::transcript::Transcript;
use super::{Loaded, between};
use crate::spec::WorkspacePath;
use crate::workspace::{Image, Workspace};

impl Loader<'_> {
    /// Reads images; `root` is canonical. Their places are not looked at.
    pub(super) fn adopt(mut self, root: PathBuf, images: &[Image]) -> Loaded {
        for image in images {
            self.adopt_one(image);
        }
        between::check(&mut self.notes, &self.images, &self.ids);
        let (sources, diagnostics) = self.notes.finish();
        Loaded {
            workspace: Workspace {
                root,
                images: self.images,
                sources,
                looked: self.looked,
            },
            diagnostics,
        }
    }

    fn adopt_one(&mut self, image: &Image) {
        let source = self
            .notes
            .sources
            .add(format!("ImageSpec {}", shown(&image.id)), "");
        let mut transcript = Transcript::new(source);
        let node = transcript.image(image);
        let Transcript { text, builder, .. } = transcript;
        self.notes.sources.write(source, text);
        let file = File {
            folder: WorkspacePath::ROOT,
            nodes: &[],
            plain_ids: [].into(),
        };
        let before = self.images.len();
        self.image(&node, &file, &Above::nothing());
        let Some(read) = self.images.get_mut(before) else {
            return;
        };
        read.folder.clone_from(&image.folder);
        read.spec.builder.clone_from(&image.spec.builder);
        if let Some(place) = builder {
            read.places.insert("builder", place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::adopt;
    use crate::spec::{
        Copy, ImageSpec, NamedContext, OwnDockerfile, OwnStep, Secret, SecretStep, SourceCopyMode,
        WorkspacePath,
    };
    use crate::workspace::{Image, Places};

    fn image(id: &str, spec: ImageSpec) -> Image {
        Image {
            id: id.to_owned(),
            spec,
            folder: WorkspacePath::ROOT,
            places: Places::default(),
        }
    }

    #[track_caller]
    fn same(spec: &ImageSpec) {
        let loaded = adopt(
            "/".into(),
            &[
                image("other", ImageSpec::default()),
                image("it", spec.clone()),
            ],
        );
        assert_eq!(loaded.diagnostics, [], "{:?}", loaded.workspace.sources);
        assert_eq!(loaded.workspace.images[1].spec, *spec);
    }

    /// The words of what is wrong, and what stands at its place.
    fn wrong(spec: ImageSpec) -> Vec<(String, String)> {
        let loaded = adopt("/".into(), &[image("it", spec)]);
        let told = loaded.diagnostics.iter().map(|mistake| {
            let place = &mistake.place.as_ref().unwrap().place;
            let source = loaded.workspace.sources.get(place.source);
            (
                mistake.message.clone(),
                source.text[place.span.clone()].to_owned(),
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
                requirements: Some(crate::spec::GivenPath::new("r.txt")),
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
                "\"../r.txt\"",
                "\"--index-url=x\"",
                "\"A B\"",
                "\"/etc\"",
                "\"root\\nRUN x\""
            ],
            "{told:?}"
        );
    }

    #[test]
    fn a_spec_out_of_another_folders_manifest_names_the_same_files() {
        let folder = WorkspacePath::try_from("services/a").unwrap();
        let path = WorkspacePath::resolve(&folder, "../x").unwrap();
        let mut spec = ImageSpec::default().with_requirements("../x");
        spec.requirements.as_mut().unwrap().path = path.clone();
        let loaded = adopt("/".into(), &[image("it", spec)]);
        assert_eq!(loaded.diagnostics, []);
        let read = loaded.workspace.images[0].spec.requirements.clone();
        assert_eq!(read.unwrap().path, path);
    }

    #[test]
    fn an_id_is_said_once_and_is_one() {
        let images = ["a", "a", "b/c", "{{ x }}"].map(|id| image(id, ImageSpec::default()));
        let loaded = adopt("/".into(), &images);
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
            let loaded = adopt("/".into(), &[image("it", spec.clone())]);
            let read = loaded.workspace.images.first().map(|image| &image.spec);
            let is_refused = loaded.diagnostics.iter().any(crate::diagnostic::Diagnostic::is_error);
            proptest::prop_assert!(is_refused || read == Some(&spec), "{spec:?}");
        }
    }
}
