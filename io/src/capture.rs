//! Recording frames as they come: files that `--data` takes, and a manifest of what is in them.
//!
//! A file is a sequence of whole zstd frames, each of them a few seconds of lines `<receive time in ns> <json>`,
//! written at once and synced. So a process that is killed leaves whole files and loses at most what it had not
//! sealed yet; only a loss of power in the middle of a write can tear the last frame. The manifest is replaced
//! after each seal: written beside, synced, renamed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use pinion_core::units::Nanos;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::journal::{JournalFault, write_fault};

/// Name of the manifest in a capture.
pub const MANIFEST: &str = "manifest.json";
/// A frame is sealed after so long, or at so many bytes of lines.
const SEAL_NS: i64 = 5 * Nanos::SECOND;
const SEAL_BYTES: usize = 4 << 20;
/// What the packing is worth here: twice as fast as the data comes on one slow core.
const LEVEL: i32 = 3;

/// One file.
#[derive(Clone, Debug)]
struct Part {
    name: String,
    frames: u64,
    bytes: u64,
    packed_bytes: u64,
    first: Nanos,
    last: Nanos,
    hash: Sha256,
}

/// Writes a capture. Owner: the thread that reads the sockets; a seal costs it some milliseconds.
#[derive(Debug)]
pub struct CaptureWriter {
    dir: PathBuf,
    venue: &'static str,
    rotate_ns: i64,
    parts: Vec<Part>,
    file: Option<File>,
    /// Lines that are not sealed yet, how many, and the time of the first and the last.
    lines: Vec<u8>,
    count: u64,
    span: Option<(Nanos, Nanos)>,
}

impl CaptureWriter {
    /// Makes the folder, which must not exist. A file holds `rotate_ns` of data.
    ///
    /// # Errors
    /// [`JournalFault`].
    pub fn create(dir: &Path, venue: &'static str, rotate_ns: i64) -> Result<Self, JournalFault> {
        fs::create_dir_all(dir.parent().unwrap_or(dir))
            .and_then(|()| fs::create_dir(dir))
            .map_err(|error| {
                JournalFault::new(
                    dir,
                    error.to_string(),
                    "a new folder: a capture is never overwritten",
                )
            })?;
        Ok(Self {
            dir: dir.to_path_buf(),
            venue,
            rotate_ns,
            parts: Vec::new(),
            file: None,
            lines: Vec::with_capacity(SEAL_BYTES + (1 << 16)),
            count: 0,
            span: None,
        })
    }

    /// Takes a frame. `at` never decreases.
    pub fn push(&mut self, at: Nanos, text: &[u8]) {
        // Infallible: a vector grows.
        let _written = write!(self.lines, "{} ", at.get());
        // A line end inside of JSON is a blank; inside of its texts there is none.
        let plain = |byte: &u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
        self.lines.extend(text.iter().map(plain));
        self.lines.push(b'\n');
        self.count += 1;
        let first = self.span.map_or(at, |(first, _)| first);
        self.span = Some((first, at));
    }

    /// True when it is time to [`Self::seal`].
    #[must_use]
    pub fn is_due(&self, now: Nanos) -> bool {
        self.lines.len() >= SEAL_BYTES
            || self.span.is_some_and(|(first, _)| now.since(first) >= SEAL_NS)
    }

