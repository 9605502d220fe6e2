//! Signatures of keys that are made here, and the framing of signed texts.

use super::*;

/// 2026-01-01, when everything is signed.
const NOW: i64 = 1_767_225_600 + 60;

#[test]
fn a_text_beside_the_signed_one_is_refused() {
    let good = format!("{BEGIN}\nHash: SHA256\n\ntext\n{SIGNATURE}\n\nx\n{END}\n");
    assert!(framed(&good).is_ok());
    assert!(framed(&format!("{good}\n \n")).is_ok());
    for wrong in [
        format!("text\n{good}"),
        format!("\n{good}"),
        format!("{good}text\n"),
        format!("{good}{good}"),
        good.replace(SIGNATURE, &format!("-----x\ntext\n{SIGNATURE}")),
        good.replace(END, &format!("{END}\n{SIGNATURE}\n{END}")),
        good.replace(END, ""),
        good.replace(SIGNATURE, ""),
        String::new(),
    ] {
        assert!(framed(&wrong).is_err(), "{wrong}");
    }
    let unsigned = Keyring::default().verify(&good, NOW);
    assert!(unsigned.is_err(), "{unsigned:?}");
}

#[test]
fn the_keys_of_debian_are_built_in() {
    let mut keyring = Keyring::default();
    keyring.add(DEBIAN).unwrap();
    assert!(keyring.keys.len() >= 8);
    let usable_now = keyring
        .keys
        .iter()
        .filter(|key| usable(key, NOW).is_ok() || !key.public_subkeys.is_empty());
    assert!(usable_now.count() >= 5);
    assert!(Keyring::default().add(b"no keys").is_err());
}

/// Signatures of the usual program.
#[cfg(feature = "engine-tests")]
mod with_gpg {
    use std::process::Command;

    use super::*;

    /// Debian's own head of a suite, as a key of the built-in keyring signed it, would make these tests depend on the time. So the
    /// keys are gpg's.
    struct Gpg(tempfile::TempDir);

    const KEY: &str = "signer@example";

    impl Gpg {
        /// A key that lives as long as this, such as `0` or `1d`.
        fn new(lives: &str) -> Self {
            let gpg = Self(tempfile::tempdir().unwrap());
            let arguments = [
                "--batch",
                "--passphrase",
                "",
                "--quick-gen-key",
                KEY,
                "ed25519",
                "cert",
                lives,
            ];
            gpg.run(&arguments, "");
            gpg.run(
                &[
                    "--batch",
                    "--passphrase",
                    "",
                    "--quick-add-key",
                    &gpg.fingerprint(),
                    "ed25519",
                    "sign",
                    lives,
                ],
                "",
            );
            gpg
        }

        fn run(&self, arguments: &[&str], input: &str) -> String {
            let given = self.0.path().join("in");
            std::fs::write(&given, input).unwrap();
            let said = Command::new("gpg")
                .arg("--homedir")
                .arg(self.0.path())
                .args([
                    "--faked-system-time",
                    "20260101T000000",
                    "--pinentry-mode",
                    "loopback",
                ])
                .args(arguments)
                .stdin(std::fs::File::open(&given).unwrap())
                .output()
                .unwrap();
            assert!(
                said.status.success(),
                "{}",
                String::from_utf8_lossy(&said.stderr)
            );
            String::from_utf8_lossy(&said.stdout).into_owned()
        }

        fn fingerprint(&self) -> String {
            let said = self.run(&["--list-keys", "--with-colons"], "");
            let line = said.lines().find(|line| line.starts_with("fpr:")).unwrap();
            line.split(':').nth(9).unwrap().to_owned()
        }

        fn sign(&self, text: &str) -> String {
            self.run(&["--batch", "--passphrase", "", "--clearsign"], text)
        }

        fn keyring(&self) -> Keyring {
            let mut keyring = Keyring::default();
            keyring
                .add(self.run(&["--armor", "--export"], "").as_bytes())
                .unwrap();
            keyring
        }
    }

    impl Drop for Gpg {
        fn drop(&mut self) {
            // Its agent, by its own directory.
            let _ = Command::new("gpgconf")
                .arg("--homedir")
                .arg(self.0.path())
                .args(["--kill", "all"])
                .output();
        }
    }

    const DAY: i64 = 24 * 60 * 60;

    #[test]
    fn a_text_counts_if_a_key_that_may_sign_has_signed_it_as_it_is() {
        let gpg = Gpg::new("2d");
        let keyring = gpg.keyring();
        let message = gpg.sign("Suite: a\n- dashed\nline \n");
        let text = keyring.verify(&message, NOW).unwrap();
        assert_eq!(text.trim_end(), "Suite: a\n- dashed\nline");
        let changed = message.replace("Suite: a", "Suite: b");
        assert!(
            keyring
                .verify(&changed, NOW)
                .unwrap_err()
                .contains("is wrong: the text was changed")
        );
        // The key has expired meanwhile.
        assert!(
            keyring
                .verify(&message, NOW + 3 * DAY)
                .unwrap_err()
                .contains("has expired")
        );
        // Of somebody else.
        let other = Gpg::new("0");
        assert!(
            other
                .keyring()
                .verify(&message, NOW)
                .unwrap_err()
                .contains("is not among the keys")
        );
        // Only another key counts; only this one does, whose subkey has signed; only itself.
        let limited = |key: &str| {
            let mut keyring = gpg.keyring();
            keyring.limit(key);
            keyring.verify(&message, NOW)
        };
        assert!(limited(&other.fingerprint()).is_err());
        assert!(limited(&gpg.fingerprint()).is_ok());
        assert!(limited(&format!("{}!", gpg.fingerprint())).is_err());
    }

    #[test]
    fn a_revoked_key_signs_nothing() {
        let gpg = Gpg::new("0");
        let message = gpg.sign("Suite: a\n");
        assert!(gpg.keyring().verify(&message, NOW).is_ok());
        let path = gpg
            .0
            .path()
            .join(format!("openpgp-revocs.d/{}.rev", gpg.fingerprint()));
        let revocation = std::fs::read_to_string(path)
            .unwrap()
            .replace(":-----BEGIN", "-----BEGIN");
        gpg.run(&["--batch", "--import"], &revocation);
        assert!(
            gpg.keyring()
                .verify(&message, NOW + 1)
                .unwrap_err()
                .contains("is revoked")
        );
    }
}
