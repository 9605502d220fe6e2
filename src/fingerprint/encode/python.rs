//! How the steps that install Python packages are encoded: lock files, requirements and single packages.

use super::{Encoder, Sink, Value, tailed};
use crate::recipe::{Interpreter, Lock, LockTool, Pip};

impl<S: Sink> Encoder<'_, S> {
    pub(super) fn lock(&mut self, lock: &Lock, name: &str) {
        let Lock {
            tool,
            interpreter,
            files: _,
            index,
            extra_indexes,
            extra_args,
            bytecode,
        } = lock;
        let tail = name.strip_prefix("requirements").unwrap_or_default();
        let tool = match tool {
            LockTool::Uv => "uv",
            LockTool::Poetry => "poetry",
        };
        self.text(&tailed("lock", tail), tool);
        self.interpreter(interpreter, tail);
        self.file_set(name);
        self.installer(tail, index.as_deref(), extra_indexes, extra_args);
        self.bytecode(tail, *bytecode);
    }

    pub(super) fn pip(&mut self, pip: &Pip, name: &str) {
        let Pip {
            interpreter,
            requirements,
            packages,
            index,
            extra_indexes,
            extra_args,
            // Not among what decides which packages there are: see `step`.
            bytecode: _,
            unless_named,
        } = pip;
        // The suffix of the step's name distinguishes several pip steps.
        let tail = name.strip_prefix("packages").unwrap_or_default();
        self.interpreter(interpreter, tail);
        if let Some((_, package)) = unless_named {
            self.text(&tailed("flytekit", tail), package);
        }
        if requirements.is_some() {
            self.file_set(&tailed("requirements", tail));
        }
        self.urls(name, packages);
        self.installer(tail, index.as_deref(), extra_indexes, extra_args);
    }

    fn interpreter(&mut self, interpreter: &Interpreter, tail: &str) {
        let (field, interpreter) = match interpreter {
            Interpreter::Managed => ("python", "managed"),
            Interpreter::Exec(path) => ("python-exec", path.as_str()),
            Interpreter::Base => ("python", "of the base"),
            Interpreter::Conda => ("python", "of conda"),
            Interpreter::Venv => ("python", "of the lock file"),
        };
        self.text(&tailed(field, tail), interpreter);
    }

    /// Package indexes and installer arguments; `tail` distinguishes steps of the same kind.
    fn installer(&mut self, tail: &str, index: Option<&str>, extra: &[String], args: &[String]) {
        if let Some(index) = index {
            let name = tailed("pip-index", tail);
            self.sink.input(&name, Value::Url(index));
        }
        self.urls(&tailed("pip-extra-index-url", tail), extra);
        self.urls(&tailed("pip-extra-args", tail), args);
    }

    pub(super) fn bytecode(&mut self, tail: &str, bytecode: Option<bool>) {
        if let Some(bytecode) = bytecode {
            let name = tailed("python-bytecode", tail);
            self.text(&name, if bytecode { "true" } else { "false" });
        }
    }
}
