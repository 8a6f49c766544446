//! What stands ready around a run: the control socket, the walls around the process, the word to the service
//! manager.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_queue::ArrayQueue;
use pinion_core::gate::KillSwitch;
use pinion_core::msg::ControlMsg;
use pinion_core::settings::{Layout, Mode};

use super::fault::RunFault;
use super::pulse::Pulse;
use super::watch::Watch;
use crate::control::{ControlServer, Desk, Engagement};
use crate::runner::Progress;
use crate::sandbox;

/// What the operator's words act on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wires<'a> {
    pub(super) kill: &'a Arc<KillSwitch>,
    pub(super) control: &'a Arc<ArrayQueue<ControlMsg>>,
    /// Which threads must turn.
    pub(super) layout: Layout,
}

/// Owner: the watch thread of a run.
#[derive(Debug, Default)]
pub(super) struct Operator {
    server: Option<ControlServer>,
    pulse: Option<Pulse>,
    stop: Arc<AtomicBool>,
}

impl Operator {
    /// Opens the control socket and locks the calling thread in, with every thread that it starts from here on.
    /// Only the run directory is written and only `ports` are connected to afterwards. A paper run whose folder
    /// takes no socket goes on without one.
    pub(super) fn ready(
        watch: &Watch,
        dir: &Path,
        run_id: &str,
        mode: Mode,
        wires: Wires<'_>,
        ports: &[u16],
        notice: &mut dyn FnMut(&str),
    ) -> Result<Self, RunFault> {
        let mut run = Engagement {
            run_id: run_id.to_owned(),
            mode,
            kill: Arc::clone(wires.kill),
            control: Arc::clone(wires.control),
            gauges: Arc::clone(&watch.gauges),
            stop: Arc::clone(&watch.stop),
            sandbox: String::new(),
        };
        // The socket first: under the filter none can be served any more.
        let place = watch.control.as_deref();
        let pulse = Pulse::of_this_process(wires.layout);
        let stop = Arc::clone(&watch.stop);
        let socket = ControlServer::bind(dir, place);
        run.sandbox = sandbox::enter(watch.sandbox, dir, ports).map_err(RunFault::Sandbox)?;
        if watch.sandbox != sandbox::Sandbox::Off {
            notice(&format!("sandbox: {}", run.sandbox));
        }
        match socket {
            Ok(socket) => Ok(Self { server: Some(socket.serve(Desk::new(run))), pulse, stop }),
            Err(text) if mode == Mode::Paper && place.is_none() => {
                notice(&format!("{text}; the run goes on without"));
                Ok(Self { server: None, pulse, stop })
            }
            Err(text) => Err(RunFault::Control(text)),
        }
    }

    /// To be called often; never waits.
    pub(super) fn poll(&mut self, progress: &Progress) {
        if let Some(pulse) = &mut self.pulse {
            pulse.poll(progress, self.stop.load(Ordering::Acquire));
        }
        if let Some(server) = &mut self.server {
            server.poll();
        }
    }
}
