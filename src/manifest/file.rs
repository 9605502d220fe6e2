//! One file after the other: declarations, images, includes.
//!
//! The choice made: what a file declares is known to it and to the files that it includes, so a file can be read knowing
//! only the files above it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::decode::{Decoder, TOP, refusal};
use super::include::{self, Wrong};
use super::layer::Layer;
use super::notes::{Notes, Text, shown};
use super::overrides::{Overrides, Sets};
use super::scope::{Name, Scope, is_name};
use super::syntax::{self, Node, SIZE_LIMIT};
use super::templates::{Template, Templates};
use super::{Loaded, between, decode};
use crate::diagnostic::{Diagnostic, Place};
use crate::reference::Refused;
use crate::spec::WorkspacePath;
use crate::suggest::closest;
use crate::workspace::{Image, Looked, Workspace};

/// How deep includes may lead.
const INCLUDE_LIMIT: usize = 32;

/// Reads one workspace.
pub(super) struct Loader<'a> {
    pub(super) notes: Notes,
    pub(super) images: Vec<Image>,
    /// The ids so far, with their places.
    pub(super) ids: BTreeMap<String, Place>,
    pub(super) sets: Sets,
    overrides: &'a Overrides,
    env: &'a dyn Fn(&str) -> Option<String>,
    root: PathBuf,
    /// Names of all variables, for flags that name none.
    variables: BTreeSet<String>,
    /// The files so far, with the include that led to each.
    files: BTreeMap<WorkspacePath, Option<Place>>,
    looked: Looked,
}

/// What a file gets from the files that include it.
#[derive(Clone, Copy)]
pub(super) struct Above<'a> {
    pub scope: &'a Scope<'a>,
    pub defaults: &'a [&'a Layer],
    pub templates: &'a Templates<'a>,
}

/// One file that is being read.
pub(super) struct File<'a> {
    pub folder: WorkspacePath,
    pub nodes: &'a [Node],
    /// The ids that its images have without variables: only to word a mistake.
    pub plain_ids: BTreeSet<String>,
}

impl<'a> Loader<'a> {
    pub fn new(overrides: &'a Overrides, env: &'a dyn Fn(&str) -> Option<String>) -> Self {
        let mut notes = Notes::default();
        let sets = Sets::new(overrides, &mut notes);
        Self {
            notes,
            images: Vec::new(),
            ids: BTreeMap::new(),
            sets,
            overrides,
            env,
            root: PathBuf::new(),
            variables: BTreeSet::new(),
            files: BTreeMap::new(),
            looked: Looked::default(),
        }
    }

    pub fn load(mut self, manifest: &Path) -> Loaded {
        let parent = manifest.parent().filter(|it| !it.as_os_str().is_empty());
        let root = parent.unwrap_or(Path::new(".")).canonicalize();
        let name = manifest.file_name().and_then(|name| name.to_str());
        if let (Ok(root), Some(name)) = (root, name) {
            self.root = root;
            let path = WorkspacePath::resolve(&WorkspacePath::default(), name).unwrap_or_default();
            self.files.insert(path.clone(), None);
            self.file(&path, None, &Above::nothing(), &mut vec![path.clone()]);
        } else {
            self.notes.incomplete = true;
            self.notes.tell(unreadable(
                &manifest.display().to_string(),
                "there is no such file",
            ));
        }
        self.ends()
    }

    /// What only the whole workspace can tell.
    fn ends(mut self) -> Loaded {
        between::check(&mut self.notes, &self.images, &self.ids);
        if !self.notes.incomplete {
            self.sets
                .unmet(self.ids.keys().map(String::as_str), &mut self.notes);
            self.unknown_variables();
            let wrong = self.notes.mistakes.iter().any(Diagnostic::is_error);
            if self.images.is_empty() && !wrong {
                self.no_image();
            }
        }
        let (sources, diagnostics) = self.notes.finish();
        let manifests = self.files.keys().map(|path| path.under(&self.root));
        self.looked.files.extend(manifests);
        Loaded {
            workspace: Workspace {
                root: self.root,
                images: self.images,
                sources,
                looked: self.looked,
            },
            diagnostics,
        }
    }

    fn unknown_variables(&mut self) {
        for (name, value) in &self.overrides.vars {
            if self.variables.contains(name) {
                continue;
            }
            let source = self.notes.sources.add("--var", format!("{name}={value}"));
            let place = Place {
                source,
                span: 0..name.len(),
            };
            let mistake =
                Diagnostic::error("unknown-variable", format!("unknown variable `{name}`"));
            let known = self.variables.iter().map(String::as_str);
            self.notes.tell(match closest(name, known) {
                Some(meant) => mistake.at(place, format!("did you mean `{meant}`?")),
                None => mistake
                    .at(place, "no manifest declares it")
                    .help(format!("declare it: `variable \"{name}\"`")),
            });
        }
    }

