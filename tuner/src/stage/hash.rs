//! The hash of a set of overrides: 16 hex digits of SHA-256 over compact JSON with sorted keys, all values
//! as texts.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use pinion_core::settings::Settings;
use sha2::{Digest as _, Sha256};

use crate::traits::tunable;

/// Values by dotted name, as texts.
pub type Overrides = BTreeMap<String, String>;

/// The values of every key that the rules may write, without the ephemeral one.
#[must_use]
pub fn overrides(settings: &Settings) -> Overrides {
    tunable().map(|key| (key.name.to_owned(), (key.get)(settings).to_text())).collect()
}

/// The hash.
#[must_use]
pub fn hash(overrides: &Overrides) -> String {
    // A map of texts always serialises.
    let text = serde_json::to_string(overrides).unwrap_or_default();
    let mut hex = String::with_capacity(16);
    for byte in Sha256::digest(text.as_bytes()).iter().take(8) {
        // Writing to a String cannot fail.
        let _written = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_golden_hash() {
        let of = |pairs: [(&str, &str); 2]| {
            hash(&pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
        };
        assert_eq!(of([("A", "1"), ("B", "2")]), "3eda2f06741f1d08");
        assert_eq!(of([("B", "2"), ("A", "1")]), "3eda2f06741f1d08");
    }

    #[test]
    fn a_lock_does_not_change_it() {
        let mut settings = Settings::default();
        let before = hash(&overrides(&settings));
        settings.universe_excluded = vec![pinion_core::id::TextId::new("BTCUSDT").expect("fits")];
        assert_eq!(hash(&overrides(&settings)), before);
        settings.funnel_top_n += 1;
        assert_ne!(hash(&overrides(&settings)), before);
    }
}
