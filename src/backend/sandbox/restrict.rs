//! Takes from a process what the program must not have, and then starts the program.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::fs::fchown;
use rustix::io::Errno;
use rustix::process::{Gid, Resource, Rlimit, Uid, chdir, getrlimit, setrlimit, setsid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use super::devices::APT_VARIABLE;
use super::plan::{At, Ids, Mode, Plan, Trouble};
use super::{filter, witness};

/// The capabilities that Docker gives: enough to install packages, without any that reaches beyond the sandbox.
const KEPT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::AUDIT_WRITE)
    .union(CapabilitySet::SETFCAP);

/// How likely the kernel is to end the program when memory is short, before it ends the builder: 0 as any other, 1000 first.
const EXPENDABLE: &str = "500";

/// The kernel from which on each process namespace has a limit of its own.
const OWN_LIMIT: (u32, u32) = (6, 14);

/// Limits how many processes there are in the namespace, where the kernel has such a limit. Others count the processes of the user,
/// which is no limit for root: for these the builder makes a control group.
pub(super) fn limit_processes(plan: &Plan) -> Result<(), Trouble> {
    if !counts_by_namespace() {
        return Ok(());
    }
    let most = plan.bounds.processes.max(301).to_string();
    fs::write("/proc/sys/kernel/pid_max", most).at("limit the number of processes")
}

/// Whether this kernel limits the number of processes of a namespace.
pub(super) fn counts_by_namespace() -> bool {
    let names = rustix::system::uname();
    let release = names.release().to_string_lossy();
    let mut parts = release.split(|it: char| !it.is_ascii_digit());
    let mut next = || parts.next().and_then(|it| it.parse().ok()).unwrap_or(0);
    (next(), next()) >= OWN_LIMIT
}

/// Becomes the program.
pub(super) fn start(plan: &Plan, answers: &UnixStream) -> Result<Infallible, Trouble> {
    setsid().at("start a session")?;
    // Not every kernel and container lets it be written; then it is as likely as any other.
    let _ = fs::write("/proc/self/oom_score_adj", EXPENDABLE);
    limit(plan).at("limit what it may use")?;
    own_output(&plan.user);
    drop_rights(plan, answers)?;
    chdir(plan.cwd.as_str()).at(format!("enter the directory {}", plan.cwd))?;
    let [program, arguments @ ..] = plan.argv.as_slice() else {
        return Err(Trouble::new("start", &io::ErrorKind::InvalidInput.into()));
    };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).env_clear();
    if plan.mode == Mode::Single {
        command.env(APT_VARIABLE.0, APT_VARIABLE.1);
    }
    command.envs(plan.env.iter().map(|(name, value)| (name, value)));
    Err(command.exec()).at(format!("start {program}"))
}

fn limit(plan: &Plan) -> Result<(), Errno> {
    let bounds = plan.bounds;
    lower(Resource::Nofile, bounds.files)?;
    if let Some(size) = bounds.file_size {
        lower(Resource::Fsize, size)?;
    }
    // Not 0: with 0 a program that collects cores through a pipe would still get them.
    lower(Resource::Core, 1)?;
    if plan.mode != Mode::Root {
        lower(Resource::Nproc, bounds.processes.into())?;
    }
    Ok(())
}

fn lower(resource: Resource, to: u64) -> Result<(), Errno> {
    let most = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let to = Some(to.min(most));
    let limit = Rlimit {
        current: to,
        maximum: to,
    };
    setrlimit(resource, limit)
}

/// Lets the user of the program open `/dev/stdout`, as Docker does.
fn own_output(user: &Ids) {
    for output in [rustix::stdio::stdout(), rustix::stdio::stderr()] {
        // It need not be a pipe, and with a single id the user has it already.
        let _ = fchown(output, Some(Uid::from_raw(user.uid)), None);
    }
}

fn drop_rights(plan: &Plan, answers: &UnixStream) -> Result<(), Trouble> {
    bound().at("drop capabilities")?;
    if plan.mode == Mode::Single {
        // There is one id, so that no program gains rights by its owner anyway.
        keep_capabilities().at("drop capabilities")?;
        set_no_new_privs(true).at("keep it from gaining rights")?;
        ask(plan.mode, answers)?;
        return filter::install(plan.mode).at("filter system calls");
    }
    let groups: Vec<Gid> = plan
        .user
        .groups
        .iter()
        .map(|it| Gid::from_raw(*it))
        .collect();
    set_thread_groups(&groups).at("set the groups")?;
    let gid = Gid::from_raw(plan.user.gid);
    set_thread_res_gid(gid, gid, gid).at("set the group")?;
    if plan.mode != Mode::Root {
        ask(plan.mode, answers)?;
    }
    filter::install(plan.mode).at("filter system calls")?;
    let uid = Uid::from_raw(plan.user.uid);
    set_thread_res_uid(uid, uid, uid).at("set the user")?;
    if plan.user.uid == 0 {
        keep_capabilities().at("drop capabilities")?;
    }
    Ok(())
}

/// From here on the first process answers what this one may not do.
fn ask(mode: Mode, answers: &UnixStream) -> Result<(), Trouble> {
    let listener = filter::listen(mode).at("have system calls answered")?;
    witness::hand_in(answers, &listener).at("have system calls answered")
}

/// Takes all capabilities but Docker's out of reach of every program, also of those that are set-user-id root.
fn bound() -> Result<(), Errno> {
    for number in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if KEPT.contains(capability) {
            continue;
        }
        match remove_capability_from_bounding_set(capability) {
            // The kernel has no more.
            Err(Errno::INVAL) => break,
            removed => removed?,
        }
    }
    Ok(())
}

/// Keeps Docker's capabilities, as far as this process has them: root of a container need not have all.
fn keep_capabilities() -> Result<(), Errno> {
    let kept = KEPT & rustix::thread::capabilities(None)?.permitted;
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets)
}

/// Whether this process may make mounts and namespaces without a user namespace.
pub(super) fn is_root() -> bool {
    let capabilities = rustix::thread::capabilities(None);
    rustix::process::geteuid().is_root()
        && capabilities.is_ok_and(|it| it.effective.contains(CapabilitySet::SYS_ADMIN))
}
