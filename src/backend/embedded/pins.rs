//! Python packages for `imgspec lock`: what a build would install now, found out without building anything.
//!
//! For images of every builder: only the base's files are needed, and a registry has them.

use super::base::{Image, Source};
use super::common::{at_once, failed};
use super::files;
use super::python::given::Given;
use super::python::sources::version_of;
use super::python::tags::{Tags, WheelName};
use super::python::wanted::{self, Wanting};
use super::python::{Libc, Scheme, Target, Wheel, target};
use super::sdists::described::Described;
use crate::backend::oci::name::Digest;
use crate::backend::packages::{Found, NotFound, Requested};
use crate::backend::platform::Platform;
use crate::backend::steps::shown;
use crate::backend::{BuildError, Job, secret};
use crate::recipe::{PYTHON_HOME, Pip, PythonSource};
use crate::workspace::{LockedImage, LockedWheel};

/// The C library that is assumed where none can be read: older than that of any distribution that is still maintained.
const ASSUMED: Libc = Libc::Glibc(2, 28);

/// Answers questions about the packages of steps, a few at once.
pub(super) fn find(wanted: &[Requested<'_>], source: &Source<'_>) -> Vec<Result<Found, NotFound>> {
    let answers = at_once(wanted, |wanted| Ok::<_, NotFound>(find_one(wanted, source)));
    answers.unwrap_or_default()
}

fn find_one(wanted: &Requested<'_>, source: &Source<'_>) -> Result<Found, NotFound> {
    let (target, remark) = target_of(wanted, source)?;
    let words = words(&target);
    if let Some(kept) = wanted.kept.filter(|kept| kept.target == words) {
        return Ok(Found {
            target: words,
            wheels: kept.wheels.clone(),
            remark,
        });
    }
    let wheels = resolve(wanted, &target, source)?;
    let mut wheels: Vec<LockedWheel> = wheels.into_iter().map(locked).collect();
    wheels.sort();
    Ok(Found {
        target: words,
        wheels,
        remark,
    })
}

fn resolve(
    wanted: &Requested<'_>,
    target: &Target,
    source: &Source<'_>,
) -> Result<Vec<Wheel>, NotFound> {
    let variable = |name: &str| std::env::var(name).ok();
    let revealed = secret::reveal(wanted.recipe, wanted.root, &variable)
        .map_err(|missing| NotFound::Failed(missing.join("; ")))?;
    let given = Given::of(wanted.recipe, &revealed);
    // A copy of the user's files. What a killed process leaves of it is removed by the next one.
    let scratch = source.store.scratch();
    let scratch = scratch.map_err(|error| not_found(failed(error)))?;
    let preferred = wanted.preferred.iter();
    let preferred: Vec<(&str, &str)> = preferred
        .map(|wheel| (wheel.name.as_str(), wheel.version.as_str()))
        .collect();
    let sources = Described::new(&given, source);
    let wanting = Wanting {
        target,
        given: &given,
        source,
        scratch: scratch.dir(),
        is_anew: true,
        preferred: &preferred,
        sources: &sources,
    };
    let found = wanted::pip(wanted.pip, wanted.files, &wanting);
    found.map_err(|error| match (error, sources.open()) {
        (BuildError::Failed(_), Some(why)) => NotFound::Unbuilt(why),
        (error, _) => not_found(error),
    })
}

/// The Python that the packages are for, and what is assumed of it.
fn target_of(
    wanted: &Requested<'_>,
    source: &Source<'_>,
) -> Result<(Target, Option<String>), NotFound> {
    let unknowable = |why: String| Err(NotFound::Unknowable(why));
    match wanted.python.source {
        PythonSource::Built(image) => unknowable(format!(
            "which Python `{image}` has shows only when it is built"
        )),
        PythonSource::Nothing => {
            unknowable("no image of a registry that it is built on can have a Python".to_owned())
        }
        PythonSource::Conda(None) => {
            unknowable("conda chooses its Python during the build".to_owned())
        }
        PythonSource::Conda(Some(version)) | PythonSource::Managed(version) => {
            installed(version, wanted, source)
        }
        PythonSource::Debian(image) => match of_debian(wanted) {
            Some(version) => installed(&version, wanted, source),
            None => unknowable(format!(
                "which Python `{image}` has shows only when it is built, as its Debian packages are not locked"
            )),
        },
        PythonSource::Outside | PythonSource::Exec(_) => {
            let name = match (wanted.python.outside, wanted.base_files) {
                (Some(reference), _) => format!("`{reference}`"),
                (None, Some(files)) => shown(files),
                (None, None) => {
                    let why = "its base is neither an image of a registry nor a file";
                    return unknowable(why.to_owned());
                }
            };
            let Some(image) = lowest(wanted, source)? else {
                return unknowable(format!(
                    "{name} is only in the local store, where its files cannot be read"
                ));
            };
            let platform = Platform::read(wanted.platform);
            let interpreter = &wanted.pip.interpreter;
            let found = target::find(&image.tree, &platform, interpreter, &image.config);
            match found {
                Ok(target) => Ok((target, None)),
                Err(error) => unknowable(format!("{name}: {error}")),
            }
        }
    }
}

/// The version of Debian's `python3` in the locked packages.
fn of_debian(wanted: &Requested<'_>) -> Option<String> {
    let (major, minor) = numbers(locked_version(wanted, "python3-minimal")?)?;
    let own = locked_version(wanted, &format!("python{major}.{minor}-minimal"))?;
    Some(upstream(own).to_owned())
}

/// The version of a Debian package as locked: of several lists, the uppermost has what is installed last.
fn locked_version<'a>(wanted: &Requested<'a>, name: &str) -> Option<&'a str> {
    let lists = wanted.debian?.iter().rev();
    let mut debs = lists.flat_map(|list| &list.debs);
    let deb = debs.find(|deb| deb.name == name)?;
    Some(&deb.version)
}

