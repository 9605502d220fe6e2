//! Attempts of a hostile program to leave its sandbox. Each has to fail, and the program has to go on.

use std::fs;
use std::process::Command;

use super::sandbox::{Mount, Network, Status};
use super::stage::{Stage, everyone, is_root};

everyone!(
    nothing_can_be_mounted,
    no_namespace_can_be_made_or_entered,
    a_device_file_cannot_be_opened,
    no_link_leads_out_of_the_root,
    a_mount_point_behind_a_link_stays_inside,
    the_first_process_shows_nothing,
    the_first_process_cannot_be_traced,
    a_chroot_does_not_lead_out,
    handles_by_number_are_refused,
    open_files_of_the_builder_are_not_there,
    processes_of_the_machine_cannot_be_signalled,
    settings_of_the_kernel_cannot_be_written,
    system_calls_of_the_second_numbering_are_unknown,
    secrets_are_nowhere_else,
    memory_of_others_cannot_be_read,
    what_is_done_for_a_program_stays_inside,
);

/// Perl that makes a system call and prints the error's name.
fn call(name: &str, number: i64, arguments: &str) -> String {
    format!(
        "perl -MErrno -e '$! = 0; syscall({number}, {arguments}); print \"{name} \", $!+0, \"\\n\"';"
    )
}

const EPERM: i32 = 1;
const ENOSYS: i32 = 38;

fn nothing_can_be_mounted(stage: &mut Stage) {
    let script = [
        call(
            "mount",
            libc::SYS_mount,
            "$x = \"none\", $y = \"/tmp\", $z = \"tmpfs\", 0, 0",
        ),
        call(
            "bind",
            libc::SYS_mount,
            "$x = \"/usr\", $y = \"/tmp\", 0, 4096, 0",
        ),
        call("umount", libc::SYS_umount2, "$x = \"/proc/sys\", 2"),
        call("fsopen", libc::SYS_fsopen, "$x = \"tmpfs\", 0"),
        call("open_tree", libc::SYS_open_tree, "-100, $x = \"/\", 1"),
        call(
            "move_mount",
            libc::SYS_move_mount,
            "-100, $x = \"/tmp\", -100, $y = \"/usr\", 0",
        ),
        call(
            "setattr",
            libc::SYS_mount_setattr,
            "-100, $x = \"/proc/sys\", 0, $y = \"\\0\" x 32, 32",
        ),
        call("pivot", libc::SYS_pivot_root, "$x = \"/\", $y = \"/tmp\""),
    ];
    let ran = stage.sh(&script.concat());
    let lines = ran.ok().lines();
    assert_eq!(lines.clone().count(), script.len());
    assert!(
        lines
            .into_iter()
            .all(|it| it.ends_with(&format!(" {EPERM}"))),
        "{ran:#?}"
    );
}

fn no_namespace_can_be_made_or_entered(stage: &mut Stage) {
    let mut script = String::new();
    for flag in [
        0x1000_0000,
        0x0002_0000,
        0x2000_0000,
        0x4000_0000,
        0x0800_0000,
        0x0400_0000,
        0x0200_0000,
    ] {
        script += &call("unshare", libc::SYS_unshare, &format!("{flag}"));
        script += &call(
            "clone",
            libc::SYS_clone,
            &format!("{flag} | 17, 0, 0, 0, 0"),
        );
    }
    script += "perl -e 'open $f, \"<\", \"/proc/self/ns/net\" or die; $! = 0; syscall(308, fileno $f, 0); print \"setns \", $!+0, \"\\n\"';";
    let ran = stage.sh(&script);
    assert_eq!(ran.ok().lines().count(), 15);
    assert!(
        ran.ok()
            .lines()
            .all(|it| it.ends_with(&format!(" {EPERM}"))),
        "{ran:#?}"
    );
    let ran = stage.sh(&call("clone3", libc::SYS_clone3, "0, 0"));
    assert_eq!(ran.ok(), format!("clone3 {ENOSYS}"));
}

fn a_device_file_cannot_be_opened(stage: &mut Stage) {
    // The disk of the machine, where there is one; in any case memory and null. For all but root they are empty files.
    let ran = stage.sh(
        "cd /tmp; for it in '/disk b 254 0' '/tmp/disk b 8 0' '/dev/disk b 254 0' '/dev/shm/null c 1 3' '/null c 1 3' '/mem c 1 1'; do
             mknod $it 2>/dev/null || true; set -- $it
             if [ -f $1 ]; then [ ! -s $1 ] || echo $1 has something; elif head -c 1 $1 > /dev/null 2>&1; then echo $1 opened; fi
         done; echo done",
    );
    assert_eq!(ran.ok(), "done");
}

