//! The programs that a wheel declares, and the scripts that start them. Pure.
//!
//! Format: <https://packaging.python.org/en/latest/specifications/entry-points/>. The scripts are those that uv writes.

/// A program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) name: String,
    module: String,
    function: String,
}

impl Program {
    /// The script that starts it.
    pub(super) fn script(&self, interpreter: &str) -> String {
        let Self {
            module, function, ..
        } = self;
        let import = function.split('.').next().unwrap_or(function);
        let shebang = shebang(interpreter);
        format!(
            "{shebang}\n# -*- coding: utf-8 -*-\nimport sys\nfrom {module} import {import}\nif __name__ == \"__main__\":\n    \
             if sys.argv[0].endswith(\"-script.pyw\"):\n        sys.argv[0] = sys.argv[0][:-11]\n    \
             elif sys.argv[0].endswith(\".exe\"):\n        sys.argv[0] = sys.argv[0][:-4]\n    \
             sys.exit({function}())\n"
        )
    }
}

/// The first line of a script; for a path that a kernel would not read, a command for both the shell and Python.
pub(super) fn shebang(interpreter: &str) -> String {
    if interpreter.len() + 3 <= 127 && !interpreter.contains(' ') {
        return format!("#!{interpreter}");
    }
    let quoted = interpreter.replace('\'', "'\"'\"'");
    format!("#!/bin/sh\n'''exec' '{quoted}' \"$0\" \"$@\"\n' '''")
}

/// The programs that `entry_points.txt` declares, with and without a console.
pub(super) fn read(text: &str, minor: u32) -> Result<Vec<Program>, String> {
    let mut programs = Vec::new();
    let mut is_programs = false;
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(section) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            is_programs = matches!(section.trim(), "console_scripts" | "gui_scripts");
        } else if is_programs {
            programs.push(program(line)?);
        }
    }
    // The launcher with pip's minor version is named after the target's Python, not after the one that made the wheel.
    let is_versioned = |name: &str| {
        let version = name.strip_prefix("pip3.");
        version.is_some_and(|version| version.parse::<u8>().is_ok())
    };
    programs.retain(|program| !is_versioned(&program.name));
    if let Some(pip) = programs.iter().find(|program| program.name == "pip3") {
        let name = format!("pip3.{minor}");
        programs.push(Program {
            name,
            ..pip.clone()
        });
    }
    Ok(programs)
}

fn program(line: &str) -> Result<Program, String> {
    let wrong = || format!("its entry point `{line}` is not `name = module:function`");
    let (name, value) = line.split_once('=').ok_or_else(wrong)?;
    let name = name.trim();
    // Extras are ignored.
    let value = value.split('[').next().unwrap_or_default();
    let (module, function) = value.split_once(':').ok_or_else(wrong)?;
    let (module, function) = (module.trim(), function.trim());
    let is_word = |text: &str| {
        let is_it = |each: char| each.is_alphanumeric() || "_-.".contains(each);
        !text.is_empty() && text.chars().all(is_it)
    };
    if !is_word(module) || !is_word(function) || !is_file_name(name) {
        return Err(wrong());
    }
    let minor = name.strip_prefix("python3.");
    if matches!(name, "python" | "python3" | "pythonw")
        || minor.is_some_and(|minor| minor.parse::<u8>().is_ok())
    {
        return Err(format!("its entry point `{name}` would replace Python"));
    }
    Ok(Program {
        name: name.to_owned(),
        module: module.to_owned(),
        function: function.to_owned(),
    })
}

fn is_file_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && !name.contains(['/', '\\'])
        && !name.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let programs = read(text, 11).unwrap();
        programs.into_iter().map(|program| program.name).collect()
    }

    #[test]
    fn programs_are_those_of_two_sections() {
        let text = "# x\n[console_scripts]\na = m.n:f.g [extra,other]\n B=m:f\n\n[other]\nc = no program\n[gui_scripts]\nd = m : f\n";
        assert_eq!(names(text), ["a", "B", "d"]);
        let script = read(text, 11).unwrap()[0].script("/usr/bin/python3");
        assert_eq!(
            script,
            "#!/usr/bin/python3\n# -*- coding: utf-8 -*-\nimport sys\nfrom m.n import f\nif __name__ == \"__main__\":\n    \
             if sys.argv[0].endswith(\"-script.pyw\"):\n        sys.argv[0] = sys.argv[0][:-11]\n    \
             elif sys.argv[0].endswith(\".exe\"):\n        sys.argv[0] = sys.argv[0][:-4]\n    sys.exit(f.g())\n"
        );
    }

    #[test]
    fn pip_is_named_after_the_target() {
        let text = "[console_scripts]\npip = p:m\npip3 = p:m\npip3.9 = p:m\npip3.x = p:m\n";
        assert_eq!(names(text), ["pip", "pip3", "pip3.x", "pip3.11"]);
    }

    #[test]
    fn what_is_no_program_is_refused() {
        for line in [
            "a",
            "a = m",
            "a = m:",
            "a = m:f(x)",
            "a = m;import os:f",
            "../a = m:f",
            ".. = m:f",
            " = m:f",
            "python3 = m:f",
            "python3.12 = m:f",
        ] {
            let text = format!("[console_scripts]\n{line}\n");
            assert!(read(&text, 11).is_err(), "{line}");
        }
    }

    #[test]
    fn long_paths_are_started_by_a_shell() {
        let long = format!("/{}/python", "x".repeat(130));
        assert_eq!(
            shebang(&long),
            format!("#!/bin/sh\n'''exec' '{long}' \"$0\" \"$@\"\n' '''")
        );
        assert!(shebang("/with space/python").starts_with("#!/bin/sh\n"));
    }
}
