//! `pinion decode`: recorded frames in normalised form.

mod binance;
mod bingx;
mod bingx_answers;
mod bingx_sequence;

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use pinion_core::msg::Side;
use pinion_core::units::Nanos;
use serde_json::Value;

use crate::Failure;

const NS_PER_MS: i64 = 1_000_000;
/// Largest file that is taken for one frame.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Arguments of `pinion decode`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose frames: binance, bingx.
    #[arg(long)]
    venue: String,
    /// Kind of frame, like `ws_market.book_ticker`; `ws_market.` may be left out.
    #[arg(long)]
    kind: String,
    /// For symmetry with other verbs: the output is JSON in any case.
    #[arg(long)]
    json: bool,
    /// One frame a file, gzip or plain.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Prints one JSON line a file; those before a failure are printed.
///
/// # Errors
/// As [`each`], and when stdout is closed.
pub fn run(args: &Args) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    each(args, |line| {
        writeln!(out, "{line}").map_err(|error| Failure::error(format!("stdout: {error}")))
    })
}

/// Normalises the files in turn and hands each result to `take`.
///
/// # Errors
/// [`Failure`]: usage for an unknown venue or kind and for a file that does not exist, error for one that
/// is not such a frame; and what `take` says.
pub fn each(
    args: &Args,
    mut take: impl FnMut(Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    match args.venue.as_str() {
        "binance" => {
            let mut reader = binance::Reader::new(&args.kind)?;
            args.files.iter().try_for_each(|file| take(reader.decode(file)?))
        }
        "bingx" => {
            let mut reader = bingx::Reader::new(&args.kind)?;
            args.files.iter().try_for_each(|file| take(reader.decode(file)?))
        }
        other => Err(Failure::usage(format!("--venue {other}: expected binance or bingx"))),
    }
}

/// The bytes of a file as they are.
fn read_packed(file: &Path) -> Result<Vec<u8>, Failure> {
    let path = file.display();
    if !file.exists() {
        return Err(Failure::usage(format!("{path}: there is no such file")));
    }
    std::fs::read(file).map_err(|error| Failure::error(format!("{path}: {error}")))
}

/// The bytes of a file, unpacked where they are gzip.
fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let path = file.display();
    let packed = read_packed(file)?;
    if !packed.starts_with(&[0x1f, 0x8b]) {
        return Ok(packed);
    }
    let mut plain = Vec::new();
    let unpacker = flate2::read::MultiGzDecoder::new(packed.as_slice());
    unpacker
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut plain)
        .map_err(|error| Failure::error(format!("{path}: {error}")))?;
    if plain.len() as u64 > FILE_BYTES_MAX {
        let found =
            format!("{path}: unpacks to more than {FILE_BYTES_MAX} bytes; expected one frame");
        return Err(Failure::error(found));
    }
    Ok(plain)
}

fn ms(time: Option<Nanos>) -> Option<i64> {
    time.map(|time| time.get() / NS_PER_MS)
}

const fn taker(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}
