//! Which commit a revision is, and which one a branch is compared with if none is named.

use std::path::Path;

use super::{Answer, ask};
use crate::asking::Asker;
use crate::disk::Shown;

/// How many digits of a commit's hash are shown.
const DIGITS: usize = 12;

/// GitLab's variable with the commit that a merge request is compared with.
const GITLAB: &str = "CI_MERGE_REQUEST_DIFF_BASE_SHA";

/// GitHub's variable with the branch that a pull request is for.
const GITHUB: &str = "GITHUB_BASE_REF";

/// The branches that others are made from, the first one that exists counts.
const UPSTREAM: [&str; 5] = [
    "refs/remotes/origin/HEAD",
    "refs/remotes/origin/main",
    "refs/remotes/origin/master",
    "refs/heads/main",
    "refs/heads/master",
];

/// A commit, and how it was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// The commit's hash.
    pub commit: String,
    /// What it is, for people.
    pub name: String,
    /// Whether it is the commit that is checked out.
    pub is_head: bool,
}

impl std::fmt::Display for Revision {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { commit, name, .. } = self;
        let commit = commit.get(..DIGITS).unwrap_or(commit);
        let current = if self.is_head {
            ", the current commit"
        } else {
            ""
        };
        write!(out, "{name} ({commit}{current})")
    }
}

/// Why there is no commit to compare with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoRevision {
    #[error("the workspace is in no git repository")]
    NoRepository,
    #[error("the repository has no commit yet")]
    Unborn,
    #[error("git knows no commit `{}`", Shown(.0))]
    Unknown(String),
    #[error("this clone is shallow: it does not have {}", Shown(.0))]
    Shallow(String),
    #[error("`HEAD` and `{}` have no commit in common", Shown(.0))]
    Unrelated(String),
    #[error(
        "there is no branch to compare with: neither `origin/HEAD` nor `main` or `master`, of `origin` or here"
    )]
    NoUpstream,
    #[error("git cannot tell: {0}")]
    Git(String),
}

impl NoRevision {
    /// What to do about it.
    pub(crate) fn help(&self) -> &'static str {
        match self {
            Self::NoRepository => {
                "`--affected` compares with a commit: start it in a checkout of git"
            }
            Self::Unborn => "commit first; until then, all images are new",
            Self::Unknown(_) => {
                "name a commit, a branch or a tag that is here; `git fetch` brings those of the remote"
            }
            Self::Shallow(_) => {
                "fetch the history: `git fetch --unshallow`; on a build server, check out with `fetch-depth: 0` (GitHub) or `GIT_DEPTH: 0` (GitLab)"
            }
            Self::Unrelated(_) | Self::NoUpstream => {
                "name the commit to compare with: `--affected=REV`"
            }
            Self::Git(_) => "is git installed, and the repository whole?",
        }
    }
}

/// Finds a commit. `said` is what the user named: a revision, or `REV...` for the merge base of `REV` and `HEAD`.
pub(crate) fn resolve(
    folder: &Path,
    said: Option<&str>,
    env: &dyn Fn(&str) -> Option<String>,
    asker: Asker<'_>,
) -> Result<Revision, NoRevision> {
    if !super::is_in_repository(folder) {
        return Err(NoRevision::NoRepository);
    }
    let git = Git { folder, asker };
    let head = git.commit("HEAD")?;
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    let (commit, name) = match said {
        Some(said) => match said.strip_suffix("...") {
            Some(other) => git.left(head.as_deref(), &git.known(other)?, other)?,
            None => (git.known(said)?, format!("`{}`", Shown(said))),
        },
        None => match (set(GITLAB), set(GITHUB)) {
            (Some(commit), _) => (
                git.known(&commit)?,
                "the base of the merge request".to_owned(),
            ),
            (None, Some(branch)) => {
                let name = format!("origin/{branch}");
                let tip = git.known(&format!("refs/remotes/{name}"))?;
                git.left(head.as_deref(), &tip, &name)?
            }
            (None, None) => {
                let (tip, name) = git.upstream()?;
                git.left(head.as_deref(), &tip, name)?
            }
        },
    };
    Ok(Revision {
        is_head: head.as_ref() == Some(&commit),
        commit,
        name,
    })
}

/// The name of a branch without where git keeps it.
fn short(name: &str) -> &str {
    let name = name.strip_prefix("refs/remotes/").unwrap_or(name);
    name.strip_prefix("refs/heads/").unwrap_or(name)
}

struct Git<'a> {
    folder: &'a Path,
    asker: Asker<'a>,
}

impl Git<'_> {
    fn ask(&self, words: &[&str]) -> Result<Option<String>, NoRevision> {
        match ask(self.folder, words, self.asker) {
            Ok(Answer::Text(text)) => Ok(Some(text)),
            Ok(Answer::Nothing) => Ok(None),
            Ok(Answer::NoRepository) => Err(NoRevision::NoRepository),
            Err(why) => Err(NoRevision::Git(why)),
        }
    }

    /// The hash of a commit; `None` if there is none of this name.
    fn commit(&self, name: &str) -> Result<Option<String>, NoRevision> {
        if name.is_empty() || name.starts_with('-') {
            return Ok(None);
        }
        let name = format!("{name}^{{commit}}");
        self.ask(&["rev-parse", "--verify", "--quiet", &name])
    }

    /// The hash of a commit that must be there.
    fn known(&self, name: &str) -> Result<String, NoRevision> {
        if let Some(commit) = self.commit(name)? {
            return Ok(commit);
        }
        let name = short(name);
        let unknown = NoRevision::Unknown(name.to_owned());
        Err(self.cut_off(&format!("`{name}`"), unknown)?)
    }

    fn upstream(&self) -> Result<(String, &'static str), NoRevision> {
        for name in UPSTREAM {
            if let Some(commit) = self.commit(name)? {
                return Ok((commit, name));
            }
        }
        Err(self.cut_off("the branch to compare with", NoRevision::NoUpstream)?)
    }

    /// The last commit that `HEAD` and another one have in common.
    fn left(
        &self,
        head: Option<&str>,
        other: &str,
        name: &str,
    ) -> Result<(String, String), NoRevision> {
        let head = head.ok_or(NoRevision::Unborn)?;
        let name = short(name);
        if let Some(base) = self.ask(&["merge-base", head, other])? {
            return Ok((base, format!("the merge base with `{}`", Shown(name))));
        }
        let what = format!("the merge base with `{name}`");
        Err(self.cut_off(&what, NoRevision::Unrelated(name.to_owned()))?)
    }

    /// What is to blame for something that is not there: that the clone is shallow or, if it is not, `otherwise`.
    fn cut_off(&self, what: &str, otherwise: NoRevision) -> Result<NoRevision, NoRevision> {
        let is_shallow = self.ask(&["rev-parse", "--is-shallow-repository"])?;
        Ok(match is_shallow.as_deref() {
            Some("true") => NoRevision::Shallow(what.to_owned()),
            _ => otherwise,
        })
    }
}
