//! A spec that a program made → the nodes of the manifest that says the same, and its text, so that mistakes have places.
//!
//! Judges nothing: the decoder does, by the rules of every manifest. The choice made: nodes and text are made together
//! instead of text alone that is parsed again, so no value can end a string, name a variable or become another node.

use super::notes::quoted;
use super::scope::is_name;
use super::syntax::{Data, Node, Prop, Value, Word};
use crate::diagnostic::{Place, SourceId};
use crate::spec::{
    Base, Copy, CopyFrom, GivenPath, ImageSpec, NamedContext, OwnDockerfile, OwnStep, Secret,
    SecretFile, SecretSource, SecretUse, SourceCopyMode, WorkspacePath,
};
use crate::workspace::Image;

/// The longest line of a list, in bytes; longer ones are said in several lines.
const LINE: usize = 100;

/// What is written so far.
pub(super) struct Transcript {
    pub text: String,
    source: SourceId,
    depth: usize,
    /// Where the builder is named. It is no node: which builders there are is the program's affair.
    pub builder: Option<Place>,
}

type Props<'a> = &'a [(&'a str, &'a str)];

impl Transcript {
    pub(super) fn new(source: SourceId) -> Self {
        Self {
            text: String::new(),
            source,
            depth: 0,
            builder: None,
        }
    }

    /// `image "id" { … }`.
    pub(super) fn image(&mut self, image: &Image) -> Node {
        self.block("image", &[&image.id], &[], |it| it.fields(&image.spec))
    }

    fn put(&mut self, said: &str) -> Place {
        let start = self.text.len();
        self.text += said;
        Place {
            source: self.source,
            span: start..self.text.len(),
        }
    }

    fn word(&mut self, text: &str) -> Word {
        let place = if is_name(text) {
            self.put(text)
        } else {
            self.put(&quoted(text))
        };
        Word {
            text: text.to_owned(),
            place,
        }
    }

    fn value(&mut self, text: &str) -> Value {
        Value {
            place: self.put(&quoted(text)),
            data: Data::Text {
                text: text.to_owned(),
                quoted: false,
            },
        }
    }

    /// A node up to its block.
    fn head(&mut self, name: &str, args: &[&str], props: Props<'_>) -> Node {
        self.text += &"    ".repeat(self.depth);
        let mut node = Node::named(self.word(name));
        for arg in args {
            self.text += " ";
            node.args.push(self.value(arg));
        }
        for (name, value) in props {
            self.text += " ";
            let name = self.word(name);
            self.text += "=";
            let value = self.value(value);
            node.props.push(Prop { name, value });
        }
        node
    }

    fn line(&mut self, name: &str, args: &[&str], props: Props<'_>) -> Node {
        let node = self.head(name, args, props);
        self.text += "\n";
        node
    }

    fn block(
        &mut self,
        name: &str,
        args: &[&str],
        props: Props<'_>,
        inside: impl FnOnce(&mut Self) -> Vec<Node>,
    ) -> Node {
        let mut node = self.head(name, args, props);
        self.text += " ";
        node.block = Some(self.put("{"));
        self.text += "\n";
        self.depth += 1;
        node.children = inside(self);
        self.depth -= 1;
        self.text += &"    ".repeat(self.depth);
        self.text += "}\n";
        node
    }

    fn one(&mut self, name: &str, value: Option<&String>) -> Option<Node> {
        value.map(|value| self.line(name, &[value], &[]))
    }

    fn words(&mut self, name: &str, words: &[String]) -> Node {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.line(name, &words, &[])
    }

    /// A list: its name again in every line.
    fn list(&mut self, name: &str, values: &[String]) -> Vec<Node> {
        let mut nodes = Vec::new();
        let mut from = 0;
        let mut length = 0;
        for (at, value) in values.iter().enumerate() {
            length += value.len() + 3;
            if length > LINE && at > from {
                nodes.push(self.words(name, &values[from..at]));
                (from, length) = (at, value.len() + 3);
            }
        }
        if from < values.len() {
            nodes.push(self.words(name, &values[from..]));
        }
        nodes
    }

    /// Names with values in one node.
    fn map(&mut self, name: &str, pairs: &[(String, String)]) -> Node {
        // As a property that name would drop what was inherited.
        if pairs.iter().any(|(name, _)| name == "reset") {
            return self.block(name, &[], &[], |it| {
                let pairs = pairs.iter();
                pairs
                    .map(|(name, value)| it.line(name, &[value], &[]))
                    .collect()
            });
        }
        let props: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        self.line(name, &[], &props)
    }

