//! Whose the files are that a program made or gave away, and which of them are devices: the same for everyone who builds.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};

use super::stage::{Ran, Stage, TURN, entries, everyone, is_root};

everyone!(
    owners_and_rights_are_told,
    owners_are_known_by_every_call_that_changes_them,
    an_owner_goes_with_the_file_and_not_with_its_number,
    a_file_of_a_layer_gets_another_owner,
    a_file_is_found_by_every_way_to_what_a_program_has_open,
    devices_are_told,
    others_than_root_give_nothing_away,
    a_program_with_another_root_is_understood,
    many_programs_at_once_are_answered,
);

/// The number of `chown` on x86-64.
const CHOWN: i64 = 92;

fn has_one_id() -> bool {
    !is_root() && std::env::var(TURN).is_ok_and(|turn| turn == "user")
}

/// The owner of everything that a program left; 0:0 is left out.
fn owners(ran: &Ran) -> BTreeMap<String, (u32, u32)> {
    let mut found = BTreeMap::new();
    for path in entries(&ran.upper) {
        let meta = fs::symlink_metadata(ran.upper.join(&path)).unwrap();
        let owner = if is_root() {
            (meta.uid(), meta.gid())
        } else {
            let mut told = ran.exit.owners.iter();
            let told = told.find(|(told, _, _)| told.to_str().unwrap()[1..] == path);
            told.map_or((0, 0), |(_, uid, gid)| (uid.unwrap_or(0), gid.unwrap_or(0)))
        };
        if owner != (0, 0) {
            found.insert(path, owner);
        }
    }
    found
}

#[track_caller]
fn assert_owners(ran: &Ran, wanted: &[(&str, u32, u32)]) {
    ran.ok();
    let wanted = wanted
        .iter()
        .map(|(path, uid, gid)| ((*path).to_owned(), (*uid, *gid)));
    assert_eq!(owners(ran), wanted.collect(), "{ran:#?}");
}

fn owners_and_rights_are_told(stage: &mut Stage) {
    let ran = stage.sh(
        "cp /usr/bin/true /suid; chown 1000:5 /suid; chmod 4755 /suid; cp /usr/bin/true /lost; chmod 4755 /lost; chown 3 /lost; \
         ln -s nowhere /link; chown -h 7:7 /link; mkdir -m 750 /own; chown 7:1 /own; touch /own/plain; mkfifo /pipe",
    );
    assert_owners(
        &ran,
        &[
            ("link", 7, 7),
            ("lost", 3, 0),
            ("own", 7, 1),
            ("suid", 1000, 5),
        ],
    );
    let mode = |name: &str| fs::symlink_metadata(ran.upper.join(name)).unwrap();
    // A new owner does not get a program that runs as the old one.
    assert_eq!(mode("suid").mode() & 0o7777, 0o4755);
    assert_eq!(mode("lost").mode() & 0o7777, 0o755);
    assert_eq!(mode("own").mode() & 0o7777, 0o750);
    assert!(mode("pipe").file_type().is_fifo());
    // Whoever runs this can read and remove all of it.
    fs::set_permissions(ran.upper.join("own"), Permissions::from_mode(0o700)).unwrap();
    fs::remove_dir_all(&ran.upper).unwrap();
}

