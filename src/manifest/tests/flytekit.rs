//! Fields of what only a running flytekit knows.

use super::told;

#[test]
fn what_only_flytekit_knows_needs_flytekit() {
    for (field, value) in [
        ("flytekit-id", "3kQmFH5d_tZ0aR5b0wF-2A"),
        ("flytekit-python", "3.12"),
    ] {
        let told = told(&format!("image \"a\" {{ {field} \"{value}\" }}\n"));
        let message = format!("image `a`: `{field}` needs `flytekit`");
        assert!(told.contains(&message), "{told}");
    }
    let flytekits = |lines: &str| {
        told(&format!(
            "image \"a\" {{ flytekit \"1.16.31\"; {lines} }}\n"
        ))
    };
    for own in ["", "flytekit \"1.16.31\"; "] {
        let told = |lines: &str| told(&format!("image \"a\" {{ {own}{lines} }}\n"));
        let lost = told("source-files \"a.py\"");
        assert!(
            lost.contains("`source-files` needs `source-root`"),
            "{lost}"
        );
        let both = told("source-root \".\"; source-copy-mode \"all\"; source-files \"a.py\"");
        let message = "`source-files` cannot be combined with `source-copy-mode`";
        assert!(both.contains(message), "{both}");
        assert_eq!(told("source-root \".\"; source-files \"a.py\""), "");
    }
    for (lines, why) in [
        (
            "source-root \".\"; source-files \"../a.py\"",
            "it must be a file below `source-root`",
        ),
        (
            "source-root \".\"; source-files \"/a.py\"",
            "it must be a file below `source-root`",
        ),
        ("flytekit-id \"short\"", "it must be an id of flytekit's"),
        ("flytekit-python \"three\"", "python"),
    ] {
        let told = flytekits(lines);
        assert!(told.contains("error[") && told.contains(why), "{told}");
    }
}
