//! Affinity: which cores this process may use, and pinning threads to them. Linux.
//!
//! A thread inherits its maker's mask, so a helper started from a pinned thread would sit on the critical
//! core: helpers are started with [`spawn_helper`], which gives them a mask of their own. Every mask that
//! is set is read back. Cores are never taken from an enumeration of the current thread's mask alone:
//! cores isolated at boot are missing there and may be used all the same.

use std::fmt;
use std::fs;
use std::io;
use std::thread::{Builder, JoinHandle};

/// Cores that a mask can hold: the size of the kernel's classic `cpu_set_t`.
pub const CORES_MAX: usize = 1024;
const WORDS: usize = CORES_MAX / 64;

/// A set of cores by number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CoreSet {
    words: [u64; WORDS],
}

impl CoreSet {
    /// No core.
    pub const EMPTY: Self = Self { words: [0; WORDS] };

    /// One core; empty when the number is not below [`CORES_MAX`].
    #[must_use]
    pub fn only(core: usize) -> Self {
        let mut set = Self::EMPTY;
        set.insert(core);
        set
    }

    /// Adds a core; a number not below [`CORES_MAX`] is ignored.
    pub fn insert(&mut self, core: usize) {
        if let Some(word) = self.words.get_mut(core / 64) {
            *word |= 1 << (core % 64);
        }
    }

    /// True when the core is in it.
    #[must_use]
    pub fn contains(&self, core: usize) -> bool {
        self.words.get(core / 64).is_some_and(|word| word >> (core % 64) & 1 == 1)
    }

    /// How many cores.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words == [0; WORDS]
    }

    /// The numbers, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        (0..CORES_MAX).filter(|core| self.contains(*core))
    }

    /// Cores of either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self { words: std::array::from_fn(|at| self.words[at] | other.words[at]) }
    }

    /// Cores of this set that `other` lacks.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self { words: std::array::from_fn(|at| self.words[at] & !other.words[at]) }
    }

    /// Reads the kernel's list form, `0-3,8,10-11`; `None` for anything else.
    #[must_use]
    pub fn parse_list(text: &str) -> Option<Self> {
        let mut set = Self::EMPTY;
        for part in text.trim().split(',').filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (first.parse().ok()?, last.parse::<usize>().ok()?);
            if first > last || last >= CORES_MAX {
                return None;
            }
            (first..=last).for_each(|core| set.insert(core));
        }
        Some(set)
    }

    /// Reads the kernel's mask form, `ff,ffffffff`: hexadecimal groups of 32 cores, the highest first; `None` for
    /// anything else.
    #[must_use]
    pub fn parse_mask(text: &str) -> Option<Self> {
        let mut set = Self::EMPTY;
        for (group, digits) in text.trim().rsplit(',').enumerate() {
            let word = u32::from_str_radix(digits, 16).ok()?;
            let cores = (0..32).filter(|bit| word >> bit & 1 == 1).map(|bit| group * 32 + bit);
            for core in cores {
                if core >= CORES_MAX {
                    return None;
                }
                set.insert(core);
            }
        }
        Some(set)
    }

    /// The kernel's mask form: what [`CoreSet::parse_mask`] reads, without leading groups of zero.
    #[must_use]
    pub fn to_mask(&self) -> String {
        let groups = self.iter().last().map_or(1, |last| last / 32 + 1);
        let words = (0..groups).rev().map(|group| {
            (0..32)
                .filter(|bit| self.contains(group * 32 + bit))
                .fold(0_u32, |word, bit| word | 1 << bit)
        });
        let texts = words
            .enumerate()
            .map(|(at, word)| if at == 0 { format!("{word:x}") } else { format!(",{word:08x}") });
        texts.collect()
    }
}

impl FromIterator<usize> for CoreSet {
    fn from_iter<I: IntoIterator<Item = usize>>(cores: I) -> Self {
        let mut set = Self::EMPTY;
        cores.into_iter().for_each(|core| set.insert(core));
        set
    }
}

impl fmt::Display for CoreSet {
    /// The kernel's list form; `none` for an empty set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        let mut separator = "";
        for first in self.iter().filter(|core| *core == 0 || !self.contains(core - 1)) {
            let last = (first..CORES_MAX).take_while(|core| self.contains(*core)).last();
            match last {
                Some(last) if last > first => write!(f, "{separator}{first}-{last}")?,
                _ => write!(f, "{separator}{first}")?,
            }
            separator = ",";
        }
        Ok(())
    }
}

