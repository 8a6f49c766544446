//! The content of a plan's files.

use crate::host::checks::grade_of;
use crate::host::plan::cores::Chosen;
use crate::host::plan::{Planned, Setting};
use crate::host::{Arch, Facts, Grade};

/// Kernel settings that cost or spare latency, with what is wanted.
const SYSCTLS: [(&str, &str); 11] = [
    ("kernel.numa_balancing", "0"),
    ("kernel.printk", "4 4 1 7"),
    ("kernel.timer_migration", "0"),
    ("kernel.watchdog", "0"),
    ("net.core.busy_poll", "50"),
    ("net.core.busy_read", "50"),
    ("net.ipv4.tcp_autocorking", "0"),
    ("net.ipv4.tcp_rmem", "4096 131072 6291456"),
    ("net.ipv4.tcp_slow_start_after_idle", "0"),
    ("vm.stat_interval", "120"),
    ("vm.swappiness", "1"),
];

const HUGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
const WORKQUEUES: &str = "/sys/devices/virtual/workqueue/cpumask";

/// Kernel arguments.
pub(super) fn arguments(facts: &Facts, chosen: &Chosen) -> Vec<String> {
    let (quiet, rest) = (chosen.quiet, chosen.rest);
    let mut arguments = vec![
        format!("isolcpus=domain,managed_irq,{quiet}"),
        format!("nohz_full={quiet}"),
        format!("rcu_nocbs={quiet}"),
        format!("irqaffinity={rest}"),
    ];
    if facts.arch == Arch::X86 && grade_of("cpu.idle_states", facts) == Some(Grade::Short) {
        arguments.push("intel_idle.max_cstate=0".to_owned());
        arguments.push("processor.max_cstate=1".to_owned());
    }
    arguments
}

/// Values; only those that this machine has.
pub(super) fn settings(facts: &Facts, chosen: &Chosen) -> Vec<Setting> {
    let sysctls = SYSCTLS.iter().filter_map(|(name, wanted)| {
        let before = words(&facts.files.sysctl(name)?);
        Some(Setting { name: (*name).to_owned(), wanted: (*wanted).to_owned(), before })
    });
    let mut settings: Vec<Setting> = sysctls.collect();
    let mut add = |path: &str, wanted: &str| {
        if let Some(text) = facts.files.text(path) {
            // Of a choice the kernel marks the one in force: `always [madvise] never`.
            let before = text.split(['[', ']']).nth(1).unwrap_or(&text).to_owned();
            settings.push(Setting { name: path.to_owned(), wanted: wanted.to_owned(), before });
        }
    };
    add(HUGE_PAGES, "madvise");
    add(WORKQUEUES, &chosen.rest.to_mask());
    for core in chosen.hot.iter() {
        add(&format!("/sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor"), "performance");
    }
    settings
}

/// The words of a text with one blank between: the kernel puts tabs there.
pub(super) fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The files in the order of their targets.
pub(super) fn files(
    facts: &Facts,
    chosen: &Chosen,
    arguments: &[String],
    settings: &[Setting],
) -> Vec<Planned> {
    let mut drawer = Drawer { facts, files: Vec::new() };
    start_files(&mut drawer, arguments, settings);
    unit_files(&mut drawer, chosen);
    interrupt_files(&mut drawer, chosen);
    drawer.files.sort_by(|a, b| a.target.cmp(&b.target));
    drawer.files
}

/// Where files of a plan are gathered.
struct Drawer<'f> {
    facts: &'f Facts,
    files: Vec<Planned>,
}

impl Drawer<'_> {
    fn add(&mut self, target: &str, purpose: &str, apply: &str, text: String) {
        let before = self.facts.files.bytes(target);
        self.files.push(Planned {
            target: target.to_owned(),
            purpose: purpose.to_owned(),
            apply: apply.to_owned(),
            executable: text.starts_with("#!"),
            text,
            before: before.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        });
    }
}

/// What is in force from the start of the machine, or of a session, on.
fn start_files(drawer: &mut Drawer<'_>, arguments: &[String], settings: &[Setting]) {
    drawer.add(
        "/etc/default/grub.d/90-pinion.cfg",
        "Kernel arguments that keep everything but the stage threads off their cores.",
        "update-grub, then restart the machine",
        format!(
            "# Debian and Ubuntu read this folder; elsewhere append the arguments to the kernel's command line.\n\
             GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT {}\"\n",
            arguments.join(" ")
        ),
    );
    drawer.add(
        "/etc/security/limits.d/90-pinion.conf",
        "Limits of the user pinion outside of systemd.",
        "log in again",
        "pinion - memlock unlimited\npinion - nofile 65536\npinion - rtprio 80\npinion - core 0\n"
            .to_owned(),
    );
    let (below_sys, sysctls): (Vec<&Setting>, Vec<&Setting>) =
        settings.iter().partition(|setting| setting.name.starts_with('/'));
    drawer.add(
        "/etc/sysctl.d/90-pinion.conf",
        "Kernel settings that spare pauses and waiting.",
        "sysctl --system",
        lines(sysctls.iter(), |setting| format!("{} = {}", setting.name, setting.wanted)),
    );
    drawer.add(
        "/etc/tmpfiles.d/pinion.conf",
        "Values below /sys, at every start.",
        "systemd-tmpfiles --create /etc/tmpfiles.d/pinion.conf",
        lines(below_sys.iter(), |setting| format!("w {} - - - - {}", setting.name, setting.wanted)),
    );
}

