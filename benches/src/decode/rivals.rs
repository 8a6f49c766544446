//! Other people's decoders on the same frames: typed structs with borrowed texts, decimals by our own reader, so
//! that only the JSON differs. Buffers are reused where the library can.

use std::io::Read as _;

use flate2::read::GzDecoder;
use pinion_core::units::parse_raw;
use serde::Deserialize;

use super::{Kind, Mix, Reads};

/// Every rival.
pub(super) fn all() -> Vec<Box<dyn Reads>> {
    vec![
        Box::new(Sonic { packed: libdeflater::Decompressor::new(), text: vec![0; 64 * 1024] }),
        Box::new(Simd { buffers: simd_json::Buffers::new(64 * 1024), copy: Vec::new() }),
        Box::new(Serde),
    ]
}

#[derive(Deserialize)]
struct Ticker<'a> {
    #[serde(rename = "T")]
    time: i64,
    #[serde(borrow, rename = "b")]
    bid: &'a str,
    #[serde(borrow, rename = "B")]
    bid_qty: &'a str,
    #[serde(borrow, rename = "a")]
    ask: &'a str,
    #[serde(borrow, rename = "A")]
    ask_qty: &'a str,
}

#[derive(Deserialize)]
struct Depth<'a> {
    u: i64,
    #[serde(borrow)]
    b: Vec<[&'a str; 2]>,
    #[serde(borrow)]
    a: Vec<[&'a str; 2]>,
}

#[derive(Deserialize)]
struct Update<'a> {
    #[serde(borrow)]
    o: Order<'a>,
}

/// The fields that the engine keeps of an order event.
#[derive(Deserialize)]
#[expect(dead_code, reason = "read, as the engine reads them; the hash needs fewer")]
struct Order<'a> {
    #[serde(borrow)]
    s: &'a str,
    #[serde(borrow)]
    c: &'a str,
    i: i64,
    #[serde(borrow, rename = "S")]
    side: &'a str,
    #[serde(borrow, rename = "o")]
    kind: &'a str,
    #[serde(borrow)]
    q: &'a str,
    #[serde(borrow)]
    p: &'a str,
    #[serde(borrow)]
    ap: &'a str,
    #[serde(borrow)]
    x: &'a str,
    #[serde(borrow, rename = "X")]
    state: &'a str,
    #[serde(borrow)]
    n: &'a str,
    #[serde(borrow, rename = "N")]
    asset: &'a str,
    #[serde(rename = "T")]
    time: i64,
    #[serde(borrow)]
    ps: &'a str,
    #[serde(borrow)]
    rp: &'a str,
    #[serde(borrow)]
    z: &'a str,
    td: i64,
    #[serde(borrow)]
    l: &'a str,
    #[serde(borrow, rename = "L")]
    last: &'a str,
    m: bool,
}

#[derive(Deserialize)]
struct Market<'a> {
    #[serde(borrow)]
    data: Book<'a>,
}

#[derive(Deserialize)]
struct Book<'a> {
    #[serde(borrow)]
    bids: Vec<[&'a str; 2]>,
    #[serde(borrow)]
    asks: Vec<[&'a str; 2]>,
}

fn raw(text: &str) -> Option<i64> {
    parse_raw(text.as_bytes()).ok()
}

impl Ticker<'_> {
    fn mix(&self) -> Option<u64> {
        let mut mix = Mix::default();
        for text in [self.bid, self.bid_qty, self.ask, self.ask_qty] {
            mix.add(raw(text)?);
        }
        mix.add(self.time);
        Some(mix.0)
    }
}

fn mix_levels(mix: &mut Mix, levels: [&[[&str; 2]]; 2]) -> Option<()> {
    for [price, qty] in levels.into_iter().flatten() {
        mix.add(raw(price)?);
        mix.add(raw(qty)?);
    }
    Some(())
}