/// Debian's version without what Debian adds: `3.11.2` of `3.11.2-6+deb12u5`.
fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    let is_other = |each: char| !each.is_ascii_digit() && each != '.';
    let end = version.find(is_other).unwrap_or(version.len());
    version[..end].trim_end_matches('.')
}

/// The first two numbers of a version.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut numbers = upstream(version).split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// The C library of what is lowest, in packages or in files, and what is assumed of it.
fn libc_of(
    wanted: &Requested<'_>,
    platform: &Platform,
    source: &Source<'_>,
) -> Result<(Libc, Option<String>), NotFound> {
    if let Some((major, minor)) = locked_version(wanted, "libc6").and_then(numbers) {
        return Ok((Libc::Glibc(major, minor), None));
    }
    if let Some(image) = lowest(wanted, source)? {
        let libc = target::libc(&image.tree, platform);
        return Ok((libc.map_err(NotFound::Unknowable)?, None));
    }
    let remark = format!(
        "its packages are locked for {ASSUMED}, because its base cannot be read without a build"
    );
    Ok((ASSUMED, Some(remark)))
}

/// A Python that a step or a package installs, on the C library of what is lowest.
fn installed(
    version: &str,
    wanted: &Requested<'_>,
    source: &Source<'_>,
) -> Result<(Target, Option<String>), NotFound> {
    let mut parts = version.split('.').map(str::parse);
    let (Some(Ok(major)), Some(Ok(minor))) = (parts.next(), parts.next()) else {
        let why = format!(
            "packages for Python {version} are not locked, only those for releases such as 3.12"
        );
        return Err(NotFound::Unknowable(why));
    };
    let full: Option<u32> = parts.next().and_then(Result::ok);
    let platform = Platform::read(wanted.platform);
    let (libc, remark) = libc_of(wanted, &platform, source)?;
    let folder = |name: &str| format!("{PYTHON_HOME}/{name}");
    let target = Target {
        version: (major, minor),
        full_version: full.map(|_| version.to_owned()),
        platform,
        libc,
        interpreter: folder("bin/python3"),
        scheme: Scheme {
            purelib: folder("lib"),
            platlib: folder("lib"),
            scripts: folder("bin"),
            headers: folder("include"),
            data: PYTHON_HOME.to_owned(),
        },
    };
    Ok((target, remark))
}

