//! What a program sees: its own root, processes, names, devices and network, and what it was given.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::sandbox::{Ids, Mount, Network, Status};
use super::stage::{Stage, entries, everyone};

everyone!(
    a_program_sees_its_layers_and_what_it_changes_is_in_upper,
    mount_points_are_not_in_upper,
    processes_of_the_machine_are_not_seen,
    the_host_name_is_its_own,
    devices_are_those_that_hold_nothing,
    the_kernel_tree_can_only_be_read,
    what_tells_of_the_machine_is_hidden,
    no_network_is_a_loopback_interface_of_its_own,
    the_network_of_the_machine_is_there_if_asked_for,
    secrets_are_files_for_their_user_only,
    caches_are_kept_and_files_can_only_be_read,
    capabilities_are_those_of_docker,
    a_user_by_number_runs_the_program,
    the_environment_is_what_was_given,
    names_are_resolved_as_on_the_machine,
    an_empty_root_has_what_was_mounted,
);

fn a_program_sees_its_layers_and_what_it_changes_is_in_upper(stage: &mut Stage) {
    fs::write(stage.layer("one").join("a"), "below").unwrap();
    let two = stage.layer("two");
    fs::write(two.join("a"), "above").unwrap();
    fs::write(two.join("b"), "gone").unwrap();
    let ran = stage.sh("cat /a; rm /b; echo new > /c; mkdir -p /d/e");
    assert_eq!(ran.ok(), "above");
    assert_eq!(entries(&ran.upper), ["b", "c", "d", "d/e"]);
    assert_eq!(fs::read_to_string(ran.upper.join("c")).unwrap(), "new\n");
}

fn mount_points_are_not_in_upper(stage: &mut Stage) {
    stage.mounts.push(Mount::Secret {
        target: "/run/secrets/token".into(),
        content: b"s".to_vec(),
        uid: 0,
    });
    let ran = stage.sh("cat /run/secrets/token /etc/hosts > /dev/null");
    ran.ok();
    assert_eq!(entries(&ran.upper), [""; 0]);
    assert_eq!(ran.exit.made, [""; 0].map(PathBuf::from));
    // Behind a link that leads nowhere they have to be made, and that is told.
    std::os::unix::fs::symlink("var/run", stage.layer("link").join("run")).unwrap();
    let ran = stage.sh("cat /run/secrets/token");
    assert_eq!(ran.ok(), "s");
    let made = [
        "/var",
        "/var/run",
        "/var/run/secrets",
        "/var/run/secrets/token",
    ];
    assert_eq!(ran.exit.made, made.map(PathBuf::from));
    assert_eq!(entries(&ran.upper), made.map(|path| &path[1..]));
}

fn processes_of_the_machine_are_not_seen(stage: &mut Stage) {
    let ran = stage.sh("ls /proc | grep -c '^[0-9]' ; echo $$");
    let lines: Vec<&str> = ran.ok().lines().collect();
    let count: u32 = lines[0].parse().unwrap();
    assert!(count <= 4, "{ran:#?}");
    assert_eq!(lines[1], "2");
}

fn the_host_name_is_its_own(stage: &mut Stage) {
    assert_eq!(stage.sh("uname -n").ok(), "inside");
}

fn devices_are_those_that_hold_nothing(stage: &mut Stage) {
    let ran = stage.sh("ls -x -w 200 /dev; echo x > /dev/null; head -c 3 /dev/zero | wc -c; head -c 5 /dev/urandom | wc -c; \
        echo told > /dev/stdout; test -w /dev/shm; ls /dev/pts");
    let words: Vec<&str> = ran
        .ok()
        .split_whitespace()
        .filter(|it| *it != "apt.conf")
        .collect();
    let wanted = "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero 3 5 told ptmx";
    assert_eq!(words.join(" "), wanted);
}

fn the_kernel_tree_can_only_be_read(stage: &mut Stage) {
    let ran = stage.sh("ls /sys/kernel > /dev/null; ! mkdir /sys/x 2>/dev/null; \
         ! (: >> /proc/sys/kernel/printk) 2>/dev/null; ! (: >> /proc/sysrq-trigger) 2>/dev/null; \
         ! (: >> /proc/irq/default_smp_affinity) 2>/dev/null; echo done");
    assert_eq!(ran.ok(), "done");
}

fn what_tells_of_the_machine_is_hidden(stage: &mut Stage) {
    let ran = stage.sh("for it in kcore keys timer_list; do wc -c < /proc/$it || echo 0; done 2>/dev/null; ls /sys/firmware /proc/scsi 2>/dev/null | grep -vc '^/' || true");
    assert!(
        ran.ok().lines().all(|it| it == "0" || it == "1"),
        "{ran:#?}"
    );
}

