//! Unpacking: one decoder and one buffer, reused from frame to frame.
//!
//! A frame is one gzip member. The header is read here, so that the raw decoder can be reset instead of
//! made anew; length and checksum at the end are compared. Caps: 4 MiB out, and 200 bytes out for each
//! byte in, which a bomb exceeds at once.

use flate2::{Decompress, FlushDecompress, Status};

use super::fault::{Fault, FaultKind};
use super::plain::PADDING;

/// Most bytes that a frame may unpack to.
pub const INFLATED_MAX: usize = 4 * 1024 * 1024;
/// Most bytes out for each byte in.
pub const RATIO_MAX: usize = 200;

const HEADER: usize = 10;
const TRAILER: usize = 8;
const FLAG_HEADER_CRC: u8 = 2;
const FLAG_EXTRA: u8 = 4;
const FLAG_NAME: u8 = 8;
const FLAG_COMMENT: u8 = 16;
const FLAGS_RESERVED: u8 = 0xe0;

/// The unpacker. Its buffer grows to the largest frame seen and stays.
#[derive(Debug)]
pub struct Inflater {
    raw: Decompress,
    /// The last frame, and bytes behind it, so that it can be read in wide steps.
    out: Vec<u8>,
    len: usize,
}

impl Default for Inflater {
    fn default() -> Self {
        Self { raw: Decompress::new(false), out: Vec::with_capacity(64 * 1024), len: 0 }
    }
}

const fn broken(expected: &'static str) -> Fault {
    Fault::new(FaultKind::Gzip, "frame", expected, 0)
}

impl Inflater {
    /// Unpacks one gzip member, which must be the whole of `packed`. The bytes are valid until the next
    /// call.
    ///
    /// # Errors
    /// [`Fault`] of kind gzip for a broken member, too large beyond the caps.
    pub fn inflate(&mut self, packed: &[u8]) -> Result<&[u8], Fault> {
        let body_at = header(packed).ok_or(broken("a gzip header"))?;
        let end = packed.len().checked_sub(TRAILER).filter(|end| *end >= body_at);
        let end = end.ok_or(broken("a whole gzip member"))?;
        let (body, trailer) = (packed.get(body_at..end), packed.get(end..));
        let (Some(body), Some(trailer)) = (body, trailer) else {
            return Err(broken("a whole gzip member"));
        };
        let cap = INFLATED_MAX.min(packed.len().saturating_mul(RATIO_MAX));
        self.raw.reset(false);
        self.out.clear();
        loop {
            let used = usize::try_from(self.raw.total_in()).unwrap_or(usize::MAX);
            let rest = body.get(used..).unwrap_or_default();
            if self.out.len() == self.out.capacity() {
                self.out.reserve(64 * 1024);
            }
            let before = (used, self.out.len());
            let status = self
                .raw
                .decompress_vec(rest, &mut self.out, FlushDecompress::None)
                .map_err(|_| broken("deflate data"))?;
            if self.out.len() > cap {
                let expected = "at most 4 MiB and 200 bytes for each packed one";
                return Err(Fault::new(FaultKind::TooLarge, "frame", expected, 0));
            }
            let used = usize::try_from(self.raw.total_in()).unwrap_or(usize::MAX);
            match status {
                Status::StreamEnd if used == body.len() => break,
                Status::StreamEnd => return Err(broken("nothing after the member")),
                Status::Ok | Status::BufError => {
                    let stuck = (used, self.out.len()) == before;
                    if stuck && self.out.len() < self.out.capacity() {
                        return Err(broken("a whole gzip member"));
                    }
                }
            }
        }
        let (crc, length) = trailer.split_at(4);
        let length_out = u32::try_from(self.out.len()).unwrap_or(u32::MAX);
        if crc != crc32fast::hash(&self.out).to_le_bytes() || length != length_out.to_le_bytes() {
            return Err(broken("the checksum and length that the frame tells"));
        }
        Ok(self.padded())
    }

