//! Fields of manifests, down to the Dockerfile.

use insta::assert_snapshot;

use super::*;
use crate::check::check;
use crate::fingerprint::{FileReader, fingerprint};
use crate::manifest::Overrides;

/// The files that the manifests here name.
const FILES: &[(&str, &str)] = &[
    ("lock/uv.lock", "version = 1"),
    ("lock/poetry.lock", "[metadata]"),
    ("lock/pyproject.toml", "[project]"),
    ("lock/pylock.toml", "lock-version = \"1.0\""),
    ("requirements.txt", "numpy\n"),
    ("src/main.py", "pass"),
    ("Dockerfile", "FROM base\nCOPY . /app\n"),
];

/// The Dockerfile of an image with these lines; `base` is another one.
fn of(lines: &str) -> Dockerfile {
    let folder = tempfile::tempdir().unwrap();
    let manifest = format!("image \"train\" {{\n{lines}\n}}\nimage \"base\"\n");
    let files = [("imgspec.kdl", manifest.as_str())];
    for (path, text) in files.iter().chain(FILES) {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let manifest = folder.path().join("imgspec.kdl");
    let found = check(&manifest, &Overrides::default(), &|_| None);
    assert!(!found.has_errors(), "{:?}", found.diagnostics);
    let reader = FileReader::new(folder.path()).unwrap();
    let print = fingerprint(found.graph.as_ref().unwrap(), &found.recipes, &reader)
        .swap_remove(0)
        .unwrap();
    let recipe = &found.recipes[0];
    let source = Source {
        image: "train",
        key: &Key::new([1; 32]),
        recipe,
        files: print.files.iter().map(AsRef::as_ref).collect(),
        parents: &BTreeMap::from([("base".to_owned(), "imgspec-pin:1-1".to_owned())]),
        names: BTreeMap::from([("base", "acme/base:7")]),
    };
    match &recipe.dockerfile {
        Some(own) => super::own(&source, own, "FROM base\n".to_owned()),
        None => render(&source),
    }
}

/// Its instructions, without comment and labels; a mount or an argument list a line.
fn instructions(lines: &str) -> String {
    let text = of(lines).text;
    let kept = text
        .lines()
        .filter(|line| !line.starts_with("# ") && !line.starts_with("LABEL dev.imgspec"))
        .filter(|line| !line.starts_with("LABEL \"dev.imgspec"))
        .filter(|line| !line.contains("org.opencontainers.image.base.name"));
    let kept: Vec<&str> = kept.collect();
    kept.join("\n")
        .replace(" --mount", "\n  --mount")
        .replace(" [\"", "\n  [\"")
}

fn steps(lines: &str) -> Vec<String> {
    let steps = of(lines).steps.into_iter();
    steps.map(|step| step.words).collect()
}

#[test]
fn conda_packages_are_installed_by_micromamba_from_conda_forge_first() {
    assert_snapshot!(instructions(r#"
        python-version "3.12"
        conda-packages "numpy>=2" "conda-forge::blas=*=openblas"
        conda-channels "pytorch" "https://example.org/channel"
        packages "torch"
        steps { conda "scipy" }
    "#), @r#"
    FROM debian:bookworm-slim
    RUN
      --mount=type=bind,from=mambaorg/micromamba:2.3.2-debian12-slim,source=/usr/bin/micromamba,target=/run/imgspec/micromamba
      --mount=type=bind,from=mambaorg/micromamba:2.3.2-debian12-slim,source=/etc/ssl/certs/ca-certificates.crt,target=/run/imgspec/ca.crt
      --mount=type=cache,target=/run/imgspec/conda,id=imgspec-conda-linux-amd64,sharing=private
      ["/bin/sh","-c","set -e\nexport MAMBA_ROOT_PREFIX=/opt/micromamba CONDA_PKGS_DIRS=/run/imgspec/conda\n[ -e /etc/ssl/certs/ca-certificates.crt ] || export SSL_CERT_FILE=/run/imgspec/ca.crt\naction=create\n[ ! -d \"$0/conda-meta\" ] || action=install\nexec /run/imgspec/micromamba $action --yes --no-rc --prefix \"$0\" --override-channels \"$@\"","/opt/micromamba/envs/runtime","--channel","conda-forge","--channel","pytorch","--channel","https://example.org/channel","python=3.12","numpy>=2","conda-forge::blas=*=openblas"]
    ENV PATH="/opt/micromamba/envs/runtime/bin:${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}"
    RUN
      --mount=type=bind,from=ghcr.io/astral-sh/uv:0.9,source=/uv,target=/run/imgspec/uv
      --mount=type=cache,target=/run/imgspec/cache,id=imgspec-uv-linux-amd64,sharing=shared
      ["/run/imgspec/uv","pip","install","--python","/opt/micromamba/envs/runtime/bin/python","--break-system-packages","--no-python-downloads","--no-config","--no-progress","--compile-bytecode","--link-mode=copy","--cache-dir","/run/imgspec/cache","--","torch"]
    RUN
      --mount=type=bind,from=mambaorg/micromamba:2.3.2-debian12-slim,source=/usr/bin/micromamba,target=/run/imgspec/micromamba
      --mount=type=bind,from=mambaorg/micromamba:2.3.2-debian12-slim,source=/etc/ssl/certs/ca-certificates.crt,target=/run/imgspec/ca.crt
      --mount=type=cache,target=/run/imgspec/conda,id=imgspec-conda-linux-amd64,sharing=private
      ["/bin/sh","-c","set -e\nexport MAMBA_ROOT_PREFIX=/opt/micromamba CONDA_PKGS_DIRS=/run/imgspec/conda\n[ -e /etc/ssl/certs/ca-certificates.crt ] || export SSL_CERT_FILE=/run/imgspec/ca.crt\naction=create\n[ ! -d \"$0/conda-meta\" ] || action=install\nexec /run/imgspec/micromamba $action --yes --no-rc --prefix \"$0\" --override-channels \"$@\"","/opt/micromamba/envs/runtime","--channel","conda-forge","--channel","pytorch","--channel","https://example.org/channel","scipy"]
    ENV PATH="/opt/micromamba/envs/runtime/bin:${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}"
    "#);
    assert_eq!(
        steps("conda-packages \"numpy\" \"blas\""),
        [
            "base-image: debian:bookworm-slim",
            "conda-packages: numpy blas"
        ]
    );
}

#[test]
fn a_uv_lock_makes_an_environment_that_later_packages_go_into() {
    assert_snapshot!(instructions(r#"
        python-version "3.12"
        requirements "lock/uv.lock"
        pip-index "https://example.org/simple"
        pip-extra-args "--extra gpu"
        steps { pip "numpy" }
    "#), @r#"
    FROM debian:bookworm-slim
    RUN
      --mount=type=bind,from=ghcr.io/astral-sh/uv:0.9,source=/uv,target=/run/imgspec/uv
      --mount=type=cache,target=/run/imgspec/cache,id=imgspec-uv-linux-amd64,sharing=shared
      --mount=type=secret,id=UV_PYTHON_INSTALL_MIRROR,target=/run/imgspec/UV_PYTHON_INSTALL_MIRROR
      --mount=type=secret,id=UV_PYTHON_DOWNLOADS_JSON_URL,target=/run/imgspec/UV_PYTHON_DOWNLOADS_JSON_URL
      ["/bin/sh","-c","set -e\nfor name in UV_PYTHON_INSTALL_MIRROR UV_PYTHON_DOWNLOADS_JSON_URL; do\n  if [ -s /run/imgspec/$name ]; then\n    value=$(cat /run/imgspec/$name)\n    export $name=\"$value\"\n  fi\ndone\nuv=/run/imgspec/uv\nexport UV_PYTHON_INSTALL_DIR=/opt/python UV_CACHE_DIR=/run/imgspec/cache UV_NO_PROGRESS=1\n$uv python install --no-bin -- \"$1\"\npython=$($uv python find --no-project --managed-python -- \"$1\")\nrm -rf /opt/python/.lock /opt/python/.temp /opt/python/.gitignore\nhome=$(readlink -f \"${python%/bin/*}\")\nfor each in \"$home\"/*; do ln -sfn \"$each\" /opt/python/; done\n/opt/python/bin/python3 --version","python-version","3.12"]
    ENV PATH="/opt/python/bin:${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}"
    RUN
      --mount=type=bind,from=ghcr.io/astral-sh/uv:0.9,source=/uv,target=/run/imgspec/uv
      --mount=type=cache,target=/run/imgspec/cache,id=imgspec-uv-linux-amd64,sharing=shared
      --mount=type=bind,source=0,target=/run/imgspec/requirements,rw
      ["/bin/sh","-c","set -e\npython=$1\nshift\n[ \"$python\" != - ] || python=$(command -v python3) || { echo 'imgspec: there is no python3 in PATH' >&2; exit 1; }\nexport UV_PROJECT_ENVIRONMENT=/opt/venv UV_CACHE_DIR=/run/imgspec/cache UV_NO_PROGRESS=1 UV_NO_SYSTEM_CONFIG=1\ncd /run/imgspec/requirements\nexec /run/imgspec/uv sync --python \"$python\" --locked --no-dev --no-install-project --no-python-downloads --compile-bytecode --link-mode copy \"$@\"","uv.lock","/opt/python/bin/python3","--default-index=https://example.org/simple","--extra","gpu"]
    ENV VIRTUAL_ENV="/opt/venv"
    ENV PATH="/opt/venv/bin:${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}"
    RUN
      --mount=type=bind,from=ghcr.io/astral-sh/uv:0.9,source=/uv,target=/run/imgspec/uv
      --mount=type=cache,target=/run/imgspec/cache,id=imgspec-uv-linux-amd64,sharing=shared
      ["/run/imgspec/uv","pip","install","--python","/opt/venv/bin/python3","--break-system-packages","--no-python-downloads","--no-config","--no-progress","--compile-bytecode","--link-mode=copy","--cache-dir","/run/imgspec/cache","--default-index=https://example.org/simple","--","numpy"]
    "#);
}

#[test]
fn a_poetry_lock_is_installed_by_poetry() {
    assert_snapshot!(instructions(r#"
        base-image "python:3.12-slim"
        requirements "lock/poetry.lock"
    "#), @r#"
    FROM python:3.12-slim
    RUN
      --mount=type=bind,from=ghcr.io/astral-sh/uv:0.9,source=/uv,target=/run/imgspec/uv
      --mount=type=cache,target=/run/imgspec/cache,id=imgspec-uv-linux-amd64,sharing=shared
      --mount=type=bind,source=0,target=/run/imgspec/requirements,rw
      ["/bin/sh","-c","set -e\npython=$1\nshift\n[ \"$python\" != - ] || python=$(command -v python3) || { echo 'imgspec: there is no python3 in PATH' >&2; exit 1; }\nexport UV_CACHE_DIR=/run/imgspec/cache UV_NO_PROGRESS=1 UV_NO_CONFIG=1 UV_PYTHON_DOWNLOADS=never\n/run/imgspec/uv venv --quiet --python \"$python\" /opt/venv\nexport VIRTUAL_ENV=/opt/venv PATH=\"/opt/venv/bin:$PATH\" POETRY_CACHE_DIR=/run/imgspec/cache/poetry POETRY_NO_INTERACTION=1\ncd /run/imgspec/requirements\nexec /run/imgspec/uv tool run --python \"$python\" --from 'poetry>=1.8,<3' poetry install --no-root --only main --compile \"$@\"","poetry.lock","-"]
    ENV VIRTUAL_ENV="/opt/venv"
    ENV PATH="/opt/venv/bin:${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}"
    "#);
}

#[test]
fn standard_lock_files_and_projects_are_requirements() {
    let run = |file: &str| {
        let lines = format!("python-exec \"/usr/bin/python3\"; requirements \"lock/{file}\"");
        instructions(&lines)
    };
    for file in ["pylock.toml", "pyproject.toml"] {
        let text = run(file);
        let argument = format!("=/run/imgspec/requirements/{file}\"");
        assert!(text.contains(&argument), "{text}");
        assert!(text.contains("\"--python\",\"/usr/bin/python3\""), "{text}");
    }
}

#[test]
fn cuda_is_nvidias_base() {
    assert_snapshot!(instructions(r#"
        cuda "12.6"
        cudnn "9"
        base-image "ubuntu:22.04"
    "#), @"FROM nvidia/cuda:12.6.3-cudnn-runtime-ubuntu22.04");
}

#[test]
fn helpers_come_from_the_images_that_are_named() {
    let text = instructions(
        r#"
        builder-config uv-image="example.org/uv:1" micromamba-image="example.org/mamba@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        conda-packages "numpy"
        packages "torch"
    "#,
    );
    assert!(text.contains("from=example.org/uv:1,source=/uv,"), "{text}");
    assert!(
        text.contains("from=example.org/mamba@sha256:0123"),
        "{text}"
    );
    assert!(!text.contains("astral"), "{text}");
}

#[test]
fn every_kind_of_step_gets_its_secrets_and_no_other_one() {
    assert_snapshot!(instructions(r#"
        apt-packages "git"
        python-version "3.12"
        conda-packages "numpy"
        packages "torch"
        commands "make"
        copy "src" to="/src"
        secret "everywhere" env="A"
        secret "apt" file="~/apt.conf" { apt-packages mount="/etc/apt/auth.conf.d/x.conf"; }
        secret "token" env="TOKEN" { commands env="API_TOKEN"; packages env="API_TOKEN" mount="/root/token"; }
        pip-secret-mounts "netrc" to="/root/.netrc"
    "#), @r#"
    FROM debian:bookworm-slim
    RUN
      --mount=type=cache,target=/var/cache/apt,id=imgspec-apt-linux-amd64-debian-bookworm-slim,sharing=private
      --mount=type=cache,target=/var/lib/apt/lists,id=imgspec-apt-lists-linux-amd64-debian-bookworm-slim,sharing=private
      --mount=type=secret,id=apt,target=/etc/apt/auth.conf.d/x.conf,mode=0444,required=true
      --mount=type=secret,id=everywhere,target=/run/secrets/everywhere,mode=0444,required=true
      ["/bin/sh","-c","set -e\nexport DEBIAN_FRONTEND=noninteractive\nconfig=/var/cache/apt/imgspec.conf\nprintf '%s\\n' '#clear DPkg::Post-Invoke;' '#clear APT::Update::Post-Invoke;' 'APT::Keep-Downloaded-Packages \"true\";' > $config\napt-get -c $config update\napt-get -c $config install --yes --no-install-recommends -- \"$@\"","apt-packages","git"]
    RUN
      --mount=type=bind,from=mambaorg/micromamba:2.3.2-debian12-slim,source=/usr/bin/micromamba,target=/run/imgspec/micromamba
      --mount=type=bind,from=mambaorg/micromamba:2.3.2-debian12-slim,source=/etc/ssl/certs/ca-certificates.crt,target=/run/imgspec/ca.crt
      --mount=type=cache,target=/run/imgspec/conda,id=imgspec-conda-linux-amd64,sharing=private
      --mount=type=secret,id=everywhere,target=/run/secrets/everywhere,mode=0444,required=true
      ["/bin/sh","-c","set -e\nexport MAMBA_ROOT_PREFIX=/opt/micromamba CONDA_PKGS_DIRS=/run/imgspec/conda\n[ -e /etc/ssl/certs/ca-certificates.crt ] || export SSL_CERT_FILE=/run/imgspec/ca.crt\naction=create\n[ ! -d \"$0/conda-meta\" ] || action=install\nexec /run/imgspec/micromamba $action --yes --no-rc --prefix \"$0\" --override-channels \"$@\"","/opt/micromamba/envs/runtime","--channel","conda-forge","python=3.12","numpy"]
    ENV PATH="/opt/micromamba/envs/runtime/bin:${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}"
    RUN
      --mount=type=bind,from=ghcr.io/astral-sh/uv:0.9,source=/uv,target=/run/imgspec/uv
      --mount=type=cache,target=/run/imgspec/cache,id=imgspec-uv-linux-amd64,sharing=shared
      --mount=type=secret,id=everywhere,target=/run/secrets/everywhere,mode=0444,required=true
      --mount=type=secret,id=pip-secret-mounts-0,target=/root/.netrc,mode=0444,required=true
      --mount=type=secret,id=token,target=/run/imgspec/secrets/token,mode=0444,required=true
      --mount=type=secret,id=token,target=/root/token,mode=0444,required=true
      ["/bin/sh","-c","API_TOKEN=$(cat /run/imgspec/secrets/token) && export API_TOKEN && exec \"$0\" \"$@\"","/run/imgspec/uv","pip","install","--python","/opt/micromamba/envs/runtime/bin/python","--break-system-packages","--no-python-downloads","--no-config","--no-progress","--compile-bytecode","--link-mode=copy","--cache-dir","/run/imgspec/cache","--","torch"]
    COPY
      ["0","/src"]
    RUN
      --mount=type=secret,id=everywhere,target=/run/secrets/everywhere,mode=0444,required=true
      --mount=type=secret,id=token,target=/run/imgspec/secrets/token,mode=0444,required=true
      ["/bin/sh","-c","API_TOKEN=$(cat /run/imgspec/secrets/token) && export API_TOKEN && exec \"$0\" \"$@\"","/bin/sh","-c","make"]
    "#);
}

#[test]
fn a_secret_is_never_where_it_comes_from() {
    let text = of(r#"
        commands "make"
        secret "a" env="VARIABLE_OF_MINE"
        secret "b" file="/home/me/secret-file"
    "#)
    .text;
    assert!(
        !text.contains("VARIABLE_OF_MINE") && !text.contains("secret-file"),
        "{text}"
    );
}

#[test]
fn own_steps_follow_the_fields_in_the_users_order() {
    assert_snapshot!(instructions(r#"
        workdir "/app"
        commands "echo fields"
        steps {
            run "echo root"
            user "app"
            env B="2" A="1"
            workdir "/home/app"
            copy "src" owner="app"
            copy image="base" "/bin/tool" to="/usr/bin/"
            run "make" "make install"
            user "root"
            apt "git"
        }
    "#), @r#"
    FROM debian:bookworm-slim
    USER 0
    WORKDIR "/app"
    RUN
      ["/bin/sh","-c","echo fields"]
    RUN
      ["/bin/sh","-c","echo root"]
    USER "app"
    ENV A="1"
    ENV B="2"
    WORKDIR "/home/app"
    COPY --chown=app
      ["0","/app/src"]
    COPY --from=imgspec-pin:1-1
      ["/bin/tool","/usr/bin/"]
    RUN
      ["/bin/sh","-c","make"]
    RUN
      ["/bin/sh","-c","make install"]
    USER "root"
    RUN
      --mount=type=cache,target=/var/cache/apt,id=imgspec-apt-linux-amd64-debian-bookworm-slim,sharing=private
      --mount=type=cache,target=/var/lib/apt/lists,id=imgspec-apt-lists-linux-amd64-debian-bookworm-slim,sharing=private
      ["/bin/sh","-c","set -e\nexport DEBIAN_FRONTEND=noninteractive\nconfig=/var/cache/apt/imgspec.conf\nprintf '%s\\n' '#clear DPkg::Post-Invoke;' '#clear APT::Update::Post-Invoke;' 'APT::Keep-Downloaded-Packages \"true\";' > $config\napt-get -c $config update\napt-get -c $config install --yes --no-install-recommends -- \"$@\"","apt-packages","git"]
    USER "root"
    "#);
    assert_eq!(
        steps("steps { workdir \"/app\"; run \"make\"; user \"app\"; }"),
        [
            "base-image: debian:bookworm-slim",
            "workdir: /app",
            "commands: make"
        ]
    );
}

#[test]
fn sources_go_to_the_working_folder_by_the_ignore_file() {
    assert_snapshot!(instructions(r#"
        workdir "/app"
        source-root "src"
    "#), @r#"
    FROM debian:bookworm-slim
    WORKDIR "/app"
    COPY
      ["0","/app"]
    "#);
    let text = instructions("source-root \"src\"; source-copy-mode \"none\"");
    assert!(!text.contains("COPY"), "{text}");
}

#[test]
fn a_dockerfile_is_taken_as_it_is_and_told_besides() {
    let dockerfile = of(r#"
        dockerfile "Dockerfile" context="src" target="app" {
            args VERSION="1" A="$x y"
            contexts { tools "alpine:3"; parent image="base"; lib path="lock"; assets path="src" }
        }
        labels team="ml"
        secret "token" env="TOKEN"
    "#);
    assert_eq!(dockerfile.text, "FROM base\n");
    assert!(dockerfile.steps.is_empty() && !dockerfile.newline);
    let own = dockerfile.own.unwrap();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(own.target.as_deref(), Some("app"));
    assert_eq!(own.args, [pair("A", "$x y"), pair("VERSION", "1")]);
    assert_eq!(
        own.images,
        [pair("parent", "imgspec-pin:1-1"), pair("tools", "alpine:3")]
    );
    assert_eq!(
        own.folders,
        [("assets".to_owned(), 2), ("lib".to_owned(), 3)]
    );
    let labels: Vec<&str> = own.labels.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(labels, ["dev.imgspec.key", "dev.imgspec.image", "team"]);
}

#[test]
fn a_flytekit_image_whole() {
    let dockerfile = of(r#"
        flytekit "1.16.31"
        name "train"
        registry "localhost:30000"
        python-version "3.12"
        apt-packages "git"
        requirements "requirements.txt"
        packages "torch"
        env MODE="train"
        runtime-packages "scipy" "numpy"
        source-root "src"
        source-copy-mode "all"
        commands "make"
        entrypoint "pyflyte-execute"
    "#);
    assert_snapshot!(dockerfile
        .text
        .replace(" --mount", "\n  --mount")
        .replace(" [\"", "\n  [\""), @r#"
    # Written by imgspec for the image "train".
    FROM debian:bookworm-slim
    USER 0
    RUN
      --mount=type=cache,target=/var/cache/apt,id=imgspec-apt-linux-amd64-debian-bookworm-slim,sharing=private
      --mount=type=cache,target=/var/lib/apt/lists,id=imgspec-apt-lists-linux-amd64-debian-bookworm-slim,sharing=private
      ["/bin/sh","-c","set -e\nexport DEBIAN_FRONTEND=noninteractive\nconfig=/var/cache/apt/imgspec.conf\nprintf '%s\\n' '#clear DPkg::Post-Invoke;' '#clear APT::Update::Post-Invoke;' 'APT::Keep-Downloaded-Packages \"true\";' > $config\napt-get -c $config update\napt-get -c $config install --yes --no-install-recommends -- \"$@\"","apt-packages","git"]
    RUN
      ["/bin/sh","-c","set -e\nif ! id -u \"$1\" >/dev/null 2>&1; then\n  if command -v useradd >/dev/null 2>&1; then\n    useradd --create-home --shell /bin/sh -- \"$1\"\n  else\n    adduser -D -s /bin/sh -- \"$1\"\n  fi\nfi\nmkdir -p /root \"/home/$1\"\nchown -R \"$1:\" /root \"/home/$1\"","account","flytekit"]
    RUN
      --mount=type=bind,from=ghcr.io/astral-sh/uv:0.9,source=/uv,target=/run/imgspec/uv
      --mount=type=cache,target=/run/imgspec/cache,id=imgspec-uv-linux-amd64,sharing=shared
      --mount=type=secret,id=UV_PYTHON_INSTALL_MIRROR,target=/run/imgspec/UV_PYTHON_INSTALL_MIRROR
      --mount=type=secret,id=UV_PYTHON_DOWNLOADS_JSON_URL,target=/run/imgspec/UV_PYTHON_DOWNLOADS_JSON_URL
      ["/bin/sh","-c","set -e\nfor name in UV_PYTHON_INSTALL_MIRROR UV_PYTHON_DOWNLOADS_JSON_URL; do\n  if [ -s /run/imgspec/$name ]; then\n    value=$(cat /run/imgspec/$name)\n    export $name=\"$value\"\n  fi\ndone\nuv=/run/imgspec/uv\nexport UV_PYTHON_INSTALL_DIR=/opt/python UV_CACHE_DIR=/run/imgspec/cache UV_NO_PROGRESS=1\n$uv python install --no-bin -- \"$1\"\npython=$($uv python find --no-project --managed-python -- \"$1\")\nrm -rf /opt/python/.lock /opt/python/.temp /opt/python/.gitignore\nhome=$(readlink -f \"${python%/bin/*}\")\nfor each in \"$home\"/*; do ln -sfn \"$each\" /opt/python/; done\n/opt/python/bin/python3 --version","python-version","3.12"]
    ENV PATH="/opt/python/bin:${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}"
    ENV FLYTE_SDK_RICH_TRACEBACKS="0"
    ENV MODE="train"
    ENV PYTHONPATH="/root"
    ENV _F_RUNTIME_PACKAGES="scipy numpy"
    RUN
      --mount=type=bind,from=ghcr.io/astral-sh/uv:0.9,source=/uv,target=/run/imgspec/uv
      --mount=type=cache,target=/run/imgspec/cache,id=imgspec-uv-linux-amd64,sharing=shared
      --mount=type=bind,source=0,target=/run/imgspec/requirements
      ["/bin/sh","-c","file=$1 package=$2\nshift 2\ngrep -Eq \"^[[:space:]]*$0([^A-Za-z0-9_-]|$)\" \"$file\" || set -- \"$@\" \"$package\"\nexec \"$@\"","flytekit","/run/imgspec/requirements/requirements.txt","flytekit==1.16.31","/run/imgspec/uv","pip","install","--python","/opt/python/bin/python3","--break-system-packages","--no-python-downloads","--no-config","--no-progress","--compile-bytecode","--link-mode=copy","--cache-dir","/run/imgspec/cache","--requirements=/run/imgspec/requirements/requirements.txt","--","torch"]
    COPY --chown=flytekit
      ["1","/root"]
    RUN
      ["/bin/sh","-c","make"]
    WORKDIR "/root"
    ENV _F_IMG_ID="70vEMVOqjr9Z19CK3qLwsw"
    ENTRYPOINT
      ["pyflyte-execute"]
    USER "flytekit"
    LABEL "dev.imgspec.key"="0101010101010101010101010101010101010101010101010101010101010101"
    LABEL "dev.imgspec.image"="train"
    LABEL "org.opencontainers.image.base.name"="debian:bookworm-slim"
    "#);
}

#[test]
fn flytekit_is_installed_unless_it_is_asked_for() {
    let with = |lines: &str| {
        instructions(&format!(
            "flytekit \"1.16.31\"; python-version \"3.12\"; {lines}"
        ))
    };
    assert!(with("").contains("\"flytekit==1.16.31\""));
    assert!(with("packages \"numpy\"").contains("\"numpy\",\"flytekit==1.16.31\""));
    assert!(!with("packages \"flytekit>=1.15\"").contains("flytekit==1.16.31"));
    assert!(with("packages \"flytekitplugins-spark\"").contains("flytekit==1.16.31"));
    // A lock file says all that is installed.
    assert!(!with("requirements \"lock/uv.lock\"").contains("flytekit==1.16.31"));
}

#[test]
fn what_the_user_says_is_stronger_than_flytekits_profile() {
    let text = instructions(
        r#"
        flytekit "1.16.31"
        python-version "3.12"
        env PYTHONPATH="/mine"
        user "me"
        workdir "/work"
    "#,
    );
    for line in [
        "ENV PYTHONPATH=\"/mine\"",
        "USER \"me\"",
        "WORKDIR \"/work\"",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("USER \"flytekit\""), "{text}");
}
