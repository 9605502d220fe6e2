//! Where Python looks for packages: the directories of `sysconfig`, as uv uses them in the other builders. Pure.

use super::Scheme;
use crate::backend::oci::tree::Tree;

/// Systems whose Python keeps installed packages apart from those of the system, below `/usr/local`, with a `lib64`.
const RED_HAT: [&str; 6] = ["fedora", "rhel", "centos", "rocky", "almalinux", "ol"];

/// The prefix of an executable.
pub(super) fn prefix(executable: &str) -> String {
    let folder = executable.rsplit_once('/').map_or("", |(above, _)| above);
    let prefix = folder.rsplit_once('/').map_or("", |(above, _)| above);
    prefix.to_owned()
}

/// The directories of the Python that is called by `path`, and is `real` after links.
pub(super) fn find(tree: &Tree, path: &str, real: &str, version: (u32, u32)) -> Scheme {
    let python = format!("python{}.{}", version.0, version.1);
    let own = prefix(path);
    let settings = format!("{own}/pyvenv.cfg");
    let settings = tree.resolve(&settings);
    if settings.is_ok_and(|path| tree.get(&path).is_some()) {
        return plain(&own, &python, format!("{own}/include/site/{python}"));
    }
    let prefix = prefix(real);
    let headers = format!("{prefix}/include/{python}");
    if prefix != "/usr" {
        return plain(&prefix, &python, headers);
    }
    let local = |library: &str, packages: &str| format!("/usr/local/{library}/{python}/{packages}");
    let system = system(tree);
    let is = |names: &[&str]| system.iter().any(|name| names.contains(&name.as_str()));
    let is_debian = is(&["debian", "ubuntu"])
        || tree
            .resolve("usr/lib/python3/dist-packages")
            .is_ok_and(|path| tree.is_folder(&path));
    let (purelib, platlib) = if is_debian {
        let packages = local("lib", "dist-packages");
        (packages.clone(), packages)
    } else if is(&RED_HAT) && version >= (3, 10) {
        (
            local("lib", "site-packages"),
            local("lib64", "site-packages"),
        )
    } else {
        return plain(&prefix, &python, headers);
    };
    Scheme {
        purelib,
        platlib,
        scripts: "/usr/local/bin".to_owned(),
        headers,
        data: "/usr/local".to_owned(),
    }
}

fn plain(prefix: &str, python: &str, headers: String) -> Scheme {
    let library = format!("{prefix}/lib/{python}/site-packages");
    Scheme {
        purelib: library.clone(),
        platlib: library,
        scripts: format!("{prefix}/bin"),
        headers,
        data: prefix.to_owned(),
    }
}

/// The names of the image's system, and of those it resembles.
fn system(tree: &Tree) -> Vec<String> {
    let text = tree.text("etc/os-release").unwrap_or_default();
    let lines = text.lines();
    let values =
        lines.filter_map(|line| line.strip_prefix("ID=").or(line.strip_prefix("ID_LIKE=")));
    let names = values.flat_map(|value| value.trim_matches(['"', '\'']).split(' '));
    names.map(str::to_owned).collect()
}