    fn no_image(&mut self) {
        let mistake = Diagnostic::error("no-image", "no image is declared")
            .help("declare one: `image \"app\" { base-image \"debian:bookworm-slim\"; packages \"numpy\" }`");
        let root = self.notes.sources.first_file();
        self.notes.tell(match root {
            Some(source) => mistake.at(Place { source, span: 0..0 }, ""),
            None => mistake,
        });
    }

    /// Reads one file and those that it includes. `way` leads from the root to it.
    fn file(
        &mut self,
        path: &WorkspacePath,
        included: Option<&Place>,
        above: &Above<'_>,
        way: &mut Vec<WorkspacePath>,
    ) {
        let Some(nodes) = self.nodes(path, included) else {
            self.notes.incomplete = true;
            return;
        };
        let plain = |node: &Node| match node.args.first().map(|value| &value.data) {
            Some(syntax::Data::Text { text, .. }) if node.name.text == "image" => {
                Some(text.clone())
            }
            _ => None,
        };
        let file = File {
            folder: path.parent(),
            nodes: &nodes,
            plain_ids: nodes.iter().filter_map(plain).collect(),
        };
        self.strangers(&nodes);
        let scope = self.scope(&file, above.scope);
        let templates = self.templates(&file, &scope, above.templates);
        let own = self.defaults(&file, &scope);
        let mut defaults = above.defaults.to_vec();
        defaults.extend(&own);
        let here = Above {
            scope: &scope,
            defaults: &defaults,
            templates: &templates,
        };
        for node in file.named("image") {
            self.image(node, &file, &here);
        }
        self.includes(&file, &here, way);
    }

    /// The nodes of a file; none when it cannot be read.
    fn nodes(&mut self, path: &WorkspacePath, included: Option<&Place>) -> Option<Vec<Node>> {
        let bytes = match read(&path.under(&self.root)) {
            Ok(bytes) => bytes,
            Err(why) => {
                let mistake = unreadable(path.as_str(), &why);
                self.notes.tell(match included {
                    Some(place) => mistake.at(place.clone(), "included here"),
                    None => mistake,
                });
                return None;
            }
        };
        if bytes.len() > SIZE_LIMIT {
            let source = self.notes.sources.add(path.as_str(), "");
            self.notes.tell(
                Diagnostic::error("too-large", format!("`{path}` is larger than 1 MiB"))
                    .at(Place { source, span: 0..0 }, "")
                    .help("split it: `workspace { include \"…\" }`"),
            );
            return None;
        }
        let text = String::from_utf8_lossy(&bytes);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let source = self.notes.sources.add(path.as_str(), text);
        if let Err(error) = std::str::from_utf8(&bytes) {
            let at = error.valid_up_to();
            self.notes.tell(not_utf8(
                path,
                &bytes,
                Place {
                    source,
                    span: at..at + '\u{fffd}'.len_utf8(),
                },
            ));
            return None;
        }
        let (nodes, mistakes) = syntax::parse(text, source);
        self.notes.incomplete |= !mistakes.is_empty();
        for mistake in mistakes {
            self.notes.tell(mistake);
        }
        Some(nodes)
    }

    /// Tells nodes that may not stand at the top of a file, and those that may stand there only once.
    fn strangers(&mut self, nodes: &[Node]) {
        let mut first: BTreeMap<&str, &Place> = BTreeMap::new();
        for node in nodes {
            let (name, place) = (node.name.text.as_str(), &node.name.place);
            if !TOP.contains(&name) {
                self.notes.tell(stranger(name, place));
            } else if matches!(name, "defaults" | "workspace")
                && let Some(before) = first.insert(name, place)
            {
                self.notes.tell(
                    Diagnostic::error(
                        "duplicate-node",
                        format!("`{name}` stands twice in one file"),
                    )
                    .at(place.clone(), "again here")
                    .with(before.clone(), "first here")
                    .help("put what both say into one"),
                );
            }
        }
    }

