//! A whole engine as bytes, and back: what a restart continues from.
//!
//! The bytes are canonical: the same state gives the same bytes, and bytes that decode to a state but are
//! not the ones that state would give are refused. They carry the instruments, because every id in the
//! state is an index into their table. They carry no settings: those come from outside at each start.
//!
//! What decodes is not believed: every module checks that its part can be the state of an engine (ids
//! within their tables, chains that end, books that add up). Nothing here guards against a changed byte
//! that still makes sense: whoever stores the bytes adds a checksum.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::Engine;
use crate::instrument::InstrumentTable;
use crate::kernel::Kernel;
use crate::policy::Decide;
use crate::router::hooks::SavedHooks;
use crate::settings::Settings;

/// Version of the saved form. Raise it with every change of a type that is saved: older bytes are then
/// refused instead of misread.
pub const STATE_VERSION: u16 = 3;

/// Why bytes are not the state of an engine: where, and what was expected there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The part of the state.
    pub place: &'static str,
    /// Row in it, where it is a table.
    pub row: Option<usize>,
    /// What should have been there.
    pub expected: &'static str,
}

impl Damage {
    /// Damage of one part.
    #[must_use]
    pub const fn of(place: &'static str, expected: &'static str) -> Self {
        Self { place, row: None, expected }
    }

    /// Damage of one row.
    #[must_use]
    pub const fn row(place: &'static str, row: usize, expected: &'static str) -> Self {
        Self { place, row: Some(row), expected }
    }

    /// `Ok` when the condition holds, else damage of this part.
    ///
    /// # Errors
    /// [`Damage`].
    pub fn unless(
        holds: bool,
        place: &'static str,
        row: impl Into<Option<usize>>,
        expected: &'static str,
    ) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(Self { place, row: row.into(), expected }) }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "saved state, {}", self.place)?;
        if let Some(row) = self.row {
            write!(f, " {row}")?;
        }
        write!(f, ": expected {}", self.expected)
    }
}

impl core::error::Error for Damage {}

/// Version, instruments, body.
fn write<T: Serialize>(table: &InstrumentTable, body: &T, out: Vec<u8>) -> Vec<u8> {
    postcard::to_extend(&(STATE_VERSION, table, body), out).unwrap_or_default()
}

/// The saved instruments and the body, once both are in the form in which [`write`] writes them.
fn read<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    table: &InstrumentTable,
) -> Result<(T, usize), Damage> {
    let (saved, rest) = front(bytes)?;
    Damage::unless(
        table.continues(&saved) || planted!(X48ForeignAccepted),
        "instruments",
        None,
        "a table that begins with the saved instruments in their order",
    )?;
    let (body, rest) = postcard::take_from_bytes::<T>(rest)
        .map_err(|_| Damage::of("state", "a state of this version"))?;
    if planted!(D26DamagedAccepted) {
        return Ok((body, saved.len()));
    }
    Damage::unless(rest.is_empty(), "state", None, "nothing behind it")?;
    let again = write(&saved, &body, Vec::with_capacity(bytes.len()));
    Damage::unless(again == bytes, "state", None, "its canonical form")?;
    Ok((body, saved.len()))
}

/// The front of the bytes and what follows it.
fn front(bytes: &[u8]) -> Result<(InstrumentTable, &[u8]), Damage> {
    let (version, rest) = postcard::take_from_bytes::<u16>(bytes)
        .map_err(|_| Damage::of("version", "a version number"))?;
    Damage::unless(version == STATE_VERSION, "version", None, "the version of this program")?;
    postcard::take_from_bytes::<InstrumentTable>(rest)
        .map_err(|_| Damage::of("instruments", "the rows of an instrument table"))
}

/// The instruments of saved bytes, for [`InstrumentTable::continued`].
///
/// # Errors
/// [`Damage`].
pub fn saved_table(bytes: &[u8]) -> Result<InstrumentTable, Damage> {
    front(bytes).map(|(table, _)| table)
}

impl<P: Decide, H: SavedHooks> Engine<P, H> {
    /// Writes the whole state into `out`, whose content is replaced. A content of the settings that was
    /// announced but is not in force yet is not part of it.
    ///
    /// `out` stays empty when the policy refuses to be serialised, which [`Engine::restore`] refuses in
    /// turn. About 20 kB for a fresh engine of ten instruments; time in the order of the size.
    pub fn save(&self, out: &mut Vec<u8>) {
        out.clear();
        *out = write(self.kernel.table(), self, core::mem::take(out));
    }

    /// The engine that was saved, under these settings and instruments. Same settings and table: the
    /// engine is the saved one to the byte, and goes on like it.
    ///
    /// `table` must begin with the saved instruments in their order ([`InstrumentTable::continued`] makes
    /// such a one); further rows get empty places. When `kernel.slots_max` has grown, slots are added;
    /// when it has shrunk, free slots at the end go. Allocates all that the engine will need.
    ///
    /// # Errors
    /// [`Damage`] for bytes that no engine of this version saved, and for a table that does not continue
    /// theirs. Never panics, whatever the bytes.
    pub fn restore(
        bytes: &[u8],
        settings: Arc<Settings>,
        table: Arc<InstrumentTable>,
    ) -> Result<Self, Damage> {
        let (mut engine, instruments) = read::<Self>(bytes, &table)?;
        engine.kernel.restored(instruments, &settings, Arc::clone(&table))?;
        engine.router.restored(instruments, engine.kernel.slots().len())?;
        engine.policy.restored(instruments, table)?;
        engine.settings = settings;
        Ok(engine)
    }
}

impl Kernel {
    /// Writes a kernel without a policy into `out`, whose content is replaced; see [`Engine::save`].
    pub fn save(&self, out: &mut Vec<u8>) {
        out.clear();
        *out = write(self.table(), self, core::mem::take(out));
    }

    /// The kernel that was saved; see [`Engine::restore`].
    ///
    /// # Errors
    /// [`Damage`]. Never panics, whatever the bytes.
    pub fn restore(
        bytes: &[u8],
        settings: &Settings,
        table: Arc<InstrumentTable>,
    ) -> Result<Self, Damage> {
        let (mut kernel, instruments) = read::<Self>(bytes, &table)?;
        kernel.restored(instruments, settings, table)?;
        Ok(kernel)
    }
}
