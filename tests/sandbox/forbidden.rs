//! Machines that forbid it: what is said about them.

use std::process::Command;

use super::sandbox::probe;

/// Says to a test that user namespaces are forbidden around it.
const TURN: &str = "IMGSPEC_TEST_FORBIDDEN";

#[test]
fn a_machine_without_user_namespaces_is_told_with_its_setting() {
    if std::env::var_os(TURN).is_some() {
        let forbidden = probe().unwrap_err();
        assert_eq!(
            forbidden.to_string(),
            "user namespaces are forbidden (`user.max_user_namespaces` is 0); \
             allow them (`sysctl user.max_user_namespaces=10000`), or run as root"
        );
        return;
    }
    // The setting holds for one user namespace, so nothing of the machine changes.
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all --inh-caps=-all \"$@\"";
    let name = "backend::forbidden::a_machine_without_user_namespaces_is_told_with_its_setting";
    let ran = Command::new("unshare")
        .args(["-Ur", "sh", "-c", script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(TURN, "1")
        .output()
        .unwrap();
    let told =
        String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && told.contains("1 passed"), "{told}");
}