impl fmt::Debug for CoreSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a thread could not be placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AffinityFault {
    /// The core is not one of this process.
    NotUsable {
        /// Which.
        core: usize,
        /// Which are.
        usable: Box<CoreSet>,
    },
    /// The kernel refused, or did something else than what it was told.
    Refused {
        /// The mask asked for.
        wanted: Box<CoreSet>,
        /// What happened.
        found: String,
    },
    /// The mask of a thread could not be read.
    Unreadable(String),
    /// The thread could not be started.
    NotStarted(String),
}

impl fmt::Display for AffinityFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUsable { core, usable } => write!(
                f,
                "core {core} cannot be used by this process, which may run on {usable}; name one of \
                 these in engine.cores, or start the process with core {core} in its mask (taskset, \
                 the service's CPUAffinity, the container's cpuset)"
            ),
            Self::Refused { wanted, found } => write!(
                f,
                "the system did not place the thread on {wanted}: {found}; the core may be offline or \
                 outside the container's cpuset: leave engine.cores empty to let the program choose"
            ),
            Self::Unreadable(why) => write!(
                f,
                "the cores of this process cannot be read: {why}; use engine.layout = \"inline\""
            ),
            Self::NotStarted(why) => write!(
                f,
                "a thread could not be started: {why}; raise the limit of threads (ulimit -u)"
            ),
        }
    }
}

impl std::error::Error for AffinityFault {}

/// The cores that this process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cores {
    /// The mask that the process was started with.
    pub allowed: CoreSet,
    /// Cores that were isolated at boot and can be used; they need not be in the mask.
    pub isolated: CoreSet,
}

impl Cores {
    /// Reads the calling thread's mask, and the isolated cores; each of those is tried, since a container
    /// may see cores that it cannot have. Call it before any thread is pinned.
    ///
    /// # Errors
    /// [`AffinityFault::Unreadable`].
    pub fn of_process() -> Result<Self, AffinityFault> {
        let allowed = current_mask()?;
        let listed = fs::read_to_string("/sys/devices/system/cpu/isolated").unwrap_or_default();
        let listed = CoreSet::parse_list(&listed).unwrap_or(CoreSet::EMPTY);
        let isolated = if listed.is_empty() {
            CoreSet::EMPTY
        } else {
            let tried = std::thread::spawn(move || {
                listed.iter().filter(|core| set_mask(&CoreSet::only(*core)).is_ok()).collect()
            });
            tried.join().unwrap_or(CoreSet::EMPTY)
        };
        Ok(Self { allowed, isolated })
    }

    /// All cores a thread can be pinned to.
    #[must_use]
    pub fn usable(&self) -> CoreSet {
        self.allowed.union(&self.isolated)
    }
}

/// The calling thread's mask.
///
/// # Errors
/// [`AffinityFault::Unreadable`].
pub fn current_mask() -> Result<CoreSet, AffinityFault> {
    let mut set = CoreSet::EMPTY;
    // SAFETY: the kernel writes at most the size given, which is that of the array; 0 is this thread.
    let outcome = unsafe {
        libc::sched_getaffinity(0, size_of_val(&set.words), set.words.as_mut_ptr().cast())
    };
    if outcome == 0 {
        Ok(set)
    } else {
        Err(AffinityFault::Unreadable(io::Error::last_os_error().to_string()))
    }
}

/// Sets the calling thread's mask and reads it back.
///
/// # Errors
/// [`AffinityFault::Refused`] when the kernel refuses or the mask read back is another one.
pub fn set_mask(mask: &CoreSet) -> Result<(), AffinityFault> {
    // SAFETY: the kernel reads the size given, which is that of the array; 0 is this thread.
    let outcome =
        unsafe { libc::sched_setaffinity(0, size_of_val(&mask.words), mask.words.as_ptr().cast()) };
    let refused = |found| AffinityFault::Refused { wanted: Box::new(*mask), found };
    if outcome != 0 {
        return Err(refused(io::Error::last_os_error().to_string()));
    }
    read_back(mask)
}

fn read_back(mask: &CoreSet) -> Result<(), AffinityFault> {
    let now = current_mask()?;
    if now == *mask {
        return Ok(());
    }
    Err(AffinityFault::Refused { wanted: Box::new(*mask), found: format!("its mask is {now}") })
}

/// Pins the calling thread to one core and reads the mask back.
///
/// # Errors
/// [`AffinityFault::NotUsable`] before anything is changed, when the core is not one of `usable`;
/// [`AffinityFault::Refused`].
pub fn pin(core: usize, usable: &CoreSet) -> Result<(), AffinityFault> {
    // The library indexes a mask of CORES_MAX cores with the number: it must be validated first.
    if !usable.contains(core) {
        return Err(AffinityFault::NotUsable { core, usable: Box::new(*usable) });
    }
    let only = CoreSet::only(core);
    if !core_affinity::set_for_current(core_affinity::CoreId { id: core }) {
        let found = io::Error::last_os_error().to_string();
        return Err(AffinityFault::Refused { wanted: Box::new(only), found });
    }
    read_back(&only)
}

