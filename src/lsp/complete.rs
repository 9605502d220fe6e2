//! Completes what is being typed: nodes, properties, ids, templates, variables, the values of fields that have few, and paths.

use std::collections::BTreeMap;
use std::path::Path;

use gen_lsp_types::{
    CompletionItem, CompletionItemKind, CompletionItemTextEdit, CompletionList, Documentation,
    MarkupContent, MarkupKind, TextEdit,
};

use super::analysis::Analysis;
use super::context::{self, Context, Slot};
use super::desk::Desk;
use super::documents::Document;
use super::positions::Lines;
use super::reference;
use super::vocabulary::Vocabularies;
use crate::diagnostic::{lint, quoted};
use crate::disk::FileKind;
use crate::disk::read::{Links, Root};
use crate::manifest::inside;
use crate::spec::WorkspacePath;
use crate::spec::fields::{self, FieldKind};
use crate::spec::rules::choices;

/// The maximum number of paths of one directory that are offered.
const MOST_PATHS: usize = 500;

/// What can be typed, without the sign that ends it.
struct Word {
    text: String,
    kind: CompletionItemKind,
    detail: Option<String>,
    documentation: Option<String>,
}

impl Word {
    fn new(text: impl Into<String>, kind: CompletionItemKind) -> Self {
        Self {
            text: text.into(),
            kind,
            detail: None,
            documentation: None,
        }
    }
}

/// What can be typed at an offset of a document.
pub(super) fn complete(
    desk: &Desk,
    vocabularies: &Vocabularies,
    document: &Document,
    offset: usize,
) -> Option<CompletionList> {
    let (before, after) = document.text.split_at(offset);
    let context = context::at_end(before)?;
    let path = document.path.as_deref()?;
    let analysis = desk.workspace_of(path).map(|(analysis, _)| analysis);
    let around = Around {
        analysis,
        vocabularies,
        path,
    };
    let rest = after.lines().next().unwrap_or_default();
    let range = Lines::new(&document.text, desk.encoding).range(context.start..offset);
    let items = around.words(&context).into_iter();
    let items = items.map(|(word, form)| {
        let new_text = form.written(&word.text, rest);
        item(word, TextEdit { range, new_text })
    });
    Some(CompletionList {
        is_incomplete: false,
        items: items.collect(),
        ..CompletionList::default()
    })
}

fn item(word: Word, edit: TextEdit) -> CompletionItem {
    let documentation = word.documentation.map(|value| {
        Documentation::MarkupContent(MarkupContent {
            kind: MarkupKind::Markdown,
            value,
        })
    });
    CompletionItem {
        label: word.text,
        kind: Some(word.kind),
        detail: word.detail,
        documentation,
        text_edit: Some(CompletionItemTextEdit::TextEdit(edit)),
        ..CompletionItem::default()
    }
}

/// How a word is written.
#[derive(Clone, Copy)]
enum Form {
    /// As it is.
    Plain,
    /// As it is, before a value.
    Property,
    /// With quotes around it.
    Quoted,
    /// Within quotes, of which the first is there.
    Within,
    /// In braces, of which the first are there, with or without a space.
    Variable { is_spaced: bool },
}

impl Form {
    /// The text to insert; `rest` is what follows on the line.
    fn written(self, word: &str, rest: &str) -> String {
        match self {
            Self::Plain => word.to_owned(),
            Self::Property => format!("{word}="),
            Self::Quoted => quoted(word),
            Self::Within if rest.contains('"') || word.ends_with('/') => word.to_owned(),
            Self::Within => format!("{word}\""),
            Self::Variable { is_spaced } => {
                let before = if is_spaced { "" } else { " " };
                let after = if rest.trim_start().starts_with("}}") {
                    ""
                } else {
                    " }}"
                };
                format!("{before}{word}{after}")
            }
        }
    }
}

/// Where words can come from.
struct Around<'a> {
    analysis: Option<&'a Analysis>,
    vocabularies: &'a Vocabularies,
    path: &'a Path,
}

