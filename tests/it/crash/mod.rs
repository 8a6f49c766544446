//! What survives a crash: the state at every input, the files at every byte, the process at any moment.
//!
//! The full matrix (200 traces, every boundary to its end, every byte of every write; minutes):
//! `PINION_CRASH=full cargo test --release -p pinion-tests --test it crash:: -- --nocapture`.

mod disk;
mod kill;
mod matrix;
mod script;
mod verb;

/// True when the whole matrix is wanted, not the part that every build runs.
pub(crate) fn is_full() -> bool {
    std::env::var("PINION_CRASH").is_ok_and(|value| value == "full")
}

/// Text for the person who asked for the figures.
#[expect(clippy::print_stderr, reason = "figures of a long run")]
pub(crate) fn tell(text: &str) {
    eprintln!("{text}");
}
