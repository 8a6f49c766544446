//! Plans of made-up machines.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::host::{Asked, Files, Verdict, count};

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// So many threads, `per_core` of them on each physical core as neighbours by number.
fn machine(threads: usize, per_core: usize) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    put(path, "proc/self/status", &format!("Cpus_allowed_list:\t0-{}\n", threads - 1));
    put(path, "proc/cpuinfo", "vendor_id : x\nflags : fpu\n");
    put(path, "proc/cmdline", "quiet\n");
    put(path, "proc/sys/vm/swappiness", "60\n");
    put(path, "proc/sys/kernel/printk", "7\t4\t1\t7\n");
    put(path, "sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n");
    put(path, "sys/devices/virtual/workqueue/cpumask", "ffffffff\n");
    put(path, "sys/class/net/eth0/device/vendor", "x");
    for core in 0..threads {
        let first = core / per_core * per_core;
        let list = format!("{first}-{}", first + per_core - 1);
        put(
            path,
            &format!("sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list"),
            &list,
        );
    }
    root
}

fn facts(root: &tempfile::TempDir) -> Facts {
    Facts::read(Files::below(root.path()), Asked::default(), None)
}

fn set(text: &str) -> CoreSet {
    CoreSet::parse_list(text).unwrap()
}

#[test]
fn whole_physical_cores_are_chosen_and_never_the_first() {
    for (threads, per_core, cores, quiet, rest) in [
        (2, 1, "1", "1", "0"),
        (2, 2, "1", "1", "0"),
        (4, 1, "1-3", "1-3", "0"),
        (4, 2, "3", "2-3", "0-1"),
        (8, 2, "3,5,7", "2-7", "0-1"),
        (32, 1, "29-31", "29-31", "0-28"),
    ] {
        let plan = Plan::draw(&facts(&machine(threads, per_core)), None).unwrap();
        let found = (plan.cores.as_str(), plan.quiet.as_str(), plan.rest.as_str());
        assert_eq!(found, (cores, quiet, rest), "{threads} threads, {per_core} a core");
    }
}

#[test]
fn cores_near_the_card_come_first() {
    let root = machine(16, 1);
    put(root.path(), "sys/class/net/eth0/device/numa_node", "0");
    put(root.path(), "sys/devices/system/node/node0/cpulist", "0-7");
    let plan = Plan::draw(&facts(&root), None).unwrap();
    assert_eq!(plan.cores, "5-7");
}

#[test]
fn cores_that_are_not_there_and_too_few_are_refused() {
    let four = machine(4, 1);
    for (wish, says) in [("9", "may use 0-3"), ("0-3", "leave at least one"), ("", "name some")] {
        let fault = Plan::draw(&facts(&four), Some(set(wish))).unwrap_err();
        assert!(fault.contains(says), "{wish}: {fault}");
    }
    let one = Plan::draw(&facts(&machine(1, 1)), None).unwrap_err();
    assert!(one.contains("2 or more cores"), "{one}");
    let nothing = tempfile::tempdir().unwrap();
    assert!(Plan::draw(&facts(&nothing), None).unwrap_err().contains("/proc/self/status"));
}

#[test]
fn only_what_the_machine_has_is_planned_and_the_same_machine_gives_the_same_bytes() {
    let root = machine(8, 2);
    let plan = Plan::draw(&facts(&root), None).unwrap();
    let names: Vec<&str> = plan.settings.iter().map(|setting| setting.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "kernel.printk",
            "vm.swappiness",
            "/sys/kernel/mm/transparent_hugepage/enabled",
            "/sys/devices/virtual/workqueue/cpumask",
        ]
    );
    assert_eq!(plan.settings[0].before, "7 4 1 7");
    assert_eq!(plan.settings[2].before, "always");
    assert_eq!(plan, Plan::draw(&facts(&root), None).unwrap());
    let grub = plan.files.iter().find(|file| file.target.ends_with("90-pinion.cfg")).unwrap();
    assert!(
        grub.text.contains(
            "isolcpus=domain,managed_irq,2-7 nohz_full=2-7 rcu_nocbs=2-7 irqaffinity=0-1"
        )
    );
    let engine = plan.files.iter().find(|file| file.target.contains("pinion@")).unwrap();
    assert!(engine.text.contains("PINION__ENGINE__CORES=3,5,7\n"), "{}", engine.text);
    let targets: Vec<&String> = plan.files.iter().map(|file| &file.target).collect();
    assert!(targets.is_sorted(), "{targets:?}");
}

#[test]
fn a_plan_is_written_once_and_read_back() {
    let root = machine(4, 1);
    put(root.path(), "etc/sysctl.d/90-pinion.conf", "vm.swappiness = 5\n");
    let plan = Plan::draw(&facts(&root), None).unwrap();
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("plan");
    write(&plan, &folder).unwrap();
    assert_eq!(load(&folder).unwrap(), plan);
    let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!(text("before/etc/sysctl.d/90-pinion.conf"), "vm.swappiness = 5\n");
    assert!(text("files/etc/sysctl.d/90-pinion.conf").contains("vm.swappiness = 1\n"));
    let undo = text("undo.sh");
    assert!(undo.contains("cp -p before'/etc/sysctl.d/90-pinion.conf'"), "{undo}");
    assert!(undo.contains("rm -f '/etc/tmpfiles.d/pinion.conf'"), "{undo}");
    assert!(undo.contains("sysctl -w 'kernel.printk'='7 4 1 7'"), "{undo}");
    assert!(
        undo.contains("echo 'always' >'/sys/kernel/mm/transparent_hugepage/enabled'"),
        "{undo}"
    );
    for script in ["undo.sh", "files/usr/local/sbin/pinion-irq-affinity"] {
        let shell = Command::new("sh").arg("-n").arg(folder.join(script)).status().unwrap();
        assert!(shell.success(), "{script} is no shell script");
    }
    let page = text("README.md");
    assert!(plan.files.iter().all(|file| page.contains(&file.target)), "{page}");
    let fault = write(&plan, &folder).unwrap_err();
    assert!(fault.to_string().contains("never overwritten"), "{fault}");
    assert!(load(out.path()).unwrap_err().contains("plan.json"));
}

#[test]
fn a_machine_is_held_against_its_plan() {
    let root = machine(4, 1);
    let plan = Plan::draw(&facts(&root), None).unwrap();
    let before = check(&plan, &facts(&root));
    assert_eq!(count(&before, Verdict::Ok), 0, "{before:?}");
    assert_eq!(count(&before, Verdict::Fail), before.len());
    assert!(before.iter().all(|finding| finding.remedy.is_some()));

    for file in &plan.files {
        put(root.path(), &file.target, &file.text);
    }
    put(root.path(), "proc/cmdline", &format!("quiet {}", plan.arguments.join(" ")));
    put(root.path(), "proc/sys/vm/swappiness", "1");
    put(root.path(), "proc/sys/kernel/printk", "4\t4\t1\t7");
    put(root.path(), "sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never");
    put(root.path(), "sys/devices/virtual/workqueue/cpumask", "00000001");
    let after = check(&plan, &facts(&root));
    assert_eq!(count(&after, Verdict::Ok), after.len(), "{after:?}");

    fs::remove_file(root.path().join("proc/sys/vm/swappiness")).unwrap();
    put(root.path(), "etc/tmpfiles.d/pinion.conf", "something else");
    let drifted = check(&plan, &facts(&root));
    assert_eq!(count(&drifted, Verdict::Unknown), 1);
    assert_eq!(count(&drifted, Verdict::Fail), 1);
}
