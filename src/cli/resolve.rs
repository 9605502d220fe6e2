//! `resolve`: puts the references of images into files that name them by id, for those who deploy them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;

use super::context::Context;
use super::failure::{Failure, exit};
use super::given::Given;
use super::notifier::Notifier;
use super::output;
use super::screen::{eprint_text, print_text};
use crate::diagnostic::{self, Diagnostic, SourceId, Sources, shown};
use crate::disk::limits;
use crate::export::resolve::{self, Deployment, Mention};
use crate::graph::ImageId;
use crate::session::{Refusal, Session};
use crate::suggest::closest;

#[derive(Args)]
pub(super) struct ResolveArgs {
    /// Compose files, Kubernetes manifests, values of Helm, or other YAML or JSON; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Put in tags as builders on this machine have them, and ask no registry
    #[arg(long)]
    local: bool,
    /// The builder for images that name none: docker, envd, oci, fake
    #[arg(long, value_name = "BUILDER")]
    builder: Option<String>,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The files that were named, with what they mention.
struct Files {
    sources: Sources,
    read: Vec<(SourceId, Deployment)>,
}

impl Files {
    fn mentions(&self) -> impl Iterator<Item = &Mention> {
        self.read.iter().flat_map(|(_, file)| &file.mentions)
    }
}

pub(super) fn run(args: &ResolveArgs, context: &Context) -> Result<u8, Failure> {
    let output = args.output.as_ref().map(|file| context.folder.join(file));
    if let Some(output) = &output {
        refuse_early(args, context, output)?;
    }
    let (files, mut mistakes) = read(args, context);
    if files.mentions().next().is_none() {
        refuse(mistakes, &files)?;
        return hand_over(context, output.as_deref(), &files, &Values::new());
    }
    let session = context.open(args.builder.as_deref())?;
    let ids = ids(&files, &session, &mut mistakes);
    refuse(mistakes, &files)?;
    let digests = if args.local {
        BTreeMap::new()
    } else {
        digests(&files, &session, &ids, context)?
    };
    let values = values(&files, &session, &ids, &digests)?;
    hand_over(context, output.as_deref(), &files, &values)
}

/// Fails if the result could not be written, or would be written over what it is made from.
fn refuse_early(args: &ResolveArgs, context: &Context, output: &Path) -> Result<(), Failure> {
    output::refuse_early("result", output)?;
    let real = |path: &Path| path.canonicalize().ok();
    let is_source = |file: &PathBuf| {
        let file = Given::new(file, &context.folder).path;
        file.is_some_and(|file| file.is_file() && real(&file) == real(output))
    };
    match args.files.iter().find(|file| is_source(file)) {
        None => Ok(()),
        Some(file) => Err(Failure::usage(
            format!(
                "the result would replace `{}`, which it is made from",
                file.display()
            ),
            "name another file after `-o`",
        )),
    }
}

/// Reads all files; returns also what is wrong with them.
fn read(args: &ResolveArgs, context: &Context) -> (Files, Vec<Diagnostic>) {
    let mut files = Files {
        sources: Sources::default(),
        read: Vec::new(),
    };
    files.sources.put_below(&context.folder);
    let (mut mistakes, mut has_stdin) = (Vec::new(), false);
    for name in &args.files {
        let given = Given::new(name, &context.folder);
        if given.path.is_none() && std::mem::replace(&mut has_stdin, true) {
            let twice = Diagnostic::error("unreadable", "standard input is named twice");
            mistakes.push(twice.help("it can be read only once"));
            continue;
        }
        match given.read(limits::DEPLOYMENT) {
            Err(unread) => {
                let mistake = Diagnostic::error("unreadable", unread.message);
                mistakes.push(mistake.help(unread.help));
            }
            Ok(text) => {
                let source = files.sources.add(given.shown, text);
                let text = &files.sources.get(source).text;
                let (file, wrong) = Deployment::read(source, text);
                files.read.push((source, file));
                mistakes.extend(wrong);
            }
        }
    }
    (files, mistakes)
}

/// The images that are mentioned, by id; adds what is no image to the mistakes.
fn ids(
    files: &Files,
    session: &Session,
    mistakes: &mut Vec<Diagnostic>,
) -> BTreeMap<String, ImageId> {
    let graph = &session.world.graph;
    let mut ids = BTreeMap::new();
    for mention in files.mentions() {
        let name = mention.image.as_str();
        if let Some(id) = graph.find(name) {
            ids.insert(name.to_owned(), id);
            continue;
        }
        let mistake =
            Diagnostic::error("unknown-image", format!("unknown image `{}`", shown(name)));
        mistakes.push(if graph.groups().contains_key(name) {
            mistake
                .at(mention.place, "a group")
                .help("name one image: a container runs only one")
        } else {
            let meant = closest(name, graph.ids().map(|id| graph.name(id)));
            let mistake = mistake.unfixed(&mention.place, meant, "no manifest declares it");
            match meant {
                Some(_) => mistake,
                None => mistake.help("`imgspec tag '*'` lists the images"),
            }
        });
    }
    ids
}

/// What registries have of these images; fails with every one that is not there as it is now.
fn digests(
    files: &Files,
    session: &Session,
    ids: &BTreeMap<String, ImageId>,
    context: &Context,
) -> Result<BTreeMap<ImageId, String>, Failure> {
    let notifier = Notifier::new(context);
    let (mut digests, mut mistakes, mut missing) = (BTreeMap::new(), Vec::new(), Vec::new());
    let asked: BTreeSet<ImageId> = ids.values().copied().collect();
    for (id, found) in session.published(&asked, notifier.asker()) {
        let name = session.world.graph.name(id);
        match found {
            Ok(digest) => drop(digests.insert(id, digest)),
            Err(why) => {
                let mistake = Diagnostic::error("unpublished", format!("`{name}` {why}"));
                let mut places = files.mentions().filter(|mention| mention.image == name);
                mistakes.push(match places.next() {
                    Some(first) => mistake.at(first.place, ""),
                    None => mistake,
                });
                missing.push(name);
            }
        }
    }
    let mut mistakes = diagnostic::in_order(mistakes);
    if let Some(last) = mistakes.pop() {
        let build = format!("`imgspec graph build --push {}`", missing.join(" "));
        let help = format!("{build} builds what is missing; `--local` asks no registry");
        mistakes.push(last.help(help));
    }
    refuse(mistakes, files)?;
    Ok(digests)
}

fn refuse(mistakes: Vec<Diagnostic>, files: &Files) -> Result<(), Failure> {
    if mistakes.is_empty() {
        return Ok(());
    }
    let mistakes = diagnostic::in_order(mistakes);
    Err(Refusal::Wrong(mistakes, files.sources.clone()).into())
}

/// What to put in for each mention, by its place.
type Values = BTreeMap<diagnostic::Place, String>;

fn values(
    files: &Files,
    session: &Session,
    ids: &BTreeMap<String, ImageId>,
    digests: &BTreeMap<ImageId, String>,
) -> Result<Values, Failure> {
    let (mut values, mut mistakes) = (Values::new(), Vec::new());
    for mention in files.mentions() {
        let Some(id) = ids.get(&mention.image) else {
            continue;
        };
        let digest = digests.get(id).map(String::as_str);
        match resolve::value(mention.part, &session.reference(*id), digest) {
            Some(value) => drop(values.insert(mention.place, value)),
            None => mistakes.push(
                Diagnostic::error("no-digest", "without a registry, an image has no digest")
                    .at(mention.place, "")
                    .help("leave out `--local`, or deploy by tag"),
            ),
        }
    }
    refuse(mistakes, files)?;
    Ok(values)
}

fn hand_over(
    context: &Context,
    output: Option<&Path>,
    files: &Files,
    values: &Values,
) -> Result<u8, Failure> {
    tell(context, files);
    let resolved = files.read.iter().map(|(source, file)| {
        let own = file.mentions.iter();
        let own = own.filter_map(|mention| values.get(&mention.place).cloned());
        let text = file.with(&files.sources.get(*source).text, &own.collect::<Vec<_>>());
        (file, text)
    });
    let resolved: Vec<(&Deployment, String)> = resolved.collect();
    let text = resolve::joined(resolved.iter().map(|(file, text)| (*file, text.as_str())));
    match output {
        None => print_text(&text)?,
        Some(path) => {
            output::put(path, &text).map_err(|error| output::unwritten(path, &error))?;
        }
    }
    Ok(exit::DONE)
}

/// Tells what was left as it is, and whether that is everything.
fn tell(context: &Context, files: &Files) {
    if context.screen.quiet {
        return;
    }
    let doubts = files.read.iter().flat_map(|(_, file)| &file.doubts);
    let doubts: Vec<Diagnostic> = doubts.cloned().collect();
    context.screen.show(&doubts, &files.sources);
    if files.mentions().next().is_none() {
        eprint_text("nothing to resolve: no value is `imgspec:` and the id of an image\n");
    }
}
