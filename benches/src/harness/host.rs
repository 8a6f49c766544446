//! What the figures depend on: facts of this machine and of the build.

use std::fs;

use serde::Serialize;

/// Facts of the host, for the head of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Host {
    /// Model of the processor.
    pub cpu: String,
    /// Processors that this process may use.
    pub cores: usize,
    /// Kernel release.
    pub kernel: String,
    /// Clock source of the kernel.
    pub clocksource: String,
    /// True in a virtual machine.
    pub hypervisor: bool,
    /// Load over the last minute, as the kernel prints it.
    pub load: String,
    /// Version of the program.
    pub version: &'static str,
    /// True for a build with optimisation; figures of any other mean nothing.
    pub optimised: bool,
}

impl Host {
    /// Reads them; what cannot be read is empty.
    #[must_use]
    pub fn read() -> Self {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = info.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':'))
                .map(|(_, value)| value.trim().to_owned())
                .unwrap_or_default()
        };
        let first = |path: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.split_whitespace().next().unwrap_or_default().to_owned()
        };
        let flags = field("flags");
        Self {
            cpu: field("model name"),
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            kernel: first("/proc/sys/kernel/osrelease"),
            clocksource: first("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            hypervisor: flags.split_ascii_whitespace().any(|flag| flag == "hypervisor"),
            load: first("/proc/loadavg"),
            version: env!("CARGO_PKG_VERSION"),
            optimised: !cfg!(debug_assertions),
        }
    }
}
