//! Finds out what the groups consist of: unknown members, groups that contain themselves, names that are taken; and images
//! that no group selects.

use std::collections::{BTreeMap, BTreeSet};

use super::findings::Findings;
use crate::diagnostic::{Diagnostic, Spanned, quoted, shown};
use crate::graph::{DEFAULT_GROUP, Graph, ImageId, UnknownSelection, plain};
use crate::workspace::{Group, Image, Workspace};

/// How many images all groups together may look at: 1,000 globs in a workspace of 10,000 images.
const LIMIT: usize = 10_000_000;

/// The groups of a workspace, while they are resolved.
struct Groups<'a> {
    groups: &'a [Group],
    by_name: BTreeMap<&'a str, usize>,
    /// Groups with unreadable members, groups in a cycle, and groups with one of these: what they consist of is unknown.
    broken: BTreeSet<usize>,
    spent: usize,
}

/// Checks the groups and adds them to the graph. Without a graph, because images depend on each other in a cycle, the groups are
/// checked all the same.
pub(super) fn check(
    workspace: &Workspace,
    graph: Option<Graph>,
    is_whole: bool,
    findings: &mut Findings,
) -> Option<Graph> {
    let Workspace { images, groups, .. } = workspace;
    if groups.is_empty() {
        return graph;
    }
    let is_acyclic = graph.is_some();
    let mut graph = graph.unwrap_or_else(|| Graph::of_names(images));
    let mut resolving = Groups::named(groups, images, &graph, findings);
    // Without the unreadable parts, members seem unknown and groups empty.
    if is_whole {
        for name in resolving.by_name.keys() {
            graph.add_group(name, BTreeSet::new());
        }
        for at in resolving.order(findings) {
            resolving.resolve(at, &mut graph, findings);
        }
        let is_known = is_acyclic && resolving.broken.is_empty();
        if is_known && graph.groups().contains_key(DEFAULT_GROUP) {
            unselected(images, &graph, findings);
        }
    }
    is_acyclic.then_some(graph)
}

impl<'a> Groups<'a> {
    /// Reports names that are given twice.
    fn named(
        groups: &'a [Group],
        images: &[Image],
        graph: &Graph,
        findings: &mut Findings,
    ) -> Self {
        let mut by_name: BTreeMap<&str, usize> = BTreeMap::new();
        for (at, group) in groups.iter().enumerate() {
            let (name, place) = (group.name.text.as_str(), group.name.place);
            if let Some(before) = by_name.get(name) {
                let message = format!("group `{name}` is declared twice");
                let mistake = Diagnostic::error("duplicate-group", message)
                    .at(place, "again here")
                    .with(groups[*before].name.place, "first declared here");
                findings.error(mistake);
                continue;
            }
            by_name.insert(name, at);
            if let Some(image) = graph.find(name) {
                let message = format!("`{name}` is the name of a group and of an image");
                let mistake = Diagnostic::error("duplicate-group", message);
                let mistake = mistake.at(place, "the group");
                let image = images[image.index()].places.get("");
                let mistake = match image {
                    Some(image) => mistake.with(*image, "the image"),
                    None => mistake,
                };
                findings.error(mistake.help("a selection must mean one of them: rename the group"));
            }
        }
        let halves = (0..groups.len()).filter(|at| !groups[*at].is_whole);
        Self {
            groups,
            by_name,
            broken: halves.collect(),
            spent: 0,
        }
    }

    /// The groups, those that are members of others first. Reports cycles.
    fn order(&mut self, findings: &mut Findings) -> Vec<usize> {
        enum Visit<'m> {
            Enter(usize, Option<&'m Spanned>),
            Leave(usize),
        }
        let mut order = Vec::new();
        let (mut entered, mut left) = (BTreeSet::new(), BTreeSet::new());
        let mut way: Vec<(usize, Option<&Spanned>)> = Vec::new();
        let starts = self.by_name.values().copied();
        let mut starts: Vec<usize> = starts.collect();
        starts.sort_unstable_by(|one, other| other.cmp(one));
        let mut steps: Vec<Visit<'_>> = starts.iter().map(|at| Visit::Enter(*at, None)).collect();
        while let Some(step) = steps.pop() {
            match step {
                Visit::Leave(at) => {
                    way.pop();
                    left.insert(at);
                    order.push(at);
                }
                Visit::Enter(at, by) => {
                    if entered.contains(&at) && !left.contains(&at) {
                        let last = way.last().map_or(at, |(on, _)| *on);
                        if self.broken.contains(&last) {
                            // One of its cycles is reported; the others may be the same mistake.
                            continue;
                        }
                        let start = way.iter().position(|(on, _)| *on == at);
                        let mut circle = way[start.unwrap_or(0)..].to_vec();
                        circle[0].1 = by;
                        circle.rotate_left(1);
                        self.broken.extend(circle.iter().map(|(on, _)| *on));
                        findings.error(self.circle(&circle));
                    } else if entered.insert(at) {
                        way.push((at, by));
                        steps.push(Visit::Leave(at));
                        let members = self.groups[at].members.iter().rev();
                        steps.extend(members.filter_map(|member| {
                            let inner = self.by_name.get(plain(&member.text))?;
                            Some(Visit::Enter(*inner, Some(member)))
                        }));
                    }
                }
            }
        }
        order
    }

