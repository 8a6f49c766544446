//! What the process gives up once it runs: most files, most ports, other programs.
//!
//! Two layers of the kernel, both for the calling thread and every thread it starts afterwards, both for good:
//!
//! * Landlock: files are read below `/etc`, the system's libraries and what describes this process and its cores;
//!   only the run directory is written. TCP connects only to the venue's ports and that of name servers, and
//!   serves nowhere.
//! * A seccomp filter: no other program is started, no process traced or read, no privilege, namespace, mount or
//!   kernel module touched, no further socket served, no `io_uring` (whose calls a filter does not see).
//!   What is refused answers with an error, so that a surprise is a line in a log, not a death.
//!
//! Enter it when all files are open that lie elsewhere (configuration, keys, certificates), before the threads
//! start. The journal, snapshots, the control socket in the run directory, signals and reports work under it.

use std::collections::BTreeMap;
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, NetPort, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus, path_beneath_rules,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// Read by the C library when it looks names up, and by threads that look at their cores.
const READ: [&str; 9] = [
    "/etc",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/proc/self",
    "/sys/devices/system",
];
/// Name servers, where an answer does not fit a datagram.
const DNS_PORT: u16 = 53;

pinion_core::text_enum! {
    /// Whether the process is locked in.
    pub enum Sandbox {
        /// It is not.
        Off => "off",
        /// As far as this kernel can; what it cannot is told.
        Try => "try",
        /// Wholly, or the run does not begin.
        Require => "require",
    }
}

#[expect(clippy::derivable_impls, reason = "the enum is made by a macro")]
impl Default for Sandbox {
    fn default() -> Self {
        Self::Off
    }
}

/// Locks the calling thread and its later threads in; they write below `folder` and connect to `ports` alone.
/// The answer says in a line what is in force.
///
/// # Errors
/// A line for people: with [`Sandbox::Require`], what this kernel lacks. What was in force by then stays so.
pub fn enter(wanted: Sandbox, folder: &Path, ports: &[u16]) -> Result<String, String> {
    if wanted == Sandbox::Off {
        return Ok("off".to_owned());
    }
    let layers = [("landlock", files_and_ports(folder, ports)), ("seccomp", calls())];
    let missing: Vec<String> = layers
        .iter()
        .filter_map(|(name, layer)| layer.as_ref().err().map(|why| format!("{name}: {why}")))
        .collect();
    if missing.is_empty() {
        return Ok("landlock, seccomp".to_owned());
    }
    let missing = missing.join("; ");
    if wanted == Sandbox::Require {
        return Err(format!(
            "the process cannot be locked in: {missing}; expected all of it, as control.sandbox is require: use a \
             kernel of 6.7 or later with landlock and seccomp, or set control.sandbox = \"try\""
        ));
    }
    Ok(format!("PARTIAL, {missing}"))
}

/// Landlock; the error says what is missing.
fn files_and_ports(folder: &Path, ports: &[u16]) -> Result<(), String> {
    // The first with rules for ports.
    let abi = ABI::V4;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let told = |error: landlock::RulesetError| error.to_string();
    let rules = ports
        .iter()
        .chain([&DNS_PORT])
        .map(|port| Ok::<_, landlock::RulesetError>(NetPort::new(*port, AccessNet::ConnectTcp)));
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .and_then(|set| set.handle_access(AccessNet::from_all(abi)))
        .and_then(Ruleset::create)
        .and_then(|set| set.add_rules(path_beneath_rules(READ, read)))
        .and_then(|set| set.add_rules(path_beneath_rules([folder], AccessFs::from_all(abi))))
        .and_then(|set| set.add_rules(rules))
        .and_then(|set| set.restrict_self())
        .map_err(told)?;
    match status.ruleset {
        RulesetStatus::FullyEnforced => Ok(()),
        RulesetStatus::PartiallyEnforced => Err("this kernel has no rules for ports".to_owned()),
        RulesetStatus::NotEnforced => Err("this kernel has none".to_owned()),
    }
}

/// Calls that an engine never makes.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_listen,
    libc::SYS_io_uring_setup,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_by_handle_at,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
];