fn no_link_leads_out_of_the_root(stage: &mut Stage) {
    let canary = stage.path("canary");
    fs::write(&canary, "outside").unwrap();
    let path = canary.to_str().unwrap();
    let up = "../".repeat(60);
    let ran = stage.sh(&format!(
        "ln -s {path} /a; ln -s {up}{path} /b; ln -s /proc/self/root/{up}{path} /c; ln -s /proc/1/root{path} /d; ln -s /proc/1/cwd{path} /e; \
         for it in a b c d e; do cat /$it 2>/dev/null || echo no; done"
    ));
    assert_eq!(ran.ok(), "no\nno\nno\nno\nno");
}

fn a_mount_point_behind_a_link_stays_inside(stage: &mut Stage) {
    let outside = stage.path("outside");
    fs::create_dir(&outside).unwrap();
    let layer = stage.layer("links");
    let up = "../".repeat(60);
    let link = |to: String, name: &str| std::os::unix::fs::symlink(to, layer.join(name)).unwrap();
    link(outside.to_str().unwrap().to_owned(), "absolute");
    link(format!("{up}{}", outside.to_str().unwrap()), "relative");
    for name in ["absolute", "relative"] {
        stage.mounts.push(Mount::Secret {
            target: format!("/{name}/token"),
            content: b"s".to_vec(),
            uid: 0,
        });
    }
    let ran = stage.sh("cat /absolute/token");
    assert_eq!(ran.ok(), "s");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    // A link into /proc that leads anywhere is not followed.
    stage.mounts.truncate(1);
    link("/proc/self/cwd".to_owned(), "magic");
    stage.mounts.push(Mount::Cache {
        directory: outside,
        target: "/magic/x".into(),
    });
    let error = stage.run(&["/bin/true"]).unwrap_err();
    assert!(error.to_string().contains("/magic/x"), "{error}");
}

fn the_first_process_shows_nothing(stage: &mut Stage) {
    let ran = stage.sh(
        "for it in root/etc/shadow root cwd exe environ maps mem fd/0 fdinfo ns/mnt; do
             if cat /proc/1/$it > /dev/null 2>&1 || ls /proc/1/$it/ > /dev/null 2>&1 || readlink /proc/1/$it > /dev/null; then echo $it; fi
         done; echo done",
    );
    assert_eq!(ran.ok(), "done");
}

fn the_first_process_cannot_be_traced(stage: &mut Stage) {
    let attach = call("attach", libc::SYS_ptrace, "16, 1, 0, 0");
    let seize = call("seize", libc::SYS_ptrace, "0x4206, 1, 0, 0");
    let ran = stage.sh(&(attach + &seize));
    assert_eq!(ran.ok(), format!("attach {EPERM}\nseize {EPERM}"));
}

fn a_chroot_does_not_lead_out(stage: &mut Stage) {
    let canary = stage.path("canary");
    fs::write(&canary, "outside").unwrap();
    let path = canary.to_str().unwrap();
    let ran = stage.sh(&format!(
        "mkdir -p /jail; perl -e 'chroot \"/jail\"; for (1..100) {{ chdir \"..\" }} chroot \".\"; print -e \"{path}\" ? \"out\" : \"in\"'"
    ));
    assert_eq!(ran.ok(), "in");
}

fn handles_by_number_are_refused(stage: &mut Stage) {
    let ran = stage.sh(&call(
        "open",
        libc::SYS_open_by_handle_at,
        "0, $x = \"\\0\" x 64, 0",
    ));
    assert_eq!(ran.ok(), format!("open {EPERM}"));
}

fn open_files_of_the_builder_are_not_there(stage: &mut Stage) {
    let path = stage.path("open");
    let file = fs::File::create(&path).unwrap();
    // One that every program of this process inherits, as a shell's `5<file` does.
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
    let ran = stage.sh("ls /proc/self/fd | tr '\\n' ' '");
    assert_eq!(ran.ok(), "0 1 2 3");
}

fn processes_of_the_machine_cannot_be_signalled(stage: &mut Stage) {
    let mut other = Command::new("sleep").arg("1000").spawn().unwrap();
    let ran = stage.sh(&format!(
        "kill -9 {} 2>/dev/null || echo no; kill -9 -1 2>/dev/null || echo none",
        other.id()
    ));
    assert!(ran.out.contains("no\n"), "{ran:#?}");
    assert!(other.try_wait().unwrap().is_none());
    other.kill().unwrap();
    other.wait().unwrap();
}

