//! Parsing of Dockerfiles.

use super::*;
use crate::recipe::{ContextSource, FileSet};
use crate::spec::WorkspacePath;

fn own(args: &[(&str, &str)], contexts: &[&str]) -> DockerfileRecipe {
    let file = FileSet::File {
        path: WorkspacePath::ROOT,
    };
    let source = |name: &&str| {
        let source = ContextSource::Registry("x:1".into());
        ((*name).to_owned(), source)
    };
    DockerfileRecipe {
        context: file.clone(),
        file,
        target: None,
        args: args
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        contexts: contexts.iter().map(source).collect(),
    }
}

fn read(text: &str, own: &DockerfileRecipe) -> String {
    let found = froms(text, own);
    let images = found.images.iter();
    let images = images.map(|it| format!("{}{}", it.name, if it.any_platform { "*" } else { "" }));
    let unread = found.unread.iter().map(|it| format!("?{it}"));
    images.chain(unread).collect::<Vec<_>>().join(" ")
}

#[test]
fn images_are_told_from_stages_and_named_contexts() {
    let text = "
        # syntax=docker/dockerfile:1
        FROM golang:1.22 AS Build
        FROM build AS test
        FROM scratch
        FROM debian@sha256:00
        from docker.io/library/busybox:latest as tools
        FROM busybox
        COPY --chown=0 --from=build /a /b
        COPY --from=0 /a /b
        COPY --from=alpine:3 /a /b
        ADD --from=never /a /b
        RUN --network=none --mount=type=bind,from=node:20,target=/n --mount=type=cache,target=/c make --mount=from=no
        ONBUILD COPY --from=never /a /b";
    assert_eq!(
        read(text, &own(&[], &["index.docker.io/library/golang:1.22"])),
        "debian@sha256:00 busybox alpine:3 node:20"
    );
}

#[test]
fn arguments_before_the_first_from_are_filled_in() {
    let text = "ARG TAG=12 NAME=\"debian\"\nARG FULL=${NAME}:${TAG}\nARG OTHER\nFROM ${FULL}-slim\nARG TAG=13\n\
        FROM $NAME:$TAG\nFROM --platform=$BUILDPLATFORM x:${OTHER:-1}\nFROM y${TAG:+:9}\nFROM $OTHER\nFROM z:${TAG#1}\nFROM $TARGETARCH/w";
    assert_eq!(
        read(text, &own(&[], &[])),
        "debian:12-slim debian:12 x:1* y:9 ?FROM $OTHER ?FROM z:${TAG#1} ?FROM $TARGETARCH/w"
    );
    assert_eq!(
        read(
            text,
            &own(&[("OTHER", "o:1"), ("TAG", "11"), ("UNSAID", "1")], &[])
        ),
        "debian:11-slim debian:11 x:o:1* y:9 o:1 ?FROM z:${TAG#1} ?FROM $TARGETARCH/w"
    );
}

#[test]
fn continued_lines_comments_and_heredocs_are_read_as_docker_does() {
    let text = "FROM \\\n# a comment\n\n  a:1 \\\n  AS one\nRUN <<EOF\nFROM no:1\nEOF\nRUN cat <<-'A' <<B > /x\n\tFROM no:2\n\tA\nFROM no:3\nB\n\
        RUN x <<< EOF\nCOPY <<\"F\" /f\nFROM no:4\nF\nFROM b:1";
    assert_eq!(read(text, &own(&[], &[])), "a:1 b:1");
    let text = "FROM a:1\nRUN printf 'cout << VERSION << endl' > /v\nRUN echo \"1 <<N\" \\' 2 << N <<\\\"N\\\"\nFROM no:1\n\"N\"\n\
        RUN cat<<N\nFROM b:1\nRUN cat > /x 3<<END-OF-FILE\nFROM no:2\nEND-OF-FILE\nRUN it's <<N\nFROM c:1";
    assert_eq!(read(text, &own(&[], &[])), "a:1 b:1 c:1");
    let text = "# escape=`\nFROM `\n  c:1\nRUN a\\\nFROM d:1";
    assert_eq!(read(text, &own(&[], &[])), "c:1 d:1");
}

#[test]
fn the_platform_that_the_built_stage_insists_on_is_known() {
    let text = "FROM --platform=linux/amd64 a:1 AS Fixed\nFROM --platform=$BUILDPLATFORM a:1 AS tools\nFROM fixed AS on\n\
        FROM --platform=linux/arm64 scratch AS empty\nFROM a:1";
    let of = |target: Option<&str>| {
        let mut own = own(&[], &[]);
        own.target = target.map(str::to_owned);
        froms(text, &own).platform
    };
    let amd = Some("linux/amd64".to_owned());
    assert_eq!(
        [of(Some("fixed")), of(Some("ON")), of(Some("0"))],
        [amd.clone(), amd.clone(), amd]
    );
    assert_eq!(
        [
            of(None),
            of(Some("tools")),
            of(Some("empty")),
            of(Some("none"))
        ],
        [None, None, None, None]
    );
}

#[test]
fn no_text_is_too_odd() {
    for text in [
        "",
        "FROM",
        "FROM --platform=",
        "FROM ${",
        "FROM ${}",
        "FROM ${A:}",
        "FROM $",
        "COPY --from=",
        "RUN --mount=from=",
        "FROM \"",
        "RUN <<",
        "RUN <<-",
        "ARG",
        "ARG =",
        "ARG =x\nFROM $",
        "\\",
        "#",
        "FROM é${é}",
        "FROM a\\b",
        "RUN <<EOF",
    ] {
        let found = froms(text, &own(&[], &[]));
        assert!(found.images.len() < 2, "{text}: {found:?}");
    }
}
