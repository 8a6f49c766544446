//! `snapshot.json`: where the kernel stood after its last settled fill, for a look and for a restart.
//!
//! One JSON object on one line. What a person reads (slots, account) stands first, then the state itself
//! as hexadecimal bytes, then `length` and `crc32`: how many bytes stand before `,"length"`, and their
//! checksum. A file is taken only when it ends exactly as this program would end it, so there is no byte
//! in it that could change unnoticed.

use std::path::Path;

use pinion_core::kernel::Kernel;
use pinion_core::units::Nanos;

use crate::journal::fault::JournalFault;
use crate::journal::header::Members;
use crate::journal::json::Object;
use crate::journal::lines::{TradeText, account_fields};

/// Form of the file. Bytes of another form are never read.
pub const SCHEMA: &str = "pinion.snapshot.v2";
/// Largest file that is read: far above a full state (some 700 kB), a bound for memory.
pub const SNAPSHOT_MAX: u64 = 16 * 1024 * 1024;

/// Whose state it is, and how far it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotHead {
    /// Name of the run.
    pub run_id: String,
    /// The account that the orders belong to: mode, venue and key fingerprint; `paper` in a paper run.
    pub account: String,
    /// Epoch of the client order ids.
    pub epoch: u32,
    /// Time of the last turn.
    pub ts_ns: Nanos,
    /// Inputs of the journal that the state covers.
    pub inputs: u64,
    /// Hash of the settings in force.
    pub settings_hash: String,
}

/// A snapshot that was read back and is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Whose, and how far.
    pub head: SnapshotHead,
    /// What [`pinion_core::engine::Engine::save`] (or the owner of another state) wrote.
    pub state: Vec<u8>,
}

impl Snapshot {
    /// The file's content; `kernel` is the readable part.
    #[must_use]
    pub fn render(head: &SnapshotHead, kernel: &Kernel, state: &[u8]) -> Vec<u8> {
        let mut object = Object::default();
        object.begin();
        object.text("schema_version", SCHEMA);
        object.text("run_id", &head.run_id);
        object.text("account_id", &head.account);
        object.integer("epoch", head.epoch);
        object.integer("ts_ns", head.ts_ns.get());
        object.integer("inputs", head.inputs);
        object.text("settings_hash", &head.settings_hash);
        let totals = kernel.totals();
        object.integer("orders", totals.orders);
        object.integer("fills", totals.fills);
        object.object("account", |inner| account_fields(inner, &kernel.account_record()));
        let used = kernel.slots().iter().enumerate().filter(|(_, slot)| slot.trade().is_some());
        object.list("slots", used, |row, (index, _)| slot_fields(row, kernel, index));
        object.text("state", &hex(state));
        let mut content = object.end_line().to_vec();
        content.truncate(content.len() - 2);
        let end = end_of(&content);
        content.extend_from_slice(end.as_bytes());
        content
    }

    /// Reads the file's content and checks all of it but the state.
    ///
    /// # Errors
    /// What is wrong with it: cut, changed, of another form, of another account.
    pub fn read(path: &Path, content: &[u8], account: &str) -> Result<Self, JournalFault> {
        let fault = |found: &str, expected: &str| JournalFault::new(path, found, expected);
        let at = memchr::memmem::rfind(content, b",\"length\":")
            .ok_or_else(|| fault("a snapshot without its end", "a whole snapshot"))?;
        let (sealed, end) = content.split_at(at);
        if end != end_of(sealed).as_bytes() {
            return Err(fault(
                "a length or checksum that does not match the content",
                "a snapshot as it was written",
            ));
        }
        let members = Members::parse(path, content)?;
        let schema = members.text("schema_version")?;
        if schema != SCHEMA {
            return Err(fault(&format!("form {schema}"), SCHEMA));
        }
        let found = members.text("account_id")?;
        if found != account {
            let found = format!("the snapshot of account {found:?}");
            return Err(fault(&found, &format!("one of {account:?}")));
        }
        let state = unhex(members.text("state")?)
            .ok_or_else(|| fault("a state that is not hexadecimal", "bytes in hexadecimal"))?;
        let head = SnapshotHead {
            run_id: members.text("run_id")?.to_owned(),
            account: account.to_owned(),
            epoch: members.narrow("epoch")?,
            ts_ns: members.nanos("ts_ns")?,
            inputs: members.count("inputs")?,
            settings_hash: members.text("settings_hash")?.to_owned(),
        };
        Ok(Self { head, state })
    }
}

