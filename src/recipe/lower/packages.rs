//! Lowers packages of every kind, and the environment variables that flytekit images add.

use super::lowering::{Lowering, sorted};
use crate::recipe::files::FileSet;
use crate::recipe::model::{Conda, Interpreter, Lock, LockTool, Pip, Step};
use crate::spec::{GivenPath, RequirementsKind, WorkspacePath};

impl Lowering<'_> {
    pub(super) fn conda(&mut self, packages: &[String]) {
        let is_first = !self.steps.iter().any(|step| matches!(step, Step::Conda(_)));
        let python = self.spec.python().cloned();
        self.steps.push(Step::Conda(Box::new(Conda {
            python: python.filter(|_| is_first && self.spec.python_exec.is_none()),
            packages: packages.to_vec(),
            channels: self.spec.conda_channels.clone(),
        })));
    }

    pub(super) fn environment(&mut self, env: &[(String, String)]) {
        let mut pairs = env.to_vec();
        if self.is_flytekit() {
            // User-defined variables take precedence.
            let known = [
                ("PYTHONPATH", "/root".to_owned()),
                ("FLYTE_SDK_RICH_TRACEBACKS", "0".to_owned()),
                ("_F_RUNTIME_PACKAGES", self.spec.runtime_packages.join(" ")),
            ];
            for (name, value) in known {
                if !value.is_empty() && !pairs.iter().any(|(known, _)| known == name) {
                    pairs.push((name.to_owned(), value));
                }
            }
        }
        if !pairs.is_empty() {
            self.steps.push(Step::Env(sorted(&pairs)));
        }
    }

    /// The Python interpreter to install packages for, given the steps so far.
    fn interpreter(&self) -> Interpreter {
        if self.steps.iter().any(|step| matches!(step, Step::Lock(_))) {
            return Interpreter::Venv;
        }
        if let Some(path) = &self.spec.python_exec {
            return Interpreter::Exec(path.clone());
        }
        let conda = |step: &Step| matches!(step, Step::Conda(conda) if conda.python.is_some());
        if self.steps.iter().any(conda) {
            Interpreter::Conda
        } else if self.spec.python().is_some() {
            Interpreter::Managed
        } else {
            Interpreter::Base
        }
    }

    pub(super) fn python_packages(
        &mut self,
        field: &str,
        requirements: Option<&GivenPath>,
        packages: &[String],
        with_flytekit: bool,
    ) {
        let file = requirements.map(|given| given.path.clone());
        let tool = file.as_ref().and_then(lock_tool);
        let version = self.spec.flytekit.as_ref().filter(|_| with_flytekit);
        let names_flytekit = packages.iter().any(|package| asks_for(package, "flytekit"));
        let unless_named = version
            .filter(|_| tool.is_none() && !names_flytekit)
            .map(|version| ("flytekit".to_owned(), format!("flytekit=={version}")));
        if file.is_none() && packages.is_empty() && unless_named.is_none() {
            return;
        }
        let interpreter = self.interpreter();
        let index = self.spec.pip_index.clone();
        let extra_indexes = self.spec.pip_extra_index_url.clone();
        let extra_args = self.extra_args(tool);
        let bytecode = self.spec.python_bytecode;
        self.set_fields
            .extend(file.iter().map(|_| field.to_owned()));
        self.steps.push(match (tool, file) {
            (Some(tool), Some(path)) => Step::Lock(Box::new(Lock {
                tool,
                interpreter,
                files: FileSet::Project { path },
                index,
                extra_indexes,
                extra_args,
                bytecode,
            })),
            (_, file) => Step::Pip(Box::new(Pip {
                interpreter,
                requirements: file.map(requirements_set),
                packages: packages.to_vec(),
                index,
                extra_indexes,
                extra_args,
                bytecode,
                unless_named,
            })),
        });
    }

    /// Returns `pip-extra-args` if `tool` is the one that installs `requirements`.
    fn extra_args(&self, tool: Option<LockTool>) -> Vec<String> {
        let requirements = self.spec.requirements.as_ref();
        let main_tool = requirements.and_then(|given| lock_tool(&given.path));
        let args = self.spec.pip_extra_args.as_deref();
        let args = args.filter(|_| main_tool == tool);
        args.map(words).unwrap_or_default()
    }
}

fn lock_tool(path: &WorkspacePath) -> Option<LockTool> {
    match path.requirements_kind() {
        RequirementsKind::UvLock => Some(LockTool::Uv),
        RequirementsKind::PoetryLock => Some(LockTool::Poetry),
        _ => None,
    }
}

/// The files that the installer reads: requirements files can include others, project files cannot.
fn requirements_set(path: WorkspacePath) -> FileSet {
    if path.requirements_kind() == RequirementsKind::List {
        FileSet::Requirements { path }
    } else {
        FileSet::Project { path }
    }
}

/// Whether a requirement names a package, by flytekit's rules: `flytekit[all]` and `flytekit.extra` name flytekit, `Flytekit`
/// and `flytekit-foo` do not.
pub(crate) fn asks_for(requirement: &str, package: &str) -> bool {
    let name_goes_on = |char: char| char.is_alphanumeric() || matches!(char, '_' | '-');
    requirement
        .strip_prefix(package)
        .is_some_and(|rest| !rest.starts_with(name_goes_on))
}

/// Splits like a shell; the quotes were checked when the manifest was read.
fn words(text: &str) -> Vec<String> {
    shlex::split(text).unwrap_or_else(|| vec![text.to_owned()])
}