impl Depth<'_> {
    fn mix(&self) -> Option<u64> {
        let mut mix = Mix::default();
        mix.add(self.u);
        mix_levels(&mut mix, [&self.b, &self.a])?;
        Some(mix.0)
    }
}

impl Order<'_> {
    fn mix(&self) -> Option<u64> {
        // What the engine turns into numbers, too.
        let others = [self.q, self.p, self.ap, self.rp].map(raw);
        std::hint::black_box(others);
        let mut mix = Mix::default();
        for text in [self.l, self.last, self.n, self.z] {
            mix.add(raw(text)?);
        }
        mix.add(self.i);
        Some(mix.0)
    }
}

impl Book<'_> {
    fn mix(&self) -> Option<u64> {
        let mut mix = Mix::default();
        mix_levels(&mut mix, [&self.bids, &self.asks])?;
        Some(mix.0)
    }
}

/// libdeflater and sonic-rs.
struct Sonic {
    packed: libdeflater::Decompressor,
    text: Vec<u8>,
}

impl Reads for Sonic {
    fn name(&self) -> &'static str {
        "sonic-rs"
    }

    fn knows(&self, _kind: Kind) -> bool {
        true
    }

    fn read(&mut self, kind: Kind, text: &mut [u8], len: usize) -> Option<u64> {
        let text = text.get(..len)?;
        match kind {
            Kind::BookTicker => sonic_rs::from_slice::<Ticker<'_>>(text).ok()?.mix(),
            Kind::Depth => sonic_rs::from_slice::<Depth<'_>>(text).ok()?.mix(),
            Kind::OrderFill => sonic_rs::from_slice::<Update<'_>>(text).ok()?.o.mix(),
            Kind::Depth20 => {
                let len = self.packed.gzip_decompress(text, &mut self.text).ok()?;
                sonic_rs::from_slice::<Market<'_>>(self.text.get(..len)?).ok()?.data.mix()
            }
        }
    }
}

/// A fresh zlib-rs decoder for each frame, and serde_json.
struct Serde;

impl Reads for Serde {
    fn name(&self) -> &'static str {
        "serde_json"
    }

    fn knows(&self, _kind: Kind) -> bool {
        true
    }

    fn read(&mut self, kind: Kind, text: &mut [u8], len: usize) -> Option<u64> {
        let text = text.get(..len)?;
        match kind {
            Kind::BookTicker => serde_json::from_slice::<Ticker<'_>>(text).ok()?.mix(),
            Kind::Depth => serde_json::from_slice::<Depth<'_>>(text).ok()?.mix(),
            Kind::OrderFill => serde_json::from_slice::<Update<'_>>(text).ok()?.o.mix(),
            Kind::Depth20 => {
                let mut unpacked = Vec::new();
                GzDecoder::new(text).read_to_end(&mut unpacked).ok()?;
                serde_json::from_slice::<Market<'_>>(&unpacked).ok()?.data.mix()
            }
        }
    }
}

/// simd-json with reused buffers; it writes into its input, so that every frame is copied first.
struct Simd {
    buffers: simd_json::Buffers,
    copy: Vec<u8>,
}

impl Reads for Simd {
    fn name(&self) -> &'static str {
        "simd-json"
    }

    fn knows(&self, kind: Kind) -> bool {
        kind != Kind::Depth20
    }

    fn read(&mut self, kind: Kind, text: &mut [u8], len: usize) -> Option<u64> {
        use simd_json::serde::from_slice_with_buffers as read;
        let Self { buffers, copy } = self;
        copy.clear();
        copy.extend_from_slice(text.get(..len)?);
        match kind {
            Kind::BookTicker => read::<Ticker<'_>>(copy, buffers).ok()?.mix(),
            Kind::Depth => read::<Depth<'_>>(copy, buffers).ok()?.mix(),
            Kind::OrderFill => read::<Update<'_>>(copy, buffers).ok()?.o.mix(),
            Kind::Depth20 => None,
        }
    }
}
