//! What stands behind the last whole frame: the torn rest of a write, or damage.
//!
//! ```text
//! whole frames │ a frame cut short ▏                    torn: nothing that was whole is lost
//! whole frames │ a frame changed │ a whole frame │ …    damage: what stands behind was written once
//! ```
//!
//! A torn rest may hold anything: the running frame is extended in place, so a process that ends there
//! leaves new bytes under an old head, or under half of a new one. Nothing whole can follow it, because
//! the next frame is only written when this one is whole.

use std::io::Read as _;
use std::path::Path;

use crate::journal::fault::JournalFault;
use crate::journal::folder::Folder;
use crate::journal::frames::{DOCUMENT_MAX, FrameKind, HEAD, frame_at};
use crate::journal::run_dir::{INPUTS, read_fault};

/// Why what stands in the journal from `from` on is no torn write; `None` where it is one, or is nothing.
/// `from` is where the last frame read ends; a trailer right there counts for nothing, it holds no input.
/// `in_place` says that frames were extended in place; otherwise a frame that was written whole and does
/// not end the file is damage by itself. Cost: one pass over at most a frame's length.
///
/// # Errors
/// The file cannot be read.
pub fn damage(
    folder: &dyn Folder,
    path: &Path,
    from: u64,
    in_place: bool,
) -> Result<Option<JournalFault>, JournalFault> {
    let file = path.join(INPUTS);
    let unreadable = |error| read_fault(&file, &error);
    let mut source = folder.source(INPUTS).map_err(unreadable)?;
    let left = source.len.saturating_sub(from);
    let fault = |found: String| {
        let expected = "whole frames up to the last: keep this directory, take the file from a copy or \
                        reconcile with the venue, and start in a new directory";
        Some(JournalFault::at(&file, from, format!("damage, no torn write: {found}"), expected))
    };
    if left > (HEAD + DOCUMENT_MAX) as u64 {
        return Ok(fault(format!("{left} bytes from here on, more than a frame has")));
    }
    std::io::copy(&mut source.bytes.by_ref().take(from), &mut std::io::sink())
        .map_err(unreadable)?;
    let mut rest = Vec::new();
    source.bytes.take(left).read_to_end(&mut rest).map_err(unreadable)?;
    for at in 0..rest.len() {
        match frame_at(&rest[at..]) {
            Some(FrameKind::Trailer) if at == 0 => return Ok(None),
            Some(kind) => {
                let (kind, at) = (kind.as_str(), from + at as u64);
                return Ok(fault(format!(
                    "a whole frame of {kind} stands behind it, at byte {at}"
                )));
            }
            None => {}
        }
    }
    let length = rest.first_chunk::<4>().map_or(0, |length| u32::from_le_bytes(*length) as usize);
    if !in_place && length > 0 && length < rest.len().saturating_sub(HEAD) {
        return Ok(fault(format!("a frame of {length} bytes whose checksum does not match")));
    }
    Ok(None)
}
