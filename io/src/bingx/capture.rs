//! Recording of the market sockets.

use pinion_core::instrument::InstrumentTable;
use pinion_core::units::Nanos;
use serde_json::{Value, json};

use super::live::socket::{STREAMS, Seen, Sink, Socket, Topic};
use super::live::{Listing, Notices, PublicPlan};
use super::market::{Body, Market};
use crate::capture::CaptureWriter;
use crate::journal::JournalFault;

/// Gaps that the manifest lists; more are counted.
const GAPS_LISTED: usize = 10_000;

/// Sockets and the files they fill. Owner: one thread.
#[derive(Debug)]
pub struct Recorder {
    sockets: Vec<Socket>,
    sink: Recording,
    notices: Notices,
}

#[derive(Debug)]
struct Recording {
    writer: CaptureWriter,
    about: Value,
    quotes: u64,
    trades: u64,
    marks: u64,
    others: u64,
    ignored: u64,
    broken: u64,
    bytes: u64,
    gaps: Vec<Value>,
    gap_count: u64,
    moved: u32,
}

impl Recorder {
    /// Records what the listing names.
    #[must_use]
    pub fn new(
        plan: &PublicPlan,
        listing: &Listing,
        table: &InstrumentTable,
        writer: CaptureWriter,
        notices: Notices,
    ) -> Self {
        let symbols = listing.symbols(table);
        let instruments = table.iter().map(|(id, row)| {
            json!({
                "symbol": row.symbol.as_str(),
                "venue_symbol": symbols.of(id),
                "tick": row.tick.to_string(),
                "lot": row.lot.to_string(),
                "min_notional": row.min_notional.to_string(),
            })
        });
        let about = json!({
            "venue": "bingx",
            "rest": plan.rest.host_header(),
            "ws": plan.ws.host_header(),
            "streams": STREAMS,
            "instruments": instruments.collect::<Vec<_>>(),
        });
        let sink = Recording {
            writer,
            about,
            quotes: 0,
            trades: 0,
            marks: 0,
            others: 0,
            ignored: 0,
            broken: 0,
            bytes: 0,
            gaps: Vec::new(),
            gap_count: 0,
            moved: 0,
        };
        Self { sockets: Socket::all(plan, table, &symbols), sink, notices }
    }

    /// Reads what there is, and seals it when it is time; how many frames came.
    ///
    /// # Errors
    /// [`JournalFault`]: nothing can be written any more.
    pub fn poll(&mut self, now: Nanos) -> Result<u32, JournalFault> {
        self.sink.moved = 0;
        for socket in &mut self.sockets {
            let _more = socket.poll(now, &mut self.sink, &self.notices);
        }
        if self.sink.writer.is_due(now) {
            self.sink.seal()?;
        }
        Ok(self.sink.moved)
    }

    /// Ends it: what has come is on disk afterwards.
    ///
    /// # Errors
    /// [`JournalFault`].
    pub fn finish(&mut self, now: Nanos) -> Result<(), JournalFault> {
        self.sockets.iter_mut().for_each(Socket::stop);
        self.sink.about["ended_ns"] = json!(now.get());
        self.sink.seal()
    }

    /// Market frames so far.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.sink.writer.frames()
    }

    /// Sockets that were lost so far.
    #[must_use]
    pub fn losses(&self) -> u64 {
        self.sockets.iter().map(Socket::losses).sum()
    }

    /// True when every socket is live.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.sockets.iter().all(Socket::is_live)
    }
}

impl Recording {
    fn seal(&mut self) -> Result<(), JournalFault> {
        let mut about = self.about.clone();
        about["counts"] = json!({
            "book_ticker": self.quotes,
            "trade": self.trades,
            "mark_price": self.marks,
            "other": self.others,
            "ignored": self.ignored,
            "broken": self.broken,
            "wire_bytes": self.bytes,
            "gaps": self.gap_count,
        });
        about["gaps"] = json!(self.gaps);
        self.writer.seal(about)
    }
}

impl Sink for Recording {
    fn bytes(&mut self, len: usize) {
        self.bytes += len as u64;
    }

    fn market(&mut self, _now: Nanos, market: &Market<'_>) {
        let count = match market.body {
            Body::BookTicker(_) => &mut self.quotes,
            Body::Trades(_) => &mut self.trades,
            Body::Mark(_) => &mut self.marks,
            Body::Depth(_)
            | Body::IncrDepth { .. }
            | Body::Last(_)
            | Body::Bars(_)
            | Body::Ticker => &mut self.others,
        };
        *count += 1;
    }

    fn text(&mut self, now: Nanos, text: &[u8]) {
        self.writer.push(now, text);
    }

    fn seen(&mut self, what: Seen) {
        match what {
            Seen::Moved(count) => self.moved += count,
            Seen::Ignored => self.ignored += 1,
            Seen::Broken => self.broken += 1,
        }
    }

    fn lost(&mut self, now: Nanos, topics: &[Topic]) {
        self.gap_count += 1;
        if self.gaps.len() < GAPS_LISTED {
            let topics: Vec<&str> = topics.iter().map(|topic| topic.text.as_str()).collect();
            self.gaps.push(json!({ "at_ns": now.get(), "topics": topics }));
        }
    }
}