/// Seccomp; the error says what is missing.
fn calls() -> Result<(), String> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| error.to_string())?;
    let errno = |number: libc::c_int| SeccompAction::Errno(number.unsigned_abs());
    let filter = |rules: BTreeMap<i64, Vec<SeccompRule>>, refused: SeccompAction| {
        SeccompFilter::new(rules, SeccompAction::Allow, refused, arch)
            .and_then(BpfProgram::try_from)
            .map_err(|error| error.to_string())
    };
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    // A new thread is fine, a new process is not.
    let thread = u64::from(libc::CLONE_THREAD.unsigned_abs());
    let is_process =
        SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(thread), 0);
    let is_process = is_process.and_then(|condition| SeccompRule::new(vec![condition]));
    rules.insert(libc::SYS_clone, vec![is_process.map_err(|error| error.to_string())?]);
    let first = filter(rules, errno(libc::EPERM))?;
    // Its flags lie in memory, which a filter cannot read; told that there is no such call, the C library
    // takes `clone`.
    let second = filter(BTreeMap::from([(libc::SYS_clone3, Vec::new())]), errno(libc::ENOSYS))?;
    for program in [first, second] {
        seccompiler::apply_filter(&program).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Keeps the memory of this process, keys in it, out of core files and other processes of the same user.
pub fn keep_memory_private() {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: numbers alone; a refusal changes nothing.
    let _refused = unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) };
    // SAFETY: the pointer is to a whole `rlimit`; lowering a limit is always allowed.
    let _refused = unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixListener;
    use std::process::Command;
    use std::thread;

    /// Both layers hold for the threads that enter them, so a thread is enough of a prison for a test.
    #[test]
    fn what_is_given_up_is_refused_and_the_rest_works() {
        let inside = tempfile::tempdir().expect("temporary directory");
        let outside = tempfile::tempdir().expect("temporary directory");
        let secret = outside.path().join("key");
        fs::write(&secret, "x").expect("written");
        let open = TcpListener::bind("127.0.0.1:0").expect("bound");
        let closed = TcpListener::bind("127.0.0.1:0").expect("bound");
        let (listed, unlisted) =
            (open.local_addr().expect("bound"), closed.local_addr().expect("bound"));
        let folder = inside.path().to_path_buf();
        let before = UnixListener::bind(folder.join("before.sock")).expect("bound");
        let prisoner = thread::spawn(move || {
            let held = enter(Sandbox::Require, &folder, &[listed.port()])?;
            assert_eq!(held, "landlock, seccomp");
            let kind = |error: std::io::Error| error.kind();
            let denied = Some(ErrorKind::PermissionDenied);
            assert_eq!(fs::read(&secret).err().map(kind), denied);
            assert_eq!(fs::write(secret.with_file_name("new"), "x").err().map(kind), denied);
            assert_eq!(TcpStream::connect(unlisted).err().map(kind), denied);
            assert_eq!(TcpListener::bind("127.0.0.1:0").err().map(kind), denied);
            assert_eq!(UnixListener::bind(folder.join("after.sock")).err().map(kind), denied);
            assert_eq!(Command::new("/bin/true").spawn().err().map(kind), denied);
            fs::write(folder.join("a"), "x").expect("the folder is ours");
            fs::rename(folder.join("a"), folder.join("b")).expect("renamed");
            fs::remove_file(folder.join("b")).expect("removed");
            drop(fs::read("/etc/hosts").expect("read"));
            drop(TcpStream::connect(listed).expect("connected"));
            before.set_nonblocking(true).expect("set");
            assert_eq!(before.accept().err().map(kind), Some(ErrorKind::WouldBlock));
            thread::spawn(|| {}).join().expect("threads can start");
            Ok::<_, String>(())
        });
        if let Err(why) = prisoner.join().expect("no panic") {
            skip(&why);
        }
    }

    fn skip(why: &str) {
        eprintln!("skipped: {why}");
    }

    #[test]
    fn off_changes_nothing() {
        let inside = tempfile::tempdir().expect("temporary directory");
        assert_eq!(enter(Sandbox::Off, inside.path(), &[]).as_deref(), Ok("off"));
        drop(TcpListener::bind("127.0.0.1:0").expect("bound"));
    }
}