fn owners_are_known_by_every_call_that_changes_them(stage: &mut Stage) {
    if !cfg!(target_arch = "x86_64") {
        eprintln!("SKIPPED: the calls are made by the numbers of x86-64");
        return;
    }
    let (chown, fchown, lchown, fchownat) = (CHOWN, 93, 94, 260);
    let ran = stage.sh(&format!(
        "mkdir /d; cd /d; touch a b c d e f g h; ln -s a link; ln -s a other
         perl -e '
            syscall({chown}, $p = \"a\", 1, 2) == 0 or die;
            syscall({chown}, $p = \"/d/b\", 3, -1) == 0 or die;
            syscall({chown}, $p = \"b\", -1, 4) == 0 or die;
            syscall({lchown}, $p = \"link\", 5, 6) == 0 or die;
            open F, \"<\", \"c\"; syscall({fchown}, fileno F, 7, 8) == 0 or die;
            opendir D, \"/d\"; syscall({fchownat}, fileno D, $p = \"d\", 9, 10, 0) == 0 or die;
            open E, \">\", \"e\"; syscall({fchownat}, fileno E, $p = \"\", 11, 12, 0x1000) == 0 or die;
            syscall({fchownat}, -100, $p = \"other\", 13, 14, 0x100) == 0 or die;
            open G, \">\", \"f\"; $n = fileno G; syscall({chown}, $p = \"/proc/self/fd/$n\", 15, 16) == 0 or die;
            syscall({chown}, $p = \"nothing\", 1, 1) == -1 && $! == 2 or die $!;
            syscall({chown}, $p = \"a/b\", 1, 1) == -1 && $! == 20 or die $!;
            syscall({chown}, 0, 1, 1) == -1 && $! == 14 or die $!;
            syscall({fchown}, 99, 1, 1) == -1 && $! == 9 or die $!;
            syscall({fchownat}, -100, $p = \"g\", 1, 1, 7) == -1 && $! == 22 or die $!;
            syscall({chown}, $p = \"x\" x 5000, 1, 1) == -1 && $! == 36 or die $!;
         '"
    ));
    assert_owners(
        &ran,
        &[
            ("d/a", 1, 2),
            ("d/b", 3, 4),
            ("d/c", 7, 8),
            ("d/d", 9, 10),
            ("d/e", 11, 12),
            ("d/f", 15, 16),
            ("d/link", 5, 6),
            ("d/other", 13, 14),
        ],
    );
}

fn a_file_is_found_by_every_way_to_what_a_program_has_open(stage: &mut Stage) {
    if !cfg!(target_arch = "x86_64") {
        eprintln!("SKIPPED: the call is made by the number of x86-64");
        return;
    }
    let ran = stage.sh(&format!(
        "mkdir -p /d/in; cd /d; touch a b c e f in/g; ln -s /proc/self/fd own; ln -s /dev/stdout out; ln -s loop loop
         perl -e '
            sub number {{ open my $file, \"<\", $_[0] or die; push @open, $file; fileno $file }}
            $n = number \"a\"; syscall({CHOWN}, $p = \"/dev/fd/$n\", 1, 2) == 0 or die \"a $!\";
            $n = number \"b\"; syscall({CHOWN}, $p = \"own/$n\", 3, 4) == 0 or die \"b $!\";
            $n = number \"c\"; syscall({CHOWN}, $p = \"/proc/thread-self/fd/$n\", 5, 6) == 0 or die \"c $!\";
            $n = number \"e\"; syscall({CHOWN}, $p = \"/proc/$$/fd/$n\", 7, 8) == 0 or die \"e $!\";
            syscall({CHOWN}, $p = \"/proc/self/cwd/f\", 9, 10) == 0 or die \"f $!\";
            $n = number \"in\"; syscall({CHOWN}, $p = \"/dev/fd/$n/../../proc/self/root/d/in/g\", 11, 12) == 0 or die \"g $!\";
            syscall({CHOWN}, $p = \"out\", 13, 14) == 0 or die \"out $!\";
            syscall({CHOWN}, $p = \"/dev/fd/99\", 1, 1) == -1 && $! == 2 or die \"99 $!\";
            syscall({CHOWN}, $p = \"loop\", 1, 1) == -1 && $! == 40 or die \"loop $!\";
            syscall({CHOWN}, $p = \"/dev/fd/$n/\", 15, 16) == 0 or die \"in $!\";
         '"
    ));
    assert_owners(
        &ran,
        &[
            ("d/a", 1, 2),
            ("d/b", 3, 4),
            ("d/c", 5, 6),
            ("d/e", 7, 8),
            ("d/f", 9, 10),
            ("d/in", 15, 16),
            ("d/in/g", 11, 12),
        ],
    );
}

fn an_owner_goes_with_the_file_and_not_with_its_number(stage: &mut Stage) {
    let ran = stage.sh(
        "mkdir /d /e; cd /d
         for i in 1 2 3 4 5 6 7 8; do touch old$i; chown 7:7 old$i; rm old$i; touch new$i; done
         touch moved named; chown 8:8 moved named; mv moved /e/here; ln named again; chown 9 again
         mkdir full; touch full/in; chown -R 10:10 full; mv full /e/full; touch back; chown 1:1 back; chown 0:0 back",
    );
    assert_owners(
        &ran,
        &[
            ("d/again", 9, 8),
            ("d/named", 9, 8),
            ("e/full", 10, 10),
            ("e/full/in", 10, 10),
            ("e/here", 8, 8),
        ],
    );
}

fn a_file_of_a_layer_gets_another_owner(stage: &mut Stage) {
    let layer = stage.layer("one");
    fs::create_dir(layer.join("d")).unwrap();
    fs::write(layer.join("d/file"), "content").unwrap();
    fs::write(layer.join("d/other"), "content").unwrap();
    let ran = stage.sh("chown 5:6 /d/file; chown 7:8 /d");
    assert_owners(&ran, &[("d", 7, 8), ("d/file", 5, 6)]);
    assert_eq!(
        fs::read_to_string(ran.upper.join("d/file")).unwrap(),
        "content"
    );
    assert!(!ran.upper.join("d/other").exists());
}

fn devices_are_told(stage: &mut Stage) {
    let ran = stage.sh(
        "umask 027; mkdir /d; cd /d; mknod null c 1 3; mknod -m 600 disk b 8 17; chown 0:6 disk; mknod pipe p; \
         ! mknod null c 1 3 2>/dev/null; ! mknod /nowhere/x c 1 3 2>/dev/null; mknod gone c 1 5; rm gone; touch plain",
    );
    ran.ok();
    let mut devices: Vec<String> = ran
        .exit
        .devices
        .iter()
        .map(|it| format!("{it:?}"))
        .collect();
    devices.sort();
    let kind = |name: &str| fs::symlink_metadata(ran.upper.join("d").join(name)).unwrap();
    if is_root() {
        assert_eq!(devices, [""; 0]);
        assert!(kind("null").file_type().is_char_device());
        assert_eq!(kind("disk").rdev(), rustix::fs::makedev(8, 17));
    } else {
        assert_eq!(
            devices,
            [r#"("/d/disk", true, 8, 17)"#, r#"("/d/null", false, 1, 3)"#]
        );
        assert_eq!(kind("null").len(), 0);
    }
    assert_eq!(kind("null").mode() & 0o7777, 0o640);
    assert_eq!(kind("disk").mode() & 0o7777, 0o600);
    assert_eq!(entries(&ran.upper).len(), 5);
    if !is_root() {
        // Nowhere else is what stands for one of any use.
        stage
            .sh("! mknod /dev/other c 1 3 2>/dev/null; ! [ -e /dev/other ]")
            .ok();
    }
    // What overlayfs keeps for itself is refused to everyone.
    assert_ne!(
        stage.sh("mknod /white c 0 0").status,
        super::sandbox::Status::Code(0)
    );
}

fn others_than_root_give_nothing_away(stage: &mut Stage) {
    stage.user = super::sandbox::Ids {
        uid: 1000,
        gid: 1000,
        groups: vec![1000],
    };
    let ran = stage.sh(
        "cd /tmp; touch a; chown 1000:1000 a; ! chown 0 a 2>/dev/null; ! chown 1000:5 a 2>/dev/null; ! mknod b c 1 3 2>/dev/null",
    );
    ran.ok();
    if !has_one_id() {
        assert_owners(&ran, &[("tmp/a", 1000, 1000)]);
    }
    assert!(ran.exit.devices.is_empty());
}

fn a_program_with_another_root_is_understood(stage: &mut Stage) {
    if !cfg!(target_arch = "x86_64") {
        eprintln!("SKIPPED: the call is made by the number of x86-64");
        return;
    }
    let ran = stage.sh(&format!(
        "mkdir -p /jail/in /in; touch /in/a /jail/in/a /jail/in/b; ln -s /in/a /jail/link
         perl -e '
            chroot \"/jail\" or die; chdir \"/in\" or die;
            syscall({CHOWN}, $p = \"/link\", 1, 2) == 0 or die $!;
            syscall({CHOWN}, $p = \"b\", 3, 4) == 0 or die $!;
            syscall({CHOWN}, $p = \"../../../in\", 5, 6) == 0 or die $!;
         '"
    ));
    assert_owners(
        &ran,
        &[("jail/in", 5, 6), ("jail/in/a", 1, 2), ("jail/in/b", 3, 4)],
    );
}

fn many_programs_at_once_are_answered(stage: &mut Stage) {
    let ran = stage.sh(
        "mkdir /d; for i in 1 2 3 4 5 6 7 8; do (for j in 1 2 3 4 5 6 7 8 9; do touch /d/$i$j; chown $i:$j /d/$i$j; done) & done; wait; \
         (sleep 100; chown 1 /d/11) &",
    );
    ran.ok();
    let found = owners(&ran);
    assert_eq!(found.len(), 72);
    assert_eq!(found["d/37"], (3, 7));
}
