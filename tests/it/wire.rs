//! Tests of: the way from a market frame to a signed order, over real sockets: what it allocates, and what it
//! asks of the system.

use pinion_benches::wire::{Load, Path, Venue};
use pinion_io::net::RecordLayer;
use pinion_tests::alloc::allocations;

/// Connections for orders.
const LINES: usize = 4;
/// Quotes until buffers have grown to what they need.
const WARM_UP: usize = 5_000;
/// Quotes of a run; each tenth makes an order.
const QUOTES: usize = 105_000;

#[test]
fn a_quote_becomes_an_order_without_allocation_by_one_read_and_one_write() {
    for (tls, zipped) in [(false, false), (true, true)] {
        let load =
            Load { tls, zipped, quotes: QUOTES, gap_ns: 30_000, burst: 1, lines: LINES, seed: 7 };
        let venue = Venue::start(load).expect("a venue");
        let mut path = Path::open(&venue, LINES, RecordLayer::Own).expect("connects");
        let (market_before, orders_before) = path.traffic();
        let mut before = None;
        while path.quotes < QUOTES || !path.is_idle() {
            path.poll().expect("sound");
            if path.quotes >= WARM_UP && before.is_none() {
                before = Some(allocations());
            }
            std::thread::yield_now();
        }
        let counted = allocations() - before.expect("the warm-up is over");
        assert_eq!(counted, 0, "TLS {tls}, packed {zipped}");
        // Where this machine is busy, an order is still under way at many a tenth quote.
        assert!(path.orders >= 10, "{} orders", path.orders);
        assert_eq!(path.orders, path.answered);
        let (market, orders) = path.traffic();
        assert_eq!(orders.writes - orders_before.writes, path.orders, "one write for each order");
        // Each line's tickets may come by a read of their own.
        let reads = orders.reads - orders_before.reads;
        assert!(
            reads <= path.answered + LINES as u64,
            "{reads} reads of {} answers",
            path.answered
        );
        assert!(market.reads - market_before.reads <= QUOTES as u64 + 1, "one read for each frame");
        assert_eq!(market.writes, market_before.writes, "nothing is said on the market socket");
        let left = path.orders;
        drop(path);
        let seen = venue.finish().expect("a whole round");
        assert_eq!((seen.orders.len() as u64, seen.due.len()), (left, QUOTES));
    }
}
