//! Which system calls a program may make. A list of what is refused, not of what is allowed, so that programs of a newer C library work;
//! the rest of the isolation does not depend on it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

use super::plan::Mode;
use super::sys;

/// What a builder of images has no need for and what reaches the whole machine, or has let many out: mounts, namespaces, modules,
/// clocks, keys, the kernel's own programs, and handles of files by number.
const REFUSED: &[i64] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_adjtimex,
    libc::SYS_bpf,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_nfsservctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pivot_root,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
];

/// What programs do without when the kernel says that it does not know it: the C library then uses `clone`, whose flags can be seen.
const UNKNOWN: &[i64] = &[
    libc::SYS_clone3,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// What needs more ids than one and is answered as done.
const PRETENDED: &[i64] = &[
    libc::SYS_capset,
    libc::SYS_setfsgid,
    libc::SYS_setfsuid,
    libc::SYS_setgid,
    libc::SYS_setgroups,
    libc::SYS_setregid,
    libc::SYS_setresgid,
    libc::SYS_setresuid,
    libc::SYS_setreuid,
    libc::SYS_setuid,
];

/// What changes owners; with a single id another process answers it.
const OWNERS: &[i64] = &[
    libc::SYS_fchown,
    libc::SYS_fchownat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
];

/// Flags of `clone` that make namespaces.
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWUTS,
];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// All filters as programs of the kernel.
struct Filters {
    pretended: BpfProgram,
    refused: BpfProgram,
    unknown: BpfProgram,
    /// What is answered by another process with a single id, and with several ones.
    answered: [BpfProgram; 2],
}

static FILTERS: OnceLock<Filters> = OnceLock::new();

/// Compiles the filters, once: it takes a millisecond, which every process that is forked afterwards saves.
pub(super) fn compile() -> io::Result<()> {
    filters().map(drop)
}

fn filters() -> io::Result<&'static Filters> {
    if let Some(filters) = FILTERS.get() {
        return Ok(filters);
    }
    let all = |calls: &[i64]| calls.iter().map(|call| (*call, Vec::new())).collect();
    let filters = Filters {
        pretended: program(all(PRETENDED), errno(0))?,
        refused: program(refused()?, errno(libc::EPERM))?,
        unknown: without_x32(program(all(UNKNOWN), errno(libc::ENOSYS))?),
        answered: [answered(OWNERS)?, answered(&[])?],
    };
    Ok(FILTERS.get_or_init(|| filters))
}

/// Installs the filters in this process, for all that it starts.
pub(super) fn install(mode: Mode) -> io::Result<()> {
    let filters = filters()?;
    if mode == Mode::Single {
        sys::filter(&filters.pretended)?;
    }
    sys::filter(&filters.refused)?;
    sys::filter(&filters.unknown)
}

/// Makes the calls of this process, and of all that it starts, that need more rights than it has wait for an answer from whoever has
/// the returned file.
pub(super) fn listen(mode: Mode) -> io::Result<OwnedFd> {
    let [single, several] = &filters()?.answered;
    let program = if mode == Mode::Single {
        single
    } else {
        several
    };
    sys::filter_with_listener(program)
}

fn refused() -> io::Result<Rules> {
    let mut rules: Rules = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    let flags = NAMESPACES.iter().map(|flag| {
        let flag = u64::from(flag.cast_unsigned());
        rule(0, SeccompCmpOp::MaskedEq(flag), flag)
    });
    rules.insert(libc::SYS_clone, flags.collect::<io::Result<_>>()?);
    let vsock = u64::from(libc::AF_VSOCK.cast_unsigned());
    rules.insert(libc::SYS_socket, vec![rule(0, SeccompCmpOp::Eq, vsock)?]);
    Ok(rules)
}

/// The filter of calls that wait for an answer: these, and those that make device files.
fn answered(calls: &[i64]) -> io::Result<BpfProgram> {
    let mut rules: Rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    // Device nodes only: anyone may make pipes.
    let kinds = u64::from(libc::S_IFMT);
    let devices = |argument| -> io::Result<Vec<SeccompRule>> {
        [libc::S_IFCHR, libc::S_IFBLK]
            .into_iter()
            .map(|kind| rule(argument, SeccompCmpOp::MaskedEq(kinds), kind.into()))
            .collect()
    };
    rules.insert(libc::SYS_mknodat, devices(2)?);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_mknod, devices(1)?);
    // The library does not know this answer: another one takes its place until here.
    let mut program = program(rules, SeccompAction::Trace(0))?;
    for instruction in &mut program {
        if u32::from(instruction.code) == libc::BPF_RET && instruction.k == libc::SECCOMP_RET_TRACE
        {
            instruction.k = libc::SECCOMP_RET_USER_NOTIF;
        }
    }
    Ok(program)
}

/// A call whose argument is this.
fn rule(argument: u8, operator: SeccompCmpOp, value: u64) -> io::Result<SeccompRule> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value);
    let rule = condition.and_then(|it| SeccompRule::new(vec![it]));
    rule.map_err(io::Error::other)
}

fn errno(number: i32) -> SeccompAction {
    SeccompAction::Errno(number.cast_unsigned())
}

fn program(rules: Rules, found: SeccompAction) -> io::Result<BpfProgram> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(io::Error::other)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, found, arch);
    let program = filter.and_then(BpfProgram::try_from);
    program.map_err(io::Error::other)
}

/// What the numbers of calls with short addresses have and others do not.
const X32: u32 = 0x4000_0000;

/// Some kernels for x86-64 have all calls twice, with other numbers: the second time for programs with short addresses, which no
/// distribution has. Unknown to the filter, they would pass.
fn without_x32(program: BpfProgram) -> BpfProgram {
    if std::env::consts::ARCH != "x86_64" {
        return program;
    }
    let instruction = |code: u32, jt, jf, k| sock_filter {
        code: u16::try_from(code).unwrap_or_default(),
        jt,
        jf,
        k,
    };
    let mut all = vec![
        // The number of the call is the first word.
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        instruction(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, X32),
        instruction(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned(),
        ),
    ];
    all.extend(program);
    all
}
