//! Recording a venue's public streams until told to stop.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use pinion_core::instrument::InstrumentTable;

use super::fault::RunFault;
use super::live::look_names_up;
use super::watch::Watch;
use crate::bingx::Recorder;
use crate::bingx::live::{Notices, PublicPlan, listing};
use crate::capture::CaptureWriter;
use crate::clock::{Stopwatch, TurnClock};

/// Between looks at sockets on which nothing came.
const PAUSE: Duration = Duration::from_micros(200);

/// What to record.
#[derive(Clone, Debug)]
pub struct CapturePlan {
    /// The venue's public side, and the symbols.
    pub venue: PublicPlan,
    /// Folder to create.
    pub out: PathBuf,
    /// Time that one file holds.
    pub rotate_ns: i64,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Captured {
    /// Market frames on disk.
    pub frames: u64,
    /// Sockets that were lost; each is a gap in the manifest.
    pub losses: u64,
}

/// Records until `watch.stop` is set. A kill leaves whole files.
///
/// # Errors
/// [`RunFault`]: the venue cannot be reached at the start, or the disk is full.
pub fn capture(
    plan: &CapturePlan,
    watch: &Watch,
    notice: &mut (dyn FnMut(&str) + Send),
) -> Result<Captured, RunFault> {
    let mut listing = listing(&plan.venue).map_err(RunFault::Venue)?;
    let table = InstrumentTable::new(std::mem::take(&mut listing.instruments))?;
    let writer = CaptureWriter::create(&plan.out, "bingx", plan.rotate_ns)?;
    let notices = Notices::default();
    let mut recorder = Recorder::new(&plan.venue, &listing, &table, writer, notices.clone());
    let stopwatch = Stopwatch::calibrated();
    let clock = TurnClock::utc(&stopwatch);
    thread::scope(|scope| {
        let names = scope.spawn(|| look_names_up([&plan.venue.rest, &plan.venue.ws], watch));
        let recorded = loop {
            let now = clock.at(stopwatch.read_ns());
            while let Some(text) = notices.next() {
                notice(&text);
            }
            if watch.stop.load(Ordering::Acquire) {
                break recorder.finish(now);
            }
            match recorder.poll(now) {
                Ok(0) => thread::sleep(PAUSE),
                Ok(_) => {}
                Err(fault) => break Err(fault),
            }
        };
        watch.end();
        names.thread().unpark();
        recorded
    })?;
    Ok(Captured { frames: recorder.frames(), losses: recorder.losses() })
}
