//! A matrix for GitHub Actions: one job an image, in levels of images that do not depend on each other.
//!
//! Jobs of a matrix know no order. Those of one level can run at once when the levels below are done; jobs of all levels at once
//! need runs that wait for each other, as they do with `--claim`.

use serde::Serialize;

use super::node::Node;

/// What a job of the matrix is given about its image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The image's reference.
    pub reference: String,
    /// Its platforms.
    pub platforms: Vec<String>,
}

/// The most jobs that GitHub makes of a matrix.
pub const LIMIT: usize = 256;

#[derive(Serialize)]
struct Row<'a> {
    image: &'a str,
    reference: &'a str,
    platform: String,
    level: usize,
}

/// The matrix for these images, bases first, on one line. A level is one more than the highest of the images that are needed;
/// 0 needs none.
///
/// Source: <https://docs.github.com/actions/how-tos/write-workflows/choose-what-workflows-do/run-job-variations>
pub fn github_matrix(nodes: &[Node], jobs: &[Job]) -> String {
    let mut levels: Vec<usize> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let needs = node.needs.iter().map(|at| levels[*at] + 1);
        levels.push(needs.max().unwrap_or(0));
    }
    let rows = nodes.iter().zip(jobs).zip(levels);
    let rows = rows.map(|((node, job), level)| Row {
        image: &node.image,
        reference: &job.reference,
        platform: job.platforms.join(","),
        level,
    });
    let rows: Vec<Row<'_>> = rows.collect();
    serde_json::json!({ "include": rows }).to_string()
}