    /// Names with values, a node each.
    fn maps(&mut self, name: &str, pairs: &[(String, String)]) -> Vec<Node> {
        let pairs = pairs.iter();
        pairs
            .map(|pair| self.map(name, std::slice::from_ref(pair)))
            .collect()
    }

    fn path(&mut self, name: &str, path: Option<&GivenPath>) -> Option<Node> {
        path.map(|path| self.line(name, &[&said(&path.path, &path.given)], &[]))
    }

    #[rustfmt::skip]
    fn fields(&mut self, spec: &ImageSpec) -> Vec<Node> {
        // Taken apart by name, so that a new field cannot be forgotten here.
        let ImageSpec {
            name, registry, builder, platform, base_image, apt_packages, python_version, python_exec, packages,
            conda_packages, conda_channels, requirements, pip_index, pip_extra_index_url, pip_extra_args,
            pip_secret_mounts, secrets, cuda, cudnn, env, source_root, source_copy_mode, copy, commands, entrypoint, cmd,
            user, workdir, labels, tag_format, steps, dockerfile, runtime_packages, builder_options, builder_config,
            registry_config, flytekit,
        } = spec;
        let mut nodes = Vec::new();
        nodes.extend(self.one("flytekit", flytekit.as_ref()));
        nodes.extend(self.one("registry", registry.as_ref()));
        nodes.extend(self.one("name", name.as_ref()));
        nodes.extend(self.one("tag-format", tag_format.as_ref()));
        self.builder = self.one("builder", builder.as_ref()).map(|node| node.args[0].place.clone());
        nodes.extend(self.maps("builder-options", builder_options));
        nodes.extend(self.maps("builder-config", builder_config));
        nodes.extend(self.path("registry-config", registry_config.as_ref()));
        nodes.extend((!platform.is_empty()).then(|| self.words("platform", platform)));
        nodes.extend(dockerfile.as_ref().map(|own| self.dockerfile(own)));
        nodes.extend(base_image.as_ref().map(|base| self.base(base)));
        nodes.extend(self.one("cuda", cuda.as_ref()));
        nodes.extend(self.one("cudnn", cudnn.as_ref()));
        nodes.extend(self.list("apt-packages", apt_packages));
        nodes.extend(self.one("python-version", python_version.as_ref()));
        nodes.extend(self.one("python-exec", python_exec.as_ref()));
        nodes.extend(self.list("conda-channels", conda_channels));
        nodes.extend(self.list("conda-packages", conda_packages));
        nodes.extend(self.path("requirements", requirements.as_ref()));
        nodes.extend(self.list("packages", packages));
        nodes.extend(self.one("pip-index", pip_index.as_ref()));
        nodes.extend(self.list("pip-extra-index-url", pip_extra_index_url));
        nodes.extend(self.one("pip-extra-args", pip_extra_args.as_ref()));
        for mount in pip_secret_mounts {
            nodes.push(self.line("pip-secret-mounts", &[&secret_file(&mount.source)], &[("to", &mount.target)]));
        }
        nodes.extend(self.list("runtime-packages", runtime_packages));
        nodes.extend(secrets.iter().map(|secret| self.secret(secret)));
        nodes.extend(self.maps("env", env));
        nodes.extend(self.path("source-root", source_root.as_ref()));
        nodes.extend(source_copy_mode.map(|mode| self.line("source-copy-mode", &[match mode {
            SourceCopyMode::All => "all",
            SourceCopyMode::None => "none",
        }], &[])));
        nodes.extend(copy.iter().map(|copy| self.copy(copy)));
        nodes.extend(self.list("commands", commands));
        if !steps.is_empty() {
            nodes.push(self.block("steps", &[], &[], |it| steps.iter().map(|step| it.step(step)).collect()));
        }
        nodes.extend(self.one("user", user.as_ref()));
        nodes.extend(self.one("workdir", workdir.as_ref()));
        nodes.extend(entrypoint.as_ref().map(|words| self.words("entrypoint", words)));
        nodes.extend(cmd.as_ref().map(|words| self.words("cmd", words)));
        nodes.extend(self.maps("labels", labels));
        nodes
    }

