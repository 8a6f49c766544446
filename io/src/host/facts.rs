//! What the checks look at: the machine's files, what only a system call tells, and the cores that matter.

use std::fmt;

use crate::affinity::{CoreSet, Cores};
use crate::host::asked::Asked;
use crate::host::files::Files;
use crate::runner::{DEDICATED_CORES, best_cores};

/// Kind of processor, by `/proc/cpuinfo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// Intel and AMD.
    X86,
    /// ARM.
    Arm,
    /// Another one, or not readable.
    Other,
}

/// The facts of one machine. Nothing in it changes after it was read, so a check is a pure function of it.
#[derive(Debug)]
pub struct Facts {
    /// Its files.
    pub files: Files,
    /// What only a system call tells.
    pub asked: Asked,
    /// Cores that this process may use; `None`: not readable.
    pub usable: Option<CoreSet>,
    /// Cores on which stage threads spin, or would: those given, else those that the program would choose.
    /// Empty when there is no core to spare.
    pub hot: CoreSet,
    /// Kind of processor.
    pub arch: Arch,
    /// The folder in which runs are written.
    pub runs: String,
    /// Files that hold keys.
    pub key_files: Vec<String>,
}

impl Facts {
    /// Reads what all checks need. `hot`: the cores of the stage threads where they are set.
    #[must_use]
    pub fn read(files: Files, asked: Asked, hot: Option<CoreSet>) -> Self {
        let allowed = field(&files, "proc/self/status", "Cpus_allowed_list:")
            .and_then(|list| CoreSet::parse_list(&list));
        let isolated = listed(&files, "sys/devices/system/cpu/isolated").unwrap_or(CoreSet::EMPTY);
        let chosen = allowed.map_or(CoreSet::EMPTY, |allowed| chosen(&Cores { allowed, isolated }));
        let arch = match files.text("proc/cpuinfo") {
            Some(text) if text.contains("vendor_id") => Arch::X86,
            Some(text) if text.contains("CPU implementer") => Arch::Arm,
            Some(_) | None => Arch::Other,
        };
        Self {
            usable: allowed.map(|allowed| allowed.union(&isolated)),
            hot: hot.unwrap_or(chosen),
            arch,
            files,
            asked,
            runs: "runs".to_owned(),
            key_files: Vec::new(),
        }
    }

    /// A soft limit of this process by the name in `/proc/self/limits`.
    #[must_use]
    pub fn limit(&self, name: &str) -> Option<Amount> {
        let text = self.files.text("proc/self/limits")?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        let soft = line.get(name.len()..)?.split_whitespace().next()?;
        Amount::from_text(soft, "unlimited")
    }

    /// The value of a kernel argument; `Some("")` for one without a value.
    #[must_use]
    pub fn argument(&self, name: &str) -> Option<String> {
        let line = self.files.text("proc/cmdline")?;
        let mut words =
            line.split_ascii_whitespace().map(|word| word.split_once('=').unwrap_or((word, "")));
        words.rfind(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    }

    /// A list of cores in a file.
    #[must_use]
    pub fn cores(&self, path: &str) -> Option<CoreSet> {
        listed(&self.files, path)
    }

    /// The folder of this process's control group below `/sys/fs/cgroup`, version 2 only.
    #[must_use]
    pub fn group(&self) -> Option<String> {
        let text = self.files.text("proc/self/cgroup")?;
        let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
        Some(format!("sys/fs/cgroup{}", path.trim_end_matches('/')))
    }

    /// A value of this process's control group and of every group above it that has the file, the nearest first.
    /// A limit of any of them binds.
    #[must_use]
    pub fn group_values(&self, name: &str) -> Vec<String> {
        let mut folder = self.group().unwrap_or_default();
        let mut values = Vec::new();
        while folder.starts_with("sys/fs/cgroup") {
            values.extend(self.files.text(&format!("{folder}/{name}")));
            folder.truncate(folder.rfind('/').unwrap_or(0));
        }
        values
    }

    /// Flags of the first processor.
    #[must_use]
    pub fn has_flag(&self, flag: &str) -> Option<bool> {
        let text = self.files.text("proc/cpuinfo")?;
        let line = text.lines().find(|line| line.starts_with("flags"))?;
        Some(line.split_ascii_whitespace().any(|word| word == flag))
    }

    /// The interfaces that are no loopback and stand for a device, sorted.
    #[must_use]
    pub fn interfaces(&self) -> Vec<String> {
        let mut names = self.files.names("sys/class/net");
        names.retain(|name| {
            name != "lo" && self.files.exists(&format!("sys/class/net/{name}/device"))
        });
        names
    }

    /// True when a process of this name runs.
    #[must_use]
    pub fn runs_process(&self, name: &str) -> Option<bool> {
        let ids = self.files.names("proc");
        let mut ids =
            ids.iter().filter(|id| id.bytes().all(|byte| byte.is_ascii_digit())).peekable();
        ids.peek()?;
        Some(
            ids.any(|id| {
                self.files.text(&format!("proc/{id}/comm")).is_some_and(|comm| comm == name)
            }),
        )
    }
}

/// The cores that the program takes by itself where nothing is configured.
fn chosen(cores: &Cores) -> CoreSet {
    let needed = match cores.usable().len() {
        0 | 1 => 0,
        usable if usable > DEDICATED_CORES => DEDICATED_CORES,
        _ => 1,
    };
    best_cores(needed, cores).into_iter().collect()
}

/// A list of cores in a file; the kernel's `(null)` is an empty one.
pub(super) fn listed(files: &Files, path: &str) -> Option<CoreSet> {
    let text = files.text(path)?;
    if text == "(null)" { Some(CoreSet::EMPTY) } else { CoreSet::parse_list(&text) }
}

/// The rest of the first line that begins with `name`.
pub(super) fn field(files: &Files, path: &str, name: &str) -> Option<String> {
    let text = files.text(path)?;
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(rest.trim().to_owned())
}

/// A number that can be without limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Amount {
    /// So many.
    Of(u64),
    /// No limit.
    Unlimited,
}

impl Amount {
    /// Reads a number, or the word for no limit.
    #[must_use]
    pub fn from_text(text: &str, unlimited: &str) -> Option<Self> {
        if text == unlimited { Some(Self::Unlimited) } else { text.parse().ok().map(Self::Of) }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(amount) => write!(f, "{amount}"),
            Self::Unlimited => f.write_str("unlimited"),
        }
    }
}
