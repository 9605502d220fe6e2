//! Groups of targets. A target with a matrix is a group too, of the targets that bake makes of it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::buildx::Printed;
use crate::diagnostic::shown;
use crate::import::imported::{At, Imported, NewGroup, Note};
use crate::import::names::{self, Ids};

/// The names in each group, which are targets or other groups.
pub(super) type Listed = BTreeMap<String, Vec<String>>;

pub(super) fn read(printed: &Printed) -> Listed {
    if let Some(groups) = &printed.groups {
        return groups.clone();
    }
    let groups = printed.plan.get("group").and_then(Value::as_object);
    let group = |(name, group): (&String, &Value)| {
        let targets = group.get("targets").and_then(Value::as_array);
        let targets = targets.into_iter().flatten().filter_map(Value::as_str);
        (name.clone(), targets.map(str::to_owned).collect())
    };
    groups.into_iter().flatten().map(group).collect()
}

/// Adds the groups whose targets are imported. `ids` are the images made of targets, `taken` all ids.
pub(super) fn import(
    groups: &Listed,
    ids: &BTreeMap<&str, String>,
    taken: &mut Ids,
    imported: &mut Imported,
) {
    let kept = kept(groups, ids);
    let kept = kept.into_iter();
    let names: BTreeMap<&str, String> = kept
        .map(|name| (name, taken.fresh(&names::id(name))))
        .collect();
    for (name, members) in groups {
        let shown_name = shown(name);
        let mut note = |message: String| {
            let note = Note::new(None, "group", At::default(), message);
            imported.notes.push(note);
        };
        let Some(own) = names.get(name.as_str()) else {
            let why = "none of its targets is imported";
            note(format!("group `{shown_name}` is left out: {why}"));
            continue;
        };
        if own != name {
            note(format!("group `{shown_name}` is called `{own}`"));
        }
        let mut list = Vec::new();
        for member in members {
            let known = ids.get(member.as_str()).or(names.get(member.as_str()));
            match known {
                Some(known) => list.push(known.clone()),
                None => note(format!(
                    "group `{shown_name}` is without `{}`, which is not imported",
                    shown(member)
                )),
            }
        }
        imported.groups.push(NewGroup {
            name: own.clone(),
            members: list,
        });
    }
}

/// The groups in which at least one target is imported, directly or through other groups.
fn kept<'g>(groups: &'g Listed, ids: &BTreeMap<&str, String>) -> Vec<&'g str> {
    let mut kept: Vec<&str> = Vec::new();
    loop {
        let more = groups.iter().filter(|(name, members)| {
            let is_known = |member: &String| {
                ids.contains_key(member.as_str()) || kept.contains(&member.as_str())
            };
            !kept.contains(&name.as_str()) && members.iter().any(is_known)
        });
        let more: Vec<&str> = more.map(|(name, _)| name.as_str()).collect();
        if more.is_empty() {
            return kept;
        }
        kept.extend(more);
    }
}
