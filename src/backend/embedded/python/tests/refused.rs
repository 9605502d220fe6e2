use super::*;

#[test]
fn wheels_that_are_none_are_refused() {
    let bench = Bench::new();
    let info = "demo-1.0.dist-info";
    let part = |name: &str, content: &str| Part::new(name, content.as_bytes());
    let why = |parts: Vec<Part>| bench.why("demo-1.0", parts);
    assert!(
        why(vec![
            part("a.py", ""),
            part(
                &format!("{info}/RECORD"),
                "a.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\nx"
            )
        ])
        .contains("no list of files")
    );
    let wrong =
        format!("a.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n{info}/RECORD,,\n");
    assert_eq!(
        why(vec![
            part("a.py", "changed"),
            part(&format!("{info}/RECORD"), &wrong)
        ]),
        "wheel `demo-1.0-py3-none-any.whl`: its `a.py` is not what its RECORD says"
    );
    assert!(
        why(vec![part(&format!("{info}/WHEEL"), "Wheel-Version: 2.0\n")])
            .contains("`Wheel-Version` is `2.0`")
    );
    assert!(why(vec![part("demo-1.0.data/other/x", "")]).contains("no known kind of data"));
    assert!(why(vec![part("demo-1.0.data/scripts/a/b", "")]).contains("among its scripts"));
    assert!(why(vec![part("other-1.0.dist-info/x", "")]).contains("both"));
    assert!(
        why(vec![part("demo-1.0.data/purelib/x", ""), part("x/y", "")])
            .contains("as a file and as a directory")
    );
    assert!(
        why(vec![part(
            &format!("{info}/entry_points.txt"),
            "[console_scripts]\n../x = a:b\n"
        )])
        .contains("entry point")
    );
    let other = Wheel {
        name: "else".into(),
        ..bench.put("demo-1.0", vec![])
    };
    assert!(
        bench
            .install(&[other])
            .unwrap_err()
            .to_string()
            .contains("it is a wheel of `demo`")
    );
    let gone = Wheel {
        sha256: Digest::of(b"gone"),
        ..bench.put("demo-1.0", vec![])
    };
    assert!(
        bench
            .install(&[gone])
            .unwrap_err()
            .to_string()
            .contains("is not in the store")
    );
    let none = bench.put_bytes("demo-1.0", b"no zip");
    assert!(
        bench
            .install(&[none])
            .unwrap_err()
            .to_string()
            .contains("no zip archive")
    );
}
