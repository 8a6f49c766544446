//! Where runs are written, what earlier ones left, who can read the keys, and how the program was built.

use crate::host::{Check, Facts, Reading, Weight};
use crate::journal::run_dir::SUMMARY;
use crate::recover::LOCK;

pub(super) const BUILD: &[Check] = &[Check {
    id: "build.release",
    why: "a development build is several times slower",
    weight: Weight::Tuning,
    read: release,
}];

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "keys.mode",
        why: "whoever reads a key can trade with it",
        weight: Weight::Vital,
        read: key_modes,
    },
    Check {
        id: "disk.space",
        why: "a full disk ends the journal, and with it the entries",
        weight: Weight::Vital,
        read: space,
    },
    Check {
        id: "disk.file_system",
        why: "the journal is only as durable as the file system below it",
        weight: Weight::Fitness,
        read: file_system,
    },
    Check {
        id: "disk.leftovers",
        why: "a run that ended without its summary died, and may have left a position open",
        weight: Weight::Fitness,
        read: leftovers,
    },
];

fn release(facts: &Facts) -> Reading {
    let expected = "a release build";
    match facts.asked.release_build {
        None => Reading::unknown("the build", expected),
        Some(true) => Reading::good("release", expected),
        Some(false) => Reading::short("development", expected, "cargo build --release"),
    }
}

fn key_modes(facts: &Facts) -> Reading {
    let expected = "files readable by their owner alone (mode 0600 or 0400)";
    if facts.key_files.is_empty() {
        return Reading::absent("no key file named", expected);
    }
    let mut open = Vec::new();
    for path in &facts.key_files {
        match facts.files.mode(path) {
            None => return Reading::unknown(path, expected),
            Some(mode) if mode & 0o077 != 0 => open.push((path, mode)),
            Some(_) => {}
        }
    }
    if open.is_empty() {
        return Reading::good(format!("{} files", facts.key_files.len()), expected);
    }
    let found: Vec<String> = open.iter().map(|(path, mode)| format!("{path} {mode:04o}")).collect();
    let paths: Vec<&str> = open.iter().map(|(path, _)| path.as_str()).collect();
    Reading::bad(found.join(", "), expected, &format!("chmod 0600 {}", paths.join(" ")))
}

const GIB: u64 = 1 << 30;

fn space(facts: &Facts) -> Reading {
    let expected = "10 GiB or more free";
    let Some(space) = facts.asked.space else {
        return Reading::unknown("the room of the folder of runs", expected);
    };
    let free = space.free_bytes;
    let found = format!("{}.{} GiB free", free / GIB, free % GIB * 10 / GIB);
    let remedy = "delete or move old runs, or give --out on another disk";
    if free < GIB {
        return Reading::bad(found, expected, remedy);
    }
    Reading::short_unless(free >= 10 * GIB, found, expected, remedy)
}

/// File systems that are far away or belong to somebody else.
const REMOTE: [&str; 7] = ["nfs", "nfs4", "cifs", "9p", "ceph", "fuse.sshfs", "virtiofs"];
/// File systems that do not outlive the machine or the container.
const FLEETING: [&str; 3] = ["tmpfs", "ramfs", "overlay"];

fn file_system(facts: &Facts) -> Reading {
    let expected = "a local file system that outlives the machine (ext4, xfs)";
    let Some(mounts) = facts.files.text("proc/self/mountinfo") else {
        return Reading::unknown("/proc/self/mountinfo", expected);
    };
    let Some((kind, point)) = mounted(&mounts, &facts.runs) else {
        return Reading::unknown("the mount of the folder of runs", expected);
    };
    let found = format!("{kind} at {point}");
    let remedy = "give --out on a local disk: a volume of the container, a disk of the host";
    if REMOTE.contains(&kind) {
        return Reading::bad(found, expected, remedy);
    }
    Reading::short_unless(!FLEETING.contains(&kind), found, expected, remedy)
}

/// Kind and place of the mount that holds an absolute path: the last of the longest.
fn mounted<'t>(mounts: &'t str, path: &str) -> Option<(&'t str, &'t str)> {
    let mut best: Option<(&str, &str)> = None;
    for line in mounts.lines() {
        let (left, right) = line.split_once(" - ")?;
        let (point, kind) = (left.split(' ').nth(4)?, right.split(' ').next()?);
        let below = path
            .strip_prefix(point.trim_end_matches('/'))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if below && best.is_none_or(|(_, longest)| point.len() >= longest.len()) {
            best = Some((kind, point));
        }
    }
    best
}

fn leftovers(facts: &Facts) -> Reading {
    let expected = "every run ended with its summary";
    let mut left = Vec::new();
    let held = facts.files.text("proc/locks").unwrap_or_default();
    for name in facts.files.names(&facts.runs) {
        let folder = format!("{}/{name}", facts.runs);
        let lock = facts.files.inode(&format!("{folder}/{LOCK}"));
        let ended = facts.files.exists(&format!("{folder}/{SUMMARY}"));
        if let Some(lock) = lock.filter(|_| !ended)
            && !is_held(&held, lock)
        {
            left.push(folder);
        }
    }
    let remedy = format!("pinion recover {}", left.join("; pinion recover "));
    let found = match left.len() {
        0 => "nothing left over".to_owned(),
        _ => format!("locks of runs that died: {}", left.join(", ")),
    };
    Reading::short_unless(left.is_empty(), found, expected, &remedy)
}

/// True when some process holds a lock on the file of this number.
fn is_held(locks: &str, inode: u64) -> bool {
    locks.split_ascii_whitespace().any(|word| {
        let mut parts = word.splitn(3, ':').skip(2);
        parts.next().and_then(|number| number.parse().ok()) == Some(inode)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_counts() {
        let mounts = "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                      22 21 0:5 / /run rw - tmpfs tmpfs rw\n\
                      23 21 0:6 / /runs rw - xfs /dev/sdb rw";
        assert_eq!(mounted(mounts, "/run/x"), Some(("tmpfs", "/run")));
        assert_eq!(mounted(mounts, "/runs"), Some(("xfs", "/runs")));
        assert_eq!(mounted(mounts, "/runner/a"), Some(("ext4", "/")));
        assert_eq!(mounted("", "/x"), None);
    }

    #[test]
    fn a_lock_is_held_by_its_number() {
        let locks = "1: FLOCK  ADVISORY  WRITE 812 08:01:4711 0 EOF";
        assert!(is_held(locks, 4711));
        assert!(!is_held(locks, 471) && !is_held("", 4711));
    }
}
