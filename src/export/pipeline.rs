//! Pipelines of build servers: one job an image, which waits for those of its bases and runs imgspec.
//!
//! A job builds nothing that its registry has already, so that jobs of what did not change end at once.

use std::fmt::Write as _;

use super::node::Node;

/// What the jobs of a pipeline have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pipeline {
    /// Shell commands that come before imgspec: that install it, and log in to registries.
    pub setup: Vec<String>,
    /// The workspace's directory in the repository; empty if it is the repository's.
    pub directory: String,
    /// Further words for `graph build`.
    pub words: Vec<String>,
}

impl Pipeline {
    fn command(&self, node: &Node) -> String {
        let directory = (!self.directory.is_empty()).then_some(["-C", &self.directory]);
        let words = ["imgspec"]
            .into_iter()
            .chain(directory.into_iter().flatten());
        let words = words.chain(["graph", "build", "--push"]);
        let words = words.chain(self.words.iter().map(String::as_str));
        let words = words.chain(["--", node.image.as_str()]);
        shlex::try_join(words).unwrap_or_default()
    }
}

/// What the only job of a pipeline without images runs: build servers refuse a pipeline without jobs.
const NOTHING: &str = "echo 'no image is to be built'";

const NO_SETUP: &str =
    "imgspec has to be in the PATH of the runners: `--setup COMMAND` adds commands that install it";

fn head(format: &str, nodes: &[Node], pipeline: &Pipeline) -> String {
    let mut text = format!(
        "# Written by `imgspec graph export --format {format}`: one job an image, after those of its bases. An image that its\n\
         # registry has is not built again.\n"
    );
    if nodes.is_empty() {
        text.push_str(
            "# No image is to be built, which one job says, because there has to be one.\n",
        );
    } else if pipeline.setup.is_empty() {
        let _ = writeln!(text, "# {NO_SETUP}.");
    }
    text
}

/// A workflow of GitHub Actions.
///
/// Source: <https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax>
pub fn github_actions(nodes: &[Node], pipeline: &Pipeline) -> String {
    let mut text = head("github-actions", nodes, pipeline);
    text.push_str("name: images\non: [push, workflow_dispatch]\njobs:\n");
    if nodes.is_empty() {
        let run = string(NOTHING);
        let _ = writeln!(
            text,
            "  nothing:\n    runs-on: ubuntu-latest\n    steps:\n      - run: {run}"
        );
    }
    for node in nodes {
        let _ = writeln!(text, "  {}:\n    name: {}", node.name, string(&node.image));
        if !node.needs.is_empty() {
            let needs: Vec<&str> = node
                .needs
                .iter()
                .map(|at| nodes[*at].name.as_str())
                .collect();
            let _ = writeln!(text, "    needs: [{}]", needs.join(", "));
        }
        text.push_str(
            "    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n",
        );
        for command in pipeline.setup.iter().chain([&pipeline.command(node)]) {
            let _ = writeln!(text, "      - run: {}", string(command));
        }
    }
    text
}

/// A pipeline of GitLab.
///
/// Source: <https://docs.gitlab.com/ci/yaml/>
pub fn gitlab(nodes: &[Node], pipeline: &Pipeline) -> String {
    let mut text = head("gitlab", nodes, pipeline);
    if nodes.is_empty() {
        let run = string(NOTHING);
        let _ = writeln!(
            text,
            "\nnothing:\n  stage: build\n  needs: []\n  script:\n    - {run}"
        );
    }
    for node in nodes {
        let needs = node.needs.iter().map(|at| string(&job(&nodes[*at])));
        let needs: Vec<String> = needs.collect();
        let _ = writeln!(
            text,
            "\n{}:\n  stage: build\n  needs: [{}]\n  script:",
            string(&job(node)),
            needs.join(", ")
        );
        for command in pipeline.setup.iter().chain([&pipeline.command(node)]) {
            let _ = writeln!(text, "    - {}", string(command));
        }
    }
    text
}

/// A job's name for GitLab, which reserves names such as `services` and `pages`.
fn job(node: &Node) -> String {
    format!("build:{}", node.image)
}

/// A string for YAML, which reads those of JSON.
fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
