//! Maps CUDA and cuDNN versions to NVIDIA's images.
//!
//! This is a table of what NVIDIA publishes (<https://hub.docker.com/r/nvidia/cuda/tags>), because a made-up tag would fail
//! only at the
//! registry, minutes later, with a message about manifests.

use crate::spec::Base;

/// A CUDA release for which NVIDIA publishes images.
struct Release {
    /// Major and minor version.
    series: &'static str,
    /// Full version of the latest images of the series.
    version: &'static str,
    /// How image tags name cuDNN, and its major version.
    cudnn: (&'static str, &'static str),
    /// The Ubuntu releases with images, the default first.
    ubuntu: &'static [&'static str],
}

const fn release(
    series: &'static str,
    version: &'static str,
    cudnn: (&'static str, &'static str),
    ubuntu: &'static [&'static str],
) -> Release {
    Release {
        series,
        version,
        cudnn,
        ubuntu,
    }
}

const CUDNN_8: (&str, &str) = ("cudnn8", "8");
/// From 12.4 on, tags do not include the cuDNN version.
const CUDNN_9: (&str, &str) = ("cudnn", "9");

const RELEASES: &[Release] = &[
    release("11.7", "11.7.1", CUDNN_8, &["22.04", "20.04"]),
    release("11.8", "11.8.0", CUDNN_8, &["22.04", "20.04"]),
    release("12.0", "12.0.1", CUDNN_8, &["22.04", "20.04"]),
    release("12.1", "12.1.1", CUDNN_8, &["22.04", "20.04"]),
    release("12.2", "12.2.2", CUDNN_8, &["22.04", "20.04"]),
    release("12.3", "12.3.2", ("cudnn9", "9"), &["22.04", "20.04"]),
    release("12.4", "12.4.1", CUDNN_9, &["22.04", "20.04"]),
    release("12.5", "12.5.1", CUDNN_9, &["22.04", "20.04"]),
    release("12.6", "12.6.3", CUDNN_9, &["24.04", "22.04", "20.04"]),
    release("12.8", "12.8.1", CUDNN_9, &["24.04", "22.04", "20.04"]),
    release("12.9", "12.9.1", CUDNN_9, &["24.04", "22.04"]),
    release("13.0", "13.0.1", CUDNN_9, &["24.04", "22.04"]),
];

/// Why no image matches the requested versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The manifest field to change.
    pub field: &'static str,
    /// The reason, for error messages.
    pub why: String,
    /// What to do, unless it is just to pick one of the versions named in the reason.
    pub help: Option<String>,
}

fn mismatch<T>(field: &'static str, why: impl Into<String>) -> Result<T, Mismatch> {
    let (why, help) = (why.into(), None);
    Err(Mismatch { field, why, help })
}

/// Returns the base image for a CUDA version. A `base-image` that names an Ubuntu release selects that release.
pub fn cuda_base(cuda: &str, cudnn: Option<&str>, base: Option<&Base>) -> Result<String, Mismatch> {
    let release = release_of(cuda)?;
    let ubuntu = ubuntu_of(release, cuda, base)?;
    let version = release.version;
    let cudnn = match cudnn {
        None => String::new(),
        Some(wanted) => {
            let (name, major) = release.cudnn;
            if wanted.split('.').next() != Some(major) {
                return mismatch(
                    "cudnn",
                    format!("the images of CUDA {cuda} have cuDNN {major}"),
                );
            }
            format!("-{name}")
        }
    };
    Ok(format!(
        "nvidia/cuda:{version}{cudnn}-runtime-ubuntu{ubuntu}"
    ))
}

