//! The frames that the decoders are given: written as the venues write them, with seeded values.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Binance's `bookTicker`, about 150 bytes.
    BookTicker,
    /// Binance's `depthUpdate` with 40 levels a side, about 1.9 KB.
    Depth,
    /// `BingX`'s `ORDER_TRADE_UPDATE` of a fill, about 0.5 KB.
    OrderFill,
    /// `BingX`'s `depth20`, gzipped.
    Depth20,
}

impl Kind {
    /// Every kind, in the order of the metrics.
    pub const ALL: [Self; 4] = [Self::BookTicker, Self::Depth, Self::OrderFill, Self::Depth20];
}

/// A seeded sequence.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % limit
    }

    /// A price near 61,659 with one decimal, and a quantity with three.
    fn level(&mut self) -> (String, String) {
        let price = 616_597 + self.below(2_000);
        let qty = self.below(9_000) + 1;
        (format!("{}.{}0", price / 10, price % 10), format!("{}.{:03}", qty / 1_000, qty % 1_000))
    }

    fn levels(&mut self, count: usize) -> String {
        let rows: Vec<String> = (0..count)
            .map(|_| {
                let (price, qty) = self.level();
                format!("[\"{price}\",\"{qty}\"]")
            })
            .collect();
        format!("[{}]", rows.join(","))
    }
}

/// `count` frames of a kind; the same for the same seed.
pub(super) fn frames(kind: Kind, count: usize, seed: u64) -> Vec<Vec<u8>> {
    let mut dice = Dice(seed);
    (0..count).map(|place| frame(kind, place as u64, &mut dice)).collect()
}

fn frame(kind: Kind, place: u64, dice: &mut Dice) -> Vec<u8> {
    let ms = 1_723_161_256_299 + place;
    match kind {
        Kind::BookTicker => {
            let ((b, b_qty), (a, a_qty)) = (dice.level(), dice.level());
            let id = 5_153_886_194_000 + place;
            format!(
                "{{\"e\":\"bookTicker\",\"u\":{id},\"s\":\"BTCUSDT\",\"b\":\"{b}\",\"B\":\"{b_qty}\",\
                 \"a\":\"{a}\",\"A\":\"{a_qty}\",\"T\":{ms},\"E\":{ms}}}"
            )
            .into_bytes()
        }
        Kind::Depth => {
            let (bids, asks) = (dice.levels(40), dice.levels(40));
            let id = 5_153_886_194_000 + 10 * place;
            format!(
                "{{\"e\":\"depthUpdate\",\"E\":{ms},\"T\":{ms},\"s\":\"BTCUSDT\",\"U\":{id},\"u\":{},\
                 \"pu\":{},\"b\":{bids},\"a\":{asks}}}",
                id + 9,
                id - 1
            )
            .into_bytes()
        }
        Kind::OrderFill => {
            let (price, qty) = dice.level();
            let id = 1_627_970_445_070_303_232 + place;
            format!(
                "{{\"e\":\"ORDER_TRADE_UPDATE\",\"E\":{ms},\"T\":{ms},\"o\":{{\"s\":\"BTC-USDT\",\
                 \"c\":\"p-66b5594f-{place:x}\",\"i\":{id},\"S\":\"BUY\",\"o\":\"LIMIT\",\"q\":\"{qty}\",\
                 \"p\":\"{price}\",\"sp\":\"\",\"ap\":\"{price}\",\"x\":\"TRADE\",\"X\":\"FILLED\",\
                 \"N\":\"USDT\",\"n\":\"-0.01369708\",\"T\":{ms},\"wt\":\"MARK_PRICE\",\"ps\":\"LONG\",\
                 \"rp\":\"0.00000000\",\"z\":\"{qty}\",\"sg\":\"false\",\"ti\":0,\"ro\":false,\
                 \"td\":{},\"tv\":\"1234.50\",\"l\":\"{qty}\",\"L\":\"{price}\",\"m\":false}}}}",
                88_100_000 + place
            )
            .into_bytes()
        }
        Kind::Depth20 => {
            let (bids, asks) = (dice.levels(20), dice.levels(20));
            let text = format!(
                "{{\"code\":0,\"dataType\":\"BTC-USDT@depth20@100ms\",\"ts\":{ms},\
                 \"data\":{{\"bids\":{bids},\"asks\":{asks}}}}}"
            );
            let mut packer = GzEncoder::new(Vec::new(), Compression::default());
            // Into memory: nothing can fail.
            let written = packer.write_all(text.as_bytes());
            debug_assert!(written.is_ok());
            packer.finish().unwrap_or_default()
        }
    }
}