impl Around<'_> {
    fn words(&self, context: &Context) -> Vec<(Word, Form)> {
        let way: Vec<&str> = context.way.iter().map(String::as_str).collect();
        let all =
            |words: Vec<Word>, form| words.into_iter().map(move |word| (word, form)).collect();
        match &context.slot {
            Slot::Node => all(nodes(&way), Form::Plain),
            Slot::Variable { is_spaced } => {
                let form = Form::Variable {
                    is_spaced: *is_spaced,
                };
                all(self.variables(), form)
            }
            Slot::Argument => all(self.arguments(&way, &context.typed), Form::Within),
            Slot::Property { name, is_quoted } => {
                let form = if *is_quoted {
                    Form::Within
                } else {
                    Form::Quoted
                };
                all(self.values(&way, name, &context.typed), form)
            }
            Slot::Word => {
                let props = inside(&way).props.iter().copied();
                let props = props.filter(|name| context.typed.is_empty() || *name != "reset");
                let props = props.map(|name| {
                    (
                        Word::new(name, CompletionItemKind::Property),
                        Form::Property,
                    )
                });
                let flags = flags(&way).into_iter().map(|word| (word, Form::Plain));
                let arguments = self.arguments(&way, &context.typed).into_iter();
                let arguments = arguments.map(|word| (word, Form::Quoted));
                arguments.chain(flags).chain(props).collect()
            }
        }
    }

    /// The values that an argument of a node can have.
    fn arguments(&self, way: &[&str], typed: &str) -> Vec<Word> {
        match way {
            ["workspace", "include"] => self.paths(typed, true),
            ["group", "images"] => {
                let mut words = self.ids();
                words.extend(self.groups());
                words
            }
            ["allow"] | ["image", "allow"] => lints(),
            ["image" | "template", "extends"] => self.templates(),
            ["image" | "template" | "defaults", field] => {
                let mut words = values(choices(field));
                match fields::find(field).map(|field| field.kind) {
                    Some(FieldKind::Base) => words.extend(values(&["scratch"])),
                    Some(FieldKind::Path(_) | FieldKind::Copies | FieldKind::Dockerfile) => {
                        words.extend(self.paths(typed, false));
                    }
                    Some(FieldKind::Mounts) => words.extend(self.paths(typed, false)),
                    _ => {}
                }
                words
            }
            [_, "steps", "copy"] => self.paths(typed, false),
            _ => Vec::new(),
        }
    }

    /// The values that a property of a node can have.
    fn values(&self, way: &[&str], name: &str, typed: &str) -> Vec<Word> {
        if !inside(way).props.contains(&name) {
            return Vec::new();
        }
        match (way, name) {
            (_, "image") => self.ids(),
            (["image" | "template"], "extends") => self.templates(),
            (_, "variant") => values(choices("variant")),
            ([_, "secret"], "file") => Vec::new(),
            (_, "context" | "path" | "file" | "requirements") => self.paths(typed, false),
            _ => Vec::new(),
        }
    }

    fn ids(&self) -> Vec<Word> {
        let words = self.analysis.and_then(|it| self.vocabularies.of(it));
        let ids = words.into_iter().flat_map(|it| &it.images);
        ids.map(|id| Word::new(id, CompletionItemKind::Module))
            .collect()
    }

    fn groups(&self) -> Vec<Word> {
        let words = self.analysis.and_then(|it| self.vocabularies.of(it));
        let names = words.into_iter().flat_map(|it| &it.groups);
        names
            .map(|name| Word::new(name, CompletionItemKind::Enum))
            .collect()
    }

    fn templates(&self) -> Vec<Word> {
        let words = self.analysis.and_then(|it| self.vocabularies.of(it));
        let names = words.map(|it| it.templates(self.path)).unwrap_or_default();
        let names = names.into_iter();
        names
            .map(|name| Word::new(name, CompletionItemKind::Interface))
            .collect()
    }

    fn variables(&self) -> Vec<Word> {
        let words = self.analysis.and_then(|it| self.vocabularies.of(it));
        let names = words.map(|it| it.variables(self.path)).unwrap_or_default();
        let names = names.into_iter();
        names
            .map(|name| Word::new(name, CompletionItemKind::Variable))
            .collect()
    }

    /// The files and directories that continue a path. Nothing outside of the workspace is looked at.
    fn paths(&self, typed: &str, is_include: bool) -> Vec<Word> {
        let found = self.listed(typed).unwrap_or_default();
        let is_wanted = |name: &str, kind: FileKind| {
            let is_manifest = || Path::new(name).extension().is_some_and(|it| it == "kdl");
            kind == FileKind::Directory || !is_include || is_manifest()
        };
        let (before, begun) = typed.split_at(typed.rfind('/').map_or(0, |at| at + 1));
        let wanted = found
            .into_iter()
            .filter(|(name, kind)| is_wanted(name, *kind))
            .filter(|(name, _)| !name.starts_with('.') || begun.starts_with('.'));
        let words = wanted.map(|(name, kind)| match kind {
            FileKind::Directory => {
                Word::new(format!("{before}{name}/"), CompletionItemKind::Folder)
            }
            _ => Word::new(format!("{before}{name}"), CompletionItemKind::File),
        });
        words.take(MOST_PATHS).collect()
    }

    /// What is in the directory of a path that is being typed.
    fn listed(&self, typed: &str) -> Option<BTreeMap<String, FileKind>> {
        let analysis = self.analysis?;
        let root = analysis.root();
        let file = self.path.strip_prefix(root).ok()?.to_str()?;
        let file = WorkspacePath::resolve(&WorkspacePath::ROOT, file)?;
        let given = typed.rsplit_once('/').map_or("", |(folder, _)| folder);
        if typed.starts_with('/') {
            return None;
        }
        let folder = match given {
            "" => file.parent(),
            given => WorkspacePath::resolve(&file.parent(), given)?,
        };
        let listed = Root::open(root).ok()?;
        let listed = listed
            .list(Path::new(folder.as_str()), Links::Follow)
            .ok()?;
        let entries = listed.into_iter();
        let named = entries.filter_map(|it| Some((it.name.into_string().ok()?, it.kind)));
        // A name with a quote or an escape in it has to be written by hand.
        let plain = named.filter(|(name, _)| quoted(name).len() == name.len() + 2);
        Some(plain.collect())
    }
}

