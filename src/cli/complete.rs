//! Shell completion of images, templates, manifest fields and builders.
//!
//! The script of `completions` calls this binary for each word, so its answers always match the current manifest.
//! Completion prints no messages and writes no files; if a manifest is unreadable or has errors, it offers whatever
//! could be read.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{Arg, ArgAction, Command, CommandFactory};
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::{CompleteEnv, Shells};

use crate::edit;
use crate::manifest::{self, FILE_NAME, Overrides};
use crate::spec::fields;
use crate::workspace::Loaded;

/// The environment variable that triggers completion: clap's default, plain `COMPLETE`, would clash with other
/// programs.
const VARIABLE: &str = "IMGSPEC_COMPLETE";

/// Answers a completion request, if a shell's script started this process; returns whether it did.
pub(super) fn answer<P: CommandFactory>(words: &[OsString]) -> clap::error::Result<bool> {
    CompleteEnv::with_factory(P::command)
        .var(VARIABLE)
        .try_complete(words, None)
}

/// Returns the completion script for a shell.
pub(super) fn script(shell: &str) -> std::io::Result<Vec<u8>> {
    let mut script = Vec::new();
    let known = Shells::builtins();
    let shell = known
        .completer(shell)
        .ok_or_else(|| std::io::Error::other("this shell cannot ask"))?;
    shell.write_registration(VARIABLE, "imgspec", "imgspec", "imgspec", &mut script)?;
    Ok(script)
}

/// Completes ids and groups, including after the `!` and `+` of a selection.
pub(super) fn images(typed: &OsStr) -> Vec<CompletionCandidate> {
    let loaded = loaded().map(|loaded| loaded.workspace);
    let (images, groups) = loaded.map_or_else(Default::default, |it| (it.images, it.groups));
    let ids = images.into_iter().map(|image| image.id);
    let groups = groups.into_iter().map(|group| group.name.text);
    words(typed, ids.chain(groups))
}

/// Those of the words that continue what is typed.
fn words(typed: &OsStr, words: impl Iterator<Item = String>) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let signs = typed.len() - typed.trim_start_matches(['!', '+']).len();
    words
        .map(|id| format!("{}{id}", &typed[..signs]))
        .filter(|word| word.starts_with(&*typed))
        .map(CompletionCandidate::new)
        .collect()
}

/// Completes what `add`, `remove` and `set` edit: image ids or, after `--template`, names of templates.
pub(super) fn edited(typed: &OsStr) -> Vec<CompletionCandidate> {
    if typed_words().all(|word| word != "--template") {
        return words(typed, ids().into_iter());
    }
    let typed = typed.to_string_lossy();
    let Some(loaded) = loaded() else {
        return Vec::new();
    };
    let names = edit::templates(&loaded).into_iter().map(|name| name.text);
    let names: BTreeSet<String> = names.filter(|name| name.starts_with(&*typed)).collect();
    names.into_iter().map(CompletionCandidate::new).collect()
}

/// Completes field names.
pub(super) fn fields(typed: &OsStr) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    fields::names()
        .filter(|name| name.starts_with(&*typed))
        .map(CompletionCandidate::new)
        .collect()
}

/// Completes `IMAGE.FIELD=` for `--set`: first the image, then the field.
pub(super) fn set(typed: &OsStr) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let whole = ids().into_iter().flat_map(|id| {
        let is_typed = typed.starts_with(&format!("{id}."));
        let fields = fields::names().filter(move |_| is_typed);
        let fields: Vec<String> = fields.map(|field| format!("{id}.{field}=")).collect();
        if is_typed {
            fields
        } else {
            vec![format!("{id}.")]
        }
    });
    whole
        .filter(|word| word.starts_with(&*typed))
        .map(CompletionCandidate::new)
        .collect()
}

/// Ids of the images in the manifest that the command line typed so far refers to.
fn ids() -> Vec<String> {
    let images = loaded().map(|loaded| loaded.workspace.images);
    let images = images.into_iter().flatten();
    images.map(|image| image.id).collect()
}

fn loaded() -> Option<Loaded> {
    let (manifest, overrides) = meant()?;
    let env = |name: &str| std::env::var(name).ok();
    Some(manifest::load(&manifest, &overrides, &env))
}

/// The command line typed so far, which the completion script passes after a `--`.
fn typed_words() -> impl Iterator<Item = OsString> {
    std::env::args_os().skip_while(|word| word != "--").skip(1)
}

/// The manifest and overrides that the command line typed so far refers to. Parsed with a command of its own, because
/// the real one refers to the completers above.
fn meant() -> Option<(PathBuf, Overrides)> {
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::Append);
    let command = Command::new("imgspec").ignore_errors(true).args([
        flag("directory").short('C'),
        flag("file").short('f'),
        flag("root"),
        flag("var"),
        Arg::new("rest").num_args(0..),
    ]);
    let matches = command.try_get_matches_from(typed_words()).ok()?;
    let all = |name| matches.get_many::<String>(name).into_iter().flatten();
    let here = std::env::current_dir().ok()?;
    let folder = all("directory").fold(here, |folder, it| folder.join(it));
    let vars = all("var").filter_map(|var| Overrides::parse_var(var).ok());
    let overrides = Overrides {
        vars: vars.collect(),
        sets: Vec::new(),
    };
    let file = all("file").last().map(|file| folder.join(file));
    let root = all("root").last();
    let root = root.map(|root| folder.join(root).join(FILE_NAME));
    let env = |name: &str| std::env::var(name).ok();
    let found = || Some(manifest::find(&folder, &overrides, &env).ok()??.manifest);
    let manifest = file.or(root).or_else(found)?;
    Some((manifest, overrides))
}