/// The lowest base, of a registry or in files; `None` if its files cannot be read.
fn lowest(wanted: &Requested<'_>, source: &Source<'_>) -> Result<Option<Image>, NotFound> {
    let Some(reference) = wanted.python.outside else {
        let Some((files, file)) = wanted.base_files.zip(wanted.python.file) else {
            return Ok(None);
        };
        let image = files::base(files, file.name, wanted.platform, source);
        return image.map(Some).map_err(not_found);
    };
    let pinned = match wanted.outside {
        Some(LockedImage::Id(_)) => return Ok(None),
        Some(LockedImage::Digest(digest)) => Some(digest.as_str()),
        None => None,
    };
    let image = source.registry(reference, pinned, wanted.platform);
    image.map(Some).map_err(|error| {
        let error =
            error.reworded(|why| format!("the Python of `{reference}` cannot be read: {why}"));
        not_found(error)
    })
}

/// How a target is told apart from others in the lock.
fn words(target: &Target) -> String {
    let (major, minor) = target.version;
    let version = match &target.full_version {
        Some(version) => version.clone(),
        None => format!("{major}.{minor}"),
    };
    format!("python {version}, {}", target.libc)
}

#[allow(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
fn not_found(error: BuildError) -> NotFound {
    NotFound::Failed(error.to_string())
}

fn locked(wheel: Wheel) -> LockedWheel {
    let Wheel {
        name,
        version,
        file,
        url,
        sha256,
        size,
        is_requested,
    } = wheel;
    LockedWheel {
        name,
        version,
        file,
        sha256: sha256.to_string(),
        size,
        url,
        is_requested,
    }
}

/// The wheels that the lock has for a step of a job, and the sources to make others of; `None` if it does not pin them.
pub(super) fn of_job(
    job: &Job<'_>,
    pip: &Pip,
    target: &Target,
) -> Result<Option<Vec<Wheel>>, BuildError> {
    let mut steps = job.recipe.pips();
    let step = steps.position(|(other, _)| std::ptr::eq(other, pip));
    let platforms = job.recipe.platforms.iter();
    let mut platforms = platforms.filter(|platform| target.platform.is(platform));
    let locked = step.zip(platforms.next());
    let Some(locked) = locked.and_then(|(step, platform)| job.outside.wheels(step, platform))
    else {
        return Ok(None);
    };
    let tags = Tags::of(target);
    let wheels = locked.wheels.iter().map(|wheel| {
        let fits = match WheelName::read(&wheel.file) {
            Some(name) => tags.rank(&name).is_some(),
            // A wheel of these is made for whatever Python the image has.
            None => version_of(&wheel.file, &wheel.name).is_some(),
        };
        let Some(sha256) = Digest::read(&wheel.sha256).filter(|_| fits) else {
            return Err(failed(format!(
                "{} is locked for {}, but the image has {}; run `imgspec lock --update {}`",
                wheel.file,
                locked.target,
                words(target),
                job.image
            )));
        };
        Ok(Wheel {
            name: wheel.name.clone(),
            version: wheel.version.clone(),
            file: wheel.file.clone(),
            url: wheel.url.clone(),
            sha256,
            size: wheel.size,
            is_requested: wheel.is_requested,
        })
    });
    wheels.collect::<Result<_, _>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_debian_adds_to_a_version_is_left_out() {
        let read = |version| (upstream(version), numbers(version));
        assert_eq!(read("3.11.2-6+deb12u5"), ("3.11.2", Some((3, 11))));
        assert_eq!(read("1:3.13.5-2"), ("3.13.5", Some((3, 13))));
        assert_eq!(read("3.14.0~rc2-1"), ("3.14.0", Some((3, 14))));
        assert_eq!(read("2.36-9+deb12u10"), ("2.36", Some((2, 36))));
        assert_eq!(read("3"), ("3", None));
        assert_eq!(read("x"), ("", None));
    }
}
