//! Logins, and to whom they are shown: servers that refuse them, and registries that name others.

use std::sync::Mutex;

use super::transfer::quick;
use super::*;
use crate::backend::oci::reference::Reference;
use crate::backend::oci::registry::{Transfer, TransferError};
use crate::cancel::Cancel;

/// A configuration of Docker with a login for this host, which is `Basic dTpw` in a request.
fn logged_in(host: &str) -> (Access, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let known = format!(r#"{{"auths":{{"{host}":{{"auth":"dTpw"}}}}}}"#);
    std::fs::write(folder.path().join("config.json"), known).unwrap();
    let access = Access {
        configuration: Some(folder.path().to_owned()),
        ..quick()
    };
    (access, folder)
}

#[test]
fn a_login_is_not_shown_to_whom_the_registry_names_for_an_upload() {
    let basic = || "www-authenticate: Basic realm=\"x\"\r\n".to_owned();
    for (status, is_sent) in [(201, true), (401, false)] {
        let shown: Arc<Mutex<Vec<Option<String>>>> = Arc::default();
        let seen = Arc::clone(&shown);
        let (other, _) = serve(move |_, authorization, _| {
            let authorization = authorization.map(str::to_owned);
            seen.lock().unwrap().push(authorization);
            (status, basic(), String::new())
        });
        let (host, _) = serve(move |path, authorization, _| match authorization {
            None => (401, basic(), String::new()),
            Some(own) => {
                assert_eq!(own, "Basic dTpw");
                assert_eq!(path, "/v2/a/blobs/uploads/");
                (
                    202,
                    format!("location: http://{other}/1\r\n"),
                    String::new(),
                )
            }
        });
        let (access, _folder) = logged_in(&host);
        let of = Reference::read(&format!("{host}/a:1")).unwrap();
        let cancel = Cancel::default();
        let to = Transfer::new(&of, &access, &cancel);
        let sent = to.bring_small(b"blob", true);
        assert_eq!(sent.is_ok(), is_sent, "{sent:?}");
        assert_eq!(*shown.lock().unwrap(), [None], "{status}");
    }
}

/// Passwords that are wrong too often are locked by some.
#[test]
fn a_login_that_is_refused_is_not_tried_again() {
    for (status, is_final, asked) in [(401, true, 2), (403, true, 2), (503, false, 6)] {
        let (host, count) = serve(move |path, _, own| {
            if path.starts_with("/token") {
                return (status, String::new(), String::new());
            }
            let header = format!("www-authenticate: Bearer realm=\"http://{own}/token\"\r\n");
            (401, header, String::new())
        });
        let (access, _folder) = logged_in(&host);
        let of = Reference::read(&format!("{host}/a:1")).unwrap();
        let cancel = Cancel::default();
        let error = Transfer::new(&of, &access, &cancel).manifest("1");
        let error = error.unwrap_err();
        let hint = format!("`docker login {host}` may help");
        assert_eq!(
            matches!(&error, TransferError::Final(why) if why.ends_with(&hint)),
            is_final,
            "{status}: {error:?}"
        );
        assert_eq!(count.swap(0, Ordering::SeqCst), asked, "{status}");
        let found = exists_within(&[&format!("{host}/a:1")], &[], LABEL, &access);
        assert_eq!(why(&found[0]).ends_with(&hint), is_final, "{found:?}");
        if is_final {
            assert_eq!(count.load(Ordering::SeqCst), asked, "{status}");
        }
    }
}

#[test]
fn a_login_that_cannot_be_read_is_not_asked_for_again() {
    let (host, count) = serve(|_, _, _| {
        let header = "www-authenticate: Basic realm=\"x\"\r\n";
        (401, header.to_owned(), String::new())
    });
    let (access, folder) = logged_in(&host);
    let known = format!(r#"{{"credHelpers":{{"{host}":"imgspec-none"}}}}"#);
    std::fs::write(folder.path().join("config.json"), known).unwrap();
    let of = Reference::read(&format!("{host}/a:1")).unwrap();
    let cancel = Cancel::default();
    let error = Transfer::new(&of, &access, &cancel).manifest("1");
    let error = error.unwrap_err();
    let words = "`docker-credential-imgspec-none` does not answer";
    assert!(
        matches!(&error, TransferError::Final(why) if why.contains(words)),
        "{error:?}"
    );
    let found = exists_within(&[&format!("{host}/a:1")], &[], LABEL, &access);
    assert!(why(&found[0]).contains(words), "{found:?}");
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

/// The registry's own address in an upload's place is no other server, however it is written.
#[test]
fn an_upload_at_the_registry_itself_is_authorized() {
    for place in ["/up", "http://{host}/up?x=1", "HTTP://{host}/up"] {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let (host, _) = serve(move |path, authorization, own| match authorization {
            None => {
                let header = "www-authenticate: Basic realm=\"x\"\r\n";
                (401, header.to_owned(), String::new())
            }
            Some(_) if path.starts_with("/up") => {
                counted.fetch_add(1, Ordering::SeqCst);
                (201, String::new(), String::new())
            }
            Some(_) => {
                let place = place.replace("{host}", own);
                (202, format!("location: {place}\r\n"), String::new())
            }
        });
        let (access, _folder) = logged_in(&host);
        let of = Reference::read(&format!("{host}/a:1")).unwrap();
        let cancel = Cancel::default();
        let to = Transfer::new(&of, &access, &cancel);
        to.bring_small(b"blob", true).unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 1, "{place}");
    }
}
