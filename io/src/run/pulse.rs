//! What the service manager hears of a run: ready, alive, ending.
//!
//! Ready, and then fed, only when every stage thread has taken turns since the last look: the runner counts them
//! at its housekeeping.

use std::sync::Arc;
use std::time::Instant;

use pinion_core::settings::Layout;
use pinion_core::topology::STAGES;

use crate::host::heartbeat::{Feed, Heartbeat, Watchdog};
use crate::host::notify::{Manager, Notice, watchdog_period};
use crate::runner::{DRIVEN, Progress};

/// Owner: the watch thread.
#[derive(Debug)]
pub(super) struct Pulse {
    manager: Manager,
    watchdog: Option<Watchdog>,
    threads: Vec<Thread>,
    begun: Instant,
    is_ready: bool,
    is_ending: bool,
}

/// A stage thread: how often it had turned, and the heart that beats for it.
#[derive(Debug)]
struct Thread {
    turns: u64,
    heart: Option<Arc<Heartbeat>>,
}

impl Pulse {
    /// `None` where no manager asked to be told, or what it asked by is no socket.
    pub(super) fn of_this_process(layout: Layout) -> Option<Self> {
        let manager = Manager::of_this_process().ok().flatten()?;
        let text = |name: &str| std::env::var(name).ok();
        let (usec, pid) = (text("WATCHDOG_USEC"), text("WATCHDOG_PID"));
        let period = watchdog_period(usec.as_deref(), pid.as_deref(), std::process::id());
        let period_ns = period.map(|period| u64::try_from(period.as_nanos()).unwrap_or(u64::MAX));
        Some(Self::new(manager, period_ns, layout))
    }

    fn new(manager: Manager, period_ns: Option<u64>, layout: Layout) -> Self {
        let mut watchdog = period_ns.map(|period_ns| Watchdog::new(period_ns, 0));
        let names: Vec<&'static str> = match layout {
            Layout::Inline | Layout::Shared => vec!["shared"],
            Layout::Dedicated => {
                STAGES.iter().take(DRIVEN).map(|stage| stage.end.as_str()).collect()
            }
        };
        let threads = names
            .into_iter()
            .map(|name| Thread { turns: 0, heart: watchdog.as_mut().map(|dog| dog.watch(name)) })
            .collect();
        Self {
            manager,
            watchdog,
            threads,
            begun: Instant::now(),
            is_ready: false,
            is_ending: false,
        }
    }

    /// Looks at the threads; to be called more often than the manager wants to hear. Once the run is to end its
    /// threads rest, and the manager's own time for stopping counts.
    pub(super) fn poll(&mut self, progress: &Progress, is_ending: bool) {
        if self.is_ending {
            return;
        }
        if is_ending {
            self.is_ending = true;
            return self.tell(Notice::Stopping);
        }
        for (thread, turns) in self.threads.iter_mut().zip(progress.turns()) {
            if turns != thread.turns {
                thread.turns = turns;
                if let Some(heart) = &thread.heart {
                    heart.beat();
                }
            }
        }
        if !self.is_ready && self.threads.iter().all(|thread| thread.turns > 0) {
            self.is_ready = true;
            self.tell(Notice::Ready);
        }
        let now_ns = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let feed = self.watchdog.as_mut().map(|dog| dog.poll(now_ns));
        if feed == Some(Feed::Feed) {
            self.tell(Notice::Watchdog);
        }
    }

    fn tell(&self, notice: Notice<'_>) {
        // A manager that does not listen any more starves us, which is its right.
        drop(self.manager.tell(&[notice]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;
    use std::time::Duration;

    struct Rig {
        pulse: Pulse,
        progress: Progress,
        listener: UnixDatagram,
        _folder: tempfile::TempDir,
    }

    impl Rig {
        fn new(layout: Layout, period_ns: Option<u64>) -> Self {
            let folder = tempfile::tempdir().expect("temporary directory");
            let path = folder.path().join("notify");
            let listener = UnixDatagram::bind(&path).expect("bound");
            listener.set_nonblocking(true).expect("set");
            let manager = Manager::at(path.as_os_str()).expect("a socket");
            let pulse = Pulse::new(manager, period_ns, layout);
            Self { pulse, progress: Progress::default(), listener, _folder: folder }
        }

        /// What the manager heard of one look.
        fn look(&mut self, is_ending: bool) -> String {
            std::thread::sleep(Duration::from_millis(1));
            self.pulse.poll(&self.progress, is_ending);
            let mut bytes = [0; 256];
            let mut heard = String::new();
            while let Ok(length) = self.listener.recv(&mut bytes) {
                heard.push_str(&String::from_utf8_lossy(&bytes[..length]));
            }
            heard
        }
    }

    #[test]
    fn ready_and_fed_only_when_every_thread_turned_since_the_last_look() {
        let mut rig = Rig::new(Layout::Dedicated, Some(1));
        assert_eq!(rig.look(false), "");
        for row in 0..DRIVEN - 1 {
            rig.progress.publish(row, 1, 0);
        }
        assert_eq!(rig.look(false), "", "one of them has not begun");
        for row in 0..DRIVEN {
            rig.progress.publish(row, 2, 0);
        }
        assert_eq!(rig.look(false), "READY=1\nWATCHDOG=1\n");
        assert_eq!(rig.look(false), "", "nobody turned");
        rig.progress.publish(0, 3, 0);
        assert_eq!(rig.look(false), "", "one alone did");
        assert_eq!(rig.look(true), "STOPPING=1\n");
        assert_eq!(rig.look(true), "", "once");
    }

    #[test]
    fn without_a_watchdog_it_is_told_ready_and_no_more() {
        let mut rig = Rig::new(Layout::Shared, None);
        rig.progress.publish(0, 1, 0);
        assert_eq!(rig.look(false), "READY=1\n");
        rig.progress.publish(0, 2, 0);
        assert_eq!(rig.look(false), "");
    }
}