fn settings_of_the_kernel_cannot_be_written(stage: &mut Stage) {
    stage.network = Network::None;
    let ran = stage.sh(
        "for it in /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/vm/drop_caches /proc/sys/kernel/pid_max \
             /proc/sys/net/ipv4/ip_forward /sys/kernel/uevent_helper /proc/sysrq-trigger /sys/fs/cgroup/release_agent; do
             if (: >> $it) 2>/dev/null; then echo $it; fi
         done; ! chmod 777 /proc/sys/kernel/core_pattern 2>/dev/null; ! (echo 0 0 2 > /proc/self/uid_map) 2>/dev/null; echo done",
    );
    assert_eq!(ran.ok(), "done");
}

fn system_calls_of_the_second_numbering_are_unknown(stage: &mut Stage) {
    if cfg!(target_arch = "x86_64") {
        let ran = stage.sh(&call(
            "mount",
            0x4000_0000 | libc::SYS_mount,
            "0, 0, 0, 0, 0",
        ));
        assert_eq!(ran.ok(), format!("mount {ENOSYS}"));
    }
}

fn secrets_are_nowhere_else(stage: &mut Stage) {
    let canary = "canary-7f3a";
    stage.mounts.push(Mount::Secret {
        target: "/run/secrets/token".into(),
        content: canary.into(),
        uid: 0,
    });
    // The pattern is not the canary itself, so that it does not find its own arguments.
    let ran = stage.sh(
        "cat /run/secrets/token > /dev/null; grep -lsa 'canary[-]7f3a' /proc/[0-9]*/environ /proc/[0-9]*/cmdline /proc/self/mountinfo || true; \
         cp -r /run /copied 2>/dev/null; rm -r /copied; sh -c 'read x < /run/secrets/token; kill -SEGV $$' || true; echo done",
    );
    assert_eq!(ran.ok().lines().last(), Some("done"));
    assert!(!ran.out.contains("/proc"), "{ran:#?}");
    let found = Command::new("grep")
        .args(["-rlsa", canary])
        .arg(stage.path("."))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}

fn memory_of_others_cannot_be_read(stage: &mut Stage) {
    let ran = stage.sh("head -c 1 /proc/1/mem > /dev/null 2>&1 || echo no; head -c 1 /dev/mem > /dev/null 2>&1 || echo no; head -c 1 /proc/kcore 2>/dev/null | wc -c");
    assert_eq!(ran.ok(), "no\nno\n0");
}

/// With users the first process makes devices and gives files away for the program, and has files of the machine open.
fn what_is_done_for_a_program_stays_inside(stage: &mut Stage) {
    let canary = stage.path("canary");
    fs::write(&canary, "outside").unwrap();
    let cache = stage.path("cache");
    fs::create_dir(&cache).unwrap();
    stage.mounts.push(Mount::Cache {
        directory: cache,
        target: "/cache".into(),
    });
    let (mknod, chown) = (libc::SYS_mknodat, libc::SYS_fchownat);
    let ran = stage.sh(&format!(
        "mkdir /links; cd /links
         perl -e '
            for my $place (\"/proc/1\", \"/proc/1/task/1\", \"/proc/self\", \"/proc/thread-self\", \"/dev\") {{
                push @all, map {{ \"$place/fd/$_\" }} 0..15;
            }}
            push @all, map {{ (\"/proc/1/$_\", \"/proc/1/task/1/$_\") }} \"cwd\", \"root\", \"exe\";
            symlink $_, ++$n foreach @all;
            for my $it (@all, 1..$n) {{
                for my $up (\".\", \"..\", \"../..\", \"../../..\") {{
                    syscall({mknod}, -100, $p = \"$it/$up/escaped\", 020644, 259) or print \"made below $it/$up\\n\";
                    syscall({chown}, -100, $p = \"$it/$up/canary\", 5, 5, 0) or print \"found from $it/$up\\n\";
                }}
            }}
         '; echo done"
    ));
    assert_eq!(ran.ok(), "done");
    assert_eq!(fs::read_to_string(canary).unwrap(), "outside");
    let made = super::stage::entries(&stage.path("."));
    assert!(!made.iter().any(|it| it.ends_with("escaped")), "{made:?}");
}