/// Who may use which cores.
fn unit_files(drawer: &mut Drawer<'_>, chosen: &Chosen) {
    let (usable, rest) = (chosen.quiet.union(&chosen.rest), chosen.rest);
    let reload = "systemctl daemon-reload";
    drawer.add(
        "/etc/systemd/system/pinion.slice",
        "The group of the engine: it may use every core.",
        reload,
        format!("[Slice]\nAllowedCPUs={usable}\n"),
    );
    let nodes = drawer.facts.files.names("sys/devices/system/node");
    let several = nodes.iter().any(|name| name == "node1");
    let local = if several { "NUMAPolicy=local\n" } else { "" };
    drawer.add(
        "/etc/systemd/system/pinion@.service.d/50-host.conf",
        "Puts the engine into its group; its threads pin themselves.",
        reload,
        format!(
            "[Service]\nSlice=pinion.slice\n# The empty one takes back what the unit says.\nCPUAffinity=\n\
             CPUAffinity={usable}\n{local}Environment=PINION__ENGINE__CORES={}\n",
            commas(chosen)
        ),
    );
    for (unit, section) in
        [("init.scope", "Scope"), ("system.slice", "Slice"), ("user.slice", "Slice")]
    {
        drawer.add(
            &format!("/etc/systemd/system/{unit}.d/50-pinion.conf"),
            "Keeps everything else off the quiet cores, before a restart too.",
            reload,
            format!("[{section}]\nAllowedCPUs={rest}\n"),
        );
    }
}

/// Interrupts and network cards.
fn interrupt_files(drawer: &mut Drawer<'_>, chosen: &Chosen) {
    let (quiet, rest) = (chosen.quiet, chosen.rest);
    drawer.add(
        "/etc/systemd/system/irqbalance.service.d/50-pinion.conf",
        "Keeps the balancer of interrupts off the quiet cores.",
        "systemctl daemon-reload, systemctl try-restart irqbalance",
        format!("[Service]\nEnvironment=IRQBALANCE_BANNED_CPULIST={quiet}\n"),
    );
    drawer.add(
        "/etc/systemd/system/pinion-irq.service",
        "Moves the interrupts of devices away at every start.",
        "systemctl daemon-reload, systemctl enable --now pinion-irq",
        "[Unit]\nDescription=Interrupts off the cores of pinion\nAfter=network.target irqbalance.service\n\n\
         [Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/local/sbin/pinion-irq-affinity\n\n\
         [Install]\nWantedBy=multi-user.target\n"
            .to_owned(),
    );
    drawer.add(
        "/usr/local/sbin/pinion-irq-affinity",
        "Moves every interrupt that can be moved to the other cores.",
        "systemctl restart pinion-irq",
        format!(
            "#!/bin/sh\n# Managed interrupts refuse: isolcpus=managed_irq keeps those away.\n\
             for list in /proc/irq/*/smp_affinity_list; do\n    echo {rest} 2>/dev/null >\"$list\" || true\ndone\n"
        ),
    );
    let cards = drawer.facts.interfaces();
    if cards.is_empty() {
        return;
    }
    drawer.add(
        "/etc/udev/rules.d/90-pinion-network.rules",
        "Holds interrupts back while a socket is polled, and stops the card from gathering frames.",
        "udevadm control --reload, udevadm trigger --subsystem-match=net",
        lines(cards.iter(), |name| {
            format!(
                "ACTION==\"add|change\", SUBSYSTEM==\"net\", KERNEL==\"{name}\", \
                 ATTR{{napi_defer_hard_irqs}}=\"100\", ATTR{{gro_flush_timeout}}=\"200000\", \
                 RUN+=\"/usr/sbin/ethtool -C {name} adaptive-rx off rx-usecs 0\""
            )
        }),
    );
}

/// The cores of the stage threads as `engine.cores` reads them.
fn commas(chosen: &Chosen) -> String {
    let numbers: Vec<String> = chosen.hot.iter().map(|core| core.to_string()).collect();
    numbers.join(",")
}

fn lines<T>(rows: impl Iterator<Item = T>, line: impl Fn(T) -> String) -> String {
    let mut text = String::new();
    for row in rows {
        text.push_str(&line(row));
        text.push('\n');
    }
    text
}