    fn scope<'s>(&mut self, file: &File<'_>, outer: &'s Scope<'s>) -> Scope<'s> {
        let mut scope = Scope {
            own: BTreeMap::new(),
            outer: Some(outer),
        };
        for node in file.named("variable") {
            let Some(name) = self.name(node, "variable") else {
                continue;
            };
            if let Some(before) = scope.find(&name.text) {
                self.notes
                    .tell(declared_twice("variable", &name, &before.place));
                continue;
            }
            let value = self.variable(node, &name, &scope, &file.folder);
            self.variables.insert(name.text.clone());
            scope.own.insert(
                name.text,
                Name {
                    value,
                    place: name.place,
                },
            );
        }
        scope
    }

    /// The value of a variable: of a flag, else of the environment, else its default.
    fn variable(
        &mut self,
        node: &Node,
        name: &Text,
        scope: &Scope<'_>,
        folder: &WorkspacePath,
    ) -> Option<String> {
        let mut decoder = self.decoder(scope, folder, "a variable", &[]);
        decoder.only_props(node, &["env", "default"]);
        decoder.no_block(node);
        let mut said =
            |prop| decode::prop(node, prop).map(|it| scope.text(&it.value, prop, &mut self.notes));
        let (env, default) = (said("env"), said("default"));
        let flag = self.overrides.vars.iter().rev();
        let flag = flag
            .filter(|(var, _)| *var == name.text)
            .map(|(_, value)| value);
        if let Some(value) = flag.into_iter().next() {
            return Some(value.clone());
        }
        let env_name = env.clone().flatten().map(|env| env.text);
        let from_env = env_name.as_deref().and_then(self.env);
        if from_env.is_some() {
            return from_env;
        }
        if default.is_none() && !matches!(env, Some(None)) {
            self.no_value(name, env_name.as_deref());
        }
        default.flatten().map(|default| default.text)
    }

    fn no_value(&mut self, name: &Text, env: Option<&str>) {
        let name_text = &name.text;
        let set = env.map_or(String::new(), |env| format!("set {env}, or "));
        self.notes.tell(
            Diagnostic::error("no-value", format!("variable `{name_text}` has no value"))
                .at(
                    name.place.clone(),
                    match env {
                        Some(env) => format!("{env} is not set, and there is no default"),
                        None => "it has no default".to_owned(),
                    },
                )
                .help(format!(
                    "{set}pass `--var {name_text}=…`, or give it a `default=\"…\"`"
                )),
        );
    }

    fn templates<'s>(
        &mut self,
        file: &File<'_>,
        scope: &Scope<'_>,
        outer: &'s Templates<'s>,
    ) -> Templates<'s> {
        let mut templates = Templates {
            own: BTreeMap::new(),
            outer: Some(outer),
        };
        for node in file.named("template") {
            let Some(name) = self.name(node, "template") else {
                continue;
            };
            let extends = self.extends(node, scope, &file.folder);
            let layer = self
                .decoder(scope, &file.folder, "a template", &["extends"])
                .layer(&node.children);
            if let Some(before) = templates.find(&name.text) {
                self.notes
                    .tell(declared_twice("template", &name, &before.place));
                continue;
            }
            templates.own.insert(
                name.text,
                Template {
                    place: name.place,
                    layer,
                    extends,
                },
            );
        }
        for template in templates.own.values() {
            templates.layers(&template.extends, &file.plain_ids, &mut self.notes);
        }
        templates
    }

    fn defaults(&mut self, file: &File<'_>, scope: &Scope<'_>) -> Option<Layer> {
        let node = file.named("defaults").next()?;
        let mut decoder = self.decoder(scope, &file.folder, "defaults", &[]);
        decoder.only_props(node, &[]);
        if let Some(value) = node.args.first() {
            decoder.notes.tell(
                Diagnostic::error("too-many-arguments", "`defaults` has no name")
                    .at(value.place.clone(), "")
                    .help("fields under a name are a `template`"),
            );
        }
        Some(decoder.layer(&node.children))
    }

    /// The name that a `variable` or `template` declares.
    fn name(&mut self, node: &Node, what: &str) -> Option<Text> {
        let scope = Scope::default();
        let folder = WorkspacePath::default();
        let mut decoder = self.decoder(&scope, &folder, "", &[]);
        let Some(value) = node.args.first() else {
            decoder.notes.tell(
                Diagnostic::error("missing-argument", format!("a {what} needs a name"))
                    .at(node.name.place.clone(), "nothing follows")
                    .help(format!("write `{what} \"name\" …`")),
            );
            return None;
        };
        if let Some(second) = node.args.get(1) {
            decoder.notes.tell(
                Diagnostic::error("too-many-arguments", format!("a {what} has one name"))
                    .at(second.place.clone(), "one too many"),
            );
        }
        let name = Text {
            text: match &value.data {
                syntax::Data::Text { text, .. } => text.clone(),
                _ => String::new(),
            },
            place: value.place.clone(),
            plain: true,
        };
        if is_name(&name.text) {
            return Some(name);
        }
        let why = "a name has letters, digits, `_` and `-`, and begins with a letter";
        self.notes.tell(refusal(what, &name, Refused::because(why)));
        None
    }

    pub(super) fn decoder<'d>(
        &'d mut self,
        scope: &'d Scope<'d>,
        folder: &'d WorkspacePath,
        owner: &'static str,
        besides: &'static [&'static str],
    ) -> Decoder<'d> {
        Decoder {
            notes: &mut self.notes,
            scope,
            folder,
            owner,
            besides,
        }
    }

    fn includes(&mut self, file: &File<'_>, here: &Above<'_>, way: &mut Vec<WorkspacePath>) {
        for node in file.named("workspace") {
            let mut decoder = self.decoder(here.scope, &file.folder, "the workspace", &[]);
            decoder.only_props(node, &[]);
            if let Some(value) = node.args.first() {
                decoder.notes.tell(
                    Diagnostic::error("too-many-arguments", "`workspace` takes a block")
                        .at(value.place.clone(), "")
                        .help("write `workspace { include \"services/*\" }`"),
                );
            }
            for child in &node.children {
                self.include(child, file, here, way);
            }
        }
    }

    fn include(
        &mut self,
        node: &Node,
        file: &File<'_>,
        here: &Above<'_>,
        way: &mut Vec<WorkspacePath>,
    ) {
        if node.name.text != "include" {
            let place = node.name.place.clone();
            let name = &node.name.text;
            let mistake = Diagnostic::error(
                "unknown-field",
                format!("unknown field `{name}` in the workspace"),
            );
            self.notes.tell(match closest(name, ["include"]) {
                Some(meant) => mistake
                    .at(place.clone(), format!("did you mean `{meant}`?"))
                    .fix(place, meant),
                None => mistake.at(place, "a workspace has only `include`"),
            });
            return;
        }
        let mut decoder = self.decoder(here.scope, &file.folder, "the workspace", &[]);
        decoder.only_props(node, &[]);
        decoder.no_block(node);
        if node.args.is_empty() {
            decoder.notes.tell(
                Diagnostic::error("missing-argument", "`include` needs a path")
                    .at(node.name.place.clone(), "nothing follows")
                    .help("write `include \"services/*\"`"),
            );
        }
        for value in &node.args {
            if let Some(text) = here.scope.text(value, "include", &mut self.notes) {
                self.expand(&text, file, here, way);
            }
        }
    }

    fn expand(
        &mut self,
        text: &Text,
        file: &File<'_>,
        here: &Above<'_>,
        way: &mut Vec<WorkspacePath>,
    ) {
        let found = match include::expand(&self.root, &file.folder, &text.text, &mut self.looked) {
            Ok(found) => found,
            Err(wrong) => {
                self.notes.incomplete = true;
                self.notes.tell(wrong_include(text, wrong));
                return;
            }
        };
        let globbed = text.text.contains(['*', '?', '[', '{']);
        for path in found {
            if globbed && way.last() == Some(&path) {
                continue;
            }
            if let Some(from) = way.iter().position(|it| *it == path) {
                self.notes.tell(include_circle(text, &way[from..]));
            } else if let Some(before) = self.files.get(&path) {
                // One file may name the same manifest twice, by globs that overlap.
                let same_file = before
                    .as_ref()
                    .is_some_and(|it| it.source == text.place.source);
                if !same_file {
                    let mistake = included_twice(text, &path, before.clone());
                    self.notes.tell(mistake);
                }
            } else if way.len() >= INCLUDE_LIMIT {
                self.notes.tell(
                    Diagnostic::error(
                        "too-deep",
                        format!("includes lead more than {INCLUDE_LIMIT} files deep"),
                    )
                    .at(text.place.clone(), ""),
                );
            } else {
                self.files.insert(path.clone(), Some(text.place.clone()));
                way.push(path.clone());
                self.file(&path, Some(&text.place), here, way);
                way.pop();
            }
        }
    }
}

