use super::*;
use alloc::vec::Vec;

fn price(whole: i64) -> Price {
    Price::from_whole(whole)
}

fn qty(whole: i64) -> Qty {
    Qty::from_whole(whole)
}

fn side(book: &Book, side: Side) -> Vec<(i64, i64)> {
    book.levels(side)
        .map(|level| (level.price.raw() / Price::ONE.raw(), level.qty.raw() / Qty::ONE.raw()))
        .collect()
}

#[test]
fn levels_read_best_first_and_zero_removes() {
    let mut book = Book::new(16);
    for (at, amount) in [(99, 2), (100, 5), (98, 1), (100, 4), (99, 0), (50, 0)] {
        book.set(Side::Buy, price(at), qty(amount));
    }
    for (at, amount) in [(102, 2), (101, 3), (105, 9), (101, 7)] {
        book.set(Side::Sell, price(at), qty(amount));
    }
    assert_eq!(side(&book, Side::Buy), [(100, 4), (98, 1)]);
    assert_eq!(side(&book, Side::Sell), [(101, 7), (102, 2), (105, 9)]);
    assert_eq!(book.best_ask(), Some(Level { price: price(101), qty: qty(7) }));
    assert_eq!((book.len(Side::Buy), book.len(Side::Sell)), (2, 3));
    assert_eq!(book.qty_at(Side::Sell, price(105)), Some(qty(9)));
    assert_eq!(book.qty_at(Side::Buy, price(99)), None);
    book.clear();
    assert!(book.is_empty());
    assert_eq!(book.best_bid(), None);
}

#[test]
fn locked_is_not_crossed() {
    let mut book = Book::new(4);
    book.set(Side::Buy, price(100), qty(1));
    assert!(!book.is_crossed());
    book.set(Side::Sell, price(100), qty(1));
    assert!(!book.is_crossed());
    book.set(Side::Sell, price(99), qty(1));
    assert!(book.is_crossed());
}

#[test]
fn a_full_side_gives_up_the_level_farthest_from_the_touch() {
    let mut book = Book::new(3);
    for at in [10, 11, 12] {
        book.set(Side::Buy, price(at), qty(1));
    }
    book.set(Side::Buy, price(13), qty(2));
    assert_eq!(side(&book, Side::Buy), [(13, 2), (12, 1), (11, 1)]);
    book.set(Side::Buy, price(9), qty(7));
    assert_eq!(side(&book, Side::Buy), [(13, 2), (12, 1), (11, 1)]);
    assert_eq!(book.overflowed(), 2);
}

const fn futures(first: u64, last: u64, previous: u64) -> DiffIds {
    DiffIds { first, last, previous: Some(previous) }
}

const fn spot(first: u64, last: u64) -> DiffIds {
    DiffIds { first, last, previous: None }
}

#[test]
fn futures_join_the_snapshot_and_follow_pu() {
    let mut sync = DepthSync::default();
    assert_eq!(sync.diff(futures(1, 5, 0)), Verdict::Drop);
    assert_eq!(sync.last(), None);
    sync.snapshot(1000);
    assert_eq!(sync.diff(futures(980, 990, 979)), Verdict::Drop);
    assert_eq!(sync.diff(futures(991, 1002, 990)), Verdict::Apply);
    assert_eq!(sync.diff(futures(1009, 1010, 1002)), Verdict::Apply);
    assert_eq!((sync.applied(), sync.dropped(), sync.breaks()), (2, 2, 0));
    assert_eq!(sync.diff(futures(1012, 1013, 1011)), Verdict::Break);
    assert!(!sync.is_usable());
    assert_eq!(sync.diff(futures(1014, 1015, 1013)), Verdict::Drop);
    assert_eq!((sync.applied(), sync.dropped(), sync.breaks()), (2, 3, 1));
    sync.snapshot(1015);
    assert_eq!(sync.diff(futures(1016, 1020, 1015)), Verdict::Apply);
    assert_eq!(sync.last(), Some(1020));
}

#[test]
fn a_first_futures_diff_ends_at_or_after_the_snapshot() {
    for (ids, verdict) in [
        (futures(995, 999, 994), Verdict::Drop),
        (futures(995, 1000, 994), Verdict::Apply),
        (futures(1000, 1001, 999), Verdict::Apply),
        // Continues the snapshot exactly.
        (futures(1001, 1005, 1000), Verdict::Apply),
        (futures(1001, 1005, 999), Verdict::Break),
        (futures(1002, 1005, 1001), Verdict::Break),
    ] {
        let mut sync = DepthSync::default();
        sync.snapshot(1000);
        assert_eq!(sync.diff(ids), verdict, "{ids:?}");
    }
}

#[test]
fn spot_follows_u_plus_one() {
    for (ids, verdict) in [
        (spot(990, 1000), Verdict::Drop),
        (spot(990, 1001), Verdict::Apply),
        (spot(1001, 1002), Verdict::Apply),
        (spot(1002, 1003), Verdict::Break),
    ] {
        let mut sync = DepthSync::default();
        sync.snapshot(1000);
        assert_eq!(sync.diff(ids), verdict, "{ids:?}");
    }
    let mut sync = DepthSync::default();
    sync.snapshot(1000);
    assert_eq!(sync.diff(spot(1001, 1002)), Verdict::Apply);
    assert_eq!(sync.diff(spot(1003, 1003)), Verdict::Apply);
    assert_eq!(sync.diff(spot(1003, 1004)), Verdict::Break);
}