/// The last members of the file, for the bytes before them.
fn end_of(sealed: &[u8]) -> String {
    let crc = crc32fast::hash(sealed);
    format!(",\"length\":{},\"crc32\":\"{crc:08x}\"}}\n", sealed.len())
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| DIGITS.iter().position(|digit| *digit == byte);
    text.as_bytes()
        .chunks(2)
        .map(|pair| match *pair {
            [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
            _ => None,
        })
        .collect()
}

/// A slot that has a round trip.
fn slot_fields(row: &mut Object, kernel: &Kernel, index: usize) {
    let Some(slot) = kernel.slots().get(index) else { return };
    let (Some(trade), Some(id), Some(side)) = (slot.trade(), slot.instrument(), slot.side()) else {
        return;
    };
    let (position, instruments) = (slot.position(), kernel.table());
    let symbol = if id.index() < instruments.len() { instruments.symbol(id) } else { "" };
    row.integer("slot_id", index);
    row.text("trade_id", &TradeText { symbol, trade }.to_string());
    row.text("asset", symbol);
    row.text("stage", slot.stage().as_str());
    row.text("side", side.as_str());
    row.decimal("size", slot.size());
    row.decimal("entered", position.entered);
    row.maybe("entry_price", slot.entry_price().into());
    row.decimal("entry_notional", position.entry_notional);
    row.decimal("exit_notional", position.exit_notional);
    row.decimal("realized", slot.realized());
    row.decimal("fees", slot.fees());
    row.decimal("funding", slot.funding());
    row.integer("leg", slot.leg());
    for (key, order) in [("entry_order", slot.entry_order()), ("exit_order", slot.exit_order())] {
        match order {
            Some(order) => row.display(key, order),
            None => row.null(key),
        }
    }
    match slot.opened_ns() {
        Some(opened) => row.integer("opened_ns", opened.get()),
        None => row.null("opened_ns"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::replica::Replica;
    use crate::journal::samples;

    fn sample() -> Vec<u8> {
        let mut replica = Replica::new(Path::new("x"), &samples::header()).expect("settings");
        replica.snapshot()
    }

    fn read(content: &[u8]) -> Result<Snapshot, JournalFault> {
        Snapshot::read(Path::new("snapshot.json"), content, "paper")
    }

    #[test]
    fn what_is_written_is_json_and_reads_back() {
        let content = sample();
        let json: serde_json::Value = serde_json::from_slice(&content).expect("parses");
        assert_eq!(json["account"]["capital"], samples::header().starting_capital.to_string());
        assert_eq!(json["slots"].as_array().map(Vec::len), Some(0));
        let snapshot = read(&content).expect("whole");
        assert_eq!(snapshot.head.inputs, 0);
        assert_eq!(hex(&snapshot.state), json["state"].as_str().expect("a text"));
    }

    #[test]
    fn no_cut_no_flip_no_zero_fill_and_no_other_account_is_taken() {
        let content = sample();
        for len in 0..content.len() {
            assert!(read(&content[..len]).is_err(), "{len} bytes");
            let mut zeroed = content.clone();
            zeroed[len..].fill(0);
            assert!(read(&zeroed).is_err(), "zeros from {len}");
        }
        for at in 0..content.len() {
            for bit in 0..8 {
                let mut flipped = content.clone();
                flipped[at] ^= 1 << bit;
                assert!(read(&flipped).is_err(), "bit {bit} of byte {at}");
            }
        }
        let fault = Snapshot::read(Path::new("s"), &content, "live-bingx-1").expect_err("foreign");
        assert!(fault.to_string().contains("account \"paper\""), "{fault}");
        let text = String::from_utf8(content).expect("text").replace(SCHEMA, "pinion.snapshot.v1");
        let at = text.find(",\"length\"").expect("an end");
        let older = format!("{}{}", &text[..at], end_of(&text.as_bytes()[..at]));
        assert!(read(older.as_bytes()).expect_err("older").to_string().contains("v1"));
    }
}
