//! Which cores are kept quiet.

use crate::affinity::CoreSet;
use crate::host::Facts;
use crate::runner::DEDICATED_CORES;

/// The cores of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    /// Of the stage threads.
    pub(super) hot: CoreSet,
    /// These and their siblings.
    pub(super) quiet: CoreSet,
    /// All others.
    pub(super) rest: CoreSet,
}

/// Threads of the same physical core; the core alone where the machine does not tell.
fn siblings(facts: &Facts, core: usize) -> CoreSet {
    let path = format!("sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list");
    facts.cores(&path).unwrap_or(CoreSet::EMPTY).union(&CoreSet::only(core))
}

/// Checks the wish, or chooses: whole physical cores, the highest numbers first, those of the network card's node
/// before others, never that of the lowest core, on which the system's own work gathers.
pub(super) fn choose(facts: &Facts, wish: Option<CoreSet>) -> Result<Chosen, String> {
    let Some(usable) = facts.usable else {
        return Err(
            "the cores of this process cannot be read in /proc/self/status; run it on the \
                    machine itself, or name a copy of it with --root"
                .to_owned(),
        );
    };
    if usable.len() < 2 {
        return Err(format!(
            "this process has {} core ({usable}): one can be kept quiet only where another does the rest; \
             use a machine with 2 or more cores",
            usable.len()
        ));
    }
    let hot = match wish {
        Some(wish) => wish,
        None => best(facts, &usable),
    };
    let missing = hot.minus(&usable);
    if hot.is_empty() || !missing.is_empty() {
        return Err(format!(
            "--cores {hot}: this process may use {usable}; name some of these, and leave at least one"
        ));
    }
    let both =
        |with: CoreSet| with.iter().filter(|core| usable.contains(*core)).collect::<CoreSet>();
    let all = hot.iter().fold(hot, |all, core| all.union(&siblings(facts, core)));
    let quiet = both(all);
    // Two threads of one physical core are a whole machine sometimes: then the sibling does the rest.
    let quiet = if usable.minus(&quiet).is_empty() { hot } else { quiet };
    let rest = usable.minus(&quiet);
    if rest.is_empty() {
        return Err(format!(
            "--cores {hot}: no core of {usable} is left for the rest; leave at least one"
        ));
    }
    Ok(Chosen { hot, quiet, rest })
}

fn best(facts: &Facts, usable: &CoreSet) -> CoreSet {
    let system = usable.iter().next().map_or(CoreSet::EMPTY, |lowest| siblings(facts, lowest));
    let near = near_card(facts).unwrap_or(*usable);
    let mut chosen = CoreSet::EMPTY;
    let mut taken = system;
    let nearest_first = [near, *usable];
    for core in nearest_first.iter().flat_map(|set| set.iter().rev()) {
        if usable.contains(core) && !taken.contains(core) && chosen.len() < DEDICATED_CORES {
            chosen.insert(core);
            taken = taken.union(&siblings(facts, core));
        }
    }
    if chosen.len() == DEDICATED_CORES {
        return chosen;
    }
    // Too few physical cores for a core each: one, on which all stages run shared.
    let one = chosen.iter().next_back().or_else(|| usable.iter().next_back());
    one.map_or(CoreSet::EMPTY, CoreSet::only)
}

/// Cores on the node of the first card that tells one.
fn near_card(facts: &Facts) -> Option<CoreSet> {
    facts.interfaces().iter().find_map(|name| {
        let node = facts.files.value::<i64>(&format!("sys/class/net/{name}/device/numa_node"))?;
        let node = u64::try_from(node).ok()?;
        facts.cores(&format!("sys/devices/system/node/node{node}/cpulist"))
    })
}