fn release_of(cuda: &str) -> Result<&'static Release, Mismatch> {
    let known = || {
        let series: Vec<&str> = RELEASES.iter().map(|release| release.series).collect();
        series.join(", ")
    };
    let matches = |release: &&Release| {
        let is_prefix = |of: &str| of == cuda || of.starts_with(&format!("{cuda}."));
        is_prefix(release.version) || is_prefix(release.series)
    };
    // `12` means the latest 12.x.
    if let Some(release) = RELEASES.iter().rfind(matches) {
        return Ok(release);
    }
    let series: Vec<&str> = cuda.split('.').take(2).collect();
    let near = RELEASES
        .iter()
        .find(|release| release.series == series.join("."));
    let Some(Release {
        series, version, ..
    }) = near
    else {
        return mismatch("cuda", format!("images exist for CUDA {}", known()));
    };
    Err(Mismatch {
        field: "cuda",
        why: format!("for CUDA {series}, images exist only of {version}"),
        help: Some(format!("write `cuda \"{series}\"`")),
    })
}

fn ubuntu_of(
    release: &'static Release,
    cuda: &str,
    base: Option<&Base>,
) -> Result<&'static str, Mismatch> {
    let Some(base) = base else {
        return Ok(release.ubuntu[0]);
    };
    let asked = match base {
        Base::Registry(reference) => {
            let name = reference
                .strip_prefix("docker.io/")
                .unwrap_or(reference.as_str());
            name.strip_prefix("library/")
                .unwrap_or(name)
                .strip_prefix("ubuntu:")
        }
        Base::Image(_) | Base::File { .. } | Base::Debian(_) | Base::Scratch => None,
    };
    let Some(asked) = asked else {
        let help = "omit `base-image`, or name the Ubuntu release to use (`ubuntu:22.04`); \
                    if your base already has CUDA, omit `cuda`";
        return Err(Mismatch {
            field: "base-image",
            why: "with `cuda`, the base image is NVIDIA's".to_owned(),
            help: Some(help.to_owned()),
        });
    };
    let names = [("noble", "24.04"), ("jammy", "22.04"), ("focal", "20.04")];
    let number = names
        .iter()
        .find(|(name, _)| *name == asked)
        .map_or(asked, |(_, number)| number);
    match release.ubuntu.iter().find(|known| **known == number) {
        Some(ubuntu) => Ok(ubuntu),
        None => mismatch(
            "base-image",
            format!(
                "images of CUDA {cuda} exist for Ubuntu {}",
                release.ubuntu.join(", ")
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(reference: &str) -> Base {
        Base::Registry(reference.to_owned())
    }

    #[test]
    fn versions_become_tags_that_there_are() {
        let base = |cuda, cudnn| cuda_base(cuda, cudnn, None).unwrap();
        assert_eq!(base("12.1", None), "nvidia/cuda:12.1.1-runtime-ubuntu22.04");
        assert_eq!(
            base("12.1.1", Some("8")),
            "nvidia/cuda:12.1.1-cudnn8-runtime-ubuntu22.04"
        );
        assert_eq!(
            base("12.6", Some("9.5")),
            "nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04"
        );
        assert_eq!(base("12", None), "nvidia/cuda:12.9.1-runtime-ubuntu24.04");
        let jammy = registry("docker.io/library/ubuntu:jammy");
        assert_eq!(
            cuda_base("12.6", None, Some(&jammy)).unwrap(),
            "nvidia/cuda:12.6.3-runtime-ubuntu22.04"
        );
    }

    #[test]
    fn what_does_not_go_together_is_named() {
        let field =
            |cuda, cudnn, base: Option<&Base>| cuda_base(cuda, cudnn, base).unwrap_err().field;
        assert_eq!(field("9.0", None, None), "cuda");
        assert_eq!(field("12.1.0", None, None), "cuda");
        assert_eq!(field("12.7", None, None), "cuda");
        assert_eq!(field("12.6", Some("8"), None), "cudnn");
        let debian = registry("debian:bookworm-slim");
        assert_eq!(field("12.6", None, Some(&debian)), "base-image");
        let focal = registry("ubuntu:20.04");
        assert_eq!(field("13.0", None, Some(&focal)), "base-image");
        assert_eq!(field("12.6", None, Some(&Base::Scratch)), "base-image");
    }
}