    fn base(&mut self, base: &Base) -> Node {
        match base {
            Base::Image(id) => self.line("base-image", &[], &[("image", id)]),
            Base::Registry(reference) => self.line("base-image", &[reference], &[]),
            Base::Scratch => self.line("base-image", &["scratch"], &[]),
        }
    }

    fn copy(&mut self, copy: &Copy) -> Node {
        let Copy { from, to, owner } = copy;
        let (path, image) = match from {
            CopyFrom::Workspace { path, given } => (said(path, given), None),
            CopyFrom::Image { image, path } => (path.clone(), Some(image)),
        };
        let props = [
            ("image", image),
            ("to", to.as_ref()),
            ("owner", owner.as_ref()),
        ];
        let props = given(&props);
        self.line("copy", &[&path], &props)
    }

    fn secret(&mut self, secret: &Secret) -> Node {
        let Secret { id, source, uses } = secret;
        let (name, value) = match source {
            SecretSource::Env(variable) => ("env", variable.clone()),
            SecretSource::File(file) => ("file", secret_file(file)),
        };
        if uses.is_empty() {
            return self.line("secret", &[id], &[(name, &value)]);
        }
        self.block("secret", &[id], &[(name, &value)], |it| {
            let line = |one: &SecretUse| {
                let props = [("env", one.env.as_ref()), ("mount", one.mount.as_ref())];
                it.line(one.step.field(), &[], &given(&props))
            };
            uses.iter().map(line).collect()
        })
    }

    fn step(&mut self, step: &OwnStep) -> Node {
        match step {
            OwnStep::Apt(packages) => self.words("apt", packages),
            OwnStep::Conda(packages) => self.words("conda", packages),
            OwnStep::Pip {
                packages,
                requirements,
            } => {
                let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
                let file = requirements.as_ref().map(|it| said(&it.path, &it.given));
                self.line("pip", &packages, &given(&[("requirements", file.as_ref())]))
            }
            OwnStep::Copy(copy) => self.copy(copy),
            OwnStep::Run(command) => self.line("run", &[command], &[]),
            OwnStep::Env(pairs) => self.map("env", pairs),
            OwnStep::User(user) => self.line("user", &[user], &[]),
            OwnStep::Workdir(folder) => self.line("workdir", &[folder], &[]),
        }
    }

    fn dockerfile(&mut self, own: &OwnDockerfile) -> Node {
        let (path, context) = (own.path.to_string(), own.context.to_string());
        let props = [("context", Some(&context)), ("target", own.target.as_ref())];
        self.block("dockerfile", &[&path], &given(&props), |it| {
            let mut nodes = Vec::new();
            if !own.args.is_empty() {
                nodes.push(it.map("args", &own.args));
            }
            if !own.contexts.is_empty() {
                nodes.push(it.block("contexts", &[], &[], |it| {
                    let contexts = own.contexts.iter();
                    contexts
                        .map(|(name, context)| it.context(name, context))
                        .collect()
                }));
            }
            nodes
        })
    }

    fn context(&mut self, name: &str, context: &NamedContext) -> Node {
        match context {
            NamedContext::Image(id) => self.line(name, &[], &[("image", id)]),
            NamedContext::Registry(reference) => self.line(name, &[reference], &[]),
            NamedContext::Folder(path) => self.line(name, &[], &[("path", &path.to_string())]),
        }
    }
}

/// The properties that have values.
fn given<'a>(props: &[(&'a str, Option<&'a String>)]) -> Vec<(&'a str, &'a str)> {
    let props = props.iter();
    props
        .filter_map(|(name, value)| Some((*name, value.as_ref()?.as_str())))
        .collect()
}

/// A path as it is said at the root: as it was given, unless that was in the manifest of another folder.
fn said(path: &WorkspacePath, given: &str) -> String {
    let here = WorkspacePath::resolve(&WorkspacePath::ROOT, given);
    // What leads nowhere is said as it was given, to be refused.
    if here.unwrap_or_default() == *path {
        given.to_owned()
    } else {
        path.to_string()
    }
}

fn secret_file(file: &SecretFile) -> String {
    let given = &file.given;
    let is_of_machine = given.starts_with('/') || given.starts_with("~/");
    if is_of_machine || file.folder == WorkspacePath::ROOT {
        given.clone()
    } else {
        format!("{}/{given}", file.folder)
    }
}
