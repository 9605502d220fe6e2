//! The files of `src`, their dependencies, and violations of the rules.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::paths::{self, Function, Named};
use crate::source;

/// The maximum number of lines of a file, and of a function.
pub(crate) const FILE_LINES: usize = 450;
pub(crate) const FUNCTION_LINES: usize = 60;

/// The path of a module, without `crate`.
type Module = Vec<String>;

/// A violation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mistake {
    /// The top-level module that has to change.
    pub module: String,
    pub kind: &'static str,
    /// `file:line`, what is wrong, and how to fix it.
    pub message: String,
}

/// A long function that is allowed, and why.
pub(crate) struct Table {
    pub file: &'static str,
    pub function: &'static str,
    pub reason: &'static str,
}

struct File {
    path: String,
    paths: Vec<Named>,
    items: BTreeSet<String>,
    children: BTreeSet<String>,
    words: BTreeSet<String>,
}

/// A reference from one file to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Arrow {
    from: Module,
    to: Module,
    place: String,
}

/// All files of the crate, without tests.
pub(crate) struct House {
    files: BTreeMap<Module, File>,
    floors: Vec<Vec<String>>,
    lines: BTreeMap<String, usize>,
    functions: Vec<(String, Function)>,
}

impl House {
    /// Parses the crate from its files: paths relative to `src`, and contents.
    pub(crate) fn new(texts: &BTreeMap<String, String>) -> Self {
        let mut house = Self {
            files: BTreeMap::new(),
            floors: texts.get("lib.rs").map_or(Vec::new(), |text| floors(text)),
            lines: texts
                .iter()
                .map(|(path, text)| (path.clone(), text.lines().count()))
                .collect(),
            functions: Vec::new(),
        };
        house.read(texts, &[], "lib.rs");
        house
    }

    fn read(&mut self, texts: &BTreeMap<String, String>, module: &[String], path: &str) {
        let Some(text) = texts.get(path) else { return };
        let tokens = source::tokens(text);
        let functions = paths::functions(&tokens).into_iter();
        self.functions
            .extend(functions.map(|function| (path.to_owned(), function)));
        let children = paths::modules(&tokens);
        let file = File {
            path: path.to_owned(),
            paths: paths::paths(&tokens),
            items: paths::items(&tokens).collect(),
            children: children.iter().cloned().collect(),
            words: paths::words(&tokens)
                .into_iter()
                .map(str::to_owned)
                .collect(),
        };
        self.files.insert(module.to_vec(), file);
        let directory = module.iter().map(|name| format!("{name}/"));
        let directory: String = directory.collect();
        for child in children {
            let module = [module, std::slice::from_ref(&child)].concat();
            let flat = format!("{directory}{child}.rs");
            let room = format!("{directory}{child}/mod.rs");
            let path = if texts.contains_key(&flat) {
                flat
            } else {
                room
            };
            self.read(texts, &module, &path);
        }
    }

    /// All violations, by the module that has to change.
    pub(crate) fn mistakes(&self, tables: &[Table]) -> Vec<Mistake> {
        let tops = self.top_arrows();
        let mut mistakes = self.unlisted();
        mistakes.extend(self.upward(&tops));
        mistakes.extend(circles(&tops).iter().map(|circle| {
            circle_mistake(
                "module circle",
                circle,
                "let the lower one know nothing of the higher",
            )
        }));
        for top in &self.files[&Vec::new()].children {
            let inside: Vec<Arrow> = self.file_arrows(top).into_iter().collect();
            mistakes.extend(circles(&inside).iter().map(|circle| {
                let help = "move what both need into a file below them";
                circle_mistake("file circle", circle, help)
            }));
        }
        mistakes.extend(self.long(tables));
        mistakes.sort();
        mistakes.dedup();
        mistakes
    }

    /// Top-level modules that the list lacks, repeats, or has unnecessarily.
    fn unlisted(&self) -> Vec<Mistake> {
        let modules = &self.files[&Vec::new()].children;
        let listed: Vec<&String> = self.floors.iter().flatten().collect();
        let lacking = modules.iter().filter(|module| !listed.contains(module));
        let lacking = lacking.map(|module| {
            let message = format!(
                "src/lib.rs: `{module}` stands on no floor: add it to the list of floors, above all that it names"
            );
            (module, message)
        });
        let wrong = listed.iter().enumerate().filter_map(|(at, module)| {
            let message = if !modules.contains(*module) {
                format!(
                    "src/lib.rs: `{module}` of the list of floors is no module: delete it there"
                )
            } else if listed[..at].contains(module) {
                format!("src/lib.rs: `{module}` stands on two floors: delete one of them")
            } else {
                return None;
            };
            Some((*module, message))
        });
        let all = lacking.chain(wrong);
        all.map(|(module, message)| Mistake {
            module: module.clone(),
            kind: "list of floors",
            message,
        })
        .collect()
    }

