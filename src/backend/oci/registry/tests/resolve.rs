//! Tests of resolution by digest and platform.

use super::*;
use crate::backend::oci::registry;
use crate::backend::{Outsider, Unresolved};

#[test]
fn an_image_is_resolved_to_its_digest_and_those_of_its_platforms() {
    const CONFIG: &str = r#"{"os":"linux","architecture":"arm64","variant":"v8"}"#;
    let one = manifest(CONFIG);
    let entry =
        |digest: &str, platform: &str| format!(r#"{{"digest":"{digest}","platform":{platform}}}"#);
    let [amd, arm] = ["amd", "arm"].map(digest_of);
    let both = [
        entry(
            &digest_of("attested"),
            r#"{"os":"unknown","architecture":"unknown"}"#,
        ),
        entry(&amd, r#"{"os":"linux","architecture":"amd64"}"#),
        entry(
            &arm,
            r#"{"os":"linux","architecture":"arm64","variant":"v8"}"#,
        ),
    ];
    let index = format!(r#"{{"manifests":[{}]}}"#, both.join(","));
    let (one_digest, index_digest) = (digest_of(&one), digest_of(&index));
    let (host, _) = serve(move |path, _, _| {
        let found = |body: &str| (200, digest_header(&digest_of(body)), body.to_owned());
        match path.rsplit('/').next().unwrap() {
            "both" => found(&index),
            name if name == digest_of(&index) => found(&index),
            "1" => found(&one),
            name if name == digest_of(CONFIG) => found(CONFIG),
            _ => (404, String::new(), String::new()),
        }
    });
    let resolved = |name: &str, platforms: &[&str]| {
        let platforms: Vec<String> = platforms.iter().map(|&each| each.to_owned()).collect();
        let reference = format!("{host}/a{name}");
        let wanted = Outsider {
            reference: &reference,
            platforms: &platforms,
        };
        let answer = registry::resolve(&[wanted], &access(), Asker::silent()).remove(0);
        answer.map(|found| {
            assert_eq!(found.instead, None);
            let each = found.locked.platforms.iter();
            let each = each.map(|(platform, digest)| format!("{platform} {digest}"));
            (
                found.locked.image.text().to_owned(),
                each.collect::<Vec<_>>(),
            )
        })
    };
    let index_of = |platforms: &[String]| Ok((index_digest.clone(), platforms.to_vec()));
    let (amd, arm) = (format!("linux/amd64 {amd}"), format!("linux/arm64 {arm}"));
    assert_eq!(
        resolved(":both", &["linux/amd64", "linux/arm64"]),
        index_of(&[amd.clone(), arm])
    );
    assert_eq!(
        resolved(&format!("@{index_digest}"), &["linux/amd64"]),
        index_of(&[amd])
    );
    assert_eq!(resolved(":both", &[]), index_of(&[]));
    let only = Ok((
        one_digest.clone(),
        vec![format!("linux/arm64 {one_digest}")],
    ));
    assert_eq!(resolved(":1", &["linux/arm64"]), only);
    assert_eq!(resolved(":none", &[]), Err(Unresolved::Absent));
    let foreign = resolved(":1", &["linux/arm64", "linux/amd64"]).unwrap_err();
    assert_eq!(
        foreign.to_string(),
        "it is not available for linux/amd64, only for linux/arm64/v8"
    );
    let foreign = resolved(":both", &["linux/s390x"]).unwrap_err();
    assert_eq!(
        foreign.to_string(),
        "it is not available for linux/s390x, only for linux/amd64, linux/arm64/v8"
    );
}
