//! The flags of the live page, which `graph build` and `watch` share.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use clap::Args;

use super::context::Context;
use super::failure::Failure;
use crate::disk::system_words;
use crate::plan::Plan;
use crate::run::Remote;
use crate::session::{Planned, Session};
use crate::store::Store;
use crate::ui::{Scene, Settings, Ui};
use crate::view::Look;
use crate::world::View;

/// Whether and where a page shows the run.
#[derive(Args)]
pub(super) struct PageArgs {
    /// Show the graph live in a browser, on a page that only this machine can reach; prints its address
    #[arg(long)]
    ui: bool,
    /// The port of the page [default: the one that this workspace's page had last, or any free one]
    #[arg(long, value_name = "N", requires = "ui", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Open the page in the browser
    #[arg(long, requires = "ui")]
    open: bool,
}

impl PageArgs {
    /// Serves the page, if one was asked for; `remote` is for its buttons, if it has any.
    pub(super) fn serve(
        &self,
        context: &Context,
        scene: impl FnOnce() -> Scene,
        remote: Option<Remote>,
        root: &Path,
    ) -> Result<Option<Ui>, Failure> {
        if !self.ui {
            return Ok(None);
        }
        let settings = Settings {
            root,
            port: self.port,
            remote,
            env: &context.env(),
        };
        let ui = Ui::start(settings, scene()).map_err(|error| {
            let what = match self.port {
                Some(port) if error.kind() == ErrorKind::AddrInUse => {
                    format!("port {port} is taken")
                }
                Some(port) => format!(
                    "no page can be served on port {port}: {}",
                    system_words(&error)
                ),
                None => format!("no page can be served: {}", system_words(&error)),
            };
            Failure::usage(what, "name another port with `--port`, or leave out `--ui`")
        })?;
        if self.open {
            open::that_detached(ui.url()).map_err(|error| {
                let why = system_words(&error);
                Failure::usage(
                    format!("nothing here opens a browser: {why}"),
                    "leave out `--open`, and open the address that is printed",
                )
            })?;
        }
        Ok(Some(ui))
    }

    /// Waits until the page has been loaded, if a browser was opened for it: a short run could end before.
    pub(super) fn wait(&self, ui: Option<&Ui>) {
        if let Some(ui) = ui.filter(|_| self.open) {
            ui.wait_for_page();
        }
    }
}

/// What the page of this workspace shows; `None` for the images as long as the manifests have errors.
pub(super) fn scene(root: &Path, view: Option<&Arc<View>>, plan: &Plan) -> Scene {
    let name = root.file_name().unwrap_or(root.as_os_str());
    Scene {
        title: name.to_string_lossy().into_owned(),
        view: view.map(Arc::clone),
        plan: plan.clone(),
        store: Store::look(root),
        look: Look::default(),
    }
}

/// What is shown of a plan that was just made.
pub(super) fn scene_of(session: &Session, planned: &Planned) -> Scene {
    let (world, prints) = (Arc::clone(&session.world), session.prints.clone());
    let view = Arc::new(View::new(world, prints, planned.asked.clone()));
    scene(&session.world.workspace.root, Some(&view), &planned.plan)
}