    /// Frames taken so far.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.parts.iter().map(|part| part.frames).sum::<u64>() + self.count
    }

    /// Brings to disk what has come, and replaces the manifest, to which `about` adds what the caller knows.
    ///
    /// # Errors
    /// [`JournalFault`]: the disk is full, or gone.
    pub fn seal(&mut self, about: Value) -> Result<(), JournalFault> {
        if let Some((first, last)) = self.span.take() {
            let old = self.parts.last().map(|part| part.first);
            if self.file.is_none() || old.is_some_and(|old| last.since(old) >= self.rotate_ns) {
                self.next_part(first)?;
            }
            let packed = zstd::bulk::compress(&self.lines, LEVEL);
            let Some((part, file)) = self.parts.last_mut().zip(self.file.as_mut()) else {
                return Ok(());
            };
            let fault = |error: io::Error| write_fault(&self.dir.join(&part.name), &error);
            let packed = packed.map_err(fault)?;
            file.write_all(&packed).and_then(|()| file.sync_data()).map_err(fault)?;
            part.hash.update(&packed);
            part.packed_bytes += packed.len() as u64;
            part.bytes += self.lines.len() as u64;
            part.frames += self.count;
            part.last = last;
            self.lines.clear();
            self.count = 0;
        }
        self.manifest(about)
    }

    fn next_part(&mut self, first: Nanos) -> Result<(), JournalFault> {
        let name = format!("{}-{:06}.raw.zst", self.venue, self.parts.len() + 1);
        let path = self.dir.join(&name);
        let made = OpenOptions::new().append(true).create_new(true).open(&path);
        self.file = Some(made.map_err(|error| write_fault(&path, &error))?);
        self.parts.push(Part {
            name,
            frames: 0,
            bytes: 0,
            packed_bytes: 0,
            first,
            last: first,
            hash: Sha256::new(),
        });
        Ok(())
    }

    fn manifest(&self, mut about: Value) -> Result<(), JournalFault> {
        let row = |part: &Part| {
            let hash = part.hash.clone().finalize();
            let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({
                "name": part.name,
                "frames": part.frames,
                "bytes": part.bytes,
                "packed_bytes": part.packed_bytes,
                "sha256": hash,
                "first_ns": part.first.get(),
                "last_ns": part.last.get(),
            })
        };
        about["files"] = self.parts.iter().map(row).collect();
        about["frames"] = json!(self.frames());
        let path = self.dir.join(MANIFEST);
        let beside = self.dir.join(format!(".{MANIFEST}"));
        let replaced = File::create(&beside)
            .and_then(|mut file| {
                file.write_all(format!("{about:#}\n").as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&beside, &path))
            .and_then(|()| File::open(&self.dir)?.sync_all());
        replaced.map_err(|error| write_fault(&path, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(path: &Path) -> String {
        let packed = fs::read(path).expect("read");
        let text = zstd::stream::decode_all(packed.as_slice()).expect("whole");
        String::from_utf8(text).expect("text")
    }

    #[test]
    fn files_are_whole_after_every_seal_and_the_manifest_tells_them() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let dir = dir.path().join("capture");
        let mut writer = CaptureWriter::create(&dir, "bingx", 10 * Nanos::SECOND).expect("made");
        assert!(CaptureWriter::create(&dir, "bingx", 1).is_err(), "never overwritten");
        let at = |second: i64| Nanos::new(1_700_000_000_000_000_000).plus(second * Nanos::SECOND);
        for second in 0..25 {
            writer.push(at(second), b"{\"a\":\n1}");
            if writer.is_due(at(second)) {
                writer.seal(json!({ "venue": "bingx" })).expect("sealed");
                // As a kill would leave it now.
                for part in &writer.parts {
                    assert!(unpacked(&dir.join(&part.name)).ends_with('\n'));
                }
            }
        }
        writer.seal(json!({ "venue": "bingx" })).expect("sealed");
        let manifest: Value =
            serde_json::from_slice(&fs::read(dir.join(MANIFEST)).expect("read")).expect("JSON");
        assert_eq!((&manifest["frames"], &manifest["venue"]), (&json!(25), &json!("bingx")));
        let files = manifest["files"].as_array().expect("files");
        assert!(files.len() >= 2, "{manifest}");
        let mut lines = 0;
        for file in files {
            let path = dir.join(file["name"].as_str().expect("a name"));
            let text = unpacked(&path);
            assert!(text.lines().all(|line| line.ends_with(" {\"a\": 1}")), "{text}");
            assert_eq!(file["frames"].as_u64(), Some(text.lines().count() as u64));
            assert_eq!(file["bytes"].as_u64(), Some(text.len() as u64));
            let hash = Sha256::digest(fs::read(&path).expect("read"));
            let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(file["sha256"], json!(hash));
            lines += text.lines().count();
        }
        assert_eq!(lines, 25);
    }
}