fn no_network_is_a_loopback_interface_of_its_own(stage: &mut Stage) {
    stage.network = Network::None;
    let ran = stage.sh(
        "grep -c : /proc/net/dev; perl -MIO::Socket::INET -e '
            my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => \"127.0.0.1\") or die $!;
            my $c = IO::Socket::INET->new(PeerAddr => \"127.0.0.1\", PeerPort => $s->sockport) or die $!;
            print \"connected\\n\"'",
    );
    assert_eq!(ran.ok(), "1\nconnected");
}

fn the_network_of_the_machine_is_there_if_asked_for(stage: &mut Stage) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connect = format!(
        "perl -MIO::Socket::INET -e 'IO::Socket::INET->new(PeerAddr => \"127.0.0.1\", PeerPort => {port}) or exit 7'"
    );
    stage.sh(&connect).ok();
    stage.network = Network::None;
    assert_eq!(stage.sh(&connect).status, Status::Code(7));
}

fn secrets_are_files_for_their_user_only(stage: &mut Stage) {
    stage.user = Ids {
        uid: 1000,
        gid: 1000,
        groups: Vec::new(),
    };
    let secret = |name: &str, uid| Mount::Secret {
        target: format!("/run/secrets/{name}"),
        content: b"can\0ary\xff".to_vec(),
        uid,
    };
    stage.mounts.extend([secret("mine", 1000)]);
    let ran = stage.sh("stat -c '%a %u %s' /run/secrets/mine; od -An -c /run/secrets/mine; \
        ! (echo x > /run/secrets/mine) 2>/dev/null; ! rm /run/secrets/mine 2>/dev/null; cat /proc/self/environ | grep -ac ary || true");
    assert_eq!(ran.ok(), "400 1000 8\n   c   a   n  \\0   a   r   y 377\n0");
    assert_eq!(entries(&ran.upper), [""; 0]);
}

fn caches_are_kept_and_files_can_only_be_read(stage: &mut Stage) {
    let cache = stage.path("cache");
    fs::create_dir(&cache).unwrap();
    let file = stage.path("file");
    fs::write(&file, "given").unwrap();
    stage.mounts.push(Mount::Cache {
        directory: cache.clone(),
        target: "/var/cache/it".into(),
    });
    stage.mounts.push(Mount::ReadOnly {
        source: file,
        target: "/etc/given".into(),
    });
    let ran = stage
        .sh("echo kept > /var/cache/it/x; cat /etc/given; ! (echo x > /etc/given) 2>/dev/null");
    assert_eq!(ran.ok(), "given");
    assert_eq!(fs::read_to_string(cache.join("x")).unwrap(), "kept\n");
    assert_eq!(entries(&ran.upper), [""; 0]);
    assert_eq!(stage.sh("cat /var/cache/it/x").ok(), "kept");
    // Whoever a program gives it to, it is for the user who runs this to remove, and there for the next program.
    stage.sh("mkdir /var/cache/it/d; touch /var/cache/it/d/y; chown -R app /var/cache/it; chmod 700 /var/cache/it/d; chmod 750 /var/cache/it");
    assert_eq!(stage.sh("cat /var/cache/it/x").ok(), "kept");
    fs::remove_dir_all(&cache).unwrap();
    // What somebody put in its place is not lent.
    symlink("/", &cache).unwrap();
    let error = stage.run(&["/bin/true"]).unwrap_err();
    assert!(error.to_string().contains("/var/cache/it"), "{error}");
}

fn capabilities_are_those_of_docker(stage: &mut Stage) {
    let ran =
        stage.sh("grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status | cut -f2 | tr '\\n' ' '");
    let kept = "00000000a80425fb";
    let none = "0000000000000000";
    assert_eq!(ran.ok(), format!("{none} {kept} {kept} {kept} {none}"));
}

fn a_user_by_number_runs_the_program(stage: &mut Stage) {
    stage.user = Ids {
        uid: 1000,
        gid: 1000,
        groups: Vec::new(),
    };
    stage.cwd = "/tmp".into();
    let ran = stage.sh(
        "id -u; id -g; id -un; pwd; touch x; stat -c %u x; grep CapEff /proc/self/status | cut -f2",
    );
    assert_eq!(ran.ok(), "1000\n1000\napp\n/tmp\n1000\n0000000000000000");
}

fn the_environment_is_what_was_given(stage: &mut Stage) {
    stage.env.push(("A".into(), "b c".into()));
    let ran = stage.sh("env | grep -vE '^(PWD|_|SHLVL|OLDPWD|APT_CONFIG)=' | sort");
    assert_eq!(ran.ok(), "A=b c\nPATH=/usr/sbin:/usr/bin:/sbin:/bin");
}

fn names_are_resolved_as_on_the_machine(stage: &mut Stage) {
    let ran = stage.sh("cat /etc/resolv.conf /etc/hosts");
    let machine =
        ["/etc/resolv.conf", "/etc/hosts"].map(|it| fs::read_to_string(it).unwrap_or_default());
    assert_eq!(ran.ok(), machine.concat().trim_end());
}

fn an_empty_root_has_what_was_mounted(stage: &mut Stage) {
    stage.layers.clear();
    let ran = stage
        .run(&[
            "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
            "--library-path",
            "/usr/lib/x86_64-linux-gnu",
            "/usr/bin/ls",
            "/",
        ])
        .unwrap();
    assert_eq!(ran.ok(), "dev\netc\nproc\nsys\nusr");
}
