//! `pinion sign`: signatures of recorded vectors, to check the signer against known ones.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use pinion_io::bingx::Signer;
use serde_json::{Value, json};

use crate::Failure;

/// Largest file that is taken for a vector.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Arguments of `pinion sign`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose signing: bingx.
    #[arg(long)]
    venue: String,
    /// For symmetry with other verbs: the output is JSON in any case.
    #[arg(long)]
    json: bool,
    /// JSON with `secret` and `string_to_sign`, one vector a file; keys that open something do not belong here.
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

/// Signs the files in turn and hands each result to `take`.
///
/// # Errors
/// [`Failure`]: usage for an unknown venue and for a file that does not exist, error for one that is no
/// vector; and what `take` says.
pub fn each(
    args: &Args,
    mut take: impl FnMut(Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if args.venue != "bingx" {
        return Err(Failure::usage(format!("--venue {}: expected bingx", args.venue)));
    }
    args.files.iter().try_for_each(|file| take(sign(file)?))
}

fn sign(file: &Path) -> Result<Value, Failure> {
    let path = file.display();
    let size =
        std::fs::metadata(file).map_err(|error| Failure::usage(format!("{path}: {error}")))?.len();
    if size > FILE_BYTES_MAX {
        let found =
            format!("{path}: {size} bytes; expected one vector of at most {FILE_BYTES_MAX}");
        return Err(Failure::error(found));
    }
    let text = std::fs::read(file).map_err(|error| Failure::error(format!("{path}: {error}")))?;
    let vector: Value = serde_json::from_slice(&text)
        .map_err(|error| Failure::error(format!("{path}: {error}; expected one JSON object")))?;
    let field = |name: &str| {
        vector[name].as_str().ok_or_else(|| {
            Failure::error(format!("{path}: no text {name:?}; expected secret and string_to_sign"))
        })
    };
    let (secret, text) = (field("secret")?, field("string_to_sign")?);
    let signer = Signer::new(secret.as_bytes()).ok_or_else(|| {
        Failure::error(format!("{path}: the secret is empty; expected at least one character"))
    })?;
    let signature = signer.sign(text.as_bytes());
    Ok(json!({
        "signature": String::from_utf8_lossy(&signature),
        "string_to_sign": text,
    }))
}