/// The nodes that can be in a block.
fn nodes(way: &[&str]) -> Vec<Word> {
    let names = inside(way).nodes.into_iter();
    let words = names.map(|name| {
        let entry = match way {
            [] => reference::node(name),
            ["image" | "template" | "defaults"] => reference::field(name),
            _ => None,
        };
        let kind = match way {
            [] => CompletionItemKind::Keyword,
            _ => CompletionItemKind::Field,
        };
        let mut word = Word::new(name, kind);
        if let Some(entry) = entry {
            word.detail = Some(entry.kind.unwrap_or_else(|| entry.summary.clone()));
            word.documentation = Some(format!("{}\n\n{}", entry.summary, entry.section));
        }
        word
    });
    words.collect()
}

fn values(choices: &[&'static str]) -> Vec<Word> {
    let choices = choices.iter();
    choices
        .map(|it| Word::new(*it, CompletionItemKind::EnumMember))
        .collect()
}

/// The values of a field that is on or off.
fn flags(way: &[&str]) -> Vec<Word> {
    let field = way.get(1).and_then(|name| fields::find(name));
    match field.map(|field| field.kind) {
        Some(FieldKind::Flag(_)) if way.len() == 2 => values(&["#true", "#false"]),
        _ => Vec::new(),
    }
}

fn lints() -> Vec<Word> {
    let lints = lint::LINTS.iter().filter(|lint| lint.is_allowable);
    let words = lints.map(|lint| Word {
        detail: Some(lint.summary.to_owned()),
        ..Word::new(lint.code, CompletionItemKind::EnumMember)
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::Form;

    #[test]
    fn words_are_written_with_what_is_still_missing() {
        assert_eq!(Form::Within.written("a", ""), "a\"");
        assert_eq!(Form::Within.written("a", "\" x"), "a");
        assert_eq!(Form::Within.written("src/", ""), "src/");
        assert_eq!(Form::Quoted.written("a", ""), "\"a\"");
        assert_eq!(Form::Property.written("image", ""), "image=");
        let variable = |is_spaced, rest| Form::Variable { is_spaced }.written("x", rest);
        assert_eq!(variable(false, "\""), " x }}");
        assert_eq!(variable(true, " }}\""), "x");
    }
}
