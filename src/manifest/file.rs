//! One file after the other: declarations, images, includes.
//!
//! The choice made: what a file declares is known to it and to the files that it includes, so a file can be read knowing
//! only the files above it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::decode::{Decoder, TOP};
use super::layer::Layer;
use super::notes::Notes;
use super::overrides::{Overrides, Sets};
use super::scope::Scope;
use super::syntax::{self, Node, SIZE_LIMIT};
use super::templates::Templates;
use super::{Loaded, between};
use crate::diagnostic::{Diagnostic, Place};
use crate::spec::WorkspacePath;
use crate::suggest::closest;
use crate::workspace::{Image, Looked, Workspace};

/// Reads one workspace.
pub(super) struct Loader<'a> {
    pub(super) notes: Notes,
    pub(super) images: Vec<Image>,
    /// The ids so far, with their places.
    pub(super) ids: BTreeMap<String, Place>,
    pub(super) sets: Sets,
    pub(super) overrides: &'a Overrides,
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
    pub(super) root: PathBuf,
    /// Names of all variables, for flags that name none.
    pub(super) variables: BTreeSet<String>,
    /// The files so far, with the include that led to each.
    pub(super) files: BTreeMap<WorkspacePath, Option<Place>>,
    pub(super) looked: Looked,
    /// A file, by its path in the workspace, and the text that is read instead of what is in it.
    pub(super) instead: Option<(&'a str, &'a str)>,
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
    pub(super) fn new(overrides: &'a Overrides, env: &'a dyn Fn(&str) -> Option<String>) -> Self {
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
            instead: None,
        }
    }

    pub(super) fn load(mut self, manifest: &Path) -> Loaded {
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
            self.sets.unmet(&self.ids, &mut self.notes);
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
    pub(super) fn file(
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
        let instead = self.instead.filter(|(it, _)| *it == path.as_str());
        let read = match instead {
            Some((_, text)) => Ok(text.as_bytes().to_vec()),
            None => read(&path.under(&self.root)),
        };
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(why) => {
                let mistake = unreadable(path.as_str(), &why);
                self.notes.tell(match included {
                    Some(place) => mistake.at(place.clone(), "included here"),
                    None => mistake.help("name another with `-f`, or let `imgspec init` write one"),
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
}

impl Above<'_> {
    pub(super) fn nothing() -> Above<'static> {
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
    pub(super) fn named(&self, name: &'static str) -> impl Iterator<Item = &'a Node> + use<'a> {
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
