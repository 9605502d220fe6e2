//! What becomes of changes: the traps of overlayfs, and stacks as high as the kernel allows.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use super::sandbox::SandboxError;
use super::stage::{Stage, entries, everyone};

everyone!(
    a_directory_of_a_layer_can_be_removed_and_made_again,
    a_file_whose_mode_changed_is_whole_in_upper,
    a_renamed_directory_is_whole_in_upper,
    options_do_not_depend_on_the_machine,
    removed_files_are_character_devices_0_0,
    five_hundred_layers_are_seen,
    more_layers_are_an_error,
    layers_at_long_paths_with_odd_names_are_seen,
);

fn a_directory_of_a_layer_can_be_removed_and_made_again(stage: &mut Stage) {
    let layer = stage.layer("one");
    fs::create_dir_all(layer.join("d/e")).unwrap();
    fs::write(layer.join("d/old"), "").unwrap();
    let ran = stage.sh("rm -r /d; mkdir /d; echo x > /d/new; ls /d");
    assert_eq!(ran.ok(), "new");
    assert_eq!(entries(&ran.upper), ["d", "d/new"]);
    let mut value = [0; 8];
    let opaque = rustix::fs::lgetxattr(ran.upper.join("d"), "user.overlay.opaque", &mut value);
    assert_eq!(
        opaque.map(|length| value[..length].to_vec()),
        Ok(b"y".to_vec())
    );
}

fn a_file_whose_mode_changed_is_whole_in_upper(stage: &mut Stage) {
    let layer = stage.layer("one");
    fs::write(layer.join("big"), vec![7; 3 << 20]).unwrap();
    let ran = stage.sh("chmod 700 /big");
    ran.ok();
    assert!(fs::read(ran.upper.join("big")).unwrap() == vec![7; 3 << 20]);
}

fn a_renamed_directory_is_whole_in_upper(stage: &mut Stage) {
    let layer = stage.layer("one");
    fs::create_dir_all(layer.join("from/below")).unwrap();
    fs::write(layer.join("from/below/file"), "content").unwrap();
    let ran = stage.sh("mv /from /to; cat /to/below/file");
    assert_eq!(ran.ok(), "content");
    assert_eq!(
        entries(&ran.upper),
        ["from", "to", "to/below", "to/below/file"]
    );
    let moved = fs::read_to_string(ran.upper.join("to/below/file")).unwrap();
    assert_eq!(moved, "content");
}

fn options_do_not_depend_on_the_machine(stage: &mut Stage) {
    let ran = stage.sh("grep ' / / ' /proc/self/mountinfo");
    let options = ran.ok();
    for wanted in ["userxattr", "nodev"] {
        assert!(options.contains(wanted), "{options}");
    }
    for unwanted in [
        "redirect_dir=on",
        "redirect_dir=follow",
        "metacopy=on",
        "index=on",
    ] {
        assert!(!options.contains(unwanted), "{options}");
    }
}

fn removed_files_are_character_devices_0_0(stage: &mut Stage) {
    let layer = stage.layer("one");
    fs::write(layer.join("a"), "").unwrap();
    fs::write(layer.join("b"), "").unwrap();
    let ran = stage.sh("rm /a /b");
    ran.ok();
    for name in ["a", "b"] {
        let gone = fs::symlink_metadata(ran.upper.join(name)).unwrap();
        assert!(gone.file_type().is_char_device() && gone.rdev() == 0);
    }
}

fn five_hundred_layers_are_seen(stage: &mut Stage) {
    for number in 0..499 {
        let layer = stage.layer(&format!("layer{number}"));
        fs::write(layer.join(format!("file{number}")), "").unwrap();
    }
    assert_eq!(stage.layers.len(), 500);
    assert_eq!(stage.sh("ls / | grep -c file").ok(), "499");
}

fn more_layers_are_an_error(stage: &mut Stage) {
    for number in 0..500 {
        stage.layer(&format!("layer{number}"));
    }
    let error = stage.run(&["/bin/true"]).unwrap_err();
    assert!(matches!(error, SandboxError::TooManyLayers(501)), "{error}");
}

fn layers_at_long_paths_with_odd_names_are_seen(stage: &mut Stage) {
    let odd = format!("{}, a:b\\ \"c\"=\u{e9}", "x".repeat(200));
    let layer = stage.layer(&odd);
    fs::write(layer.join("seen"), "yes").unwrap();
    assert_eq!(stage.sh("cat /seen").ok(), "yes");
}
