//! The configuration hash: which settings a run had, in sixteen letters.

use std::collections::BTreeMap;

use pinion_core::settings::{InstrumentOverride, KEYS, Settings};
use sha2::{Digest as _, Sha256};

use crate::config::sections::Venue;

/// First 16 hex digits of SHA-256 over compact JSON with sorted keys and every value as a string.
#[must_use]
pub fn of_texts(texts: &BTreeMap<String, String>) -> String {
    // A map of strings to strings always serialises.
    let json = serde_json::to_string(texts).unwrap_or_default();
    let digest = Sha256::digest(json.as_bytes());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The hash of a whole configuration: every key's canonical text, defaults included, every instrument
/// override, and of the venue what differs from its defaults.
#[must_use]
pub fn config_hash(
    settings: &Settings,
    instruments: &[InstrumentOverride],
    venue: &Venue,
) -> String {
    let mut texts: BTreeMap<String, String> =
        KEYS.iter().map(|key| (key.name.to_owned(), (key.get)(settings).to_text())).collect();
    for row in instruments {
        texts.extend(super::instrument::fields(row).map(|(name, text)| {
            (format!("{}.{}.{name}", super::instrument::SECTION, row.symbol), text)
        }));
    }
    texts.extend(venue.hashed().map(|(field, text)| (field.key(), text)));
    of_texts(&texts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::problem::Place;
    use pinion_core::id::TextId;
    use pinion_core::units::Price;

    #[test]
    fn the_hash_is_the_published_one() {
        let texts = [("B", "2"), ("A", "1")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(of_texts(&BTreeMap::from(texts)), "3eda2f06741f1d08");
    }

    #[test]
    fn every_key_and_every_override_changes_the_hash() {
        let default = Settings::default();
        let hash = config_hash(&default, &[], &Venue::default());
        assert_eq!(hash.len(), 16);
        let faster = Settings { signal_scan_ns: default.signal_scan_ns + 1, ..default.clone() };
        assert_ne!(config_hash(&faster, &[], &Venue::default()), hash);
        let row = InstrumentOverride {
            symbol: TextId::new("BTCUSDT").expect("fits"),
            tick: Some(Price::from_raw(1)),
            lot: None,
            min_notional: None,
            tradable: None,
            listed_ns: None,
        };
        assert_ne!(config_hash(&default, &[row], &Venue::default()), hash);
        let mut venue = Venue::default();
        venue.put("leverage", "7", &Place::Set).expect("fits");
        assert_ne!(config_hash(&default, &[], &venue), hash);
    }
}