/// Starts a cold thread on `mask`, whatever the calling thread's mask is. When the mask cannot be set `f`
/// does not run, and joining tells why.
///
/// # Errors
/// [`AffinityFault::NotStarted`].
pub fn spawn_helper<T: Send + 'static>(
    name: &str,
    mask: CoreSet,
    f: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<Result<T, AffinityFault>>, AffinityFault> {
    Builder::new()
        .name(name.to_owned())
        .spawn(move || set_mask(&mask).map(|()| f()))
        .map_err(|error| AffinityFault::NotStarted(format!("{name}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `f` on a thread of its own, so that its mask does not leak into other tests.
    fn apart<T: Send>(f: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| scope.spawn(f).join().unwrap())
    }

    #[test]
    fn lists_go_both_ways() {
        for text in ["0", "0-3", "1,3,5", "0-1,63-64,1023"] {
            assert_eq!(CoreSet::parse_list(text).unwrap().to_string(), text);
        }
        assert_eq!(CoreSet::parse_list("\n"), Some(CoreSet::EMPTY));
        assert_eq!(CoreSet::parse_list("0-3\n").unwrap().len(), 4);
        for text in ["x", "3-1", "1024", "-1", "1-"] {
            assert_eq!(CoreSet::parse_list(text), None, "{text}");
        }
        assert_eq!(CoreSet::EMPTY.to_string(), "none");
    }

    #[test]
    fn masks_go_both_ways() {
        for (mask, list) in
            [("1", "0"), ("ff", "0-7"), ("ff,ffffffff", "0-39"), ("1,00000000,80000000", "31,64")]
        {
            let set = CoreSet::parse_mask(mask).unwrap();
            assert_eq!((set.to_string().as_str(), set.to_mask().as_str()), (list, mask));
        }
        assert_eq!(CoreSet::EMPTY.to_mask(), "0");
        assert_eq!(CoreSet::parse_mask("00000000,00000003\n"), CoreSet::parse_list("0-1"));
        for text in ["", "x", "-1", "123456789", &format!("1{}", ",0".repeat(32))] {
            assert_eq!(CoreSet::parse_mask(text), None, "{text}");
        }
    }

    #[test]
    fn a_pinned_thread_reads_its_core_back() {
        let cores = Cores::of_process().unwrap();
        for core in cores.usable().iter() {
            let mask = apart(|| pin(core, &cores.usable()).map(|()| current_mask().unwrap()));
            assert_eq!(mask, Ok(CoreSet::only(core)));
        }
    }

    #[test]
    fn a_core_that_is_not_ours_is_refused_with_what_to_do() {
        let usable = Cores::of_process().unwrap().usable();
        for core in [1023, 1024, usize::MAX] {
            let before = current_mask();
            let fault = pin(core, &usable).unwrap_err();
            assert_eq!(fault, AffinityFault::NotUsable { core, usable: Box::new(usable) });
            let text = fault.to_string();
            assert!(text.contains(&format!("core {core}")) && text.contains(&usable.to_string()));
            assert!(text.contains("engine.cores"), "{text}");
            assert_eq!(current_mask(), before);
        }
    }

    #[test]
    fn a_mask_without_a_real_core_is_refused() {
        for mask in [CoreSet::EMPTY, CoreSet::only(1023)] {
            let fault = apart(|| set_mask(&mask)).unwrap_err();
            assert!(matches!(fault, AffinityFault::Refused { wanted, .. } if *wanted == mask));
        }
    }

    #[test]
    fn a_helper_of_a_pinned_thread_has_its_own_mask() {
        let cores = Cores::of_process().unwrap();
        let core = cores.usable().iter().next().unwrap();
        let (inherited, given) = apart(|| {
            pin(core, &cores.usable()).unwrap();
            let inherited = std::thread::spawn(current_mask).join().unwrap();
            let helper = spawn_helper("helper", cores.allowed, current_mask).unwrap();
            (inherited, helper.join().unwrap().unwrap())
        });
        // The trap this is about: a plain thread inherits the pinned mask.
        assert_eq!(inherited, Ok(CoreSet::only(core)));
        assert_eq!(given, Ok(cores.allowed));
    }

    #[test]
    fn a_helper_that_cannot_have_its_mask_does_not_run() {
        let helper = spawn_helper("helper", CoreSet::EMPTY, || unreachable!()).unwrap();
        assert!(matches!(helper.join().unwrap(), Err(AffinityFault::Refused { .. })));
    }
}