    fn upward(&self, tops: &[Arrow]) -> Vec<Mistake> {
        let floor = |module: &Module| {
            let floors = &mut self.floors.iter();
            floors.position(|floor| floor.contains(&module[0]))
        };
        let mut mistakes = Vec::new();
        for arrow in tops {
            let (Some(from), Some(to)) = (floor(&arrow.from), floor(&arrow.to)) else {
                continue;
            };
            if from < to {
                continue;
            }
            let stands = if from == to {
                "on the same floor"
            } else {
                "above it"
            };
            mistakes.push(Mistake {
                module: arrow.from[0].clone(),
                kind: "arrow up",
                message: format!(
                    "{}: `{}` names `{}`, which stands {stands}: move what it needs below both, or have it handed in",
                    arrow.place, arrow.from[0], arrow.to[0]
                ),
            });
        }
        mistakes
    }

    fn long(&self, tables: &[Table]) -> Vec<Mistake> {
        let top = |path: &str| path.split(['/', '.']).next().unwrap_or("").to_owned();
        let files = self.lines.iter().filter(|(_, lines)| **lines > FILE_LINES);
        let files = files.map(|(path, lines)| Mistake {
            module: top(path),
            kind: "long file",
            message: format!(
                "src/{path}:1: {lines} lines, at most {FILE_LINES}: split it by what it does"
            ),
        });
        let is_table = |path: &str, function: &Function| {
            let mut tables = tables.iter();
            tables.any(|table| table.file == path && table.function == function.name)
        };
        let is_long = |function: &Function| function.lines > FUNCTION_LINES;
        let functions = self.functions.iter();
        let functions =
            functions.filter(|(path, function)| is_long(function) && !is_table(path, function));
        let functions = functions.map(|(path, function)| Mistake {
            module: top(path),
            kind: "long function",
            message: format!(
                "src/{path}:{}: `{}` has {} lines, at most {FUNCTION_LINES}: name its parts as functions of their own",
                function.line, function.name, function.lines
            ),
        });
        let unneeded = tables.iter().filter(|table| {
            let mut functions = self.functions.iter();
            !functions.any(|(path, function)| {
                table.file == path && table.function == function.name && is_long(function)
            })
        });
        let unneeded = unneeded.map(|table| Mistake {
            module: top(table.file),
            kind: "long function",
            message: format!(
                "src/{}:1: `{}` ({}) is short or gone: delete it from the list of tables",
                table.file, table.function, table.reason
            ),
        });
        files.chain(functions).chain(unneeded).collect()
    }

    /// References between top-level modules, with the first occurrence of each.
    fn top_arrows(&self) -> Vec<Arrow> {
        let tops = &self.files[&Vec::new()].children;
        let mut arrows = BTreeMap::new();
        for (module, file) in self.files.iter().filter(|(module, _)| !module.is_empty()) {
            for named in &file.paths {
                let Some(mut path) = absolute(module, named) else {
                    continue;
                };
                if path.first().is_none_or(|first| !tops.contains(first)) {
                    path = self.home(&path, 0);
                }
                if let Some(to) = path.first().filter(|to| **to != module[0]) {
                    let place = format!("src/{}:{}", file.path, named.line);
                    let key = (module[0].clone(), to.clone(), file.path.clone());
                    arrows.entry(key).or_insert(place);
                }
            }
        }
        let arrows = arrows.into_iter();
        arrows
            .map(|((from, to, _), place)| Arrow {
                from: vec![from],
                to: vec![to],
                place,
            })
            .collect()
    }

    /// References between the files of a top-level module.
    fn file_arrows(&self, top: &str) -> BTreeSet<Arrow> {
        let mut arrows = BTreeSet::new();
        let own = self
            .files
            .iter()
            .filter(|(module, _)| module.first().is_some_and(|it| it == top));
        for (module, file) in own {
            for named in &file.paths {
                let Some(path) = absolute(module, named) else {
                    continue;
                };
                let to = self.home(&path, 0);
                let is_own = to.first().is_some_and(|it| it == top);
                let is_used = named
                    .alias
                    .as_ref()
                    .is_some_and(|alias| file.words.contains(alias));
                let hands_on = named.is_exported && to.starts_with(module) && !is_used;
                if is_own && to != *module && !hands_on {
                    arrows.insert(Arrow {
                        from: module.clone(),
                        to,
                        place: format!("src/{}:{}", file.path, named.line),
                    });
                }
            }
        }
        arrows
    }

