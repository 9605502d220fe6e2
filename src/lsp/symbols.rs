//! Outlines: what a manifest declares, and what all manifests of the workspaces declare.

use gen_lsp_types::{
    BaseSymbolInformation, DocumentSymbol, SymbolKind, WorkspaceSymbol, WorkspaceSymbolLocation,
};

use super::analysis::Analysis;
use super::desk::{Desk, within};
use super::positions::{Encoding, Lines};
use super::symbol;
use super::tree;
use crate::diagnostic::{Place, Sources};
use crate::manifest::{self, Data, Node};
use crate::workspace::Meaning;

/// The maximum number of symbols that a search returns.
const MOST: usize = 1000;

/// The declarations of a text, in its order.
pub(super) fn outline(text: &str, encoding: Encoding) -> Vec<DocumentSymbol> {
    let lines = Lines::new(text, encoding);
    let source = Sources::default().add("", "");
    let (nodes, _) = manifest::parse(text, source);
    nodes
        .iter()
        .filter_map(|node| declared(node, text, &lines))
        .collect()
}

fn declared(node: &Node, text: &str, lines: &Lines<'_>) -> Option<DocumentSymbol> {
    let (kind, detail) = match node.name.text.as_str() {
        "image" => (SymbolKind::Module, "image"),
        "template" => (SymbolKind::Interface, "template"),
        "variable" => (SymbolKind::Variable, "variable"),
        "group" => (SymbolKind::Enum, "group"),
        "defaults" | "workspace" => (SymbolKind::Namespace, ""),
        _ => return None,
    };
    let given = node.args.first().and_then(|value| match &value.data {
        Data::Text { text, .. } if !text.is_empty() => Some((text.clone(), value.place)),
        _ => None,
    });
    let (name, place) = given.unwrap_or_else(|| (node.name.text.clone(), node.name.place));
    let end = tree::end(node, text);
    Some(DocumentSymbol {
        name,
        detail: (!detail.is_empty()).then(|| detail.to_owned()),
        kind,
        range: lines.range(node.name.place.start()..end),
        selection_range: lines.range(within(text, place).span()),
        ..symbol_of(SymbolKind::Module)
    })
}

/// A symbol with nothing in it.
#[expect(deprecated, reason = "the type has the field")]
fn symbol_of(kind: SymbolKind) -> DocumentSymbol {
    DocumentSymbol {
        name: String::new(),
        detail: None,
        kind,
        tags: None,
        deprecated: None,
        range: gen_lsp_types::Range::default(),
        selection_range: gen_lsp_types::Range::default(),
        children: None,
    }
}

/// What the workspaces declare whose name contains the query.
pub(super) fn search(desk: &Desk, query: &str) -> Vec<WorkspaceSymbol> {
    let query = query.to_lowercase();
    let is_asked = |name: &str| name.to_lowercase().contains(&query);
    let all = desk.found.analyses.iter().flat_map(|analysis| {
        let mut ranges = desk.ranges(analysis);
        let declared = declarations(analysis).into_iter();
        let found = declared.filter(|(name, ..)| is_asked(name));
        let symbols = found.filter_map(|(name, kind, place)| {
            Some(WorkspaceSymbol {
                location: WorkspaceSymbolLocation::Location(ranges.location_within(place)?),
                data: None,
                base_symbol_information: BaseSymbolInformation {
                    name,
                    kind,
                    tags: None,
                    container_name: None,
                },
            })
        });
        symbols.take(MOST).collect::<Vec<_>>()
    });
    all.take(MOST).collect()
}

fn declarations(analysis: &Analysis) -> Vec<(String, SymbolKind, Place)> {
    let workspace = &analysis.checked.workspace;
    let images = workspace.images.iter().filter_map(|image| {
        let place = symbol::declaration(image)?;
        Some((image.id.clone(), SymbolKind::Module, *place))
    });
    let groups = workspace.groups.iter();
    let groups = groups.map(|group| {
        let name = &group.name;
        (name.text.clone(), SymbolKind::Enum, name.place)
    });
    let names = analysis.names.declared.iter().map(|(place, declared)| {
        let kind = match declared.meaning {
            Meaning::Template => SymbolKind::Interface,
            Meaning::Variable { .. } | Meaning::Axis(_) => SymbolKind::Variable,
        };
        (declared.name.clone(), kind, *place)
    });
    images.chain(groups).chain(names).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outline_has_what_is_declared() {
        let text = "workspace { include \"x\"; }\nvariable \"v\"\nimage \"a\" {\n  user \"x\"\n}\nallow \"b\"\n";
        let symbols = outline(text, Encoding::Utf16);
        let told = symbols.iter().map(|it| {
            let (range, name) = (it.range, it.selection_range);
            let range = (range.start.line, range.end.line);
            (it.name.as_str(), range, name.start.character)
        });
        let told: Vec<_> = told.collect();
        let wanted = [
            ("workspace", (0, 0), 0),
            ("v", (1, 1), 10),
            ("a", (2, 4), 7),
        ];
        assert_eq!(told, wanted);
        assert!(outline("image \"a\" {", Encoding::Utf16).is_empty());
    }
}
