use super::*;

fn read(flags: &Flags, set: &[(&str, &str)]) -> Result<Builders, Wrong> {
    let find = |name: &str| set.iter().find(|(known, _)| *known == name);
    Builders::read(flags, &|name| {
        find(name).map(|(_, value)| (*value).to_owned())
    })
}

fn at(addresses: &[&str]) -> Flags {
    let buildkit = addresses.iter().map(|&one| one.to_owned()).collect();
    Flags {
        buildkit,
        ..Flags::default()
    }
}

#[test]
fn addresses_are_read_strictly_and_written_as_they_are_read() {
    for good in [
        "tcp://builder:1234",
        "tcp://10.0.0.1:1",
        "tcp://[::1]:65535",
        "unix:///run/buildkit/buildkitd.sock",
    ] {
        assert_eq!(Address::read(good).unwrap().to_string(), good);
    }
    assert_eq!(
        Address::read("tcp://A.Example:1").unwrap().to_string(),
        "tcp://a.example:1"
    );
    for bad in [
        "",
        "builder:1234",
        "http://builder:1",
        "tcp://",
        "tcp://builder",
        "tcp://:1",
        "tcp://builder:",
        "tcp://builder:0",
        "tcp://builder:65536",
        "tcp://builder:+1",
        "tcp://builder:1/x",
        "tcp://u@builder:1",
        "tcp://[::1]",
        "tcp://::1:1",
        "tcp://[10.0.0.1]:1",
        "tcp://a b:1",
        "tcp://-x:1",
        "tcp://a..b:1",
        "unix://",
        "unix:///",
        "unix://run/x",
        "unix:///a\nb",
    ] {
        assert!(Address::read(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_flag_takes_precedence_over_every_variable() {
    let named = Flags {
        instance: Some("far".to_owned()),
        ..Flags::default()
    };
    let instance = |name: &str, by| {
        let name = name.to_owned();
        Ok(Builders::Instance { name, by })
    };
    let both = [
        (Builders::INSTANCE, "near"),
        (Builders::BUILDKIT, "tcp://a:1"),
    ];
    assert_eq!(read(&named, &both), instance("far", "`--builder-instance`"));
    assert!(matches!(
        read(&at(&["tcp://b:1"]), &both),
        Ok(Builders::Pool(_))
    ));
    assert_eq!(
        read(&Flags::default(), &both[..1]),
        instance("near", "`IMGSPEC_BUILDER_INSTANCE`")
    );
    assert_eq!(read(&Flags::default(), &[]), Ok(Builders::Usual));
    assert_eq!(
        read(&Flags::default(), &[(Builders::INSTANCE, " ")]),
        Ok(Builders::Usual)
    );
    let of_both = read(&Flags::default(), &both).unwrap_err();
    assert_eq!(
        of_both.what,
        "`IMGSPEC_BUILDER_INSTANCE` and `IMGSPEC_BUILDKIT` both say where to build"
    );
    let of_flags = Flags {
        buildkit: vec!["tcp://a:1".to_owned()],
        ..named
    };
    assert!(read(&of_flags, &[]).unwrap_err().what.contains("both say"));
    let manifest = Builders::Usual.or_instance(Some("ours"));
    assert!(matches!(manifest, Builders::Instance { name, .. } if name == "ours"));
    assert_eq!(Builders::Daemon.or_instance(Some("ours")), Builders::Daemon);
}

#[test]
fn a_pool_has_each_buildkit_once_and_whole_certificates() {
    let all = [
        (Builders::BUILDKIT, "tcp://a:1,tcp://b:1  unix:///c\n"),
        (Builders::CA, "ca.pem"),
    ];
    let Ok(Builders::Pool(pool)) = read(&Flags::default(), &all) else {
        panic!("a pool");
    };
    assert_eq!(pool.addresses.len(), 3);
    assert_eq!(pool.tls.unwrap().ca, Some("ca.pem".into()));
    assert_eq!(pool.jobs, None);
    let what = |flags: &Flags, set: &[(&str, &str)]| read(flags, set).unwrap_err().what;
    assert_eq!(
        what(&at(&["tcp://a:1", "tcp://A:1"]), &[]),
        "`--buildkit` names `tcp://a:1` twice"
    );
    assert_eq!(
        what(&Flags::default(), &[(Builders::BUILDKIT, ",")]),
        "`IMGSPEC_BUILDKIT` names no BuildKit"
    );
    assert!(what(&at(&["a:1"]), &[]).ends_with("which is not the address of a BuildKit"));
    let cert = |buildkit: &[&str]| Flags {
        cert: Some("cert.pem".into()),
        ..at(buildkit)
    };
    assert!(what(&cert(&["tcp://a:1"]), &[]).ends_with("but no key"));
    assert!(what(&cert(&[]), &[]).starts_with("certificates are given"));
    assert!(what(&cert(&["unix:///a"]), &[(Builders::KEY, "k")]).contains("there is none"));
    assert!(read(&cert(&["tcp://a:1"]), &[(Builders::KEY, "key.pem")]).is_ok());
    let of_jobs = |value| [(Builders::BUILDKIT, "tcp://a:1"), (Builders::JOBS, value)];
    let Ok(Builders::Pool(pool)) = read(&Flags::default(), &of_jobs("3")) else {
        panic!("a pool");
    };
    assert_eq!(pool.jobs, Some(3));
    assert!(what(&Flags::default(), &of_jobs("0")).ends_with("which is not a number of builds"));
    let alone = Flags {
        jobs: Some(3),
        ..Flags::default()
    };
    assert!(what(&alone, &[]).starts_with("`--buildkit-jobs` limits"));
    // A variable alone says nothing about builders.
    assert_eq!(
        read(&Flags::default(), &[(Builders::CERT, "x")]),
        Ok(Builders::Usual)
    );
}

#[test]
fn what_is_no_builder_of_buildx_is_refused() {
    for bad in ["", "-x", "a b", "../x", "a/b", "ä"] {
        let flags = Flags {
            instance: Some(bad.to_owned()),
            ..Flags::default()
        };
        assert!(read(&flags, &[]).is_err(), "{bad}");
    }
}