    /// The file that defines the item of a path, through any re-exports.
    fn home(&self, path: &[String], depth: usize) -> Module {
        let within = (0..=path.len())
            .rev()
            .find(|end| self.files.contains_key(&path[..*end]));
        let (module, rest) = path.split_at(within.unwrap_or(0));
        let (Some(name), Some(file)) = (rest.first(), self.files.get(module)) else {
            return module.to_vec();
        };
        // A cycle of re-exports does not compile.
        if depth > 16 || file.items.contains(name) {
            return module.to_vec();
        }
        let exports = || {
            file.paths
                .iter()
                .filter(|named| named.is_exported && named.within.is_empty())
        };
        let named = exports().find(|named| named.alias.as_ref() == Some(name));
        if let Some(mut path) = named.and_then(|named| absolute(module, named)) {
            path.extend_from_slice(&rest[1..]);
            return self.home(&path, depth + 1);
        }
        for all in exports().filter(|named| named.segments.last().is_some_and(|it| it == "*")) {
            let Some(mut path) = absolute(module, all) else {
                continue;
            };
            path.pop();
            path.push(name.clone());
            let home = self.home(&path, depth + 1);
            if self
                .files
                .get(&home)
                .is_some_and(|file| file.items.contains(name))
            {
                return home;
            }
        }
        module.to_vec()
    }
}

/// The path within the crate; `None` for paths of other crates.
fn absolute(module: &[String], named: &Named) -> Option<Module> {
    let mut from: Vec<String> = module.iter().chain(&named.within).cloned().collect();
    let mut rest = named.segments.as_slice();
    match rest.first()?.as_str() {
        "crate" => (from, rest) = (Vec::new(), &rest[1..]),
        "self" => rest = &rest[1..],
        _ => {}
    }
    while let Some((first, after)) = rest.split_first() {
        if first != "super" {
            break;
        }
        from.pop()?;
        rest = after;
    }
    from.extend_from_slice(rest);
    Some(from)
}

/// The list under the heading `# Floors` of the crate's documentation, from the top.
fn floors(text: &str) -> Vec<Vec<String>> {
    let comment = text.lines().map_while(|line| line.strip_prefix("//!"));
    let list = comment.skip_while(|line| line.trim() != "# Floors");
    let list = list
        .skip_while(|line| !line.trim().starts_with("```"))
        .skip(1);
    list.take_while(|line| !line.trim().starts_with("```"))
        .map(|line| line.split_whitespace().map(str::to_owned).collect())
        .collect()
}

/// The shortest cycles, each once, as lists of edges.
fn circles(arrows: &[Arrow]) -> Vec<Vec<Arrow>> {
    let mut next: BTreeMap<&Module, Vec<&Arrow>> = BTreeMap::new();
    for arrow in arrows {
        next.entry(&arrow.from).or_default().push(arrow);
    }
    let mut found = BTreeMap::new();
    for arrow in arrows {
        if let Some(mut circle) = way(&next, &arrow.to, &arrow.from) {
            circle.insert(0, arrow.clone());
            let mut modules: Vec<Module> = circle.iter().map(|it| it.from.clone()).collect();
            modules.sort();
            found.entry(modules).or_insert(circle);
        }
    }
    found.into_values().collect()
}

/// The shortest path along edges.
fn way(next: &BTreeMap<&Module, Vec<&Arrow>>, from: &Module, to: &Module) -> Option<Vec<Arrow>> {
    let mut came: BTreeMap<&Module, &Arrow> = BTreeMap::new();
    let mut waiting = VecDeque::from([from]);
    while let Some(module) = waiting.pop_front() {
        for arrow in next.get(module).into_iter().flatten() {
            if arrow.to != *from && !came.contains_key(&arrow.to) {
                came.insert(&arrow.to, arrow);
                waiting.push_back(&arrow.to);
            }
        }
    }
    let mut way = Vec::new();
    let mut at = to;
    while at != from {
        let arrow = came.get(at)?;
        way.push((*arrow).clone());
        at = &arrow.from;
    }
    way.reverse();
    Some(way)
}

fn circle_mistake(kind: &'static str, circle: &[Arrow], help: &str) -> Mistake {
    let hops: Vec<String> = circle
        .iter()
        .map(|arrow| {
            let (from, to) = (arrow.from.join("::"), arrow.to.join("::"));
            format!("{}: `{from}` names `{to}`", arrow.place)
        })
        .collect();
    Mistake {
        module: circle[0].from[0].clone(),
        kind,
        message: format!("{}, a circle: {help}", hops.join(", ")),
    }
}
