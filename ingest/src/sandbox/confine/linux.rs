//! What Linux has beyond the common limits: memory, files (Landlock), sockets,
//! programs and processes (seccomp). Imports the limits of its parent.
//!
//! The memory limits hold everywhere. Landlock and seccomp are taken as far as
//! the kernel has them: an old kernel or a container may refuse either.

use std::collections::BTreeMap;
use std::{fs, io};

use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetStatus, Scope};
use rustix::process::{DumpableBehavior, Resource};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Compare, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use super::{Confinement, limit};

/// Newest Landlock rules that were tried; older kernels enforce fewer.
const LANDLOCK: ABI = ABI::V6;
/// Address space beyond what the program has mapped and its data may take:
/// stacks, and memory that is reserved but not used.
const SPARE_ADDRESSES: u64 = 256 << 20;
/// Open files of a child that inherited none: three standard streams, the
/// protocol's two, and the directory in which they are counted.
const OWN_FILES: usize = 6;

/// Open descriptors that are not this process's own.
pub fn inherited() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, |open| open.count().saturating_sub(OWN_FILES))
}

/// Limits memory and takes away what can be taken.
///
/// # Errors
/// If memory cannot be limited.
pub fn apply(memory_bytes: u64, inherited: usize) -> io::Result<Confinement> {
    // If memory runs out, the kernel ends this process first.
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
    let addresses = memory_bytes.saturating_add(mapped_bytes()?).saturating_add(SPARE_ADDRESSES);
    limit(Resource::Data, memory_bytes)?;
    limit(Resource::As, addresses)?;
    rustix::thread::set_no_new_privs(true)?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(Confinement { memory: true, landlock: take_files(), seccomp: take_system_calls(), inherited })
}

/// Address space in use now, most of it the program's own code.
fn mapped_bytes() -> io::Result<u64> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = statm.split(' ').next().and_then(|pages| pages.parse().ok()).unwrap_or(0);
    Ok(pages.saturating_mul(rustix::param::page_size() as u64))
}

/// Takes all files away, and TCP, signals and abstract sockets where the
/// kernel knows how. What is open stays open.
fn take_files() -> bool {
    let restricted = Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(LANDLOCK)))
        .and_then(|rules| rules.scope(Scope::from_all(LANDLOCK)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self);
    restricted.is_ok_and(|status| status.ruleset != RulesetStatus::NotEnforced)
}

fn take_system_calls() -> bool {
    filter().is_ok_and(|program| seccompiler::apply_filter(&program).is_ok())
}

/// Refuses system calls that no parser needs, with `ENOSYS`: that of a kernel
/// which lacks them, so that the C library falls back where it can (from
/// `clone3`, whose flags a filter cannot see, to `clone`, whose flags it can).
fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.iter().map(|number| (*number, vec![])).collect();
    #[cfg(target_arch = "x86_64")]
    rules.extend([libc::SYS_fork, libc::SYS_vfork].map(|number| (number, vec![])));
    let thread = u64::from(libc::CLONE_THREAD.unsigned_abs());
    let process = SeccompCondition::new(0, Length::Qword, Compare::MaskedEq(thread), 0)?;
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![process])?]);
    for signal in [libc::SYS_kill, libc::SYS_tgkill] {
        let other = SeccompCondition::new(0, Length::Dword, Compare::Ne, std::process::id().into())?;
        rules.insert(signal, vec![SeccompRule::new(vec![other])?]);
    }
    let refuse = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, std::env::consts::ARCH.try_into()?)?.try_into()
}

/// Sockets, other programs, other processes, memory outside the limits, and
/// parts of the kernel that are large and need no privilege.
const REFUSED: &[i64] = &[
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_clone3,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_tkill,
    libc::SYS_memfd_create,
    libc::SYS_shmget,
    libc::SYS_io_uring_setup,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_open_by_handle_at,
];