impl Above<'_> {
    fn nothing() -> Above<'static> {
        static SCOPE: Scope<'static> = Scope {
            own: BTreeMap::new(),
            outer: None,
        };
        static TEMPLATES: Templates<'static> = Templates {
            own: BTreeMap::new(),
            outer: None,
        };
        Above {
            scope: &SCOPE,
            defaults: &[],
            templates: &TEMPLATES,
        }
    }
}

impl<'a> File<'a> {
    fn named(&self, name: &'static str) -> impl Iterator<Item = &'a Node> + use<'a> {
        self.nodes.iter().filter(move |node| node.name.text == name)
    }
}

/// The bytes of a manifest, one more than the limit at most.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let kind = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        _ => error.to_string(),
    })?;
    if !kind.is_file() {
        return Err("it is no file".into());
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(SIZE_LIMIT as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn unreadable(path: &str, why: &str) -> Diagnostic {
    Diagnostic::error("unreadable", format!("`{path}` cannot be read: {why}"))
}

fn not_utf8(path: &WorkspacePath, bytes: &[u8], place: Place) -> Diagnostic {
    let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    Diagnostic::error("not-utf-8", format!("`{path}` is not UTF-8"))
        .at(place, "these bytes are no character")
        .help(if utf16 {
            "it seems to be UTF-16: save it as UTF-8"
        } else {
            "save it as UTF-8"
        })
}

fn stranger(name: &str, place: &Place) -> Diagnostic {
    let mistake = Diagnostic::error("unknown-node", format!("unknown node `{name}`"));
    if super::fields::find(name).is_some() {
        return Diagnostic::error("misplaced", format!("`{name}` stands outside of an image"))
            .at(
                place.clone(),
                "a field belongs into an image, a template or `defaults`",
            )
            .help(format!(
                "for all images of this file: `defaults {{ {name} … }}`"
            ));
    }
    if name == "include" {
        return Diagnostic::error("misplaced", "`include` stands outside of the workspace")
            .at(place.clone(), "write `workspace { include \"…\" }`");
    }
    match closest(name.trim_end_matches(':'), TOP.iter().copied()) {
        Some(meant) => mistake
            .at(place.clone(), format!("did you mean `{meant}`?"))
            .fix(place.clone(), meant),
        None => mistake
            .at(place.clone(), "nothing has this name")
            .help(format!("at the top of a file stand {}", TOP.join(", "))),
    }
}

fn declared_twice(what: &str, name: &Text, before: &Place) -> Diagnostic {
    let (text, place) = (&name.text, name.place.clone());
    let mistake = Diagnostic::error(
        format_code(what),
        format!("{what} `{text}` is declared twice"),
    )
    .at(place, "again here")
    .with(before.clone(), "first declared here");
    if before.source == name.place.source {
        mistake
    } else {
        mistake.help("a file sees what the files that include it declare: no name may hide another")
    }
}

fn format_code(what: &str) -> &'static str {
    if what == "variable" {
        "duplicate-variable"
    } else {
        "duplicate-template"
    }
}

fn wrong_include(text: &Text, wrong: Wrong) -> Diagnostic {
    let (pattern, place) = (shown(&text.text), text.place.clone());
    match wrong {
        Wrong::Nothing { help } => {
            Diagnostic::error("nothing-included", format!("`{pattern}` includes nothing"))
                .at(place, "")
                .help(help)
        }
        Wrong::Outside => Diagnostic::error("outside", format!("`{pattern}` leaves the workspace"))
            .at(place, "")
            .help("a workspace is the folder of its root manifest, with all below it"),
        Wrong::Link(path) => {
            Diagnostic::error("outside", format!("`{pattern}` leaves the workspace"))
                .at(
                    place,
                    format!("`{path}` lies behind a link that leads out of it"),
                )
                .help("a workspace is the folder of its root manifest, with all below it")
        }
        Wrong::Glob(why) => {
            Diagnostic::error("invalid-value", format!("`{pattern}` is no glob")).at(place, why)
        }
    }
}

fn include_circle(text: &Text, way: &[WorkspacePath]) -> Diagnostic {
    let first = &way[0];
    let place = text.place.clone();
    if way.len() == 1 {
        return Diagnostic::error("cycle", format!("`{first}` includes itself")).at(place, "");
    }
    let hops: Vec<String> = way
        .iter()
        .chain([first])
        .map(|path| format!("`{path}`"))
        .collect();
    Diagnostic::error(
        "cycle",
        format!(
            "files include each other in a circle: {}",
            hops.join(" -> ")
        ),
    )
    .at(place, "this closes the circle")
}

fn included_twice(text: &Text, path: &WorkspacePath, before: Option<Place>) -> Diagnostic {
    let mistake = Diagnostic::error("included-twice", format!("`{path}` is included twice"))
        .at(text.place.clone(), "again here")
        .help("include it from one place, so that its defaults are clear");
    match before {
        Some(before) => mistake.with(before, "first included here"),
        None => mistake,
    }
}