    /// The error for groups that contain each other. Each has the member that names it; the last contains the first.
    fn circle(&self, circle: &[(usize, Option<&Spanned>)]) -> Diagnostic {
        let name = |at: usize| self.groups[at].name.text.as_str();
        let last = circle.last().map_or(0, |(at, _)| *at);
        let names = circle.iter().map(|(at, _)| *at);
        let names: Vec<String> = [last]
            .into_iter()
            .chain(names)
            .map(|at| format!("`{}`", name(at)))
            .collect();
        let message = match circle {
            [_] => format!("group {} contains itself", names[0]),
            _ => format!(
                "groups contain each other in a cycle: {}",
                names.join(" -> ")
            ),
        };
        let mut mistake = Diagnostic::error("cycle", message);
        let mut owner = last;
        for (at, member) in circle {
            let label = format!("`{}` contains `{}`", name(owner), name(*at));
            if let Some(member) = member {
                mistake = match mistake.place {
                    None => mistake.at(member.place, label),
                    Some(_) => mistake.with(member.place, label),
                };
            }
            owner = *at;
        }
        mistake
    }

    /// Adds one group to the graph. Those among its members are there already.
    fn resolve(&mut self, at: usize, graph: &mut Graph, findings: &mut Findings) {
        let Group { name, members, .. } = &self.groups[at];
        let known = |member: &&Spanned| {
            let inner = self.by_name.get(plain(&member.text));
            !inner.is_some_and(|inner| self.broken.contains(inner))
        };
        let known: Vec<&Spanned> = members.iter().filter(known).collect();
        if known.len() < members.len() {
            self.broken.insert(at);
        }
        self.spent += known
            .iter()
            .map(|member| cost(&member.text, graph))
            .sum::<usize>();
        if self.spent > LIMIT {
            if self.spent < usize::MAX / 2 {
                let message = "the groups name too many images in all";
                let mistake = Diagnostic::error("too-large", message).at(name.place, "");
                findings.error(mistake.help("write fewer globs"));
                self.spent = usize::MAX / 2;
            }
            self.broken.insert(at);
            return;
        }
        let words: Vec<&str> = known.iter().map(|member| member.text.as_str()).collect();
        match graph.select(graph.ids().collect(), &words) {
            Err(unknown) => {
                self.broken.insert(at);
                for unknown in unknown {
                    findings.error(unknown_member(&unknown, &known));
                }
            }
            Ok(_) if self.broken.contains(&at) => {}
            Ok(found) if found.is_empty() || words.is_empty() => {
                findings.error(empty(name, &words));
            }
            Ok(found) => graph.add_group(&name.text, found),
        }
    }
}

/// How many images are looked at for a member.
fn cost(member: &str, graph: &Graph) -> usize {
    let name = plain(member);
    match graph.groups().get(name) {
        _ if member.contains('+') => graph.len(),
        Some(group) => group.len().max(1),
        None if graph.find(name).is_some() => 1,
        None => graph.len(),
    }
}

fn unknown_member(unknown: &UnknownSelection, members: &[&Spanned]) -> Diagnostic {
    let pattern = &unknown.pattern;
    let message = format!("no image or group matches `{}`", shown(pattern));
    let mistake = Diagnostic::error("unknown-image", message);
    let is_meant = |member: &&&Spanned| member.text.trim_start_matches('!') == pattern;
    let Some(member) = members.iter().find(is_meant) else {
        return mistake;
    };
    let meant = unknown.suggestion.as_deref();
    let mistake = mistake.unfixed(&member.place, meant, "nothing has this name");
    match meant {
        Some(meant) if member.plain => {
            let text = member.text.replace(plain(pattern), meant);
            mistake.fix(member.place, quoted(&text))
        }
        _ => mistake,
    }
}

fn empty(name: &Spanned, words: &[&str]) -> Diagnostic {
    let message = format!("group `{}` has no images", name.text);
    let mistake = Diagnostic::error("empty-group", message);
    if words.is_empty() {
        let example = format!(
            "list some: `group \"{}\" {{ images \"…\" \"…\" }}`",
            name.text
        );
        mistake.at(name.place, "nothing is in it").help(example)
    } else {
        mistake.at(
            name.place,
            "its last members remove what the first ones add",
        )
    }
}

/// Reports images that no group selects and no image needs. They are built only by those who know their ids, or no longer
/// meant to be.
fn unselected(images: &[Image], graph: &Graph, findings: &mut Findings) {
    let selected: BTreeSet<&ImageId> = graph.groups().values().flatten().collect();
    for (id, image) in graph.ids().zip(images) {
        if selected.contains(&id) || !graph.dependents(id).is_empty() {
            continue;
        }
        let message = format!(
            "no group selects image `{}`, and no image needs it",
            image.id
        );
        let found = Diagnostic::lint("unselected-image", message);
        let found = match image.places.get("") {
            Some(place) => found.at(*place, ""),
            None => found,
        };
        let help = "add it to a group, such as `default`, which commands without arguments take; or remove it";
        findings.lint(image, found.help(help));
    }
}