    /// Keeps a frame that came unpacked, so that both kinds can be lent from here.
    ///
    /// # Errors
    /// [`Fault`] beyond the cap.
    pub fn keep(&mut self, plain: &[u8]) -> Result<&[u8], Fault> {
        if plain.len() > INFLATED_MAX {
            return Err(Fault::new(FaultKind::TooLarge, "frame", "at most 4 MiB", 0));
        }
        self.out.clear();
        self.out.extend_from_slice(plain);
        Ok(self.padded())
    }

    /// Puts the padding behind what was unpacked, which is given without it.
    fn padded(&mut self) -> &[u8] {
        self.len = self.out.len();
        self.out.resize(self.len + PADDING, 0);
        self.out.get(..self.len).unwrap_or_default()
    }

    /// The last frame with its padding behind it, and its length without.
    pub(super) fn last(&self) -> (&[u8], usize) {
        (&self.out, self.len)
    }
}

/// Where the data begins after the header of a gzip member.
fn header(packed: &[u8]) -> Option<usize> {
    let [0x1f, 0x8b, 8, flags, ..] = packed else { return None };
    if flags & FLAGS_RESERVED != 0 {
        return None;
    }
    let mut at = HEADER;
    if flags & FLAG_EXTRA != 0 {
        let length = packed.get(at..at + 2)?.first_chunk::<2>()?;
        at += 2 + usize::from(u16::from_le_bytes(*length));
    }
    for flag in [FLAG_NAME, FLAG_COMMENT] {
        if flags & flag != 0 {
            at += packed.get(at..)?.iter().position(|byte| *byte == 0)? + 1;
        }
    }
    if flags & FLAG_HEADER_CRC != 0 {
        at += 2;
    }
    (at <= packed.len()).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, GzBuilder};
    use std::io::Write as _;

    fn pack(plain: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(plain).expect("packs");
        gzip.finish().expect("packs")
    }

    #[test]
    fn frames_come_out_whole_whatever_came_before() {
        let mut inflater = Inflater::default();
        let large: Vec<u8> = (0..300_000u32).flat_map(|n| (n * 7919).to_le_bytes()).collect();
        for plain in [b"Ping".as_slice(), &large, b"", b"Ping"] {
            assert_eq!(inflater.inflate(&pack(plain)), Ok(plain));
            assert!(inflater.inflate(b"\x1f\x8b\x08\0garbage").is_err());
        }
        let mut named = GzBuilder::new()
            .filename("frame")
            .comment("a comment")
            .extra(vec![1, 2, 3])
            .write(Vec::new(), Compression::fast());
        named.write_all(b"Ping").expect("packs");
        assert_eq!(inflater.inflate(&named.finish().expect("packs")), Ok(b"Ping".as_slice()));
    }

    #[test]
    fn bombs_are_stopped_at_the_cap() {
        let mut inflater = Inflater::default();
        for bytes in [1 << 20, 64 << 20] {
            let bomb = pack(&vec![0; bytes]);
            let fault = inflater.inflate(&bomb).expect_err("a bomb");
            assert_eq!(fault.kind, FaultKind::TooLarge);
            assert!(inflater.out.capacity() <= 2 * INFLATED_MAX, "{}", inflater.out.capacity());
        }
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_noticed() {
        let mut inflater = Inflater::default();
        let plain = br#"{"code":0,"dataType":"BTC-USDT@bookTicker","data":{"b":"121584.1"}}"#;
        let packed = pack(plain);
        for cut in 0..packed.len() {
            assert!(inflater.inflate(&packed[..cut]).is_err(), "cut at {cut}");
        }
        for bit in 0..packed.len() * 8 {
            let mut damaged = packed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            // Some bits of the header mean nothing for the content.
            if let Ok(out) = inflater.inflate(&damaged) {
                assert_eq!(out, plain, "bit {bit}");
            }
        }
        let twice = [packed.clone(), packed].concat();
        assert!(inflater.inflate(&twice).is_err(), "one member a frame");
    }
}
